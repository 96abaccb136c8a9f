"""Which parameters of a technology matter: each is varied by itself, over its own range or by factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, NamedTuple

from runtime.cost.layers import Pricing, in_batches
from runtime.cost.report import Report
from runtime.cost.sizes import area_mm2
from runtime.cost.technology import LIMITS, WHOLE_NUMBERS, Parameter, Technology, kinds
from runtime.network import Network
from runtime.result import Result, SegmentRun

FACTORS = (0.5, 2.0)
"""by which a parameter is varied whose range nobody states"""


class Outcome(NamedTuple):
    """What a parameter can change, for one sample; the area is that of the blocks for which one is stated."""

    energy_fj: float
    latency_ns: float
    area_mm2: float


class Swing(NamedTuple):
    """A parameter at the two ends of its range."""

    parameter: str
    low: float
    high: float
    at_low: Outcome
    at_high: Outcome

    def change(self, quantity: str, base: Outcome) -> tuple[float, float]:
        """The changes at both ends, in parts of what it is at the stated value."""
        whole = getattr(base, quantity)
        ends = (getattr(end, quantity) for end in (self.at_low, self.at_high))
        low, high = ((end - whole) / whole if whole else 0.0 for end in ends)
        return low, high

    def size(self, quantity: str, base: Outcome) -> float:
        """The greater of the two."""
        return max(map(abs, self.change(quantity, base)))


@dataclass(frozen=True)
class Sensitivity:
    """How far energy, latency and area of one sample go with each parameter."""

    technology: Technology
    base: Outcome
    swings: tuple[Swing, ...]
    fixed: tuple[str, ...]
    """parameters that are 0 and state no range, so that no factor changes them"""

    def sorted_by(self, quantity: str) -> list[Swing]:
        """The parameters that change a quantity of `Outcome`, the greatest change first."""
        moved = [swing for swing in self.swings if swing.size(quantity, self.base)]
        return sorted(moved, key=lambda swing: -swing.size(quantity, self.base))

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "technology": self.technology.name,
            "per_sample": self.base._asdict(),
            "parameters": [
                {
                    "parameter": swing.parameter,
                    "unit": kinds()[swing.parameter].unit,
                    "value": self.technology[swing.parameter],
                    "status": self.technology.parameters[swing.parameter].status,
                    "low": {"value": swing.low, **swing.at_low._asdict()},
                    "high": {"value": swing.high, **swing.at_high._asdict()},
                    "change": {name: swing.change(name, self.base) for name in Outcome._fields},
                }
                for swing in self.sorted_by("energy_fj")
                + [s for s in self.swings if not s.size("energy_fj", self.base)]
            ],
            "not_varied": list(self.fixed),
        }


def sensitivity(
    report: Report, result: Result, network: Network, factors: tuple[float, float] | None = None
) -> Sensitivity:
    """Vary each parameter of a report's technology; by `factors`, or over its own range where none are given."""
    model = _Model(report, in_batches(result, network, report.batch))
    swings: list[Swing] = []
    fixed: list[str] = []
    for name, entry in report.technology.parameters.items():
        low, high = ends_of(name, entry, factors)
        if low == high == entry.value:
            fixed.append(name)
            continue
        at_low, at_high = (model.outcome(with_value(report.technology, name, value)) for value in (low, high))
        swings.append(Swing(name, low, high, at_low, at_high))
    return Sensitivity(report.technology, model.outcome(report.technology), tuple(swings), tuple(fixed))


def ends_of(name: str, entry: Parameter, factors: tuple[float, float] | None) -> tuple[float, float]:
    """Between which values a parameter is varied; a factor changes no parameter that is 0."""
    if entry.range and (factors is None or not entry.value):
        return entry.range
    low, high = (min(entry.value * factor, LIMITS.get(name, inf)) for factor in factors or FACTORS)
    return (max(1, round(low)), max(1, round(high))) if name in WHOLE_NUMBERS else (low, high)


def with_value(technology: Technology, name: str, value: float) -> Technology:
    """The technology with another value of one parameter."""
    entry = replace(technology.parameters[name], value=value)
    return replace(technology, parameters={**technology.parameters, name: entry})


class _Model:
    """What a run comes to with other numbers; counts stay what they are."""

    def __init__(self, report: Report, segments: Sequence[Sequence[SegmentRun]]):
        self._report, self._segments = report, segments

    def outcome(self, technology: Technology) -> Outcome:
        report = self._report
        pricing: Pricing = replace(report.pricing, technology=technology)
        layers = [pricing.layer(runs) for runs in self._segments]
        areas = area_mm2(technology, report.target, report.total_arrays, 1, report.needs.spare_domains)
        return Outcome(
            sum(layer.total_fj for layer in layers) / report.samples,
            sum(layer.latency_ns for layer in layers) / report.samples,
            sum(area or 0.0 for area in areas.values()),
        )
