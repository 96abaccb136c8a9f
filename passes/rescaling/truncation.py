"""Digits of a product that are cut: bits that only the rounding would see, if an addend makes up for them.

With the bits below `cut` left out, a digit x << j with j < cut adds x >> cut - j, which is less than one unit too
small. So the sum differs from the exact one, in units of 2^cut, by less than the number n of digits that are cut. Two
neighbouring inputs are m / 2^cut units apart: where that is n or more, the result is right everywhere if it is right at
both sides of every step, and at the ends. There the cut sum is calculated, which leaves a range of addends, or none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.support.ranges import Range
from dialects.support.rescales import Line
from dialects.support.tensors import IntArray
from passes.rescaling.products import Digits
from passes.rescaling.steps import roundest

_MOST_STEPS = 1 << 10
"""Results of a line whose digits are cut."""
_MOST_BITS = 60


def _levels(line: Line) -> NDArray[Any]:
    """All results and one more, in 64 bits where their sums are that small."""
    levels: NDArray[Any] = np.array(range(line.low, line.high + 2), dtype=object)
    small = max(abs(line.low), abs(line.high) + 1).bit_length() + line.shift <= _MOST_BITS
    return levels.astype(np.int64) if small else levels


class Cut(NamedTuple):
    """Bits that are left out, and the addend in units of what is left."""

    bits: int
    addend: int


@lru_cache(maxsize=1 << 8)
def _edges_of(line: Line, source: Range) -> Edges | None:
    """Where a line's cuts are decided for the inputs of the range; None where nothing can be cut."""
    width = source.width + abs(line.multiplier).bit_length() + 2
    if line.tie >= 0 or line.high - line.low > _MOST_STEPS or max(width, line.addend.bit_length() + 1) > _MOST_BITS:
        return None
    return Edges.of(line, source)


@lru_cache(maxsize=1 << 14)
def cut_of(line: Line, source: Range, form: Digits) -> Cut:
    """The largest cut with which the line stays what it is for all inputs of the range, or none."""
    edges = _edges_of(line, source)
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
        levels = _levels(line)
        # As first_with has it for each, without ties.
        quotients = (line.addend - (levels << line.shift)) // abs(line.multiplier)
        firsts = -quotients if rising else quotients
        before = firsts - 1 if rising else firsts + 1
        # At the ends, the sum stays within the levels that they have without a clamp, for a result that isn't clamped.
        ends = np.array((source.lo, source.hi) if rising else (source.hi, source.lo))
        at_ends = ends * line.multiplier + line.addend >> line.shift
        columns: list[IntArray] = []
        for inputs, more in ((firsts, 0), (before, 1)):
            met = ((source.lo <= inputs) & (inputs <= source.hi)).astype(bool)
            columns += [
                np.concatenate([part[met].astype(np.int64), end])
                for part, end in ((inputs, ends), (levels, at_ends + more))
            ]
        return Edges(line, *columns)

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
