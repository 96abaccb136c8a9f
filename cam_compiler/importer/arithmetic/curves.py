"""Elementary functions as stages of a chain (functions.py), enclosed and inverted.

A table needs to know on which side of the next rounding's edges a curve lies at every rational number. Where it meets
an edge, which is rational too, it has to be known exactly; and it is: by the theorem of Lindemann and Weierstrass e^x
is transcendental at rational x other than 0, so is what is rational in e^x and not constant, as the logistic function
and the hyperbolic tangent are, and so are ln x but at 1 and sin x but at 0. For softplus, ln(1 + e^x) = y means
e^x + 1 = e^y, which has no rational solution by the same theorem. So these curves meet rational numbers at the points
that are stated as exact here, and nowhere else. Of erf, that isn't known; were there such a point, more and more bits
would not tell its side, and the network would be refused, never compiled wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from cam_compiler.importer.arithmetic import enclosures
from cam_compiler.importer.arithmetic.enclosures import Pair
from cam_compiler.importer.arithmetic.exact import ONE, ZERO
from cam_compiler.importer.arithmetic.functions import (
    INFINITY,
    Beyond,
    Edge,
    Enclosed,
    FunctionError,
    Number,
    Undecided,
)

HALF = Fraction(1, 2)


def inverse(
    edge: Edge, lowest: Number, highest: Number, exact: dict[Fraction, Fraction], at: Callable[[Fraction], Pair]
) -> Beyond:
    """Where a curve with values between `lowest` and `highest`, both excluded, is beyond an edge.

    `at` encloses the inverse of a number; `exact` are the points at which the curve's value is rational.
    """
    low, high = Fraction(edge.low, edge.denominator), Fraction(edge.high, edge.denominator)
    if high <= lowest:
        return True
    if low >= highest:
        return False
    if low <= lowest or high >= highest:
        raise Undecided
    if edge.exact and low in exact:
        return Edge.between(exact[low], exact[low], edge.closed)
    return Edge.between(at(low)[0], at(high)[1], edge.closed)


@dataclass(frozen=True, slots=True)
class Exponential:
    """e^x."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number, side: int) -> Number:
            if not isinstance(end, Fraction):
                return ZERO if end < 0 else INFINITY
            try:
                return ONE if end == 0 else enclosures.exponential(end, bits)[side]
            except OverflowError:
                raise FunctionError(f"it takes the exponential of {float(end)}") from None

        return Enclosed(at(value.low, 0), at(value.high, 1))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        return inverse(edge, ZERO, INFINITY, {ONE: ZERO}, lambda y: enclosures.logarithm(y, bits))


@dataclass(frozen=True, slots=True)
class Logarithm:
    """The natural logarithm, of positive numbers only."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number, side: int) -> Number:
            if not isinstance(end, Fraction):
                return end
            return ZERO if end == 1 else enclosures.logarithm(end, bits)[side]

        if value.high <= 0 or value.low == -INFINITY:
            raise FunctionError("it takes the logarithm of a number that isn't positive")
        if value.low <= 0:
            raise Undecided
        return Enclosed(at(value.low, 0), at(value.high, 1))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        def at(y: Fraction) -> Pair:
            try:
                return enclosures.exponential(y, bits)
            except OverflowError:
                raise FunctionError(f"a logarithm is compared with {float(y)}") from None

        return inverse(edge, -INFINITY, INFINITY, {ZERO: ONE}, at)


@dataclass(frozen=True, slots=True)
class Root:
    """The square root, of numbers that aren't negative."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number, side: int) -> Number:
            return enclosures.root(end, bits)[side] if isinstance(end, Fraction) else end

        if value.high < 0 or value.low == -INFINITY:
            raise FunctionError("it takes the square root of a negative number")
        if value.low < 0:
            raise Undecided
        return Enclosed(at(value.low, 0), at(value.high, 1))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        if edge.high < 0 or (edge.high == 0 and edge.exact and edge.closed):
            return True
        if edge.low < 0:
            raise Undecided
        return Edge(edge.low**2, edge.high**2, edge.denominator**2, edge.closed)


