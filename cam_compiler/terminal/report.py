"""A report for people: tables by layer and by operation, figures, and what the numbers rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cam_compiler.terminal.render import console, energy, print_listing, time
from cam_compiler.terminal.technology import number
from dialects.support.text import on_one_line
from runtime.cost.figures import Figure, figures_of
from runtime.cost.layers import Layer
from runtime.cost.prices import COMPONENTS
from runtime.cost.report import Report
from runtime.cost.report_files import explained, numbered
from runtime.cost.wear import Spread, Wear, total_wear

_NAME = 16
"""characters that a name gets on one line, at least"""
_GAP = 3
"""characters between two columns"""
_COUNTED = ("rows\nin use", "instr.", "searches", "writes", "shift\nsteps", "column\nsteps")


def print_report(report: Report, *, parts: bool = False, explain: bool = False) -> None:
    """Counts and energy by layer, by operation and in total, the figures of one sample, and what they rest on.

    With `parts` every segment has a line of its own; with `explain` every number is shown with its formula.
    """
    rows = [(f"{layer.name} #{part}", layer) for layer, part in numbered(report.layers)]
    _print_layers(report, "layer", rows if parts else [(layer.name, layer) for layer in report.by_layer])
    if report.operations:
        _print_layers(report, "operation", [(share.name, share) for share in report.by_operation])
    _print_machine(report)
    _print_figures(report)
    if report.wear:
        _print_wear(total_wear(report.wear))
    if explain:
        console().print("where each number comes from (docs/numbers.md):")
        print_listing([(f"  {name}", text) for name, text in explained(report)])
    _print_sources(report)


def print_technologies(reports: Sequence[Report]) -> None:
    """The same run with several technologies: one row each."""
    shown = [name for name in COMPONENTS if any(report.total.energy_fj[name] for report in reports)]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("technology", no_wrap=True)
    for head in (*(f"{name}\nenergy" for name in shown), "energy of\na sample", "latency of\na sample", "TOPS/W"):
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for report in reports:
        found = {item.name: item for item in figures_of(report)}
        parts = [starred(energy(report.total.energy_fj[name] / report.samples), report, name) for name in shown]
        whole = [
            starred(energy(found["energy"].value or 0.0), report, "energy"),
            starred(time(found["latency"].value or 0.0), report, "latency"),
        ]
        table.add_row(report.technology.name, *parts, *whole, _figure(found["tops_per_watt"]))
    console().print(table)
    console().print("* rests on numbers that are not confirmed; camc tech NAME shows them")


def starred(text: str, report: Report, what: str) -> str:
    """With a star where the energy, a component of it, the latency or a block's area rests on unconfirmed numbers."""
    return text + ("*" if report.marked(what) else "")


def _print_layers(report: Report, kind: str, rows: Iterable[tuple[str, Layer]]) -> None:
    out, rows = console(), list(rows)
    marks = {name: "*" if report.unconfirmed_of(name) else "" for name in (*COMPONENTS, "latency")}
    shown = [name for name in COMPONENTS if report.total.energy_fj[name]]
    total_mark = max((marks[name] for name in shown), default="")
    priced = (*(f"{name}\nenergy{marks[name]}" for name in shown), f"total\nenergy{total_mark}")
    priced += (f"latency{marks['latency']}",)
    heads = (*_COUNTED, *priced)
    lines = [(on_one_line(name), _cells(layer, shown)) for name, layer in [*rows, (report.total.name, report.total)]]
    # One table, or else counts and energies in tables of their own, as many as it takes.
    whole, split = slice(0, len(heads)), len(_COUNTED)
    halves = (slice(0, split), slice(split, len(heads)))
    fits = _width(heads, lines) <= out.width
    for part in (whole,) if fits else (piece for half in halves for piece in _pieces(half, heads, lines, out.width)):
        out.print(_table(kind, heads[part], [(name, cells[part]) for name, cells in lines]))


def _pieces(
    columns: slice, heads: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]], width: int
) -> Iterator[slice]:
    """Cut columns into as few runs as fit into the width; a single one that doesn't fit is a run all the same."""
    begin = columns.start
    for end in range(begin + 1, columns.stop + 1):
        wider = slice(begin, end + 1)
        too_wide = _width(heads[wider], [(name, cells[wider]) for name, cells in lines]) > width
        if end == columns.stop or too_wide:
            yield slice(begin, end)
            begin = end


def _width(heads: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]]) -> int:
    """Characters that a table needs so that nothing but names is cut."""
    name = min(_NAME, max(len(name) for name, _ in lines))
    cells = zip(*(cells for _, cells in lines), strict=True)
    columns = ([*head.split("\n"), *column] for head, column in zip(heads, cells, strict=True))
    return name + sum(_GAP + max(map(len, column)) for column in columns) + _GAP


