import numpy as np
from numpy.typing import NDArray

def run(
    code: NDArray[np.uint64],
    segments: NDArray[np.int32],
    table: NDArray[np.uint8],
    starts: NDArray[np.int32],
    columns: int,
    domains: int,
    inputs: NDArray[np.int64],
    outputs: NDArray[np.int64],
    threads: int,
) -> list[int]:
    """Run code (instructions, 2 words) on inputs (vectors, rows) into outputs; returns each segment's written cells."""

def static_counts(
    code: NDArray[np.uint64],
    segments: NDArray[np.int32],
    table: NDArray[np.uint8],
    starts: NDArray[np.int32],
    columns: int,
    domains: int,
) -> list[list[int]]:
    """Counts of each segment that don't depend on the data; the order is that of runtime/engine.py."""
