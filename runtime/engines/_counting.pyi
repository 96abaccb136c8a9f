import numpy as np
from numpy.typing import NDArray

def count(
    planes: NDArray[np.uint64],
    ones: NDArray[np.uint64],
    zeros: NDArray[np.uint64],
    factors: NDArray[np.int64],
    sums: NDArray[np.int64],
    threads: int,
) -> None:
    """Adds to sums (outputs, rows) the tags of searches of planes (bits, rows, words) with weights (outputs, words)."""

def pack(
    inputs: NDArray[np.signedinteger],
    features: NDArray[np.int64],
    places: NDArray[np.int64],
    planes: NDArray[np.uint64],
    threads: int,
) -> None:
    """The bits of inputs (rows, features) into planes (bits, rows, words): a feature is a bit of its row's words."""

def matches(cares: NDArray[np.int64], bits: NDArray[np.int64], found: NDArray[np.uint16]) -> None:
    """Adds to each key how many rows of a table match it."""
