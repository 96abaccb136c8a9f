"""`camc diff`: how two modules of one level, or two programs, differ in structure and counts."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import level_of, read_module
from cam_compiler.debug.inventory import Change, Inventory, changes, of_module, of_network, totals
from cam_compiler.options import at_least_one
from cam_compiler.terminal.render import console
from dialects.support.errors import UsageError
from dialects.support.text import on_one_line, shortened
from runtime.camx import load
from runtime.network import Network

_SHOWN = 40
_WIDTH = 60
"""characters of a changed line"""


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc diff` takes."""
    command.add_argument("before", type=Path, metavar="A", help="an .mlir file, an .onnx model or a .camx program")
    command.add_argument("after", type=Path, metavar="B", help="another one of the same level")
    command.add_argument(
        "--lines",
        type=at_least_one,
        default=_SHOWN,
        metavar="N",
        help=f"counts, and changed operations, that are shown (default: {_SHOWN})",
    )


def run(options: argparse.Namespace) -> int:
    """Show what differs; the exit code is 1 where something does, as with diff."""
    before, after = _read(options.before), _read(options.after)
    if type(before) is not type(after):
        raise UsageError("a program is no module", hint="compare two .camx files, or two .mlir files of the ap level")
    changed: list[Change] = []
    if isinstance(before, ModuleOp) and isinstance(after, ModuleOp):
        levels = level_of(before), level_of(after)
        if levels[0] != levels[1]:
            raise UsageError(
                f"{options.before} is of the level {levels[0]}, {options.after} of {levels[1]}",
                hint="camc compile --stop-after lowers a file; camc verify compares what files of any level compute",
            )
        if before.is_structurally_equivalent(after):
            print("equal")
            return 0
        changed = list(changes(before, after))
        ones, others = of_module(before), of_module(after)
    else:
        assert isinstance(before, Network) and isinstance(after, Network)
        if before == after:
            print("equal")
            return 0
        ones, others = of_network(before), of_network(after)
    _print_counts(ones, others, options.lines)
    _print_changes(changed, options.lines)
    return 1


def _read(path: Path) -> ModuleOp | Network:
    return load(path) if path.suffix == ".camx" else read_module(path)


def _print_counts(before: Inventory, after: Inventory, most: int) -> None:
    """Counts that differ, layer by layer, and those of the whole network."""
    keys = [key for key in dict.fromkeys([*before, *after]) if before[key] != after[key]]
    sums = totals(before), totals(after)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("layer", "operation", "count"):
        table.add_column(name, overflow="fold")
    for name in ("A", "B", "B / A"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in keys[:most]:
        table.add_row(*(on_one_line(word) for word in key), *_numbers(before[key], after[key]))
    if len(keys) > most:
        table.add_row("...", f"{len(keys) - most:,} more", "", "", "", "")
    if sums[0] or sums[1]:
        table.add_section()
    for key in dict.fromkeys([*sums[0], *sums[1]]):
        table.add_row(*key, *_numbers(sums[0][key], sums[1][key]))
    if table.rows:
        console().print(table)
    if not keys:
        print("the same counts of everything")


def _numbers(one: int, other: int) -> tuple[str, str, str]:
    ratio = f"{other / one:.3f}" if one and other else "added" if other else "removed"
    return f"{one:,}", f"{other:,}", ratio


def _print_changes(changed: list[Change], most: int) -> None:
    for item in changed[:most]:
        layer = f" of layer '{on_one_line(item.layer)}'" if item.layer else ""
        print(f"{item.what}{layer}: first line that differs")
        print(f"  < {shortened(item.before, _WIDTH * 2)}\n  > {shortened(item.after, _WIDTH * 2)}")
    if len(changed) > most:
        print(f"and {len(changed) - most:,} operations more")
