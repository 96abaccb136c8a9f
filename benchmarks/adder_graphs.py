"""Additions and seconds of adder graphs: random ternary and 8-bit matrices, trained weights, and peers.

    python benchmarks/adder_graphs.py [--large] [--peers] [--slow-peers] [--effort N] [--curve] [MODEL.onnx ...]

Ternary matrices have 80% zeros, inputs are 4 bits wide; sizes are inputs x outputs. Compares no sharing, our greedy
stage and our search with the best presets of da4ml and alkaid (`pip install .[bench]`) on the same matrices in the same
run. Every graph of ours is proved; seconds include the proof. `bound` is a lower bound: distinct outputs of two terms
or more; `/bound` is how far our search is from it. `speed` is how many times faster than the faster peer we reach the
better peer's number of additions, or one within 0.5% of it. Trained weights are those of the bundled networks and of
the models that are given.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cam_compiler.compile import compile_file
from dialects import ternary
from dialects.support.ranges import Range
from passes.adder_graphs.search import share
from passes.adder_graphs.sums import unshared

SMALL = ((9, 64), (9, 128), (9, 256), (9, 512), (49, 64), (144, 64), (36, 256), (576, 64))
LARGE = ((1152, 128), (2304, 256), (4608, 512))
INT8 = ((9, 16), (16, 64), (64, 64))
INPUT = Range(0, 15)
BUNDLED = Path(__file__).resolve().parents[1] / "cam_compiler" / "bundled"
PEERS = {"da4ml": ("da4ml.cmvm", "solve"), "alkaid": ("alkaid.cmvm", "cmvm_solve")}
PEER_TERMS, SLOW_PEER_TERMS = 10_000, 40_000
"""Non-zero digits that a peer does within a minute, and within some minutes."""

Matrix = NDArray[np.int64]


class Solution(NamedTuple):
    """Additions of a graph, and seconds that it took."""

    additions: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.additions:7} {self.seconds:8.3f}"


def random_ternary(inputs: int, outputs: int) -> Matrix:
    """The matrix (outputs, inputs) of a size, always the same."""
    return np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(outputs, inputs))


def random_int8(inputs: int, outputs: int) -> Matrix:
    """Weights of 8 bits, which become canonical signed digits."""
    return np.random.default_rng(0).integers(-127, 128, size=(outputs, inputs))


def trained(path: Path) -> Iterator[tuple[str, Matrix]]:
    """The integer weights (outputs, inputs) of a model's layers, as the importer finds them."""
    module, _ = compile_file(path, stop_after="ternary")
    for number, op in enumerate(module.walk()):
        if isinstance(op, ternary.MatmulOp | ternary.ConvOp):
            yield f"{path.stem} {op.layer.data if op.layer else number}", op.weights.data.array


def bound(matrix: Matrix) -> int:
    """Distinct outputs, up to sign, that have two terms or more: each takes an addition of its own."""
    rows = map(tuple, matrix[(matrix != 0).sum(axis=1) > 1].tolist())
    return len({max(row, tuple(-entry for entry in row)) for row in rows})


def ours(matrix: Matrix, effort: int) -> Solution:
    begin = time.perf_counter()
    graph = share(matrix, [INPUT] * matrix.shape[1], effort=effort)
    return Solution(len(graph.node_table), time.perf_counter() - begin)


def peer(name: str, matrix: Matrix) -> Solution | None:
    """A peer's best preset; its operations 0 and 1 are additions and subtractions. None if it isn't installed."""
    module, function = PEERS[name]
    try:
        solver: Any = getattr(importlib.import_module(module), function)
    except ImportError:
        return None
    ranges = [(float(INPUT.lo), float(INPUT.hi), 1.0)] * matrix.shape[1]
    begin = time.perf_counter()
    solution = solver(np.ascontiguousarray(matrix.T, dtype=np.float32), qintervals=ranges)
    seconds = time.perf_counter() - begin
    stages: Iterable[Any] = getattr(solution, "solutions", solution)
    return Solution(sum(operation.opcode in (0, 1) for stage in stages for operation in stage.ops), seconds)


def compared(found: list[Solution], peers: list[Solution]) -> str:
    """Additions relative to the better peer's, and how many times faster these are reached."""
    if not peers:
        return ""
    fewest = min(one.additions for one in peers)
    fast = [one.seconds for one in found if one.additions <= 1.005 * fewest]
    speed = f"{min(one.seconds for one in peers) / min(fast):7.0f}" if fast else "      -"
    return f" {min(one.additions for one in found) / fewest:6.3f} {speed}"


def line(name: str, matrix: Matrix, effort: int, most_terms: int) -> None:
    """A row of the table."""
    plain = len(unshared(matrix, [INPUT] * matrix.shape[1]).node_table)
    found = [ours(matrix, 0), ours(matrix, effort)]
    lower = bound(matrix)
    few = plain <= most_terms
    peers = {name: peer(name, matrix) if few else None for name in PEERS} if most_terms else {}
    columns = "".join(f" {one}" if one else f" {'-':>7} {'-':>8}" for one in peers.values())
    print(
        f"{name:<34} {plain:8} {lower:6} {found[0]} {found[1]} {found[1].additions / max(1, lower):6.2f}{columns}"
        f"{compared(found, [one for one in peers.values() if one])}",
        flush=True,
    )


def matrices(large: bool, models: list[Path]) -> Iterator[tuple[str, Matrix]]:
    for inputs, outputs in SMALL + (LARGE if large else ()):
        yield f"ternary {inputs}x{outputs}", random_ternary(inputs, outputs)
    for inputs, outputs in INT8:
        yield f"8 bits {inputs}x{outputs}", random_int8(inputs, outputs)
    for path in (BUNDLED / "digits_mlp_qdq.onnx", BUNDLED / "digits_cnn_qdq.onnx", *models):
        for name, matrix in trained(path):
            yield f"{name} {matrix.shape[1]}x{matrix.shape[0]}", matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also the sizes of a ResNet's late layers")
    parser.add_argument("--peers", action="store_true", help="also da4ml and alkaid, which take a minute")
    parser.add_argument("--slow-peers", action="store_true", help="peers on larger matrices, too: minutes each")
    parser.add_argument("--effort", type=int, default=1, help="of the search")
    parser.add_argument("--curve", action="store_true", help="only additions and seconds of every effort up to 8")
    parser.add_argument("models", nargs="*", type=Path, help="ONNX models whose weights are tried, too")
    arguments = parser.parse_args()
    if arguments.curve:
        for name, matrix in matrices(False, arguments.models):
            print(f"{name:<34}", *(f" {effort}: {ours(matrix, effort)}" for effort in (0, 1, 2, 4, 8)), flush=True)
        return
    most_terms = SLOW_PEER_TERMS if arguments.slow_peers else PEER_TERMS if arguments.peers else 0
    peers = "".join(f" {name:>7} {'s':>8}" for name in PEERS) + "  ratio   speed" if most_terms else ""
    head = f"{'matrix':<34} unshared  bound  greedy        s  search        s /bound"
    print(head + peers)
    for name, matrix in matrices(arguments.large, arguments.models):
        line(name, matrix, arguments.effort, most_terms)


if __name__ == "__main__":
    main()
