"""`camc disasm`: the assembly of a binary program."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from cam_compiler.files import check_output
from dialects.ap.assembly import AssemblyCode
from dialects.ap.counting import CountingCode
from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.counting import is_counting
from dialects.support.errors import ProgramError, UsageError
from dialects.support.files import read_file
from dialects.support.text import on_one_line
from runtime.camx import load
from runtime.files import write_whole

_MOST = 1 << 28
"""bytes of a binary program"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc disasm` takes."""
    command.add_argument("program", type=Path, help="a binary program, or the code of a .camx file")
    command.add_argument("-o", "--output", type=Path, help="standard output if absent")
    command.add_argument(
        "--annotate",
        action="store_true",
        help="say which part of its layer a program computes, and which ONNX nodes a layer stands for",
    )


def _text(program: AnyProgram, nodes: Mapping[str, Sequence[str]], annotate: bool) -> str:
    """The assembly of all segments, each behind its name."""
    language = CountingCode if isinstance(program, CountedProgram) else AssemblyCode
    lines = [f"; program {on_one_line(program.title)}"] if annotate else []
    for layer, code in program.segments:
        lines.append(f"; {on_one_line(layer)}")
        if annotate:
            lines += [f";   {on_one_line(node)}" for node in nodes.get(layer, ())]
        lines.append(language(code).to_text())
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Show the assembly of a binary program or of all segments of a compiled network."""
    path: Path = options.program
    check_output(options.output, options=options)
    if path.suffix == ".camx":
        network = load(path)
        text = "\n".join(_text(program, network.nodes, options.annotate) for program in network.programs)
    elif options.annotate:
        raise UsageError("only a .camx file says where instructions come from", place=str(path))
    else:
        binary = read_file(path, _MOST)
        if not binary:
            raise ProgramError("it holds no instruction", place=str(path))
        text = (CountingCode if is_counting(binary) else AssemblyCode)(binary).to_text()
    if options.output:
        write_whole(options.output, f"{text}\n".encode())
    else:
        print(text)
