"""The tool that shows differences to float executors to be ties: it accepts those, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from onnx_testing import Net

pytest.importorskip("onnxruntime")


def load_ties() -> ModuleType:
    """Import the script, which is in no package."""
    path = Path(__file__).parents[1] / "benchmarks" / "ties.py"
    spec = importlib.util.spec_from_file_location("ties", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["ties"] = module
    spec.loader.exec_module(module)
    return module


ties = load_ties()


@pytest.fixture
def net() -> Net:
    """Layers of real scales: 0.35 / 0.1 is a half in float32, which decides at the input; 0.21 * 5 / 0.3 further on."""
    rng = np.random.default_rng(3)
    net = Net(2, 6, 6)
    y = net.op("Conv", net.qdq("x", 0.1, 3), net.weights(rng.integers(-1, 2, (4, 2, 3, 3)), 0.37), pads=[1, 1, 1, 1])
    y = net.op("BatchNormalization", y, *(net.const(rng.uniform(0.5, 2, 4)) for _ in range(4)))
    y = net.qdq(net.op("Relu", y), 0.21)
    y = net.qdq(
        net.op("Add", net.op("MaxPool", y, kernel_shape=[2, 2]), net.op("AveragePool", y, kernel_shape=[2, 2])), 0.3
    )
    net.op(
        "Gemm", net.op("Flatten", y), net.weights(rng.integers(-1, 2, (100, 3)), 0.37), net.const(rng.normal(size=3))
    )
    return net


def test_differences_are_ties(net: Net) -> None:
    rng = np.random.default_rng(5)
    x = (rng.integers(-40, 60, size=(20, 2, 6, 6)) / 20).astype(np.float32)
    first, second, third, output = ties.compare(net.model(), {"x": x})
    assert first.count == x.size and first.differing == 0
    assert second.worst <= 1 and third.differing > 0 and 0 < third.worst <= 1
    assert third.end_to_end >= third.differing
    assert output.output and output.worst <= 1
    assert "all integers" in {str(cell) for cell in ties.table([first, second, third, output]).columns[0].cells}


@pytest.mark.parametrize("step", [-1, 1, 2])
def test_other_differences_are_not(net: Net, step: int) -> None:
    x = np.random.default_rng(5).uniform(-1, 1, size=(4, 2, 6, 6)).astype(np.float32)
    model = net.model()
    values = ties.reference(ties.Graph.of(model), {"x": x})
    name = ties.Graph.of(model).quantisers[1].output[0]
    values[name] = values[name].copy()
    values[name].flat[7] += step
    rows = ties.compare(model, {"x": x}, values)
    assert [row.worst > 1 for row in rows[:2]] == [False, True]
    assert rows[1].differing == 1


def test_an_output_beyond_its_bound(net: Net) -> None:
    x = np.random.default_rng(5).uniform(-1, 1, size=(4, 2, 6, 6)).astype(np.float32)
    model = net.model()
    values = ties.reference(ties.Graph.of(model), {"x": x})
    name = model.graph.output[0].name
    values[name] = values[name] + np.float32(1e-3)
    assert ties.compare(model, {"x": x}, values)[-1].worst > 1
