"""Tables of integers as bytes, row by row: how machine code and what belongs to it are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

NumberT = TypeVar("NumberT", np.int32, np.uint64)


@dataclass(frozen=True)
class RowFormat(Generic[NumberT]):
    """Rows of so many little-endian numbers; `pack` and `unpack` are inverse."""

    number: type[NumberT]
    columns: int

    @property
    def dtype(self) -> np.dtype[NumberT]:
        return np.dtype(self.number).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        return self.columns * self.dtype.itemsize

    def pack(self, rows: NDArray[np.integer]) -> bytes:
        """The bytes of rows, of shape (rows, columns) or flat."""
        return rows.astype(self.dtype, copy=False).tobytes()

    def unpack(self, data: bytes) -> NDArray[NumberT]:
        """The rows (rows, columns), which can't be written to; raises ValueError where the last one isn't whole."""
        return np.frombuffer(data, dtype=self.dtype).reshape(-1, self.columns)

    def is_whole(self, data: bytes) -> bool:
        """Whether the bytes are whole rows."""
        return len(data) % self.row_bytes == 0

    def joined(self, parts: Sequence[bytes]) -> tuple[NDArray[NumberT], NDArray[np.int64]]:
        """The rows of all parts, and the row at which each part begins, with the end of the last."""
        bounds = np.cumsum([0, *(len(part) // self.row_bytes for part in parts)], dtype=np.int64)
        return self.unpack(b"".join(parts)), bounds
