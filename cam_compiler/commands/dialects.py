"""`camc dialects`: a list of dialects, or the operations, types and attributes of one."""

from __future__ import annotations

import argparse
import sys
from inspect import cleandoc

from xdsl.ir import Dialect

from cam_compiler.terminal.render import print_listing
from cam_compiler.universe import DIALECTS
from dialects.support.errors import UsageError


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc dialects` takes."""
    command.add_argument("names", nargs="*", metavar="NAME", help="what to describe; a list if absent")


def run(options: argparse.Namespace) -> None:
    """List the dialects, or describe some of them or of their operations."""
    if not options.names:
        print_listing([(name, _text(make()).partition("\n")[0]) for name, make in DIALECTS.items()])
        return
    print("\n\n".join(_described(name) for name in options.names))


def entries_of(name: str) -> tuple[str, list[tuple[str, str]]]:
    """What a dialect says of itself, and its members with theirs, or the one that is named; raises UsageError."""
    prefix = name.partition(".")[0]
    if prefix not in DIALECTS:
        raise UsageError(f"there is no dialect '{prefix}'", hint=f"dialects are {', '.join(DIALECTS)}")
    dialect = DIALECTS[prefix]()
    members = [*dialect.operations, *dialect.attributes]
    chosen = [(member.name, cleandoc(member.__doc__ or "")) for member in members if name in (prefix, member.name)]
    if not chosen:
        names = ", ".join(member.name for member in members)
        raise UsageError(f"there is no '{name}'", hint=f"the dialect has {names}")
    return _text(dialect), chosen


def _described(name: str) -> str:
    text, members = entries_of(name)
    entries = [f"{member}\n{_indented(described)}" for member, described in members]
    return "\n\n".join([text, *entries] if "." not in name else entries)


def _text(dialect: Dialect) -> str:
    """The docstring of a dialect's package."""
    module = sys.modules[f"dialects.{dialect.name}"]
    return cleandoc(module.__doc__ or "")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
