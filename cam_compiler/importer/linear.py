"""Tensors that are sums of integer tensors with exact factors, where no quantiser makes them integers of one scale.

Between a product and the next quantiser scales, offsets, sums, averages and products change nothing about that form:
each of them works on every summand. Clamps and bent lines of integers take it, too (segments.py): relu(s n + b) is
s max(n, c) + jump [n >= c], exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, Piece, compact, each, filled
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.arithmetic.segments import Parts, parts_of, segments_of
from cam_compiler.importer.arithmetic.steps import RoundStep, TableStep
from cam_compiler.importer.arithmetic.sums import exact_sum
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, Origin, Term, identity_pieces
from dialects import ternary
from dialects.support.ranges import Range
from dialects.support.real_lines import RealLine, RealLines
from dialects.support.rescales import Line, Rescales
from dialects.support.tensors import Thresholds

if TYPE_CHECKING:
    from cam_compiler.importer.builder import Builder

AT_ONCE = 4
"""Summands whose scales are in the ratio of integers up to this become one where they stand; others wait."""
MOST_TERMS = 64
"""Summands of one tensor whose scales have no simple ratio."""
SUMMABLE = Range.of_width(32, True)
"""Integers that the arrays add and compare."""
MAX_FINER = 16
"""How much finer integers may get so that a clamp's bound is one of them."""


def part_hints(name: str, count: int) -> list[str]:
    """Names of the summands that a node makes; the only one has the node's own."""
    return [name] if count == 1 else [f"{name}_part{number}" for number in range(1, count + 1)]


def terms_of(value: Activation) -> tuple[Term, ...]:
    """The summands of a tensor with nothing pending but its sum; its offset is left out."""
    gains = each(lambda piece: piece.slope, value.outer)
    if not value.terms:
        assert value.lows is not None and value.highs is not None
        return (Term(value.base, gains, value.lows, value.highs),)
    return tuple(replace(term, slopes=each(Fraction.__mul__, term.slopes, gains)) for term in value.terms)


def offsets_of(value: Activation) -> ObjectArray:
    """What is added to the summands; dimensions as a sample."""
    return each(lambda piece: piece.offset, value.outer)


def is_linear(value: Activation) -> bool:
    """Is there nothing pending but a sum?"""
    clamps = any(piece.clamps for piece in value.outer.flat)
    return value.kind is None and value.steps is None and value.before is None and not clamps


def total(like: Activation, terms: Sequence[Term], offsets: ObjectArray, origin: Origin) -> Activation:
    """The sum of the terms, of which those of one base are one, and the offsets."""
    merged: dict[SSAValue, Term] = {}
    for term in terms:
        first = merged.get(term.base)
        slopes = term.slopes if first is None else each(Fraction.__add__, first.slopes, term.slopes)
        merged[term.base] = replace(term, slopes=compact(slopes))
    kept = [term for term in merged.values() if any(term.slopes.flat)] or list(merged.values())[:1]
    whole = replace(like, base=kept[0].base, origin=origin, before=None, inner=None, steps=None, executed=None)
    if len(kept) == 1:
        (only,) = kept
        outer = compact(each(Piece, only.slopes, offsets))
        return replace(whole, outer=outer, lows=only.lows, highs=only.highs, terms=())
    outer = compact(each(lambda offset: Piece(ONE, offset), offsets))
    return replace(whole, outer=outer, lows=None, highs=None, terms=tuple(kept))


def joined(builder: Builder, value: Activation, node: Node, ratio: int = AT_ONCE) -> Activation:
    """The tensor with summands in ratios of integers up to `ratio` as one; they have been added by then."""
    if len(value.terms) < 2:
        return value
    if len(value.terms) > MOST_TERMS:
        message = f"its result is the sum of {len(value.terms)} tensors whose scales have no simple ratio"
        raise node.error(message, hint=f"at most {MOST_TERMS}; quantise some of them with the same scale")
    groups: list[list[Term]] = []
    for term in value.terms:
        for group in groups:
            if _simple(value, [*group, term], node, ratio):
                group.append(term)
                break
        else:
            groups.append([term])
    if len(groups) == len(value.terms):
        return value
    hints = iter(part_hints(value.origin.hint, sum(len(group) > 1 for group in groups)))
    terms = [_one(builder, value, group, next(hints), node) if len(group) > 1 else group[0] for group in groups]
    return total(value, terms, offsets_of(value), value.origin)


def _pending(value: Activation, terms: Sequence[Term]) -> Activation:
    """The sum of some terms."""
    return replace(
        value, base=terms[0].base, outer=identity_pieces(len(value.shape)), lows=None, highs=None, terms=tuple(terms)
    )


