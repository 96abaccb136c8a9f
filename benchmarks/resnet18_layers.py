"""ResNet-18's layers, random ternary with 80% zeros: additions, AP cycles and live bits of their adder graphs.

    python benchmarks/resnet18_layers.py [--effort N] [--threads N] [--budget PERCENT]
                                         [--curve] [--budgets] [--additions]

Under 256 columns of 64 domains, less two reserved columns and 10% for fragmentation. Layers are split into parts of
their outputs, which read the inputs again: the bits that are moved are shown. What counts are AP cycles alone, as with
`camc compile --objective cycles`; shifts are those of benchmarks/pipelines.py. `date24` is the flow of the DATE 2024
paper on the same cost model: one kernel per input channel, greedy sharing inside, accumulation in place at the width
of the final accumulator. Seconds include everything, the proofs too. --curve repeats with every effort, --budgets with
other shares of a row; --additions shows what is reached where memory is unlimited and additions are counted.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.machine.isa import NO_CELL, ZERO, Instruction, Op, Operand, passes_count
from dialects.support.ranges import Range
from passes.adder_graphs.kernel_groups import EFFORTS, Candidate, Options, choose, evaluate, grouped
from passes.adder_graphs.layer_split import SplitOptions, output_parts, planned
from passes.adder_graphs.search import Kernel, prove, share_many
from passes.adder_graphs.sums import unshared

BITS = (256 - 2) * 64
BITS_SHARE = 90
"""Percent of a row's bits that graphs may take."""
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
        cycles += evaluate(graph).cycles
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


class Solved(NamedTuple):
    """A layer in parts: sums over them, and what it took."""

    parts: int
    additions: int
    cycles: int
    live_bits: int
    moved_bits: int
    """of a row, into the array and out of it"""
    seconds: float
    prove_seconds: float


class Optimizer:
    """What apv-split and apv-share do, layer by layer, on numpy matrices."""

    def __init__(self, effort: int, threads: int, budget: int):
        self.budget, self.effort, self.threads = budget, effort, threads
        self.parts_by_shape: dict[tuple[int, ...], int] = {}

    def solve(self, matrix: Matrix, shape: Shape) -> Solved:
        """The layer's graphs, proved."""
        inputs = [shape.span] * matrix.shape[1]
        begin = time.perf_counter()
        if matrix.shape not in self.parts_by_shape:
            self.parts_by_shape[matrix.shape] = output_parts(matrix, inputs, SplitOptions(planned(self.budget)))
        parts = np.array_split(matrix, self.parts_by_shape[matrix.shape])
        options = Options(self.budget, self.effort)
        with ThreadPoolExecutor(self.threads) as pool:
            first = self._fitting(choose(parts[0], inputs, options), shape)
            rest = pool.map(lambda part: choose(part, inputs, options, first.grouping), parts[1:])
            found = [first, *(self._fitting(one, shape) for one in rest)]
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        for part, candidate in zip(parts, found, strict=True):
            prove(candidate.graph, part)
        proof = time.perf_counter() - begin
        read = sum(int(part.any(axis=0).sum()) for part in parts) * shape.span.width
        return Solved(
            len(parts),
            sum(one.additions for one in found),
            sum(one.cycles for one in found),
            max(one.live_bits for one in found),
            read + len(matrix) * UNSIGNED.width,
            seconds,
            proof,
        )

    def _fitting(self, found: Candidate | None, shape: Shape) -> Candidate:
        if found is None:
            raise SystemExit(f"{shape.name} doesn't fit {self.budget} bits")
        return found


def table(effort: int, threads: int, budget: int) -> None:
    print(f"effort {effort}, {threads} threads, {budget} bits per row; additions, cycles and moved bits in thousands")
    print(f"{'layer':<12} {'outputs x inputs':>16} unshared  date24   ours  bound   ", end="")
    print("cycles: date24   ours  ratio  live parts moved     s")
    optimizer, total = Optimizer(effort, threads, budget), np.zeros(8)
    for name, shape, matrix in layers():
        before = evaluate(unshared(matrix, [shape.span] * matrix.shape[1]))
        date_additions, date_cycles = date24(matrix, shape)
        ours = optimizer.solve(matrix, shape)
        total += (
            before.additions,
            date_additions,
            ours.additions,
            date_cycles,
            ours.cycles,
            ours.moved_bits,
            ours.seconds,
            ours.prove_seconds,
        )
        print(
            f"{name:<12} {matrix.shape[0]:>7} x {matrix.shape[1]:<6} {before.additions / 1e3:8.1f} "
            f"{date_additions / 1e3:7.1f} {ours.additions / 1e3:6.1f} {bound(matrix) / 1e3:6.2f} "
            f"{date_cycles / 1e3:16.0f} {ours.cycles / 1e3:6.0f} {ours.cycles / date_cycles:6.3f} {ours.live_bits:5} "
            f"{ours.parts:5} {ours.moved_bits / 1e3:5.0f} {ours.seconds:5.2f}",
            flush=True,
        )
    print(
        f"{'total':<29} {total[0] / 1e3:8.1f} {total[1] / 1e3:7.1f} {total[2] / 1e3:6.1f} {total[3] / 1e3:23.0f} "
        f"{total[4] / 1e3:6.0f} {total[4] / total[3]:6.3f} {'':11} {total[5] / 1e3:5.0f} {total[6]:5.2f}"
    )
    print(f"with a cycle for each moved bit, date24's inputs for nothing: {(total[4] + total[5]) / total[3]:.3f}")
    print(f"proofs: {total[7]:.2f} s, {100 * total[7] / total[6]:.1f}% of the optimiser's time")


def curve(threads: int, budget: int) -> None:
    print("effort: seconds, cycles in thousands")
    for effort in range(len(EFFORTS)):
        optimizer = Optimizer(effort, threads, budget)
        found = [optimizer.solve(matrix, shape) for _, shape, matrix in layers()]
        cycles, seconds = sum(one.cycles for one in found), sum(one.seconds for one in found)
        print(f"{effort}: {seconds:.1f} s, {cycles / 1e3:.0f}", flush=True)


def budgets(effort: int, threads: int) -> None:
    print("share of a row's bits: cycles in thousands")
    for share in (70, 80, 90, 95, 99):
        optimizer = Optimizer(effort, threads, BITS * share // 100)
        cycles = sum(optimizer.solve(matrix, shape).cycles for _, shape, matrix in layers())
        print(f"{share}%: {cycles / 1e3:.0f}", flush=True)


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
    parser.add_argument("--budget", type=int, default=BITS_SHARE, help="share of a row's bits, in percent")
    parser.add_argument("--curve", action="store_true", help="seconds and cycles of every effort")
    parser.add_argument("--budgets", action="store_true", help="cycles for several shares of a row's bits")
    parser.add_argument("--additions", action="store_true", help="additions where memory is unlimited")
    arguments = parser.parse_args()
    budget = BITS * arguments.budget // 100
    table(arguments.effort, arguments.threads, budget)
    if arguments.additions:
        unlimited(arguments.effort, arguments.threads)
    if arguments.curve:
        curve(arguments.threads, budget)
    if arguments.budgets:
        budgets(arguments.effort, arguments.threads)


if __name__ == "__main__":
    main()
