"""The `camc` command: finds the command that is given, runs it, and turns errors into messages."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, cast

from cam_compiler.about import Version
from cam_compiler.commands import COMMANDS
from cam_compiler.interrupt import EXIT_CODE, interruptible, say
from cam_compiler.terminal.streams import safe_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors of the user are one message, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with safe_streams(), quiet_warnings():
        return _answer(given)


def _answer(given: Sequence[str]) -> int:
    try:
        with interruptible():
            options = make_parser(given).parse_args(given)
            return _run(options)
    except BrokenPipeError:
        # The reader of our output is gone, as in `camc passes | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        say()
        return EXIT_CODE
    except Exception as error:
        if os.environ.get("CAMC_TRACEBACK"):
            raise
        # Only the first line begins where messages begin, whatever a name in the others says.
        print(f"camc: {explain(error)}".replace("\n", "\n  ").replace("\n    hint: ", "\n  hint: "), file=sys.stderr)
        return 1


@contextmanager
def quiet_warnings() -> Generator[None]:
    """Keep the libraries' warnings, which tell their programmers something, from the user; `python -W` shows them."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield


def _run(options: argparse.Namespace) -> int:
    threads: int | None = getattr(options, "threads", None)
    if threads is None:
        return int(options.run(options) or 0)
    from dialects.support.threads import use_threads

    with use_threads(threads):
        return int(options.run(options) or 0)


def explain(error: Exception) -> str:
    """The message of an error for the user."""
    from xdsl.utils.exceptions import DiagnosticException, ParseError

    from cam_compiler.ir_text import described
    from dialects.support.errors import CamcError
    from dialects.support.text import shortened

    if isinstance(error, ParseError):
        return f"error: {described(error)}"
    if isinstance(error, CamcError | DiagnosticException):
        return f"error: {shortened(str(error))}"
    if isinstance(error, RecursionError):
        return "error: an input is nested too deeply"
    if isinstance(error, MemoryError):
        return "error: out of memory"
    if isinstance(error, OSError):
        return f"error: {error.filename or 'a file'}: {error.strerror or error}"
    name, text = type(error).__name__, shortened(str(error))
    return f"internal error: {name}: {text}\n  hint: please report it; CAMC_TRACEBACK=1 shows where it happened"


class _Command(Protocol):
    """The module of a command; `PARSER`, which it may leave out, holds arguments of its `ArgumentParser`."""

    PARSER: Mapping[str, Any]

    def add_options(self, command: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int | None: ...


def make_parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The command line's grammar: all commands, and the options of those that are among the given arguments."""
    parser = argparse.ArgumentParser(
        prog="camc",
        description="Compile quantised ONNX networks with ternary weights for associative processors of racetrack "
        "memory, run them bit by bit, and report energy and latency.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        if name not in given:
            commands.add_parser(name, help=text)
            continue
        module = cast(_Command, import_module(f"cam_compiler.commands.{name}"))
        command = commands.add_parser(name, help=text, **getattr(module, "PARSER", {}))
        module.add_options(command)
        command.set_defaults(run=module.run)
    return parser
