"""A network through several pipelines: additions, AP cycles, shifts and energy, and their ratio to the paper's flow.

    python benchmarks/pipelines.py MODEL.onnx [--samples N] [--target T] [--tech T] [-O N] [PIPELINE ...]

Pipelines are named ones (camc passes) or strings; by default `unshared`, `date24` (the flow of the DATE 2024 paper) and
`default`. Ratios are to date24, or to the first one. Inputs are drawn at the edges of the network's quantisers; cycles
and shift steps are those of one instruction stream, column steps count every row, energy is that of the batch.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cam_compiler.driver import compile_file
from cam_compiler.execution import of_module
from cam_compiler.progress import watching
from cam_compiler.verify import edge_inputs
from dialects.errors import CamcError
from runtime.host import Value
from runtime.report import make_report
from runtime.technology import Technology, load_technology


class Row(NamedTuple):
    """What a pipeline comes to."""

    additions: int
    cycles: int
    shift_steps: int
    row_column_steps: int
    energy_nj: float
    seconds: float
    outputs: dict[str, Value]


def measure(arguments: argparse.Namespace, pipeline: str, technology: Technology) -> Row:
    """Compile and run with one pipeline."""
    with watching() as screen:
        began = time.perf_counter()
        module, target = compile_file(arguments.model, arguments.target, pipeline=pipeline, effort=arguments.effort)
        seconds = time.perf_counter() - began
        golden, _ = compile_file(arguments.model, arguments.target, stop_after="ternary")
        result = of_module(module, target, "native").run(edge_inputs(golden, arguments.samples))
    # Later passes say what is left of the additions.
    said = [stage for stage, layers in screen.deeds.items() if any(f.name == "additions" for f in layers[0][1])]
    additions = sum(f.after for _, figures in screen.deeds[said[-1]] for f in figures if f.name == "additions")
    total = make_report(result, target, technology).total
    counts = total.counts
    steps, rows = counts.shift_steps, counts.shifted_row_cells
    return Row(additions, counts.cycles, steps, rows, total.total_fj / 1e6, seconds, result.outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pipelines", nargs="*", default=["unshared", "date24", "default"])
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--target")
    parser.add_argument("--tech", default="rtsim")
    parser.add_argument("-O", dest="effort", type=int, choices=range(4))
    arguments = parser.parse_args()
    found: dict[str, Row] = {}
    technology = load_technology(arguments.tech)
    for pipeline in arguments.pipelines:
        try:
            found[pipeline] = measure(arguments, pipeline, technology)
        except CamcError as error:
            print(f"{pipeline}: {error}", file=sys.stderr)
    if not found:
        sys.exit(1)
    base = "date24" if "date24" in found else next(iter(found))
    print(f"{arguments.model.name}, {arguments.samples} samples, technology {technology.name}; ratios to {base}")
    heads = ("additions", "AP cycles", "shift steps", "row-column steps", f"energy {technology.name} [nJ]")
    width = max(map(len, found))
    print(f"{'':{width}}  " + "  ".join(f"{head:>24}" for head in heads) + "  compiled in")
    for name, row in found.items():
        cells = [
            f"{value:,.0f} ({value / max(of, 1e-9):.3f})" for value, of in zip(row[:5], found[base][:5], strict=True)
        ]
        print(f"{name:{width}}  " + "  ".join(f"{cell:>24}" for cell in cells) + f"  {row.seconds:8.1f} s")
    first = next(iter(found.values())).outputs
    same = all(np.array_equal(value, row.outputs[name]) for row in found.values() for name, value in first.items())
    print(f"outputs: {'the same to the bit' if same else 'DIFFERENT'}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
