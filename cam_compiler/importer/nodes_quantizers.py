"""Quantisers and dequantisers, on weights and on activations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import MICROSOFT, QONNX, Call, handles
from cam_compiler.importer.exact import ONE, ZERO, ObjectArray, each, filled
from cam_compiler.importer.quantizers import (
    Quantiser,
    bipolar_quant,
    dequantize_linear,
    dequantized,
    quant,
    quantised,
    quantize_linear,
)
from cam_compiler.importer.steps import TableStep
from cam_compiler.importer.values import Activation, Value, per_sample, with_quantiser


def apply(call: Call, value: Value, quantiser: Quantiser) -> Value:
    if isinstance(value, Constant):
        return quantised(call.node, value, quantiser)
    ready = value if value.steps is None else call.builder.materialise(value, call.node)
    return with_quantiser(call.node, ready, quantiser)


def operand_shape(value: Value) -> tuple[int, ...]:
    return value.shape if isinstance(value, Constant) else value.full_shape


@handles("Quant", "IntQuant", domains=QONNX)
def quant_node(call: Call) -> Value:
    quantiser = quant(
        call.node, call.constant(1, "scale"), call.constant(2, "zero point"), call.constant(3, "bit width")
    )
    return apply(call, call.required(0), quantiser)


@handles("BipolarQuant", domains=QONNX)
def bipolar_quant_node(call: Call) -> Value:
    return apply(call, call.required(0), bipolar_quant(call.node, call.constant(1, "scale")))


@handles("QuantizeLinear", domains=("", MICROSOFT))
def quantize_linear_node(call: Call) -> Value:
    value = call.required(0)
    quantiser = quantize_linear(
        call.node, call.constant(1, "scale"), call.optional(2, "zero point"), operand_shape(value)
    )
    return apply(call, value, quantiser)


@handles("DequantizeLinear", domains=("", MICROSOFT))
def dequantize_linear_node(call: Call) -> Value:
    value, scale, zero = call.required(0), call.constant(1, "scale"), call.optional(2, "zero point")
    if isinstance(value, Constant):
        return dequantized(call.node, value, scale, zero)
    sizes, points = dequantize_linear(call.node, scale, zero, value.full_shape)
    return _meaning(call, value, sizes, points).typed(scale.elem_type)


def _meaning(call: Call, value: Activation, sizes: ObjectArray, points: ObjectArray) -> Activation:
    """(value - points) * sizes."""
    offset = each(lambda size, point: -size * point, sizes, points)
    return value.affine(per_sample(call.node, value, sizes), per_sample(call.node, value, offset))


@handles("MultiThreshold", domains=QONNX)
def multi_threshold(call: Call) -> Value:
    """out_scale * (number of thresholds reached) + out_bias, with thresholds (channels, levels) or (1, levels)."""
    node, value = call.node, call.activation()
    edges = call.constant(1, "thresholds").exact(node)
    layout = node.text("data_layout", "")
    last = layout.endswith("C") and len(value.shape) > 1
    if last or edges.ndim != 2 or edges.shape[0] not in (1, *value.shape[:1]):
        raise node.error(f"thresholds of shape {edges.shape} and layout '{layout}' don't fit its input")
    steps = np.empty((1, edges.shape[0], *[1] * (len(value.shape) - 1)), dtype=object)
    steps.reshape(-1)[:] = [TableStep(tuple(sorted(row))) for row in edges]
    one, none = filled((), ONE), filled((), ZERO)
    gain = filled((), Fraction(node.real("out_scale", 1.0)))
    offset = filled((), Fraction(node.real("out_bias", 0.0)))
    return apply(call, value, Quantiser(one, none, steps, gain, offset, TensorProto.FLOAT))
