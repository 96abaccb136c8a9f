"""A technology file for people: what it states, what has a default, and what of that is not confirmed."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cam_compiler.terminal.render import console
from runtime.cost.technology import Parameter, Technology, kinds


def print_technology(technology: Technology) -> None:
    """One row per parameter, block by block; a `*` stands at what is not confirmed."""
    out = console()
    out.print(f"{technology.name}: {technology.description}")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("block", "parameter"):
        table.add_column(head, no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("what it is", overflow="fold", ratio=1)
    table.add_column("source", overflow="fold", ratio=1)
    before = ""
    for name, kind in kinds().items():
        entry = technology.parameters[name]
        value = number(entry.value) + mark(entry)
        row = (kind.block if kind.block != before else "", name, value, kind.unit.replace("u", "µ"))
        said = (_status(technology, name), kind.meaning, entry.source + _further(entry))
        table.add_row(*row, *said, style=None if name in technology.stated else "dim")
        before = kind.block
    out.print(table)
    marked = [name for name, entry in technology.parameters.items() if mark(entry)]
    stated = len(technology.stated)
    out.print(f"{stated} of {len(kinds())} parameters are stated, the others have defaults (docs/technology.md)")
    if marked:
        out.print(f"* not confirmed: {', '.join(marked)}")
    if len(technology.nodes) > 1:
        out.print(f"numbers of several processes, unscaled: {', '.join(map(number, technology.nodes))} nm")


def mark(entry: Parameter) -> str:
    """A star at a number that is not confirmed; a price of 0 leaves something out and claims nothing."""
    return "*" if entry.value and not entry.confirmed else ""


def number(value: float) -> str:
    """A value in full."""
    return f"{value:,.10g}"


def _status(technology: Technology, name: str) -> str:
    entry = technology.parameters[name]
    if name in technology.stated:
        return entry.status
    return f"default, {entry.status}" if entry.value else "not priced"


def _further(entry: Parameter) -> str:
    parts = [
        "taken to be for one nanowire of a cell, which is an assumption" if entry.nanowires else "",
        f"{entry.node:g} nm" if entry.node else "",
        f"range {number(entry.range[0])} to {number(entry.range[1])}" if entry.range else "",
    ]
    return "".join(f"; {part}" for part in parts if part)
