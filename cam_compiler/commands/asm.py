"""`camc asm`: assembly to a binary program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from cam_compiler.files import check_output
from cam_compiler.options import add_machine
from dialects.ap.assembly import AssemblyCode
from dialects.machine.code import check_code, numbered
from dialects.machine.target import load_target
from dialects.support.errors import FileError, InputError, ProgramError, TextError
from runtime.files import write_whole


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc asm` takes."""
    command.add_argument("source", help="assembly text, or - for standard input")
    command.add_argument("-o", "--output", type=Path, required=True, help="the binary program")
    add_machine(command)


def run(options: argparse.Namespace) -> None:
    """Assemble text to a binary program."""
    check_output(options.output, options=options)
    target = load_target("default" if options.target is None else options.target)
    name = options.source
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise FileError.of(error, "read", name) from error
    except UnicodeDecodeError as error:
        raise InputError(f"can't be read: {error}", place=name) from error
    try:
        code = AssemblyCode.from_text(text)
    except TextError as error:
        before = text[: error.offset]
        line, column = before.count("\n") + 1, error.offset - before.rfind("\n")
        raise ProgramError(error.message, place=f"{name}:{line}:{column}") from error
    except ProgramError as error:
        number = (error.place or "").removeprefix("instruction ")
        if not number.isdecimal():
            raise
        raise ProgramError(error.message, place=_places(name, text)(int(number))) from error
    if not code.binary:
        raise ProgramError("it holds no instruction", place=name)
    check_code(code.instructions, target.columns, target.domains, _places(name, text))
    write_whole(options.output, code.binary)


def _places(name: str, text: str) -> Callable[[int], str]:
    """How errors name an instruction: by its line, as each has one of its own."""
    words = [line.partition(";")[0].split() for line in text.splitlines()]
    lines = [number for number, found in enumerate(words, start=1) if found and found[0] not in ("loop", "{", "}")]
    return lambda number: f"{name}:{lines[number]}" if number < len(lines) else numbered(number)
