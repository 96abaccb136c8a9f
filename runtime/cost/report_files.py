"""Reports as files: JSON with everything, CSV with one row per layer and operation; and formulas with their numbers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from runtime.cost import figures
from runtime.cost.layers import Layer
from runtime.cost.prices import COMPONENTS, DERIVED, FORMULAS, MEANINGS, TIMES, Product, price
from runtime.cost.report import Report
from runtime.cost.technology import kinds
from runtime.cost.wear import total_wear


def to_json(report: Report) -> dict[str, Any]:
    """Everything, as plain data."""
    return {
        "target": asdict(report.target),
        "technology": _technology_json(report),
        "samples": report.samples,
        "batch": report.batch,
        "batches": report.batches,
        "ignore_instruction_fetch": report.pricing.ignore_instructions,
        "formulas": {
            **{name: [*map(str, products)] for name, products in FORMULAS.items()},
            "latency": [*map(str, TIMES)],
        },
        "counts": MEANINGS,
        "figures": figures.to_json(report),
        "on_the_host": report.host,
        "program_bytes": report.program_bytes,
        "layers": [{**_layer_json(layer), "part": part} for layer, part in numbered(report.layers)],
        "by_layer": [
            {**_layer_json(layer), "operations": [_share_json(share) for share in shares]}
            for layer, shares in _with_operations(report)
        ],
        "by_operation": [_share_json(layer) for layer in report.by_operation],
        "total": _layer_json(report.total),
        "wear": {
            "programs": [wear.to_json() for wear in report.wear],
            "total": total_wear(report.wear).to_json() if report.wear else None,
        },
        "per_sample": {
            "energy_fj": report.total.total_fj / report.samples,
            "latency_ns": report.total.latency_ns / report.samples,
        },
    }


def _technology_json(report: Report) -> dict[str, Any]:
    technology = report.technology
    return {
        "name": technology.name,
        "description": technology.description,
        "parameters": {name: asdict(entry) for name, entry in technology.parameters.items()},
        "units": {name: kind.unit for name, kind in kinds().items()},
        "meanings": {name: kind.meaning for name, kind in kinds().items()},
        "derived": {
            name: {"value": price(name, technology, report.target), "formula": formula}
            for name, formula in DERIVED.items()
        },
        "nodes_nm": report.nodes,
        "unconfirmed": report.unconfirmed,
        "not_priced": report.unpriced,
    }


def _layer_json(layer: Layer) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "counts": {**asdict(layer.counts), **layer.priced},
        "energy_fj": {**layer.energy_fj, "total": layer.total_fj},
        "latency_ns": layer.latency_ns,
        "rows": layer.rows,
        "arrays": layer.arrays,
        "row_utilisation": layer.row_utilisation,
        "rounds": layer.rounds,
    }


def _share_json(share: Layer) -> dict[str, Any]:
    return {
        "operation": share.name,
        "counts": dict(share.priced),
        "energy_fj": {**share.energy_fj, "total": share.total_fj},
        "latency_ns": share.latency_ns,
    }


def numbered(layers: Sequence[Layer]) -> Iterator[tuple[Layer, int]]:
    """The segments, each with its number among those of its name: the parts of a layer."""
    seen: Counter[str] = Counter()
    for layer in layers:
        seen[layer.name] += 1
        yield layer, seen[layer.name]


def _with_operations(report: Report) -> Iterator[tuple[Layer, list[Layer]]]:
    shares = report.operations_of_layers
    return ((layer, shares.get(layer.name, [])) for layer in report.by_layer)


_HEADS = ("technology", "layer", "part", "operation")
_FACTS = ("rows", "arrays", "rounds", "row_utilisation")


def to_csv(reports: Sequence[Report], *, parts: bool = False) -> str:
    """One row per layer, per operation of a layer, and per operation of the network; the totals come last.

    An empty cell in `layer` or `operation` means all of them. With `parts` there is one row per segment besides.
    """
    counts = list(reports[0].total.priced)
    energies = [f"{name}_energy_fj" for name in (*COMPONENTS, "total")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*_HEADS, *counts, *energies, "total_latency_ns", *_FACTS))
    for report in reports:
        for heads, layer in _rows(report, parts):
            energy = (*(layer.energy_fj[name] for name in COMPONENTS), layer.total_fj)
            facts = tuple(getattr(layer, name) for name in _FACTS)
            numbers = (*(layer.priced[name] for name in counts), *energy, layer.latency_ns, *facts)
            writer.writerow((report.technology.name, *heads, *numbers))
    return stream.getvalue()


def _rows(report: Report, parts: bool) -> Iterator[tuple[tuple[str, int | str, str], Layer]]:
    if parts:
        for layer, part in numbered(report.layers):
            yield (layer.name, part, ""), layer
    for layer, shares in _with_operations(report):
        yield (layer.name, "", ""), layer
        for share in shares:
            yield (layer.name, "", share.name), share
    for share in report.by_operation:
        yield ("", "", share.name), share
    yield ("", "", ""), report.total


def explained(report: Report) -> Iterator[tuple[str, str]]:
    """Each component of the total energy, and the latency, with its formula and the numbers in it."""
    total = report.total
    for name, products in FORMULAS.items():
        if total.energy_fj[name]:
            star = "*" if report.marked(name) else ""
            yield f"{name} energy", f"{_sum_text(report, products)} = {total.energy_fj[name]:,.6g} fJ{star}"
    # Rounds follow one another, of which each takes the time of its counts.
    rounds = ", summed over the rounds of each segment" if total.rounds > 1 else ""
    star = "*" if report.marked("latency") else ""
    yield "latency", f"{_sum_text(report, TIMES)}{rounds} = {total.latency_ns:,.6g} ns{star}"
    for item in figures.figures_of(report):
        if item.value is not None:
            yield item.name, f"{item.formula} = {item.value:,.6g} {item.unit}".rstrip() + "*" * item.marked


def _sum_text(report: Report, products: Sequence[Product]) -> str:
    stars, terms = set(report.unconfirmed), list[str]()
    for item in products:
        value = price(item.price, report.technology, report.target)
        count = report.total.priced.get(item.factor, getattr(report.total.counts, item.factor, 0))
        if value:
            star = "*" if item.price in stars else ""
            terms.append(f"{count:,.10g} {item.factor} * {value:,.10g}{star} ({item.price})")
    return " + ".join(terms)
