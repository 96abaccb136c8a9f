"""Digits of a product that are cut: bits that only the rounding would see, if an addend makes up for them.

With the bits below `cut` left out, a digit x << j with j < cut adds x >> cut - j, which is less than one unit too
small. So the sum differs from the exact one, in units of 2^cut, by less than the number n of digits that are cut. Two
neighbouring inputs are m / 2^cut units apart: where that is n or more, the result is right everywhere if it is right at
both sides of every step, and at the ends. There the cut sum is calculated, which leaves a range of addends, or none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dialects.support.ranges import Range
from dialects.support.rescales import Line
from dialects.support.tensors import IntArray
from passes.rescaling.products import Digits
from passes.rescaling.steps import first_with, roundest

_MOST_STEPS = 1 << 10
"""Results of a line whose digits are cut."""
_MOST_BITS = 60


class Cut(NamedTuple):
    """Bits that are left out, and the addend in units of what is left."""

    bits: int
    addend: int


def edges_of(line: Line, source: Range) -> Edges | None:
    """Where a line's cuts are decided for the inputs of the range; None where nothing can be cut."""
    width = source.width + abs(line.multiplier).bit_length() + 2
    if line.tie >= 0 or line.high - line.low > _MOST_STEPS or max(width, line.addend.bit_length() + 1) > _MOST_BITS:
        return None
    return Edges.of(line, source)


def cut_of(line: Line, edges: Edges | None, source: Range, form: Digits) -> Cut:
    """The largest cut with which the line stays what it is for all inputs of the range, or none."""
    if edges is None:
        return Cut(0, line.addend)
    # A bit is left of each factor.
    low, high = 0, min(line.shift, abs(line.multiplier).bit_length(), form.digits[0].shift + source.width) - 1
    found = line.addend
    while low < high:
        middle = (low + high + 1) // 2
        addend = edges.addend(form, middle)
        if addend is None:
            high = middle - 1
        else:
            low, found = middle, addend
    return Cut(low, found)


class Edges(NamedTuple):
    """Inputs at which a line must have reached a level, and others at which it must not."""

    line: Line
    reached: IntArray
    reached_levels: IntArray
    missed: IntArray
    missed_levels: IntArray

    @staticmethod
    def of(line: Line, source: Range) -> Edges:
        rising = line.multiplier > 0
        reached: list[tuple[int, int]] = []
        missed: list[tuple[int, int]] = []
        # At the ends, the sum stays within the levels that they have without a clamp, for a result that isn't clamped.
        for level in range(line.low, line.high + 2):
            first = first_with(line, level)
            before = first - 1 if rising else first + 1
            if source.lo <= first <= source.hi:
                reached.append((first, level))
            if source.lo <= before <= source.hi:
                missed.append((before, level))
        ends = (source.lo, source.hi) if rising else (source.hi, source.lo)
        for end in ends:
            level = end * line.multiplier + line.addend >> line.shift
            reached.append((end, level))
            missed.append((end, level + 1))
        columns = (np.array(part, dtype=np.int64).reshape(-1, 2).T for part in (reached, missed))
        return Edges(line, *next(columns), *next(columns))

    def addend(self, form: Digits, bits: int) -> int | None:
        """An addend, of few digits, that keeps all steps; None where there is none."""
        cut = sum(digit.shift < bits for digit in form.digits)
        if cut << bits > abs(self.line.multiplier):
            return None
        unit = self.line.shift - bits
        low = ((self.reached_levels << unit) - self._sums(form, bits, self.reached)).max()
        high = ((self.missed_levels << unit) - self._sums(form, bits, self.missed)).min() - 1
        return roundest(Range(int(low), int(high))) if low <= high else None

    def _sums(self, form: Digits, bits: int, inputs: IntArray) -> IntArray:
        patterned = inputs * max(1, form.pattern)
        total = np.zeros(len(inputs), dtype=np.int64)
        for digit in form.digits:
            value = patterned if digit.patterned else inputs
            by = digit.shift - bits
            total += digit.sign * (value << by if by >= 0 else value >> -by)
        return total if self.line.multiplier > 0 else -total
