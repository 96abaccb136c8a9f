"""Small integer multipliers for a sum of two scaled integers that a quantiser looks at.

A residual sum s_a a + s_b b with unequal scales is compared with the quantiser's edges. All that counts is on which
side of every edge each pair (a, b) lies, and a sum A a + B b with small A and B can tell that as well. The ratios A / B
that can form an interval around s_a / s_b, and the fraction with the smallest numerator and denominator in an interval
is the first one on the way to any of its numbers down the Stern-Brocot tree (Graham, Knuth, Patashnik, Concrete
Mathematics, section 4.5). The way ends at s_a / s_b itself, and long before that beyond the ranges of a and b.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from math import gcd, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.thresholds import Crossing
from dialects.tensors import IntArray

CELLS = 1 << 20
"""Sums to calculate at a time."""


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


def combination(first: Summand, second: Summand, crossings: Sequence[Crossing]) -> Combination:
    """The smallest multipliers for which every edge is a threshold of the sum; both slopes are not zero."""
    if first.high - first.low < second.high - second.low:
        swapped = combination(second, first, crossings)
        return Combination((swapped.multipliers[1], swapped.multipliers[0]), swapped.edges)
    (a, sign_a), (b, sign_b) = _rising(first), _rising(second)
    scan, way = _Scan.of(a, b, crossings), _way_to(a.slope / b.slope)
    while pairs := list(islice(way, scan.at_once)):
        found = scan.first_of(pairs)
        if found is not None:
            (factor, other), edges = found
            return Combination((factor * sign_a, other * sign_b), edges)
    raise AssertionError("the ratio itself always separates")


def _rising(summand: Summand) -> tuple[Summand, int]:
    if summand.slope > 0:
        return summand, 1
    return Summand(-summand.slope, -summand.high, -summand.low), -1


def _way_to(ratio: Fraction) -> Iterator[tuple[int, int]]:
    """The ends 0/1 and 1/0, then the fractions from the root of the Stern-Brocot tree to the ratio."""
    low, high = (0, 1), (1, 0)
    yield low
    yield high
    while True:
        node = (low[0] + high[0], low[1] + high[1])
        yield node
        side = node[0] * ratio.denominator - node[1] * ratio.numerator
        if side == 0:
            return
        low, high = (node, high) if side < 0 else (low, node)


class _Scan(NamedTuple):
    """For every edge and every b, the first a beyond the edge: from low to high + 1, where none is."""

    firsts: IntArray
    others: IntArray
    low: int
    high: int

    @staticmethod
    def of(a: Summand, b: Summand, crossings: Sequence[Crossing]) -> _Scan:
        """Both slopes are positive."""
        common = lcm(a.slope.denominator, b.slope.denominator)
        step, other_step = int(a.slope * common), int(b.slope * common)
        others = np.arange(b.low, b.high + 1)
        wide = others.astype(object)
        firsts = np.empty((len(crossings), len(others)), dtype=np.int64)
        for row, (numerator, denominator, closed) in enumerate(crossings):
            # step a + other_step b >= common numerator / denominator, or > where the edge itself is not beyond.
            rest = numerator * common - other_step * denominator * wide
            divisor = step * denominator
            reached = -(-rest // divisor) if closed else rest // divisor + 1
            firsts[row] = np.clip(reached, a.low, a.high + 1).astype(np.int64)
        return _Scan(firsts, others, a.low, a.high)

    @property
    def at_once(self) -> int:
        """How many pairs of multipliers to try in one go."""
        return min(64, 1 + CELLS // (1 + self.firsts.size))

    def first_of(self, pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, ...]] | None:
        """The first multipliers of which no sum before an edge is as large as one beyond it, with the first sum beyond.

        Of the pairs beside each other only the neighbours of the edge need a look.
        """
        table: IntArray = np.array(pairs, dtype=np.int64)
        factors, others = table[:, 0, np.newaxis, np.newaxis], table[:, 1, np.newaxis, np.newaxis]
        sums = factors * self.firsts + others * self.others
        beyond = np.where(self.firsts <= self.high, sums, np.iinfo(np.int64).max).min(axis=2)
        before = np.where(self.firsts > self.low, sums - factors, np.iinfo(np.int64).min).max(axis=2)
        good: NDArray[np.bool_] = (before < beyond).all(axis=1)
        if not good.any():
            return None
        index = int(good.argmax())
        factor, other = pairs[index]
        last = factor * self.high + other * int(self.others[-1])
        edges: list[int] = beyond[index].tolist()
        return pairs[index], tuple(min(edge, last + 1) for edge in edges)
