"""Additions and seconds of adder graphs for random ternary matrices with 80% zeros and 4-bit inputs.

    python benchmarks/adder_graphs.py [--large] [--peers] [--effort N]

Compares no sharing, our greedy stage and our search with da4ml and alkaid where they are installed. Every graph of
ours is proved; seconds include the proof. Sizes are inputs x outputs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dialects.ranges import Range
from passes.adder_graph_search import share, share_stats
from passes.adder_graph_sums import unshared

SMALL = ((9, 512), (49, 64), (144, 64), (36, 256), (576, 64))
LARGE = ((1152, 128), (2304, 256), (4608, 512))
INPUT = Range(0, 15)


def random_ternary(inputs: int, outputs: int) -> NDArray[np.int64]:
    """The matrix (outputs, inputs) of a size, always the same."""
    return np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(outputs, inputs))


def ours(effort: int) -> Callable[[NDArray[np.int64]], str]:
    def solve(matrix: NDArray[np.int64]) -> str:
        begin = time.perf_counter()
        graph = share(matrix, [INPUT] * matrix.shape[1], effort=effort)
        seconds = time.perf_counter() - begin
        stats = share_stats(matrix, graph)
        return f"{stats.additions} adds, {stats.bits} bits, {seconds:.3f} s"

    return solve


def without_sharing(matrix: NDArray[np.int64]) -> str:
    begin = time.perf_counter()
    graph = unshared(matrix, [INPUT] * matrix.shape[1])
    seconds = time.perf_counter() - begin
    stats = share_stats(matrix, graph)
    return f"{stats.additions} adds, {stats.bits} bits, {seconds:.3f} s"


def peer(module: str, function: str) -> Callable[[NDArray[np.int64]], str]:
    """A peer's best preset; its operations 0 and 1 are additions and subtractions."""

    def solve(matrix: NDArray[np.int64]) -> str:
        try:
            solver: Any = getattr(importlib.import_module(module), function)
        except ImportError:
            return "not installed"
        ranges = [(float(INPUT.lo), float(INPUT.hi), 1.0)] * matrix.shape[1]
        begin = time.perf_counter()
        solution = solver(np.ascontiguousarray(matrix.T, dtype=np.float32), qintervals=ranges)
        seconds = time.perf_counter() - begin
        stages: Iterable[Any] = getattr(solution, "solutions", solution)
        additions = sum(operation.opcode in (0, 1) for stage in stages for operation in stage.ops)
        return f"{additions} adds, {seconds:.3f} s"

    return solve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also the sizes of a ResNet's late layers")
    parser.add_argument("--peers", action="store_true", help="also da4ml and alkaid, which take a minute")
    parser.add_argument("--effort", type=int, default=1, help="of the search")
    arguments = parser.parse_args()
    effort = arguments.effort
    solvers = {"no sharing": without_sharing, "greedy": ours(0), f"search, effort {effort}": ours(effort)}
    peers = {"da4ml": peer("da4ml.cmvm", "solve"), "alkaid": peer("alkaid.cmvm", "cmvm_solve")}
    for inputs, outputs in SMALL + (LARGE if arguments.large else ()):
        matrix = random_ternary(inputs, outputs)
        small = (inputs, outputs) in SMALL
        for name, solve in (solvers | (peers if arguments.peers and small else {})).items():
            print(f"{f'{inputs}x{outputs}':>10}  {name:<18} {solve(matrix)}", flush=True)


if __name__ == "__main__":
    main()
