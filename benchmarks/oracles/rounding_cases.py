"""Small networks of one quantiser, with numbers within a few units in the last place of where its levels begin.

At the network's input and on weights; alone and behind the arithmetic that exporters write in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"
NEAR = range(-3, 4)
"""Units in the last place around the point where a level begins in real arithmetic."""


@dataclass
class Net:
    """A network under construction: `last` is the tensor so far, `invert` leads from it back to the input, in reals."""

    rng: np.random.Generator
    dtype: Any = np.float32
    nodes: list[Any] = field(default_factory=list[Any])
    constants: list[TensorProto] = field(default_factory=list[TensorProto])
    last: str = "x"
    undo: list[Callable[[Array], Array]] = field(default_factory=list[Callable[[Array], Array]])

    def const(self, value: Any, kind: Any = None) -> str:
        name = f"c{len(self.constants)}"
        if isinstance(kind, int):
            tensor = helper.make_tensor(name, kind, np.shape(value), np.ravel(value).tolist())
        else:
            tensor = numpy_helper.from_array(np.asarray(value, dtype=kind or self.dtype), name)
        self.constants.append(tensor)
        return name

    def op(self, op: str, *inputs: str, undo: Callable[[Array], Array] | None = None, **more: Any) -> None:
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **more))
        self.last = output
        if undo:
            self.undo.append(undo)

    def drawn(self, low: float, high: float) -> Any:
        """A number of the model's type, evenly drawn by its logarithm."""
        return self.dtype(np.exp(self.rng.uniform(np.log(low), np.log(high))))


@dataclass(frozen=True)
class Rounding:
    """A network with its only input, and what its output's levels are apart (1 for integers)."""

    model: ModelProto
    x: Array
    step: float
    executor: str


def _shifted(net: Net) -> None:
    """(x - mean) / deviation"""
    mean, deviation = net.drawn(0.1, 1.0), net.drawn(0.1, 0.5)
    net.op("Sub", net.last, net.const(mean), undo=lambda y: y + float(mean))
    net.op("Div", net.last, net.const(deviation), undo=lambda y: y * float(deviation))


def _normalised(net: Net) -> None:
    gain, bias, mean, variance = (net.drawn(0.3, 3.0) for _ in range(4))
    root = float(np.sqrt(float(variance) + 1e-5))
    names = [net.const([item]) for item in (gain, bias, mean, variance)]
    net.op(
        "BatchNormalization",
        net.last,
        *names,
        undo=lambda y: (y - float(bias)) / float(gain) * root + float(mean),
    )


def _pixels(net: Net) -> None:
    """uint8 / 255, then as above."""
    net.op("Cast", net.last, to=TensorProto.FLOAT)
    net.op("Mul", net.last, net.const(1 / 255), undo=lambda y: y * 255)
    _shifted(net)


def _standard(net: Net, kind: int, levels: tuple[int, int]) -> tuple[float, Array]:
    scale = net.drawn(0.005, 0.5)
    zero = int(net.rng.integers(levels[0], levels[1] + 1)) // 4
    net.op("QuantizeLinear", net.last, net.const(scale), net.const(zero, kind), undo=lambda y: y * float(scale))
    return 1.0, np.arange(levels[0], levels[1]) - zero + 0.5


def _quant(net: Net, mode: str, bits: int, zero: float) -> tuple[float, Array]:
    scale = net.drawn(0.005, 0.5)
    names = [net.const(scale), net.const(zero), net.const(bits)]
    net.op(
        "Quant",
        net.last,
        *names,
        domain=QONNX,
        signed=1,
        narrow=0,
        rounding_mode=mode,
        undo=lambda y: (y - zero) * float(scale),
    )
    half = 0.5 if mode in ("ROUND", "HALF_UP", "HALF_DOWN") else 0.0
    return float(scale), np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + half


def _near(net: Net, edges: Array) -> Array:
    """Numbers of the network's type around those that come to the edges."""
    for undo in reversed(net.undo):
        edges = undo(edges)
    middle = edges.astype(net.dtype)
    found = [middle]
    for direction in (-np.inf, np.inf):
        part = middle
        for _ in range(max(NEAR)):
            part = np.nextafter(part, net.dtype(direction))
            found.append(part)
    return np.concatenate(found)


