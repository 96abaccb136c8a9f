"""A schedule for people: times, what it takes for them, and the energy with the leakage of that time."""

from __future__ import annotations

from math import inf

from cam_compiler.terminal.render import console, energy, time
from runtime.cost.report import Report
from runtime.cost.schedule import Schedule
from runtime.cost.scheduled import energy_fj, leakage_fj, power_w

_BITS_PER_BYTE = 8


def print_schedule(schedule: Schedule, report: Report) -> None:
    """What a schedule says of time, of the memories, and of power, for the report's technology."""
    what = "a sample" if schedule.samples == 1 else f"a batch of {schedule.samples}"
    out = console()
    out.print(
        f"schedule {schedule.mode}, {report.technology.name}: {what} in {time(schedule.latency_ns)}, one every "
        f"{time(schedule.interval_ns)}, {schedule.samples_per_second:,.4g} samples/s, bound by the {schedule.bound}"
    )
    out.print(
        f"up to {schedule.arrays} arrays at a time, {schedule.busy_arrays:,.3g} on average, and {schedule.streams} "
        f"instruction streams; instructions from off the chip: {_offchip(schedule)}"
    )
    leakage = leakage_fj(schedule, report.technology)
    stated = {name: power for name, power in leakage.items() if power}
    by_block = ", ".join(f"{name} {energy(value / schedule.samples)}" for name, value in stated.items())
    out.print(
        f"a sample takes {energy(sum(energy_fj(schedule, report).values()))}, leakage "
        f"{f'among it ({by_block})' if by_block else 'not priced'}; {power_w(schedule, report):,.3g} W on average"
    )


def _offchip(schedule: Schedule) -> str:
    """In gigabytes per second, which are bytes per nanosecond."""
    asked, most = schedule.offchip_bits_per_ns / _BITS_PER_BYTE, schedule.machine.offchip_bits_per_ns / _BITS_PER_BYTE
    return f"{asked:,.3g} GB/s on average" + (f", of {most:,.4g} at most" if most < inf else "")
