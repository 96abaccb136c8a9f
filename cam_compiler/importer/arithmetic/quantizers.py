"""Quantisers of QONNX and of the standard operators, read into one exact description.

A quantiser maps x to n = step(x / scale + shift), and n either stands for itself (QuantizeLinear) or for
(n - shift) * scale (Quant). Weights are evaluated with it here, in the float arithmetic of executors; activations in
builder.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, each, filled
from cam_compiler.importer.arithmetic.float_operations import FloatChain, FloatOperation, cast_operation, evaluated
from cam_compiler.importer.arithmetic.steps import ROUNDING_NAMES, Rounding, RoundStep, rounding_of
from cam_compiler.importer.constants import Constant, integer_range
from cam_compiler.importer.model import Node
from cam_compiler.importer.validity import type_name
from dialects.support.ranges import Range


@dataclass(frozen=True)
class Quantiser:
    """n = step(x / scale + shift), which stands for gain * n + offset; all arrays broadcast to the tensor."""

    scale: ObjectArray
    shift: ObjectArray
    steps: ObjectArray
    gain: ObjectArray
    offset: ObjectArray
    elem_type: int
    executed: FloatChain = ()
    """how executors get from x to what they round, in the model's own float type"""


def finite_scale(node: Node, scale: Constant) -> ObjectArray:
    """The scale of a dequantiser as fractions, of any sign; raises ModelError unless all are finite."""
    raw = scale.raw
    if raw.dtype != object and not np.isfinite(raw.astype(np.float64)).all():
        raise node.error("its scale is infinite or not a number", hint="scales are finite and positive")
    return scale.exact(node)


def checked_scale(node: Node, scale: Constant, *, falling: bool = False) -> ObjectArray:
    """The scale of a quantiser as fractions; raises ModelError unless all are positive, or negative if `falling`."""
    values = finite_scale(node, scale)
    wrong = next((value for value in values.flat if value == 0 or (value < 0 and not falling)), None)
    if wrong is not None:
        raise node.error(f"its scale is {float(wrong)}", hint="scales are finite and positive")
    return values


def _single_integer(node: Node, constant: Constant, what: str) -> int:
    value = constant.scalar(node)
    if value.denominator != 1:
        raise node.error(f"its {what} is {float(value)}", hint="an integer is expected")
    return value.numerator


MAX_WIDTH = 32
"""Bits of a quantiser's integers."""


def quant(node: Node, scale: Constant, zero: Constant, bits: Constant, *, falling: bool = False) -> Quantiser:
    """Quant and IntQuant of QONNX (qonnx/custom_op/general/intquant.py); `falling` allows negative scales."""
    sizes, shift = checked_scale(node, scale, falling=falling), zero.exact(node)
    width = _single_integer(node, bits, "bit width")
    signed, narrow = bool(node.integer("signed", 1)), bool(node.integer("narrow", 0))
    if not 1 <= width <= MAX_WIDTH:
        raise node.error(f"its bit width is {width}", hint=f"1 to {MAX_WIDTH} bits")
    name = node.text("rounding_mode", "ROUND")
    rounding = rounding_of(name)
    if rounding is None:
        raise node.error(f"unknown rounding mode '{name}'", hint=f"one of {', '.join(ROUNDING_NAMES)}")
    if signed and width == 1:
        step = RoundStep(0, 1, Rounding.BIPOLAR)
        gain = each(lambda size: 2 * size, sizes)
        offset = each(lambda size, point: (-1 - point) * size, sizes, shift)
    else:
        low = -(1 << (width - 1)) + narrow if signed else 0
        high = (1 << (width - 1)) - 1 if signed else (1 << width) - 1 - narrow
        step = RoundStep(low, high, rounding)
        gain, offset = sizes, each(lambda size, point: -point * size, sizes, shift)
    executed = FloatOperation("divide", (scale.held(node),)), FloatOperation("add", (zero.held(node),))
    return Quantiser(sizes, shift, filled((), step), gain, offset, TensorProto.FLOAT, executed)


def bipolar_quant(node: Node, scale: Constant) -> Quantiser:
    """BipolarQuant of QONNX: scale where x >= 0, else -scale; stored as 1 and 0."""
    sizes = checked_scale(node, scale)
    gain, offset = each(lambda size: 2 * size, sizes), each(Fraction.__neg__, sizes)
    step = filled((), RoundStep(0, 1, Rounding.BIPOLAR))
    return Quantiser(filled((), ONE), filled((), ZERO), step, gain, offset, TensorProto.FLOAT)


def rounded(rounding: Rounding, span: Range | None, elem_type: int) -> Quantiser:
    """A bare rounding, within `span` if there is one."""
    step = RoundStep(None, None, rounding) if span is None else RoundStep(span.lo, span.hi, rounding)
    one, none = filled((), ONE), filled((), ZERO)
    return Quantiser(one, none, filled((), step), one, none, elem_type)