def _simple(value: Activation, terms: Sequence[Term], node: Node, ratio: int) -> bool:
    if any(_far_apart(term, terms[-1], ratio) for term in terms[:-1]):
        return False
    by_channel = all(size == 1 for term in terms for size in term.slopes.shape[1:])
    addable = all(SUMMABLE.covers(ternary.range_of(term.base)) for term in terms)
    found = exact_sum(_pending(value, terms), node) if by_channel and addable else None
    return found is not None and int(np.abs(found.multipliers.array).max()) <= ratio


def _far_apart(first: Term, second: Term, ratio: int) -> bool:
    """Is the ratio of the scales of one element already none of small integers? That is soon seen."""
    one, other = first.slopes.flat[0], second.slopes.flat[0]
    if not (one and other):
        return False
    between = one / other
    return max(abs(between.numerator), between.denominator) > ratio


def _one(builder: Builder, value: Activation, terms: Sequence[Term], hint: str, node: Node) -> Term:
    found = exact_sum(_pending(value, terms), node)
    assert found is not None
    bases, origin = [term.base for term in terms], Origin(value.origin.layer, hint)
    base = builder.combine(bases, found.multipliers, origin)
    lows, highs, outer = found.function.lows, found.function.highs, found.function.outer
    assert lows is not None and highs is not None
    return Term(base, each(lambda piece: piece.slope, outer), lows, highs)


def real_lines(node: Node, value: Activation) -> RealLines:
    """What the summands of a tensor stand for together, one line per channel or one for all."""
    try:
        each(
            float,
            np.concatenate([part.reshape(-1) for part in (*(term.slopes for term in value.terms), offsets_of(value))]),
        )
    except OverflowError as error:
        raise node.error("its scale is beyond double precision") from error
    parts = [*(term.slopes.reshape(-1) for term in terms_of(value)), offsets_of(value).reshape(-1)]
    lines: list[RealLine] = []
    for numbers in zip(*np.broadcast_arrays(*parts), strict=True):
        divisor = lcm(*(number.denominator for number in numbers))
        *factors, offset = (int(number * divisor) for number in numbers)
        lines.append(RealLine(tuple(factors), offset, divisor))
    return RealLines(tuple(lines) if len(set(lines)) > 1 else tuple(lines[:1]))


# ---- functions of integers


def finer(value: Activation) -> int:
    """How much finer integers would have to be for the bounds of all clamps after the step to be some."""
    bounds = {
        (bound - piece.offset) / piece.slope
        for piece in value.outer.flat
        if piece.slope
        for bound in (piece.low, piece.high)
        if bound is not None
    }
    return lcm(*(bound.denominator for bound in bounds))


def without_step(builder: Builder, value: Activation, node: Node) -> Activation:
    """The tensor with its quantiser made; a clamp behind it that its integers don't hold may still be pending."""
    if value.steps is None:
        return value
    if finer(value) <= MAX_FINER:
        return builder.materialise(value, node)
    ready = builder.materialise(replace(value, outer=identity_pieces(len(value.shape))), node)
    outer = each(lambda own, then: own.affine(then.slope, then.offset), ready.outer, value.outer)
    return replace(ready, outer=each(lambda own, then: own.clamped(then.low, then.high), outer, value.outer))


def unbent(builder: Builder, value: Activation, node: Node) -> Activation | None:
    """A function of integers, one per channel, as a sum of clamped integers and flags; None where it is no such."""
    value = _last_step_made(builder, value, node)
    if value.terms or value.kind is not None:
        return None
    shape = (value.shape[0], *[1] * (len(value.shape) - 1))
    known: dict[tuple[Chain, tuple[int, int]], Parts | None] = {}
    parts: list[Parts] = []
    functions = value.folded().before
    assert functions is not None
    chains: ObjectArray = np.broadcast_to(functions, shape).reshape(-1)
    reaches = channel_reaches(value)
    for chain, reach in zip(chains, reaches, strict=True):
        if (chain, reach) not in known:
            segments = segments_of(chain, *reach)
            known[chain, reach] = None if segments is None else parts_of(segments)
        own = known[chain, reach]
        if own is None:
            return None
        parts.append(own)
    clamps, anchors = _clamps(builder, value, parts, reaches)
    constants = [own.constant - anchor for own, anchor in zip(parts, anchors, strict=True)]
    terms = [*clamps, *_flags(builder, value, parts)]
    return total(value, terms or [_nothing(value)], _column(constants, shape), value.origin)


