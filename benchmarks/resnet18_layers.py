"""ResNet-18's layers, random ternary with 80% zeros: additions, AP cycles and live bits of their adder graphs.

    python benchmarks/resnet18_layers.py [--effort N] [--threads N] [--curve] [--additions]

Under 256 columns of 64 domains, less two reserved columns and 10% for fragmentation. `date24` is the flow of the DATE
2024 paper on the same cost model: one kernel per input channel, greedy sharing inside, accumulation in place at the
width of the final accumulator. Seconds include everything, the proofs too. --curve repeats with every effort;
--additions shows what is reached where memory is unlimited and additions are counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dialects.isa import NO_CELL, ZERO, Instruction, Op, Operand, passes_count
from dialects.ranges import Range
from passes.adder_graph_search import Kernel, prove, share_many
from passes.adder_graph_sums import unshared
from passes.kernel_groups import EFFORTS, Candidate, Options, choose, evaluate, grouped

BUDGET_BITS = (256 - 2) * 64 * 9 // 10
UNSIGNED, SIGNED = Range(0, 15), Range(-128, 127)


class Shape(NamedTuple):
    """Layers of one shape: kernel size k x k, `count` times."""

    name: str
    outputs: int
    channels: int
    k: int
    count: int = 1
    span: Range = UNSIGNED


SHAPES = (
    Shape("conv1", 64, 3, 7, span=SIGNED),
    Shape("layer1", 64, 64, 3, 4),
    Shape("layer2.0", 128, 64, 3),
    Shape("layer2", 128, 128, 3, 3),
    Shape("layer2.down", 128, 64, 1),
    Shape("layer3.0", 256, 128, 3),
    Shape("layer3", 256, 256, 3, 3),
    Shape("layer3.down", 256, 128, 1),
    Shape("layer4.0", 512, 256, 3),
    Shape("layer4", 512, 512, 3, 3),
    Shape("layer4.down", 512, 256, 1),
    Shape("fc", 1000, 512, 1),
)

Matrix = NDArray[np.int64]


def layers() -> list[tuple[str, Shape, Matrix]]:
    """Every layer with its matrix (outputs, inputs), always the same."""
    rng = np.random.default_rng(18)
    found: list[tuple[str, Shape, Matrix]] = []
    for shape in SHAPES:
        for number in range(shape.count):
            size = (shape.outputs, shape.channels * shape.k * shape.k)
            matrix = rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=size)
            name = f"{shape.name}.{number + 1}" if shape.count > 1 else shape.name
            found.append((name, shape, matrix))
    return found


def date24(matrix: Matrix, shape: Shape) -> tuple[int, int]:
    """Additions and cycles of the paper's flow."""
    area, span = shape.k * shape.k, shape.span
    inputs = [span] * area
    kernels = [Kernel(matrix[:, begin : begin + area], inputs) for begin in range(0, matrix.shape[1], area)]
    positive, negative = (matrix > 0).sum(axis=1), (matrix < 0).sum(axis=1)
    widths = [
        Range(int(p * span.lo - n * span.hi), int(p * span.hi - n * span.lo)).width
        for p, n in zip(positive, negative, strict=True)
    ]
    additions = cycles = 0
    started = np.zeros(len(matrix), dtype=bool)
    for graph in share_many(kernels, effort=0, threads=2):
        additions += len(graph.node_table)
        cycles += evaluate(graph, area).cycles
        for output, (ref, _, _) in enumerate(graph.outputs):
            if ref >= 0:
                cycles += accumulation(graph.ranges[ref], widths[output], not started[output])
                additions += int(started[output])
                started[output] = True
    return additions, cycles


def accumulation(span: Range, width: int, first: bool) -> int:
    """Cycles of adding a value to an accumulator; the first one is copied."""
    source = Operand(width=span.width, signed=span.signed)
    return sum(passes_count(Instruction(Op.COPY if first else Op.ADD_IP, NO_CELL, width, source, ZERO)))


def bound(matrix: Matrix) -> int:
    """A lower bound on additions: rows of two terms or more that differ in more than sign and scale."""
    rows = map(tuple, matrix[(matrix != 0).sum(axis=1) > 1].tolist())
    return len({max(row, tuple(-entry for entry in row)) for row in rows})


