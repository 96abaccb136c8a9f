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
from runtime.cost.report import COMPONENTS, Layer, Report
from runtime.cost.schedule import Schedule
from runtime.cost.wear import Spread, Wear, total_wear
from runtime.result import SegmentRun

_UNITS = ((1e15, "J"), (1e12, "mJ"), (1e9, "µJ"), (1e6, "nJ"), (1e3, "pJ"), (1.0, "fJ"))
_WIDE = 140
"""characters that the table of a report needs"""
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


def print_schedule(schedule: Schedule) -> None:
    """What a schedule says of time, and what it takes for it."""
    what = "a sample" if schedule.samples == 1 else f"a batch of {schedule.samples}"
    console().print(
        f"schedule {schedule.mode}: {what} in {time(schedule.latency_ns)}, one every {time(schedule.interval_ns)}, "
        f"{schedule.samples_per_second:,.4g} samples/s, bound by the {schedule.bound}; up to {schedule.arrays} arrays "
        f"and {schedule.streams} instruction streams at a time"
    )


def print_report(report: Report) -> None:
    """Counts and energy by layer and in total, then the figures for one sample and where the numbers are from."""
    out = console()
    counted = ("rows\nin use", "instr.", "searches", "writes", "shift\nsteps", "column\nsteps")
    marks = {name: "*" if report.unconfirmed_of(name) else "" for name in (*COMPONENTS, "latency")}
    shown = [name for name in COMPONENTS if report.total.energy_fj[name]]
    total_mark = max((marks[name] for name in shown), default="")
    priced = (*(f"{name}\nenergy{marks[name]}" for name in shown), f"total\nenergy{total_mark}")
    priced += (f"latency{marks['latency']}",)
    # A narrow terminal shows counts and energies one below the other.
    split = len(counted) if out.width < _WIDE else len(counted) + len(priced)
    for part in (slice(0, split), slice(split, None)):
        if heads := (*counted, *priced)[part]:
            table = Table(box=SIMPLE_HEAD, pad_edge=False)
            table.add_column("layer", overflow="fold", min_width=12)
            for head in heads:
                table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
            for layer in report.by_layer:
                table.add_row(on_one_line(layer.name), *_cells(layer, shown)[part])
            table.add_section()
            table.add_row(report.total.name, *_cells(report.total, shown)[part], style="bold")
            out.print(table)
    turns = f", in up to {report.total.rounds} turns" if report.total.rounds > 1 else ""
    batches = f" in {report.batches} batches of {report.batch}" if report.batches > 1 else ""
    out.print(
        f"{report.samples} samples{batches} on up to {report.total.arrays} arrays of {report.target.geometry} "
        f"(target {report.target.name}{turns})"
    )
    total, whole = report.total, "all batches" if batches else "the batch"
    out.print(
        f"a sample: {energy(total.total_fj / report.samples)}, {time(total.latency_ns / report.samples)}; "
        f"{whole}: {energy(total.total_fj)}, {time(total.latency_ns)}"
    )
    if total.latency_ns:
        watts = total.total_fj / total.latency_ns / 1e6
        out.print(
            f"{report.samples * 1e9 / total.latency_ns:,.4g} samples/s, {watts:.3g} W on average, program of "
            f"{report.program_bytes:,} bytes"
        )
    if report.wear:
        _print_wear(total_wear(report.wear))
    _print_sources(report)


def _print_sources(report: Report) -> None:
    """What the numbers rest on: parameters that are not confirmed, what has no price, mixed processes."""
    out, technology = console(), report.technology
    out.print(f"technology {technology.name}: {technology.description}")
    if report.unconfirmed:
        out.print("* rests on numbers that are not confirmed:")
    for name in report.unconfirmed:
        parameter, wires = technology.parameters[name], report.target.nanowires_per_cell
        taken = f", taken to be for one of {wires} nanowires of a cell" if parameter.nanowires else ""
        out.print(f"  {parameter.status}: {name} = {parameter.value:g}{taken} ({parameter.source})")
    if len(technology.nodes) > 1:
        mixed = ", ".join(f"{node:g}" for node in technology.nodes)
        out.print(f"numbers of several processes are mixed, unscaled: {mixed} nm, and sources that state none")
    if report.unpriced:
        out.print(f"not priced, for want of a public number: {', '.join(report.unpriced)}")


def _print_wear(wear: Wear) -> None:
    by_column = {"column steps": wear.shift_steps, "writes": wear.writes.sum(axis=1)}
    for name, counts in by_column.items():
        each = Spread.of(counts)
        mean = f"mean {each.mean:,.0f}, variation {each.variation:.2f}"
        console().print(f"wear of an array, {name} of a column: up to {each.greatest:,} (c{each.column}), {mean}")
    console().print(f"wear of an array, writes of a cell: up to {wear.writes.max():,}")


def _cells(layer: Layer, components: Sequence[str]) -> list[str]:
    counts = layer.counts
    numbers = (counts.instructions, counts.searches, counts.writes, counts.shift_steps, counts.column_steps)
    energies = [energy(layer.energy_fj[name]) for name in components]
    return [
        f"{layer.row_utilisation:.1%}",
        *(f"{n:,}" for n in numbers),
        *energies,
        energy(layer.total_fj),
        time(layer.latency_ns),
    ]


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
