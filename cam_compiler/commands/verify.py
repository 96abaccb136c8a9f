"""`camc verify`: models, IR files and programs on the same inputs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cam_compiler.compile import InputTypes, read_module, refuse_types, target_for
from cam_compiler.execution import named, of_module, of_program
from cam_compiler.files import read_arrays
from cam_compiler.options import add_input_types, add_work, stated_types
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import Validator, edge_inputs
from dialects.support.errors import InputError
from dialects.support.instrumentation import part


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc verify` takes."""
    command.add_argument(
        "models", type=Path, nargs="+", help=".onnx, .mlir or .camx files; the first sets the expected outputs"
    )
    command.add_argument(
        "--input", type=Path, metavar="X", help="inputs as for run; drawn at the quantiser's edges if absent"
    )
    add_input_types(command)
    add_work(command)


def run(options: argparse.Namespace) -> None:
    """Run models, IR files and programs on the same inputs; the first difference is an error."""
    validator = Validator(read_arrays(options.input) if options.input else None)
    paths: list[Path] = options.models
    if all(path.suffix != ".onnx" for path in paths):
        refuse_types(paths[0], stated_types(options))
    with watching(options.quiet):
        for index, path in enumerate(paths):
            with part(index, index + 1, len(paths), path.name):
                _verify(path, validator, stated_types(options) if path.suffix == ".onnx" else ({}, {}))
    for index, name in enumerate(validator.checked):
        print(f"{name}: {'the same outputs' if index else 'sets the outputs'}")


def _verify(path: Path, validator: Validator, input_types: InputTypes) -> None:
    if path.suffix == ".camx":
        executor = of_program(path, "native", trace=False)
        if validator.inputs is None:
            raise InputError("name an .onnx or .mlir file first, or give --input", place=str(path))
    else:
        module = read_module(path, input_types)
        executor = of_module(module, target_for(module, None), "native", trace=False)
        if validator.inputs is None:
            validator.inputs = edge_inputs(module)
    validator.compare(executor.run(named(validator.inputs, executor.network.inputs)), path.name)
