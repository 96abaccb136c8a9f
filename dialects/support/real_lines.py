"""Sums of several integers with rational factors, one line per channel: what a tensor of unequal scales stands for.

    3 -5 + 7 / 1024

stands for (3 a - 5 b + 7) / 1024. Numbers are exact, of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dialects.support.errors import TextError
from dialects.support.tensors import FloatArray, IntArray

_MOST_DIGITS = 2000
_EXPECTED = "expected factors, an offset and a divisor, '3 -5 + 7 / 1024'"


class RealLine(NamedTuple):
    """(the sum of factor * integer, + offset) / divisor."""

    factors: tuple[int, ...]
    offset: int
    divisor: int

    def to_text(self) -> str:
        return f"{' '.join(map(str, self.factors))} + {self.offset} / {self.divisor}"

    @staticmethod
    def from_text(text: str, offset: int) -> RealLine:
        """A line of text; raises TextError, whose place is `offset`."""
        words = text.split()
        if len(words) < 5 or words[-4] != "+" or words[-2] != "/" or max(map(len, words)) > _MOST_DIGITS:
            raise TextError(f"{_EXPECTED}, found '{text[:60]}'", offset)
        try:
            *factors, shift, divisor = map(int, (*words[:-4], words[-3], words[-1]))
        except ValueError as error:
            raise TextError(f"{_EXPECTED}, found '{text[:60]}'", offset) from error
        if divisor < 1:
            raise TextError(f"expected a positive divisor, found {divisor}", offset)
        return RealLine(tuple(factors), shift, divisor)


@dataclass(frozen=True, slots=True)
class RealLines:
    """One line per channel, or one for all, each with a factor for every tensor."""

    lines: tuple[RealLine, ...]

    def to_text(self) -> str:
        return "\n".join(line.to_text() for line in self.lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        lines: list[RealLine] = []
        start = 0
        for line in text.splitlines(keepends=True):
            if line.strip():
                lines.append(RealLine.from_text(line.strip(), start))
            start += len(line)
        return cls(tuple(lines))

    def problem(self, channels: int, inputs: int) -> str | None:
        """What is wrong with the lines for so many channels and tensors, if anything."""
        if len(self.lines) not in (1, channels):
            return f"expected lines for 1 or {channels} channels, found {len(self.lines)}"
        wrong = next((line for line in self.lines if len(line.factors) != inputs), None)
        return None if wrong is None else f"expected {inputs} factors a line, found {len(wrong.factors)}"

    def apply(self, tensors: Sequence[IntArray]) -> FloatArray:
        """The numbers of tensors (batch, channels, ...), each rounded once to double precision."""
        shape = (-1, *[1] * (tensors[0].ndim - 2))
        offsets, divisors = (
            _column([getattr(line, name) for line in self.lines], shape) for name in ("offset", "divisor")
        )
        total: NDArray[Any] = np.broadcast_to(offsets, tensors[0].shape)
        for index, tensor in enumerate(tensors):
            total = total + _column([line.factors[index] for line in self.lines], shape) * tensor.astype(object)
        # A division of Python's integers is rounded correctly.
        return (total / divisors).astype(np.float64)


def _column(numbers: list[int], shape: tuple[int, ...]) -> NDArray[Any]:
    column = np.empty(len(numbers), dtype=object)
    column[:] = numbers
    return column.reshape(shape)
