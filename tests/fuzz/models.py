"""Surfaces that take ONNX models: the importer alone, the whole compiler, and both beside onnxruntime."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import mutations
from fuzz.surface import Surface, parsed, written
from onnx_testing import Net

from cam_compiler.compile import compile_module
from cam_compiler.importer import import_model
from cam_compiler.validation import edge_inputs
from runtime.interpreter import Interpreter
from runtime.values import Value

MOST = 1 << 16
"""values of a sample that tries run with"""


def _dense() -> Net:
    net = Net(4)
    net.op("MatMul", net.quant("x", 0.5), net.weights(np.array([[1, -1, 0, 1], [0, 1, 1, -1]]).T, 0.5))
    net.qdq(net.op("Relu", net.last), 0.25)
    return net


def _image() -> Net:
    net = Net(2, 4, 4)
    kernel = net.weights(np.arange(36).reshape(2, 2, 3, 3) % 3 - 1)
    net.op("Conv", net.qdq("x", 0.25), kernel, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    net.op("MaxPool", net.quant(net.last, 0.5), kernel_shape=[2, 2], strides=[2, 2])
    net.op("Flatten", net.op("Concat", net.last, net.last, axis=1))
    return net


def _constants() -> Net:
    net = Net(4)
    shape = net.op("Concat", net.const([2], np.int64), net.const([4], np.int64), axis=0)
    weights = net.op("Expand", net.const([[1.0, -1.0, 1.0, 0.0]]), shape)
    weights = net.op("Mul", net.op("Pow", weights, net.const(2.0)), net.const(0.5))
    net.op("MatMul", net.quant("x", 0.5), net.op("Transpose", weights, perm=[1, 0]))
    net.op("ArgMax", net.last, axis=1)
    return net


def _standard() -> Net:
    """Operators that onnxruntime knows, with numbers that float32 holds exactly."""
    net = Net(1, 4, 4)
    quantised = net.qdq("x", 0.25)
    net.op("Conv", quantised, net.weights(np.arange(18).reshape(2, 1, 3, 3) % 3 - 1), kernel_shape=[3, 3])
    net.op("Add", net.op("Relu", net.last), net.const(np.array([1.0, -0.5]).reshape(1, 2, 1, 1)))
    net.op("MaxPool", net.qdq(net.last, 0.5, 128), kernel_shape=[2, 2])
    net.op("Flatten", net.last)
    net.op("MatMul", net.last, net.weights(np.array([[1, -1, 0], [0, 1, 1]]), 0.5))
    return net


def _bytes(*nets: Net) -> list[bytes]:
    return [net.model().SerializeToString() for net in nets]


def _seeds() -> list[bytes]:
    return _bytes(_dense(), _image(), _constants(), _standard())


def _import(data: bytes, folder: Path) -> None:
    text = str(import_model(written(data, folder, "net.onnx")))
    assert str(parsed(text)) == text


def _compile(data: bytes, folder: Path) -> None:
    module = import_model(written(data, folder, "net.onnx"))
    inputs = edge_inputs(module, samples=2)
    if sum(value.size for value in inputs.values()) > MOST:
        return
    golden = Interpreter(trace=False).run(module, inputs).outputs
    compile_module(module, pipeline="unshared")
    for name, value in Interpreter(trace=False).run(module, inputs).outputs.items():
        np.testing.assert_array_equal(value, golden[name])


# ---- beside onnxruntime

_NUMBERS = (0.0, -1.0, 0.5, 0.25, 2.0, 3.0, -0.75, 8.0)
"""Numbers with which float32 computes exactly."""


def _change_exactly(random_: random.Random, data: bytes) -> bytes:
    return mutations.of_model(random_, data, _NUMBERS)


@cache
def _library() -> Any:
    library: Any = __import__("onnxruntime")
    library.set_default_logger_severity(4)
    return library


def _reference(data: bytes, given: dict[str, Value]) -> dict[str, Value] | None:
    """What onnxruntime computes; None where it doesn't take the model."""
    library = _library()
    options = library.SessionOptions()
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = library.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, given), strict=True))
    except Exception:
        return None


def _exact(module: str) -> bool:
    """Whether float32 computes exactly what the network does: its scales and offsets are few-bit dyadic numbers."""
    stated = re.findall(r"(?:scale|offset) = array<f64: ([^>]*)>", module)
    numbers = [float(number) for text in stated for number in text.split(",")]
    return all(float(np.float32(number * 1024)).is_integer() and abs(number) < 1 << 12 for number in numbers)


def _beside(data: bytes, folder: Path) -> None:
    module = import_model(written(data, folder, "net.onnx"))
    rng = np.random.default_rng(len(data))
    given = {
        name: (rng.integers(-40, 40, value.shape) / 8).astype(value.dtype)
        for name, value in edge_inputs(module, samples=2).items()
    }
    if sum(value.size for value in given.values()) > MOST or not _exact(str(module)):
        return
    found = Interpreter(trace=False).run(module, given).outputs
    expected = _reference(data, given)
    if expected is None:
        return
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


def _change_bytes(random_: random.Random, data: bytes) -> bytes:
    return mutations.of_model(random_, data) if random_.random() < 0.85 else mutations.of_bytes(random_, data)


SURFACES = {
    "importer": Surface(_seeds, _change_bytes, _import),
    "compiler": Surface(_seeds, mutations.of_model, _compile),
    "onnxruntime": Surface(lambda: _bytes(_standard()), _change_exactly, _beside),
}
