"""Legality of placed code and the shifts that AP code costs (native; sources in dialects/native)."""

import numpy as np
from numpy.typing import NDArray

Failure = tuple[bool, int, str]
"""whether a row of the values' table is meant rather than an instruction; its number; what is wrong with it"""

Counted = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

def count(
    code: NDArray[np.uint64], bounds: NDArray[np.int64], passes: NDArray[np.uint8], columns: int, domains: int
) -> tuple[Failure | None, Counted]:
    """For each segment its counts, in the order of dialects/machine/census.py, steps and ports by column, and the
    counts of each opcode; for all segments, writes by column and domain.
    """

def check(
    code: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    ids: NDArray[np.int32],
    places: NDArray[np.int32],
    place_bounds: NDArray[np.int64],
    passes: NDArray[np.uint8],
    columns: int,
    domains: int,
) -> tuple[Failure | None, tuple[int, int]]:
    """The number of values and the most bits of a row that are live at a time."""

def broken(
    code: NDArray[np.uint64], passes: NDArray[np.uint8], columns: int, domains: int, loops: bool
) -> Failure | None:
    """The first rule of an instruction that is broken, or of a bit loop if asked for."""

def short_words(code: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Of each instruction of a segment, the words of its short form in the stream; 0 for a long one."""

def operands(op: int) -> list[bool]:
    """Whether there is such an opcode; its operands D, d, A, a, B, r, a carry, one of two cells, I; a vector's number,
    a carry of its own."""

def unpack(first: int, second: int) -> list[int] | None:
    """The fields of an instruction in the order of its words, then the immediate; None if the words are none."""

def repack(first: int, second: int) -> tuple[int, int]:
    """An instruction unpacked and packed again."""
