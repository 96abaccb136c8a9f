"""Random graphs of all operators (benchmarks/random_graphs.py): a share of them, and that a wrong result is found."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from random_layers import random_graph

from runtime.interpreter import Interpreter

pytest.importorskip("onnxruntime")


def load_benchmark() -> ModuleType:
    """Import the script, which is in no package."""
    path = Path(__file__).parents[1] / "benchmarks" / "random_graphs.py"
    spec = importlib.util.spec_from_file_location("random_graphs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["random_graphs"] = module
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_graphs_compute_the_same(first: int) -> None:
    outcomes = [benchmark.outcome(seed, ap=seed % 30 == 0) for seed in range(first, first + 30)]
    assert not [found for found in outcomes if benchmark.failed(found)]
    assert sum(found.status == benchmark.EQUAL for found in outcomes) >= 25


def test_every_operator_occurs() -> None:
    """In the graphs of the first seeds, which are built and not run."""
    outcomes = [
        benchmark.Outcome(seed, benchmark.EQUAL, "", frozenset(random_graph(seed).operators)) for seed in range(1500)
    ]
    assert not benchmark.missing(outcomes)
    assert benchmark.missing(outcomes[:1])


def test_a_wrong_result_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Interpreter.run

    def wrong(*arguments: object) -> object:
        result = right(*arguments)  # type: ignore[arg-type]
        return replace(result, outputs={name: value + 1 for name, value in result.outputs.items()})

    monkeypatch.setattr(Interpreter, "run", wrong)
    found = benchmark.outcome(1)
    assert found.status == benchmark.DIFFERENT and "differ, first at" in found.why and benchmark.failed(found)
