"""Sums of several tensors become integers: exactly, or by small multipliers where a quantiser follows.

Stands between nodes/sums.py, which leaves a sum pending, and builder.py, which makes it when its function is known.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np

from cam_compiler.importer.arithmetic.exact import IDENTITY, ONE, ZERO, ObjectArray, Piece, compact, filled
from cam_compiler.importer.arithmetic.functions import Chain, Edge, decided
from cam_compiler.importer.arithmetic.multipliers import Combination, Summand, combination, exact_multipliers
from cam_compiler.importer.arithmetic.separation import MAX_REACH, Separation, separation
from cam_compiler.importer.arithmetic.steps import TableStep
from cam_compiler.importer.arithmetic.thresholds import Channel, Reach, TableError, bounds_of
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation
from dialects.support.tensors import IntMatrix

MAX_SUM = 1 << 52
"""Of a product: exact in double precision."""

FEW_SUMS = 1 << 20
"""So few sums with exact multipliers are not worth a search for smaller ones."""

CHEAP = 2
"""Exact multipliers up to this are not worth a search for smaller ones."""

MAX_SEARCHED = 1 << 10
"""Levels of a quantiser for which smaller multipliers are searched."""

MAX_TRIED = 1 << 17
"""Edges of the quantiser times integers of the narrower of two summands for which the smallest are searched."""


class Total(NamedTuple):
    """The multipliers of a sum, a line for all channels or one per channel, and the function of its integers.

    The function's base is still that of the first term.
    """

    multipliers: IntMatrix
    function: Activation


class _Channel(NamedTuple):
    """The integers of one channel: their multipliers, their range, and what they stand for."""

    multipliers: tuple[int, ...]
    low: int
    high: int
    function: Channel

    @staticmethod
    def of(multipliers: tuple[int, ...], summands: tuple[Summand, ...], function: Channel) -> _Channel:
        ends = [
            sorted((factor * summand.low, factor * summand.high))
            for factor, summand in zip(multipliers, summands, strict=True)
        ]
        return _Channel(multipliers, sum(end[0] for end in ends), sum(end[1] for end in ends), function)


def resolved(value: Activation, node: Node) -> Total:
    """A pending sum on integers; raises ModelError at `node` where its scales have no common step."""
    known: dict[tuple[tuple[Summand, ...], Channel], _Channel] = {}
    channels: list[_Channel] = []
    for key in _channels(value, node):
        if key not in known:
            summands, function = key
            quantised = value.steps is not None
            found = _searched(summands, function) if quantised else None
            known[key] = found or _exact(summands, function, quantised)
        channels.append(known[key])
    if not _fits(channels):
        after = "a quantiser right after the sum, or " if value.steps is None else "quantisers of the summands, or "
        raise node.error(
            f"it takes the sum '{value.origin.layer}' of tensors whose scales have no common step",
            hint=f"{after}scales in the ratio of small integers",
        )
    return _total(value, channels)


def exact_sum(value: Activation, node: Node) -> Total | None:
    """A pending sum with multipliers in the exact ratio of its scales; None where those are too large."""
    channels = [_exact(summands, function, value.steps is not None) for summands, function in _channels(value, node)]
    return _total(value, channels) if _fits(channels) else None


def _fits(channels: list[_Channel]) -> bool:
    return all(max(-channel.low, channel.high) <= MAX_REACH for channel in channels)


def _channels(value: Activation, node: Node) -> list[tuple[tuple[Summand, ...], Channel]]:
    """The summands and the function of every channel, or of one that stands for all."""
    functions = value.channels()
    arrays = [functions, *(term.slopes for term in value.terms)]
    ranges = [
        (_per_channel(term.lows.min, term.lows), _per_channel(term.highs.max, term.highs)) for term in value.terms
    ]
    count = max(len(array) for array in [*arrays, *(ends for pair in ranges for ends in pair)])
    if any(size != 1 for array in arrays for size in array.shape[1:]):
        raise node.error(
            "it takes a sum whose scales differ within a channel",
            hint="quantise the summands with one scale per channel",
        )

    def at(array: Any, channel: int) -> Any:
        return array.reshape(-1)[channel if len(array) > 1 else 0]

    return [
        (
            tuple(
                _summand(at(term.slopes, channel), int(at(lows, channel)), int(at(highs, channel)))
                for term, (lows, highs) in zip(value.terms, ranges, strict=True)
            ),
            at(functions, channel),
        )
        for channel in range(count)
    ]


def _summand(slope: Fraction, low: int, high: int) -> Summand:
    """Integers that are all zero have no scale that matters."""
    return Summand(slope if low or high else ZERO, low, high)


def _per_channel(reduce: Any, values: ObjectArray) -> ObjectArray:
    return reduce(axis=tuple(range(1, values.ndim)), keepdims=True)


def _exact(summands: tuple[Summand, ...], function: Channel, quantised: bool) -> _Channel:
    """Multipliers in the ratio of the slopes; their unit goes into the first function there is."""
    multipliers, unit = exact_multipliers([summand.slope for summand in summands])
    if quantised or function.before.stages:
        scaled = function.scaled(unit)
    else:
        outer = function.outer
        scaled = function._replace(outer=Piece(outer.slope * unit, outer.offset, outer.low, outer.high))
    return _Channel.of(multipliers, summands, scaled)


def _searched(summands: tuple[Summand, ...], function: Channel) -> _Channel | None:
    """Small multipliers that serve the quantiser; None where there is nothing to gain, or no way."""
    exact = _exact(summands, function, quantised=True)
    if not function.before.monotone or max(map(abs, exact.multipliers)) <= CHEAP:
        return None
    if len(summands) > 2 and exact.high - exact.low <= FEW_SUMS:
        return None
    found = decided(lambda bits: _combined(summands, function, bits))
    return found if found and found.high - found.low < exact.high - exact.low else None


def _separated(summands: tuple[Summand, ...], edges: list[Edge]) -> Combination | Separation | None:
    """The smallest multipliers of two summands, if they are soon found; else small ones of any number."""
    narrow = min(summand.high - summand.low for summand in summands)
    live = all(summand.slope for summand in summands)
    if len(summands) == 2 and live and narrow * len(edges) <= MAX_TRIED:
        return combination(*summands, edges)
    return separation(summands, edges)


def _combined(summands: tuple[Summand, ...], function: Channel, bits: int) -> _Channel | None:
    found = _edges(summands, function, bits)
    if found is None:
        return None
    first_level, edges = found
    combined = _separated(summands, edges)
    if combined is None:
        return None
    rising = not function.path.falling
    steps = combined.edges if rising else tuple(sorted(1 - edge for edge in combined.edges))
    outer = function.outer
    shifted = Piece(outer.slope, outer.offset + outer.slope * first_level, outer.low, outer.high)
    table = TableStep(tuple(map(Fraction, steps)))
    return _Channel.of(combined.multipliers, summands, Channel(IDENTITY if rising else Piece(-ONE), table, shifted))


def _edges(summands: tuple[Summand, ...], function: Channel, bits: int) -> tuple[int, list[Edge]] | None:
    """The lowest level that the sum reaches, and where each further one begins; None where they are too many."""
    low, high = sum(summand.ends[0] for summand in summands), sum(summand.ends[1] for summand in summands)
    # The same function of a number from 0 to 1, the lowest and the highest sum.
    unit = function._replace(before=Chain((Piece(Fraction(high - low), Fraction(low)), *function.before.stages)))
    try:
        first, last = bounds_of(unit, Reach(0, 1))
    except TableError:
        return None
    levels = range(floor(first) + 1, ceil(last) + 1)
    if len(levels) > MAX_SEARCHED:
        return None
    edges = function.edges(levels, bits)
    # Levels that a clamp leaves below the first one may be reached by every sum.
    always = sum(edge is not function.path.falling for edge in edges if isinstance(edge, bool))
    return floor(first) + always, [edge for edge in edges if isinstance(edge, Edge)]


def _total(value: Activation, channels: list[_Channel]) -> Total:
    shape = (-1, *[1] * (len(value.shape) - 1))
    rows = [channel.multipliers for channel in channels]
    matrix = np.array(rows if any(row != rows[0] for row in rows) else rows[:1], dtype=np.int64)

    def gathered(items: list[Any]) -> ObjectArray:
        array = filled((len(items),), None)
        array[:] = items
        return compact(array.reshape(shape))

    quantised, chains = value.steps is not None, [channel.function.before for channel in channels]
    function = replace(
        value,
        before=gathered(chains) if any(chain.stages for chain in chains) else None,
        inner=gathered([channel.function.inner for channel in channels]) if quantised else None,
        steps=gathered([channel.function.step for channel in channels]) if quantised else None,
        outer=gathered([channel.function.outer for channel in channels]),
        lows=np.array([channel.low for channel in channels], dtype=np.int64).reshape(shape),
        highs=np.array([channel.high for channel in channels], dtype=np.int64).reshape(shape),
        terms=(),
    )
    return Total(IntMatrix.from_array(matrix), function)
