"""The scheduler: events in the order in which they happen, on arrays, streams and memories that are shared.

Of tasks that could begin, those of the oldest batch come first, then those with the longest way to the end. A task
takes its arrays and a stream when it begins and gives them back when it ends.

What a task moves is taken to be spread evenly over its time. Where the running tasks ask for more bits than the buffer
moves, all moves slow down by the same factor, until a task begins or ends. So it is with instructions: where the memory
off the chip can't keep up with the running tasks, all those that fetch from it take longer.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Literal, NamedTuple

import numpy as np

_HALVINGS = 60
"""of the interval in which the common slowdown lies: more than a float has bits"""


class Pace(NamedTuple):
    """How many times longer things take than where nothing else asks for the memories."""

    moves: float = 1.0
    fetching: float = 1.0
    """of a whole task, if it fetches from off the chip"""


ALONE = Pace()
"""nothing else asks for the memories"""


class Task(NamedTuple):
    """One program on one batch."""

    name: str
    compute_ns: float
    """searches, writes and shifts"""
    move_ns: float
    """loads and stores, where nothing else asks for the buffer"""
    moved_bits: int
    """0 where `move_ns` is"""
    arrays: int
    waits_for: tuple[int, ...] = ()
    """numbers of other tasks"""
    fetched_bits: int = 0
    """of its instruction stream, all rounds of the arrays together"""
    offchip_bits: float = 0.0
    """of these the ones that come from off the chip"""

    def duration_ns(self, overlap: bool, pace: Pace = ALONE) -> float:
        """Its time at a pace; moves at the same time as the computation, or one after the other."""
        moves = self.move_ns * pace.moves
        alone = max(self.compute_ns, moves) if overlap else self.compute_ns + moves
        return alone * pace.fetching if self.offchip_bits else alone


Spans = tuple[tuple[int, int], ...]
"""Numbers of arrays, as (first, end) of each run of neighbours."""


class Event(NamedTuple):
    """A task as it ran."""

    task: int
    batch: int
    begin_ns: float
    end_ns: float
    stream: int
    arrays: Spans


class Pool:
    """Arrays by number; the first ones that are free are taken first."""

    def __init__(self, size: int):
        self.free = [(0, size)] if size else list[tuple[int, int]]()
        """spans in order, with gaps between them"""
        self.left = size

    def take(self, count: int) -> Spans:
        """So many of the arrays that are left."""
        taken: list[tuple[int, int]] = []
        self.left -= count
        while count:
            first, end = self.free[0]
            upto = min(end, first + count)
            taken.append((first, upto))
            count -= upto - first
            self.free[:1] = [(upto, end)] if upto < end else []
        return tuple(taken)

    def give(self, spans: Spans) -> None:
        """Take arrays back."""
        merged: list[tuple[int, int]] = []
        for first, end in sorted((*self.free, *spans)):
            if merged and merged[-1][1] == first:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((first, end))
        self.free = merged
        self.left += sum(end - first for first, end in spans)


class Machine(NamedTuple):
    """What tasks share."""

    arrays: int
    streams: int
    bits_per_ns: float
    """of the buffer, to and from all arrays together"""
    overlap: bool
    """a task moves bits while it computes"""
    offchip_bits_per_ns: float = float("inf")
    """of instructions that come from off the chip, for all streams together"""


class _Running:
    """A task that has begun: what is left of it, as a share, from a moment on."""

    __slots__ = ("arrays", "batch", "begin", "left", "number", "order", "since", "stream")

    def __init__(self, number: int, batch: int, begin: float, stream: int, arrays: Spans, order: int):
        self.number, self.batch, self.stream, self.arrays, self.order = number, batch, stream, arrays, order
        self.begin = self.since = begin
        self.left = 1.0

    def ended(self, now: float) -> Event:
        return Event(self.number, self.batch, self.begin, now, self.stream, self.arrays)


class Scheduler:
    """Schedules so many batches of tasks, of which none takes more arrays than there are.

    A batch begins when the one `in_flight` batches before has ended. `run` gives the events in the order in which they
    began, and the most arrays and streams that were in use at a time.
    """

    def __init__(self, tasks: Sequence[Task], machine: Machine, batches: int, in_flight: int = 1):
        self.tasks, self.machine, self.batches, self.in_flight = tasks, machine, batches, in_flight
        self.pool = Pool(machine.arrays)
        self.free_streams = list(range(machine.streams))
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
        self.running: list[tuple[float, int, _Running]] = []
        """(end, order, task): the first to end comes first"""
        self.pace = ALONE
        self.contended = self._asked(tasks, "moved_bits", ALONE) > machine.bits_per_ns
        self.contended |= self._asked(tasks, "offchip_bits", ALONE) > machine.offchip_bits_per_ns

    def _ways(self) -> list[float]:
        """The longest time from the beginning of each task to the end of a batch."""
        ways = [0.0] * len(self.tasks)
        for number in reversed(range(len(self.tasks))):
            after = max((ways[reader] for reader in self.readers[number]), default=0.0)
            ways[number] = self._duration(self.tasks[number]) + after
        return ways

    def _duration(self, task: Task, pace: Pace = ALONE) -> float:
        return task.duration_ns(self.machine.overlap, pace)

    def _asked(self, tasks: Iterable[Task], bits: Literal["moved_bits", "offchip_bits"], pace: Pace) -> float:
        """Bits per nanosecond that tasks move, or fetch from off the chip, at the same time."""
        durations = ((task, self._duration(task, pace)) for task in tasks)
        return sum(getattr(task, bits) / duration for task, duration in durations if duration)

    def run(self) -> tuple[list[Event], int, int]:
        ended: list[tuple[int, Event]] = []
        order = count()
        for batch in range(self.in_flight):
            self._offer_all(batch)
        now, peak, peak_streams = 0.0, 0, 0
        while self.ready or self.running:
            for item in self._begin(now, order):
                end = now + self._duration(self.tasks[item.number], self.pace)
                heapq.heappush(self.running, (end, item.order, item))
            self._share(now)
            peak = max(peak, self.machine.arrays - self.pool.left)
            peak_streams = max(peak_streams, len(self.running))
            now, _, item = heapq.heappop(self.running)
            ended.append((item.order, item.ended(now)))
            self._end(item)
        return [event for _, event in sorted(ended)], peak, peak_streams

    def _begin(self, now: float, order: Iterator[int]) -> list[_Running]:
        """Take what is ready and finds room, the most urgent first."""
        begun: list[_Running] = []
        waiting: list[tuple[int, float, int]] = []
        while self.ready and self.free_streams:
            urgent = heapq.heappop(self.ready)
            batch, _, number = urgent
            if self.tasks[number].arrays > self.pool.left:
                waiting.append(urgent)
                continue
            arrays = self.pool.take(self.tasks[number].arrays)
            begun.append(_Running(number, batch, now, heapq.heappop(self.free_streams), arrays, next(order)))
        for item in waiting:
            heapq.heappush(self.ready, item)
        return begun

    def _share(self, now: float) -> None:
        """Share out the memories among the running tasks; where that changes, their ends do."""
        if not self.contended:
            return
        before, self.pace = self.pace, self._common_pace()
        if before == self.pace:
            return
        changed: list[tuple[float, int, _Running]] = []
        for _, order, item in self.running:
            task = self.tasks[item.number]
            if item.since < now:
                item.left -= (now - item.since) / self._duration(task, before)
                item.since = now
            changed.append((now + max(0.0, item.left) * self._duration(task, self.pace), order, item))
        heapq.heapify(changed)
        self.running = changed

    def _common_pace(self) -> Pace:
        """The least factor on moves with which they fit the buffer, then that on what fetches from off the chip."""
        tasks = [self.tasks[item.number] for _, _, item in self.running]
        pace = Pace(moves=self._common_slowdown([task for task in tasks if task.moved_bits]))
        asked = self._asked(tasks, "offchip_bits", pace)
        return pace._replace(fetching=max(1.0, asked / self.machine.offchip_bits_per_ns))

    def _common_slowdown(self, tasks: Sequence[Task]) -> float:
        compute, move, bits = (np.array([task[field] for task in tasks]) for field in (1, 2, 3))

        def fits(slowdown: float) -> bool:
            durations = np.maximum(compute, slowdown * move) if self.machine.overlap else compute + slowdown * move
            return float((bits / durations).sum()) <= self.machine.bits_per_ns

        if fits(1.0):
            return 1.0
        low, high = 1.0, 2.0
        while not fits(high):
            low, high = high, 2 * high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if fits(middle) else (middle, high)
        return high

    def _end(self, ended: _Running) -> None:
        self.pool.give(ended.arrays)
        heapq.heappush(self.free_streams, ended.stream)
        self.next_batch[ended.number] += 1
        for reader in self.readers[ended.number]:
            self.missing[ended.batch][reader] -= 1
            self._offer(reader, ended.batch)
        self._offer(ended.number, ended.batch + 1)
        self.unfinished[ended.batch] -= 1
        if not self.unfinished[ended.batch]:
            self._offer_all(ended.batch + self.in_flight)

    def _offer_all(self, batch: int) -> None:
        for number in range(len(self.tasks)):
            self._offer(number, batch)

    def _offer(self, number: int, batch: int) -> None:
        """Note that a task is ready for a batch, if it is, and if it hasn't been said."""
        if batch >= self.batches or (batch >= self.in_flight and self.unfinished[batch - self.in_flight]):
            return
        if self.next_batch[number] == batch and not self.missing[batch][number]:
            heapq.heappush(self.ready, (batch, -self.way[number], number))
