"""From the exact function of a channel to its threshold table, by solving for every level's first input.

The function is a chain of stages (functions.py), clamp-affine `inner`, a step to integers n, clamp-affine `outer`
(exact.py, steps.py). What is stored is an integer m with outer(n) = slope * m + offset: n itself, or n clamped, or on a
finer lattice where a clamp's bound isn't a multiple of the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import repeat
from math import lcm
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.affine_edges import AffineEdges, affine_edges
from cam_compiler.importer.arithmetic.exact import IDENTITY, ZERO, Piece
from cam_compiler.importer.arithmetic.functions import (
    INFINITY,
    Beyond,
    Chain,
    Edge,
    Enclosed,
    FunctionError,
    Number,
    Undecided,
    decided,
    edge_of,
    image,
)
from cam_compiler.importer.arithmetic.steps import IDENTITY_STEP, Step
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, Thresholds

MAX_LEVELS = 1 << 16
MAX_ENTRIES = 1 << 22


class TableError(Exception):
    """There is no table of a sensible size; the message says why."""


class Channel(NamedTuple):
    """The exact function of one channel: outer(step(inner(before(x))))."""

    inner: Piece = IDENTITY
    step: Step = IDENTITY_STEP
    outer: Piece = IDENTITY
    before: Chain = Chain()

    @property
    def path(self) -> Chain:
        """What the step rounds."""
        return self.before.then(self.inner)

    def scaled(self, factor: Fraction) -> Channel:
        """x -> this(factor * x)."""
        if self.before.stages:
            return self._replace(before=self.before.scaled(factor))
        inner = self.inner
        return self._replace(inner=Piece(inner.slope * factor, inner.offset, inner.low, inner.high))

    def edges(self, levels: Sequence[int], bits: int) -> list[Beyond]:
        """Where each level of the step begins to be reached, or ceases to be, as the channel rises or falls."""
        path = self.path
        return [path.preimage(edge_of(self.step, level), bits) for level in levels]


class Reach(NamedTuple):
    """The inputs that a channel can meet; an absent end is infinite."""

    low: int | None
    high: int | None


class Levels(NamedTuple):
    """What a channel stores: integers low..high, each `refine` steps of the quantiser's, and what they stand for."""

    low: int
    high: int
    piece: Piece
    shift: int
    """steps of the quantiser's lattice that the integers are below its own"""


@dataclass(frozen=True)
class Table:
    """Thresholds of all channels, the range of their result, and each channel's levels.

    A function that rises and falls is the sum of two step functions; `falling` steps down from 0 (uneven.py).
    """

    thresholds: Thresholds
    result: Range
    levels: tuple[Levels, ...]
    falling: Thresholds | None = None


def _step_range(channel: Channel, reach: Reach) -> tuple[int | None, int | None]:
    """The lowest and the highest of the step's integers; None where there is none."""
    low = -INFINITY if reach.low is None else Fraction(reach.low)
    high = INFINITY if reach.high is None else Fraction(reach.high)
    if not channel.before.monotone:
        return channel.step.low, channel.step.high
    try:
        ends = [decided(lambda bits, end=end: _step_at(channel, end, bits)) for end in (low, high)]
    except FunctionError as error:
        raise TableError(str(error)) from None
    first, last = ends[::-1] if channel.path.falling else ends
    return first, last


def _step_at(channel: Channel, end: Number, bits: int) -> int | None:
    value = channel.path.enclosed(Enclosed.of(end), bits)
    found, _ = image(channel.step, value, bits)
    return int(found) if isinstance(found, Fraction) else None


def _clamp(value: int, low: Fraction | None, high: Fraction | None) -> Fraction:
    return Piece(low=low, high=high).bounded(Fraction(value))


def bounds_of(channel: Channel, reach: Reach) -> tuple[Fraction, Fraction]:
    """The ends of the channel's result in units of the step's integers."""
    low, high = _step_range(channel, reach)
    outer = channel.outer
    if outer.slope == 0:
        constant = Fraction(low if low is not None else high if high is not None else 0)
        return constant, constant
    floor_, ceiling = outer.low, outer.high
    if outer.slope < 0:
        floor_, ceiling = ceiling, floor_
    lower = None if floor_ is None else (floor_ - outer.offset) / outer.slope
    upper = None if ceiling is None else (ceiling - outer.offset) / outer.slope
    first = lower if low is None else _clamp(low, lower, upper)
    last = upper if high is None else _clamp(high, lower, upper)
    if first is None or last is None:
        raise TableError("its rounded values have no bounds")
    return first, last


