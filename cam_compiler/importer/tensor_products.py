"""Products of two tensors, as a squeeze-and-excitation block has one: sums of integers that the arrays can add.

    n * m = 2^k * (n where bit k of m is set, else 0) + ... for integers n and m from zero on

Each bit of the narrower tensor is a threshold; n where it is set is n + N * bit - N, but no less than zero, where N is
larger than n. Scales and offsets multiply exactly: (s n + o) (t m + p) = s t n m + s p n + t o m + o p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from cam_compiler.importer.arithmetic.compositions import Operation
from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, each
from cam_compiler.importer.builder import float_input_error
from cam_compiler.importer.context import Call
from cam_compiler.importer.linear import SUMMABLE, joined, offsets_of, terms_of, total
from cam_compiler.importer.nodes.sums import repeated
from cam_compiler.importer.same_source import combined
from cam_compiler.importer.values import Activation, Origin, Term, identity_pieces
from dialects import ternary
from dialects.support.ranges import Range
from dialects.support.rescales import Line, Rescales
from dialects.support.tensors import IntMatrix, Thresholds

MAX_PAIRS = 16
"""Products of summands that one product may become."""
MAX_RATIO = 1 << 16
"""Summands of a product whose scales are in the ratio of integers up to this become one."""


def multiplied(call: Call, left: Activation, right: Activation) -> Activation:
    """The product of two tensors, element by element; dimensions of one element are repeated, as numpy does.

    Functions of the same integers become a function of those.
    """
    found = combined(call, Operation.MULTIPLY, left, right)
    if found is not None:
        return found
    if any(value.kind is not None and value.steps is None for value in (left, right)):
        raise float_input_error(call.node)
    first, second = call.builder.linear(left, call.node), call.builder.linear(right, call.node)
    if prod(first.shape) < prod(second.shape):
        first, second = second, first
    shapes = repeated(call, first, second.shape).shape, repeated(call, second, first.shape).shape
    if shapes[0] != shapes[1] or first.batch_axis != second.batch_axis or first.merged != second.merged:
        raise call.node.error(
            f"it multiplies samples of shape {left.shape} and {right.shape}", hint="sizes that are equal, or 1"
        )
    return _product(call, repeated(call, first, second.shape), second)


def _product(call: Call, first: Activation, second: Activation) -> Activation:
    """The product of integers with exact scales; the second tensor may still have dimensions of one element."""
    spread = repeated(call, second, first.shape)
    lefts, rights, offsets = terms_of(first), terms_of(spread), (offsets_of(first), offsets_of(second))
    if len(lefts) * len(rights) > MAX_PAIRS:
        raise call.node.error(
            f"it multiplies sums of {len(lefts)} and {len(rights)} tensors whose scales have no common step",
            hint="a quantiser between the two operators",
        )
    terms = [_scaled(term, offsets[1]) for term in lefts] + [_scaled(term, offsets[0]) for term in rights]
    constants = each(Fraction.__mul__, *offsets)
    for number, (narrow, right) in enumerate(zip(terms_of(second), rights, strict=True), start=1):
        low, hint = int(narrow.lows.min()), f"{call.node.name}_factor{number}"
        flags = [_spread(call, second, flag, first.shape) for flag in _bits(call, narrow, hint)]
        for place, left in enumerate(lefts, start=1):
            slopes, least = each(Fraction.__mul__, left.slopes, right.slopes), int(left.lows.min())
            terms.append(replace(_bit_by_bit(call, left, flags, f"{hint}_product{place}"), slopes=slopes))
            terms += [_scaled(replace(left, slopes=slopes), low), _scaled(replace(right, slopes=slopes), least)]
            constants = each(Fraction.__sub__, constants, _scaled(replace(left, slopes=slopes), low * least).slopes)
    result = joined(call.builder, total(first, terms, constants, Origin.of(call.node)), call.node, MAX_RATIO)
    return _within(result, _ends(first), _ends(second))


def _scaled(term: Term, factors: ObjectArray | int) -> Term:
    if isinstance(factors, int):
        return replace(term, slopes=each(lambda slope: slope * factors, term.slopes))
    return replace(term, slopes=each(Fraction.__mul__, term.slopes, factors))


def _bits(call: Call, term: Term, hint: str) -> list[SSAValue]:
    """Flags of the bits of a summand's integers, counted from the lowest on; the lowest bit first.

    Each tensor has a name of its own, by which those of two levels are compared.
    """
    builder, layer = call.builder, call.node.name
    low, high = int(term.lows.min()), int(term.highs.max())
    rest, flags = _clamped(call, term.base, -low, high - low, f"{hint}_rest"), list[SSAValue]()
    for place in reversed(range(1, (high - low).bit_length())):
        edge = Thresholds.from_array(np.array([[1 << place]]))
        flag = builder.add(ternary.ThresholdOp(rest, edge, Range(0, 1), layer), f"{hint}_bit{place}")
        flags.insert(0, flag)
        weights = IntMatrix.from_array(np.array([[1, -(1 << place)]]))
        less = builder.combine([rest, flag], weights, Origin(layer, f"{hint}_less{place}"))
        rest = _clamped(call, less, 0, (1 << place) - 1, f"{hint}_rest{place}")
    # What is left is the lowest bit.
    return [rest, *flags]


def _clamped(call: Call, base: SSAValue, addend: int, last: int, hint: str) -> SSAValue:
    """The integers plus an addend, from 0 to `last`."""
    if ternary.range_of(base) == Range(0, last) and not addend:
        return base
    lines = Rescales((Line(1, addend, 0, 0, last),))
    return call.builder.add(ternary.RescaleOp(base, lines, Range(0, last), StringAttr(call.node.name)), hint)


def _spread(call: Call, like: Activation, flag: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    """A flag of each element, repeated as the tensor whose it is."""
    value = replace(like, base=flag, outer=identity_pieces(len(like.shape)), lows=None, highs=None, terms=())
    return repeated(call, value, shape).base


def _bit_by_bit(call: Call, term: Term, flags: Sequence[SSAValue], hint: str) -> Term:
    """The products of a summand's integers, counted from the lowest on, and of those that the flags are bits of."""
    builder, layer = call.builder, call.node.name
    low, last = int(term.lows.min()), int((term.highs - term.lows.min()).max())
    parts, above = list[SSAValue](), 1 << last.bit_length()
    for place, flag in enumerate(flags):
        # The flag is a bit above those of the integer.
        weights = IntMatrix.from_array(np.array([[1, above]]))
        raised = builder.combine([term.base, flag], weights, Origin(layer, f"{hint}_raised{place}"))
        parts.append(_clamped(call, raised, -low - above, last, f"{hint}_part{place}"))
    weights = IntMatrix.from_array(np.array([[1 << place for place in range(len(parts))]]))
    base = builder.combine(parts, weights, Origin(layer, hint))
    if not SUMMABLE.covers(ternary.range_of(base)):
        raise call.node.error(f"its products range over {ternary.range_of(base)}", hint=f"integers of {SUMMABLE}")
    most = np.full_like(term.highs, last * ((1 << len(parts)) - 1))
    return replace(term, base=base, lows=np.zeros_like(most), highs=most)