def channel_reaches(value: Activation) -> list[tuple[int, int]]:
    """The lowest and the highest integer of each channel."""
    assert value.lows is not None and value.highs is not None
    rest, shape = tuple(range(1, len(value.shape))), (value.shape[0], *[1] * (len(value.shape) - 1))
    lows = np.broadcast_to(value.lows.min(axis=rest, keepdims=True), shape)
    highs = np.broadcast_to(value.highs.max(axis=rest, keepdims=True), shape)
    return list(zip(lows.reshape(-1).tolist(), highs.reshape(-1).tolist(), strict=True))


def _nothing(value: Activation) -> Term:
    assert value.lows is not None and value.highs is not None
    return Term(value.base, filled((1,) * len(value.shape), ZERO), value.lows, value.highs)


def _last_step_made(builder: Builder, value: Activation, node: Node) -> Activation:
    """The tensor with the last quantiser in its chains made, so that straight segments may follow."""
    chains = value.folded().before
    assert chains is not None
    places = each(_after_steps, chains)
    if not any(places.flat):
        return value
    if not all(places.flat):
        # Some channels have a quantiser; the rest has none that could be made for all.
        return value
    under = replace(
        value,
        before=each(lambda chain, at: Chain(chain.stages[: at - 1]), chains, places),
        inner=identity_pieces(len(value.shape)),
        steps=each(lambda chain, at: chain.stages[at - 1], chains, places),
        outer=identity_pieces(len(value.shape)),
    )
    ready = builder.materialise(under, node)
    rest = each(lambda piece, chain, at: Chain((piece, *chain.stages[at:])), ready.outer, chains, places)
    return replace(ready, before=rest, outer=identity_pieces(len(value.shape)), origin=value.origin)


def _after_steps(chain: Chain) -> int:
    """Where a chain goes on after its last step; 0 where it has none."""
    places = [place for place, stage in enumerate(chain.stages, start=1) if isinstance(stage, RoundStep | TableStep)]
    return max(places, default=0)


def _column(numbers: Sequence[Any], shape: tuple[int, ...]) -> ObjectArray:
    column = filled((len(numbers),), None)
    column[:] = numbers
    return column.reshape(shape)


def _clamps(
    builder: Builder, value: Activation, parts: Sequence[Parts], reaches: Sequence[tuple[int, int]]
) -> tuple[list[Term], list[Fraction]]:
    """The first clamps of all channels, less their lowest integers, then the second ones, and so on.

    Channels without one have a slope of zero. Also what is to be subtracted where integers stay as they are.
    """
    shape = (len(parts), *[1] * (len(value.shape) - 1))
    terms: list[Term] = []
    anchors = [ZERO] * len(parts)
    for number in range(max(len(own.clamps) for own in parts)):
        clamps = [part.clamps[number] if number < len(part.clamps) else None for part in parts]
        slopes = [clamp.slope if clamp else ZERO for clamp in clamps]
        ends, base = list(reaches), value.base
        if any(clamp and (clamp.first, clamp.last) != own for clamp, own in zip(clamps, reaches, strict=True)):
            ends = [(0, clamp.last - clamp.first if clamp else 0) for clamp in clamps]
            firsts = [clamp.first if clamp else 0 for clamp in clamps]
            lines = tuple(Line(1, -first, 0, *own) for first, own in zip(firsts, ends, strict=True))
            table = Rescales(lines if len(set(lines)) > 1 else lines[:1])
            op = ternary.RescaleOp(base, table, Range(0, max(last for _, last in ends)), StringAttr(value.origin.layer))
            base = builder.add(op, f"{value.origin.hint}_clamp{number + 1}")
        else:
            anchors = [
                anchor + slope * (clamp.first if clamp else 0)
                for anchor, slope, clamp in zip(anchors, slopes, clamps, strict=True)
            ]
        lows, highs = (np.array([own[place] for own in ends]).reshape(shape) for place in (0, 1))
        terms.append(Term(base, compact(_column(slopes, shape)), lows, highs))
    return terms, anchors


def _flags(builder: Builder, value: Activation, parts: Sequence[Parts]) -> list[Term]:
    """Likewise the flags, integers 0 and 1."""
    shape, span = (len(parts), *[1] * (len(value.shape) - 1)), ternary.range_of(value.base)
    terms: list[Term] = []
    for number in range(max(len(own.flags) for own in parts)):
        flags = [part.flags[number] if number < len(part.flags) else None for part in parts]
        firsts = np.array([[flag.first if flag else span.hi + 1] for flag in flags])
        table = Thresholds.from_array(firsts if len(set(firsts.flat)) > 1 else firsts[:1])
        op = ternary.ThresholdOp(value.base, table, Range(0, 1), value.origin.layer)
        jumps = _column([flag.jump if flag else ZERO for flag in flags], shape)
        lows, highs = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=np.int64)
        terms.append(Term(builder.add(op, f"{value.origin.hint}_flag{number + 1}"), compact(jumps), lows, highs))
    return terms
