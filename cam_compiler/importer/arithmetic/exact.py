"""Exact real arithmetic of the importer: fractions, their arrays, and the one function shape that layers compose to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

ObjectArray: TypeAlias = NDArray[Any]
"""Arrays of Fractions, Pieces or Steps, of a size that broadcasts to a tensor."""

ZERO, ONE = Fraction(0), Fraction(1)

ROOT_BITS = 512
"""Fractional bits of an irrational square root: far below the smallest difference that float parameters can express,
so that comparisons with it come out as with the real root."""


def square_root(value: Fraction) -> Fraction:
    """The root of a positive number: exact where it is rational, else rounded down to ROOT_BITS significant bits."""
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    if top * top == value.numerator and bottom * bottom == value.denominator:
        return Fraction(top, bottom)
    size = value.numerator.bit_length() - value.denominator.bit_length()
    bits = ROOT_BITS + max(0, -size)
    return Fraction(isqrt((value.numerator << 2 * bits) // value.denominator), 1 << bits)


@overload
def each(function: Callable[[Any], object], first: Any, /) -> ObjectArray: ...
@overload
def each(function: Callable[[Any, Any], object], first: Any, second: Any, /) -> ObjectArray: ...
@overload
def each(function: Callable[[Any, Any, Any], object], first: Any, second: Any, third: Any, /) -> ObjectArray: ...
def each(function: Callable[..., object], *arrays: Any) -> ObjectArray:
    """`function` of every element, with broadcasting; the result is an array even where it has no dimension."""
    result: Any = np.frompyfunc(function, len(arrays), 1)(*arrays)
    if isinstance(result, np.ndarray):
        return np.asarray(result, dtype=object)
    scalar = np.empty((), dtype=object)
    scalar[()] = result
    return scalar


def fractions(values: NDArray[Any]) -> ObjectArray:
    """Every element as the fraction it stands for; raises ValueError where one is not finite."""
    if values.dtype == object:
        return each(Fraction, values)
    if values.dtype.kind in "biu":
        return each(Fraction, values.astype(np.int64).astype(object))
    wide = values.astype(np.float64)
    if not np.isfinite(wide).all():
        raise ValueError("a number is infinite or not a number")
    return each(Fraction, wide.astype(object))


def filled(shape: tuple[int, ...], value: object) -> ObjectArray:
    result = np.empty(shape, dtype=object)
    result.fill(value)
    return result


def compact(array: ObjectArray) -> ObjectArray:
    """The array with one element along every dimension that all elements are equal along."""
    for axis, size in enumerate(array.shape):
        first = array.take([0], axis=axis) if size > 1 else array
        if size > 1 and all(
            a is b or a == b for a, b in zip(array.flat, np.broadcast_to(first, array.shape).flat, strict=True)
        ):
            array = first
    return array


@dataclass(frozen=True, slots=True)
class Piece:
    """The function clamp(slope * x + offset, low, high); an absent bound is infinite.

    Scales, biases, BatchNorm, ReLU and Clip are of this form, and so is every composition of them.
    """

    slope: Fraction = ONE
    offset: Fraction = ZERO
    low: Fraction | None = None
    high: Fraction | None = None

    def __call__(self, x: Fraction | int) -> Fraction:
        return self.bounded(self.slope * x + self.offset)

    def bounded(self, value: Fraction) -> Fraction:
        if self.low is not None and value < self.low:
            return self.low
        return self.high if self.high is not None and value > self.high else value

    def affine(self, scale: Fraction, shift: Fraction) -> Piece:
        """This function, then x -> scale * x + shift."""
        if scale == 0:
            return Piece(ZERO, shift)
        low = None if self.low is None else self.low * scale + shift
        high = None if self.high is None else self.high * scale + shift
        if scale < 0:
            low, high = high, low
        return Piece(self.slope * scale, self.offset * scale + shift, low, high)

    def clamped(self, low: Fraction | None, high: Fraction | None) -> Piece:
        """This function, then x -> min(max(x, low), high); the upper bound wins where the bounds cross."""
        if low is not None and high is not None and low > high:
            low = high
        bound = Piece(ONE, ZERO, low, high).bounded
        new_low = low if self.low is None else bound(self.low)
        new_high = high if self.high is None else bound(self.high)
        return Piece(self.slope, self.offset, new_low, new_high)

    @property
    def clamps(self) -> bool:
        return self.low is not None or self.high is not None


IDENTITY = Piece()


def affine(pieces: ObjectArray, scale: ObjectArray | Fraction, shift: ObjectArray | Fraction) -> ObjectArray:
    return each(Piece.affine, pieces, scale, shift)


Bound: TypeAlias = ObjectArray | Fraction | None


def clamped(pieces: ObjectArray, low: Bound, high: Bound) -> ObjectArray:
    return each(Piece.clamped, pieces, low, high)
