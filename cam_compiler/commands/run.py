"""`camc run`: a model, IR or a program on inputs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cam_compiler.compile import compile_file
from cam_compiler.evaluation.scores import accuracy, agreement, check_labels
from cam_compiler.execution import drawn, named, of_module
from cam_compiler.files import check_output, npz_bytes, read_arrays, read_numbers
from cam_compiler.golden_check import GoldenCheck
from cam_compiler.loading import compiled_with_golden, load_network, refuse_unchecked, report_of
from cam_compiler.options import (
    add_batch,
    add_energy,
    add_engine,
    add_input_types,
    add_machine,
    add_pipeline,
    add_trace,
    add_work,
    stated_types,
)
from cam_compiler.terminal.progress import watching
from cam_compiler.terminal.render import print_listing
from cam_compiler.terminal.report import print_report, print_technologies
from cam_compiler.terminal.schedule import print_schedule
from dialects.support.errors import InputError, UsageError
from dialects.support.text import on_one_line
from runtime.cost import scheduled
from runtime.cost.report import Report
from runtime.cost.report_files import to_csv, to_json
from runtime.cost.schedule import MODES, schedule_of
from runtime.cost.technology import load_technology
from runtime.cost.trace import trace_of
from runtime.executor import Executor
from runtime.files import write_whole
from runtime.network import Network
from runtime.result import Result
from runtime.values import Value


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc run` takes."""
    command.add_argument("model", type=Path, help="an .onnx model, an .mlir file or a compiled .camx program")
    command.add_argument(
        "--input", type=Path, required=True, metavar="X", help=".npy, or .npz with one array per input"
    )
    command.add_argument("-o", "--output", type=Path, metavar="Y.npz", help="an array for each output of the network")
    command.add_argument("--level", choices=("ternary", "apv", "rtm", "ap"), help="lower to this level (default: ap)")
    command.add_argument(
        "--check",
        action="store_true",
        help="compare every tensor that is stored between layers, and the outputs, with the golden integers",
    )
    command.add_argument(
        "--golden",
        type=Path,
        metavar="M",
        help="the .onnx or .mlir file that --check compares with (default: the model itself, at the ternary level)",
    )
    command.add_argument("--labels", type=Path, metavar="L.npy", help="class of each sample; prints the accuracy")
    command.add_argument("--expect", type=Path, metavar="Y.npz", help="outputs to compare with, by name")
    add_engine(command)
    add_trace(command)
    command.add_argument(
        "--report",
        type=Path,
        metavar="R.json|R.csv",
        help="write all counts, energies, formulas and sources, or a table by layer and operation",
    )
    command.add_argument("--explain", action="store_true", help="show every number of the report with its formula")
    command.add_argument("--parts", action="store_true", help="report each part of a layer by itself, numbered")
    add_batch(command)
    command.add_argument(
        "--schedule",
        choices=MODES,
        help="when programs run: one after another, parts of a layer and branches at the same time, or batches "
        "pipelined as well; prints latency, throughput, arrays and instruction streams",
    )
    command.add_argument("--trace", type=Path, metavar="T.json", help="write the schedule, for Perfetto")
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_energy(command, several=True)
    add_work(command)


def run(options: argparse.Namespace) -> None:
    """Run a network on inputs; write and check its outputs, report its energy."""
    technologies = [load_technology(name) for name in options.tech.split(",")]
    _check_options(options)
    labels = _read_labels(options.labels) if options.labels else None
    expected = read_numbers(options.expect) if options.expect else None
    given = read_arrays(options.input)
    with watching(options.quiet):
        executor, check = _load(options)
    network = executor.network
    inputs = named(given, network.inputs)
    if labels is not None:
        _check_labels(labels, executor, inputs, options.labels)
    with watching(options.quiet):
        result = (check or executor).run(inputs)
    if check:
        sizes = {name: f"{count:,} integers equal" for name, count in check.equal.items()}
        print_listing([*sizes.items(), ("outputs", f"{_size(result):,} values equal")])
    if options.output:
        write_whole(options.output, npz_bytes(result.outputs))
    for name, value in result.outputs.items():
        print(f"output '{on_one_line(name)}': {'x'.join(map(str, value.shape))} {value.dtype}")
    if result.host:
        print(f"on the host: {', '.join(map(on_one_line, result.host))}")
    if labels is not None:
        print(accuracy(result.outputs, labels))
    if expected is not None:
        print(*agreement(result.outputs, expected, str(options.expect)), sep="\n")
    if result.segments and options.no_trace:
        print("no energy: the counts that depend on the data were not traced (--no-trace)")
    elif result.segments:
        _report(options, [report_of(options, result, network, technology) for technology in technologies], network)


