"""Arithmetic of ONNX's integer types, which wraps round: 200 + 100 is 44 in uint8.

From results that may leave their type, the multiples of its size that comparisons find are subtracted; where there are
too many of those, or the type is wider than the arrays compare, the operator is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, prod

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, Piece, each, filled
from cam_compiler.importer.arithmetic.quantizers import Quantiser
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.arithmetic.sums import exact_sum
from cam_compiler.importer.arithmetic.thresholds import Channel, Reach, TableError, value_range
from cam_compiler.importer.arithmetic.uneven import ends_of
from cam_compiler.importer.constants import integer_range
from cam_compiler.importer.context import Call
from cam_compiler.importer.layouts import by_channel
from cam_compiler.importer.linear import SUMMABLE, offsets_of, terms_of
from cam_compiler.importer.linear import total as total_of
from cam_compiler.importer.validity import type_name
from cam_compiler.importer.values import Activation, Origin, Term, with_quantiser
from dialects import ternary
from dialects.support.errors import ModelError
from dialects.support.ranges import Range

MAX_WRAPS = 255
"""Multiples of a type's size that a result may be away from it."""


def extent(value: Activation) -> tuple[Fraction, Fraction]:
    """Numbers that no element is beyond, of a tensor whose integers have known ranges."""
    if value.terms and value.steps is not None:
        # Whatever the sum is, its quantiser's ends are known.
        functions: ObjectArray = value.channels()
        ranges = [value_range(channel, Reach(None, None)) for channel in functions.flat]
        return min(low for low, _ in ranges), max(high for _, high in ranges)
    if value.terms:
        offsets: list[Fraction] = [piece.offset for piece in value.outer.flat]
        low, high = min(offsets), max(offsets)
        for term in terms_of(value):
            ends: list[Fraction] = [slope * int(end) for slope in set(term.slopes.flat) for end in _ends(term)]
            low, high = low + min(ends), high + max(ends)
        return low, high
    channels: ObjectArray = value.channels()
    if value.lows is None or value.highs is None:
        distinct: set[tuple[Channel, int | None, int | None]] = {(channel, None, None) for channel in channels.flat}
    else:
        parts = np.broadcast_arrays(channels, value.lows.astype(object), value.highs.astype(object))
        distinct = set(zip(*(part.flat for part in parts), strict=True))
    ranges = [_range(channel, Reach(low, high)) for channel, low, high in distinct]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _range(channel: Channel, reach: Reach) -> tuple[Fraction, Fraction]:
    """The ends of the channel's numbers; those of a function that rises and falls, by all its values."""
    open_ = channel.step.low is None or channel.step.high is None
    if open_ and not channel.before.monotone and reach.low is not None and reach.high is not None:
        return ends_of(channel, reach)
    return value_range(channel, reach)


def bounded(value: Activation) -> bool:
    """Are there numbers that no element is beyond?"""
    try:
        extent(value)
    except TableError:
        return False
    return True


def _ends(term: Term) -> tuple[int, int]:
    return int(term.lows.min()), int(term.highs.max())


def wrapped(call: Call, value: Activation) -> Activation:
    """A tensor of an integer type with results beyond it brought back, as ONNX's runtimes do; others as they are."""
    span = integer_range(value.elem_type)
    if span is None:
        return value
    try:
        low, high = extent(value)
    except TableError as error:
        hint = "a Clip before it, or a smaller integer type"
        raise call.node.error(f"its integers can't be told: {error}", hint=hint) from None
    if span.lo <= low and high <= span.hi:
        return value
    size = span.hi - span.lo + 1
    wraps = floor((low - span.lo) / size), floor((high - span.lo) / size)
    name = type_name(value.elem_type)
    if wraps[1] - wraps[0] > MAX_WRAPS or not (SUMMABLE.covers(span) and SUMMABLE.lo <= low and high <= SUMMABLE.hi):
        raise _beyond(call, name, low, high)
    if not by_channel(value):
        return call.reshaped(wrapped(call, call.reshaped(value, (prod(value.shape),))), value.shape)
    ready = replace(call.builder.materialise(value, call.node), executed=None)
    counted = _count(call, ready, size, span, wraps)
    origin, less = Origin.of(call.node), counted.affine(Fraction(-size), ZERO)
    offsets = each(Fraction.__add__, offsets_of(ready), offsets_of(less))
    pending = total_of(ready, [*terms_of(ready), *terms_of(less)], offsets, origin)
    if not pending.terms:
        return _held(pending, span)
    total = exact_sum(pending, call.node)
    if total is None:
        raise _beyond(call, name, low, high)
    base = call.builder.combine([term.base for term in pending.terms], total.multipliers, origin)
    return _held(replace(total.function, base=base), span)


def _held(value: Activation, span: Range) -> Activation:
    """The tensor with the ranges of integers that stand for numbers of the span."""
    held = ternary.range_of(value.base)
    ends = [_within(piece, span, held) for piece in value.outer.flat]
    lows, highs = (np.array([pair[end] for pair in ends], dtype=np.int64) for end in (0, 1))
    return replace(value, lows=lows.reshape(value.outer.shape), highs=highs.reshape(value.outer.shape))


def _within(piece: Piece, span: Range, held: Range) -> tuple[int, int]:
    """The lowest and the highest of the integers held that stand for numbers of the span."""
    if piece.slope == 0:
        return held.lo, held.hi
    ends = sorted((end - piece.offset) / piece.slope for end in (span.lo, span.hi))
    return max(held.lo, ceil(ends[0])), min(held.hi, floor(ends[1]))


def _count(call: Call, value: Activation, size: int, span: Range, wraps: tuple[int, int]) -> Activation:
    """How many times the size of its type each element is beyond it."""
    step = RoundStep(*wraps, Rounding.FLOOR)
    shift = Fraction(-span.lo, size)
    scale, none = filled((), Fraction(size)), filled((), ZERO)
    steps = Quantiser(scale, filled((), shift), filled((), step), filled((), ONE), none, value.elem_type)
    return call.builder.materialise(with_quantiser(call.node, value, steps), call.node)


def _beyond(call: Call, name: str, low: Fraction, high: Fraction) -> ModelError:
    return call.node.error(
        f"its integers range over {int(low)}..{int(high)}, and would wrap round in {name}",
        hint="a wider integer type, a Clip before it, or inputs of smaller ranges",
    )


def as_int32(call: Call, value: Activation) -> Activation:
    """Sums of products, which ONNX keeps in 32 bits; raises ModelError where they could be more."""
    low, high = extent(value)
    if low < SUMMABLE.lo or high > SUMMABLE.hi:
        raise _beyond(call, "INT32", low, high)
    return value.typed(TensorProto.INT32)
