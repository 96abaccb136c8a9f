"""Matrix products with constant weights: real (MatMul, Gemm) and integer (MatMulInteger, QLinearMatMul, QGemm).

Here too the integer sums and products with constants that onnxruntime's quantiser writes between them.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, each
from cam_compiler.importer.arithmetic.integers import as_int32
from cam_compiler.importer.arithmetic.quantizers import (
    checked_scale,
    dequantize_linear,
    dequantized,
    finite_scale,
    quantize_linear,
)
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import MICROSOFT, Call, handles
from cam_compiler.importer.convolutions import convolve
from cam_compiler.importer.nodes.quantizers import apply, operand_shape
from cam_compiler.importer.nodes.sums import concatenated, summed
from cam_compiler.importer.products import matmul as matmul_of
from cam_compiler.importer.tensor_products import multiplied
from cam_compiler.importer.values import Activation, Value, per_sample
from dialects.support.errors import ModelError


def _dynamic(call: Call, name: str) -> ModelError:
    return call.node.error(f"its weights '{name}' are not constant", hint="products of two tensors are not supported")


def product(call: Call, value: Activation, weights: Constant) -> Activation:
    """value @ weights over the last dimension, which is not the batch."""
    if value.batch_axis and value.batch_axis == len(value.shape):
        raise call.node.error("its product is over the batch", hint="samples are independent of each other")
    result = _product(call, replace(value, merged=0, batch_axis=0), weights)
    return replace(result, merged=value.merged, batch_axis=value.batch_axis)


def _product(call: Call, value: Activation, weights: Constant) -> Activation:
    """The same of samples alone; rows of features are positions of an image."""
    matrix = weights = _matrix(weights, len(value.shape) + 1)
    if weights.raw.ndim == 1:
        matrix = weights.restructured(lambda array: array.reshape(-1, 1))
    *leading, features = value.shape or (0,)
    if weights.raw.ndim > 2 or matrix.shape[0] != features:
        shown = ", ".join(["batch", *map(str, value.shape)])
        raise call.node.error(
            f"its weights have shape {weights.shape}, its input ({shown})",
            hint="a product takes (batch, ..., features) and weights (features, outputs)",
        )
    if prod(leading) == 1:
        result = matmul_of(call.builder, call.reshaped(value, (features,)), matrix, call.node)
    else:
        last = len(leading)
        channels_first = call.builder.transposed(value, (last, *range(last)))
        kernels = matrix.restructured(lambda array: array.T[:, :, np.newaxis])
        result = convolve(call, call.reshaped(channels_first, (features, prod(leading))), kernels)
        result = call.reshaped(result, (result.shape[0], *leading))
        result = call.builder.transposed(result, (*range(1, last + 1), 0))
    shape = tuple(leading) + (() if weights.raw.ndim == 1 else (matrix.shape[1],))
    return call.reshaped(result, shape).typed(value.elem_type)


@handles("MatMul")
def matmul(call: Call) -> Value:
    left, right = call.required(0), call.required(1)
    if isinstance(left, Activation) and isinstance(right, Constant):
        return product(call, left, right)
    if isinstance(right, Activation) and isinstance(left, Constant):
        return _left_product(call, left, right)
    raise _dynamic(call, call.node.input(1))


def _left_product(call: Call, weights: Constant, value: Activation) -> Activation:
    """weights @ value: the product over the last but one dimension of the samples."""
    matrix, rank = _matrix(weights, len(value.shape) + 1), len(value.shape)
    if rank == 1 and value.batch_axis == 1 and matrix.raw.ndim == 2:
        # Samples are the columns.
        turned = _product(call, replace(value, batch_axis=0), matrix.restructured(np.transpose))
        return replace(turned, batch_axis=1)
    if rank < 2 or not value.regular or matrix.raw.ndim != 2 or matrix.shape[1] != value.shape[-2]:
        shown = ", ".join(["batch", *map(str, value.shape)])
        raise call.node.error(
            f"its left side is constant, of shape {weights.shape}, its right side ({shown})",
            hint="weights (outputs, features) and a tensor (batch, ..., features, columns), or weights on the right",
        )
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    result = product(call, call.builder.transposed(value, swapped), matrix.restructured(np.transpose))
    return call.builder.transposed(result, swapped)


def _matrix(weights: Constant, rank: int) -> Constant:
    """The weights without leading dimensions of one element, which a tensor of `rank` dimensions has as well."""
    leading = weights.raw.ndim - 2
    if not 0 < leading <= rank - 2 or any(size != 1 for size in weights.shape[:leading]):
        return weights
    return weights.restructured(lambda array: array.reshape(array.shape[leading:]))


def _bias(call: Call, value: Activation, bias: Constant, factor: Fraction) -> Activation:
    amounts = each(lambda item: item * factor, bias.exact(call.node))
    return value.affine(ONE, per_sample(call.node, value, amounts))


def _weights(call: Call, index: int) -> Constant:
    """The weights (inputs, outputs) of a product, with what Gemm's attributes say."""
    if call.node.integer("transA", 0):
        raise call.node.error("transA is not supported", hint="samples are the rows of its input")
    if isinstance(call.required(index), Activation):
        raise _dynamic(call, call.node.input(index))
    weights = call.constant(index, "weights")
    return weights.restructured(np.transpose) if call.node.integer("transB", 0) else weights


