"""Quantisers and dequantisers, on weights and on activations."""

from __future__ import annotations

from fractions import Fraction
from math import log2

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, each, filled
from cam_compiler.importer.arithmetic.float_operations import FloatOperation
from cam_compiler.importer.arithmetic.quantizers import (
    MAX_WIDTH,
    Quantiser,
    bipolar_quant,
    checked_scale,
    dequantize_linear,
    dequantized,
    quant,
    quantised,
    quantize_linear,
)
from cam_compiler.importer.arithmetic.steps import ROUNDING_NAMES, Rounding, RoundStep, TableStep, rounding_of
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import MICROSOFT, QONNX, Call, handles
from cam_compiler.importer.values import Activation, Value, per_sample, with_quantiser


def apply(call: Call, value: Value, quantiser: Quantiser) -> Value:
    if isinstance(value, Constant):
        return quantised(call.node, value, quantiser)
    return with_quantiser(call.node, call.after_input(value), quantiser)


def operand_shape(value: Value) -> tuple[int, ...]:
    return value.shape if isinstance(value, Constant) else value.full_shape


@handles("Quant", "IntQuant", domains=QONNX)
def quant_node(call: Call) -> Value:
    scale, zero, bits = (call.constant(index, what) for index, what in ((1, "scale"), (2, "zero point"), (3, "bits")))
    quantiser = quant(call.node, scale, zero, bits, falling=isinstance(call.required(0), Constant))
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


def multi_threshold(call: Call) -> Value:
    """out_scale * (number of thresholds reached) + out_bias, with thresholds (channels, levels) or (1, levels)."""
    node, value = call.node, call.activation()
    edges = call.constant(1, "thresholds").exact(node)
    layout = node.text("data_layout", "")
    if edges.ndim != 2 or edges.shape[0] not in (1, *value.shape[:1]):
        raise node.error(f"thresholds of shape {edges.shape} and layout '{layout}' don't fit its input")
    steps = np.empty((1, edges.shape[0], *[1] * (len(value.shape) - 1)), dtype=object)
    steps.reshape(-1)[:] = [TableStep(tuple(sorted(row))) for row in edges]
    one, none = filled((), ONE), filled((), ZERO)
    gain = filled((), Fraction(node.real("out_scale", 1.0)))
    offset = filled((), Fraction(node.real("out_bias", 0.0)))
    return apply(call, value, Quantiser(one, none, steps, gain, offset, TensorProto.FLOAT))


def _rounding(call: Call, default: str) -> Rounding:
    name = call.node.text("rounding_mode", default)
    rounding = rounding_of(name)
    if rounding is None:
        raise call.node.error(f"unknown rounding mode '{name}'", hint=f"one of {', '.join(ROUNDING_NAMES)}")
    return rounding


def _quotient(call: Call, ratio: Fraction) -> Fraction:
    """The power of two beside the ratio of two scales, rounded half to even as by np.round(np.log2(ratio))."""
    return Fraction(2) ** round(log2(ratio))


def _width(call: Call, index: int, what: str) -> int:
    width = call.constant(index, what).scalar(call.node)
    if width.denominator != 1 or not 1 <= width <= MAX_WIDTH:
        raise call.node.error(f"its {what} is {float(width):g}", hint=f"1 to {MAX_WIDTH} bits")
    return width.numerator


@handles("Trunc", domains=QONNX)
def trunc(call: Call) -> Value:
    """Drops low bits (qonnx/custom_op/general/trunc.py): five inputs in version 1, six in version 2.

    y = round(x / scale + zero point), then a division by a power of two and the rounding mode, FLOOR if not stated.
    Version 1 stands for (y - zero point) * scale; version 2 clamps to the output's bits and has a scale of its own.
    """
    node, value = call.node, call.activation()
    sizes, points = checked_scale(node, call.constant(1, "scale")), call.constant(2, "zero point").exact(node)
    first = _width(call, 3, "input bit width")
    one, none = filled((), ONE), filled((), ZERO)
    scale, zero = call.constant(1, "scale").held(node), call.constant(2, "zero point").held(node)
    executed = FloatOperation("divide", (scale,)), FloatOperation("add", (zero,))
    step = filled((), RoundStep(None, None, Rounding.HALF_EVEN))
    whole = Quantiser(sizes, points, step, one, none, TensorProto.FLOAT, executed)
    rounding = _rounding(call, "FLOOR")
    if len(node.inputs) < 6:
        last = _width(call, 4, "output bit width")
        divisor, gains, zeros = filled((), Fraction(2) ** (first - last)), sizes, points
        step = RoundStep(None, None, rounding)
    else:
        gains = checked_scale(node, call.constant(4, "output scale"))
        divisor = each(lambda gain, size: _quotient(call, gain / size), gains, sizes)
        zeros = each(Fraction.__truediv__, points, divisor)
        bits = _width(call, 5, "output bit width")
        signed, narrow = node.integer("signed", 1), node.integer("narrow", 0)
        low = -(1 << (bits - 1)) + narrow if signed else 0
        step = RoundStep(low, (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow, rounding)
    offsets = each(lambda gain, zero: -gain * zero, gains, zeros)
    cut = Quantiser(divisor, none, filled((), step), gains, offsets, TensorProto.FLOAT)
    return apply(call, apply(call, value, whole), cut)
