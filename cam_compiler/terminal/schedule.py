"""A schedule for people: times, what it takes for them, and the energy with the leakage of that time."""

from __future__ import annotations

from math import inf

from cam_compiler.terminal.render import console, energy, time
from cam_compiler.terminal.report import starred
from runtime.cost.report import Report
from runtime.cost.schedule import Schedule
from runtime.cost.scheduled import energy_fj, leakage_fj, power_w

_BITS_PER_BYTE = 8


def print_schedule(schedule: Schedule, report: Report) -> None:
    """What a schedule says of time, of the memories, and of power, for the report's technology."""
    what = "a sample" if schedule.samples == 1 else f"a batch of {schedule.samples}"
    out = console()
    latency, interval, rate = (
        starred(text, report, "latency")
        for text in (
            time(schedule.latency_ns),
            time(schedule.interval_ns),
            f"{schedule.samples_per_second:,.4g} samples/s",
        )
    )
    out.print(
        f"schedule {schedule.mode}, {report.technology.name}: {what} in {latency}, one every {interval}, {rate}, bound "
        f"by the {schedule.bound}"
    )
    out.print(
        f"up to {schedule.arrays} arrays at a time, {schedule.busy_arrays:,.3g} on average, and {schedule.streams} "
        f"instruction streams; instructions from off the chip: {_offchip(schedule)}"
    )
    leakage = {name: part for name, part in leakage_fj(schedule, report.technology).items() if part}
    by_block = ", ".join(f"{name} {energy(part / schedule.samples)}" for name, part in leakage.items())
    spent, power = (
        starred(text, report, "energy")
        for text in (
            energy(sum(energy_fj(schedule, report).values())),
            f"{power_w(schedule, report):,.3g} W",
        )
    )
    out.print(
        f"a sample takes {spent}, leakage {f'among it ({by_block})' if by_block else 'not priced'}; {power} on average"
    )


def _offchip(schedule: Schedule) -> str:
    """In gigabytes per second, which are bytes per nanosecond."""
    asked, most = schedule.offchip_bits_per_ns / _BITS_PER_BYTE, schedule.machine.offchip_bits_per_ns / _BITS_PER_BYTE
    return f"{asked:,.3g} GB/s on average" + (f", of {most:,.4g} at most" if most < inf else "")
