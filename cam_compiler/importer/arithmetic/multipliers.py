"""Small integer multipliers for a sum of two scaled integers that a quantiser looks at.

A residual sum s_a a + s_b b with unequal scales is compared with the quantiser's edges. All that counts is on which
side of every edge each pair (a, b) lies, and a sum A a + B b with small A and B can tell that as well. The ratios A / B
that can form an interval around s_a / s_b, and the fraction with the smallest numerator and denominator in an interval
is the first one on the way to any of its numbers down the Stern-Brocot tree (Graham, Knuth, Patashnik, Concrete
Mathematics, section 4.5). The way ends at s_a / s_b itself. It goes in straight runs, each of which comes nearer from
one side, so the first fraction of a run that tells is found by bisection, however long the run is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

import numpy as np

from cam_compiler.importer.arithmetic.functions import Edge, Undecided
from dialects.support.tensors import IntArray

_LARGEST = 1 << 62
"""Sums below this are calculated in 64 bits."""


class Summand(NamedTuple):
    """slope * x for integers x from low to high."""

    slope: Fraction
    low: int
    high: int

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        first, last = self.slope * self.low, self.slope * self.high
        return min(first, last), max(first, last)


class Combination(NamedTuple):
    """Multipliers of the summands, and the first sum beyond each edge."""

    multipliers: tuple[int, int]
    edges: tuple[int, ...]


def exact_multipliers(slopes: Sequence[Fraction]) -> tuple[tuple[int, ...], Fraction]:
    """The smallest integers in the ratio of the slopes, and what one of them stands for."""
    bottom = lcm(*(slope.denominator for slope in slopes))
    wholes = [slope.numerator * (bottom // slope.denominator) for slope in slopes]
    top = gcd(*wholes)
    if top == 0:
        return (1,) * len(slopes), Fraction(0)
    return tuple(whole // top for whole in wholes), Fraction(top, bottom)


def combination(first: Summand, second: Summand, edges: Sequence[Edge]) -> Combination | None:
    """The smallest multipliers for which every edge is a threshold of the sum; both slopes are not zero.

    None where such sums would exceed 62 bits; raises Undecided.
    """
    if first.high - first.low < second.high - second.low:
        swapped = combination(second, first, edges)
        return swapped and Combination((swapped.multipliers[1], swapped.multipliers[0]), swapped.edges)
    (a, sign_a), (b, sign_b) = _rising(first), _rising(second)
    scan = _Scan.of(a, b, edges)
    for run in _runs_to(a.slope / b.slope):
        most = min(run.length, scan.most(run))
        if most and (found := scan.first_of(run, most)):
            (factor, other), firsts = found
            return Combination((factor * sign_a, other * sign_b), firsts)
        if most < run.length:
            return None
    raise AssertionError("the ratio itself always separates")


def _rising(summand: Summand) -> tuple[Summand, int]:
    if summand.slope > 0:
        return summand, 1
    return Summand(-summand.slope, -summand.high, -summand.low), -1


class _Run(NamedTuple):
    """Fractions start + k step for k from 1 to `length`, numerators and denominators apart."""

    start: tuple[int, int]
    step: tuple[int, int]
    length: int

    def at(self, k: int) -> tuple[int, int]:
        return self.start[0] + k * self.step[0], self.start[1] + k * self.step[1]


def _runs_to(ratio: Fraction) -> Iterator[_Run]:
    """The ends 0/1 and 1/0, then the fractions from the root of the Stern-Brocot tree to the ratio."""
    low, high = (0, 1), (1, 0)
    for end in (low, high):
        yield _Run(end, (0, 0), 1)
    while True:
        # How far the ratio is above the one and below the other, in the same unit.
        above = ratio.numerator * low[1] - low[0] * ratio.denominator
        below = high[0] * ratio.denominator - ratio.numerator * high[1]
        if above == below:
            yield _Run(low, high, 1)
            return
        run = _Run(low, high, (above - 1) // below) if above > below else _Run(high, low, (below - 1) // above)
        yield run
        low, high = (run.at(run.length), high) if above > below else (low, run.at(run.length))


class _Scan(NamedTuple):
    """For every edge and every b, the first a beyond the edge: from low to high + 1, where none is."""

    firsts: IntArray
    others: IntArray
    low: int
    high: int

    @staticmethod
    def of(a: Summand, b: Summand, edges: Sequence[Edge]) -> _Scan:
        """Both slopes are positive; raises Undecided."""
        lows = _Scan._firsts(a, b, [(edge.low, edge.denominator, edge.closed) for edge in edges])
        if not all(edge.exact for edge in edges):
            highs = _Scan._firsts(a, b, [(edge.high, edge.denominator, edge.closed) for edge in edges])
            if not np.array_equal(lows, highs):
                raise Undecided
        return _Scan(lows, np.arange(b.low, b.high + 1), a.low, a.high)

    @staticmethod
    def _firsts(a: Summand, b: Summand, points: Sequence[tuple[int, int, bool]]) -> IntArray:
        common = lcm(a.slope.denominator, b.slope.denominator)
        step, other_step = int(a.slope * common), int(b.slope * common)
        wide = np.arange(b.low, b.high + 1).astype(object)
        firsts = np.empty((len(points), len(wide)), dtype=np.int64)
        for row, (numerator, denominator, closed) in enumerate(points):
            # step a + other_step b >= common numerator / denominator, or > where the edge itself is not beyond.
            rest = numerator * common - other_step * denominator * wide
            divisor = step * denominator
            reached = -(-rest // divisor) if closed else rest // divisor + 1
            firsts[row] = np.clip(reached, a.low, a.high + 1).astype(np.int64)
        return firsts

    def most(self, run: _Run) -> int:
        """Up to which fraction of a run the sums stay below 62 bits."""
        reach = [max(abs(self.low), abs(self.high) + 1), int(np.abs(self.others).max())]
        room = _LARGEST - sum(start * of for start, of in zip(run.start, reach, strict=True))
        pace = sum(step * of for step, of in zip(run.step, reach, strict=True))
        return max(0, room // pace if pace else run.length if room > 0 else 0)

    def first_of(self, run: _Run, most: int) -> tuple[tuple[int, int], tuple[int, ...]] | None:
        """The first multipliers of a run that separate, with the first sum beyond each edge."""
        best = self.separated(run.at(most))
        if best is None:
            return None
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            if found := self.separated(run.at(middle)):
                best, high = found, middle
            else:
                low = middle
        return run.at(high), best

    def separated(self, multipliers: tuple[int, int]) -> tuple[int, ...] | None:
        """The first sum beyond each edge; None where a sum before an edge is as large as one beyond it.

        Of the pairs beside each other only the neighbours of the edge need a look.
        """
        factor, other = multipliers
        sums = factor * self.firsts + other * self.others
        beyond = np.where(self.firsts <= self.high, sums, np.iinfo(np.int64).max).min(axis=1)
        before = np.where(self.firsts > self.low, sums - factor, np.iinfo(np.int64).min).max(axis=1)
        if not (before < beyond).all():
            return None
        last = factor * self.high + other * int(self.others[-1])
        edges: list[int] = beyond.tolist()
        return tuple(min(edge, last + 1) for edge in edges)
