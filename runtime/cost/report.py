"""Energy and latency: counts of the simulator times the numbers of a technology file, by layer and in total.

Energies are in femtojoule and times in nanoseconds for the whole run, all arrays together; nothing is added that
doesn't follow from the counts and the technology, so that each figure can be traced to a count, a parameter and its
source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dialects.machine.target import Target
from dialects.support.errors import InputError
from runtime.cost.counts import Counts, Traced, total
from runtime.cost.prices import (
    COMPONENTS,
    DERIVED,
    FORMULAS,
    INSTRUCTIONS,
    MEANINGS,
    TIMES,
    Work,
    energy_fj,
    latency_ns,
    parameters_of,
    price,
    priced_counts,
)
from runtime.cost.technology import Technology, kinds
from runtime.cost.wear import Wear, total_wear, wear_of
from runtime.network import Network
from runtime.result import Result, SegmentRun, expected_runs


@dataclass(frozen=True)
class Layer:
    """One segment: its counts, its energy by component and its time; the rows that hold data, of all in use."""

    name: str
    counts: Counts
    energy_fj: dict[str, float]
    latency_ns: float
    rows: int
    arrays: int
    row_utilisation: float
    rounds: int
    """how often the arrays of the target have to be used in turn"""
    priced: Mapping[str, float]
    """the counts that are multiplied with prices, by the names of runtime/cost/prices.py"""

    @property
    def total_fj(self) -> float:
        return sum(self.energy_fj.values())


@dataclass(frozen=True)
class Report:
    """A run's layers and their total, with what they were computed from."""

    target: Target
    technology: Technology
    samples: int
    batch: int
    """samples that the machine works on at once; batches follow one another"""
    ignore_instruction_fetch: bool
    """the energy of the instruction stream is left out"""
    layers: list[Layer]
    host: list[str]
    """functions of the network that the host computed at its end; not in any count"""
    total: Layer
    """sums; its rows and arrays are those of the layer that uses most, its utilisation is weighted by searches"""
    program_bytes: int
    """of all machine code"""
    wear: list[Wear]
    """what the first array goes through, which all rounds and batches of all programs use; one entry per program"""

    @property
    def batches(self) -> int:
        return -(-self.samples // self.batch)

    @property
    def by_layer(self) -> list[Layer]:
        """The network's layers, each with all its parts: segments of the same name are summed up."""
        named: dict[str, list[Layer]] = {}
        for layer in self.layers:
            named.setdefault(layer.name, []).append(layer)
        return [_sum(name, parts) for name, parts in named.items()]

    def unconfirmed_of(self, component: str) -> list[str]:
        """The parameters of a component of the energy, or of the latency, that are not published as they stand."""
        products = TIMES if component == "latency" else FORMULAS[component]
        used = {name for item in products for name in parameters_of(item, self.technology, self.target)}
        return [name for name in self.technology.unconfirmed if name in used]

    @property
    def unconfirmed(self) -> list[str]:
        """All of these."""
        used = {name for component in (*COMPONENTS, "latency") for name in self.unconfirmed_of(component)}
        return [name for name in self.technology.unconfirmed if name in used]

    @property
    def unpriced(self) -> list[str]:
        """The parameters of the energy that are 0: what they would price is left out."""
        used = {item.price for products in FORMULAS.values() for item in products} - DERIVED.keys()
        return [name for name in kinds() if name in used and not self.technology[name]]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "target": asdict(self.target),
            "technology": {
                "name": self.technology.name,
                "description": self.technology.description,
                "parameters": {name: asdict(entry) for name, entry in self.technology.parameters.items()},
                "units": {name: kind.unit for name, kind in kinds().items()},
                "meanings": {name: kind.meaning for name, kind in kinds().items()},
                "derived": {
                    name: {"value": price(name, self.technology, self.target), "formula": formula}
                    for name, formula in DERIVED.items()
                },
                "nodes_nm": self.technology.nodes,
                "unconfirmed": self.unconfirmed,
                "not_priced": self.unpriced,
            },
            "samples": self.samples,
            "batch": self.batch,
            "batches": self.batches,
            "ignore_instruction_fetch": self.ignore_instruction_fetch,
            "formulas": {
                **{name: [*map(str, products)] for name, products in FORMULAS.items()},
                "latency": [*map(str, TIMES)],
            },
            "counts": MEANINGS,
            "on_the_host": self.host,
            "program_bytes": self.program_bytes,
            "layers": [_layer_json(layer) for layer in self.layers],
            "by_layer": [_layer_json(layer) for layer in self.by_layer],
            "total": _layer_json(self.total),
            "wear": {
                "programs": [wear.to_json() for wear in self.wear],
                "total": total_wear(self.wear).to_json() if self.wear else None,
            },
            "per_sample": {
                "energy_fj": self.total.total_fj / self.samples,
                "latency_ns": self.total.latency_ns / self.samples,
            },
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


def make_report(
    result: Result,
    network: Network,
    technology: Technology,
    *,
    batch: int | None = None,
    ignore_instruction_fetch: bool = False,
) -> Report:
    """The report of a network's run, one that has counts, as if in batches of `batch` samples; None: in one.

    Raises InputError where the counts that depend on the data were not traced.
    """
    if not all(run.counts.traced for run in result.segments):
        raise InputError("the counts that depend on the data were not traced", hint="run with tracing for a report")
    batch, target = min(batch or result.samples, result.samples), network.target
    size = sum(len(code) for program in network.programs for code in program.codes)
    layers: list[Layer] = []
    for runs in _in_batches(result, network, batch):
        parts = [_layer(run, target, technology, size, ignore_instruction_fetch) for run in runs]
        layers.append(parts[0] if len(parts) == 1 else _sum(parts[0].name, parts))
    total, wear = _sum("total", layers), _wear(result, network, batch)
    facts = (target, technology, result.samples, batch, ignore_instruction_fetch)
    return Report(*facts, layers, result.host, total, size, wear)


def _wear(result: Result, network: Network, batch: int) -> list[Wear]:
    """What the first array goes through in all batches, by program."""
    target, found = network.target, list[Wear]()
    for program in network.programs:
        whole, rest = (rounds_of(program.rows * size, target) for size in (batch, result.samples % batch))
        found.append(wear_of(program, target).times(whole * (result.samples // batch) + rest))
    return found


def rounds_of(rows: int, target: Target) -> int:
    """How often the arrays have to be used in turn for so many rows."""
    return -(-rows // (target.rows * target.arrays))


def _in_batches(result: Result, network: Network, batch: int) -> list[list[SegmentRun]]:
    """Each segment's run on all whole batches, together, and on what is left of the samples."""
    if batch == result.samples:
        return [[run] for run in result.segments]
    groups: list[list[SegmentRun]] = [[] for _ in result.segments]
    for times, size in ((result.samples // batch, batch), (1, result.samples % batch)):
        for run, whole, group in zip(expected_runs(network, size), result.segments, groups, strict=True):
            # Written and toggled cells depend on the data; their sums are known, and are all that a report shows.
            traced = Traced(0, 0) if group else whole.counts.traced
            if size:
                group.append(run._replace(counts=(run.counts * times).with_traced(traced)))
    return groups


def _layer(run: SegmentRun, target: Target, technology: Technology, program_bytes: int, ignored: bool) -> Layer:
    rounds = rounds_of(run.rows, target)
    work = Work(run.counts, run.rows, run.arrays, rounds)
    priced = priced_counts(work, technology, target, program_bytes)
    energy = energy_fj(priced, technology, target)
    if ignored:
        energy |= dict.fromkeys(INSTRUCTIONS, 0.0)
    utilisation = run.rows / (run.arrays * target.rows)
    latency = latency_ns(work, technology)
    return Layer(run.layer, run.counts, energy, latency, run.rows, run.arrays, utilisation, rounds, priced)


def _sum(name: str, layers: list[Layer]) -> Layer:
    counts = total([layer.counts for layer in layers])
    searched = max(1, sum(layer.counts.searched_row_cells for layer in layers))
    busy = sum(layer.counts.searched_row_cells * layer.row_utilisation for layer in layers)
    priced: Counter[str] = Counter()
    for layer in layers:
        priced.update(layer.priced)
    return Layer(
        name,
        counts,
        {name: sum(layer.energy_fj[name] for layer in layers) for name in COMPONENTS},
        sum(layer.latency_ns for layer in layers),
        max(layer.rows for layer in layers),
        max(layer.arrays for layer in layers),
        busy / searched,
        max(layer.rounds for layer in layers),
        dict(priced),
    )
