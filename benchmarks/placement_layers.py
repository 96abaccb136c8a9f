"""What placement and bit loops save, layer by layer: five ways to place the same adder graphs.

    python benchmarks/placement_layers.py MODEL.onnx [--samples N] [--target T] [-O N]

    packed    values one after another, one instruction per bit loop: the naive way
    columns   every value in the emptiest column, one instruction per bit loop: the paper's kind of allocation
    ordered   the same, and the values of each column in the order of ShiftsReduce (Khan et al., TACO 2019)
    placed    our placement, one instruction per bit loop
    loops     our placement and bit loops, the default pipeline

Of every layer (what works on the same rows; its parts together): steps in time, column steps times rows, cycles besides
shifting, columns that ever hold something, and the energy under two technology files, for the batch. At the end stand
the layers where `loops` is worse than one of the first three, and it exits with 1 if outputs differ or there is any.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import compile_file, read_module, target_for
from cam_compiler.execution import of_module
from cam_compiler.pipeline import PIPELINES, parse_passes, run_passes
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import edge_inputs
from dialects.machine.target import Target
from runtime.cost.report import Layer, make_report
from runtime.cost.technology import load_technology
from runtime.cost.wear import wear_of
from runtime.network import Network
from runtime.result import Result
from runtime.values import Value

WAYS = {
    "packed": "packed",
    "columns": "columns",
    "ordered": "shiftsreduce",
    "placed": ",".join(PIPELINES["packed"]).replace("{placement=packed}", ""),
    "loops": "default",
}
OTHERS = ("packed", "columns", "ordered")
"""than which `loops` must not be worse"""
TECHNOLOGIES = ("rtsim", "dwm")
HEADS = ("steps in time", "column steps x rows", "cycles", "columns", *(f"{name} [nJ]" for name in TECHNOLOGIES))
SHIFTS = (0, 1, 4, 5)
"""what must not be worse; cycles are those of the same graphs, columns are there to be used"""


class Cost(NamedTuple):
    """What a layer comes to; the numbers of HEADS."""

    steps: int = 0
    row_steps: int = 0
    cycles: int = 0
    columns: int = 0
    rtsim: float = 0.0
    dwm: float = 0.0

    def plus(self, other: Cost) -> Cost:
        sums = [a + b for a, b in zip(self, other, strict=True)]
        return Cost(*sums)._replace(columns=max(self.columns, other.columns))


def modules(path: Path, target_name: str | None, effort: int | None) -> tuple[dict[str, ModuleOp], Target]:
    """The network compiled in each way; what ways begin with in common is done once."""
    passes = {name: parse_passes(pipeline, effort) for name, pipeline in WAYS.items()}
    same = list(takewhile(lambda each: len(set(each)) == 1, zip(*passes.values(), strict=False)))
    module = read_module(path)
    target = target_for(module, target_name)
    run_passes(module, [each[0] for each in same], target)
    found: dict[str, ModuleOp] = {}
    for name, steps in passes.items():
        found[name] = module.clone()
        run_passes(found[name], steps[len(same) :], target)
    return found, target


def layers(result: Result, network: Network) -> dict[str, Cost]:
    """The costs of a run, by the largest segment of each program."""
    reports = [make_report(result, network, load_technology(name)).layers for name in TECHNOLOGIES]
    runs = zip(*reports, strict=True)
    found: dict[str, Cost] = {}
    for program in network.programs:
        name = program.layer
        columns = int((wear_of(program, network.target).writes.sum(axis=1) > 0).sum())
        for _ in program.segments:
            found[name] = found.get(name, Cost()).plus(_cost(next(runs), columns))
    return found


def _cost(segment: Sequence[Layer], columns: int) -> Cost:
    counts = segment[0].counts
    energies = [layer.total_fj / 1e6 for layer in segment]
    return Cost(counts.shift_steps, counts.shifted_row_cells, counts.cycles, columns, *energies)


def total_of(costs: Iterable[Cost]) -> Cost:
    return reduce(Cost.plus, costs, Cost())


def cells(figures: Sequence[float], base: Sequence[float]) -> str:
    """Figures with their ratios to others, under heads of 24 characters."""
    texts = [f"{value:,.0f} ({value / max(of, 1e-9):.3f})" for value, of in zip(figures, base, strict=True)]
    return " ".join(f"{text:>24}" for text in texts)


def show(name: str, costs: dict[str, Cost]) -> None:
    """A layer's line for each way; ratios are to the first one."""
    for way, cost in costs.items():
        print(f"{name:28.28} {way:8} {cells(cost, costs['packed'])}")
        name = ""


def are_same(outputs: Sequence[dict[str, Value]]) -> bool:
    """Whether all outputs are the same to the bit; says so."""
    same = all(np.array_equal(each[name], outputs[0][name]) for each in outputs for name in outputs[0])
    print(f"outputs: {'the same to the bit' if same else 'DIFFERENT'}")
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--target")
    parser.add_argument("-O", dest="effort", type=int, choices=range(4))
    arguments = parser.parse_args()
    golden, _ = compile_file(arguments.model, arguments.target, stop_after="ternary")
    inputs = edge_inputs(golden, arguments.samples)
    found: dict[str, dict[str, Cost]] = {}
    outputs: list[dict[str, Value]] = []
    with watching():
        compiled, target = modules(arguments.model, arguments.target, arguments.effort)
        for way in list(compiled):
            executor = of_module(compiled.pop(way), target, "native")
            result = executor.run(inputs)
            outputs.append(result.outputs)
            found[way] = layers(result, executor.network)
    print(f"{arguments.model.name}, {arguments.samples} samples on {target.geometry}; ratios to packed")
    print(f"{'layer':28} {'way':8} " + " ".join(f"{head:>24}" for head in HEADS))
    worse: list[str] = []
    for name in found["packed"]:
        costs = {way: rows[name] for way, rows in found.items()}
        show(name, costs)
        for index in SHIFTS:
            least = min((costs[way][index], way) for way in OTHERS)
            if costs["loops"][index] > least[0]:
                ratio = costs["loops"][index] / least[0]
                worse.append(f"{name}: {HEADS[index]} {ratio:.3f} of {least[1]}")
    show("total", {way: total_of(rows.values()) for way, rows in found.items()})
    same = are_same(outputs)
    print(f"layers where loops are worse than {', '.join(OTHERS)}: {'; '.join(worse) or 'none'}")
    sys.exit(bool(worse) or not same)


if __name__ == "__main__":
    main()
