"""Follows what float executors compute from a network's input to its first quantiser, node by node.

There the float arithmetic of the executors is the model (arithmetic/executed.py); after it, exact arithmetic. A path
ends, and exact arithmetic holds from the input on, at operators that are not listed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from cam_compiler.importer.arithmetic.float_operations import FloatChain, FloatOperation, cast_operation
from cam_compiler.importer.arithmetic.quantizers import aligned
from cam_compiler.importer.constants import FLOATS, Constant, held_type
from cam_compiler.importer.context import CHANNELS_LAST, Call
from cam_compiler.importer.values import Activation, Value, per_sample

_SAME = (
    *("Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
    *("Slice", "Split", "Gather", "MaxPool", "GlobalMaxPool"),
)
"""Operators that leave the elements as they are."""
_QUANTISERS = (
    *("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "MultiThreshold", "Trunc"),
    *("Round", "Floor", "Ceil", "Sign", "Cast"),
)
"""Operators whose rounding ends a path."""


def followed(call: Call, result: Value) -> Value:
    """A node's result with the path up to it."""
    if isinstance(result, Constant) or result.executed is None:
        return result
    operands = [call.operand(index) for index in range(len(call.node.inputs))]
    sources = [operand for operand in operands if isinstance(operand, Activation)]
    if len(sources) != 1 or sources[0].executed is None:
        return replace(result, executed=None)
    if sources[0].steps is not None or call.node.op in _SAME:
        return result
    if result.steps is not None:
        return result if call.node.op in _QUANTISERS else replace(result, executed=None)
    own = _own(call, sources[0])
    return replace(result, executed=None if own is None else sources[0].executed + own)


def _own(call: Call, value: Activation) -> FloatChain | None:
    """What executors do in one node; None for those that are not followed."""
    node = call.node
    if node.op == "Cast" and node.integer("to", 0) in FLOATS:
        return (cast_operation(held_type(node.integer("to", 0))),)
    if node.op == "DequantizeLinear" and value.integral:
        return _dequantised(call, value)
    if value.integral:
        return None
    match node.op:
        case "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min":
            return _with_constant(call, value)
        case "Neg":
            return (FloatOperation("negate"),)
        case "Relu":
            return (FloatOperation("raise", (np.zeros((), dtype=held_type(value.elem_type)),)),)
        case "Clip":
            return _clipped(call, value)
        case "BatchNormalization":
            return _normalised(call, value)
        case _:
            return None


def _with_constant(call: Call, value: Activation) -> FloatChain | None:
    if len(call.node.inputs) != 2:
        return None
    first = isinstance(call.required(0), Activation)
    constant = call.constant(1 if first else 0, "operand").held(call.node)
    forward = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide", "Max": "raise", "Min": "lower"}
    name = "subtract from" if call.node.op == "Sub" and not first else forward[call.node.op]
    return (FloatOperation(name, (_aligned(call, value, constant),)),)


def _aligned(call: Call, value: Activation, constant: NDArray[Any]) -> NDArray[Any]:
    return constant.reshape(()) if constant.size == 1 else per_sample(call.node, value, constant)


def _clipped(call: Call, value: Activation) -> FloatChain:
    operations: list[FloatOperation] = []
    for index, (name, function) in enumerate((("min", "raise"), ("max", "lower")), start=1):
        bound = call.optional(index, name)
        if bound is not None:
            operations.append(FloatOperation(function, (bound.held(call.node).reshape(()),)))
        elif name in call.node.attributes:
            number = np.array(call.node.real(name, 0.0), dtype=held_type(value.elem_type))
            operations.append(FloatOperation(function, (number,)))
    return tuple(operations)


def _dequantised(call: Call, value: Activation) -> FloatChain:
    """(x - zero point) * scale, in float32 whatever the scale's type."""
    zero, scale = call.optional(2, "zero point"), call.constant(1, "scale")
    operations: list[FloatOperation] = []
    if zero is not None:
        operations.append(FloatOperation("subtract", (_by_axis(call, value, zero.held(call.node).astype(np.int64)),)))
    factor = _by_axis(call, value, scale.held(call.node).astype(np.float32))
    operations += [cast_operation(np.float32), FloatOperation("multiply", (factor,))]
    if scale.elem_type != TensorProto.FLOAT:
        operations.append(cast_operation(held_type(scale.elem_type)))
    return tuple(operations)


def _by_axis(call: Call, value: Activation, numbers: NDArray[Any]) -> NDArray[Any]:
    return _aligned(call, value, aligned(call.node, numbers, value.full_shape))


def _normalised(call: Call, value: Activation) -> FloatChain:
    """BatchNormalization as onnxruntime computes it: one factor and one summand per channel, which qonnx has last."""
    scale, bias, mean, variance = (call.constant(index, "statistics").held(call.node) for index in range(1, 5))
    epsilon = variance.dtype.type(call.node.real("epsilon", 1e-5))
    gain = scale * (variance.dtype.type(1) / np.sqrt(variance + epsilon))
    others = (1,) * (len(value.shape) - 1)
    shape = (*others, -1) if call.node.domain == CHANNELS_LAST else (-1, *others)
    return (FloatOperation("normalise", (gain.reshape(shape), (bias - mean * gain).reshape(shape))),)
