"""What each objective takes of what the default pipeline takes, by its own measure: never more.

    python benchmarks/objectives.py [NETWORK[:SAMPLES] ...] [--tech A,B] [--objective A,B] [--json FILE] [--cache DIR]

A network is a name of the zoo (zoo.py, with its default options), `digits_mlp`, `digits_cnn`, or an .onnx file; by
default all of the zoo and both digits networks with 1 and 16 samples. For each technology (default: rtsim, stt-tcam,
dwm, date24) `energy` is compiled for a batch of the samples and compared by energy, `latency` by that of the schedules
`serial` and `parts`; `cycles` is compared by AP cycles. Beside each ratio stands what apv-choose expected of what the
report says: all that follows from the code is exact, written cells are those of random data.

It exits with 1 where outputs differ, or an objective takes more than the default pipeline.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "models"))

from energy import model_of
from program_cache import Cache, default_cache
from zoo import NETWORKS

from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module
from cam_compiler.objective import Name, Objective
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import difference, edge_inputs
from dialects.support.instrumentation import Figure
from runtime.cost.report import Report, make_report
from runtime.cost.schedule import schedule_of
from runtime.cost.technology import load_technology
from runtime.executor import Executor
from runtime.result import Result
from runtime.values import Value

TECHNOLOGIES = "rtsim,stt-tcam,dwm,date24"
DEFAULT = tuple(f"{name}:{samples}" for name in (*NETWORKS, "digits_mlp", "digits_cnn") for samples in (1, 16))


class Compiled(NamedTuple):
    """A network as it ran, how long compiling took, and what its objective was expected to come to."""

    executor: Executor
    result: Result
    seconds: float
    expected: int | None

    def report(self, tech: str) -> Report:
        return make_report(self.result, self.executor.network, load_technology(tech))

    def measures(self, aim: str, tech: str) -> list[float]:
        """What the objective is compared by."""
        report = self.report(tech)
        match aim:
            case "cycles":
                return [report.total.counts.cycles]
            case "energy":
                return [report.total.total_fj]
            case _:
                network = self.executor.network
                return [schedule_of(network, report, mode).latency_ns for mode in ("serial", "parts")]


def compiled(model: Path, inputs: Mapping[str, Value], aim: Objective | None) -> Compiled:
    """The network through the default pipeline with an objective, or without one."""
    began = time.process_time()
    with watching(quiet=True) as screen:
        module, target = compile_file(model, objective=aim)
    seconds = time.process_time() - began
    said = [figures for _, figures in screen.deeds.get("apv-choose", [])]
    chosen = [_expected(aim.name, figures) for figures in said] if aim else []
    executor = of_module(module, target, "native")
    return Compiled(executor, executor.run(inputs), seconds, sum(chosen) if chosen else None)


def _expected(aim: str, figures: Sequence[Figure]) -> int:
    """What the way that was chosen comes to, which the last figure names."""
    return next(figure.after for figure in figures if figure.name == f"{aim} as {figures[-1].name}")


def compare(
    network: str, model: Path, samples: int, aims: Sequence[tuple[Name, str]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A row per objective and technology, printed as it is found, and what is wrong with them."""
    golden, _ = compile_file(model, stop_after="ternary")
    inputs = {name: value[:samples] for name, value in edge_inputs(golden, max(samples, 2)).items()}
    plain = compiled(model, inputs, None)
    rows: list[dict[str, Any]] = []
    wrong: list[str] = []
    for name, tech in aims:
        nanowires = plain.executor.network.target.nanowires_per_cell
        found = compiled(model, inputs, Objective.of(name, tech, nanowires, samples))
        mine, others = found.measures(name, tech), plain.measures(name, tech)
        ratios = [one / other for one, other in zip(mine, others, strict=True)]
        told = found.expected / mine[0] if found.expected else 1.0
        shown = ", ".join(f"{ratio:.4f}" for ratio in ratios)
        print(
            f"{network:16} {name:8} {tech if name != 'cycles' else '':9} {shown:16} of the default pipeline; expected "
            f"{told:.3f} of the report; compiled in {found.seconds:.1f} s, {plain.seconds:.1f} s without",
            flush=True,
        )
        rows.append({"network": network, "objective": name, "tech": tech, "ratios": ratios, "expected": told})
        if problem := difference(plain.result.outputs, found.result.outputs):
            wrong.append(f"{network}, {name}, {tech}: {problem}")
        if max(ratios) > 1 + 1e-9:
            wrong.append(f"{network}, {name}, {tech}: {max(ratios):.4f} of the default pipeline")
    return rows, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=DEFAULT)
    parser.add_argument("--tech", default=TECHNOLOGIES, metavar="A,B", help="technologies")
    parser.add_argument("--objective", default="cycles,energy,latency", metavar="A,B", help="objectives")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="where networks are kept")
    arguments = parser.parse_args()
    technologies, names = arguments.tech.split(","), arguments.objective.split(",")
    # Cycles are the same in all technologies.
    aims = [(name, tech) for name in names for tech in technologies if name != "cycles" or tech == technologies[0]]
    rows: list[dict[str, Any]] = []
    wrong: list[str] = []
    cache = Cache(arguments.cache, lambda said: print(said, file=sys.stderr))
    for network in arguments.networks:
        name, _, samples = network.rpartition(":") if network.rpartition(":")[2].isdigit() else (network, "", "1")
        found, problems = compare(network, model_of(name, cache), int(samples), aims)
        rows += found
        wrong += problems
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
