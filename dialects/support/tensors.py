"""Constant tables of a network: integer weight matrices and threshold tables, as hashable values with a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dialects.support.errors import TextError
from dialects.support.ranges import Range

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_TRIT_OF = np.full(256, 2, dtype=np.int8)
_TRIT_OF[[ord("+"), ord("0"), ord("-")]] = [1, 0, -1]
_CHARS = np.frombuffer(b"-0+", dtype=np.uint8)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The non-empty lines of `text`, stripped, with their offsets."""
    offset = 0
    for line in text.splitlines(keepends=True):
        if stripped := line.strip():
            yield offset + line.index(stripped), stripped
        offset += len(line)


def _numbers(words: list[str], kind: Callable[[str], int | float], offset: int) -> list[Any]:
    try:
        numbers = [kind(word) for word in words]
    except ValueError as error:
        expected = "integers" if kind is int else "numbers"
        raise TextError(f"expected {expected}, found '{' '.join(words)[:60]}'", offset) from error
    if kind is int and any(not -(1 << 63) <= number < 1 << 63 for number in numbers):
        raise TextError(f"expected integers of 64 bits, found '{' '.join(words)[:60]}'", offset)
    return numbers


@dataclass(frozen=True, slots=True)
class IntMatrix:
    """Weights: one row per output, one column per input; any integers, mostly -1, 0 and +1.

    Text: one line per row, as characters `+`, `0`, `-` where all entries are ternary, else as decimal numbers.
    """

    rows: int
    columns: int
    data: bytes
    """Row-major, int8 where every entry fits, else little-endian int64; equal matrices have equal bytes."""

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> Self:
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"expected a non-empty matrix, found shape {array.shape}")
        small = int(array.min()) >= -128 and int(array.max()) <= 127
        data = np.ascontiguousarray(array, dtype="<i1" if small else "<i8").tobytes()
        return cls(array.shape[0], array.shape[1], data)

    @property
    def array(self) -> IntArray:
        """The entries as an int64 array (rows, columns)."""
        kind = "<i1" if len(self.data) == self.rows * self.columns else "<i8"
        return np.frombuffer(self.data, dtype=kind).astype(np.int64).reshape(self.rows, self.columns)

    @property
    def ternary(self) -> bool:
        entries = self.array
        return bool(entries.min() >= -1 and entries.max() <= 1)

    def output_ranges(self, inputs: Range) -> tuple[IntArray, IntArray]:
        """Exact lowest and highest value of each row's weighted sum over inputs of the given range."""
        entries: NDArray[Any] = self.array
        if float(np.abs(entries.astype(np.float64)).sum(axis=1).max()) * max(abs(inputs.lo), abs(inputs.hi)) > 1 << 62:
            entries = entries.astype(object)
        positive, negative = np.maximum(entries, 0).sum(axis=1), np.minimum(entries, 0).sum(axis=1)
        lows = positive * inputs.lo + negative * inputs.hi
        return lows, positive * inputs.hi + negative * inputs.lo

    def to_text(self) -> str:
        if self.ternary:
            chars = _CHARS[self.array + 1]
            return "\n".join(row.tobytes().decode() for row in chars)
        return "\n".join(" ".join(map(str, row)) for row in self.array.tolist())

    @classmethod
    def from_text(cls, text: str) -> Self:
        lines = list(_lines(text))
        if not lines:
            raise TextError("a matrix needs at least one row", 0)
        trits = all(not line.strip("+-0") for _, line in lines)
        rows: list[NDArray[Any]] = []
        for offset, line in lines:
            if trits:
                rows.append(_TRIT_OF[np.frombuffer(line.encode(), dtype=np.uint8)])
            else:
                rows.append(np.array(_numbers(line.split(), int, offset), dtype=np.int64))
            if len(rows[-1]) != len(rows[0]):
                raise TextError(
                    f"row {len(rows) - 1} has {len(rows[-1])} entries, the rows above have {len(rows[0])}",
                    offset,
                )
        return cls.from_array(np.stack(rows))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A monotone step function per channel: how many thresholds a value has reached.

    An `up` channel yields lo + #{t : x >= t}, a `down` channel hi - #{t : x >= t}, where lo..hi is the range of the
    result and the number of thresholds is hi - lo. A threshold that is always (never) reached is at the lower end
    of x's range (one above its upper end). Text: one line per channel; a single line serves every channel.
    """

    channels: int
    levels: int
    down: tuple[bool, ...]
    data: bytes

    dtype: ClassVar[str] = "<i8"
    number: ClassVar[type[int] | type[float]] = int

    @classmethod
    def from_array(cls, array: NDArray[Any], down: NDArray[Any] | None = None) -> Self:
        """Thresholds (channels, levels), ascending in each row; `down` (channels,) marks falling channels."""
        if array.ndim != 2 or array.shape[0] == 0:
            raise ValueError(f"expected thresholds (channels, levels), found shape {array.shape}")
        falling = np.zeros(len(array), dtype=bool) if down is None else down
        data = np.ascontiguousarray(array, dtype=cls.dtype).tobytes()
        return cls(array.shape[0], array.shape[1], tuple(bool(d) for d in falling), data)

    @property
    def array(self) -> NDArray[Any]:
        """The thresholds as a read-only array (channels, levels)."""
        return np.frombuffer(self.data, dtype=self.dtype).reshape(self.channels, self.levels)

    def apply(self, values: NDArray[Any], result: Range) -> IntArray:
        """The step function over `values` (samples, channels, ...); returns int64 of the same shape."""
        output = np.empty(values.shape, dtype=np.int64)
        for channel, down in enumerate(self.down):
            # One line for all channels is one search over the whole tensor.
            part = (slice(None), channel) if self.channels > 1 else (...,)
            count = np.searchsorted(self.array[channel], values[part], side="right")
            output[part] = result.hi - count if down else result.lo + count
        return output

    def problem(self) -> str | None:
        """What is wrong with the table, if anything."""
        table = self.array
        if self.dtype == "<f8" and np.isnan(table).any():
            return "a threshold is not a number"
        falls = np.flatnonzero((table[:, 1:] < table[:, :-1]).any(axis=1))
        return f"the thresholds of channel {falls[0]} are not in ascending order" if len(falls) else None

    def to_text(self) -> str:
        rows = zip(self.down, self.array.tolist(), strict=True)
        return "\n".join(" ".join(["down" if down else "up", *map(repr, row)]) for down, row in rows)

    @classmethod
    def from_text(cls, text: str) -> Self:
        rows: list[list[Any]] = []
        down: list[bool] = []
        for offset, line in _lines(text):
            direction, *words = line.split()
            if direction not in ("up", "down"):
                raise TextError(f"expected 'up' or 'down', found '{direction[:20]}'", offset)
            down.append(direction == "down")
            rows.append(_numbers(words, cls.number, offset))
            if len(rows[-1]) != len(rows[0]):
                raise TextError(
                    f"channel {len(rows) - 1} has {len(rows[-1])} thresholds, those above have {len(rows[0])}",
                    offset,
                )
        if not rows:
            raise TextError("a threshold table needs at least one channel", 0)
        return cls.from_array(np.array(rows, dtype=cls.dtype).reshape(len(rows), -1), np.array(down))


@dataclass(frozen=True, slots=True)
class FloatThresholds(Thresholds):
    """Thresholds over real numbers, for the quantiser of a float input; exact doubles."""

    dtype: ClassVar[str] = "<f8"
    number: ClassVar[type[int] | type[float]] = float

    def then(self, middle: Range, second: Thresholds) -> FloatThresholds:
        """These steps, which yield integers of `middle`, and then those of `second`: the same function in one table."""
        channels = max(self.channels, second.channels)
        rows: list[list[float]] = []
        down: list[bool] = []
        for channel in range(channels):
            own, further = channel % self.channels, channel % second.channels
            falls = self.down[own]
            # What the integers from middle.lo to middle.hi + 1 begin at, or cease at where they fall.
            ends: list[float] = [float("-inf"), *self.array[own].tolist(), float("inf")]
            numbers: list[int] = (second.array[further].clip(middle.lo, middle.hi + 1) - middle.lo).tolist()
            begins = [ends[-1 - number] if falls else ends[number] for number in numbers]
            rows.append(begins[::-1] if falls else begins)
            down.append(falls != second.down[further])
        return FloatThresholds.from_array(np.array(rows).reshape(channels, second.levels), np.array(down))
