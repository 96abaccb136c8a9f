"""The numbers that a declared input holds: `UINT8`, `FIXED<6,3>`, `INT4*0.125`, `TERNARY*1/2+3`.

A type names integers by FINN's names; `*scale` and `+offset` say which numbers they stand for: those of the input's own
type that are nearest to scale * n + offset, as x / 255 is in a float32 input. In exact arithmetic each stands for the
number that has scale and offset in that type, as a model would hold them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dialects.support.errors import InputError
from dialects.support.numbers import exact_number
from dialects.support.ranges import Range
from dialects.support.tensors import FloatArray, IntArray

TYPES = "BIPOLAR, BINARY, TERNARY, UINT1 to UINT32, INT2 to INT32, FIXED<bits,integer bits>, SCALEDINT<bits>"
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:/\d+)?"
_FORM = re.compile(
    rf"(?P<kind>[A-Za-z]+\d*(?:<\s*\d+\s*(?:,\s*-?\d+\s*)?>)?)\s*"
    rf"(?:\*\s*(?P<scale>{_NUMBER}))?\s*(?:(?P<sign>[+-])\s*(?P<offset>-?{_NUMBER}))?"
)
_KIND = re.compile(r"(?P<name>[A-Z]+)(?P<bits>\d+)?(?:<(?P<width>\d+)(?:,(?P<whole>-?\d+))?>)?")
_MOST_WHOLE = 1 << 10
"""integer bits of a fixed-point number, or the bits that it has fewer than none"""
_ULPS = 2
"""Units in the last place that a number may be off a point of the lattice which its type can't hold."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """The numbers scale * n + offset for all integers n of `span`; `text` is how they were declared.

    `scale` and `offset` are in the input's type, `stated` are both as they were written.
    """

    text: str
    span: Range
    scale: Fraction
    offset: Fraction
    stated: tuple[Fraction, Fraction]

    @classmethod
    def parse(cls, text: str, dtype: str) -> Lattice:
        """The lattice of an input of numpy type `dtype`; raises InputError for a text that declares none."""
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise _malformed(text)
        kind = re.sub(r"\s", "", form["kind"].upper())
        span, unit, origin = _integers(kind, text)
        sign = -1 if form["sign"] == "-" else 1
        written = [_written(form[part] or default, text) for part, default in (("scale", "1"), ("offset", "0"))]
        scale, offset = (_held(number, dtype, text) for number in written)
        if kind.startswith("SCALEDINT") and form["scale"] is None:
            raise InputError(f"'{text}' doesn't say its scale", hint=f"{kind}*scale, such as {kind}*0.125")
        if scale <= 0:
            raise InputError(f"the scale of '{text}' is not positive", hint="a scale such as 0.125 or 1/255")
        shown = re.sub(r"\s", "", kind + text.strip()[len(form["kind"]) :])
        held, stated = (
            (factor * unit, sign * summand + factor * origin) for factor, summand in ((scale, offset), written)
        )
        return cls(shown, span, *held, stated=stated)

    @property
    def plain(self) -> bool:
        """Does each number stand for itself?"""
        return self.scale == 1 and self.offset == 0

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest number."""
        return float(self.scale * self.span.lo + self.offset), float(self.scale * self.span.hi + self.offset)

    def describe(self) -> str:
        """Which numbers they are, for messages."""
        low, high = self.ends
        if self.scale == 1 and self.offset.denominator == 1:
            return f"integers from {low:g} to {high:g}"
        if self.span.hi - self.span.lo == 1:
            return f"{low:g} and {high:g}"
        return f"numbers from {low:g} to {high:g} in steps of {float(self.scale):g}"

    def numbers(self, integers: NDArray[Any], dtype: str) -> NDArray[Any]:
        """What integers of the lattice stand for, in the input's own type."""
        return self._points(integers).astype(dtype)

    @property
    def arithmetic(self) -> tuple[tuple[str, float], ...]:
        """How a number is computed of its integer in double precision, before it gets the input's type."""
        scale, offset = self.stated
        if max(scale.numerator, scale.denominator) < 1 << 53:
            factor = ("multiply", float(scale.numerator)), ("divide", float(scale.denominator))
        else:
            factor = (("multiply", float(scale)),)
        return *factor, ("add", float(offset))

    def _points(self, integers: NDArray[Any]) -> FloatArray:
        points: FloatArray = integers.astype(np.float64)
        for name, number in self.arithmetic:
            points = points * number if name == "multiply" else points / number if name == "divide" else points + number
        return points

    def integers(self, values: NDArray[Any]) -> tuple[IntArray, NDArray[np.bool_]]:
        """The integers that numbers stand for, and which of the numbers aren't points of the lattice.

        Equality is asked for where the input's type holds every point, else two units in the last place are allowed.
        """
        real = values.astype(np.float64)
        nearest = np.rint((real - float(self.offset)) / float(self.scale))
        inside = (nearest >= self.span.lo) & (nearest <= self.span.hi)
        found = np.where(inside, nearest, self.span.lo).astype(np.int64)
        points = self._points(found)
        if values.dtype.kind != "f" or self._held_by(values.dtype):
            return found, ~(inside & (points == real))
        room = np.maximum(np.abs(points), abs(float(self.offset))).astype(values.dtype)
        off = np.abs(points - real) > _ULPS * np.spacing(room).astype(np.float64)
        return found, ~inside | off

    def nearest(self, values: NDArray[Any]) -> NDArray[Any]:
        """The numbers that values are rounded to, half to even, and beyond which they saturate."""
        real, scale, offset = values.astype(np.float64), float(self.scale), float(self.offset)
        found = np.rint((real - offset) / scale)
        # The quotient is rounded, and may be taken for a tie or be taken out of one.
        for _ in range(2):
            low, high = (found - 0.5) * scale + offset, (found + 0.5) * scale + offset
            odd = found % 2 == 1
            found += np.where((real > high) | (odd & (real == high)), 1.0, 0.0)
            found -= np.where((real < low) | (odd & (real == low)), 1.0, 0.0)
        integers = np.clip(found, self.span.lo, self.span.hi).astype(np.int64)
        return self.numbers(integers, values.dtype.name)

    def _held_by(self, dtype: np.dtype[Any]) -> bool:
        """Is every point a number of the float type?"""
        scale, offset = self.stated
        bottom = lcm(scale.denominator, offset.denominator)
        common = gcd(int(scale * bottom), int(offset * bottom))
        unit = Fraction(common & -common, bottom)
        top = max(abs(scale * self.span.lo + offset), abs(scale * self.span.hi + offset))
        dyadic = bottom & (bottom - 1) == 0
        return dyadic and top / unit <= 1 << (np.finfo(dtype).nmant + 1)


