"""Energy on the machine without counters: before, by each lever alone, and with all of them.

    python benchmarks/energy.py [NETWORK[:SAMPLES] ...] [--levers] [--tech A,B] [--gated N] [--json FILE] [--cache DIR]

A network is a name of the zoo (zoo.py, with its default options), `digits_mlp`, `digits_cnn`, or an .onnx file; by
default resnet18:1, resnet18:16, vgg9:1, resnet20:1 and both digits networks with 16 samples. Of each, per sample and
under several technologies (default: rtsim, stt-tcam, dwm, date24): the energy by component, its ratio to before (of
several samples also to before with one), and beside them AP cycles, latency, the share of written cells that toggle,
how often each stored activation bit is loaded, and how long compiling and the engine took. All ways must give the same
outputs.

    before   pipeline `tracks`: values along tracks, bit loops, shared sums
    lean     the same, but instructions write only cells that change
    across   accumulators that stand still, in layers that allow it; with the short form of the instruction stream
    pairs    the same, where rows fill the arrays with two inputs at a time added to an accumulator
    all      pipeline `across`: both, wherever they can be; benchmarks/objectives.py has what --objective energy takes

`--levers` measures each lever as well as all. `--gated N` says of how many segments of rows those without data are
switched off in the energy that stands beside (default: 16; 1: none). Networks and programs are kept in `--cache`. It
exits with 1 where outputs differ, or `all` takes more than `before` under any technology.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from program_cache import Cache, Options, default_cache

import cam_compiler
from cam_compiler.compile import compile_file
from cam_compiler.pipeline import PIPELINES
from cam_compiler.validation import difference, edge_inputs
from dialects.machine.target import Target
from runtime.cost.report import make_report
from runtime.cost.sensitivity import with_value
from runtime.cost.sizes import tensors_of
from runtime.cost.technology import load_technology
from runtime.executor import Executor
from runtime.values import Value

WAYS = {
    "before": "tracks",
    "lean": ",".join(PIPELINES["tracks"]).replace("convert-rtm-to-ap", "convert-rtm-to-ap{lean=true}"),
    "across": ",".join(PIPELINES["across"]).replace("{lean=true}", "").replace("apv-across", "apv-across{pairs=none}"),
    "pairs": ",".join(PIPELINES["across"]).replace("{lean=true}", ""),
    "all": "across",
}
LEVERS = ("lean", "across", "pairs")
DEFAULT = ("resnet18:1", "resnet18:16", "vgg9:1", "resnet20:1", "digits_mlp:16", "digits_cnn:16")
_BUNDLED = Path(cam_compiler.__file__).parent / "bundled"


class Row(NamedTuple):
    """What a network takes per sample in one way."""

    energy_nj: Mapping[str, Mapping[str, float]]
    """by technology and component"""
    gated_nj: Mapping[str, float]
    """by technology, with rows switched off by segments"""
    latency_ms: Mapping[str, float]
    cycles: float
    column_steps: float
    toggled: float
    """of the written cells"""
    loads: float
    """of each bit that lies in the buffer and is loaded at all"""
    program_bytes: int
    compile_s: float
    run_s: float
    outputs: Mapping[str, Value]

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if name != "outputs"}


def measure(cache: Cache, model: Path, samples: int, way: str, names: Sequence[str], gated: int) -> Row:
    """Compile, run and price a network; counts are the same for all technologies."""
    program = cache.program(model, way, WAYS[way], Target("default"))
    golden, _ = compile_file(model, stop_after="ternary")
    inputs = {name: value[:samples] for name, value in edge_inputs(golden, max(samples, 2)).items()}
    network = program.network
    started = time.process_time()
    result = Executor(network).run(inputs)
    ran = time.process_time()
    technologies = {name: load_technology(name) for name in names}
    reports = {name: make_report(result, network, tech) for name, tech in technologies.items()}
    segments = {name: with_value(tech, "row_segments", gated) for name, tech in technologies.items()}
    off = {name: make_report(result, network, tech).total.total_fj for name, tech in segments.items()}
    any_report = next(iter(reports.values()))
    counts = any_report.total.counts
    written, toggled = counts.written_row_cells or 0, counts.toggled_row_cells or 0
    stored = samples * sum(tensor.bits for tensor in tensors_of(network) if tensor.read)
    return Row(
        {
            name: {part: energy / samples / 1e6 for part, energy in report.total.energy_fj.items() if energy}
            for name, report in reports.items()
        },
        {name: energy / samples / 1e6 for name, energy in off.items()},
        {name: report.total.latency_ns / samples / 1e6 for name, report in reports.items()},
        counts.cycles / samples,
        counts.column_steps / samples,
        toggled / max(written, 1),
        (counts.moved_row_bits - counts.sent_row_bits) / stored,
        any_report.program_bytes,
        program.seconds,
        ran - started,
        result.outputs,
    )


def model_of(name: str, cache: Cache) -> Path:
    """The file of a network, which is written where it is one of the zoo's."""
    if name in ("digits_mlp", "digits_cnn"):
        return _BUNDLED / f"{name}_qonnx.onnx"
    return Path(name) if name.endswith(".onnx") else cache.model(name, Options())


