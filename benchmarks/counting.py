"""Networks with weights as data beside weights as code: counts, energy by component, latency, arrays, bytes.

    python benchmarks/counting.py [NETWORK ...] [--code PIPELINE,...] [--ways WAY,...] [--cache DIR] [--json OUT.json]

A network is a name of the zoo (zoo.py, with its default options) or an .onnx file; by default resnet18, vgg9, resnet20
and the bundled digits networks. One sample is drawn at the edges of the quantiser and run on the target `counting`, in
these ways (`--ways` names some of them):

    count       one copy of each layer; segments of rows that hold nothing are off
    copies      copies of slow layers, for the throughput of a pipeline
    ungated     one copy, and all rows of an array are searched and counted
    narrow      arrays of 64 columns, for what a whole match line costs
    PIPELINE    weights as code with a pipeline of camc (--code, by default `default` and `across`)

All outputs are compared with the network's integers. Energies are in uJ a sample; `whole match lines` is the energy
where each search costs all cells of its rows and not those of the key alone, the upper end of what a search may cost.
Latencies are those of one sample, layer after layer and with the parts of a layer at the same time, and of a pipeline
between two samples, with the arrays that each takes. Programs are kept in a folder by content.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from models.zoo import Options
from program_cache import Cache, Measured, default_cache, digest

from cam_compiler.compile import read_module
from cam_compiler.pipeline import PIPELINES, counting
from cam_compiler.validation import edge_inputs
from dialects.machine.counted import CountedProgram
from dialects.machine.target import Target, load_target
from dialects.support.errors import CapacityError, MismatchError
from runtime.cost.report import make_report
from runtime.cost.schedule import MODES, schedule_of
from runtime.cost.technology import Technology, load_technology
from runtime.interpreter import Interpreter

TECHNOLOGIES = ("rtsim", "stt-tcam", "dwm", "date24")
COPIES = 2_000_000
"""searches and vectors of a layer, one after another, above which it gets copies"""
NARROW = 64
NETWORKS = ("resnet18", "vgg9", "resnet20")
_BUNDLED = Path(__file__).parent.parent / "cam_compiler" / "bundled"


def ways(code: Sequence[str]) -> Mapping[str, tuple[str, Target]]:
    """Pipeline and target of each way."""
    target, counted = load_target("counting"), counting("default", "count")
    copied = counted.replace("convert-apv-to-rtm{", f"convert-apv-to-rtm{{count_copies={COPIES} ")
    return {
        "count": (counted, target),
        "copies": (copied, target),
        "ungated": (counted, replace(target, counter_segments=1, name="counting, no segments")),
        "narrow": (counted, replace(target, columns=NARROW, name=f"counting, {NARROW} columns")),
        **{name: (",".join(PIPELINES.get(name, (name,))), target) for name in code},
    }


def figures(found: Measured) -> dict[str, Any]:
    """What one run comes to, by technology."""
    network, result, by_technology = found.network, found.result, dict[str, Any]()
    for name in TECHNOLOGIES:
        technology = load_technology(name)
        report = make_report(result, network, technology)
        lines = make_report(result, network, with_match_lines(technology))
        by_mode = {mode: schedule_of(network, report, mode) for mode in MODES}
        by_technology[name] = {
            "uJ": {part: energy / 1e9 for part, energy in report.total.energy_fj.items() if energy},
            "total_uJ": report.total.total_fj / 1e9,
            "match_line_uJ": lines.total.total_fj / 1e9,
            "ms": {mode: found.interval_ns / 1e6 for mode, found in by_mode.items()},
            "arrays": {mode: found.arrays for mode, found in by_mode.items()},
        }
    counts = report.total.counts
    return {
        "searches": counts.searches,
        "searched_row_cells": counts.searched_row_cells,
        "counted_rows": counts.counted_rows,
        "written_row_cells": counts.written_row_cells,
        "moved_row_bits": counts.moved_row_bits,
        "column_steps": counts.column_steps,
        "bytes": report.program_bytes,
        "resident_arrays": sum(p.arrays for p in network.programs if isinstance(p, CountedProgram)),
        "technologies": by_technology,
    }


def with_match_lines(technology: Technology) -> Technology:
    """The technology if each search cost all cells of its rows."""
    cell = technology.parameters["search_fj_per_bit"]
    whole = replace(technology.parameters["masked_fj_per_bit"], value=cell.value, nanowires=cell.nanowires)
    return replace(technology, parameters={**technology.parameters, "masked_fj_per_bit": whole})


def expected_outputs(model: Path) -> str:
    """A digest of the network's integers for the sample that programs run on."""
    module = read_module(model)
    given = {name: np.asarray(value)[:1] for name, value in edge_inputs(module, samples=2).items()}
    outputs = Interpreter().run(module, given).outputs
    return digest(np.ascontiguousarray(value).tobytes() for _, value in sorted(outputs.items()))


def measure(model: Path, chosen: Mapping[str, tuple[str, Target]], cache: Cache) -> dict[str, Any]:
    """All ways of one network; raises MismatchError where one gives other integers."""
    expected, rows = expected_outputs(model), dict[str, Any]()
    for way, (pipeline, target) in chosen.items():
        try:
            found = cache.program(model, way, pipeline, target)
        except CapacityError as error:
            print(f"{way}: refused, {error}")
            continue
        if found.outputs != expected:
            raise MismatchError(f"{way} computes something else", place=str(model))
        rows[way] = figures(found)
        show(way, rows[way])
    return rows


def show(way: str, row: dict[str, Any]) -> None:
    """One way of a network as text."""
    print(
        f"{way}: {row['searches']:,} searches, {row['searched_row_cells'] / 1e6:,.1f} M cells searched, "
        f"{row['counted_rows'] / 1e6:,.1f} M rows counted, {row['written_row_cells'] / 1e6:,.2f} M cells written, "
        f"{row['moved_row_bits'] / 1e6:,.2f} Mbit moved, {row['column_steps']:,} column steps, "
        f"{row['bytes']:,} bytes, {row['resident_arrays']} arrays with weights"
    )
    for technology, figure in row["technologies"].items():
        parts = " ".join(f"{part} {energy:.4g}" for part, energy in figure["uJ"].items())
        times = ", ".join(f"{mode} {time:.4g} ms on {figure['arrays'][mode]}" for mode, time in figure["ms"].items())
        print(
            f"  {technology:9} {figure['total_uJ']:8.4g} uJ ({parts}); whole match lines "
            f"{figure['match_line_uJ']:.4g} uJ; {times}"
        )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=[*NETWORKS, *map(str, sorted(_BUNDLED.glob("*.onnx")))])
    parser.add_argument("--code", default="default,across", metavar="PIPELINES", help="separated by commas, or none")
    parser.add_argument("--ways", metavar="WAYS", help="only these, separated by commas")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    arguments = parser.parse_args()
    known = ways([name for name in arguments.code.split(",") if name])
    wanted = arguments.ways.split(",") if arguments.ways else list(known)
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"there is no way '{unknown[0]}'; there are {', '.join(known)}")
    cache = Cache(arguments.cache, lambda said: print(said, file=sys.stderr))
    found: dict[str, Any] = {}
    for name in arguments.networks:
        model = Path(name) if name.endswith(".onnx") else cache.model(name, Options())
        print(f"\n{model.name}")
        found[model.stem] = measure(model, {way: known[way] for way in wanted}, cache)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