def _model(net: Net, elem_type: int, shape: list[Any], x_shape: int, output: int) -> ModelProto:
    port = helper.make_tensor_value_info("x", elem_type, [x_shape, 1])
    result = helper.make_tensor_value_info(net.last, output, shape)
    graph = helper.make_graph(net.nodes, "rounding", [port], [result], net.constants)
    versions = [helper.make_opsetid("", 19), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=10)


Before = Callable[[Net], None]
Quantiser = Callable[[Net], tuple[float, Array]]


def _at_input(rng: np.random.Generator, before: Before, quantiser: Quantiser, dtype: Any) -> Rounding:
    net = Net(rng, dtype)
    before(net)
    step, edges = quantiser(net)
    pixels = before is _pixels
    x = np.arange(256, dtype=np.uint8) if pixels else _near(net, edges)
    elem_type = TensorProto.UINT8 if pixels else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    standard = net.nodes[-1].op_type == "QuantizeLinear"
    kind = next(item for item in net.constants if item.name == net.nodes[-1].input[2]).data_type
    output = kind if standard else elem_type
    model = _model(net, elem_type, [len(x), 1], len(x), output if not pixels or standard else TensorProto.FLOAT)
    return Rounding(model, x.reshape(-1, 1), step, "onnxruntime" if standard else "qonnx")


def _on_weights(rng: np.random.Generator, before: Before, quantiser: Quantiser) -> Rounding:
    """One input of 1 times a row of weights, which the model itself quantises."""
    net = Net(rng, last="w")
    before(net)
    step, edges = quantiser(net)
    weights = _near(net, edges)
    net.constants.append(numpy_helper.from_array(weights.reshape(1, -1), "w"))
    standard = net.nodes[-1].op_type == "QuantizeLinear"
    if standard:
        net.op("DequantizeLinear", net.last, net.const(1.0), net.nodes[-1].input[2])
    product = net.last
    net.op("Cast", "x", to=TensorProto.FLOAT)
    net.op("MatMul", net.last, product)
    model = _model(net, TensorProto.UINT8, [1, len(weights)], 1, TensorProto.FLOAT)
    return Rounding(model, np.ones((1, 1), dtype=np.uint8), step, "onnxruntime" if standard else "qonnx")


def _nothing(net: Net) -> None:
    pass


def _int8(net: Net) -> tuple[float, Array]:
    return _standard(net, TensorProto.INT8, (-128, 127))


def _uint8(net: Net) -> tuple[float, Array]:
    return _standard(net, TensorProto.UINT8, (0, 255))


def _modes(mode: str, zero: float = 0.0) -> Quantiser:
    return lambda net: _quant(net, mode, 4, zero)


CASES: dict[str, Callable[[np.random.Generator], Rounding]] = {
    "input, QuantizeLinear to int8": lambda rng: _at_input(rng, _nothing, _int8, np.float32),
    "input, QuantizeLinear of float16": lambda rng: _at_input(rng, _nothing, _uint8, np.float16),
    "input, mean and deviation, QuantizeLinear": lambda rng: _at_input(rng, _shifted, _uint8, np.float32),
    "input, BatchNormalization, QuantizeLinear": lambda rng: _at_input(rng, _normalised, _int8, np.float32),
    "pixels, mean and deviation, QuantizeLinear": lambda rng: _at_input(rng, _pixels, _int8, np.float32),
    "input, Quant": lambda rng: _at_input(rng, _nothing, _modes("ROUND"), np.float32),
    "input, Quant with a zero point": lambda rng: _at_input(rng, _nothing, _modes("ROUND", 3.0), np.float32),
    "input, Quant, half away from zero": lambda rng: _at_input(rng, _nothing, _modes("HALF_UP"), np.float32),
    "input, Quant, down": lambda rng: _at_input(rng, _nothing, _modes("FLOOR"), np.float32),
    "input, mean and deviation, Quant": lambda rng: _at_input(rng, _shifted, _modes("ROUND"), np.float32),
    "weights, QuantizeLinear to int8": lambda rng: _on_weights(rng, _nothing, _int8),
    "weights, mean and deviation, QuantizeLinear": lambda rng: _on_weights(rng, _shifted, _int8),
    "weights, Quant": lambda rng: _on_weights(rng, _nothing, _modes("ROUND")),
    "weights, Quant, half towards zero": lambda rng: _on_weights(rng, _nothing, _modes("HALF_DOWN")),
    "weights, mean and deviation, Quant": lambda rng: _on_weights(rng, _shifted, _modes("ROUND")),
}
"""Each kind by name: drawn anew, with scales of its own, at every call."""
