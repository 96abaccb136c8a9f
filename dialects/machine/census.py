"""What an AP program takes besides data, its shifts above all, and its bit loops' legality, from the binary alone.

`predict_shifts` follows the ports through a program without data; its counts are those of the simulators, to the step.
The native code is in dialects/native/loops.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects import _placed_check
from dialects.machine.code import WORDS
from dialects.machine.tables import OPCODE_VALUES, pass_table
from dialects.support.errors import ProgramError

IntArray = NDArray[np.int64]


class Census(NamedTuple):
    """What the segments of a program take, whatever the rows and the data are; one row per segment, except in `writes`.

    Ports begin at domain 0 and go on from segment to segment. The first fields are those of `Counts` in
    dialects/native/loops.hpp.
    """

    instructions: IntArray
    bit_loops: IntArray
    search_passes: IntArray
    write_passes: IntArray
    searched_cells: IntArray
    """of a row, by all searches"""
    unkeyed_cells: IntArray
    """of a row, written by passes without a key"""
    shift_steps: IntArray
    """steps in time: columns that move together count once"""
    column_steps: IntArray
    """steps of single columns; times rows and nanowires, they make the energy"""
    moved_bits: IntArray
    """of a row, to and from the buffer"""
    sent_bits: IntArray
    """of a row, to the buffer"""
    short_instructions: IntArray
    """those that the stream has in a short form (dialects/machine/stream.py)"""
    short_words: IntArray
    """of 16 bits, that these take"""
    widest_loop: IntArray
    """columns that the loop with most of them needs"""
    furthest: IntArray
    """the furthest domain that is brought under a port, and so the spare domains that a track needs at its end"""
    steps_of_column: IntArray
    """(segments, columns)"""
    ports: IntArray
    """(segments, columns): the domain under each port at the end"""
    opcodes: IntArray
    """(segments, opcode values, the counts up to `short_words`): of each opcode its share; a bit loop is that of
    its first member, shifts are those of the members that need the columns first"""
    writes: IntArray
    """(columns, domains): the passes of all segments that write a cell, in the rows that they tag"""


def predict_shifts(segments: Sequence[bytes], columns: int, domains: int) -> Census:
    """What a program's segments take; raises ProgramError where an instruction or a bit loop is illegal."""
    words, bounds = WORDS.joined(segments)
    found = _placed_check.count(words, bounds, pass_table(), columns, domains)
    failure, (counts, steps, ports, opcodes, writes) = found
    if failure is not None:
        _, number, text = failure
        raise ProgramError(re.sub(r"\{(\d+)\}", r"instruction \1", text), place=f"instruction {number}")
    shares = opcodes[:, : Census._fields.index("widest_loop")].reshape(len(counts), OPCODE_VALUES, -1)
    return Census._make((*counts.T, steps, ports, shares, writes))
