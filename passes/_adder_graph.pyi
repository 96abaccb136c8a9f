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

def share_layer(
    matrix: NDArray[np.int64],
    ranges: NDArray[np.int64],
    costs: NDArray[np.int64],
    *,
    groups: int,
    by_sign: bool,
    by_value: bool,
    budget_bits: int,
    resident: bool,
    steps: int,
    seed: int,
    threads: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Tables for a layer whose inputs share in that many groups, which are accumulated one after the other.

    `costs` is passes.adder_graph_cost.cost_table(); `steps` of search are spent in all. With `by_sign`, positive and
    negative terms are summed apart; with `by_value`, shared values are added to all sums at once. Of several widths of
    partial sums, the cheapest that fits the budget is taken.
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

def coefficients(inputs: int, nodes: NDArray[np.int32], outputs: NDArray[np.int32]) -> NDArray[np.int64]:
    """The matrix (outputs, inputs) that tables of nodes and outputs compute, modulo 2**64."""
