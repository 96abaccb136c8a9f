"""Threshold tables of one column in terms of a value, and in parts whose numbers instructions hold.

A threshold beyond the 32 bits of an immediate is compared with the value less a number near it. Thresholds that are no
further from each other than that share such a number, and the steps of all parts add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from dialects.support.ranges import Range

IMMEDIATE = range(-(1 << 31), 1 << 31)
HALF = 31
"""Bits of the lower of two immediates that a number is made of."""


class Viewed(Protocol):
    """A value, shifted and perhaps negated."""

    @property
    def shift(self) -> int: ...
    @property
    def negate(self) -> bool: ...


class Steps(NamedTuple):
    """The result below all thresholds, and ascending (threshold, result from there on)."""

    start: int
    table: tuple[tuple[int, int], ...]

    @property
    def span(self) -> Range:
        reached = [self.start, *(number for _, number in self.table)]
        return Range(min(reached), max(reached))


def step_table(source: Range, view: Viewed, thresholds: Sequence[int], down: bool, result: Range) -> Steps:
    """The step function of a viewed value in terms of the value itself, each threshold within the source's range.

    x >= t of x = -(v << s) is not v >= floor(-t / 2^s) + 1.
    """
    if view.negate:
        bounds = sorted((-t >> view.shift) + 1 for t in thresholds)
    else:
        bounds = [-(-t >> view.shift) for t in thresholds]
    falling = down != view.negate
    start, step = (result.hi, -1) if falling else (result.lo, 1)
    always = sum(bound <= source.lo for bound in bounds)
    table: dict[int, int] = {}
    for passed, bound in enumerate(bounds, start=1):
        if source.lo < bound <= source.hi:
            table[bound] = start + step * passed
    return Steps(start + step * always, tuple(table.items()))


def within_immediates(steps: Steps) -> list[tuple[int, Steps]] | None:
    """Parts that add up to the steps, each of the value less a number; None where results are no immediates."""
    if any(number not in IMMEDIATE for number in (steps.span.lo, steps.span.hi)):
        return None
    if all(bound in IMMEDIATE for bound, _ in steps.table):
        return [(0, steps)]
    parts: list[tuple[int, Steps]] = []
    before, at = steps.start, 0
    while at < len(steps.table):
        first = steps.table[at][0]
        group = [entry for entry in steps.table[at:] if entry[0] - first < len(IMMEDIATE) - 1]
        last, reached = group[-1]
        centre = 0 if first in IMMEDIATE and last in IMMEDIATE else (first + last) // 2
        # The first part begins with what all begin with, the others with nothing.
        base = 0 if not parts else before
        table = tuple((bound - centre, number - base) for bound, number in group)
        parts.append((centre, Steps(before - base, table)))
        before, at = reached, at + len(group)
    return parts
