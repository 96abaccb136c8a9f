"""The forms of docs/exporters.md: files by onnxruntime's quantiser, and graphs as other exporters write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_testing import MICROSOFT, QUANT, Net, reference, ternary_weights

from cam_compiler.cli import main
from cam_compiler.importer import import_model
from dialects.support.errors import ModelError
from runtime.interpreter import Interpreter

DOCS = Path(__file__).parents[1] / "docs" / "exporters.md"
RANDOM = np.random.default_rng(21)


def trained() -> onnx.ModelProto:
    """A small float CNN with a Softmax, as it comes out of training."""
    net = Net(1, 8, 8, opset=21)
    y = net.op("Relu", net.op("Conv", "x", net.const(RANDOM.normal(size=(4, 1, 3, 3))), pads=[1, 1, 1, 1]))
    y = net.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.op("Relu", net.op("Conv", y, net.const(RANDOM.normal(size=(6, 4, 3, 3)) / 4)))
    y = net.op("Flatten", net.op("GlobalAveragePool", y))
    net.op("Gemm", y, net.const(RANDOM.normal(size=(6, 3))), net.const(RANDOM.normal(size=3)))
    return net.model()


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("activations", ["QUInt8", "QInt8", "QUInt16", "QInt16"])
def test_onnxruntime_static_quantisation(form: str, activations: str, tmp_path: Path) -> None:
    quantization: Any = pytest.importorskip("onnxruntime.quantization")
    data = RANDOM.uniform(0, 1, (20, 1, 8, 8)).astype(np.float32)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"x": sample[None]} for sample in data]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    if form == "QOperator" and "16" in activations:
        pytest.skip("onnxruntime has no such kernels")
    onnx.save(trained(), tmp_path / "float.onnx")
    quantization.quantize_static(
        str(tmp_path / "float.onnx"),
        str(tmp_path / "m.onnx"),
        Reader(),
        quant_format=quantization.QuantFormat[form],
        activation_type=quantization.QuantType[activations],
        # onnxruntime's kernels for unsigned data and signed weights saturate in 16 bits on some processors.
        weight_type=quantization.QuantType["QUInt8" if (form, activations) == ("QOperator", "QUInt8") else "QInt8"],
        per_channel=form == "QDQ",
    )
    model = onnx.load(tmp_path / "m.onnx")
    (found,) = Interpreter().run(import_model(model), {"x": data}).outputs.values()
    (wanted,) = reference(model, data)
    # Scales of this kind put hardly any number on a tie, and a step of the result is what float32 may be off.
    differs = np.abs(found - wanted) > 1e-6 * np.abs(wanted).max()
    assert differs.mean() < 0.05
    assert np.abs(found - wanted).max() < np.ptp(wanted) / (60 if "8" in activations else 9000)


def brevitas_qcdq(net: Net) -> str:
    scale, zero = net.const(0.25), net.const(0, np.int8)
    q = net.op("QuantizeLinear", "x", net.const(0.125), net.const(0, np.uint8))
    y = net.op("DequantizeLinear", q, net.const(0.125), net.const(0, np.uint8))
    ends = (net.const(end, np.int8) for end in (-1, 1))
    codes = net.op("Clip", net.const(ternary_weights(4, 2, 3, 3), np.int8), *ends)
    y = net.op("Relu", net.op("Conv", y, net.op("DequantizeLinear", codes, scale, zero)))
    q = net.op("Clip", net.op("QuantizeLinear", y, scale, zero), net.const(0, np.int8), net.const(7, np.int8))
    return net.op("DequantizeLinear", q, scale, zero)


def brevitas_qonnx(net: Net) -> str:
    y = net.quant("x", 0.125, bits=8)
    weights = net.quant(net.const(RANDOM.normal(size=(4, 2, 3, 3)) / 2), 0.25, bits=2, narrow=1)
    return net.quant(net.op("Relu", net.op("Conv", y, weights)), 0.25, bits=4, signed=0)


def qkeras(net: Net) -> str:
    """Images with their channels last, biases that are quantised, fixed point everywhere."""
    y = net.op("Transpose", "x", perm=[0, 3, 1, 2])
    weights = net.quant(net.const(RANDOM.normal(size=(4, 2, 3, 3))), 0.25, bits=4)
    bias = net.quant(net.const(RANDOM.normal(size=4)), 0.0625, bits=6)
    y = net.op("Transpose", net.op("Conv", y, weights, bias), perm=[0, 2, 3, 1])
    return net.quant(net.op("Relu", y), 0.0625, bits=6, signed=0)


def pytorch(net: Net) -> str:
    """Fake quantisers, of weights as well, per channel."""
    y = net.qdq("x", 0.125, 3)
    scales, zeros = net.const(2.0 ** RANDOM.integers(-4, -1, 4)), net.const(np.zeros(4), np.int8)
    weights = net.const(RANDOM.normal(size=(4, 2, 3, 3)))
    weights = net.op("QuantizeLinear", weights, scales, zeros, axis=0)
    y = net.op("Conv", y, net.op("DequantizeLinear", weights, scales, zeros, axis=0), net.const([0.5, -0.25, 0, 1]))
    return net.qdq(net.op("Relu", y), 0.25, 0)


def quantlab(net: Net) -> str:
    """Integers in float tensors; multiply, add, divide, floor and clip."""
    y = net.op("Conv", "x", net.const(ternary_weights(4, 2, 3, 3)))
    y = net.op("Mul", y, net.const(RANDOM.integers(50, 500, (4, 1, 1))))
    y = net.op("Add", y, net.const(RANDOM.integers(-900, 900, (4, 1, 1))))
    y = net.op("Floor", net.op("Div", y, net.const(1024.0)))
    return net.op("Clip", y, net.const(0.0), net.const(15.0))


def bitnet(net: Net) -> str:
    """Two bits a weight, four in a byte, with one scale."""
    y = net.op("Reshape", net.qdq("x", 0.125, 128), net.const([-1, 72], np.int64))
    codes = (RANDOM.integers(0, 3, (5, 5, 16, 4)) << np.arange(0, 8, 2)).sum(axis=-1)[..., :4]
    zero = np.full((5, 2), 0b01010101)
    operands = [net.const(codes, np.uint8), net.const(np.full((5, 5), 0.25)), net.const(zero, np.uint8)]
    return net.op("MatMulNBits", y, *operands, domain=MICROSOFT, K=72, N=5, bits=2, block_size=16)


Form = tuple[Callable[[Net], str], tuple[int, ...], Any, dict[str, str]]
FORMS: dict[str, Form] = {
    "brevitas QCDQ": (brevitas_qcdq, (2, 6, 6), None, {}),
    "brevitas QONNX": (brevitas_qonnx, (2, 6, 6), None, {}),
    "QKeras": (qkeras, (6, 6, 2), np.arange(-128, 128) / 32, {"x": "FIXED<8,3>"}),
    "PyTorch": (pytorch, (2, 6, 6), None, {}),
    "QuantLab": (quantlab, (2, 6, 6), np.arange(4), {"x": "UINT2"}),
    "BitNet": (bitnet, (2, 6, 6), None, {}),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_graphs_in_an_exporters_form(name: str) -> None:
    build, shape, numbers, declared = FORMS[name]
    net = Net(*shape, opset=21)
    build(net)
    model = net.model()
    x = RANDOM.integers(-24, 25, (5, *shape)) / 8 if numbers is None else RANDOM.choice(numbers, (5, *shape))
    x = x.astype(np.float32)
    (found,) = Interpreter().run(import_model(model, declared), {"x": x}).outputs.values()
    np.testing.assert_array_equal(found, reference(model, x)[0])


SHAPES = {True: (6, 6, 2), False: (2, 6, 6)}


def finn(streamlined: bool) -> onnx.ModelProto:
    """MultiThreshold behind scales and offsets; streamlined, integers with channels last and a lowered convolution."""
    net = Net(*SHAPES[streamlined], opset=13)
    edges = np.sort(RANDOM.integers(-12, 13, (4, 3)), axis=1)
    if streamlined:
        more = {"kernel_size": [3, 3], "stride": [1, 1], "pad_amount": [0, 0, 0, 0], "input_shape": "(1,6,6,2)"}
        y = net.op("Im2Col", "x", domain=QUANT, **more)
        y = net.op("MatMul", y, net.const(ternary_weights(18, 4)))
        y = net.op("MultiThreshold", y, net.const(edges), domain=QUANT, data_layout="NHWC", out_dtype="UINT2")
        net.op("MaxPoolNHWC", y, domain=QUANT, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    else:
        y = net.op("Conv", "x", net.const(ternary_weights(4, 2, 3, 3)))
        y = net.op("Add", net.op("Mul", y, net.const(0.0625)), net.const(0.5))
        more = {"out_dtype": "INT2", "out_bias": -2.0, "out_scale": 1.0, "data_layout": "NCHW"}
        y = net.op("MultiThreshold", y, net.const(edges / 8), domain=QUANT, **more)
        net.op("Mul", y, net.const(0.25))
    model = net.model()
    note = model.graph.quantization_annotation.add(tensor_name="x")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="UINT2")
    return model


@pytest.mark.parametrize("streamlined", [False, True])
def test_finn(streamlined: bool) -> None:
    """Against qonnx's executor; the input's type is FINN's annotation."""
    execution: Any = pytest.importorskip("qonnx.core.onnx_exec")
    wrapper: Any = pytest.importorskip("qonnx.core.modelwrapper")
    shapes: Any = pytest.importorskip("qonnx.transformation.infer_shapes")
    model = finn(streamlined)
    x = RANDOM.integers(0, 4, (1, *SHAPES[streamlined])).astype(np.float32)
    module = import_model(model)
    assert 'onnx.values = "UINT2"' in str(module)
    (found,) = Interpreter().run(module, {"x": x}).outputs.values()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    wrapped = wrapper.ModelWrapper(model)
    if streamlined:
        # It infers no shape behind Im2Col.
        for node, channels in zip(model.graph.node, (18, 4, 4), strict=False):
            wrapped.set_tensor_shape(node.output[0], [1, 4, 4, channels])
    wrapped = wrapped.transform(shapes.InferShapes())
    (wanted,) = execution.execute_onnx(wrapped, {"x": x}).values()
    np.testing.assert_array_equal(found, wanted)


def test_the_page_names_options_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command lines for QuantLab and QKeras compile graphs in those forms."""
    monkeypatch.chdir(tmp_path)
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith("camc compile")]
    assert len(lines) >= 6
    for name, file in (("QuantLab", "quantlab.onnx"), ("QKeras", "qkeras.onnx"), ("PyTorch", "pytorch.onnx")):
        build, shape, _, _ = FORMS[name]
        net = Net(*shape, opset=21)
        build(net)
        onnx.save(net.model(), file)
        (line,) = [line for line in lines if file in line]
        assert main([*line.partition("#")[0].replace("'", "").split()[1:], "-q"]) == 0


def test_an_export_that_says_nothing_of_its_input_is_told_the_options() -> None:
    net = Net(2, 6, 6, opset=21)
    quantlab(net)
    with pytest.raises(ModelError, match="float input") as caught:
        import_model(net.model())
    assert "--input-type" in str(caught.value)
