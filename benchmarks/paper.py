"""The paper's table, and its rivals: VGG-9, VGG-11 and ResNet-18 with activations of 4 and 8 bits.

    python benchmarks/paper.py [NETWORK ...] [--bits 4,8] [--flows A,B] [--tech A,B] [--json FILE] [--cache DIR]

Of each network the additions without sharing, in the default pipeline and in other flows: `date24`, the paper's own;
`across`, accumulators across columns; `counting`, weights as data on a machine that counts tags (docs/counting.md).
Then energy, latency, area and arrays of one image on the processor with each program and every technology, beside
crossbars, digital in-memory processors and analog clusters (docs/rivals.md). Times are those of a pipelined schedule. A
`*` stands at what rests on numbers that are not published. All programs must give the same outputs. Networks are the
zoo's: ternary weights, 80% of them zero, on arrays of 256x256x64.

Networks and programs are kept in --cache (default: camc in the user's cache folder) and named by their content, so that
nothing is compiled or run again before it changes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from program_cache import Cache, Measured, Options, additions_without_sharing, default_cache
from zoo import NETWORKS as ZOO

from cam_compiler.comparison import Comparison, Flow, Row, compare
from cam_compiler.compile import compile_file
from cam_compiler.pipeline import counting
from dialects.machine.target import Target, load_target
from dialects.support.errors import CapacityError
from runtime.cost.report import make_report
from runtime.cost.technology import Technology, bundled_technologies, load_technology

NETWORKS = ("vgg9", "vgg11", "resnet18")
OURS = "default"
FLOWS: Mapping[str, tuple[str, str | None]] = {
    "date24": ("date24", None),
    "across": ("across", None),
    "counting": (counting("default", "count"), "counting"),
}
"""other flows: the pipeline, and the target where it isn't the table's"""


class Entry(NamedTuple):
    """One network of the table."""

    name: str
    bits: int
    unshared: int
    """additions where every output is a sum of its own"""
    additions: dict[str, int]
    """by pipeline"""
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        return {
            **self.comparison.to_json(),
            "network": self.name,
            "activation_bits": self.bits,
            "additions": {"unshared": self.unshared, **self.additions},
        }


def measure(
    cache: Cache, name: str, options: Options, target: Target, technologies: Sequence[Technology], flows: Sequence[str]
) -> Entry:
    """One network; without the flows for which the arrays are too small."""
    model = cache.model(name, options)
    ours = cache.program(model, OURS, OURS, target)
    additions, others = {OURS: ours.additions}, dict[str, Flow]()
    for flow in flows:
        pipeline, machine = FLOWS[flow]
        try:
            found = cache.program(model, flow, pipeline, load_target(machine) if machine else target)
        except CapacityError as error:
            cache.say(f"{name}: without {flow}: {error}")
            continue
        if found.outputs != ours.outputs:
            sys.exit(f"{model}: {flow} and {OURS} give different outputs")
        others[flow] = _flow(found, technologies)
        if found.additions:
            additions[flow] = found.additions
    golden, _ = compile_file(model, stop_after="ternary")
    comparison = compare(golden, f"{name} w2a{options.activation_bits}", _flow(ours, technologies), others)
    return Entry(name, options.activation_bits, additions_without_sharing(model, target), additions, comparison)


def _flow(found: Measured, technologies: Sequence[Technology]) -> Flow:
    return Flow(found.network, [make_report(found.result, found.network, each, batch=1) for each in technologies])


def lines(entry: Entry) -> list[str]:
    """The entry's part of the table."""
    counted = [f"{entry.unshared:,} without sharing"]
    for flow, additions in entry.additions.items():
        counted.append(f"{additions:,} {flow} ({additions / entry.unshared:.2f})")
    head = (
        f"{'':44}{'':15}{'energy':>15}{'latency':>14}{'images/s':>12}{'TOPS/W':>10}{'area':>12}{'arrays':>8}  exactness"
    )
    return [
        f"{entry.name}, activations of {entry.bits} bits: {entry.comparison.workload.macs:,} multiply-accumulates",
        f"additions: {', '.join(counted)}",
        head,
        *(_line(row) for row in entry.comparison.rows),
        *_ratios(entry.comparison),
        "",
    ]


def _line(row: Row) -> str:
    energy, latency, area = ("*" if name in row.marked else "" for name in ("energy", "latency", "area"))
    cells = (
        (f"{row.energy_uj:,.4g} uJ{energy}", 15),
        (_number(row.latency_ms, f" ms{latency}"), 14),
        (_number(row.images_per_second, latency), 12),
        (f"{row.tops_per_watt:.3g}{energy}", 10),
        (_number(row.area_mm2, f" mm2{area}"), 12),
        (f"{row.arrays:,}", 8),
    )
    return f"{row.machine:44}{row.setting:15}{''.join(f'{cell:>{width}}' for cell, width in cells)}  {row.exact}"


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:,.3g}{unit}"


def _ratios(comparison: Comparison) -> list[str]:
    """The energy of our program in those of each kind of machine: the least and the greatest."""
    found: list[str] = []
    theirs = {(row.machine, row.setting): row.energy_uj for row in comparison.flows}
    for machine in dict.fromkeys(row.machine for row in comparison.flows):
        ratios = [row.energy_uj / theirs[machine, row.setting] for row in comparison.own]
        found.append(f"energy: {min(ratios):.3g} to {max(ratios):.3g} times that of {machine}")
    for machine in dict.fromkeys(row.machine for row in comparison.rivals):
        rivals = [row.energy_uj for row in comparison.rivals if row.machine == machine]
        ratios = [row.energy_uj / rival for row in comparison.own for rival in rivals]
        found.append(f"energy: {min(ratios):,.3g} to {max(ratios):,.3g} times that of {machine}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--bits", default="4,8", help="bits of the activations (default: 4,8)")
    parser.add_argument("--tech", default=",".join(bundled_technologies()), metavar="A,B")
    parser.add_argument("--flows", default=",".join(FLOWS), metavar="A,B", help=f"(default: {','.join(FLOWS)})")
    parser.add_argument("--target", default="default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table, with all components")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    arguments = parser.parse_args()
    target, cache = load_target(arguments.target), Cache(arguments.cache, lambda said: print(said, file=sys.stderr))
    technologies = [load_technology(name) for name in arguments.tech.split(",")]
    flows = [flow for flow in arguments.flows.split(",") if flow]
    for what, stated, known in (("flow", flows, FLOWS), ("network", arguments.networks, ZOO)):
        if unknown := {*stated} - known.keys():
            parser.error(f"there is no {what} '{min(unknown)}'; known are {', '.join(known)}")
    entries: list[Entry] = []
    for name in arguments.networks:
        for bits in arguments.bits.split(","):
            entries.append(measure(cache, name, Options(activation_bits=int(bits)), target, technologies, flows))
            print("\n".join(lines(entries[-1])), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([entry.to_json() for entry in entries], indent=1) + "\n")


if __name__ == "__main__":
    main()
