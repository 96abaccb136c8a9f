"""The figures that papers state, from a report: operations per second and per joule, power, products, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runtime.cost.report import Report
from runtime.cost.sizes import AREAS


class Figure(NamedTuple):
    """A number with its unit, and how it is made of a report's other numbers; None where it is not known."""

    name: str
    value: float | None
    unit: str
    formula: str
    marked: bool = False
    """it rests on numbers that are not confirmed"""


_RESTS: Mapping[str, tuple[str, ...]] = {
    "energy": ("energy",),
    "latency": ("latency",),
    "gops": ("latency",),
    "tops_per_watt": ("energy",),
    "energy_delay_product": ("energy", "latency"),
    "samples_per_second": ("latency",),
    "average_power": ("energy", "latency"),
    "area": tuple(AREAS),
    **{f"area_{block.replace(' ', '_')}": (block,) for block in AREAS},
}
"""which figures rest on the energy, the latency and the area of blocks"""


def figures_of(report: Report) -> tuple[Figure, ...]:
    """All of them, for one sample where nothing else is said."""
    marked = {what for what in ("energy", "latency", *AREAS) if report.marked(what)}
    return tuple(item._replace(marked=bool(marked & {*_RESTS.get(item.name, ())})) for item in _figures(report))


def _figures(report: Report) -> tuple[Figure, ...]:
    energy, latency = report.total.total_fj / report.samples, report.total.latency_ns / report.samples
    macs = None if report.needs.macs is None else sum(report.needs.macs.values())
    operations = None if macs is None else 2.0 * macs
    areas = report.area_mm2
    whole = sum(area or 0.0 for area in areas.values())
    spare, domains = report.needs.spare_domains, report.target.domains
    return (
        Figure("energy", energy, "fJ", "total energy / samples"),
        Figure("latency", latency, "ns", "total latency / samples; programs run one after another"),
        Figure("multiply_accumulates", macs, "", "of the network's constant weights, zeros included"),
        Figure("gops", _over(operations, latency), "GOPS", "2 * multiply_accumulates / latency"),
        Figure("tops_per_watt", _over(operations, energy / 1e3), "TOPS/W", "2 * multiply_accumulates / energy"),
        Figure("energy_delay_product", energy * latency * 1e-24, "J s", "energy * latency"),
        Figure("samples_per_second", _over(1e9, latency), "1/s", "1 / latency"),
        Figure("average_power", _over(energy / 1e6, latency), "W", "energy / latency"),
        Figure("program_size", report.program_bytes, "bytes", "16 bytes per long instruction, 2 per short one"),
        Figure(
            "buffer_needed", -(-report.needs.buffer_bits // 8), "bytes", "most that lies in the buffer, for a batch"
        ),
        Figure("buffer_size", report.technology["buffer_bytes"], "bytes", "buffer_bytes"),
        Figure("arrays", report.total_arrays, "", "most that a program uses at a time"),
        Figure("array_utilisation", report.total_arrays / report.target.arrays, "", "arrays / arrays of the target"),
        Figure("row_utilisation", report.total.row_utilisation, "", "rows with data / rows, weighted by searches"),
        Figure("spare_domains", spare, "", "furthest shift of any column: what each track needs beyond its data"),
        Figure("capacity_share", domains / (domains + spare), "", "domains / (domains + spare_domains)"),
        Figure("area", whole if areas["cells"] else None, "mm2", "sum of the blocks; unknown without an area of cells"),
        *(Figure(f"area_{name.replace(' ', '_')}", area, "mm2", _AREA[name]) for name, area in areas.items()),
    )


_AREA = {
    "cells": "arrays * rows * columns * (cell_um2 + nanowires_per_cell * (domains + spare_domains) * domain_um2)",
    "array periphery": "arrays * array_um2",
    "controllers": "controller_um2, of one instruction stream",
    "buffer": "buffer_bytes * buffer_um2_per_byte",
    "instruction memory": "instruction_memory_bytes * instruction_memory_um2_per_byte",
}


def _over(value: float | None, by: float) -> float | None:
    return None if value is None or not by else value / by


def to_json(report: Report) -> dict[str, Any]:
    """Each figure with its unit and formula, as plain data."""
    return {
        item.name: {"value": item.value, "unit": item.unit, "formula": item.formula, "unconfirmed": item.marked}
        for item in figures_of(report)
    }
