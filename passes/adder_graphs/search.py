"""Adder graphs of few additions: common subexpressions of the outputs are computed once.

    outputs  x0 + x1 - x2        %3 = %0 + %1
             x0 + x1 + x2        %4 = %3 - %2
                                 %5 = %3 + %2

The search is native (passes/native/adder_graphs): greedy sharing of signed, shifted pairs of terms, then ruin and
recreate, then every output's remaining terms are summed narrowest first. Dense matrices are also tried as differences
along a spanning tree of their rows. Here arguments are checked and results proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.apv.adder_graph import AdderGraph
from dialects.support.ranges import Range
from passes import _adder_graphs
from passes.adder_graphs.cost import range_table
from passes.adder_graphs.sums import checked_weights, signed_digits

TRIALS_PER_DIGIT = 4
"""Trials that one unit of effort spends for each non-zero digit of a matrix."""

MOST_TRIALS = 40_000
"""Trials that one unit of effort spends at most on a matrix: further ones gain little on large ones."""


class Kernel(NamedTuple):
    """A constant matrix (outputs, inputs) and the range of each input."""

    matrix: NDArray[Any]
    inputs: Sequence[Range]


def share(matrix: NDArray[Any], inputs: Sequence[Range], *, effort: int = 1, seed: int = 0) -> AdderGraph:
    """An adder graph for `matrix` (outputs, inputs; integers within 2**30) with shared subexpressions.

    Effort 0 is greedy only; the time of the search grows in proportion to the effort. The same arguments give the
    same graph. ValueError where the arguments don't fit each other. Nodes come where they are first needed, output by
    output.
    """
    return share_many([Kernel(matrix, inputs)], effort=effort, seed=seed)[0]


def share_many(kernels: Sequence[Kernel], *, effort: int = 1, seed: int = 0, threads: int = 1) -> list[AdderGraph]:
    """`share` of every kernel, several at a time; the number of threads never changes a result."""
    if effort < 0 or threads < 1:
        raise ValueError(f"expected effort >= 0 and threads >= 1, found {effort} and {threads}")
    weights = [checked_weights(kernel.matrix, kernel.inputs) for kernel in kernels]
    ranges = [range_table(kernel.inputs) for kernel in kernels]
    trials = [effort * min(TRIALS_PER_DIGIT * len(signed_digits(matrix).rows), MOST_TRIALS) for matrix in weights]
    tables = _adder_graphs.share_many(weights, ranges, trials, seed=seed % (1 << 64), threads=threads)
    graphs: list[AdderGraph] = []
    for kernel, matrix, (nodes, outputs) in zip(kernels, weights, tables, strict=True):
        graph = AdderGraph.of(kernel.inputs, nodes, outputs)
        prove(graph, matrix)
        graphs.append(graph)
    return graphs


def prove(graph: AdderGraph, matrix: NDArray[Any]) -> None:
    """RuntimeError unless `graph` computes `matrix` (outputs, inputs), by propagation of coefficient vectors."""
    if problem := graph.problem():
        raise RuntimeError(f"internal error: malformed adder graph: {problem}")
    found = graph.coefficients()
    if found.shape != matrix.shape:
        raise RuntimeError(f"internal error: adder graph of shape {found.shape} for a matrix {matrix.shape}")
    wrong = np.argwhere(found != matrix)
    if len(wrong):
        output, column = wrong[0].tolist()
        raise RuntimeError(
            f"internal error: the adder graph has {len(wrong)} wrong coefficients: output {output}, input {column} "
            f"is {found[output, column]}, expected {matrix[output, column]}"
        )
