"""`camc compare`: a network on the associative processor and on its rivals, in one table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from cam_compiler.comparison import compare
from cam_compiler.compile import compile_file
from cam_compiler.execution import named, of_module, of_program
from cam_compiler.files import check_output, read_arrays
from cam_compiler.loading import compiled_with_golden, refuse_pipeline
from cam_compiler.options import add_engine, add_input_types, add_machine, add_pipeline, add_work, stated_types
from cam_compiler.terminal.comparison import print_comparison
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import edge_inputs
from dialects.support.errors import InputError
from runtime.cost.report import make_report
from runtime.cost.technology import bundled_technologies, load_technology
from runtime.executor import Executor
from runtime.files import write_whole
from runtime.values import Value


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc compare` takes."""
    command.add_argument("model", type=Path, help="an .onnx model, or an .mlir file at the ternary level")
    command.add_argument("--program", type=Path, metavar="P.camx", help="the model, already compiled")
    command.add_argument(
        "--input",
        type=Path,
        metavar="X",
        help="samples as for run; one drawn at the quantiser's edges if absent",
    )
    command.add_argument(
        "--technologies",
        metavar="A,B",
        default=",".join(bundled_technologies()),
        help="technologies of the associative processor (default: all that are bundled)",
    )
    command.add_argument("-o", "--output", type=Path, metavar="R", help="write the result, .json or .csv")
    command.add_argument("--tech", default="rtsim", help="the technology whose energies --objective uses")
    command.add_argument("--ignore-instruction-fetch", action="store_true", help="leave the instructions' energy out")
    add_engine(command)
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_work(command)


def _drawn(golden: ModuleOp) -> dict[str, Value]:
    """One sample of each input."""
    return {name: value[:1] for name, value in edge_inputs(golden, samples=2).items()}


def _load(options: argparse.Namespace) -> tuple[ModuleOp, Executor]:
    """The network at the ternary level, and the compiled one, ready to run."""
    if options.program:
        refuse_pipeline(options)
        golden, _ = compile_file(options.model, stop_after="ternary", input_types=stated_types(options))
        return golden, of_program(options.program, options.engine)
    golden, module, target = compiled_with_golden(options)
    return golden, of_module(module, target, options.engine)


def run(options: argparse.Namespace) -> None:
    """Run the network once, and print it with every technology beside the rivals' models."""
    check_output(options.output, (".json", ".csv"), options)
    technologies = [load_technology(name) for name in options.technologies.split(",")]
    if options.model.suffix == ".camx":
        raise InputError(
            "a compiled program doesn't say what its layers are",
            place=str(options.model),
            hint="give the model, and the program with --program",
        )
    given = read_arrays(options.input) if options.input else None
    with watching(options.quiet):
        golden, executor = _load(options)
        inputs = _drawn(golden) if given is None else named(given, executor.network.inputs)
        result = executor.run(inputs)
    if not result.segments:
        raise InputError("counts come from the simulator, and the pipeline ends above the machine code")
    reports = [
        make_report(
            result,
            executor.network,
            technology,
            batch=1,
            ignore_instruction_fetch=options.ignore_instruction_fetch,
        )
        for technology in technologies
    ]
    comparison = compare(golden, options.model.stem, executor.network, reports)
    print_comparison(comparison)
    if options.output:
        as_json = options.output.suffix == ".json"
        text = json.dumps(comparison.to_json(), indent=1) + "\n" if as_json else comparison.to_csv()
        write_whole(options.output, text.encode())
