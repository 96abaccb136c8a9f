"""`camc compile`: a model to a program, or to the IR of a stage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cam_compiler.compile import compile_file, level_of, on_the_host
from cam_compiler.files import check_output
from cam_compiler.instruments import add_instruments, finish, instruments_of
from cam_compiler.loading import pipeline_of
from cam_compiler.options import (
    add_input_types,
    add_machine,
    add_pipeline,
    add_tech,
    add_work,
    at_least_one,
    objective_of,
    stated_types,
)
from cam_compiler.runner import text_of
from cam_compiler.terminal.progress import watching
from dialects.support.errors import UsageError
from dialects.support.text import on_one_line
from runtime.camx import save
from runtime.files import write_whole
from runtime.interpreter import network_of
from runtime.result import expected_runs


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc compile` takes."""
    command.add_argument("model", type=Path, help="an .onnx model or an .mlir file")
    command.add_argument(
        "-o", "--output", type=Path, help="OUT.camx, or OUT.mlir for the IR; standard output if absent"
    )
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_tech(command)
    command.add_argument(
        "--batch",
        type=at_least_one,
        metavar="N",
        help="samples that the machine will work on at once, for --objective (default: 1)",
    )
    command.add_argument("--stop-after", metavar="STAGE", help="a level (ternary, apv, rtm, ap) or a pass")
    add_instruments(command)
    add_work(command)


def run(options: argparse.Namespace) -> None:
    """Compile a model or IR; write the result, or print it."""
    output: Path | None = options.output
    check_output(output, (".camx", ".mlir"), options)
    _check_dump(options.dump_ir, options.model)
    instruments = instruments_of(options)
    with watching(options.quiet) as screen:
        module, target = compile_file(
            options.model,
            options.target,
            pipeline=pipeline_of(options),
            effort=options.effort,
            objective=objective_of(options),
            stop_after=options.stop_after,
            instruments=instruments,
            input_types=stated_types(options),
        )
    finish(options, instruments, screen)
    if options.stats and level_of(module) == "ap":
        from cam_compiler.terminal.render import print_expected

        print_expected(expected_runs(network_of(module, target), 1))
    if ends := on_the_host(module):
        print(f"on the host: {', '.join(map(on_one_line, ends))}", file=sys.stderr)
    if output is None:
        print(text_of(module, options.elide))
    elif output.suffix == ".mlir":
        write_whole(output, (text_of(module, options.elide) + "\n").encode())
    else:
        save(network_of(module, target), output)


def _check_dump(folder: Path | None, model: Path) -> None:
    """Refuse to write dumps over the dump that is compiled."""
    if folder and folder.is_dir() and model.suffix == ".mlir" and folder.resolve() == model.resolve().parent:
        raise UsageError("the model lies in the folder of the dumps", place="--dump-ir", hint="choose another folder")
