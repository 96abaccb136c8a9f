"""Legality of placed code and the shifts that AP code costs (native; sources in dialects/native)."""

import numpy as np
from numpy.typing import NDArray

Failure = tuple[bool, int, str]
"""whether a row of the values' table is meant rather than an instruction; its number; what is wrong with it"""

def shifts(
    code: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    operands: NDArray[np.uint8],
    touches: NDArray[np.uint8],
    columns: int,
    domains: int,
) -> tuple[Failure | None, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """For each segment: bit loops, shift steps, column steps, columns of the widest loop, the furthest domain; then
    steps and ports by column; writes by column and domain of all segments.
    """

def check(
    code: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    ids: NDArray[np.int32],
    places: NDArray[np.int32],
    place_bounds: NDArray[np.int64],
    operands: NDArray[np.uint8],
    touches: NDArray[np.uint8],
    columns: int,
    domains: int,
) -> tuple[Failure | None, tuple[int, int]]:
    """The number of values and the most bits of a row that are live at a time."""

def lawful(
    code: NDArray[np.uint64],
    operands: NDArray[np.uint8],
    touches: NDArray[np.uint8],
    columns: int,
    domains: int,
    loops: bool,
) -> bool:
    """Whether no instruction breaks a rule, and no bit loop if asked for."""
