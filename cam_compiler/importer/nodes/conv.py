"""Convolutions with constant weights: real (Conv) and integer (ConvInteger, QLinearConv), in one or two dimensions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, each
from cam_compiler.importer.arithmetic.integers import as_int32
from cam_compiler.importer.arithmetic.quantizers import finite_scale
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.convolutions import convolve
from cam_compiler.importer.nodes.product import input_scale, output_quantised, tensor_zero
from cam_compiler.importer.values import Activation, Value


def constant_weights(call: Call, index: int) -> Constant:
    """The operand; raises ModelError where it depends on the network's input."""
    if isinstance(call.required(index), Activation):
        name = call.node.input(index)
        raise call.node.error(f"its weights '{name}' are not constant", hint="constant weights are expected")
    return call.constant(index, "weights")


def biased(call: Call, value: Activation, bias: Constant | None) -> Activation:
    """The tensor plus one number for all channels or one for each."""
    if bias is None:
        return value
    amounts = bias.exact(call.node).reshape(-1)
    if len(amounts) not in (1, value.shape[0]):
        raise call.node.error(f"its bias has {len(amounts)} entries, its result {value.shape[0]} channels")
    return value.affine(ONE, amounts.reshape(-1, *[1] * (len(value.shape) - 1)))


@handles("Conv")
def conv(call: Call) -> Value:
    result = convolve(call, call.activation(), constant_weights(call, 1))
    return biased(call, result, call.optional(2, "bias"))


def _integer_weights(call: Call, index: int, zero: Constant | None) -> Constant:
    """Integer weights less their zero point, one in all or one per output."""
    weights = constant_weights(call, index)
    if zero is None:
        return weights
    points = each(int, zero.exact(call.node)).astype(np.int64)
    if points.size not in (1, weights.shape[0]):
        raise call.node.error(f"its weights have {points.size} zero points and shape {weights.shape}")
    return Constant(weights.raw.astype(np.int64) - points.reshape(-1, *[1] * (weights.raw.ndim - 1)), TensorProto.INT32)


@handles("ConvInteger")
def conv_integer(call: Call) -> Value:
    """Inputs: x, w, and their zero points."""
    weights = _integer_weights(call, 1, call.optional(3, "zero point"))
    value = call.activation().affine(ONE, -tensor_zero(call, 2))
    return as_int32(call, convolve(call, value, weights))


@handles("QLinearConv")
def qlinear_conv(call: Call) -> Value:
    """Inputs: x, its scale and zero point, w, its scale and zero point, the result's, an int32 bias."""
    node = call.node
    weights = _integer_weights(call, 3, call.optional(5, "zero point"))
    sums = convolve(call, call.activation().affine(ONE, -tensor_zero(call, 2)), weights)
    sums = biased(call, sums, call.optional(8, "bias"))
    factor = input_scale(call, 1)
    scales = each(lambda item: item * factor, finite_scale(node, call.constant(4, "scale"))).reshape(-1)
    if len(scales) not in (1, sums.shape[0]):
        raise node.error(f"its weights have {len(scales)} scales, its result {sums.shape[0]} channels")
    real = sums.affine(scales.reshape(-1, *[1] * (len(sums.shape) - 1)), Fraction(ZERO)).typed(TensorProto.FLOAT)
    return output_quantised(call, real, 6, 7)
