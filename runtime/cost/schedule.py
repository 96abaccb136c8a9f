"""Which program runs when, on how many arrays: a schedule of a run's batches, instead of a sum of its programs' times.

A program is a task: it waits for the programs whose values it reads, takes arrays and one instruction stream for the
time that its segments take, and gives both back. Weights are code, so any array runs any program. `serial` has one
stream; `parts` runs all that doesn't wait for each other, parts of a layer and branches, one batch at a time;
`pipeline` begins the next batch while others are still under way, as many as keep its slowest part busy; more would
only wait. A program works on one batch at a time, as its stream and its arrays are its own. Host actions take none of
the arrays' time.

docs/schedule.md says what is modelled and what isn't.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any, Literal, NamedTuple

import numpy as np

from dialects.machine.counted import AnyProgram
from dialects.machine.target import Target
from runtime.cost.prices import Work, onchip_share, times_ns
from runtime.cost.report import Report, rounds_of
from runtime.cost.scheduler import Event, Machine, Scheduler, Task
from runtime.cost.sizes import tensors_of
from runtime.cost.technology import Technology
from runtime.host_actions import Action
from runtime.network import Network
from runtime.result import SegmentRun, expected_runs

Mode = Literal["serial", "parts", "pipeline"]
MODES: tuple[Mode, ...] = ("serial", "parts", "pipeline")
_ROUNDING = 1e-9
_FILLINGS = 4
"""how often a pipeline is filled: it settles, is measured once it has, and isn't while it empties"""


