"""What ternary cells hold: the weights and tables of a counted program, as lines of cells by array, column and domain.

    a0.c4.0 10xx1-

is what column 4 of array 0 holds at domain 0, from row 0 on: 1, 0, don't-care (x), or nothing (-). A cell is two
nanowires, of which one says whether a search for 1 matches and the other one whether a search for 0 does; a don't-care
matches both, a cell that holds nothing neither of them. Rows beyond the end of a line hold nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dialects.support.errors import TextError
from dialects.support.records import RowFormat

PLACES = RowFormat(np.int32, 4)
"""array, column, domain and number of cells of each line"""
NOTHING, ZERO, ONE, ANY = range(4)
"""what a cell holds: bit 0 says that it matches 0, bit 1 that it matches 1"""
_CHARACTERS = np.frombuffer(b"-01x", dtype=np.uint8)
_CELL_OF = np.full(256, 255, dtype=np.uint8)
_CELL_OF[_CHARACTERS] = np.arange(4)
_LINE = re.compile(r"a(\d+)\.c(\d+)\.(\d+) ([-01x]+)", re.ASCII)
_MOST_DIGITS = 9

CellArray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Cells:
    """Lines of cells, sorted by array, domain and column."""

    places: bytes
    packed: bytes
    """of each line its cells, four a byte, from the least significant bits on; each line begins at a byte"""

    @classmethod
    def of(cls, lines: Sequence[tuple[int, int, int, CellArray]]) -> Self:
        """Array, column, domain and cells of each line; lines end with their last cell that holds something."""
        kept: list[tuple[int, int, int, CellArray]] = []
        for array, column, domain, cells in lines:
            if len(held := np.flatnonzero(cells)):
                trimmed: CellArray = cells[: int(held[-1]) + 1]
                kept.append((array, column, domain, trimmed))
        kept.sort(key=lambda line: (line[0], line[2], line[1]))
        places = np.array([(*line[:3], len(line[3])) for line in kept], dtype=np.int32).reshape(-1, 4)
        return cls(PLACES.pack(places), b"".join(_pack(line[3]) for line in kept))

    @property
    def table(self) -> NDArray[np.int32]:
        """Array, column, domain and number of cells of each line."""
        return PLACES.unpack(self.places)

    @property
    def lines(self) -> list[tuple[int, int, int, CellArray]]:
        """Array, column, domain and cells of each line; raises ValueError where bytes are missing or left over."""
        found: list[tuple[int, int, int, CellArray]] = []
        data, at = np.frombuffer(self.packed, dtype=np.uint8), 0
        cells = (data[:, None] >> np.array([0, 2, 4, 6], dtype=np.uint8) & 3).reshape(-1).astype(np.uint8)
        for array, column, domain, count in self.table.tolist():
            if count < 1 or at + count > len(cells):
                raise ValueError("lines of cells and their places don't fit together")
            found.append((array, column, domain, cells[at : at + count]))
            at += -(-count // 4) * 4
        if at != len(cells):
            raise ValueError("lines of cells and their places don't fit together")
        return found

    def to_text(self) -> str:
        return "\n".join(
            f"a{array}.c{column}.{domain} {_CHARACTERS[cells].tobytes().decode()}"
            for array, column, domain, cells in self.lines
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        lines: list[tuple[int, int, int, CellArray]] = []
        seen: set[tuple[int, int, int]] = set()
        offset = 0
        for line in text.splitlines(keepends=True):
            if stripped := line.strip():
                at = offset + line.index(stripped)
                match = _LINE.fullmatch(stripped)
                if match is None:
                    raise TextError(f"expected cells such as `a0.c4.0 10x-`, found '{stripped[:40]}'", at)
                if max(map(len, match.groups()[:3])) > _MOST_DIGITS:
                    raise TextError(f"a place has numbers of at most {_MOST_DIGITS} digits", at)
                place = (int(match[1]), int(match[2]), int(match[3]))
                if place in seen:
                    raise TextError(f"the cells of a{place[0]}.c{place[1]}.{place[2]} are stated twice", at)
                seen.add(place)
                lines.append((*place, _CELL_OF[np.frombuffer(match[4].encode(), dtype=np.uint8)]))
            offset += len(line)
        return cls.of(lines)


def _pack(cells: CellArray) -> bytes:
    padded = np.zeros(-(-len(cells) // 4) * 4, dtype=np.uint8)
    padded[: len(cells)] = cells
    quads = padded.reshape(-1, 4)
    return (quads[:, 0] | quads[:, 1] << 2 | quads[:, 2] << 4 | quads[:, 3] << 6).astype(np.uint8).tobytes()