# ---- which integers the product can be


def _ends(value: Activation) -> tuple[ObjectArray, ObjectArray]:
    """Numbers that no element is beyond; dimensions as a sample."""
    lows = highs = offsets_of(value)
    for term in terms_of(value):
        first, last = (each(lambda slope, end: slope * int(end), term.slopes, part) for part in (term.lows, term.highs))
        lows = each(lambda total, a, b: total + min(a, b), lows, first, last)
        highs = each(lambda total, a, b: total + max(a, b), highs, first, last)
    return lows, highs


def _within(
    value: Activation, left: tuple[ObjectArray, ObjectArray], right: tuple[ObjectArray, ObjectArray]
) -> Activation:
    """The product with the integers that products of both tensors' ends leave."""
    if value.terms:
        return value
    corners = [each(Fraction.__mul__, a, b) for a, b in product(left, right)]
    least, most = each(min, *corners), each(max, *corners)

    def integers(piece: Piece, low: Fraction, high: Fraction) -> tuple[int, int]:
        ends = sorted((end - piece.offset) / piece.slope for end in (low, high)) if piece.slope else []
        return (ceil(ends[0]), floor(ends[1])) if ends else (SUMMABLE.lo, SUMMABLE.hi)

    found = each(integers, value.outer, least, most)
    lows, highs = (each(lambda pair: pair[0], found), each(lambda pair: pair[1], found))
    assert value.lows is not None and value.highs is not None
    return replace(
        value,
        lows=np.maximum(value.lows, lows.astype(np.int64)),
        highs=np.minimum(value.highs, highs.astype(np.int64)),
    )
