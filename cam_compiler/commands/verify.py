"""`camc verify`: models, IR files and programs on the same inputs, and on inputs made for each threshold."""

from __future__ import annotations

import argparse
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import InputTypes, level_of, read_module, refuse_types, target_for
from cam_compiler.execution import named, of_module, of_program
from cam_compiler.files import read_arrays
from cam_compiler.options import add_engine, add_input_types, add_work, at_least_one, stated_types
from cam_compiler.pipeline import make_context
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import SAMPLES, edge_inputs
from cam_compiler.verification.against import Compared, Golden
from dialects.support.errors import InputError
from dialects.support.instrumentation import part
from passes.ternary_canonicalize import TernaryCanonicalize
from runtime.executor import Executor


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc verify` takes."""
    command.add_argument(
        "models", type=Path, nargs="+", help=".onnx, .mlir or .camx files; the first sets the expected outputs"
    )
    command.add_argument(
        "--input", type=Path, metavar="X", help="inputs as for run; drawn at the quantiser's edges if absent"
    )
    command.add_argument(
        "--samples", type=at_least_one, default=SAMPLES, metavar="N", help=f"samples to draw (default: {SAMPLES})"
    )
    command.add_argument(
        "--inner",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare stored tensors, too, and what computes each of them, on inputs that bring every threshold to its "
        "steps",
    )
    add_engine(command)
    add_input_types(command)
    add_work(command)


def run(options: argparse.Namespace) -> None:
    """Run models, IR files and programs on the same inputs; the first difference is an error."""
    first, *others = options.models
    if all(path.suffix != ".onnx" for path in options.models):
        refuse_types(first, stated_types(options))
    said: list[tuple[Path, Compared]] = []
    with watching(options.quiet):
        golden = _golden(first, options)
        samples = golden.result.samples
        for index, path in enumerate(others):
            with part(index, index + 1, len(others), path.name):
                said.append((path, golden.compare(_executor(path, options), path.name)))
    print(f"{first.name}: sets the outputs of {samples:,} samples")
    for path, compared in said:
        print(f"{path.name}: {compared}")


def _golden(path: Path, options: argparse.Namespace) -> Golden:
    given = read_arrays(options.input) if options.input else None
    if path.suffix == ".camx":
        if given is None:
            raise InputError("name an .onnx or .mlir file first, or give --input", place=str(path))
        executor = of_program(path, options.engine, trace=False)
        return Golden(path.name, executor, named(given, executor.network.inputs))
    module = read_module(path, _types(path, options))
    executor = of_module(module, target_for(module, None), options.engine, trace=False)
    drawn = edge_inputs(module, options.samples) if given is None else named(given, executor.network.inputs)
    return Golden(path.name, executor, drawn, (module, *_canonical(module)) if options.inner else ())


def _canonical(module: ModuleOp) -> list[ModuleOp]:
    """The form of a network that all pipelines begin with, whose tensors later levels store."""
    if level_of(module) != "ternary":
        return []
    canonical = module.clone()
    TernaryCanonicalize().apply(make_context(), canonical)
    return [canonical]


def _types(path: Path, options: argparse.Namespace) -> InputTypes:
    """Only a model takes types of its inputs."""
    return stated_types(options) if path.suffix == ".onnx" else ({}, {})


def _executor(path: Path, options: argparse.Namespace) -> Executor:
    if path.suffix == ".camx":
        return of_program(path, options.engine, trace=False)
    module = read_module(path, _types(path, options))
    return of_module(module, target_for(module, None), options.engine, trace=False)
