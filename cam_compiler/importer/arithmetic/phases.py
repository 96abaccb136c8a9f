"""How near the sums of several scaled integers come to numbers: the room that thresholds have between them.

In units of the widest summand's slope, a sum is an integer plus the fractions of the others. Which of its values lies
just beyond an edge, and which just before, is told by the phases, the fractional parts: those of the second summand are
sorted, and those of an edge less all other summands are looked up among them. Phases are 61-bit integers with a known
error; where that doesn't tell two from each other, exact fractions do.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from cam_compiler.importer.arithmetic.exact import ZERO
from cam_compiler.importer.arithmetic.functions import Edge, Undecided
from dialects.support.tensors import IntArray

BITS = 61
_MASK = (1 << BITS) - 1
MAX_SORTED = 1 << 22
"""Integers of the second summand."""
MAX_LOOKED_UP = 1 << 24
"""Edges times the integers of all others."""
_MAX_NEAR = 1 << 16


class Room(NamedTuple):
    """An edge, enclosed, and how far from it the next sums beyond it and before it are at least."""

    low: Fraction
    high: Fraction
    beyond: Fraction
    before: Fraction


class Part(NamedTuple):
    """ratio * x for integers x from 0 to width."""

    ratio: Fraction
    width: int


def rooms(parts: Sequence[Part], edges: Sequence[Edge]) -> list[Room] | None:
    """Of every edge, for sums of any integer and the parts, the widest first.

    None where there are too many sums to look at. Raises Undecided where an edge isn't known well enough.
    """
    first, *others = parts
    count = min(first.width + 1, first.ratio.denominator)
    tuples = 1
    for part in others:
        tuples *= part.width + 1
    if count > MAX_SORTED or tuples * len(edges) > MAX_LOOKED_UP:
        return None
    places = np.arange(count, dtype=np.uint64) * np.uint64(_fixed(first.ratio)) & np.uint64(_MASK)
    order = np.argsort(places, kind="stable")
    look = _Look(first, tuple(others), places[order].astype(np.int64), order, _shifts(others))
    found: list[Room] = []
    for edge in edges:
        room = look.room(edge)
        if room is None:
            return None
        found.append(room)
    return found


def _fixed(number: Fraction) -> int:
    """The phase of a number, rounded down."""
    return (number.numerator << BITS) // number.denominator & _MASK


def _shifts(others: Sequence[Part]) -> IntArray:
    """The phases of all sums of the other parts, in the order of `product`."""
    total = np.zeros(1, dtype=np.uint64)
    for part in others:
        own = np.arange(part.width + 1, dtype=np.uint64) * np.uint64(_fixed(part.ratio))
        total = (total[:, np.newaxis] + own).reshape(-1)
    return (total & np.uint64(_MASK)).astype(np.int64)


class _Look(NamedTuple):
    """The sorted phases of the first part with its integers, and the phases of all sums of the others."""

    first: Part
    others: tuple[Part, ...]
    phases: IntArray
    integers: IntArray
    shifts: IntArray

    def room(self, edge: Edge) -> Room | None:
        low, high = Fraction(edge.low, edge.denominator), Fraction(edge.high, edge.denominator)
        blur = int((high - low) * (1 << BITS)) + 1
        error = self.first.width + sum(part.width for part in self.others) + 2 + blur
        if error >> (BITS - 8):
            raise Undecided
        wanted = _fixed(low) - self.shifts & _MASK
        at = np.searchsorted(self.phases, wanted)
        up = self.phases[at % len(self.phases)] - wanted & _MASK
        down = wanted - self.phases[at - 1] & _MASK
        near = (up <= 2 * error) | (down <= 2 * error)
        if np.count_nonzero(near) > _MAX_NEAR:
            return None
        beyond, before = (int(side[~near].min(initial=_MASK)) - error for side in (up, down))
        room = Room(low, high, Fraction(beyond, 1 << BITS), Fraction(before, 1 << BITS))
        for index in np.flatnonzero(near).tolist():
            room = self._told(edge, room, index, int(wanted[index]), int(at[index]), error)
        return room

    def _told(self, edge: Edge, room: Room, index: int, wanted: int, at: int, error: int) -> Room:
        """The room with what is near to an edge less one sum of the other parts, told by exact fractions."""
        count, found, (beyond, before) = len(self.phases), set[int](), room[2:]
        for sign, start in ((1, at), (-1, at - 1)):
            for step in range(count):
                place = (start + sign * step) % count
                distance = sign * (int(self.phases[place]) - wanted) & _MASK
                if distance > 2 * error:
                    least = Fraction(distance - error, 1 << BITS)
                    beyond, before = (min(beyond, least), before) if sign > 0 else (beyond, min(before, least))
                    break
                found.add(int(self.integers[place]))
        for integer in found:
            value = self._value(integer, index)
            distances = _centred(value - room.high), _centred(value - room.low)
            beyond, before = _nearer(edge, distances, beyond, before)
        return Room(room.low, room.high, beyond, before)

    def _value(self, integer: int, index: int) -> Fraction:
        """The exact sum of the parts."""
        total = self.first.ratio * integer
        for part in reversed(self.others):
            index, own = divmod(index, part.width + 1)
            total += part.ratio * own
        return total


def _centred(value: Fraction) -> Fraction:
    """The value less the integer that is nearest."""
    return value - round(value)


def _nearer(
    edge: Edge, distance: tuple[Fraction, Fraction], beyond: Fraction, before: Fraction
) -> tuple[Fraction, Fraction]:
    """The room, with a sum at a distance from the edge, which is enclosed."""
    low, high = distance
    if edge.exact and low == 0:
        return (ZERO, before) if edge.closed else (beyond, ZERO)
    if low <= 0 <= high:
        raise Undecided
    return (min(beyond, low), before) if low > 0 else (beyond, min(before, -high))