def value_range(channel: Channel, reach: Reach) -> tuple[Fraction, Fraction]:
    """The lowest and the highest result of the channel's function; raises TableError where it has none."""
    if channel.outer.slope == 0:
        return channel.outer(0), channel.outer(0)
    found = [None if end is None else channel.outer(end) for end in _step_range(channel, reach)]
    if channel.outer.slope < 0:
        found.reverse()
    low = channel.outer.low if found[0] is None else found[0]
    high = channel.outer.high if found[1] is None else found[1]
    if low is None or high is None:
        raise TableError("its values have no bounds")
    return low, high


def reduced(outer: Piece, refine: int) -> Piece:
    """What a stored integer stands for; the clamp is in the range by now."""
    if outer.slope == 0:
        return Piece(outer.slope, outer(0))
    return Piece(outer.slope / refine, outer.offset)


def centred(levels: tuple[Levels, ...]) -> tuple[Levels, ...]:
    """With the integer 0 for the number 0 in all channels, where their zero points differ and are integers.

    Then one integer pads all channels.
    """
    zeros = [-level.piece.offset / level.piece.slope if level.piece.slope else ZERO for level in levels]
    if len(set(zeros)) == 1 or any(zero.denominator != 1 for zero in zeros):
        return levels
    return tuple(
        Levels(low - int(zero), high - int(zero), replace(piece, offset=ZERO), int(zero)) if piece.slope else level
        for level, zero, (low, high, piece, _) in zip(levels, zeros, levels, strict=True)
    )


def plan_levels(
    channels: Sequence[Channel], reaches: Sequence[Reach], most: int = MAX_LEVELS, most_entries: int = MAX_ENTRIES
) -> tuple[int, tuple[Levels, ...]]:
    """The levels of all channels on one lattice, and how much finer that is than the steps; raises TableError."""
    bounds = [bounds_of(channel, reach) for channel, reach in zip(channels, reaches, strict=True)]
    refine = lcm(*(end.denominator for ends in bounds for end in ends))
    levels = tuple(
        Levels(int(low * refine), int(high * refine), reduced(channel.outer, refine), 0)
        for (low, high), channel in zip(bounds, channels, strict=True)
    )
    levels = centred(levels)
    count = max(level.high for level in levels) - min(level.low for level in levels)
    if count > most:
        why = " because a bound is no multiple of the scale" if refine > 1 else ""
        raise TableError(f"it has {_shown(count)} levels{why}; at most {most} are possible")
    if count * len(levels) > most_entries:
        raise TableError(f"{len(levels)} channels of {count} levels are more than {most_entries} thresholds")
    return refine, levels


def _shown(count: int) -> str:
    return str(count) if count < 10**9 else "more than 10^9"


def first_floats(edges: Sequence[Edge], kind: type[np.floating[Any]]) -> list[float]:
    """The smallest numbers of a float type, or infinity, beyond each edge; raises Undecided."""
    firsts = _floats_beyond([(edge.low, edge.denominator, edge.closed) for edge in edges], kind)
    if all(edge.exact for edge in edges):
        return firsts
    if firsts != _floats_beyond([(edge.high, edge.denominator, edge.closed) for edge in edges], kind):
        raise Undecided
    return firsts


def _floats_beyond(points: Sequence[tuple[int, int, bool]], kind: type[np.floating[Any]]) -> list[float]:
    guesses: NDArray[np.float64] = np.array([_nearest(top, bottom) for top, bottom, _ in points], dtype=np.float64)
    with np.errstate(over="ignore"):
        rounded = guesses.astype(kind)
    # A number of the type that differs from the nearest double lies on the same side of the point as of that double.
    short: NDArray[np.bool_] = rounded.astype(np.float64) < guesses
    equal: list[int] = np.flatnonzero((rounded == guesses) & np.isfinite(guesses)).tolist()
    for index in equal:
        top, bottom, closed = points[index]
        own_top, own_bottom = float(guesses[index]).as_integer_ratio()
        beyond = top * own_bottom - own_top * bottom
        short[index] = beyond > 0 or (beyond == 0 and not closed)
    result = np.where(short, np.nextafter(rounded, kind(np.inf)), rounded)
    # Every finite number is beyond a point below the least one.
    result = np.where(np.isneginf(result), np.finfo(kind).min, result)
    return (result.astype(np.float64) + 0.0).tolist()


def _nearest(top: int, bottom: int) -> float:
    try:
        # Division of integers is rounded correctly.
        return top / bottom
    except OverflowError:
        return float("inf") if top > 0 else float("-inf")


class _Ends(NamedTuple):
    """The thresholds that stand for always and never reached."""

    always: float
    never: float