def _transposed(call: Call, value: Activation) -> Activation:
    """A matrix of samples, rows or columns, as the other of the two."""
    if len(value.shape) != 1 or value.merged:
        raise call.node.error("its samples are no rows", hint="a matrix (batch, features)")
    return replace(value, batch_axis=1 - value.batch_axis)


@handles("Gemm")
def gemm(call: Call) -> Value:
    """alpha * input @ weights + beta * bias."""
    node, left = call.node, call.required(0)
    if isinstance(left, Constant):
        weights = left.restructured(np.transpose) if node.integer("transA", 0) else left
        right = call.activation(1)
        result = _left_product(call, weights, _transposed(call, right) if node.integer("transB", 0) else right)
    else:
        result = product(call, call.activation(), _weights(call, 1))
    result = result.affine(Fraction(node.real("alpha", 1.0)), ZERO)
    bias, beta = call.operand(2), Fraction(node.real("beta", 1.0))
    if isinstance(bias, Activation):
        return summed(call, result, bias.affine(beta, ZERO))
    return result if bias is None else _bias(call, result, bias, beta)


def _less_zero(call: Call, weights: Constant, zero: Constant | None) -> Constant:
    """The integer weights (inputs, outputs) less their zero point, one in all or one per output."""
    if zero is None:
        return weights
    points = each(int, zero.exact(call.node)).astype(np.int64)
    return Constant(weights.raw.astype(np.int64) - points, TensorProto.INT32)


def tensor_zero(call: Call, index: int) -> Fraction:
    """The zero point of the input, one for the whole tensor."""
    zero = call.optional(index, "zero point")
    return ZERO if zero is None else zero.scalar(call.node)


def _integer_product(call: Call, zero: Fraction, weights: Constant) -> Activation:
    value = call.activation()
    return product(call, value.affine(ONE, -zero), weights)


@handles("MatMulInteger")
def matmul_integer(call: Call) -> Value:
    weights = _less_zero(call, _weights(call, 1), call.optional(3, "zero point"))
    return as_int32(call, _integer_product(call, tensor_zero(call, 2), weights))


def output_quantised(call: Call, value: Activation, scale: int, zero: int, *, zero_first: bool = False) -> Value:
    """The tensor rounded to the result's type; with `zero_first` the zero point is added before, which turns ties."""
    quantiser = quantize_linear(
        call.node, call.constant(scale, "result's scale"), call.optional(zero, "zero point"), operand_shape(value)
    )
    if zero_first:
        points = each(lambda step: Fraction(step.zero), quantiser.steps)
        quantiser = replace(quantiser, shift=points, steps=each(lambda step: replace(step, zero=0), quantiser.steps))
    return apply(call, value, quantiser)


