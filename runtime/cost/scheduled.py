"""What a schedule costs: energy with the leakage of its time, power, area.

The leakage of a block is its power times how long the schedule has it on, not the sum of all programs' times. Arrays
and controllers are on while a program holds them; racetrack cells keep their bits without power. The buffer and the
instruction memory are on all the time, of which a batch has the interval to the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.cost.report import Report
from runtime.cost.schedule import Schedule
from runtime.cost.sizes import area_mm2
from runtime.cost.technology import Technology


def leakage_fj(schedule: Schedule, technology: Technology) -> Mapping[str, float]:
    """Of a batch, by block; 1 uW is 1 fJ per ns."""
    return {
        "arrays": schedule.array_ns * technology["array_leakage_uw"],
        "controllers": schedule.stream_ns * technology["controller_leakage_uw"],
        "buffer": schedule.interval_ns * technology["buffer_leakage_uw"],
        "instruction memory": schedule.interval_ns * technology["instruction_memory_leakage_uw"],
    }


def energy_fj(schedule: Schedule, report: Report) -> dict[str, float]:
    """The energy of a sample by component: the report's, but for leakage, which is the schedule's."""
    found = {name: energy / report.samples for name, energy in report.total.energy_fj.items()}
    found["leakage"] = sum(leakage_fj(schedule, report.technology).values()) / schedule.samples
    return found


def power_w(schedule: Schedule, report: Report) -> float:
    """The power on average over the time between two batches."""
    energy = sum(energy_fj(schedule, report).values())
    return energy * schedule.samples_per_second * 1e-15


def areas_mm2(schedule: Schedule, report: Report) -> Mapping[str, float | None]:
    """Area by block, for all arrays and controllers that are in use at a time; None where none is stated."""
    return area_mm2(report.technology, report.target, schedule.arrays, schedule.streams, report.needs.spare_domains)


def to_json(schedule: Schedule, report: Report) -> dict[str, Any]:
    """The figures of a schedule, and the energy with its leakage, as plain data."""
    return {
        **schedule.to_json(),
        "technology": report.technology.name,
        "energy_of_a_sample_fj": energy_fj(schedule, report),
        "leakage_of_a_batch_fj": dict(leakage_fj(schedule, report.technology)),
        "average_power_w": power_w(schedule, report),
        "area_mm2": dict(areas_mm2(schedule, report)),
    }
