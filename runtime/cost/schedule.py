"""Which program runs when, on how many arrays: a schedule of a run's batches, instead of a sum of its programs' times.

A program is a task: it waits for the programs whose values it reads, takes arrays and one instruction stream for the
time that its segments take, and gives both back. Weights are code, so any array runs any program. `serial` has one
stream; `parts` runs all that doesn't wait for each other, parts of a layer and branches, one batch at a time;
`pipeline` begins the next batch while the one before is still under way. A program works on one batch at a time, as
its stream and its arrays are its own. Of tasks that could begin, those of the oldest batch come first, then those with
the longest way to the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, NamedTuple

from dialects.machine.program import Program
from dialects.machine.target import Target
from runtime.cost.report import Layer, Report
from runtime.network import Network

Mode = Literal["serial", "parts", "pipeline"]
MODES: tuple[Mode, ...] = ("serial", "parts", "pipeline")
PIPELINED = 8
"""batches of which a pipeline's interval is taken, once it is full"""


class Task(NamedTuple):
    """One program on one batch."""

    name: str
    duration_ns: float
    arrays: int
    waits_for: tuple[int, ...]
    """numbers of other tasks"""


class Event(NamedTuple):
    """A task as it ran."""

    task: int
    batch: int
    begin_ns: float
    end_ns: float
    stream: int


@dataclass(frozen=True)
class Schedule:
    """A schedule of successive batches of the same size."""

    mode: Mode
    tasks: tuple[Task, ...]
    events: tuple[Event, ...]
    """in the order in which they began"""
    arrays: int
    """most that were in use at a time"""
    streams: int
    samples: int
    """of a batch"""

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
        """Between the ends of two batches, over the later half of those that were scheduled."""
        ends = self.ends_ns
        half = len(ends) // 2
        return ends[0] if len(ends) == 1 else (ends[-1] - ends[half - 1]) / (len(ends) - half)

    @property
    def samples_per_second(self) -> float:
        """Throughput once the pipeline is full."""
        return self.samples * 1e9 / self.interval_ns if self.interval_ns else float("inf")

    def to_json(self) -> dict[str, Any]:
        """The figures of the schedule, as plain data."""
        return {
            "schedule": self.mode,
            "batches": len(self.ends_ns),
            "samples_per_batch": self.samples,
            "latency_ns": self.latency_ns,
            "interval_ns": self.interval_ns,
            "samples_per_second": self.samples_per_second,
            "arrays": self.arrays,
            "instruction_streams": self.streams,
        }

    def to_trace(self) -> dict[str, Any]:
        """The events in the Trace Event format, which Perfetto and Chrome's viewer read: one track per stream."""
        events = [
            {
                "name": self.tasks[event.task].name or f"program {event.task}",
                "cat": f"batch {event.batch}",
                "ph": "X",
                "ts": event.begin_ns / 1000,
                "dur": (event.end_ns - event.begin_ns) / 1000,
                "pid": 0,
                "tid": event.stream,
                "args": {"batch": event.batch, "arrays": self.tasks[event.task].arrays, "program": event.task},
            }
            for event in self.events
        ]
        return {"displayTimeUnit": "ns", "traceEvents": events}


def tasks_of(network: Network, report: Report) -> list[Task]:
    """The programs of a network with their times in a report of one run; host actions take none of the array's time."""
    segments = iter(report.layers)
    makers: dict[str, tuple[int, ...]] = {}
    """the tasks that a value waits for"""
    tasks: list[Task] = []
    for call in network.calls:
        waits = tuple(sorted({task for name in call.inputs for task in makers.get(name, ())}))
        if isinstance(call.action, Program):
            layers = [next(segments) for _ in call.action.segments]
            tasks.append(_task(call.action, layers, report, waits))
            waits = (len(tasks) - 1,)
        makers.update(dict.fromkeys(call.outputs, waits))
    return tasks


def _task(program: Program, layers: Sequence[Layer], report: Report, waits: tuple[int, ...]) -> Task:
    # Arrays beyond those of the target are used in turn, for which the times of the report account already.
    arrays = min(max((layer.arrays for layer in layers), default=0), report.target.arrays)
    return Task(program.layer, sum(layer.latency_ns for layer in layers) / report.batches, arrays, waits)