class Stored(NamedTuple):
    """A tensor in the global buffer, by the tasks that need it there."""

    bits: int
    """of a batch"""
    made: int | None
    """the task that stores it; None where the host does, before the batch begins"""
    read: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """A schedule of successive batches of the same size."""

    mode: Mode
    tasks: tuple[Task, ...]
    machine: Machine
    events: tuple[Event, ...]
    """in the order in which they began"""
    arrays: int
    """most that were in use at a time"""
    streams: int
    samples: int
    """of a batch"""
    in_flight: int = 1
    """batches that are under way at a time"""
    stored: tuple[Stored, ...] = ()

    @property
    def ends_ns(self) -> list[float]:
        """When each batch is done."""
        ends: dict[int, float] = {}
        for event in self.events:
            ends[event.batch] = max(ends.get(event.batch, 0.0), event.end_ns)
        return [ends[batch] for batch in sorted(ends)]

    @property
    def latency_ns(self) -> float:
        """From the beginning to the end of the first batch."""
        return self.ends_ns[0]

    @property
    def interval_ns(self) -> float:
        """Between the ends of two batches, where a pipeline is full."""
        ends = self.ends_ns
        if len(ends) == 1:
            return ends[0]
        first, last = len(ends) // 2 - 1, 3 * len(ends) // 4 - 1
        return (ends[last] - ends[first]) / (last - first)

    @property
    def full_latency_ns(self) -> float:
        """From the beginning to the end of a batch where a pipeline is full."""
        batch = max(0, 3 * len(self.ends_ns) // 4 - 1)
        return self.ends_ns[batch] - min(event.begin_ns for event in self.events if event.batch == batch)

    @property
    def samples_per_second(self) -> float:
        """Throughput once the pipeline is full."""
        return self.samples * 1e9 / self.interval_ns if self.interval_ns else inf

    @property
    def buffer_bits(self) -> int:
        """Most bits that the global buffer holds at a time, a tensor from its task's begin to its last reader's end."""
        if not self.stored:
            return 0
        begins, ends = (np.zeros((len(self.ends_ns), len(self.tasks))) for _ in range(2))
        for event in self.events:
            begins[event.batch, event.task], ends[event.batch, event.task] = event.begin_ns, event.end_ns
        stored = [begins.min(axis=1) if made is None else begins[:, made] for _, made, _ in self.stored]
        needed = [[*read, *(() if made is None else (made,))] for _, made, read in self.stored]
        dropped = [ends[:, tasks].max(axis=1) if tasks else begin for tasks, begin in zip(needed, stored, strict=True)]
        bits = np.repeat([tensor.bits for tensor in self.stored], len(ends))
        moments, changes = np.concatenate([*dropped, *stored]), np.concatenate([-bits, bits])
        # What ends at a moment goes before what begins, as it is listed first.
        return int(np.cumsum(changes[np.argsort(moments, kind="stable")]).max())

    @property
    def fetched_bits_per_ns(self) -> float:
        """Bits of all instruction streams, on average over the time between two batches."""
        return sum(task.fetched_bits for task in self.tasks) / self.interval_ns if self.interval_ns else 0.0

    @property
    def offchip_bits_per_ns(self) -> float:
        """Those of them that come from off the chip."""
        return sum(task.offchip_bits for task in self.tasks) / self.interval_ns if self.interval_ns else 0.0

    @property
    def array_ns(self) -> float:
        """Arrays in use times how long they are, of a batch."""
        held = sum(self.tasks[event.task].arrays * (event.end_ns - event.begin_ns) for event in self.events)
        return held / len(self.ends_ns)

    @property
    def stream_ns(self) -> float:
        """The same of instruction streams."""
        return sum(event.end_ns - event.begin_ns for event in self.events) / len(self.ends_ns)

    @property
    def busy_arrays(self) -> float:
        """Arrays in use, on average over the time between two batches."""
        return self.array_ns / self.interval_ns if self.interval_ns else 0.0

    @property
    def resident_arrays(self) -> int:
        """Arrays that every program would need for itself, as if weights were stored in them."""
        return sum(task.arrays for task in self.tasks)

    @property
    def bounds_ns(self) -> Mapping[str, float]:
        """Times below which no schedule of this mode comes between two batches, by what bounds it."""
        return bounds_ns(self.tasks, self.machine, self.mode)

    @property
    def bound(self) -> str:
        """What bounds the time between two batches most."""
        bounds = self.bounds_ns
        return max(bounds, key=lambda name: bounds[name])

    def to_json(self) -> dict[str, Any]:
        """The figures of the schedule, as plain data."""
        return {
            "schedule": self.mode,
            "batches": len(self.ends_ns),
            "batches_in_flight": self.in_flight,
            "samples_per_batch": self.samples,
            "latency_ns": self.latency_ns,
            "latency_in_full_pipeline_ns": self.full_latency_ns,
            "interval_ns": self.interval_ns,
            "samples_per_second": self.samples_per_second,
            "arrays": self.arrays,
            "resident_arrays": self.resident_arrays,
            "instruction_streams": self.streams,
            "busy_arrays": self.busy_arrays,
            "fetched_bits_per_ns": self.fetched_bits_per_ns,
            "offchip_bits_per_ns": self.offchip_bits_per_ns,
            "offchip_bits_per_ns_at_most": offchip if (offchip := self.machine.offchip_bits_per_ns) < inf else None,
            "buffer_bytes": -(-self.buffer_bits // 8),
            "moves_overlap": self.machine.overlap,
            "bound_by": self.bound,
            "bounds_ns": dict(self.bounds_ns),
        }


def tasks_of(network: Network, technology: Technology, batch: int, program_bytes: int = 0) -> list[Task]:
    """The programs of a network with their times for a batch of so many samples.

    `program_bytes` is the size of all of them; what of it the chip's memory doesn't hold comes from off the chip.
    """
    offchip = 1.0 - onchip_share(technology, program_bytes)
    segments = iter(expected_runs(network, batch))
    makers: dict[str, tuple[int, ...]] = {}
    """the tasks that a value waits for"""
    tasks: list[Task] = []
    for call in network.calls:
        waits = tuple(sorted({task for name in call.inputs for task in makers.get(name, ())}))
        if not isinstance(call.action, Action):
            runs = [next(segments) for _ in call.action.segments]
            task = _task(call.action, runs, network.target, technology, waits)
            tasks.append(task._replace(offchip_bits=offchip * task.fetched_bits) if task.duration_ns(False) else task)
            waits = (len(tasks) - 1,)
        makers.update(dict.fromkeys(call.outputs, waits))
    return tasks


def _task(
    program: AnyProgram, runs: Sequence[SegmentRun], target: Target, technology: Technology, waits: tuple[int, ...]
) -> Task:
    works = [Work(run.counts, run.rows, run.arrays, rounds_of(run.rows, target)) for run in runs]
    times = [times_ns(work, technology) for work in works]
    move_ns = sum(time["move_cycles"] for time in times)
    compute_ns = sum(sum(time.values()) - time["move_cycles"] for time in times)
    moved_bits = sum(run.counts.moved_row_bits for run in runs) if move_ns else 0
    # Arrays beyond those of the target are used in turn, for which the times account.
    arrays = min(max((run.arrays for run in runs), default=0), target.arrays)
    fetched_bits = sum(work.counts.fetched_bits * work.rounds for work in works)
    return Task(program.title, compute_ns, move_ns, moved_bits, arrays, waits, fetched_bits)


def machine_of(target: Target, technology: Technology) -> Machine:
    """What the programs share on a target."""
    move_ps = technology["move_ps"]
    rate = 1000 * target.shared_buffer_bits_per_cycle / move_ps if move_ps else inf
    offchip = technology["offchip_bits_per_ns"] or inf
    return Machine(target.arrays, target.instruction_streams, rate, target.moves_overlap, offchip)


def bounds_ns(tasks: Sequence[Task], machine: Machine, mode: Mode) -> dict[str, float]:
    """Times below which no schedule comes between two batches, by what bounds it."""
    durations = [task.duration_ns(machine.overlap) for task in tasks]
    occupied = sum(task.arrays * duration for task, duration in zip(tasks, durations, strict=True))
    found = {
        "instruction streams": sum(durations) / machine.streams,
        "arrays": occupied / machine.arrays,
        "buffer": sum(task.moved_bits for task in tasks) / machine.bits_per_ns,
        "memory off the chip": sum(task.offchip_bits for task in tasks) / machine.offchip_bits_per_ns,
    }
    if mode == "pipeline":
        return found | {"slowest program": max(durations, default=0.0)}
    return found | {"longest chain of programs": longest_chain_ns(tasks, machine)}


def longest_chain_ns(tasks: Sequence[Task], machine: Machine) -> float:
    """The time of a batch on as many arrays and streams as it asks for."""
    ends: list[float] = []
    for task in tasks:
        begin = max((ends[other] for other in task.waits_for), default=0.0)
        ends.append(begin + task.duration_ns(machine.overlap))
    return max(ends, default=0.0)


def schedule_of(network: Network, report: Report, mode: Mode) -> Schedule:
    """The schedule of a run whose report is given, on the arrays, streams and buffer of its target."""
    tasks = tasks_of(network, report.technology, report.batch, report.pricing.program_bytes)
    found = schedule(tasks, machine_of(report.target, report.technology), mode, report.batch)
    return replace(found, stored=_stored(network, report.batch))


def _stored(network: Network, batch: int) -> tuple[Stored, ...]:
    programs = [number for number, call in enumerate(network.calls) if not isinstance(call.action, Action)]
    tasks = {number: task for task, number in enumerate(programs)}
    return tuple(
        Stored(
            tensor.bits * batch,
            tasks.get(tensor.made),
            tuple(tasks[number] for number in tensor.read if number in tasks),
        )
        for tensor in tensors_of(network)
    )


def schedule(tasks: Sequence[Task], machine: Machine, mode: Mode, samples: int = 1) -> Schedule:
    """Schedule batches of the same tasks, as many as show the mode; no task takes more arrays than the machine has."""
    if mode == "serial":
        machine = machine._replace(streams=1)
    in_flight = 1
    if mode == "pipeline" and (bound := max(bounds_ns(tasks, machine, mode).values())):
        in_flight = max(1, ceil(longest_chain_ns(tasks, machine) / bound - _ROUNDING))
    batches = _FILLINGS * in_flight if mode == "pipeline" else 1
    events, arrays, streams = Scheduler(tasks, machine, batches, in_flight).run()
    return Schedule(mode, tuple(tasks), machine, tuple(events), arrays, streams, samples, in_flight)
