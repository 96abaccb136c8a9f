"""The tool that shows differences to float executors to be ties: it accepts those, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from onnx_testing import QUANT, Net

from cam_compiler.evaluation import reference
from cam_compiler.importer import import_model
from runtime.interpreter import Interpreter

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


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general"])
def test_quant_in_an_older_domain(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What camc runs, the tool and the reference of `camc evaluate` run, too, from .npy and .npz alike."""
    pytest.importorskip("qonnx")
    rng = np.random.default_rng(4)
    net = Net(6)
    net.op("MatMul", net.quant("x", 0.25), net.quant(net.const(rng.normal(size=(6, 4))), 0.5, bits=3))
    model, path = net.model(), tmp_path / "m.onnx"
    for node in model.graph.node:
        node.domain = domain if node.domain == QUANT else node.domain
    del model.opset_import[1:]
    if domain:
        model.opset_import.add(domain=domain, version=1)
    path.write_bytes(model.SerializeToString())
    x = rng.normal(size=(9, 6)).astype(np.float32)
    wanted = Interpreter().run(import_model(net.model()), {"x": x}).outputs
    assert reference.choose(path, None) == "qonnx"
    (found,) = (reference.load(path, "qonnx")({"x": x})[name] for name in wanted)
    np.testing.assert_allclose(found, *wanted.values(), rtol=1e-6)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, labels=np.zeros(9))
    np.savez(tmp_path / "other.npz", a=x, labels=np.zeros(9))
    for file, code in (("x.npy", 0), ("x.npz", 0), ("other.npz", 2), ("none.npz", 2)):
        monkeypatch.setattr(sys, "argv", ["ties.py", str(path), "--input", str(tmp_path / file)])
        assert ties.main() == code
    said = capsys.readouterr().err
    assert "it has no array for 'x', only 'a', 'labels'" in said and "no such file" in said
