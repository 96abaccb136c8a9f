"""Small integer multipliers for a sum of several scaled integers that a quantiser looks at.

For two summands, one of which has few integers, multipliers.py finds the smallest ones. Here is what serves any number
and wide ones: multipliers nearly in the ratio of the slopes (reduction.py) order the sums as the slopes do, but for
sums that are very close to each other; how close those beside an edge are is known (phases.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from cam_compiler.importer.arithmetic.exact import ONE, ZERO
from cam_compiler.importer.arithmetic.functions import Edge
from cam_compiler.importer.arithmetic.multipliers import Summand
from cam_compiler.importer.arithmetic.phases import Part, Room, rooms
from cam_compiler.importer.arithmetic.reduction import multipliers_near

MAX_REACH = 1 << 60
"""Sums from zero on that the arrays can hold."""


class Separation(NamedTuple):
    """Multipliers of the summands, and the first sum beyond each edge."""

    multipliers: tuple[int, ...]
    edges: tuple[int, ...]


class _Live(NamedTuple):
    """A summand that counts, from zero on: slope * x for x from 0 to width."""

    place: int
    slope: Fraction
    width: int


def separation(summands: Sequence[Summand], edges: Sequence[Edge]) -> Separation | None:
    """Multipliers for which every edge is a threshold of the sum; raises Undecided.

    None where none were found whose sums the arrays can hold, or finding them takes too long.
    """
    live = [
        _Live(place, abs(own.slope), own.high - own.low)
        for place, own in enumerate(summands)
        if own.slope and own.high > own.low
    ]
    live.sort(key=lambda own: -own.width)
    if not live:
        return None
    start = sum((own.ends[0] for own in summands), ZERO)
    moved = [_moved(edge, start, live[0].slope) for edge in edges]
    found = _separated(live, moved)
    if found is None:
        return None
    factors, firsts = found
    multipliers = [0] * len(summands)
    for own, factor in zip(live, factors, strict=True):
        multipliers[own.place] = factor if summands[own.place].slope > 0 else -factor
    least = sum(min(a * own.low, a * own.high) for a, own in zip(multipliers, summands, strict=True))
    return Separation(tuple(multipliers), tuple(first + least for first in firsts))


def _moved(edge: Edge, start: Fraction, unit: Fraction) -> Edge:
    """The edge less a number, in another unit."""
    low, high = ((Fraction(end, edge.denominator) - start) / unit for end in (edge.low, edge.high))
    return Edge.between(low, high, edge.closed)


def _separated(live: Sequence[_Live], edges: Sequence[Edge]) -> tuple[tuple[int, ...], list[int]] | None:
    """Multipliers of summands from zero on, the first of which has the slope 1."""
    if len(live) == 1:
        last = live[0].width + 1
        return (1,), [min(max(edge.integer(), 0), last) for edge in edges]
    parts = [Part(own.slope / live[0].slope, own.width) for own in live[1:]]
    room = rooms(parts, edges)
    if room is None:
        return None
    ratios, widths = [part.ratio for part in parts], [part.width for part in parts]
    least = min((own.beyond + own.before for own in room), default=ONE)
    if least == 0:
        return None
    for candidates in multipliers_near(ratios, widths, Fraction(1, 64) / least):
        fitting: list[tuple[int, tuple[int, ...], list[int]]] = []
        for factors in candidates:
            reach = sum(factor * own.width for factor, own in zip(factors, live, strict=True))
            firsts = _firsts(factors, parts, room) if reach <= MAX_REACH else None
            if firsts is not None:
                fitting.append((reach, factors, [min(max(first, 0), reach + 1) for first in firsts]))
        if fitting:
            _, factors, firsts = min(fitting)
            return factors, firsts
        if candidates and min(factors[0] for factors in candidates) * live[0].width > MAX_REACH:
            return None
    return None


def _firsts(factors: tuple[int, ...], parts: Sequence[Part], room: Sequence[Room]) -> list[int] | None:
    """The first sum beyond each edge; None where one before it may be as large."""
    unit, low, high = factors[0], ZERO, ZERO
    for factor, part in zip(factors[1:], parts, strict=True):
        # The sum is `unit` times the real one, and so much more or less.
        error = (factor - unit * part.ratio) * part.width
        low, high = low + min(error, ZERO), high + max(error, ZERO)
    firsts: list[int] = []
    for own in room:
        # Sums are integers, so that bounds of theirs may be rounded towards them.
        first = ceil(unit * (own.low + own.beyond) + low)
        if first <= floor(unit * (own.high - own.before) + high):
            return None
        firsts.append(first)
    return firsts
