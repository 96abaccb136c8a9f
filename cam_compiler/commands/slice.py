"""`camc slice`: what one value of an output depends on, as a file of the same level that runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cam_compiler.compile import read_module, refuse_types
from cam_compiler.debug.slicing import Wanted, cut_out
from cam_compiler.files import check_output
from cam_compiler.options import add_input_types, stated_types
from cam_compiler.runner import text_of
from dialects.support.text import on_one_line
from dialects.support.verify import verify_module
from runtime.files import write_whole


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc slice` takes."""
    command.add_argument("model", type=Path, help="an .mlir file of any level, or an .onnx model")
    command.add_argument(
        "--output", required=True, metavar="NAME[INDEX]", help="an output, and which value of a sample, as in 'y[3]'"
    )
    command.add_argument("-o", type=Path, dest="file", metavar="FILE.mlir", help="standard output if absent")
    add_input_types(command)


def run(options: argparse.Namespace) -> None:
    """Cut a value's part out of a network."""
    check_output(options.file, (".mlir",), options)
    if options.model.suffix != ".onnx":
        refuse_types(options.model, stated_types(options))
    module = read_module(options.model, stated_types(options))
    found = cut_out(module, Wanted.of(options.output))
    verify_module(module)
    text = f"{text_of(module)}\n"
    if options.file:
        write_whole(options.file, text.encode())
    else:
        print(text, end="")
    print(f"the value is {on_one_line(str(found))} of this network", file=sys.stderr)
