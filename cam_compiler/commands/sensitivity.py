"""`camc sensitivity`: which parameters of the hardware matter for a network's energy, latency and area."""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path

from cam_compiler.execution import drawn, named
from cam_compiler.files import check_output, read_arrays
from cam_compiler.loading import load_network, report_of
from cam_compiler.options import (
    add_batch,
    add_energy,
    add_engine,
    add_input_types,
    add_machine,
    add_pipeline,
    add_work,
)
from cam_compiler.terminal.progress import watching
from cam_compiler.terminal.sensitivity import print_sensitivity
from dialects.support.errors import InputError
from runtime.cost.sensitivity import Outcome, Sensitivity, sensitivity
from runtime.cost.technology import load_technology
from runtime.files import write_whole


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc sensitivity` takes."""
    command.add_argument("model", type=Path, help="an .onnx model, an .mlir file or a compiled .camx program")
    command.add_argument(
        "--input", type=Path, metavar="X", help="samples as for run; one drawn at the quantiser's edges if absent"
    )
    command.add_argument(
        "--range",
        type=_factors,
        metavar="LO,HI",
        help="factors by which each parameter is varied (default: its own range where the technology states one, else "
        "0.5,2)",
    )
    command.add_argument("-o", "--output", type=Path, metavar="R", help="write the result, .json or .csv")
    add_batch(command)
    add_engine(command)
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_energy(command)
    add_work(command)
    command.set_defaults(no_trace=False)


def _factors(text: str) -> tuple[float, float]:
    low, _, high = text.partition(",")
    try:
        found = float(low), float(high)
    except ValueError:
        found = (0.0, 0.0)
    if not 0 <= found[0] <= 1 <= found[1] <= 1e6 or found[0] == found[1]:
        raise argparse.ArgumentTypeError(
            f"expected a factor up to 1 and one from 1 up to a million, such as 0.5,2, found {text!r}"
        )
    return found


def run(options: argparse.Namespace) -> None:
    """Run the network once, and price the run again and again."""
    check_output(options.output, (".json", ".csv"), options)
    technology = load_technology(options.tech)
    given = read_arrays(options.input) if options.input else None
    with watching(options.quiet):
        executor = load_network(options)
        network = executor.network
        result = executor.run(drawn(network) if given is None else named(given, network.inputs))
    if not result.segments:
        raise InputError("counts come from the simulator, and the pipeline ends above the machine code")
    report = report_of(options, result, network, technology)
    found = sensitivity(report, result, network, options.range)
    print_sensitivity(found)
    if options.output:
        as_json = options.output.suffix == ".json"
        text = json.dumps(found.to_json(), indent=1) + "\n" if as_json else _to_csv(found)
        write_whole(options.output, text.encode())


def _to_csv(found: Sensitivity) -> str:
    """One row per parameter and end of its range."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("parameter", "value", *Outcome._fields))
    writer.writerow(("as stated", "", *found.base))
    for swing in found.swings:
        writer.writerow((swing.parameter, swing.low, *swing.at_low))
        writer.writerow((swing.parameter, swing.high, *swing.at_high))
    return stream.getvalue()
