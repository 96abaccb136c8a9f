"""Scheduling and placement of straight-line code (native; sources in passes/native/placing)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Method = tuple[int, bool, int, int, int]
"""window, bundles, fit (spread, tight, packed), weights of a step to a value and of a crowded column"""

Tables = tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32], list[int]]
"""the binary code, names and values as in dialects/rtm/placed.py, and the instructions of each segment"""

TooSmall = tuple[int, int, int]
"""where no method finds places: bits that had none, bits of the widest value, the most live bits of a row"""

def place_operations(
    *,
    operations: NDArray[np.int64],
    spans: NDArray[np.int64],
    thresholds: NDArray[np.int64],
    full: bool,
    by_output: bool,
    limit: int,
    segments: int,
    columns: int,
    domains: int,
    choices: Sequence[Method],
    objective: str,
    threads: int,
) -> Tables | TooSmall:
    """Operations as in passes/placing/vector_code.py, scheduled and placed by the best method."""

def place_across(
    *,
    operations: NDArray[np.int64],
    spans: NDArray[np.int64],
    thresholds: NDArray[np.int64],
    places: NDArray[np.int64],
    standing: int,
    segments: int,
    columns: int,
    domains: int,
    first: int,
) -> Tables | TooSmall:
    """Operations in their order, values across columns: at a column and domain, or, with -1, from column `first` on.

    Values below `standing` are continued in place by one another only.
    """

def place_code(
    *,
    words: NDArray[np.uint64],
    names: NDArray[np.int32],
    values: NDArray[np.int32],
    segments: Sequence[int],
    columns: int,
    domains: int,
    choices: Sequence[Method],
    objective: str,
    threads: int,
) -> Tables | TooSmall:
    """Placed code, its values numbered from 0 on, scheduled and placed anew."""
