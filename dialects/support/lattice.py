"""The numbers that a declared input holds: `UINT8`, `FIXED<6,3>`, `INT4*0.125`, `TERNARY*1/2+3`.

A type names integers by FINN's names; `*scale` and `+offset` say which numbers they stand for. Scale and offset are
numbers of the input's own type, as a model would hold them, so 1/255 of a float32 input is the float32 next to it.
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
from dialects.support.ranges import Range
from dialects.support.tensors import FloatArray, IntArray

TYPES = "BIPOLAR, BINARY, TERNARY, UINT1 to UINT32, INT2 to INT32, FIXED<bits,integer bits>, SCALEDINT<bits>"
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:/\d+)?"
_FORM = re.compile(
    rf"(?P<kind>[A-Za-z]+\d*(?:<\s*\d+\s*(?:,\s*-?\d+\s*)?>)?)\s*"
    rf"(?:\*\s*(?P<scale>{_NUMBER}))?\s*(?:(?P<sign>[+-])\s*(?P<offset>-?{_NUMBER}))?"
)
_KIND = re.compile(r"(?P<name>[A-Z]+)(?P<bits>\d+)?(?:<(?P<width>\d+)(?:,(?P<whole>-?\d+))?>)?")
_ULPS = 2
"""Units in the last place that a number may be off a point of the lattice which its type can't hold."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """The numbers scale * n + offset for all integers n of `span`; `text` is how they were declared."""

    text: str
    span: Range
    scale: Fraction
    offset: Fraction

    @classmethod
    def parse(cls, text: str, dtype: str) -> Lattice:
        """The lattice of an input of numpy type `dtype`; raises InputError for a text that declares none."""
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise _malformed(text)
        kind = re.sub(r"\s", "", form["kind"].upper())
        span, unit, origin = _integers(kind, text)
        scale = _number(form["scale"] or "1", dtype, text)
        offset = _number(form["offset"] or "0", dtype, text) * (-1 if form["sign"] == "-" else 1)
        if kind.startswith("SCALEDINT") and form["scale"] is None:
            raise InputError(f"'{text}' doesn't say its scale", hint=f"{kind}*scale, such as {kind}*0.125")
        if scale <= 0:
            raise InputError(f"the scale of '{text}' is not positive", hint="a scale such as 0.125 or 1/255")
        return cls(
            re.sub(r"\s", "", kind + text.strip()[len(form["kind"]) :]), span, scale * unit, offset + scale * origin
        )

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

    def _points(self, integers: NDArray[Any]) -> FloatArray:
        return integers.astype(np.float64) * float(self.scale) + float(self.offset)

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

    def _held_by(self, dtype: np.dtype[Any]) -> bool:
        """Is every point a number of the float type?"""
        bottom = lcm(self.scale.denominator, self.offset.denominator)
        common = gcd(int(self.scale * bottom), int(self.offset * bottom))
        unit = Fraction(common & -common, bottom)
        top = max(abs(self.scale * self.span.lo + self.offset), abs(self.scale * self.span.hi + self.offset))
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
    if not (integral or scaled or fixed) or not 1 <= bits <= 32:
        raise _malformed(text)
    span = Range.of_width(bits, name != "UINT")
    return span, (one / Fraction(2) ** (bits - int(parts["whole"])) if fixed else one), zero


def _number(text: str, dtype: str, whole: str) -> Fraction:
    """A number as the input's type holds it; for integers only integers."""
    top, _, bottom = text.partition("/")
    try:
        exact = Fraction(top) / Fraction(bottom or 1)
        if np.dtype(dtype).kind == "f":
            with np.errstate(over="raise"):
                return Fraction(float(np.dtype(dtype).type(float(exact))))
    except (ZeroDivisionError, OverflowError, FloatingPointError, ValueError) as error:
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