def aligned(node: Node, values: NDArray[Any], shape: tuple[int, ...], default_axis: int = 1) -> ObjectArray:
    """Scales or zero points of a QuantizeLinear-like node, in a shape that broadcasts to the tensor's `shape`."""
    if values.size == 1:
        return values.reshape(())
    axis = node.integer("axis", default_axis)
    rank = len(shape)
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} is outside a tensor of {rank} dimensions")
    axis %= rank
    block = node.integer("block_size", 0)
    if values.ndim == rank and rank > 1 and (block or values.shape != shape):
        size = block or -(-shape[axis] // max(1, values.shape[axis]))
        if size < 1 or values.shape[axis] != -(-shape[axis] // size):
            raise node.error(
                f"scales or zero points of shape {values.shape} don't fit blocks of {size} of shape {shape}"
            )
        # A block ends with the tensor.
        spread = np.repeat(values, min(size, shape[axis]), axis=axis)
        return spread[tuple(slice(0, extent) for extent in shape)]
    if values.ndim != 1 or values.shape[0] != shape[axis]:
        raise node.error(f"scales or zero points of shape {values.shape} don't fit axis {axis} of shape {shape}")
    return values.reshape(tuple(-1 if index == axis else 1 for index in range(rank)))


def quantize_linear(
    node: Node, scale: Constant, zero: Constant | None, shape: tuple[int, ...], axis: int = 1
) -> Quantiser:
    """QuantizeLinear: rounds x / scale half to even, then adds the zero point and saturates to the result's type."""
    elem_type = zero.elem_type if zero is not None else node.integer("output_dtype", 0) or TensorProto.UINT8
    span = integer_range(elem_type)
    if span is None:
        raise node.error(f"its result type is {type_name(elem_type)}", hint="integers of 2, 4, 8, 16 or 32 bits")
    sizes = aligned(node, checked_scale(node, scale), shape, axis)
    points = filled((), ZERO) if zero is None else aligned(node, zero.exact(node), shape, axis)

    def step(point: Fraction) -> RoundStep:
        return RoundStep(span.lo, span.hi, Rounding.HALF_EVEN, int(point))

    one, none = filled((), ONE), filled((), ZERO)
    # Also of float16, executors divide as float32.
    divisor = aligned(node, scale.held(node).astype(np.float32), shape, axis)
    executed = cast_operation(np.float32), FloatOperation("divide", (divisor,))
    return Quantiser(sizes, none, each(step, points), one, none, elem_type, executed)


def dequantize_linear(
    node: Node, scale: Constant, zero: Constant | None, shape: tuple[int, ...], axis: int = 1
) -> tuple[ObjectArray, ObjectArray]:
    """The scale and the zero point of a DequantizeLinear, in shapes that broadcast to the tensor's `shape`."""
    sizes = aligned(node, finite_scale(node, scale), shape, axis)
    points = filled((), ZERO) if zero is None else aligned(node, zero.exact(node), shape, axis)
    return sizes, points


def dequantized(node: Node, data: Constant, scale: Constant, zero: Constant | None) -> Constant:
    """DequantizeLinear of a constant: the integers less the zero point, with the scale apart."""
    sizes, points = dequantize_linear(node, scale, zero, data.shape)
    if data.raw.dtype == object or data.scale is not None:
        raw: NDArray[Any] = each(Fraction.__sub__, data.exact(node), points)
    else:
        raw = data.raw.astype(np.int64) - each(int, points).astype(np.int64)
    # A scale of zero prunes: the integers might as well be zeros, which cost nothing.
    pruned = each(lambda size: size == 0, sizes).astype(bool)
    if pruned.any():
        raw, sizes = np.where(pruned, 0, raw), each(lambda size: size or ONE, sizes)
    padded = sizes.reshape((1,) * (raw.ndim - sizes.ndim) + sizes.shape)
    return Constant(raw, TensorProto.FLOAT, padded)


def quantised(node: Node, data: Constant, quantiser: Quantiser) -> Constant:
    """A constant through a quantiser: its integers as executors round them, and what they stand for exactly."""
    codes = _codes(node, data, quantiser)
    gain, offset = quantiser.gain, quantiser.offset
    if quantiser.elem_type != TensorProto.FLOAT:
        return Constant(codes, quantiser.elem_type)
    # gain * n + offset = gain * (n + offset / gain), an integer where the zero point is one.
    points = each(Fraction.__truediv__, offset, gain)
    rank = codes.ndim
    if all(point.denominator == 1 for point in points.flat):
        raw: NDArray[Any] = codes + each(int, points).astype(np.int64)
        if all(size == 1 for size in gain.flat):
            return Constant(raw, TensorProto.FLOAT)
        scale = gain
    else:
        common = int(np.lcm.reduce([point.denominator for point in points.flat]))
        raw = codes * common + each(lambda point: int(point * common), points).astype(np.int64)
        scale = each(lambda size: size / common, gain)
    return Constant(raw, TensorProto.FLOAT, scale.reshape((1,) * (rank - scale.ndim) + scale.shape))


def _codes(node: Node, data: Constant, quantiser: Quantiser) -> NDArray[np.int64]:
    """The integers n of every element, by the arithmetic of executors on what they have."""
    shape = np.broadcast_shapes(data.shape, quantiser.scale.shape, quantiser.shift.shape, quantiser.steps.shape)
    if shape != data.shape:
        raise node.error(f"scales or zero points don't fit weights of shape {data.shape}")
    held = data.held(node)
    if not np.isfinite(held.astype(np.float64)).all():
        raise node.error("the weights hold a number that is infinite or not a number")
    low = _doubles(each(lambda step: -np.inf if step.low is None else step.low, quantiser.steps))
    high = _doubles(each(lambda step: np.inf if step.high is None else step.high, quantiser.steps))
    zero = _doubles(each(lambda step: step.zero, quantiser.steps))
    (rounding,) = {step.rounding for step in quantiser.steps.flat}
    whole = rounding.of_floats(evaluated(quantiser.executed, held)).astype(np.float64)
    return np.clip(np.broadcast_to(whole + zero, shape), low, high).astype(np.int64)


def _doubles(values: ObjectArray) -> NDArray[np.float64]:
    return each(float, values).astype(np.float64)
