"""Where instructions come from: layers list the ONNX nodes folded into them, and parts of layers have names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_testing import Net

from cam_compiler.cli import main
from cam_compiler.importer import import_model
from dialects import ternary
from dialects.support.errors import InputError

SPLIT = "ternary-canonicalize,convert-ternary-to-apv,apv-split{outputs=2},convert-apv-to-rtm,convert-rtm-to-ap"


def network() -> onnx.ModelProto:
    """A product, a bias, a batch norm and a ReLU before a quantiser; a scale behind the last product."""
    net = Net(4)
    net.quant("x", 0.5)
    net.op("MatMul", net.last, net.weights(np.eye(4), 1.0), name="fc")
    net.op("Add", net.last, net.const(0.25), name="bias")
    channels = [net.const(np.full(4, value)) for value in (1.0, 0.5, 0.25, 1.0)]
    net.op("BatchNormalization", net.last, *channels, name="norm")
    net.op("Relu", net.last, name="relu")
    net.quant(net.last, 0.5)
    net.op("MatMul", net.last, net.weights(np.eye(4), 1.0), name="logits")
    net.op("Mul", net.last, net.const(3.0), name="scale")
    return net.model()


def test_layers_list_what_was_folded_into_them() -> None:
    module = import_model(network())
    nodes = ternary.nodes_of(module)
    assert nodes["fc"] == ("DequantizeLinear dequantizelinear_1", "MatMul fc")
    act = next(name for name in nodes if name.startswith("quant_") and name != "quant_0")
    assert nodes[act] == ("Add bias", "BatchNormalization norm", "Relu relu", f"Quant {act}")
    assert nodes["scale"] == ("Mul scale",)
    layers = {op.properties["layer"].data for op in module.walk() if "layer" in op.properties}
    assert set(nodes) == layers


def test_nonsense_is_refused() -> None:
    module = import_model(network())
    module.attributes["ternary.nodes"] = module.attributes["ternary.nodes"].data["fc"]
    with pytest.raises(InputError, match=r"the module's ternary\.nodes is"):
        ternary.nodes_of(module)


def test_disassembly_says_where_code_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(network(), "net.onnx")
    assert main(["compile", "net.onnx", "-o", "net.camx", "--pipeline", SPLIT]) == 0
    capsys.readouterr()
    assert main(["disasm", "net.camx", "--annotate"]) == 0
    lines = capsys.readouterr().out.splitlines()
    programs = [line for line in lines if line.startswith("; program")]
    assert len(set(programs)) == len(programs) == 2
    assert all("outputs 0 to 2 of 4" in line or "outputs 2 to 4 of 4" in line for line in programs)
    assert lines.count(";   BatchNormalization norm") == 2
    Path("net.bin").write_bytes(b"")
    assert main(["disasm", "net.bin", "--annotate"]) == 1
    assert "only a .camx file" in capsys.readouterr().err