def _malformed(text: str) -> InputError:
    return InputError(f"'{text}' is no type of an input", hint=f"TYPE[*scale][+offset], TYPE being one of {TYPES}")


def _integers(kind: str, text: str) -> tuple[Range, Fraction, Fraction]:
    """The integers of a type, what a step of one of them is, and what the integer 0 stands for."""
    one, zero = Fraction(1), Fraction(0)
    if kind in ("BINARY", "TERNARY", "BIPOLAR"):
        if kind == "BIPOLAR":
            return Range(0, 1), Fraction(2), Fraction(-1)
        return (Range(0, 1) if kind == "BINARY" else Range(-1, 1)), one, zero
    parts = _KIND.fullmatch(kind)
    if parts is None:
        raise _malformed(text)
    name, bits = parts["name"], int(parts["bits"] or parts["width"] or 0)
    integral = name in ("INT", "UINT") and parts["width"] is None
    scaled = name == "SCALEDINT" and parts["bits"] is None and parts["whole"] is None
    fixed = name == "FIXED" and parts["bits"] is None and parts["whole"] is not None
    if not (integral or scaled or fixed) or not 1 <= bits <= 32 or abs(int(parts["whole"] or 0)) > _MOST_WHOLE:
        raise _malformed(text)
    span = Range.of_width(bits, name != "UINT")
    return span, (one / Fraction(2) ** (bits - int(parts["whole"])) if fixed else one), zero


def _written(text: str, whole: str) -> Fraction:
    """A number as it is written."""
    try:
        return exact_number(text)
    except ValueError as error:
        raise _malformed(whole) from error


def _held(exact: Fraction, dtype: str, whole: str) -> Fraction:
    """A number as the input's type holds it; for integers only integers."""
    if np.dtype(dtype).kind == "f":
        try:
            with np.errstate(over="raise"):
                return Fraction(float(np.dtype(dtype).type(float(exact))))
        except (OverflowError, FloatingPointError) as error:
            raise _malformed(whole) from error
    if exact.denominator != 1:
        raise InputError(f"'{whole}' has a fraction, and the input holds integers", hint="an integer scale and offset")
    return exact


def annotated(text: str, scale: float | None, offset: float | None) -> str | None:
    """What a model's annotation declares, in the form of `Lattice.parse`; None where it declares no integers.

    `scale` and `offset` are those that the model annotates beside it, if any.
    """
    kind = re.sub(r"\s", "", text.upper())
    if kind.startswith("SCALEDINT") and scale is None:
        return None
    stated = kind + (f"*{Fraction(scale)}" if scale is not None else "")
    stated += f"{'-' if offset < 0 else '+'}{Fraction(abs(offset))}" if offset else ""
    try:
        Lattice.parse(stated, "float64")
    except InputError:
        return None
    return stated