def show(network: str, rows: Mapping[str, Row], single: Row | None) -> None:
    """One block of lines per network: what doesn't depend on the technology, then a line per technology and way.

    `single` is before with one sample, where there are several.
    """
    before = rows["before"]
    print(f"\n{network}, per sample")
    for way, row in rows.items():
        print(
            f"  {way:7} {row.cycles:14,.0f} cycles ({row.cycles / before.cycles:.2f}), {row.column_steps:12,.0f} "
            f"column steps, {row.toggled:4.0%} of written cells toggle, bits loaded {row.loads:.1f} times, "
            f"{row.program_bytes:11,} bytes, compiled in {row.compile_s:.1f} s, run in {row.run_s:.1f} s of CPU"
        )
    for tech in before.energy_nj:
        whole = sum(before.energy_nj[tech].values())
        for way, row in rows.items():
            parts = row.energy_nj[tech]
            total = sum(parts.values())
            alone = f" ({total / sum(single.energy_nj[tech].values()):.3f} of one)" if single else ""
            detail = ", ".join(f"{part} {energy:,.0f}" for part, energy in parts.items())
            print(
                f"  {tech:9} {way:7} {total:14,.0f} nJ {total / whole:6.3f}{alone}  gated "
                f"{row.gated_nj[tech] / whole:6.3f}  {row.latency_ms[tech]:8.2f} ms  ({detail})"
            )


def problems(network: str, rows: Mapping[str, Row]) -> list[str]:
    """What the ways must not do: differ, or take more than before."""
    found: list[str] = []
    before, after = rows["before"], rows["all"]
    for way, row in rows.items():
        if (what := difference(before.outputs, row.outputs)) is not None:
            found.append(f"{network}, {way}: {what}")
    for tech, parts in after.energy_nj.items():
        ratio = sum(parts.values()) / sum(before.energy_nj[tech].values())
        if ratio > 1:
            found.append(f"{network}: all takes {ratio:.3f} of before with {tech}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=DEFAULT)
    parser.add_argument("--levers", action="store_true", help="each lever alone, too")
    parser.add_argument("--tech", default="rtsim,stt-tcam,dwm,date24", metavar="A,B", help="technologies")
    parser.add_argument("--gated", type=int, default=16, metavar="N", help="segments of rows that are switched off")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    arguments = parser.parse_args()
    cache = Cache(arguments.cache, lambda said: print(said, file=sys.stderr))
    names, wrong, found = arguments.tech.split(","), list[str](), dict[str, Any]()
    for network in arguments.networks:
        name, _, stated = network.rpartition(":") if network.rpartition(":")[2].isdigit() else (network, "", "1")
        model, samples = model_of(name, cache), int(stated)
        ways = [way for way in WAYS if arguments.levers or way not in LEVERS]
        rows = {way: measure(cache, model, samples, way, names, arguments.gated) for way in ways}
        single = measure(cache, model, 1, "before", names, arguments.gated) if samples > 1 else None
        show(network, rows, single)
        sys.stdout.flush()
        wrong += problems(network, rows)
        found[network] = {way: row.to_json() for way, row in rows.items()}
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
