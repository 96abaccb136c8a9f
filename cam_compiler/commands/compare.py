"""`camc compare`: a network on the associative processor and on its rivals, in one table."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.comparison import Flow, compare
from cam_compiler.compile import read_module
from cam_compiler.execution import named, of_module, of_program
from cam_compiler.files import check_output, read_arrays
from cam_compiler.loading import compiled_with_golden, golden_of, refuse_pipeline
from cam_compiler.options import add_engine, add_input_types, add_machine, add_pipeline, add_work, stated_types
from cam_compiler.pipeline import counting, parse_passes, run_passes
from cam_compiler.terminal.comparison import print_comparison
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import edge_inputs
from dialects.machine.target import Target, load_target
from dialects.support.errors import CapacityError, InputError, PipelineError
from runtime.cost.report import make_report
from runtime.cost.technology import Technology, bundled_technologies, load_technology
from runtime.executor import Executor
from runtime.files import write_whole
from runtime.result import Result
from runtime.values import Value

COUNT = "count"
"""the flow with weights as data"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc compare` takes."""
    command.add_argument("model", type=Path, help="an .onnx model, or an .mlir file at the ternary level")
    command.add_argument("--program", type=Path, metavar="P.camx", help="the model, already compiled")
    command.add_argument(
        "--flow",
        action="append",
        metavar="NAME[=P.camx]",
        help="a pipeline whose program stands beside the compiled one, and that program if there is one; repeatable "
        "(default: date24, the paper's own flow, and count, a machine that counts tags; 'none': no other)",
    )
    command.add_argument(
        "--input",
        type=Path,
        metavar="X",
        help="samples as for run; one drawn at the quantiser's edges if absent",
    )
    command.add_argument(
        "--tech",
        metavar="A,B",
        help="technologies of the associative processor (default: all that are bundled); --objective means the first "
        "that is stated, or rtsim",
    )
    command.add_argument("-o", "--output", type=Path, metavar="R", help="write the result, .json or .csv")
    command.add_argument("--ignore-instruction-fetch", action="store_true", help="leave the instructions' energy out")
    add_engine(command)
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_work(command)


def _drawn(golden: ModuleOp) -> dict[str, Value]:
    """One sample of each input."""
    return {name: value[:1] for name, value in edge_inputs(golden, samples=2).items()}


def _load(options: argparse.Namespace, source: ModuleOp) -> tuple[ModuleOp, Executor]:
    """The network at the ternary level, and the compiled one, ready to run."""
    if options.program:
        return golden_of(options, source), of_program(options.program, options.engine)
    golden, module, target = compiled_with_golden(options, source)
    return golden, of_module(module, target, options.engine)


def _flows(options: argparse.Namespace) -> dict[str, Path | None]:
    """The other pipelines, each with its compiled program if there is one, for which any name will do."""
    default = [name for name in ("date24", COUNT) if name not in (options.pipeline, options.mapping)]
    stated: list[str] = options.flow or default
    pairs = (text.partition("=") for text in stated if text != "none")
    found = {name: Path(path) if path else None for name, _, path in pairs}
    for name, program in found.items():
        if not program:
            parse_passes(_pipeline(name))
    return found


def _pipeline(name: str) -> str:
    return counting("default", COUNT) if name == COUNT else name


def _load_flow(
    name: str, program: Path | None, options: argparse.Namespace, source: ModuleOp, target: Target
) -> Executor | None:
    """The network of another pipeline, for the same machine; None where that is too small for it."""
    if program:
        return of_program(program, options.engine)
    module = source.clone()
    if name == COUNT and not target.counter:
        # Weights as data need a machine of another class: the same arrays with counters.
        own = load_target("counting")
        target = replace(own, **asdict(target.geometry), arrays=target.arrays)
    try:
        run_passes(module, parse_passes(_pipeline(name)), target)
    except CapacityError as error:
        print(f"without {name}, for which the arrays are too small: {error.message}", file=sys.stderr)
        return None
    except PipelineError as error:
        if name != COUNT:
            raise
        print(f"without {name}: {error.message}", file=sys.stderr)
        return None
    return of_module(module, target, options.engine)


def _check_same(name: str, found: Result, expected: Result) -> None:
    """A flow is another program of the same network."""
    for output, value in expected.outputs.items():
        if output not in found.outputs or not np.array_equal(found.outputs[output], value):
            raise InputError(
                f"its output '{output}' is another one", place=f"flow {name}", hint="compile the same model for both"
            )


def _technologies(options: argparse.Namespace) -> list[Technology]:
    """Those that are stated, or all that are bundled."""
    return [load_technology(name) for name in (options.tech.split(",") if options.tech else bundled_technologies())]


def _flow(executor: Executor, result: Result, options: argparse.Namespace) -> Flow:
    """The run's reports, one per technology."""
    if not result.segments:
        raise InputError("counts come from the simulator, and the pipeline ends above the machine code")
    technologies = _technologies(options)
    ignored = options.ignore_instruction_fetch
    reports = [
        make_report(result, executor.network, technology, batch=1, ignore_instruction_fetch=ignored)
        for technology in technologies
    ]
    return Flow(executor.network, reports)


def run(options: argparse.Namespace) -> None:
    """Run the network's programs once, and print them with every technology beside the rivals' models."""
    check_output(options.output, (".json", ".csv"), options)
    _ = _technologies(options)
    if options.model.suffix == ".camx":
        raise InputError(
            "a compiled program doesn't say what its layers are",
            place=str(options.model),
            hint="give the model, and the program with --program",
        )
    if options.program:
        refuse_pipeline(options)
    stated = _flows(options)
    given = read_arrays(options.input) if options.input else None
    with watching(options.quiet):
        source = read_module(options.model, stated_types(options))
        golden, executor = _load(options, source)
        inputs = _drawn(golden) if given is None else named(given, executor.network.inputs)
        result = executor.run(inputs)
        compiled, others = _flow(executor, result, options), dict[str, Flow]()
        for name, program in stated.items():
            if other := _load_flow(name, program, options, source, executor.network.target):
                _check_same(name, run := other.run(inputs), result)
                others[name] = _flow(other, run, options)
    comparison = compare(golden, options.model.stem, compiled, others)
    print_comparison(comparison)
    if options.output:
        as_json = options.output.suffix == ".json"
        text = json.dumps(comparison.to_json(), indent=1) + "\n" if as_json else comparison.to_csv()
        write_whole(options.output, text.encode())
