"""Additions and seconds of adder graphs: random ternary and int8 matrices, trained weights, and peers.

    python benchmarks/adder_graphs.py [--large] [--peers] [--effort N] [--model MODEL.onnx]

Ternary matrices have 80% zeros, inputs are 4 bits wide. Compares no sharing, our greedy stage and our search with da4ml
and alkaid where they are installed. Every graph of ours is proved; seconds include the proof. Sizes are inputs x
outputs; the bundled digits network's weights are always there, those of a model's integer or ternary initialisers if
one is given.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dialects.ranges import Range
from passes.adder_graph_search import share, share_stats
from passes.adder_graph_sums import unshared

SMALL = ((9, 512), (49, 64), (144, 64), (36, 256), (576, 64))
LARGE = ((1152, 128), (2304, 256), (4608, 512))
INT8 = ((9, 16), (16, 64), (64, 64))
INPUT = Range(0, 15)
DIGITS = Path(__file__).resolve().parents[1] / "cam_compiler" / "bundled" / "digits_mlp_qdq.onnx"


def random_ternary(inputs: int, outputs: int) -> NDArray[np.int64]:
    """The matrix (outputs, inputs) of a size, always the same."""
    return np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(outputs, inputs))


def random_int8(inputs: int, outputs: int) -> NDArray[np.int64]:
    """Weights of 8 bits, which become canonical signed digits."""
    return np.random.default_rng(0).integers(-127, 128, size=(outputs, inputs))


def trained(path: Path) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The weights of a model that are integers, or floats of which each output's are -a, 0 and a; (outputs, inputs)."""
    for tensor in onnx.load(path).graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim < 2 or weights.dtype.kind not in "if":
            continue
        matrix = weights.reshape(len(weights), -1)
        if weights.dtype.kind == "f":
            sizes = np.abs(matrix).max(axis=1, keepdims=True)
            if not ((matrix == 0) | (np.abs(matrix) == sizes)).all():
                continue
            matrix = np.sign(matrix)
        yield tensor.name, np.ascontiguousarray(matrix, dtype=np.int64)


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
    parser.add_argument("--model", type=Path, help="an ONNX model whose weights are tried, too")
    arguments = parser.parse_args()
    effort = arguments.effort
    solvers = {"no sharing": without_sharing, "greedy": ours(0), f"search, effort {effort}": ours(effort)}
    peers = {"da4ml": peer("da4ml.cmvm", "solve"), "alkaid": peer("alkaid.cmvm", "cmvm_solve")}
    for name, matrix, small in matrices(arguments.large, arguments.model):
        for solver, solve in (solvers | (peers if arguments.peers and small else {})).items():
            print(f"{name:>22}  {solver:<18} {solve(matrix)}", flush=True)


def matrices(large: bool, model: Path | None) -> Iterator[tuple[str, NDArray[np.int64], bool]]:
    """Name, matrix (outputs, inputs), and whether the peers can do it within a minute."""
    for inputs, outputs in SMALL + (LARGE if large else ()):
        yield f"ternary {inputs}x{outputs}", random_ternary(inputs, outputs), (inputs, outputs) in SMALL
    for inputs, outputs in INT8:
        yield f"int8 {inputs}x{outputs}", random_int8(inputs, outputs), True
    for path in (DIGITS, *([model] if model else [])):
        for name, matrix in trained(path):
            yield f"{name} {matrix.shape[1]}x{matrix.shape[0]}", matrix, matrix.size < 40_000


if __name__ == "__main__":
    main()
