"""Random networks against onnxruntime or the reference evaluator, to the bit, and at all levels."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from onnx_testing import canonical, reference
from random_networks import random_network

from cam_compiler.importer import import_model
from cam_compiler.pipeline import LEVELS, cut, parse_passes, run_passes
from dialects.machine.target import load_target
from dialects.support.errors import ModelError
from runtime.interpreter import Interpreter

pytest.importorskip("onnxruntime")
SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
seeds = st.integers(0, (1 << 32) - 1)


def compare(seed: int) -> tuple[Any, Any, Any]:
    """The module of the seed's network with its input and outputs, once those are the reference's."""
    model, x = random_network(random.Random(seed))
    try:
        module = import_model(model)
    except ModelError as error:
        # Parts of different scales side by side, with no quantiser before the next window: these are refused.
        assert "within a channel" in str(error), error
        reject()
    found = Interpreter().run(module, {"x": x}).outputs
    for got, wanted in zip(found.values(), reference(model, x), strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_array_equal(got, wanted)
    canonical(module, x)
    return module, x, found


@settings(SLOW, max_examples=40)
@given(seeds)
def test_the_reference_computes_the_same(seed: int) -> None:
    compare(seed)


@settings(SLOW, max_examples=6)
@given(seeds, st.sampled_from(["default", "across", "date24", "unshared"]))
def test_all_levels_compute_the_same(seed: int, pipeline: str) -> None:
    module, x, found = compare(seed)
    target = load_target("default")
    for level in LEVELS[1:]:
        lowered = module.clone()
        run_passes(lowered, cut(parse_passes(pipeline), level), target)
        for name, value in Interpreter(target).run(lowered, {"x": x}).outputs.items():
            np.testing.assert_array_equal(value, found[name])
