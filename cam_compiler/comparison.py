"""One network on all machines: the compiled program with every technology, and the rivals' models, in one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from dialects.machine.counted import CountedProgram
from dialects.support.errors import InputError
from runtime.cost import scheduled
from runtime.cost.prices import COMPONENTS, INSTRUCTIONS
from runtime.cost.report import Report
from runtime.cost.schedule import schedule_of
from runtime.cost.sizes import AREAS
from runtime.network import Network
from runtime.rivals import clusters, crossbar, digital
from runtime.rivals.breakeven import Break, break_even
from runtime.rivals.dataflow import Node, dataflow_of
from runtime.rivals.estimate import Estimate
from runtime.rivals.workload import Workload, workload_of

FACTORS = (1.0, 7.5)
"""what is asked of a ratio: as good as the rival, and the paper's claim"""
_FJ_PER_UJ, _NS_PER_MS = 1e9, 1e6


@dataclass(frozen=True)
class Row:
    """One machine with one technology or setting, for one image."""

    machine: str
    setting: str
    energy_uj: float
    latency_ms: float | None
    images_per_second: float | None
    tops_per_watt: float
    """two operations per multiply-accumulate of the network, zero weights included"""
    area_mm2: float | None
    arrays: int
    exact: str
    rests_on: tuple[str, ...]
    """parameters that are recalled, assumed or fitted"""
    marked: tuple[str, ...]
    """which of energy, latency and area rest on them"""
    components_uj: Mapping[str, float]
    """of the associative processor's energy; empty for other machines"""


@dataclass(frozen=True)
class BreakEven:
    """What search, write and shift of the processor may cost at most for a rival's energy over `factor`."""

    setting: str
    rival: str
    factor: float
    budget_fj: float
    whole: Break
    without_instructions: Break
    """with the instruction stream and its memory left out, as papers do"""

    def to_json(self) -> dict[str, Any]:
        return {
            "setting": self.setting,
            "rival": self.rival,
            "factor": self.factor,
            "budget_uj": self.budget_fj / _FJ_PER_UJ,
            **_break_json(self.whole),
            "without_instructions": _break_json(self.without_instructions),
        }


def _break_json(found: Break) -> dict[str, Any]:
    pairs = [{"components": [*pair], "ends": ends} for pair, ends in found.pairs.items()]
    others = found.others_fj / _FJ_PER_UJ
    return {"others_uj": others, "alone": dict(found.alone), "pairs": pairs, "together": found.together}


