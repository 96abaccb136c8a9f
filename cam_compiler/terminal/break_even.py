"""The break-even of a comparison, for people: what stands against it, and what a bit may cost at most."""

from __future__ import annotations

from itertools import combinations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cam_compiler.comparison import BreakEven, Comparison, Row
from cam_compiler.terminal.render import energy
from runtime.rivals.breakeven import PRICED, Break, Ends

_FJ_PER_UJ = 1e9


def print_break_even(comparison: Comparison, out: Console) -> None:
    """One row per technology, rival and factor; what is left of it without the instructions stands in brackets."""
    out.print(
        "break-even: how many times today's energy a searched, a written and a shifted bit may take at most for a "
        "rival's energy, or a share of it. A dash: however cheap, the other parts alone take more. (a; b): all pairs "
        "on the line from a times the first, the second free, to b times the second. [In brackets: without the "
        "instructions.]",
        markup=False,
    )
    for row in comparison.own:
        out.print(f"{row.setting}: {_others(row)}")
    out.print(_table(comparison))
    for what, found in (
        ("", [item.whole for item in comparison.break_even]),
        (" without the instructions", [item.without_instructions for item in comparison.break_even]),
    ):
        never = sum(item.together is None for item in found)
        out.print(f"for {never} of {len(found)} no price of search, write and shift suffices{what}")


def _others(row: Row) -> str:
    """What is neither searched, written nor shifted."""
    parts = {name: part for name, part in row.components_uj.items() if name not in PRICED and part}
    listed = ", ".join(
        f"{name} {energy(part * _FJ_PER_UJ)}" for name, part in sorted(parts.items(), key=lambda x: -x[1])
    )
    return f"{energy(sum(parts.values()) * _FJ_PER_UJ)} stand against it ({listed or 'nothing'})"


def _table(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("technology", "rival"):
        table.add_column(head, no_wrap=True)
    heads = ("share", "other parts\nof the budget", *PRICED, *(f"({a}; {b})" for a, b in combinations(PRICED, 2)))
    for head in (*heads, "all three"):
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for item in comparison.break_even:
        share = "1" if item.factor == 1 else f"1/{item.factor:g}"
        table.add_row(item.setting, item.rival, share, *_cells(item))
    return table


def _cells(item: BreakEven) -> list[str]:
    whole, without = (_texts(found, item.budget_fj) for found in (item.whole, item.without_instructions))
    return [_both(first, second) for first, second in zip(whole, without, strict=True)]


def _both(whole: str, without: str) -> str:
    return whole if whole == without else f"{whole} [{without}]"


def _texts(found: Break, budget_fj: float) -> list[str]:
    return [
        _factor(found.others_fj / budget_fj),
        *(_factor(value) for value in found.alone.values()),
        *(_ends(ends) for ends in found.pairs.values()),
        _factor(found.together),
    ]


def _factor(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _ends(ends: Ends | None) -> str:
    return "-" if ends is None else f"({_factor(ends[0])}; {_factor(ends[1])})"
