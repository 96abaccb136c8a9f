"""The multiplier, addend and shift of a threshold table, where there are any: a search that ends in a proof.

A rising channel steps to level k at its threshold t_k. The line u(x) = x m + a, shifted by s, does the same if and only
if u(t_k) >= k 2^s > u(t_k - 1) for every k: whatever lies between two steps follows. So the slope is to separate the
points (t_k, k) from the points (t_k - 1, k). Each pair of an upper and a lower point bounds it, and few pairs matter:
the search starts with the first and the last step, takes a multiplier between the bounds, tests it at all steps at
once, exactly, and adds the two steps that contradict each other most (cutting planes). It ends with a multiplier that
passed at every step, or with bounds that leave none, which is as much of a proof.

Where a rounding half to even meets numbers halfway, steps to odd levels come an integer later than steps to even ones,
and no straight line does that. Then levels of one parity are moved up by a small part 2^-j of a level (`ties` of
dialects/support/rescales.py), and the same search is made with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dialects.support.ranges import Range
from dialects.support.rescales import MAX_INPUT_BITS, MAX_MULTIPLIER_BITS, MAX_SHIFT, Line
from dialects.support.tensors import IntArray
from passes.rescaling.products import count_of
from passes.rescaling.steps import roundest

_SPARE_BITS = 5
"""Bits of a multiplier beyond the fewest possible, within which one of few digits is looked for."""
_CANDIDATES = 24
"""Multipliers of one number of bits that are tested."""
_ROUNDS = 200
_TIE_BITS = 26
_FAR = float(1 << 61)


class _Steps(NamedTuple):
    """The reached steps of a rising channel: at `firsts[i]` to the level `first + i`, levels of one parity later."""

    firsts: IntArray
    first: int
    tie: int = 0
    """levels of the parity are 2^-tie higher; 0 where none are"""
    parity: int = 1

    def late(self, index: int) -> bool:
        return self.tie > 0 and (self.first + index) & 1 == self.parity

    def height(self, index: int) -> int:
        """What a line has reached at a step, in units of 2^-tie of a level."""
        return (self.first + index << self.tie) + self.late(index)


def find_line(thresholds: IntArray, down: bool, result: Range, source: Range) -> Line | None:
    """What equals the ascending thresholds at every integer of `source`; None where no line of bounded size does.

    `result` ranges as far as there are thresholds; a falling channel (`down`) begins at its upper end.
    """
    if source.width > MAX_INPUT_BITS:
        return None
    # A falling channel is a rising one of the negated input: x >= t is no longer -x >= 1 - t.
    rising = 1 - thresholds[::-1] if down else thresholds
    low, high = (-source.hi, -source.lo) if down else (source.lo, source.hi)
    passed, reached = (int(count) for count in np.searchsorted(rising, (low, high), side="right"))
    if reached == passed:
        level = result.lo + passed
        return Line(0, level, 0, level, level)
    steps = _Steps(rising[passed:reached], result.lo + passed + 1)
    found = _search(steps) or _with_ties(steps)
    if found is None:
        return None
    line = _odd(found)._replace(low=result.lo + passed, high=result.lo + reached)
    return line._replace(multiplier=-line.multiplier) if down else line


def _odd(line: Line) -> Line:
    """The same with an odd multiplier, as far as ties allow: what only the addend has below is rounded down anyway."""
    zeros = (line.multiplier & -line.multiplier).bit_length() - 1
    zeros = min(zeros, line.shift if line.tie < 0 else line.tie)
    tie = line.tie - zeros if line.tie >= 0 else -1
    return Line(line.multiplier >> zeros, line.addend >> zeros, line.shift - zeros, 0, 0, tie, line.parity)


def _with_ties(steps: _Steps) -> Line | None:
    """Of all sizes of the part of a level by which odd or even ones are later, the largest that does."""
    span = int(steps.firsts[-1] - steps.firsts[0]) // (len(steps.firsts) - 1)
    least = max(1, span.bit_length() - 1)
    for tie in range(least, least + _TIE_BITS):
        for parity in (1, 0):
            if found := _search(steps._replace(tie=tie, parity=parity)):
                return found
    return None


class _Bounds:
    """Slopes between which all steps that were noted are kept, in levels: numerators and positive denominators."""

    def __init__(self, steps: _Steps):
        self._steps = steps
        self._noted: dict[int, tuple[int, int]] = {}
        self.low, self.high = (0, 1), (2 * len(steps.firsts) + 2, 1)
        self.note(0)
        self.note(len(steps.firsts) - 1)

    def note(self, index: int) -> bool:
        """Bounds the slopes by one more step with all that were noted; false if it was one of them."""
        if index in self._noted:
            return False
        own, height = int(self._steps.firsts[index]), self._steps.height(index)
        for other, other_height in self._noted.values():
            self._bound(own, height, other, other_height)
            self._bound(other, other_height, own, height)
        self._noted[index] = own, height
        return True

    def _bound(self, upper: int, reached: int, lower: int, missed: int) -> None:
        """The line is at `reached` or more in `upper`, and below `missed` just before `lower`."""
        run, rise = upper - (lower - 1), reached - missed
        by = abs(run) << self._steps.tie
        if run > 0 and rise * self.low[1] > self.low[0] * by:
            self.low = rise, by
        elif run < 0 and -rise * self.high[1] < self.high[0] * by:
            self.high = -rise, by
        elif run == 0 and rise >= 0:
            self.high = self.low

    @property
    def _gap(self) -> tuple[int, int]:
        """How far the upper bound is above the lower one, not reduced."""
        return self.high[0] * self.low[1] - self.low[0] * self.high[1], self.low[1] * self.high[1]

    @property
    def empty(self) -> bool:
        return self._gap[0] <= 0

    def shift(self) -> int:
        """The smallest shift for which a multiplier lies strictly between the bounds."""
        gap, by = self._gap
        shift = max(0, (by // gap).bit_length() - 2)
        while not self.multipliers(shift):
            shift += 1
        return shift

    def multipliers(self, shift: int) -> range:
        (low, by_low), (high, by_high) = self.low, self.high
        return range((low << shift) // by_low + 1, -(-(high << shift) // by_high))


def _search(steps: _Steps) -> Line | None:
    bounds, best = _Bounds(steps), None
    for _ in range(_ROUNDS):
        if bounds.empty:
            return None
        least = max(bounds.shift(), steps.tie)
        candidates = _candidates(bounds, least)
        tried = next(((m, s) for m, s in candidates if best is None or count_of(m) < count_of(best.multiplier)), None)
        if tried is None or tried[1] > MAX_SHIFT or tried[0].bit_length() > MAX_MULTIPLIER_BITS:
            return best
        verdict = _test(steps, *tried)
        if isinstance(verdict, Line):
            best = verdict
        else:
            fresh = [bounds.note(index) for index in verdict]
            if not any(fresh):
                return best
    return best


def _candidates(bounds: _Bounds, least: int) -> Iterator[tuple[int, int]]:
    """Multipliers with their shifts, those with the fewest digits first."""
    found: list[tuple[int, int, int]] = []
    for shift in range(least, least + _SPARE_BITS + 1):
        within = bounds.multipliers(shift)
        step = max(1, len(within) // _CANDIDATES)
        found += [(count_of(multiplier), shift, multiplier) for multiplier in within[::step][:_CANDIDATES]]
    return ((multiplier, shift) for _, shift, multiplier in sorted(found))


def _test(steps: _Steps, multiplier: int, shift: int) -> Line | tuple[int, int]:
    """The line with this multiplier, if there is one, else two steps that contradict each other.

    With g = t m - level 2^s, the addend is to be -g or more, and less than m - g, at every step.
    """
    runs, rises = steps.firsts - steps.firsts[0], np.arange(len(steps.firsts), dtype=np.int64)
    delay = 1 << shift - steps.tie if steps.tie else 0
    late = ((rises + steps.first) & 1 == steps.parity) * float(delay)
    rough = runs * float(multiplier) - rises * float(1 << shift) - (late - late[0])
    if np.abs(rough).max() >= _FAR:
        # Far from the line of the first step: no need to know how far exactly.
        return int(rough.argmin()), int(rough.argmax())
    # Numbers below 2^62 are what they are modulo 2^64, however large the terms are.
    word = np.uint64((1 << 64) - 1)
    gaps = runs.view(np.uint64) * np.uint64(multiplier)
    gaps -= rises.view(np.uint64) * (np.uint64((1 << shift) & int(word)))
    if delay:
        odd = ((rises + steps.first) & 1 == steps.parity).astype(np.uint64)
        gaps -= (odd - odd[0]) * np.uint64(delay & int(word))
    exact = gaps.view(np.int64)
    least, most = int(exact.argmin()), int(exact.argmax())
    start = int(steps.firsts[0]) * multiplier - (steps.height(0) << shift - steps.tie)
    low, high = -start - int(exact[least]), -start - int(exact[most]) + multiplier - 1
    if low > high:
        return least, most
    tie = shift - steps.tie if steps.tie else -1
    return Line(multiplier, roundest(Range(low, high)), shift, 0, 0, tie, steps.parity)