@dataclass(frozen=True)
class Comparison:
    """All machines on one network."""

    workload: Workload
    own: tuple[Row, ...]
    """the compiled program, one row per technology"""
    flows: tuple[Row, ...]
    """the same processor with programs of other pipelines, which are rivals as well"""
    rivals: tuple[Row, ...]
    break_even: tuple[BreakEven, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All machines."""
        return (*self.own, *self.flows, *self.rivals)

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "network": self.workload.name,
            "multiply_accumulates": self.workload.macs,
            "machines": [asdict(row) for row in self.rows],
            "break_even": [item.to_json() for item in self.break_even],
        }

    def to_csv(self) -> str:
        """The table of machines."""
        stream = io.StringIO()
        names = [item.name for item in fields(Row) if item.name != "components_uj"]
        lists = ("rests_on", "marked")
        writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) | {name: " ".join(getattr(row, name)) for name in lists} for row in self.rows)
        return stream.getvalue()


@dataclass(frozen=True)
class Flow:
    """A program of the network, with the reports of its run: one per technology."""

    network: Network
    reports: Sequence[Report]


def compare(golden: ModuleOp, network: str, compiled: Flow, others: Mapping[str, Flow]) -> Comparison:
    """The compiled program, and those of other pipelines by name, beside the rivals on the `ternary` level's network.

    Times are those of a pipelined schedule, for the processor as for its rivals.

    Raises InputError where the network has no product with constant weights.
    """
    workload = workload_of(golden, network)
    if not workload.layers:
        raise InputError("the network has no layer with constant weights", place=network)
    estimates = _rivals(workload, dataflow_of(golden))
    own = _own_rows("associative processor", compiled, workload)
    target = compiled.network.target
    flows: list[Row] = []
    for name, flow in others.items():
        machine = "the same" if flow.network.target == target else f"target {flow.network.target.name}"
        if any(isinstance(program, CountedProgram) for program in flow.network.programs):
            machine = "arrays with counters of tags"
        flows += _own_rows(f"{machine}, flow {name}", flow, workload)
    rivals = [_rival_row(item, workload) for item in estimates]
    broken = [_break_even(row, rival, factor) for row in own for rival in estimates for factor in FACTORS]
    return Comparison(workload, tuple(own), tuple(flows), tuple(rivals), tuple(broken))


def _break_even(row: Row, rival: Estimate, factor: float) -> BreakEven:
    energy = {name: part * _FJ_PER_UJ for name, part in row.components_uj.items()}
    without, budget = {**energy, **dict.fromkeys(INSTRUCTIONS, 0.0)}, rival.total_fj / factor
    return BreakEven(
        row.setting, rival.setting, factor, budget, break_even(energy, budget), break_even(without, budget)
    )


def _rivals(workload: Workload, nodes: Sequence[Node]) -> list[Estimate]:
    found = [crossbar.estimate(workload, setting) for setting in crossbar.settings().values()]
    found += [digital.estimate(workload, setting) for setting in digital.settings().values()]
    for setting in clusters.settings().values():
        try:
            placement = clusters.balanced(nodes, setting, int(setting["clusters"]))
        except InputError:
            # One copy of each layer doesn't fit; the machine has no figure for this network.
            continue
        found.append(clusters.estimate(nodes, placement, setting))
    return found


def _own_rows(machine: str, flow: Flow, workload: Workload) -> list[Row]:
    return [_own_row(machine, flow.network, report, workload) for report in flow.reports]


def _own_row(machine: str, network: Network, report: Report, workload: Workload) -> Row:
    if not report.total.total_fj or not report.total.latency_ns:
        raise InputError(
            f"the technology '{report.technology.name}' prices nothing of what this program does",
            hint="state energies and times that are greater than 0",
        )
    schedule = schedule_of(network, report, "pipeline")
    components, areas = scheduled.energy_fj(schedule, report), scheduled.areas_mm2(schedule, report)
    energy, stated = sum(components.values()), areas["cells"] is not None
    return Row(
        machine,
        report.technology.name,
        energy / _FJ_PER_UJ,
        schedule.latency_ns / _NS_PER_MS,
        schedule.samples_per_second,
        _tops_per_watt(workload, energy),
        sum(area or 0.0 for area in areas.values()) if stated else None,
        schedule.arrays,
        "exact integers",
        tuple(_rests_on(report, area=stated)),
        tuple(_marked(report)),
        {name: value / _FJ_PER_UJ for name, value in components.items()},
    )


def _marked(report: Report) -> Iterator[str]:
    """The figures that rest on numbers that are not published."""
    for figure, parts in (("energy", ("energy",)), ("latency", ("latency",)), ("area", AREAS)):
        if any(report.marked(part) for part in parts):
            yield figure


def _rests_on(report: Report, *, area: bool) -> list[str]:
    """Parameters of what a row shows that are not published."""
    shown = {name for part in (*COMPONENTS, "latency") for name in report.unconfirmed_of(part)}
    return [name for name in report.unconfirmed if area or name in shown]


def _rival_row(estimate: Estimate, workload: Workload) -> Row:
    return Row(
        estimate.machine,
        estimate.setting,
        estimate.total_fj / _FJ_PER_UJ,
        None if estimate.latency_ns is None else estimate.latency_ns / _NS_PER_MS,
        estimate.images_per_second,
        _tops_per_watt(workload, estimate.total_fj),
        estimate.area_mm2,
        estimate.arrays,
        estimate.exact,
        estimate.rests_on,
        estimate.marked,
        {},
    )


def _tops_per_watt(workload: Workload, energy_fj: float) -> float:
    # Operations per femtojoule are thousands of operations per picojoule, and one per picojoule is 1 TOPS/W.
    return 1e3 * workload.operations / energy_fj
