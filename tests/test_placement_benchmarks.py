"""The benchmarks of placement: optima are legal code with the shifts of the solver, orders no worse than others."""

from __future__ import annotations

import importlib
from itertools import pairwise, permutations
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Modules of the benchmarks' folder, which import each other by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def test_orders_of_objects(load) -> None:
    orders = load("track_orders")
    rng = np.random.default_rng(0)
    for objects in (1, 2, 5, 6):
        sequence = rng.integers(0, objects, 30).tolist()
        graph = orders.weights(sequence, objects)
        least = min(orders.cost(graph, list(order)) for order in permutations(range(objects)))
        walked = [
            sum(abs(order.index(a) - order.index(b)) for a, b in pairwise(sequence))
            for order in permutations(range(objects))
        ]
        assert least == min(walked) == orders.optimum(sequence, objects)
        costs = [orders.cost(graph, make(sequence, objects)) for make in orders.BASELINES.values()]
        assert least == orders.cost(graph, orders.searched(sequence, objects)) <= min(costs)


@pytest.mark.parametrize("problem", ["one", "time", "loops"])
def test_the_optimum_of_a_kernel(load, problem: str) -> None:
    """The solver's answer is made into code, verified and predicted; that it has other shifts raises."""
    pytest.importorskip("ortools")
    optimum = load("placement_optimum")
    for kernel in optimum.kernels(3, range(6, 9)):
        found = optimum.Model(kernel, problem).solve(20)
        assert found.bound == found.steps <= optimum.ours(kernel, problem, 1)
