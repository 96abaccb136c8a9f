"""Adder graphs of few additions for constant integer matrices (native; sources in passes/native)."""

import numpy as np
from numpy.typing import NDArray

def share_many(
    matrices: list[NDArray[np.int64]],
    ranges: list[NDArray[np.int64]],
    steps: list[int],
    *,
    seed: int,
    threads: int,
) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Node and output tables for matrices (outputs, inputs) and ranges (inputs, 2).

    After greedy sharing, each kernel's number of steps of search follows. Neither threads nor repetition change the
    result.
    """

def coefficients(inputs: int, nodes: NDArray[np.int32], outputs: NDArray[np.int32]) -> NDArray[np.int64]:
    """The matrix (outputs, inputs) that tables of nodes and outputs compute, modulo 2**64."""
