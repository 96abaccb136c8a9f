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

class GroupedLayer:
    """A layer whose inputs share in that many groups, which are accumulated one after the other.

    At first sharing is greedy. With `by_sign`, positive and negative terms are summed apart.
    """

    def __init__(
        self,
        matrix: NDArray[np.int64],
        ranges: NDArray[np.int64],
        *,
        groups: int,
        by_sign: bool,
        threads: int,
    ) -> None: ...
    def search(self, steps: int, *, seed: int) -> None:
        """Shares more by that many steps of search in all."""

    def solve(
        self, costs: NDArray[np.int64], *, by_value: bool, budget_bits: int, resident: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], int, int]:
        """Tables of nodes and outputs, AP cycles besides shifting, and the most bits of a row alive at a time.

        `costs` is passes.adder_graphs.cost.cost_table(). With `by_value`, shared values are added to all sums at once.
        Of several widths of partial sums, the cheapest that fits the budget is taken.
        """

def evaluate(
    ranges: NDArray[np.int64],
    nodes: NDArray[np.int32],
    outputs: NDArray[np.int32],
    costs: NDArray[np.int64],
    *,
    resident: bool,
) -> tuple[int, int]:
    """AP cycles besides shifting, and the most bits of a row that are alive at a time."""
