"""What matters, for people: a tornado of parameters for energy, one for latency, one for area."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cam_compiler.terminal.render import console, energy, time
from cam_compiler.terminal.technology import mark, number
from runtime.cost.sensitivity import Sensitivity, Swing
from runtime.cost.technology import kinds

_HALF = 20
"""characters of a bar on either side"""


def print_sensitivity(found: Sensitivity) -> None:
    """One table per quantity: the parameters that change it, the greatest change first."""
    out, base = console(), found.base
    shown = {"energy_fj": energy(base.energy_fj), "latency_ns": time(base.latency_ns), "area_mm2": ""}
    shown["area_mm2"] = f"{base.area_mm2:.3g} mm² where it is stated"
    out.print(f"technology {found.technology.name}: {found.technology.description}; one program after another")
    for quantity, text in shown.items():
        swings = found.sorted_by(quantity)
        name = quantity.partition("_")[0]
        head = f"area: {text}" if name == "area" else f"{name} of a sample: {text}"
        out.print(head if swings else f"{head}; no parameter changes it")
        if swings:
            out.print(_table(found, quantity, swings))
    if found.fixed:
        out.print(f"not varied, as they are 0 and state no range: {', '.join(found.fixed)}")
    out.print("* not confirmed; camc tech shows the source")


def _table(found: Sensitivity, quantity: str, swings: list[Swing]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("parameter", no_wrap=True)
    for head in ("from", "stated", "to"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for head in ("at the low end", "at the high end"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("less | more", no_wrap=True)
    greatest = swings[0].size(quantity, found.base)
    for swing in swings:
        entry, unit = found.technology.parameters[swing.parameter], kinds()[swing.parameter].unit
        low, high = swing.change(quantity, found.base)
        values = (number(swing.low), number(entry.value) + mark(entry), number(swing.high))
        changes = (f"{low:+.1%}", f"{high:+.1%}")
        table.add_row(swing.parameter, *values, unit.replace("u", "µ"), *changes, _bar(low, high, greatest))
    return table


def _bar(low: float, high: float, greatest: float) -> str:
    less, more = (max(0.0, -min(low, high)), max(0.0, max(low, high)))
    left, right = (round(_HALF * side / greatest) for side in (less, more))
    return f"{'█' * left:>{_HALF}}|{'█' * right:<{_HALF}}"
