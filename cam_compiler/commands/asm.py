"""`camc asm`: assembly to a binary program."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from cam_compiler.files import check_output
from cam_compiler.options import add_machine
from dialects.ap.assembly import AssemblyCode
from dialects.ap.counting import CountingCode
from dialects.machine.code import check_code, numbered
from dialects.machine.counting import COUNT_MNEMONICS, check_counting, check_loop, decode_counting
from dialects.machine.target import Target, load_target
from dialects.support.errors import ProgramError, TextError
from dialects.support.files import read_text
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
    text = read_text(name)
    first = next((words[0] for words in _words(text) if words), "")
    counting = first in COUNT_MNEMONICS
    try:
        code = (CountingCode if counting else AssemblyCode).from_text(text)
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
    places = _places(name, text)
    if isinstance(code, AssemblyCode):
        check_code(code.instructions, target.columns, target.domains, places)
    else:
        _check_counting(code, target, name, places)
    write_whole(options.output, code.binary)


def _check_counting(code: CountingCode, target: Target, name: str, places: Callable[[int], str]) -> None:
    """What can be said of counting code without the inputs and outputs of its program."""
    instructions = decode_counting(code.binary)
    try:
        check_loop([item.op for item in instructions])
    except ProgramError as error:
        raise ProgramError(error.message, place=name) from error
    check_counting(instructions, target.geometry, target.accumulators, places)


def _words(text: str) -> list[list[str]]:
    """The words of each line, without comments."""
    return [line.partition(";")[0].split() for line in text.splitlines()]


def _places(name: str, text: str) -> Callable[[int], str]:
    """How errors name an instruction: by its line, as each has one of its own."""
    # The end of `repeat` is an instruction, that of `loop` is not.
    marks = {"{", *(("loop", "}") if not any(words[:1] == ["repeat"] for words in _words(text)) else ())}
    lines = [number for number, words in enumerate(_words(text), start=1) if words and words[0] not in marks]
    return lambda number: f"{name}:{lines[number]}" if number < len(lines) else numbered(number)
