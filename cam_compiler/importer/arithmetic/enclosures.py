"""Two fractions between which an elementary function's value lies, as near to each other as asked for.

Exponentials and logarithms are those of `decimal`, which rounds them correctly: a step down and a step up enclose the
real value. The error function and the sine are sums of fractions, rounded down in one run and up in another, with a
bound of what is left out. Relative to the value, or to 1 where that is greater, both ends are about 2^-bits apart.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from math import isqrt

MAX_EXPONENT = 1 << 20
"""Exponentials of numbers beyond this are not calculated."""

Pair = tuple[Fraction, Fraction]


@lru_cache
def _contexts(bits: int) -> tuple[Context, Context, Context]:
    """Arithmetic that rounds down, up and to the nearest number."""
    digits = bits * 31 // 100 + 8
    down, up, nearest = (
        Context(prec=digits, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
        for rounding in (ROUND_FLOOR, ROUND_CEILING, ROUND_HALF_EVEN)
    )
    return down, up, nearest


def _decimals(value: Fraction, bits: int) -> tuple[Decimal, Decimal]:
    down, up, _ = _contexts(bits)
    top, bottom = Decimal(value.numerator), Decimal(value.denominator)
    return down.divide(top, bottom), up.divide(top, bottom)


def exponential(value: Fraction, bits: int) -> Pair:
    """e^value; raises OverflowError beyond MAX_EXPONENT."""
    if value > MAX_EXPONENT:
        raise OverflowError
    nearest = _contexts(bits)[2]
    low, high = _decimals(max(value, Fraction(-MAX_EXPONENT)), bits)
    below = Fraction(0) if value < -MAX_EXPONENT else Fraction(nearest.next_minus(nearest.exp(low)))
    return below, Fraction(nearest.next_plus(nearest.exp(high)))


def logarithm(value: Fraction, bits: int) -> Pair:
    """The natural logarithm of a positive number."""
    nearest = _contexts(bits)[2]
    low, high = (nearest.ln(end) for end in _decimals(value, bits))
    # Beside zero lie decimals of a huge exponent.
    tiny = Fraction(1, 1 << bits)
    return (
        Fraction(nearest.next_minus(low)) if low else -tiny,
        Fraction(nearest.next_plus(high)) if high else tiny,
    )


def root(value: Fraction, bits: int) -> Pair:
    """The square root of a number that isn't negative; both ends are the root itself where it is a fraction."""
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    if top * top == value.numerator and bottom * bottom == value.denominator:
        return Fraction(top, bottom), Fraction(top, bottom)
    size = max(0, value.denominator.bit_length() - value.numerator.bit_length())
    scale = bits + size
    low = isqrt((value.numerator << 2 * scale) // value.denominator)
    return Fraction(low, 1 << scale), Fraction(low + 1, 1 << scale)


@lru_cache
def pi(bits: int) -> Pair:
    """By Machin's formula: pi / 4 = 4 arctan(1/5) - arctan(1/239)."""
    scale = 1 << (bits + 16)
    total, terms = 0, 0
    for factor, base in ((16, 5), (-4, 239)):
        power, odd, sign = scale // base, 1, 1
        while power:
            total += factor * sign * (power // odd)
            power, odd, sign, terms = power // (base * base), odd + 2, -sign, terms + 1
    # Each term is rounded down twice, and the first one left out is less than one.
    error = 16 * 3 * (terms + 2)
    return Fraction(total - error, scale), Fraction(total + error, scale)


def error_function(value: Fraction, bits: int) -> Pair:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to value."""
    if value < 0:
        low, high = error_function(-value, bits)
        return -high, -low
    square = value * value
    if square > bits:
        # What is missing to 1 is less than e^(-x^2), and that less than 2^-bits.
        return 1 - Fraction(1, 1 << bits), Fraction(1)
    low, high = _erf_series(value, square, bits + 32)
    smaller, larger = exponential(-square, bits + 32)
    roots = root(pi(bits + 32)[0], bits + 32)[0], root(pi(bits + 32)[1], bits + 32)[1]
    return 2 * low * smaller / roots[1], min(Fraction(1), 2 * high * larger / roots[0])


def _erf_series(value: Fraction, square: Fraction, bits: int) -> Pair:
    """The sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1)), whose terms are all positive."""
    scale = 1 << bits
    top, bottom = (2 * square).as_integer_ratio()
    low, high = value.numerator * scale // value.denominator, -(-value.numerator * scale // value.denominator)
    below, above, odd = low, high, 1
    while high > 1 or odd * bottom < 2 * top:
        odd += 2
        low, high = low * top // (bottom * odd), -(-high * top // (bottom * odd))
        below, above = below + low, above + high
    # From here on each term is at most half the one before.
    return Fraction(below, scale), Fraction(above + high, scale)


def sine(value: Fraction, bits: int) -> Pair:
    """The sine; the argument is brought near zero by multiples of 2 pi first."""
    size = max(0, value.numerator.bit_length() - value.denominator.bit_length())
    low_pi, high_pi = pi(bits + size + 16)
    turns = round(value / (2 * low_pi))
    ends = sorted((value - 2 * turns * low_pi, value - 2 * turns * high_pi))
    middle, width = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    scale = 1 << (bits + 16)
    x = round(middle * scale)
    # A series of rounded terms, each less than two off, of an argument that is less than one off.
    term, total, n, terms = x, x, 1, 1
    while term:
        term = -term * x * x // (scale * scale * (n + 1) * (n + 2))
        if term == -1:
            break
        total, n, terms = total + term, n + 2, terms + 1
    error = Fraction(4 * terms * terms + 4, scale) + width
    return Fraction(total, scale) - error, Fraction(total, scale) + error
