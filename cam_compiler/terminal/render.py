"""Reports for people: tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cam_compiler.terminal import streams
from cam_compiler.terminal.progress import Deeds
from dialects.support.instrumentation import Figure
from dialects.support.text import on_one_line
from runtime.cost.counts import Counts
from runtime.result import SegmentRun

_UNITS = ((1e15, "J"), (1e12, "mJ"), (1e9, "µJ"), (1e6, "nJ"), (1e3, "pJ"), (1.0, "fJ"))
_TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    for factor, unit in units:
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} {units[-1][1]}"


def energy(femtojoule: float) -> str:
    """An energy with a readable unit."""
    return _scaled(femtojoule, _UNITS)


def time(nanoseconds: float) -> str:
    """A time with a readable unit."""
    return _scaled(nanoseconds, _TIMES)


def console(*, stderr: bool = False) -> Console:
    """The terminal; wide enough for the tables where the output is a file or a pipe."""
    return streams.console(stderr=stderr, width=160)


def print_deeds(deeds: Deeds) -> None:
    """What the passes did to each layer and what that saved, one table per pass, on stderr."""
    out = console(stderr=True)
    for (stage, _), layers in _tables(deeds).items():
        columns = [(figure.name, _saves(figure)) for figure in layers[0][1]]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title=stage, title_justify="left")
        table.add_column("layer", overflow="fold", min_width=18)
        for name, saves in columns:
            table.add_column(name, justify="right", no_wrap=True)
            if saves:
                table.add_column("saved", justify="right", no_wrap=True)
        for layer, figures in layers:
            table.add_row(on_one_line(layer), *(cell for figure in figures for cell in _figure_cells(figure)))
        totals = [_total(column) for column in zip(*(figures for _, figures in layers), strict=True)]
        table.add_section()
        table.add_row("total", *(cell for figure in totals for cell in _figure_cells(figure)), style="bold")
        out.print(table)


def print_expected(runs: Sequence[SegmentRun]) -> None:
    """What one sample takes besides data, from the code alone; on stderr, beside the program's text."""
    counts = sum((run.counts for run in runs), Counts())
    console(stderr=True).print(
        f"one sample: {counts.instructions:,} instructions ({counts.fetched_bits // 8:,} bytes), "
        f"{counts.cycles:,} cycles, {counts.shift_steps:,} shift steps, {counts.moved_row_bits:,} moved bits, on up to "
        f"{max((run.arrays for run in runs), default=0):,} arrays at a time"
    )


def _tables(deeds: Deeds) -> dict[tuple[str, tuple[str, ...]], list[tuple[str, tuple[Figure, ...]]]]:
    """A table for each pass and each kind of figures that it tells."""
    tables: dict[tuple[str, tuple[str, ...]], list[tuple[str, tuple[Figure, ...]]]] = {}
    for stage, layers in deeds.items():
        for layer, figures in layers:
            kinds = tuple(f"{figure.name} {figure.before is None}" for figure in figures)
            tables.setdefault((stage, kinds), []).append((layer, figures))
    return tables


def _total(figures: Sequence[Figure]) -> Figure:
    name, before, _, peak = figures[0]
    combine = max if peak else sum
    whole = None if before is None else combine(figure.before or 0 for figure in figures)
    return Figure(name, whole, combine(figure.after for figure in figures), peak)


def _saves(figure: Figure) -> bool:
    return figure.before is not None and not figure.peak


def _figure_cells(figure: Figure) -> list[str]:
    if figure.before is None:
        return [f"{figure.after:,}"]
    change = f"{figure.before:,} → {figure.after:,}"
    saved = f"{1 - figure.after / figure.before:.1%}" if figure.before else ""
    return [change, saved] if _saves(figure) else [change]


def print_listing(rows: list[tuple[str, str]]) -> None:
    """Names, and what is said about each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(on_one_line(name), text)
    console().print(table)
