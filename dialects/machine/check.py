"""The rules of the machine over a whole binary program at once, for programs of a million instructions.

`check_binary` proves natively that no instruction and no bit loop breaks a rule; where one does, the instructions are
decoded and checked one by one, which gives the message.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dialects import _placed_check
from dialects.machine.code import WORDS, check_code, decode, numbered
from dialects.machine.isa import Op
from dialects.machine.tables import pass_table


def check_binary(
    binary: bytes, columns: int, domains: int, place_of: Callable[[int], str] = numbered, *, loops: bool = True
) -> None:
    """Raise ProgramError, naming the instruction as `place_of` does, where the program can't run on such an array.

    Without `loops`, bit loops are known to be legal.
    """
    if not WORDS.is_whole(binary) or not _lawful(binary, columns, domains, loops):
        check_code(decode(binary), columns, domains, place_of)


def _lawful(binary: bytes, columns: int, domains: int, loops: bool) -> bool:
    return _placed_check.broken(WORDS.unpack(binary), pass_table(), columns, domains, loops) is None


def vectors(binary: bytes, op: Op) -> NDArray[np.int64]:
    """The numbers of the vectors that instructions of this opcode, IN or OUT, name."""
    words = WORDS.unpack(binary)
    named = words[(words[:, 0] & np.uint64(31)) == op, 1] >> np.uint64(32)
    return named.astype(np.uint32).view(np.int32).astype(np.int64)
