"""Networks with weights as data beside weights as code: counts, energy by component, latency, arrays, bytes.

    python benchmarks/counting.py [MODEL.onnx ...] [--code PIPELINE[,PIPELINE]] [--json OUT.json]

Without models, the bundled ones. One sample is drawn at the edges of the quantiser and run on the target `counting`, in
these ways:

    count            one copy of each layer
    count, copies    copies of slow layers, for the throughput of a pipeline
    count, 64 columns   narrower arrays, for what a whole match line costs
    code PIPELINE    weights as code with a pipeline of camc (--code, default none)

All outputs are compared with the network's integers. Energies are in uJ a sample; `whole match lines` is the energy
where each search costs all cells of its rows and not those of the key alone, the upper end of what a search may cost.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import compile_file
from cam_compiler.pipeline import counting, parse_passes, run_passes
from cam_compiler.validation import difference, edge_inputs
from dialects.machine.counted import CountedProgram
from dialects.machine.target import Target, load_target
from dialects.support.errors import MismatchError
from runtime.cost.report import make_report
from runtime.cost.schedule import schedule_of
from runtime.cost.technology import Technology, load_technology
from runtime.executor import Executor
from runtime.interpreter import Interpreter, network_of
from runtime.network import Network
from runtime.result import Result
from runtime.values import Value

TECHNOLOGIES = ("rtsim", "stt-tcam", "dwm", "date24")
COPIES = 2_000_000
"""searches and vectors of a layer, one after another, above which it gets copies"""
NARROW = 64
_BUNDLED = Path(__file__).parent.parent / "cam_compiler" / "bundled"
_LOWERING = "apv-split,apv-share,convert-apv-to-rtm{placement=loops%s},convert-rtm-to-ap"


def variants(model: Path, code: Sequence[str]) -> Iterator[tuple[str, ModuleOp, Target]]:
    """The network at machine code in each way."""
    target = load_target("counting")
    counted, _ = compile_file(model, "counting", pipeline=counting("default", "count"), stop_after="apv-count")
    narrow = replace(target, columns=NARROW, name=f"counting, {NARROW} columns")
    ways = (
        ("count", target, ""),
        ("count, copies", target, f" count_copies={COPIES}"),
        (f"count, {NARROW} columns", narrow, ""),
    )
    for name, machine, options in ways:
        module = counted.clone()
        run_passes(module, parse_passes(_LOWERING % options), machine)
        yield name, module, machine
    for pipeline in code:
        module, machine = compile_file(model, "counting", pipeline=pipeline)
        yield f"code {pipeline}", module, machine


def figures(network: Network, result: Result) -> dict[str, Any]:
    """What one run comes to, by technology."""
    found: dict[str, Any] = {}
    for name in TECHNOLOGIES:
        technology = load_technology(name)
        report = make_report(result, network, technology)
        serial, pipeline = (schedule_of(network, report, mode) for mode in ("serial", "pipeline"))
        lines = make_report(result, network, with_match_lines(technology))
        found[name] = {
            "uJ": {part: energy / 1e9 for part, energy in report.total.energy_fj.items() if energy},
            "total_uJ": report.total.total_fj / 1e9,
            "match_line_uJ": lines.total.total_fj / 1e9,
            "latency_ms": serial.latency_ns / 1e6,
            "pipelined_ms": pipeline.interval_ns / 1e6,
        }
    counts = report.total.counts
    return {
        "searches": counts.searches,
        "searched_row_cells": counts.searched_row_cells,
        "counted_rows": counts.counted_rows,
        "written_row_cells": counts.written_row_cells,
        "moved_row_bits": counts.moved_row_bits,
        "column_steps": counts.column_steps,
        "program_bytes": report.program_bytes,
        "resident_arrays": sum(p.arrays for p in network.programs if isinstance(p, CountedProgram)),
        "technologies": found,
    }


def with_match_lines(technology: Technology) -> Technology:
    """The technology if each search cost all cells of its rows."""
    cell = technology.parameters["search_fj_per_bit"]
    whole = replace(technology.parameters["masked_fj_per_bit"], value=cell.value, nanowires=cell.nanowires)
    return replace(technology, parameters={**technology.parameters, "masked_fj_per_bit": whole})


def measure(model: Path, code: Sequence[str]) -> dict[str, Any]:
    """All ways of one network; raises MismatchError where one gives other integers."""
    golden, _ = compile_file(model, stop_after="ternary")
    given = edge_inputs(golden, samples=2)
    given = {name: np.asarray(value)[:1] for name, value in given.items()}
    expected: dict[str, Value] = Interpreter().run(golden, given).outputs
    found: dict[str, Any] = {}
    for name, module, target in variants(model, code):
        network = network_of(module, target)
        result = Executor(network).run(given)
        if problem := difference(expected, result.outputs):
            raise MismatchError(f"{name} computes something else: {problem}", place=str(model))
        found[name] = figures(network, result)
        show(name, found[name])
    return found


def show(name: str, row: dict[str, Any]) -> None:
    """One way of a network as text."""
    print(
        f"{name}: {row['searches']:,} searches, {row['searched_row_cells'] / 1e9:.2f} G cells searched, "
        f"{row['counted_rows'] / 1e9:.2f} G rows counted, {row['written_row_cells'] / 1e6:.2f} M cells written, "
        f"{row['moved_row_bits'] / 1e6:.1f} Mbit moved, {row['column_steps']:,} column steps, "
        f"{row['program_bytes']:,} bytes, {row['resident_arrays']} arrays with weights"
    )
    for technology, figure in row["technologies"].items():
        parts = " ".join(f"{part} {energy:.4g}" for part, energy in figure["uJ"].items())
        print(
            f"  {technology:9} {figure['total_uJ']:10.4g} uJ ({parts}); whole match lines "
            f"{figure['match_line_uJ']:.4g} uJ; {figure['latency_ms']:.4g} ms, "
            f"pipelined {figure['pipelined_ms']:.4g} ms"
        )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=sorted(_BUNDLED.glob("*.onnx")))
    parser.add_argument("--code", default="", metavar="PIPELINES", help="pipelines of camc, separated by commas")
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    for model in arguments.models:
        print(f"\n{model.name}")
        found[model.stem] = measure(model, [name for name in arguments.code.split(",") if name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
