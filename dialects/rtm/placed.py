"""The text of `rtm` code: statements that make named values in places, one per line (grammar: placed.lark).

    %12 : c3[0:4] live                               a value of an earlier segment that this one reads
    %13 : c5[0:3]s = in 6
    %14 : c7[0:6]s = %12 + %13<<1 carry c200[3]      out of place; also -; a source may be `zero`
    %15 : c7[0:8]s = sext %14 carry c201[3]          in place: the sign repeated up to the new width
    %16 : c7[0:8]s = %15 += %12<<1 carry c9[9]       in place; also -=
    %17 : c9[0] = %16 >= -3                          a flag; also of two values
    %18 : c14[0:4] = 0
    %19 : c14[0:4] = %18[0:2] set 1 if %17           in place: bits 0 and 1 in the rows where the flag is 1
    %20 : c8[0:6]s = %16>>2                          a source may be read from a bit on
    out 3 = %16

`c12[4:11]s` is domains 4 to 10 of column 12, signed; a single domain is written `c9[0]`. `c12:19[4]` is domain 4 of
columns 12 to 18: a value that lies across columns, as then all do that its statement works on bit by bit. A source is a
value at its place, read as value << shift, or as value >> shift: from one of its bits on. A statement in place consumes
the value that it changes and makes another one at the same first domain. `loop { ... }` marks statements that share one
bit loop; `@2` starts a member at step 2.

What is stored is the AP's instructions (`binary`), and beside them which values each one makes and reads (`names`) and
where these lie (`values`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dialects.machine.code import WORDS, Code
from dialects.rtm.placed_text import read_plain, read_text, write_lines
from dialects.rtm.statements import Statement, assemble, disassemble
from dialects.support.errors import TextError
from dialects.support.records import RowFormat

NAMES = RowFormat(np.int32, 4)
"""the values that an instruction makes, changes in place, and reads as a and b; -1 for none"""
VALUES = RowFormat(np.int32, 6)
"""number, column, first domain, width, signed, across of a value"""


@dataclass(frozen=True, slots=True)
class PlacedCode(Code):
    """AP code, and the values that its instructions make and read."""

    names: bytes
    """rows of NAMES, one for each instruction"""
    values: bytes
    """rows of VALUES, ascending, of what the code makes or reads"""

    @classmethod
    def of_arrays(
        cls, binary: bytes | NDArray[np.uint64], names: NDArray[np.integer], values: NDArray[np.integer]
    ) -> Self:
        """Code from arrays as they are stored: words of instructions, names, values."""
        return cls(bytes(binary), NAMES.pack(names), VALUES.pack(values))

    @classmethod
    def of(cls, statements: Sequence[Statement]) -> Self:
        """Code from statements; raises TextError where they name no place or can't be encoded."""
        count = len(Statement._fields)
        flat = np.fromiter(chain.from_iterable(statements), np.int64, len(statements) * count)
        return cls.of_arrays(*assemble(flat.reshape(-1, count)))

    @property
    def names_array(self) -> NDArray[np.int32]:
        return NAMES.unpack(self.names)

    @property
    def values_array(self) -> NDArray[np.int32]:
        return VALUES.unpack(self.values)

    @property
    def across(self) -> bool:
        """Whether a value lies across columns."""
        return bool(self.values_array[:, 5].any())

    @property
    def whole(self) -> bool:
        """Whether there are names for all instructions, and all arrays have whole rows."""
        whole = WORDS.is_whole(self.binary) and NAMES.is_whole(self.names) and VALUES.is_whole(self.values)
        return whole and len(self.binary) // WORDS.row_bytes == len(self.names) // NAMES.row_bytes

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which rows of `values_array` are of values that the code reads and doesn't make."""
        return ~np.isin(self.values_array[:, 0], self.names_array[:, 0])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The statements, a row each, of which `of` would make this code."""
        return disassemble(self.binary, self.names_array.astype(np.int64), self.values_array.astype(np.int64))

    def to_text(self) -> str:
        return "\n".join(write_lines(self.rows))

    @classmethod
    def from_text(cls, text: str) -> Self:
        plain = read_plain(text)
        if plain is not None:
            # What is wrong with a plain line, the grammar's reader says with its place.
            with suppress(TextError):
                return cls.of(plain)
        return cls.of(read_text(text))

    def line(self, number: int) -> tuple[int, str]:
        """The line of a statement, counted from 1, and its text."""
        lines = self.to_text().splitlines()
        count = int(self.live.sum())
        statements = [index for index in range(count, len(lines)) if lines[index].strip() not in ("loop {", "}")]
        return statements[number] + 1, lines[statements[number]].strip()

    def live_line(self, row: int) -> tuple[int, str]:
        """The same for a row of the values' table that is live."""
        index = int(self.live[:row].sum())
        return index + 1, self.to_text().splitlines()[index].strip()
