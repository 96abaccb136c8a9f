"""Renews the pages that the code itself tells: dialects, passes, commands: `python docs/make_reference.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from cam_compiler import cli
from cam_compiler.commands import COMMANDS
from cam_compiler.commands.dialects import entries_of
from cam_compiler.commands.passes import description_of
from cam_compiler.pipeline import PIPELINES
from cam_compiler.universe import DIALECTS, PASSES

FOLDER = Path(__file__).parent
_NOTE = "<!-- made by docs/make_reference.py -->"


def _fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


def dialects() -> str:
    """The page of all operations, types and attributes."""
    parts = ["# Dialects, operations and types", _NOTE, "`camc dialects NAME` prints the same."]
    for name in DIALECTS:
        text, entries = entries_of(name)
        parts += [f"## {name}", _fenced(text)]
        for member, described in entries:
            parts += [f"### {member}", _fenced(described)]
    return "\n\n".join(parts) + "\n"


def passes() -> str:
    """The page of all passes and pipelines."""
    parts = ["# Passes and pipelines", _NOTE, "`camc passes NAME` prints the same.", "## Passes"]
    for name in PASSES:
        parts += [f"### {name}", _fenced(description_of(name))]
    parts.append("## Pipelines")
    for name, items in PIPELINES.items():
        parts += [f"### {name}", _fenced("\n".join(items))]
    return "\n\n".join(parts) + "\n"


def commands() -> str:
    """The page of all commands with their options."""
    parts = ["# Commands", _NOTE, "`camc COMMAND --help` prints the same."]
    for name, text in COMMANDS.items():
        choices = _subparsers(cli.make_parser([name]))
        lines = [_option(action) for action in choices[name]._actions if not isinstance(action, argparse._HelpAction)]
        parts += [f"## camc {name}", f"{text[0].upper()}{text[1:]}.", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(dict(item.choices) for item in parser._actions if isinstance(item, argparse._SubParsersAction))


def _option(action: argparse.Action) -> str:
    """One option as an item of a list; help texts of argparse itself differ between versions of Python."""
    values = "|".join(map(str, action.choices)) if action.choices and not action.metavar else action.metavar
    value = "" if action.nargs == 0 else str(values or action.dest.upper())
    names = ", ".join(action.option_strings)
    if isinstance(action, argparse.BooleanOptionalAction):
        value = ""
    help_text = (action.help or "") % {"default": action.default, "prog": "camc"}
    return f"- `{' '.join(filter(None, [names, value]))}`: {help_text}"


PAGES: dict[str, Callable[[], str]] = {"dialects.md": dialects, "passes.md": passes, "commands.md": commands}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
