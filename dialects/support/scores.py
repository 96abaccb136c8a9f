"""What a network ends with on the host: real functions, and exact scores that order the channels of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dialects.support.errors import TextError
from dialects.support.tensors import IntArray

FUNCTIONS = ("softmax", "log_softmax", "sigmoid", "tanh", "softplus", "softsign", "exp", "erf")
"""Real functions that a network may end with; the first two are over the channels."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Integers that order the channels of a sample: factor * x + offset of channel c, `lines[c]` = (factor, offset).

    They are exact, of any size. Text: one line per channel, `factor offset`.
    """

    lines: tuple[tuple[int, int], ...]

    def to_text(self) -> str:
        return "\n".join(f"{factor} {offset}" for factor, offset in self.lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        lines: list[tuple[int, int]] = []
        start = 0
        for line in text.splitlines(keepends=True):
            if words := line.split():
                try:
                    factor, offset = map(int, words)
                except ValueError as error:
                    raise TextError(f"expected a factor and an offset, found '{line.strip()[:60]}'", start) from error
                lines.append((factor, offset))
            start += len(line)
        return cls(tuple(lines))

    def apply(self, values: IntArray) -> NDArray[Any]:
        """The scores of a tensor (batch, channels, ...): int64 where they fit, else Python integers."""
        largest = max(int(np.abs(values).max()), 1)
        small = all(abs(factor) * largest + abs(offset) < 1 << 62 for factor, offset in self.lines)
        table: NDArray[Any] = np.array(self.lines, dtype=np.int64 if small else object)
        shape = (-1, *[1] * (values.ndim - 2))
        return values.astype(table.dtype) * table[:, 0].reshape(shape) + table[:, 1].reshape(shape)
