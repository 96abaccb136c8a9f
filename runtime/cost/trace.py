"""A schedule in the Trace Event format, which Perfetto and Chrome's viewer read: a track for each instruction stream.

Beside them stands a counter of the arrays in use.
"""

from __future__ import annotations

from typing import Any

from runtime.cost.schedule import Schedule
from runtime.cost.scheduler import Event

_NS_PER_US = 1000
"""times of a trace are in microseconds"""


def trace_of(schedule: Schedule) -> dict[str, Any]:
    """The trace as plain data."""
    streams = sorted({event.stream for event in schedule.events})
    names = [_named("process_name", 0, f"schedule {schedule.mode}")]
    names += [_named("thread_name", stream, f"instruction stream {stream}") for stream in streams]
    programs = [_program(schedule, event) for event in schedule.events]
    return {"displayTimeUnit": "ns", "traceEvents": [*names, *programs, *_arrays_in_use(schedule)]}


def _named(what: str, stream: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": 0, "tid": stream, "args": {"name": name}}


def _program(schedule: Schedule, event: Event) -> dict[str, Any]:
    task = schedule.tasks[event.task]
    return {
        "name": task.name or f"program {event.task}",
        "cat": f"batch {event.batch}",
        "ph": "X",
        "ts": event.begin_ns / _NS_PER_US,
        "dur": (event.end_ns - event.begin_ns) / _NS_PER_US,
        "pid": 0,
        "tid": event.stream,
        "args": {
            "batch": event.batch,
            "program": event.task,
            "arrays": " ".join(f"{first}-{end - 1}" for first, end in event.arrays),
            "moved bits": task.moved_bits,
        },
    }


def _arrays_in_use(schedule: Schedule) -> list[dict[str, Any]]:
    """One count for each moment at which it changes."""
    changes: dict[float, int] = {}
    for event in schedule.events:
        arrays = schedule.tasks[event.task].arrays
        changes[event.begin_ns] = changes.get(event.begin_ns, 0) + arrays
        changes[event.end_ns] = changes.get(event.end_ns, 0) - arrays
    counts: list[dict[str, Any]] = []
    used = 0
    for moment, change in sorted(changes.items()):
        used += change
        counts.append({"name": "arrays", "ph": "C", "pid": 0, "ts": moment / _NS_PER_US, "args": {"in use": used}})
    return counts