def _table(kind: str, heads: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]]) -> Table:
    """A table whose last line is the total."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    longest = max(len(name) for name, _ in lines)
    table.add_column(kind, overflow="fold", min_width=min(longest, _NAME))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for name, cells in lines[:-1]:
        table.add_row(name, *cells)
    table.add_section()
    name, cells = lines[-1]
    table.add_row(name, *cells, style="bold")
    return table


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


def _print_machine(report: Report) -> None:
    turns = f", in up to {report.total.rounds} turns" if report.total.rounds > 1 else ""
    batches = f" in {report.batches} batches of {report.batch}" if report.batches > 1 else ""
    console().print(
        f"{report.samples} sample{'' if report.samples == 1 else 's'}{batches} on up to {report.total.arrays} arrays "
        f"of {report.target.geometry} (target {report.target.name}{turns})"
    )
    total, whole = report.total, "all batches" if batches else "the batch"
    share = (energy(total.total_fj / report.samples), time(total.latency_ns / report.samples))
    all_of_it = (energy(total.total_fj), time(total.latency_ns))
    each, every = (
        f"{starred(spent, report, 'energy')}, {starred(lasts, report, 'latency')}"
        for spent, lasts in (share, all_of_it)
    )
    console().print(f"a sample: {each}; {whole}: {every}")


def _print_figures(report: Report) -> None:
    """The figures that papers state, those that are known."""
    found = {item.name: item for item in figures_of(report)}
    lines: list[str] = []
    if found["multiply_accumulates"].value:
        lines.append(
            f"{found['multiply_accumulates'].value:,.0f} multiply-accumulates per sample: {_figure(found['gops'])}, "
            f"{_figure(found['tops_per_watt'])}, energy-delay product {_figure(found['energy_delay_product'])}"
        )
    if rate := found["samples_per_second"].value:
        lines.append(
            f"{starred(f'{rate:,.4g} samples/s', report, 'latency')}, {_figure(found['average_power'])} on average, "
            f"program of {report.program_bytes:,} bytes"
        )
    needed, size = found["buffer_needed"].value or 0.0, found["buffer_size"].value or 0.0
    fits = "" if needed <= size else ", WHICH IS TOO SMALL: what doesn't fit isn't priced"
    lines.append(f"the buffer holds up to {number(needed)} bytes at a time, of {number(size)}{fits}")
    spare, domains = report.needs.spare_domains, report.target.domains
    lines.append(
        f"each track has {domains} domains of data and {spare} spare ones, into which it shifts: "
        f"{_figure(found['capacity_share'])} of the domains hold data"
    )
    lines.append(_area(report, found["area"]))
    for line in lines:
        console().print(line)


def _area(report: Report, whole: Figure) -> str:
    """Of all blocks, where that of cells is stated, and of each; marked where it rests on an unconfirmed number."""
    areas = {name: area for name, area in report.area_mm2.items() if area}
    unknown = [name for name, area in report.area_mm2.items() if not area]
    parts = [starred(f"{name} {area:.3g} mm²", report, name) for name, area in areas.items()]
    total = "" if whole.value is None else f"{_figure(whole).replace('mm2', 'mm²')}: "
    without = f"; not stated: {', '.join(unknown)}" if unknown and parts else ""
    return f"area: {total}{', '.join(parts) or 'not stated'}{without}"


def _figure(item: Figure) -> str:
    return "-" if item.value is None else f"{item.value:,.3g} {item.unit}".rstrip() + "*" * item.marked


def _print_wear(wear: Wear) -> None:
    by_column = {"column steps": wear.shift_steps, "writes": wear.writes.sum(axis=1)}
    for name, counts in by_column.items():
        each = Spread.of(counts)
        mean = f"mean {each.mean:,.0f}, variation {each.variation:.2f}"
        console().print(f"wear of an array, {name} of a column: up to {each.greatest:,} (c{each.column}), {mean}")
    console().print(f"wear of an array, writes of a cell: up to {wear.writes.max():,}")


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
    if len(report.nodes) > 1:
        mixed = ", ".join(f"{node:g}" for node in report.nodes)
        out.print(f"numbers of several processes are mixed, unscaled: {mixed} nm, and sources that state none")
    ranged = [name for name in report.unpriced if technology.parameters[name].range]
    if ranged:
        out.print(f"not priced, though a range is stated (camc sensitivity): {', '.join(ranged)}")
    if unknown := [name for name in report.unpriced if name not in ranged]:
        out.print(f"not priced, for want of a public number: {', '.join(unknown)}")
