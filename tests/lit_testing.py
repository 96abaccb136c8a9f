"""Runs lit tests within pytest: a start of Python for each of their commands would take most of the time.

lit's own parsers read the RUN lines, so that a file means the same here and under lit. `camc`, `filecheck`, `not`,
`cmp` and `cat` are functions of this process; any other command, and any keyword but RUN, is an error.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import chdir
from pathlib import Path
from unittest import mock

import filecheck.main
import pytest
from lit.ShCommands import Command
from lit.ShUtil import ShParser
from lit.TestRunner import parseIntegratedTestScriptCommands

from cam_compiler.cli import main as camc

KEYWORDS = ("RUN:", "REQUIRES:", "UNSUPPORTED:", "XFAIL:", "ALLOW_RETRIES:", "END.", "DEFINE:", "REDEFINE:")


FOLDER = Path(__file__).parent / "filecheck"


def is_lit_test(path: Path) -> bool:
    """Whether a file is one of those that lit.cfg.py names."""
    return path.suffix in (".mlir", ".test") and path.is_relative_to(FOLDER)


class Failure(Exception):
    """A RUN line that failed, with what its commands said."""


class LitFile(pytest.File):
    """A file with RUN lines: one test."""

    def collect(self) -> Iterable[pytest.Item]:
        yield LitItem.from_parent(self, name="lit")


class LitItem(pytest.Item):
    """Runs all lines of a file, in a folder of its own."""

    def runtest(self) -> None:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            run_file(self.path, Path(folder))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, Failure):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.path.name


def run_file(source: Path, folder: Path) -> None:
    """Run the RUN lines of a file; %t is in `folder`. Raises Failure at the first line that fails."""
    lines = list(parseIntegratedTestScriptCommands(str(source), KEYWORDS))
    if not lines:
        raise Failure(f"{source}: no RUN line")
    for number, keyword, text in lines:
        place = f"{source}:{number}: {text.strip()}"
        if keyword != "RUN:" or text.endswith("\\"):
            raise Failure(f"{place}\nonly RUN lines are known here, each on one line")
        line = text.replace("%s", str(source)).replace("%t", str(folder / source.name) + ".tmp")
        if "%" in line:
            raise Failure(f"{place}\nonly %s and %t are known here")
        pipeline = ShParser(line, pipefail=True).parse()
        if said := _run(pipeline.commands):
            raise Failure(f"{place}\n{said}")


class _Stream(io.TextIOWrapper):
    """Text over bytes in memory, as a pipe is."""

    def __init__(self, given: bytes = b""):
        self.bytes = io.BytesIO(given)
        super().__init__(self.bytes, encoding="utf-8", write_through=True)


def _run(commands: Sequence[Command]) -> str | None:
    """Run commands one after another, each on what the one before it wrote; what was said if one of them fails."""
    given, said, failed = b"", "", False
    for command in commands:
        pipes = [_Stream(given), _Stream(), _Stream()]
        streams, files = list(pipes), list[tuple[Path, _Stream]]()
        for (operator, *number), name in command.redirects:
            match operator, number:
                case "<", []:
                    streams[0] = _Stream(Path(name).read_bytes())
                case ">", []:
                    streams[1] = _Stream()
                    files.append((Path(name), streams[1]))
                case ">&", [2] if name == "1":
                    streams[2] = streams[1]
                case _:
                    raise Failure(f"a redirection that is not known here: {operator} {name}")
        failed |= _call(command.args, *streams) != 0
        for path, stream in files:
            path.write_bytes(stream.bytes.getvalue())
        given = pipes[1].bytes.getvalue()
        said += pipes[2].bytes.getvalue().decode()
    return (said + given.decode() or "failed") if failed else None


def _call(arguments: Sequence[str], given: _Stream, out: _Stream, said: _Stream) -> int:
    name, *rest = arguments
    if name == "not":
        return int(_call(rest, given, out, said) == 0)
    if name not in _COMMANDS:
        raise Failure(f"a command that is not known here: {name}")
    with mock.patch.multiple(sys, stdin=given, stdout=out, stderr=said):
        try:
            return _COMMANDS[name](rest)
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)


def _filecheck(arguments: list[str]) -> int:
    return filecheck.main.main(["filecheck", *arguments]) or 0


def _cmp(arguments: list[str]) -> int:
    one, other = (Path(name).read_bytes() for name in arguments)
    return int(one != other)


def _cat(arguments: list[str]) -> int:
    [name] = arguments
    path = Path(name)
    if not path.is_file():
        return 1
    sys.stdout.write(path.read_text(encoding="utf-8"))
    return 0


_COMMANDS: dict[str, Callable[[list[str]], int]] = {"camc": camc, "filecheck": _filecheck, "cmp": _cmp, "cat": _cat}
