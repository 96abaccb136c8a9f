"""`camc opt`: runs passes on textual IR."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.printer import Printer
from xdsl.utils.exceptions import DiagnosticException, ParseError

from cam_compiler.about import Version
from cam_compiler.diagnostics import check_expected, expected_errors
from cam_compiler.files import check_output
from cam_compiler.instruments import add_instruments, finish, instruments_of
from cam_compiler.ir_text import parse_module
from cam_compiler.pipeline import parse_passes
from cam_compiler.registry import register_all
from cam_compiler.runner import Instruments, pipeline_of
from cam_compiler.runner import run as run_passes
from cam_compiler.terminal.progress import watching
from dialects.support.errors import CamcError, IRError
from dialects.support.files import read_text
from dialects.support.packed import elided
from dialects.support.verify import verify_module
from runtime.files import write_whole

_DASHES = "// -----\n"
_CUT = re.compile(r"^// -----[ \t]*$", re.MULTILINE)


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc opt` takes."""
    command.add_argument("input", nargs="?", default="-", help="an .mlir file; standard input if absent or -")
    command.add_argument("-o", "--output", "--output-file", type=Path, help="standard output if absent")
    command.add_argument(
        "-p", "--passes", "--pipeline", default="", help='a named pipeline (camc passes) or "pass{option=value},..."'
    )
    command.add_argument(
        "--run-reproducer", action="store_true", help="run the pass that the first line of a reproducer names"
    )
    command.add_argument(
        "--split-input-file", action="store_true", help="work on the parts between lines `// -----` by themselves"
    )
    command.add_argument(
        "--verify-diagnostics",
        action="store_true",
        help="check the errors against `// expected-error {{...}}` comments; a part without any prints its error",
    )
    command.add_argument(
        "--parsing-diagnostics", action="store_true", help="the same for errors of the parser, which are printed"
    )
    command.add_argument("--disable-verify", action="store_true", help="don't check that the IR is legal")
    command.add_argument("--allow-unregistered-dialect", action="store_true", help="read unknown operations")
    command.add_argument("--no-implicit-module", action="store_true", help="expect a module around everything")
    command.add_argument("--print-op-generic", action="store_true", help="print the generic form")
    command.add_argument("--print-debuginfo", action="store_true", help="print the locations of operations")
    add_instruments(command)
    command.add_argument("--version", action=Version, nargs=0, help="show the version")


def run(options: argparse.Namespace) -> None:
    """Run passes on each part of the input; write the result, or print it."""
    check_output(options.output)
    text = read_text(options.input)
    pipeline = options.passes or (pipeline_of(text) or "" if options.run_reproducer else "")
    passes = parse_passes(pipeline) if pipeline else ()
    instruments = replace(instruments_of(options), verify=not options.disable_verify)
    instruments.prepare()
    results: list[str] = []
    with watching(quiet=True) as screen:
        for part, first_line in _parts(text, options.split_input_file):
            found = _diagnosed(part, first_line, passes, instruments, options)
            if options.output:
                results.append(found)
            else:
                print(f"{_DASHES if first_line > 1 else ''}{found}", end="")
    finish(options, instruments, screen)
    if options.output:
        write_whole(options.output, _DASHES.join(results).encode())


def _parts(text: str, split: bool) -> Iterator[tuple[str, int]]:
    """Parts of the input, and the line in which each begins."""
    line = 1
    for part in _CUT.split(text) if split else [text]:
        yield part, line
        line += part.count("\n")


def _diagnosed(
    text: str, first_line: int, passes: tuple[ModulePass, ...], instruments: Instruments, options: argparse.Namespace
) -> str:
    """The text after the passes; what is printed instead where errors are looked at."""
    expected = expected_errors(text, options.input, first_line) if options.verify_diagnostics else []
    try:
        result = _transformed(text, first_line, passes, instruments, options)
    except (CamcError, DiagnosticException, ParseError) as error:
        if isinstance(error, ParseError):
            error.span = replace(error.span, line_offset=first_line - 1)
        if expected:
            check_expected(expected, error, 1)
            return ""
        if isinstance(error, ParseError) and options.parsing_diagnostics:
            return f"{error}\n"
        if isinstance(error, DiagnosticException | IRError) and options.verify_diagnostics:
            return f"{error}\n"
        raise
    if expected:
        check_expected(expected, None, first_line)
    return result


def _transformed(
    text: str, first_line: int, passes: tuple[ModulePass, ...], instruments: Instruments, options: argparse.Namespace
) -> str:
    ctx = Context(allow_unregistered=options.allow_unregistered_dialect)
    register_all(ctx)
    implicit = not options.no_implicit_module
    module = parse_module(text, options.input, ctx, implicit=implicit, first_line=first_line)
    if instruments.verify:
        _verify(module, options.input)
    run_passes(module, passes, ctx, instruments)
    return _printed(module, options)


def _verify(module: ModuleOp, name: str) -> None:
    try:
        verify_module(module)
    except DiagnosticException as error:
        raise IRError(f"the IR is invalid: {error}", place=name) from error


def _printed(module: ModuleOp, options: argparse.Namespace) -> str:
    stream = StringIO()
    printer = Printer(stream, print_generic_format=options.print_op_generic, print_debuginfo=options.print_debuginfo)
    with elided(options.elide):
        printer.print_op(module)
    return stream.getvalue() + "\n"
