"""A network through several pipelines: additions, cycles, shifts and energy, and their ratio to the paper's flow.

    python benchmarks/pipelines.py MODEL.onnx [--samples N] [--target T] [-O N] [PIPELINE ...]

Pipelines are named ones (camc passes) or strings; by default `unshared`, `date24` (the flow of the DATE 2024 paper) and
`default`. Ratios are to date24, or to the first one. Inputs are drawn at the edges of the network's quantisers; the
figures besides additions are those of placement_layers.py, in total.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

from placement_layers import HEADS, Cost, are_same, cells, layers, total_of
from program_cache import additions_of

from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import edge_inputs
from dialects.support.errors import CamcError
from runtime.values import Value


class Row(NamedTuple):
    """What a pipeline comes to."""

    additions: int
    cost: Cost
    seconds: float
    outputs: dict[str, Value]


def measure(arguments: argparse.Namespace, pipeline: str) -> Row:
    """Compile and run with one pipeline."""
    with watching() as screen:
        began = time.perf_counter()
        module, target = compile_file(arguments.model, arguments.target, pipeline=pipeline, effort=arguments.effort)
        seconds = time.perf_counter() - began
        golden, _ = compile_file(arguments.model, arguments.target, stop_after="ternary")
        executor = of_module(module, target, "native")
        result = executor.run(edge_inputs(golden, arguments.samples))
    return Row(additions_of(screen.deeds), total_of(layers(result, executor.network).values()), seconds, result.outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pipelines", nargs="*", default=["unshared", "date24", "default"])
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--target")
    parser.add_argument("-O", dest="effort", type=int, choices=range(4))
    arguments = parser.parse_args()
    found: dict[str, Row] = {}
    for pipeline in arguments.pipelines:
        try:
            found[pipeline] = measure(arguments, pipeline)
        except CamcError as error:
            print(f"{pipeline}: {error}", file=sys.stderr)
    if not found:
        sys.exit(1)
    base = "date24" if "date24" in found else next(iter(found))
    print(f"{arguments.model.name}, {arguments.samples} samples; ratios to {base}")
    width = max(map(len, found))
    print(f"{'':{width}} " + " ".join(f"{head:>24}" for head in ("additions", *HEADS)) + "  compiled in")
    for name, row in found.items():
        figures = cells((row.additions, *row.cost), (found[base].additions, *found[base].cost))
        print(f"{name:{width}} {figures}  {row.seconds:8.1f} s")
    sys.exit(not are_same([row.outputs for row in found.values()]))


if __name__ == "__main__":
    main()