class Result(NamedTuple):
    """A layer's numbers."""

    unshared: Candidate
    date_additions: int
    date_cycles: int
    best: Candidate
    seconds: float
    prove_seconds: float


def solve(matrix: Matrix, shape: Shape, effort: int, threads: int) -> tuple[Candidate, float, float]:
    """The chosen graph, seconds in all, and seconds of its proof."""
    inputs = [shape.span] * matrix.shape[1]
    begin = time.perf_counter()
    best = choose(matrix, inputs, Options(BUDGET_BITS, effort, threads=threads))
    seconds = time.perf_counter() - begin
    if best is None:
        raise SystemExit(f"{shape.name} doesn't fit {BUDGET_BITS} bits")
    begin = time.perf_counter()
    prove(best.graph, matrix)
    return best, seconds, time.perf_counter() - begin


def table(effort: int, threads: int) -> None:
    print(f"effort {effort}, {threads} threads, {BUDGET_BITS} bits a row; additions and cycles in thousands")
    print(f"{'layer':<14} {'outputs x inputs':>16}  unshared  date24   ours  bound   ", end="")
    print("cycles: date24    ours  ratio  live  group     s")
    total = np.zeros(7)
    for name, shape, matrix in layers():
        before = evaluate(unshared(matrix, [shape.span] * matrix.shape[1]), 0)
        date_additions, date_cycles = date24(matrix, shape)
        best, seconds, proof = solve(matrix, shape, effort, threads)
        lower = bound(matrix)
        row = (before.additions, date_additions, best.additions, date_cycles, best.cycles, seconds, proof)
        total += row
        size = f"{matrix.shape[0]} x {matrix.shape[1]}"
        print(
            f"{name:<14} {size:>16}  {row[0] / 1e3:8.1f} {row[1] / 1e3:7.1f} {row[2] / 1e3:6.1f} {lower / 1e3:6.2f} "
            f"{row[3] / 1e3:16.0f} {row[4] / 1e3:7.0f} {row[4] / row[3]:6.3f} {best.live_bits:5} {best.group:6} "
            f"{seconds:5.2f}",
            flush=True,
        )
    print(
        f"{'total':<31}  {total[0] / 1e3:8.1f} {total[1] / 1e3:7.1f} {total[2] / 1e3:6.1f} {'':6} "
        f"{total[3] / 1e3:16.0f} {total[4] / 1e3:7.0f} {total[4] / total[3]:6.3f} {'':12} {total[5]:5.2f}"
    )
    print(f"proofs: {total[6]:.2f} s, {100 * total[6] / total[5]:.1f}% of the optimiser's time")


def curve(threads: int) -> None:
    print("effort: seconds, cycles in thousands")
    for effort in range(len(EFFORTS)):
        found = [solve(matrix, shape, effort, threads)[:2] for _, shape, matrix in layers()]
        cycles = sum(best.cycles for best, _ in found)
        print(f"{effort}: {sum(seconds for _, seconds in found):.1f} s, {cycles / 1e3:.0f}", flush=True)


def unlimited(effort: int, threads: int) -> None:
    """All inputs in one group: the fewest additions, and the fewest cycles, where memory is no matter."""
    for by_sign in (False, True):
        begin = time.perf_counter()
        additions = cycles = 0
        for _, shape, matrix in layers():
            inputs = [shape.span] * matrix.shape[1]
            best = grouped(matrix, inputs, len(inputs), Options(0, effort, threads=threads), by_sign)
            additions, cycles = additions + best.additions, cycles + best.cycles
        kind = "signs apart" if by_sign else "signs together"
        print(
            f"memory unlimited, {kind}: {additions / 1e3:.1f} thousand additions, {cycles / 1e3:.0f} thousand cycles, "
            f"{time.perf_counter() - begin:.1f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effort", type=int, default=1, help="0 to 3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--curve", action="store_true", help="seconds and cycles of every effort")
    parser.add_argument("--additions", action="store_true", help="additions where memory is unlimited")
    arguments = parser.parse_args()
    table(arguments.effort, arguments.threads)
    if arguments.additions:
        unlimited(arguments.effort, arguments.threads)
    if arguments.curve:
        curve(arguments.threads)


if __name__ == "__main__":
    main()