def _report(options: argparse.Namespace, reports: Sequence[Report], network: Network) -> None:
    """Show the reports, the first in full, and the schedule, and write them where that is asked for."""
    report, *others = reports
    print_report(report, parts=options.parts, explain=options.explain)
    if others:
        print_technologies(reports)
    written = to_json(report)
    if others:
        written["other_technologies"] = [to_json(other) for other in others]
    if options.schedule:
        _schedule(options, reports, network, [written, *written.get("other_technologies", [])])
    if options.report:
        as_csv = options.report.suffix == ".csv"
        text = to_csv(reports, parts=options.parts) if as_csv else json.dumps(written, indent=1) + "\n"
        write_whole(options.report, text.encode())


def _schedule(
    options: argparse.Namespace, reports: Sequence[Report], network: Network, written: Sequence[dict[str, Any]]
) -> None:
    """Show the schedule with each technology and note it in its report; write the trace of the first one."""
    for number, (report, entry) in enumerate(zip(reports, written, strict=True)):
        found = schedule_of(network, report, options.schedule)
        print_schedule(found, report)
        entry["schedule"] = scheduled.to_json(found, report)
        if options.trace and not number:
            write_whole(options.trace, (json.dumps(trace_of(found)) + "\n").encode())


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what can't be written or counted before anything long is done."""
    check_output(options.output, (".npz",), options)
    check_output(options.report, (".json", ".csv"), options)
    check_output(options.trace, (".json",), options)
    if options.trace and not options.schedule:
        raise UsageError("a trace is of a schedule", hint="add --schedule, such as --schedule parts", place="--trace")
    if options.golden and not options.check:
        raise UsageError("it is what --check compares with", hint="add --check", place="--golden")
    if options.report and options.level not in (None, "ap"):
        raise UsageError(
            "counts come from the simulator", hint="leave --level out, or use --level ap", place="--report"
        )
    if options.report and options.no_trace:
        raise UsageError(
            "a report needs the counts that depend on the data", hint="leave --no-trace out", place="--report"
        )


def _load(options: argparse.Namespace) -> tuple[Executor, GoldenCheck | None]:
    """The network, and with `--check` what compares it with the golden one while it runs."""
    if not options.check:
        executor, check = load_network(options), None
    elif options.golden:
        executor = load_network(options)
        golden, _ = compile_file(options.golden, stop_after="ternary", input_types=stated_types(options))
        check = GoldenCheck(executor, of_module(golden, executor.network.target, "native", trace=False))
    else:
        refuse_unchecked(options)
        golden, module, target = compiled_with_golden(options)
        executor = of_module(module, target, options.engine, trace=not options.no_trace)
        check = GoldenCheck(executor, of_module(golden, target, "native", trace=False))
    if options.report and not executor.network.programs:
        raise UsageError(
            "counts come from the simulator, and the pipeline ends above the machine code", place="--report"
        )
    return executor, check


def _size(result: Result) -> int:
    return sum(value.size for value in result.outputs.values())


def _read_labels(path: Path) -> Value:
    labels = next(iter(read_arrays(path).values()))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"expected one class number per sample, found {labels.shape} {labels.dtype}", place=str(path))
    return labels


def _check_labels(labels: Value, executor: Executor, inputs: Mapping[str, Value], path: Path) -> None:
    """Raises InputError where labels don't fit the samples, or the classes, which the outputs of one sample tell."""
    samples = next((len(value) for value in inputs.values() if value.ndim), 0)
    if len(labels) != samples:
        raise InputError(f"it holds {len(labels)} labels for {samples} samples", place=str(path))
    untraced = replace(executor, trace=False)
    output = next(iter(untraced.run(drawn(executor.network)).outputs.values()))
    check_labels(labels.astype("int64"), output, f"{path}, sample")
