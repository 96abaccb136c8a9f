"""Operators with their own place in a network: truncation of QONNX, cuts of channels, and what stays on the host."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import log2

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.context import QONNX, Call, handles
from cam_compiler.importer.exact import ONE, ZERO, each, filled
from cam_compiler.importer.nodes_quantizers import apply
from cam_compiler.importer.quantizers import Quantiser, checked_scale
from cam_compiler.importer.steps import ROUNDING_NAMES, Rounding, RoundStep, rounding_of
from cam_compiler.importer.values import Activation, Value
from dialects import ternary
from dialects.tensors import IntArray, IntMatrix
from dialects.window import Window


@handles("Softmax", "LogSoftmax", "Hardmax", "ArgMax", "ArgMin", "TopK")
def on_the_host(call: Call) -> Value:
    name = call.node.input(0)
    raise call.node.error(
        "it stays on the host, which gets the logits",
        hint=f"cut the model before it: onnx.utils.extract_model with '{name}' as the output",
    )


def _rounding(call: Call, default: str) -> Rounding:
    name = call.node.text("rounding_mode", default)
    rounding = rounding_of(name)
    if rounding is None:
        raise call.node.error(f"unknown rounding mode '{name}'", hint=f"one of {', '.join(ROUNDING_NAMES)}")
    return rounding


def _quotient(call: Call, ratio: Fraction) -> Fraction:
    """The power of two beside the ratio of two scales, rounded half to even as by np.round(np.log2(ratio))."""
    return Fraction(2) ** round(log2(ratio))


@handles("Trunc", domains=QONNX)
def trunc(call: Call) -> Value:
    """Drops low bits (qonnx/custom_op/general/trunc.py): five inputs in version 1, six in version 2.

    y = round(x / scale + zero point), then a division by a power of two and the rounding mode, FLOOR if not stated.
    Version 1 stands for (y - zero point) * scale; version 2 clamps to the output's bits and has a scale of its own.
    """
    node, value = call.node, call.activation()
    sizes, points = checked_scale(node, call.constant(1, "scale")), call.constant(2, "zero point").exact(node)
    first = call.constant(3, "input bit width").scalar(node)
    one, none = filled((), ONE), filled((), ZERO)
    whole = Quantiser(
        sizes, points, filled((), RoundStep(None, None, Rounding.HALF_EVEN)), one, none, TensorProto.FLOAT
    )
    rounding = _rounding(call, "FLOOR")
    if len(node.inputs) < 6:
        last = call.constant(4, "output bit width").scalar(node)
        divisor, gains, zeros = filled((), Fraction(2) ** int(first - last)), sizes, points
        step = RoundStep(None, None, rounding)
    else:
        gains = checked_scale(node, call.constant(4, "output scale"))
        divisor = each(lambda gain, size: _quotient(call, gain / size), gains, sizes)
        zeros = each(Fraction.__truediv__, points, divisor)
        bits = int(call.constant(5, "output bit width").scalar(node))
        signed, narrow = node.integer("signed", 1), node.integer("narrow", 0)
        low = -(1 << (bits - 1)) + narrow if signed else 0
        step = RoundStep(low, (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow, rounding)
    offsets = each(lambda gain, zero: -gain * zero, gains, zeros)
    cut = Quantiser(divisor, none, filled((), step), gains, offsets, TensorProto.FLOAT)
    return apply(call, apply(call, value, whole), cut)


@handles("Slice")
def channel_slice(call: Call) -> Value:
    """Some of the channels: a product with rows that have a single one."""
    node, value = call.node, call.activation()
    given = [call.optional(index, "bounds") for index in range(1, len(node.inputs))]
    if given:
        parts = [None if item is None else item.integers(node) for item in given]
        starts, ends, axes, steps = [*parts, None, None, None][:4]
    else:
        starts, ends, axes, steps = node.integers("starts"), node.integers("ends"), node.integers("axes"), None
    starts, ends = starts or [], ends or []
    chosen = np.arange(value.shape[0])
    for axis, start, end, step in zip(
        axes or range(len(starts)), starts, ends, steps or [1] * len(starts), strict=True
    ):
        axis %= len(value.shape) + 1
        extent = value.shape[axis - 1] if axis else 0
        if axis == 1:
            chosen = chosen[slice(start, None if step < 0 and end < -extent else end, step)]
        elif not axis or len(range(extent)[slice(start, end, step)]) != extent or step != 1:
            raise node.error(f"it cuts axis {axis}", hint="only channels (axis 1) can be cut")
    if not len(chosen):
        raise node.error("nothing is left of its input")
    return selected(call, value, chosen)


def selected(call: Call, value: Activation, channels: IntArray) -> Activation:
    """The channels of the given numbers, in that order."""
    if np.array_equal(channels, np.arange(value.shape[0])):
        return value
    ready = call.builder.materialise(value, call.node)
    rows = IntMatrix.from_array(np.eye(ready.shape[0], dtype=np.int64)[channels])
    base, layer = ready.base, call.node.name
    image = (*ready.shape, *[1] * (3 - len(ready.shape)))
    if len(ready.shape) == 1:
        result = call.builder.add((base, rows, "slice"), ternary.MatmulOp(base, rows, layer), layer)
    else:
        source = call.builder.reshape(base, image)
        result = call.builder.add(
            (source, rows, "slice"), ternary.ConvOp(source, rows, Window((1, 1)), layer=layer), layer
        )
    shape = (len(channels), *ready.shape[1:])
    picked = {
        name: array if len(array) == 1 else array[channels]
        for name, array in (("outer", ready.outer), ("lows", ready.lows), ("highs", ready.highs))
        if array is not None
    }
    return replace(ready, base=call.builder.reshape(result, shape), shape=shape, **picked)


@handles("Split")
def channel_split(call: Call) -> Value:
    """Groups of channels, one a result."""
    node, value = call.node, call.activation()
    axis, count, channels = node.integer("axis", 0), len(node.outputs), value.shape[0]
    if axis not in (1, -len(value.shape)):
        raise node.error(f"it cuts axis {axis}", hint="only channels (axis 1) can be cut")
    given = call.optional(1, "sizes")
    sizes = given.integers(node) if given is not None else node.integers("split")
    if sizes is None:
        size = -(-channels // count)
        sizes = [size] * (count - 1) + [channels - size * (count - 1)]
    if len(sizes) != count or sum(sizes) != channels or min(sizes) < 1:
        raise node.error(f"it cuts {channels} channels into {sizes}")
    starts = accumulate(sizes, initial=0)
    parts = [selected(call, value, np.arange(start, start + size)) for start, size in zip(starts, sizes, strict=False)]
    call.context.values.update(zip(node.outputs, parts, strict=True))
    return parts[0]