def _firsts(edges: Sequence[Beyond], ends: _Ends, kind: type[np.floating[Any]] | None) -> list[float]:
    """The first input beyond each edge."""
    points = [edge for edge in edges if not isinstance(edge, bool)]
    found = iter([point.integer() for point in points] if kind is None else first_floats(points, kind))
    return [(ends.always if edge else ends.never) if isinstance(edge, bool) else next(found) for edge in edges]


def _affine_firsts(edges: AffineEdges, ends: _Ends, kind: type[np.floating[Any]] | None) -> list[float]:
    """The same for edges in arrays."""
    if kind is None:
        firsts = edges.integers()
    else:
        points = zip(edges.tops.tolist(), repeat(edges.bottom), edges.closed.tolist())
        firsts = np.array(_floats_beyond(list(points), kind))
    return np.where(edges.everything, ends.always, np.where(edges.nothing, ends.never, firsts)).tolist()


def _row(
    channel: Channel, own: Levels, result: Range, refine: int, ends: _Ends, kind: type[np.floating[Any]] | None
) -> tuple[list[float], bool]:
    """One channel's thresholds and whether it falls."""
    falling = channel.path.falling and own.low < own.high
    always, never = (ends.never, ends.always) if falling else ends
    # On the quantiser's own lattice again.
    low, high = own.low + own.shift, own.high + own.shift
    # Where a clamp lets one number through, its level may be none of the step's.
    levels = range(-(-(low + 1) // refine), -(-high // refine) + 1) if low < high else range(0)
    edges = None if channel.before.stages else affine_edges(channel.inner, channel.step, levels)
    if edges is not None:
        firsts = _affine_firsts(edges, ends, kind)
    else:
        firsts = decided(lambda bits: _firsts(channel.edges(levels, bits), ends, kind))
    # Finer lattices than that of the steps jump over several integers at once.
    reached = [firsts[-(-level // refine) - levels.start] for level in range(low + 1, high + 1)]
    row = [always] * (own.low - result.lo) + reached + [never] * (result.hi - own.high)
    return (row[::-1] if falling else row), falling


def _tabulate(
    channels: Sequence[Channel], reaches: Sequence[Reach], ends: _Ends, kind: type[np.floating[Any]] | None
) -> Table:
    refine, levels = plan_levels(channels, reaches)
    result = Range(min(level.low for level in levels), max(level.high for level in levels))
    known: dict[tuple[Channel, Levels], tuple[list[float], bool]] = {}
    rows: list[list[float]] = []
    down: list[bool] = []
    for channel, own in zip(channels, levels, strict=True):
        if (channel, own) not in known:
            known[channel, own] = _row(channel, own, result, refine, ends, kind)
        row, falling = known[channel, own]
        rows.append(row)
        down.append(falling)
    table = FloatThresholds if kind is not None else Thresholds
    numbers: NDArray[Any] = np.array(rows, dtype=table.dtype).reshape(len(rows), result.hi - result.lo)
    return Table(table.from_array(numbers, np.array(down)), result, levels)


def integer_row(channel: Channel, own: Levels, result: Range, refine: int, span: Range) -> tuple[list[float], bool]:
    """The thresholds of one channel on integers in `span`, and whether it falls."""
    return _row(channel, own, result, refine, _Ends(span.lo, span.hi + 1), None)


def integer_table(channels: Sequence[Channel], reaches: Sequence[Reach], span: Range) -> Table:
    """Thresholds on integers in `span`, exact at every integer that a channel reaches.

    Raises TableError where the levels are unbounded or too many.
    """
    return _tabulate(channels, reaches, _Ends(span.lo, span.hi + 1), None)


def float_table(channels: Sequence[Channel], kind: type[np.floating[Any]]) -> Table:
    """Thresholds on the numbers of a float type; raises TableError where the levels are unbounded or too many."""
    ends = _Ends(float("-inf"), float("inf"))
    return _tabulate(channels, [Reach(None, None)] * len(channels), ends, kind)


def shift_of(table: Table, row: int, reach: Reach) -> int | None:
    """The constant that channel `row` adds to its input, if that is all it does."""
    own = table.levels[row]
    if table.falling or reach.low is None or reach.high is None or table.thresholds.down[row]:
        return None
    if own.high - own.low != reach.high - reach.low:
        return None
    first = own.low - table.result.lo
    steps = table.thresholds.array[row, first : first + own.high - own.low]
    plain = np.array_equal(steps, np.arange(reach.low + 1, reach.high + 1))
    return own.low - reach.low if plain else None