def schedule_of(network: Network, report: Report, mode: Mode) -> Schedule:
    """The schedule of a run whose report is given, on the arrays and streams of its target."""
    batches = PIPELINED if mode == "pipeline" else 1
    return schedule(tasks_of(network, report), report.target, mode, batches, report.batch)


def schedule(tasks: Sequence[Task], target: Target, mode: Mode, batches: int, samples: int = 1) -> Schedule:
    """Schedule so many batches of the same tasks; no task takes more arrays than the target has."""
    streams = 1 if mode == "serial" else target.instruction_streams
    return _Scheduler(tasks, target.arrays, streams, batches, pipelined=mode == "pipeline").run(mode, samples)


class _Scheduler:
    def __init__(self, tasks: Sequence[Task], arrays: int, streams: int, batches: int, *, pipelined: bool):
        self.tasks, self.batches, self.pipelined = tasks, batches, pipelined
        self.arrays, self.left = arrays, arrays
        self.free_streams = list(range(streams))
        self.readers: list[list[int]] = [[] for _ in tasks]
        for number, task in enumerate(tasks):
            for other in task.waits_for:
                self.readers[other].append(number)
        self.way = self._ways()
        self.missing = [[len(task.waits_for) for task in tasks] for _ in range(batches)]
        self.next_batch = [0] * len(tasks)
        """of each task; it takes batches in order"""
        self.ready: list[tuple[int, float, int]] = []
        """(batch, what is left of the way, task): the smallest comes first"""
        self.unfinished = [len(tasks)] * batches

    def _ways(self) -> list[float]:
        """The longest time from the beginning of each task to the end of a batch."""
        ways = [0.0] * len(self.tasks)
        for number in reversed(range(len(self.tasks))):
            after = max((ways[reader] for reader in self.readers[number]), default=0.0)
            ways[number] = self.tasks[number].duration_ns + after
        return ways

    def run(self, mode: Mode, samples: int) -> Schedule:
        events: list[Event] = []
        running: list[tuple[float, int, Event]] = []
        order = count()
        for batch in range(self.batches if self.pipelined else 1):
            self._offer_all(batch)
        now, peak, peak_streams = 0.0, 0, 0
        while self.ready or running:
            for event in self._begin(now):
                events.append(event)
                heapq.heappush(running, (event.end_ns, next(order), event))
            peak = max(peak, self.arrays - self.left)
            peak_streams = max(peak_streams, len(running))
            now, _, event = heapq.heappop(running)
            self._end(event)
        return Schedule(mode, tuple(self.tasks), tuple(events), peak, peak_streams, samples)

    def _begin(self, now: float) -> list[Event]:
        """Begin what is ready and finds room, the most urgent first."""
        begun: list[Event] = []
        waiting: list[tuple[int, float, int]] = []
        while self.ready and self.free_streams:
            urgent = heapq.heappop(self.ready)
            batch, _, number = urgent
            task = self.tasks[number]
            if task.arrays > self.left:
                waiting.append(urgent)
                continue
            self.left -= task.arrays
            begun.append(Event(number, batch, now, now + task.duration_ns, heapq.heappop(self.free_streams)))
        for item in waiting:
            heapq.heappush(self.ready, item)
        return begun

    def _end(self, event: Event) -> None:
        self.left += self.tasks[event.task].arrays
        heapq.heappush(self.free_streams, event.stream)
        self.next_batch[event.task] += 1
        for reader in self.readers[event.task]:
            self.missing[event.batch][reader] -= 1
            self._offer(reader, event.batch)
        self._offer(event.task, event.batch + 1)
        self.unfinished[event.batch] -= 1
        if not self.unfinished[event.batch] and not self.pipelined:
            self._offer_all(event.batch + 1)

    def _offer_all(self, batch: int) -> None:
        for number in range(len(self.tasks)):
            self._offer(number, batch)

    def _offer(self, number: int, batch: int) -> None:
        """Note that a task is ready for a batch, if it is, and if it hasn't been said."""
        begun = batch == self.batches or (not self.pipelined and batch and self.unfinished[batch - 1])
        if not begun and self.next_batch[number] == batch and not self.missing[batch][number]:
            heapq.heappush(self.ready, (batch, -self.way[number], number))
