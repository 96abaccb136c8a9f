"""Runs what the pages of documentation show: commands with their output, IR, and Python.

A page is a run of fenced blocks in one folder, from top to bottom. The language of a block says what is done with it:

- `console`: commands after `$ `, each followed by what it prints; a line `...` stands for any lines.
- `sh`: commands, one per line, which have to succeed.
- `mlir`: a module, which `camc opt` has to take.
- `python`: a script, which is run.
- `toml`, `text` and others: nothing.

An HTML comment on the line before a block says more: `<!-- file: NAME -->` writes the block to a file and leaves it at
that, and `<!-- not run: REASON -->` leaves it alone. Everything runs in this process: `camc`, `python`, `filecheck`,
`cat`, and `pip install -e .` of what the page has written.
"""

from __future__ import annotations

import importlib
import io
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import filecheck.main

from cam_compiler.cli import main as camc

_BLOCK = re.compile(r"^(?:<!-- (.+?) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    note: str
    """of the comment before it"""
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file that it is."""
        return self.note.removeprefix("file: ") if self.note.startswith("file: ") else None

    @property
    def runs(self) -> bool:
        known = self.language in ("console", "sh") or (self.language in ("mlir", "python") and not self.file)
        return known and not self.note.startswith(("not run: ", "test command"))


class Shown(NamedTuple):
    """A command, and the lines that it is said to print."""

    command: str
    lines: list[str]


class DocsError(AssertionError):
    """A page shows something else than what happens."""


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start()) + 1, found[1] or "", found[2], found[3])
        for found in _BLOCK.finditer(text)
    ]


def run_page(page: Path, folder: Path) -> int:
    """Run the blocks of a page in `folder`, the current one; returns how many. Raises DocsError where one fails."""
    count = 0
    for block in blocks_of(page):
        if block.file:
            Path(folder, block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, block.file).write_text(block.text, encoding="utf-8")
        if block.runs:
            count += 1
            try:
                _run(block, folder)
            except DocsError as error:
                raise DocsError(f"{page.name}:{block.line}: {error}") from error
    return count


def _run(block: Block, folder: Path) -> None:
    match block.language:
        case "console":
            for command, expected in shown(block.text):
                check_output(command, expected, output_of(command))
        case "sh":
            for command in _commands(block.text):
                output_of(command)
        case "mlir":
            (folder / "block.mlir").write_text(block.text, encoding="utf-8")
            output_of("camc opt block.mlir")
        case _:
            exec(compile(block.text, "block", "exec"), {"__name__": "__main__"})


def shown(text: str) -> Iterator[Shown]:
    """The commands of a console, and what each prints."""
    current: Shown | None = None
    for line in text.splitlines():
        if line.startswith("$ "):
            if current:
                yield current
            current = Shown(line.removeprefix("$ "), [])
        elif current is None:
            raise DocsError(f"expected `$ ` and a command, found {line!r}")
        else:
            current.lines.append(line)
    if current:
        yield current


def _commands(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.partition("  #")[0].split(";"):
            if part.strip():
                yield part.strip()


def output_of(command: str) -> str:
    """What a command prints, on standard output and error; raises DocsError where it fails."""
    name, *arguments = _words(command)
    stream = io.StringIO()
    with redirect_stdout(stream), redirect_stderr(stream):
        try:
            code = _called(name, arguments)
        except SystemExit as end:
            code = end.code or 0
    if code != 0:
        raise DocsError(f"`{command}` ends with {code}:\n{stream.getvalue()}")
    return stream.getvalue()


def _words(command: str) -> Sequence[str]:
    words: list[str] = []
    for word in shlex.split(command):
        words += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    return words


def _called(name: str, arguments: list[str]) -> object:
    if name == "camc":
        return camc(arguments)
    if name == "python" and arguments[0] == "-c":
        exec(compile(arguments[1], "command", "exec"), {"__name__": "__main__"})
        return 0
    if name == "python":
        with mock.patch.object(sys, "argv", arguments):
            runpy.run_path(arguments[0], run_name="__main__")
        return 0
    if name == "pip":
        _install(arguments)
        return 0
    if name == "filecheck":
        return filecheck.main.main(["filecheck", *arguments])
    if name == "cat":
        for argument in arguments:
            print(Path(argument).read_text(encoding="utf-8"), end="")
        return 0
    raise DocsError(f"`{name}` can't be run here: expected camc, python or cat, or a comment `not run: REASON`")


def _install(arguments: Sequence[str]) -> None:
    """What `pip install -e .` leaves behind: the package on the path, and its entry points."""
    if list(arguments) != ["install", "-e", "."]:
        raise DocsError(f"pip {shlex.join(arguments)} can't be run here: expected pip install -e .")
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
    info.mkdir(exist_ok=True)
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    lines: list[str] = []
    for group, points in project.get("entry-points", {}).items():
        lines += [f"[{group}]\n", *(f"{name} = {place}\n" for name, place in points.items())]
    (info / "entry_points.txt").write_text("".join(lines))
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()


def check_output(command: str, expected: Sequence[str], output: str) -> None:
    """Raises DocsError where the lines of an output aren't the expected ones, of which `...` stands for any."""
    found = [line.rstrip() for line in output.splitlines()]
    wanted = "".join(r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()) + r"\n" for line in expected)
    if not re.fullmatch(wanted, "".join(f"{line}\n" for line in found)):
        text = "\n".join(found)
        raise DocsError(f"`{command}` prints something else:\n{text}")