def input_scale(call: Call, index: int) -> Fraction:
    values = checked_scale(call.node, call.constant(index, "scale"))
    if values.size != 1:
        raise call.node.error("its input has one scale per row", hint="one scale for the whole tensor")
    return values.flat[0]


@handles("QLinearMatMul")
def qlinear_matmul(call: Call) -> Value:
    """Inputs: a, its scale and zero point, b, its scale and zero point, the result's scale and zero point."""
    return output_quantised(call, _scaled(call, _quantised_product(call)), 6, 7)


@handles("QGemm", domains=(MICROSOFT,))
def qgemm(call: Call) -> Value:
    """Inputs: a, scale, zero point, b, scale, zero point, int32 bias, the result's scale and zero point."""
    result, bias = _quantised_product(call), call.optional(6, "bias")
    if bias is not None:
        result = _bias(call, result, bias, ONE)
    real = _scaled(call, result, Fraction(call.node.real("alpha", 1.0))).typed(TensorProto.FLOAT)
    return real if call.operand(7) is None else output_quantised(call, real, 7, 8)


def _quantised_product(call: Call) -> Activation:
    """The integer product of a (0, zero point 2) and b (3, zero point 5)."""
    weights = _less_zero(call, _weights(call, 3), call.optional(5, "zero point"))
    return _integer_product(call, tensor_zero(call, 2), weights)


def _scaled(call: Call, result: Activation, alpha: Fraction = ONE) -> Activation:
    """The real numbers that an integer product stands for, with the scales of a (1) and b (4)."""
    factor = input_scale(call, 1) * alpha
    scales = each(lambda item: item * factor, finite_scale(call.node, call.constant(4, "scale")))
    return result.affine(per_sample(call.node, result, scales), ZERO)


def dequantised(call: Call, first: int) -> Value:
    """The real tensor of operand `first`, whose scale and zero point follow it."""
    value, scale, zero = call.required(first), call.constant(first + 1, "scale"), call.optional(first + 2, "zero point")
    if isinstance(value, Constant):
        return dequantized(call.node, value, scale, zero)
    sizes, points = dequantize_linear(call.node, scale, zero, value.full_shape)
    offset = each(lambda size, point: -size * point, sizes, points)
    real = value.affine(per_sample(call.node, value, sizes), per_sample(call.node, value, offset))
    return real.typed(TensorProto.FLOAT)


@handles("QLinearAdd", "QLinearMul", domains=(MICROSOFT,))
def qlinear_elementwise(call: Call) -> Value:
    """Inputs: a, scale, zero point, b, scale, zero point, the result's scale and zero point.

    They are defined as a sum and a product that the zero point belongs to when they are rounded.
    """
    left, right = dequantised(call, 0), dequantised(call, 3)
    if isinstance(left, Constant):
        left, right = right, left
    if isinstance(left, Constant):
        raise call.node.error("both its inputs are constant", hint="tensors that depend on the input")
    plus = call.node.op == "QLinearAdd"
    if isinstance(right, Activation):
        real = (summed if plus else multiplied)(call, left, right)
    else:
        amounts = per_sample(call.node, left, right.exact(call.node))
        real = left.affine(ONE, amounts) if plus else left.affine(amounts, ZERO)
    return output_quantised(call, real, 6, 7, zero_first=True)


@handles("QLinearConcat", domains=(MICROSOFT,))
def qlinear_concat(call: Call) -> Value:
    """Inputs: the result's scale and zero point, then each tensor with its scale and zero point."""
    parts: list[Activation] = []
    for index in range(2, len(call.node.inputs), 3):
        part = dequantised(call, index)
        if isinstance(part, Constant):
            raise call.node.error("one of its inputs is constant", hint="tensors that depend on the input")
        parts.append(part)
    return output_quantised(call, concatenated(call, parts), 0, 1)
