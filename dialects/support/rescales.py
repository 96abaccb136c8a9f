"""Requantisation to many levels: an integer multiplication, an addition, a shift and one clamp per channel, exactly.

    * 18433 + 524288 >> 20 in 0..255
    * 1 + 8 >> 4 in -128..127 ties odd 0

A line maps x to y = clamp((x * multiplier + addend) >> shift), where >> rounds down. Rounding half to even isn't such a
function where numbers lie halfway: `ties odd e` lowers the results that are odd before the clamp, and of which the part
that was shifted out is less than 2^e, by one; `ties even e` those that are even.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from dialects.support.errors import TextError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray

MAX_MULTIPLIER_BITS, MAX_SHIFT = 61, 96
MAX_INPUT_BITS = 42
"""Bits of the integers that a rescaling takes, with their sign."""
MAX_RESULT_BITS = 60
"""Bits of the results before they are clamped."""
_LIMB = 20
"""Bits of a multiplier that are multiplied at a time: products of a limb and an input fit into 64 bits."""

_LINE = re.compile(r"\* (-?\d+) \+ (-?\d+) >> (\d+) in (-?\d+)\.\.(-?\d+)(?: ties (odd|even) (\d+))?")


class Line(NamedTuple):
    """What one channel does; see the module."""

    multiplier: int
    addend: int
    shift: int
    low: int
    high: int
    tie: int = -1
    """the exponent e of `ties`; -1 where there are none"""
    parity: int = 1
    """of the results that `ties` lowers"""

    def __call__(self, x: int) -> int:
        total = x * self.multiplier + self.addend
        result = total >> self.shift
        if self.tie >= 0 and result & 1 == self.parity and total - (result << self.shift) < 1 << self.tie:
            result -= 1
        return min(max(result, self.low), self.high)

    def apply(self, values: IntArray) -> IntArray:
        """The results for integers of at most MAX_INPUT_BITS bits."""
        result = self._shifted(values, self.addend)
        if self.tie >= 0:
            lowered = self._shifted(values, self.addend - (1 << self.tie))
            result = np.where(result & 1 == self.parity, lowered, result)
        return result.clip(self.low, self.high)

    def _shifted(self, values: IntArray, addend: int) -> IntArray:
        """(values * multiplier + addend) >> shift in 64 bits: what is shifted out goes limb by limb, rounded down."""
        sign = -1 if self.multiplier < 0 else 1
        left, rest, shift = sign * self.multiplier, addend, self.shift
        total = np.zeros(values.shape, dtype=np.int64)
        while shift or left:
            bits = min(_LIMB, shift) if shift else _LIMB
            if shift == 0:
                return total + values * (sign * left) + rest
            total = (total + values * (sign * (left & ((1 << bits) - 1))) + (rest & ((1 << bits) - 1))) >> bits
            left, rest, shift = left >> bits, rest >> bits, shift - bits
        return total + rest

    def to_text(self) -> str:
        ties = f" ties {'odd' if self.parity else 'even'} {self.tie}" if self.tie >= 0 else ""
        return f"* {self.multiplier} + {self.addend} >> {self.shift} in {self.low}..{self.high}{ties}"


@dataclass(frozen=True, slots=True)
class Rescales:
    """One line per channel, or one for all; text: one line per channel."""

    lines: tuple[Line, ...]

    @property
    def channels(self) -> int:
        return len(self.lines)

    def line(self, channel: int) -> Line:
        return self.lines[channel if len(self.lines) > 1 else 0]

    def apply(self, values: IntArray) -> IntArray:
        """The rescaled `values` (samples, channels, ...); int64 of the same shape."""
        result = np.empty(values.shape, dtype=np.int64)
        for channel, line in enumerate(self.lines):
            part = (slice(None), channel) if len(self.lines) > 1 else (...,)
            result[part] = line.apply(values[part])
        return result

    def problem(self, inputs: Range, result: Range) -> str | None:
        """What is wrong with the lines for integers of a range, and a stated range of the results, if anything."""
        if inputs.width > MAX_INPUT_BITS:
            return f"integers of {inputs.width} bits are rescaled, at most {MAX_INPUT_BITS} are possible"
        for number, line in enumerate(self.lines):
            if abs(line.multiplier).bit_length() > MAX_MULTIPLIER_BITS or line.shift > MAX_SHIFT:
                return f"line {number}: a multiplier has {MAX_MULTIPLIER_BITS} bits, a shift is {MAX_SHIFT} at most"
            if line.tie >= line.shift:
                return f"line {number}: ties are decided below the shift {line.shift}, found {line.tie}"
            if line.low > line.high or not result.covers(Range(line.low, line.high)):
                return f"line {number} yields {line.low}..{line.high}, the result ranges over {result}"
            sizes = (line.multiplier * inputs.lo, line.multiplier * inputs.hi, line.addend)
            if any(abs(size) >> line.shift >> MAX_RESULT_BITS for size in sizes):
                return f"line {number}: its results are beyond {MAX_RESULT_BITS} bits before they are clamped"
        return None

    def to_text(self) -> str:
        return "\n".join(line.to_text() for line in self.lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        lines: list[Line] = []
        offset = 0
        for raw in text.splitlines(keepends=True):
            if stripped := raw.strip():
                lines.append(_parsed(stripped, offset + raw.index(stripped)))
            offset += len(raw)
        if not lines:
            raise TextError("a rescaling needs at least one channel", 0)
        return cls(tuple(lines))


def _parsed(text: str, offset: int) -> Line:
    found = _LINE.fullmatch(text)
    if not found:
        raise TextError(f"expected '* 5 + 3 >> 4 in 0..255', perhaps 'ties odd 2', found '{text[:60]}'", offset)
    words = found.groups()
    if any(len(word) > 40 for word in words if word):
        raise TextError("its numbers are too long", offset)
    multiplier, addend, shift, low, high = map(int, words[:5])
    return Line(multiplier, addend, shift, low, high, int(words[6] or -1), int(words[5] != "even"))
