"""Any array: networks run exactly on it, bit by bit, or are refused with the smallest array that would do.

CAMC_EXAMPLES=500 pytest tests/test_geometries.py
"""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from random_networks import random_network
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.capacity import explained
from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from dialects.machine.target import Target
from dialects.support.errors import CapacityError, ModelError
from runtime.interpreter import Interpreter

EXAMPLES = int(os.environ.get("CAMC_EXAMPLES", "8"))
SETTINGS = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=EXAMPLES)


def sizes(low: int, high: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([low, high]), st.integers(low, high), st.integers(low, (3 * low + high) // 4))


def targets(rows: tuple[int, int], columns: tuple[int, int], domains: tuple[int, int]) -> st.SearchStrategy[Target]:
    return st.builds(Target, st.just("any"), rows=sizes(*rows), columns=sizes(*columns), domains=sizes(*domains))


def network(seed: int) -> tuple[ModuleOp, Any]:
    model, x = random_network(random.Random(seed))
    try:
        return import_model(model), x
    except ModelError:
        reject()


def check(module: ModuleOp, x: Any, target: Target) -> CapacityError | None:
    """Compile and run on the golden simulator; the error if the array is too small."""
    passes, lowered = parse_passes("default"), module.clone()
    try:
        run_passes(lowered, passes, target)
    except CapacityError as error:
        return explained(error, module, passes, target)
    found = Interpreter(target, "golden").run(lowered, {"x": x}).outputs
    for name, value in Interpreter().run(module, {"x": x}).outputs.items():
        np.testing.assert_array_equal(found[name], value)
    return None


def with_size(target: Target, columns: int, domains: int) -> Target:
    return Target("any", rows=target.rows, columns=columns, domains=domains)


@SETTINGS
@given(st.integers(0, 1 << 32), targets((64, 512), (64, 512), (16, 128)))
def test_arrays_of_all_sizes(seed: int, target: Target) -> None:
    module, x = network(seed)
    refused = check(module, x, target)
    if refused:
        assert refused.needs, refused
        assert check(module, x, with_size(target, *refused.needs)) is None


@SETTINGS
@given(st.integers(0, 1 << 32), targets((64, 64), (4, 12), (4, 12)))
def test_the_smallest_array_that_would_do(seed: int, target: Target) -> None:
    module, x = network(seed)
    refused = check(module, x, target)
    if not refused:
        return
    assert refused.needs and str(refused.needs.columns) in str(refused), refused
    columns, domains = refused.needs
    assert check(module, x, with_size(target, columns, domains)) is None
    if domains == target.domains and columns > target.columns:
        assert check(module, x, with_size(target, columns - 1, domains))
