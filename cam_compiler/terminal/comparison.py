"""The comparison of machines, for people: the table, which component takes most, and what a bit may cost."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cam_compiler.comparison import Comparison, Row
from cam_compiler.terminal.break_even import print_break_even
from cam_compiler.terminal.render import console


def print_comparison(comparison: Comparison) -> None:
    """One row per machine and setting, then the ratios, the components, and the break-even."""
    out = console()
    out.print(f"{comparison.workload.name}: {comparison.workload.macs:,} multiply-accumulates per image")
    out.print(_machines(comparison))
    for row in (*comparison.own, *comparison.rivals):
        if row.rests_on:
            out.print(
                f"{row.machine} {row.setting} rests on numbers that are not published (*): {', '.join(row.rests_on)}"
            )
    out.print()
    out.print(_ratios(comparison))
    print_break_even(comparison, out)


def _machines(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("machine", no_wrap=True)
    table.add_column("setting", no_wrap=True)
    for head in ("energy\nper image", "latency", "images/s", "TOPS/W", "area", "arrays"):
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    table.add_column("exactness")
    for row in comparison.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    """A star stands at what rests on numbers that are not published."""
    energy, latency, area = ("*" if name in row.marked else "" for name in ("energy", "latency", "area"))
    return (
        row.machine,
        row.setting,
        f"{row.energy_uj:,.4g} µJ{energy}",
        _number(row.latency_ms, f" ms{latency}"),
        _number(row.images_per_second, latency),
        f"{row.tops_per_watt:.3g}{energy}",
        _number(row.area_mm2, f" mm²{area}"),
        f"{row.arrays:,}",
        row.exact,
    )


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.3g}{unit}"


def _ratios(comparison: Comparison) -> Table:
    """How many times a rival's energy the processor takes, by technology, and the component that takes most of it."""
    own = comparison.own
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("energy in times of the rival's", no_wrap=True)
    for row in own:
        table.add_column(row.setting, justify="right")
    for machine in dict.fromkeys(row.machine for row in comparison.flows):
        theirs = {row.setting: row.energy_uj for row in comparison.flows if row.machine == machine}
        table.add_row(machine, *(_ratio(row.energy_uj, theirs[row.setting]) for row in own))
    for rival in comparison.rivals:
        table.add_row(f"{rival.machine} {rival.setting}", *(_ratio(row.energy_uj, rival.energy_uj) for row in own))
    table.add_section()
    table.add_row("what decides", *(_largest(row) for row in own))
    return table


def _ratio(energy: float, rival: float) -> str:
    return f"{energy / rival:,.3g}"


def _largest(row: Row) -> str:
    name = max(row.components_uj, key=lambda part: row.components_uj[part])
    return f"{name}, {row.components_uj[name] / row.energy_uj:.0%}"
