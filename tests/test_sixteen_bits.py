"""Networks with activations of 16 bits, as onnxruntime's static quantiser writes them, run exactly."""

from __future__ import annotations

import importlib.util
import logging
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from dialects import ternary
from dialects.machine.target import Target
from runtime.interpreter import Interpreter

pytest.importorskip("onnxruntime")

RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RANDOM.normal(size=shape).astype(np.float32)


def float_model(nodes: list[onnx.NodeProto], shape: tuple[int, ...], **constants: Any) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", T.FLOAT, ["N", *shape])]
    outputs = [helper.make_tensor_value_info("y", T.FLOAT, ["N", 3])]
    initialisers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def mlp() -> tuple[onnx.ModelProto, tuple[int, ...]]:
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["y"]),
    ]
    return float_model(nodes, (6,), w1=normal(6, 4), b1=normal(4), w2=normal(4, 3), b2=normal(3)), (6,)


def cnn() -> tuple[onnx.ModelProto, tuple[int, ...]]:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"]),
    ]
    return float_model(nodes, (1, 6, 6), w1=normal(3, 1, 3, 3), b1=normal(3), w2=normal(27, 3), b2=normal(3)), (1, 6, 6)


def quantised(folder: Path, kind: str, signed: bool, wide: bool, per_channel: bool) -> tuple[onnx.ModelProto, Any]:
    """The model with 16-bit activations and 8- or 16-bit weights; and samples."""
    from onnxruntime import quantization as ort

    model, shape = mlp() if kind == "mlp" else cnn()
    samples = [{"x": normal(8, *shape)} for _ in range(3)]

    class Reader(ort.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(samples)

        def get_next(self) -> Any:
            return next(self.left, None)

    logging.disable(logging.WARNING)
    try:
        onnx.save(model, folder / "float.onnx")
        ort.quantize_static(
            folder / "float.onnx",
            folder / "quantised.onnx",
            Reader(),
            quant_format=ort.QuantFormat.QDQ,
            activation_type=ort.QuantType.QInt16 if signed else ort.QuantType.QUInt16,
            weight_type=ort.QuantType.QInt16 if wide else ort.QuantType.QInt8,
            per_channel=per_channel,
        )
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(folder / "quantised.onnx"), normal(6, *shape)


def ties() -> ModuleType:
    """The script that shows differences to float executors to be ties."""
    path = Path(__file__).parents[1] / "benchmarks" / "ties.py"
    spec = importlib.util.spec_from_file_location("ties", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ties"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "signed", "wide", "per_channel"), [("mlp", False, False, False), ("cnn", True, True, True)]
)
def test_networks_of_sixteen_bits_run_exactly(
    tmp_path: Path, kind: str, signed: bool, wide: bool, per_channel: bool
) -> None:
    model, x = quantised(tmp_path, kind, signed, wide, per_channel)
    module = import_model(model)
    wanted = Interpreter().run(module, {"x": x}).outputs["y"]
    # What onnxruntime rounds otherwise, it rounds in float32 beside a tie.
    assert all(row.worst <= 1 for row in ties().compare(model, {"x": x}))
    run_passes(module, parse_passes("default", 0), Target("default"))
    np.testing.assert_array_equal(Interpreter().run(module, {"x": x}).outputs["y"], wanted)


def exact_mlp(model: onnx.ModelProto, x: Any) -> list[list[list[int]]]:
    """The integers of all three quantisers of the MLP, in fractions from the model's own numbers."""
    held = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}

    def scaled(name: str) -> np.ndarray[Any, Any]:
        integers = held[f"{name}_quantized"].astype(object) - int(held[f"{name}_zero_point"])
        return integers * Fraction(float(held[f"{name}_scale"]))

    def bias(name: str) -> np.ndarray[Any, Any]:
        return held[f"{name}_quantized"].astype(object) * Fraction(
            float(held[f"{name}_quantized_scale"].reshape(-1)[0])
        )

    def integers(values: Any, name: str) -> np.ndarray[Any, Any]:
        scale, zero = Fraction(float(held[f"{name}_scale"])), int(held[f"{name}_zero_point"])
        return np.vectorize(lambda value: min(max(round(value / scale) + zero, 0), 65535), otypes=[object])(values)

    def numbers(values: Any, name: str) -> np.ndarray[Any, Any]:
        return (values - int(held[f"{name}_zero_point"])) * Fraction(float(held[f"{name}_scale"]))

    first = integers(np.vectorize(lambda value: Fraction(float(value)), otypes=[object])(x), "x")
    second = integers(numbers(first, "x") @ scaled("w1") + bias("b1"), "r")
    third = integers(numbers(second, "r") @ scaled("w2") + bias("b2"), "y")
    return [part.tolist() for part in (first, second, third)]


def test_every_stored_integer_is_the_rational_one(tmp_path: Path) -> None:
    model, x = quantised(tmp_path, "mlp", False, False, False)
    module = import_model(model)
    lines = [op for op in module.walk() if isinstance(op, ternary.RescaleOp)]
    assert len(lines) == 2, "65,536 levels take no table"
    wanted = exact_mlp(model, x)
    last = Interpreter().run(module, {"x": x}).outputs["y"]
    scale = next(item for item in model.graph.initializer if item.name == "y_scale")
    zero = next(item for item in model.graph.initializer if item.name == "y_zero_point")
    step, origin = float(numpy_helper.to_array(scale)), int(numpy_helper.to_array(zero))
    assert np.rint(last / step + origin).astype(int).tolist() == wanted[2]
