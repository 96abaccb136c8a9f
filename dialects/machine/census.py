"""The shifts and writes that an AP program costs, and its bit loops' legality, from the binary alone.

`predict_shifts` follows the ports through a program without data; its counts are those of the simulators, to the step.
The native code (dialects/native) knows instructions only by the tables of dialects/machine/tables.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects import _placed_check
from dialects.machine.code import BYTES_PER_INSTRUCTION
from dialects.machine.tables import operand_table, touch_table
from dialects.support.errors import ProgramError

IntArray = NDArray[np.int64]


class Shifts(NamedTuple):
    """What the segments of a program shift; a row each. Ports begin at domain 0 and go on from segment to segment."""

    bit_loops: IntArray
    shift_steps: IntArray
    """steps in time: columns that move together count once"""
    column_steps: IntArray
    """steps of single columns; times rows and nanowires, they make the energy"""
    widest_loop: IntArray
    """columns that the loop with most of them needs"""
    furthest: IntArray
    """the furthest domain that is brought under a port, and so the spare domains that a track needs at its end"""
    steps_of_column: IntArray
    """(segments, columns)"""
    ports: IntArray
    """(segments, columns): the domain under each port at the end"""
    writes: IntArray
    """(columns, domains): the passes of all segments that write a cell, in the rows that they tag"""


def joined(parts: Sequence[bytes], bytes_a_row: int) -> tuple[bytes, IntArray]:
    """Parts after one another, and the row at which each begins, with the end of the last."""
    bounds = np.cumsum([0, *(len(part) // bytes_a_row for part in parts)], dtype=np.int64)
    return b"".join(parts), bounds


def predict_shifts(segments: Sequence[bytes], columns: int, domains: int) -> Shifts:
    """The shifts of a program's segments; raises ProgramError where an instruction or a bit loop is illegal."""
    binary, bounds = joined(segments, BYTES_PER_INSTRUCTION)
    words = np.frombuffer(binary, dtype="<u8").reshape(-1, 2)
    failure, (totals, steps, ports, writes) = _placed_check.shifts(
        words, bounds, operand_table(), touch_table(), columns, domains
    )
    if failure is not None:
        _, number, text = failure
        raise ProgramError(re.sub(r"\{(\d+)\}", r"instruction \1", text), place=f"instruction {number}")
    loops, shift_steps, column_steps, widest, furthest = totals.T
    return Shifts(loops, shift_steps, column_steps, widest, furthest, steps, ports, writes)
