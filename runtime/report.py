"""Energy and latency: counts of the simulator times the numbers of a technology file, by layer and in total.

Energies are in femtojoule and times in nanoseconds for the whole run, all arrays together; nothing is measured here
that the counts and the technology don't say, so that each figure can be traced to a count, a parameter and its source.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dialects.target import Target
from runtime.counts import Counts, total
from runtime.host import Result
from runtime.technology import Technology

COMPONENTS = ("search", "write", "shift", "move", "fetch")
_FACTORS: dict[str, tuple[tuple[str, str], ...]] = {
    "search": (("searched_row_cells", "search_fj_per_bit"),),
    "write": (("written_row_cells", "write_fj_per_bit"),),
    "shift": (("shifted_row_cells", "shift_fj_per_bit"),),
    "move": (("moved_row_bits", "move_fj_per_bit"),),
    "fetch": (("fetched_bits", "fetch_fj_per_bit"), ("broadcast_bits", "broadcast_fj_per_bit")),
}
"""component of the energy -> (count, parameter) pairs whose products it sums"""
_TIMES = (
    ("search_cycles", "search_ps"),
    ("write_cycles", "write_ps"),
    ("shift_steps", "shift_ps"),
    ("move_cycles", "move_ps"),
)


@dataclass(frozen=True)
class Layer:
    """One segment: its counts, its energy by component and its time."""

    name: str
    counts: Counts
    energy_fj: dict[str, float]
    latency_ns: float

    @property
    def total_fj(self) -> float:
        return sum(self.energy_fj.values())


@dataclass(frozen=True)
class Report:
    """A run's layers and their total, with what they were computed from."""

    target: Target
    technology: Technology
    samples: int
    arrays: int
    rounds: int
    """how often the arrays of the target had to be used in turn"""
    layers: list[Layer]
    total: Layer

    @property
    def row_utilisation(self) -> float:
        """Rows with a sample over all rows of the arrays in use."""
        return self.samples / (self.arrays * self.target.rows)

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "target": asdict(self.target),
            "technology": {
                "name": self.technology.name,
                "description": self.technology.description,
                "parameters": {name: asdict(entry) for name, entry in self.technology.parameters.items()},
            },
            "samples": self.samples,
            "arrays": self.arrays,
            "rounds": self.rounds,
            "row_utilisation": self.row_utilisation,
            "formulas": {name: [f"{c} * {p}" for c, p in pairs] for name, pairs in _FACTORS.items()},
            "layers": [_layer_json(layer) for layer in self.layers],
            "total": _layer_json(self.total),
            "per_sample": {
                "energy_fj": self.total.total_fj / self.samples,
                "latency_ns": self.total.latency_ns / self.samples,
            },
        }


def _layer_json(layer: Layer) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "counts": asdict(layer.counts),
        "energy_fj": {**layer.energy_fj, "total": layer.total_fj},
        "latency_ns": layer.latency_ns,
    }


def make_report(
    result: Result, target: Target, technology: Technology, *, ignore_instruction_fetch: bool = False
) -> Report:
    """The report of a run on the simulator, one that has counts."""
    rounds = -(-result.arrays // target.arrays)
    parts = [(name, counts) for name, counts in result.segments]
    layers = [_layer(name, counts, target, technology, rounds, ignore_instruction_fetch) for name, counts in parts]
    everything = total([counts for _, counts in parts])
    whole = _layer("total", everything, target, technology, rounds, ignore_instruction_fetch)
    return Report(target, technology, result.samples, result.arrays, rounds, layers, whole)


def _layer(
    name: str, counts: Counts, target: Target, technology: Technology, rounds: int, ignore_instructions: bool
) -> Layer:
    energy: dict[str, float] = {}
    for component, pairs in _FACTORS.items():
        energy[component] = 0.0
        for count, parameter in pairs:
            # Arrays that run in turn need the instruction stream again each time.
            repeat = rounds if count == "fetched_bits" else 1
            cost = technology.cost(parameter, target.nanowires_per_cell)
            energy[component] += getattr(counts, count) * repeat * cost
    if ignore_instructions:
        energy["fetch"] = 0.0
    picoseconds = sum(getattr(counts, count) * technology.parameters[parameter].value for count, parameter in _TIMES)
    return Layer(name, counts, energy, picoseconds * rounds / 1000)