@dataclass(frozen=True, slots=True)
class Logistic:
    """1 / (1 + e^-x), the sigmoid."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number, side: int) -> Number:
            if not isinstance(end, Fraction):
                return ZERO if end < 0 else ONE
            if end == 0:
                return HALF
            # With e^-|x|, which is at most 1.
            power = enclosures.exponential(-abs(end), bits)[(1 - side) if end > 0 else side]
            return 1 / (1 + power) if end > 0 else power / (1 + power)

        return Enclosed(at(value.low, 0), at(value.high, 1))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        return inverse(edge, ZERO, ONE, {HALF: ZERO}, lambda y: enclosures.logarithm(y / (1 - y), bits))


@dataclass(frozen=True, slots=True)
class Tanh:
    """The hyperbolic tangent: 2 / (1 + e^-2x) - 1."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        return Logistic().enclosed(value.map(lambda end: 2 * end), bits).map(lambda end: 2 * end - 1)

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        # tanh x >= y is logistic(2 x) >= (y + 1) / 2.
        low, high, denominator, closed = edge
        found = Logistic().preimage(Edge(low + denominator, high + denominator, 2 * denominator, closed), bits)
        return found if isinstance(found, bool) else found._replace(denominator=2 * found.denominator)


@dataclass(frozen=True, slots=True)
class Softplus:
    """ln(1 + e^x)."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number, side: int) -> Number:
            if not isinstance(end, Fraction):
                return ZERO if end < 0 else INFINITY
            power = enclosures.exponential(-abs(end), bits)[side]
            return max(end, ZERO) + (enclosures.logarithm(1 + power, bits)[side] if power else ZERO)

        return Enclosed(at(value.low, 0), at(value.high, 1))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        def at(y: Fraction) -> Pair:
            # ln(e^y - 1) = y + ln(1 - e^-y)
            low, high = enclosures.exponential(-y, bits)
            if high >= 1:
                raise Undecided
            return y + enclosures.logarithm(1 - high, bits)[0], y + enclosures.logarithm(1 - low, bits)[1]

        return inverse(edge, ZERO, INFINITY, {}, at)


@dataclass(frozen=True, slots=True)
class ErrorFunction:
    """erf."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number, side: int) -> Number:
            if not isinstance(end, Fraction):
                return -ONE if end < 0 else ONE
            return ZERO if end == 0 else enclosures.error_function(end, bits)[side]

        return Enclosed(at(value.low, 0), at(value.high, 1))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        return inverse(edge, -ONE, ONE, {ZERO: ZERO}, lambda y: _error_function_reaches(y, bits))


def _error_function_reaches(value: Fraction, bits: int) -> Pair:
    """Where erf is `value`, by bisection from a guess."""
    if value < 0:
        low, high = _error_function_reaches(-value, bits)
        return -high, -low
    guess = Fraction(NormalDist().inv_cdf(min((float(value) + 1) / 2, 1 - 2.0**-53)) / math.sqrt(2))
    low, high, width = guess, guess, Fraction(1, 1 << 30)
    while low > 0 and enclosures.error_function(low, bits)[1] > value:
        low, width = max(ZERO, low - width), width * 2
    while enclosures.error_function(high, bits)[0] < value:
        high, width = high + width, width * 2
        if high * high > bits:
            raise Undecided
    while high - low > Fraction(1, 1 << (bits // 2)):
        middle = (low + high) / 2
        below, above = enclosures.error_function(middle, bits)
        if below <= value <= above:
            return low, high
        low, high = (middle, high) if above < value else (low, middle)
    return low, high


@dataclass(frozen=True, slots=True)
class Sine:
    """sin x."""

    monotone = False

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        low, high = value
        if not isinstance(low, Fraction) or not isinstance(high, Fraction):
            return Enclosed(-ONE, ONE)
        if low == high == 0:
            return value
        # The sine changes no faster than its argument.
        middle, width = (low + high) / 2, (high - low) / 2
        below, above = enclosures.sine(middle, bits)
        return Enclosed(below - width, above + width)

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        raise AssertionError("it rises and falls")
