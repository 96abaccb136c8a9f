"""What a segment of a run comes to: its counts, its energy by component, its time; and sums of such.

The same holds for the operations of a segment (additions, thresholds, loads and so on), which add up to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dialects.machine.counted import CountedProgram
from dialects.machine.target import Target
from runtime.cost.counting import counted_operations
from runtime.cost.counts import Counts, Traced, arrays_for, counts_on, operation_counts, total
from runtime.cost.prices import COMPONENTS, INSTRUCTIONS, Work, energy_fj, latency_ns, priced_counts
from runtime.cost.technology import Technology
from runtime.network import Network
from runtime.result import Result, SegmentRun, counted_run, expected_runs

STORE = "store "
"""what the name of a segment that stores a tensor begins with"""


@dataclass(frozen=True)
class Layer:
    """One segment: its counts, its energy by component and its time; the rows that hold data, of all in use."""

    name: str
    counts: Counts
    energy_fj: dict[str, float]
    latency_ns: float
    rows: int
    arrays: int
    row_utilisation: float
    rounds: int
    """how often the arrays of the target have to be used in turn"""
    priced: Mapping[str, float]
    """the counts that are multiplied with prices, by the names of runtime/cost/prices.py"""

    @property
    def total_fj(self) -> float:
        return sum(self.energy_fj.values())


@dataclass(frozen=True)
class Pricing:
    """What makes energy and time of counts."""

    target: Target
    technology: Technology
    program_bytes: int
    ignore_instructions: bool = False

    def layer(self, runs: Sequence[SegmentRun]) -> Layer:
        """What runs of one segment come to together."""
        parts = [self._part(run) for run in runs]
        return parts[0] if len(parts) == 1 else sum_of(parts[0].name, parts)

    def _part(self, run: SegmentRun) -> Layer:
        rounds = rounds_of(run.rows, self.target)
        work = Work(run.counts, run.rows, run.arrays, rounds)
        priced = priced_counts(work, self.technology, self.target, self.program_bytes)
        energy = energy_fj(priced, self.technology, self.target)
        if self.ignore_instructions:
            energy |= dict.fromkeys(INSTRUCTIONS, 0.0)
        utilisation = run.rows / (run.arrays * self.target.rows)
        latency = latency_ns(work, self.technology)
        return Layer(run.layer, run.counts, energy, latency, run.rows, run.arrays, utilisation, rounds, priced)


def rounds_of(rows: int, target: Target) -> int:
    """How often the arrays have to be used in turn for so many rows."""
    return -(-rows // (target.rows * target.arrays))


def sum_of(name: str, layers: Sequence[Layer]) -> Layer:
    """Sums; rows and arrays are those of the layer that uses most.

    Utilisation is weighted by searched cells, or where nothing is searched by time.
    """
    counts = total([layer.counts for layer in layers])
    searched = any(layer.counts.searched_row_cells for layer in layers)
    weights = [layer.counts.searched_row_cells if searched else layer.latency_ns for layer in layers]
    busy = sum(weight * layer.row_utilisation for weight, layer in zip(weights, layers, strict=True))
    priced: Counter[str] = Counter()
    for layer in layers:
        priced.update(layer.priced)
    return Layer(
        name,
        counts,
        {name: sum(layer.energy_fj[name] for layer in layers) for name in COMPONENTS},
        sum(layer.latency_ns for layer in layers),
        max((layer.rows for layer in layers), default=0),
        max((layer.arrays for layer in layers), default=0),
        busy / (sum(weights) or 1),
        max((layer.rounds for layer in layers), default=0),
        dict(priced),
    )


def in_batches(result: Result, network: Network, batch: int) -> list[list[SegmentRun]]:
    """Each segment's run on all whole batches, together, and on what is left of the samples."""
    if batch == result.samples:
        return [[run] for run in result.segments]
    groups: list[list[SegmentRun]] = [[] for _ in result.segments]
    for times, size in _sizes(result, batch):
        for run, whole, group in zip(expected_runs(network, size), result.segments, groups, strict=True):
            # Written and toggled cells depend on the data; their sums are known, and are all that a report shows.
            traced = Traced(0, 0) if group else whole.counts.traced
            group.append(run._replace(counts=(run.counts * times).with_traced(traced)))
    return groups


def by_operation(result: Result, network: Network, batch: int) -> list[dict[str, list[SegmentRun]]]:
    """The same for each operation of each segment, under the operation's name; toggled cells are not known of them."""
    target, groups = network.target, [dict[str, list[SegmentRun]]() for _ in result.segments]
    for times, size in _sizes(result, batch):
        segments = zip(result.segments, groups, strict=True)
        for program in network.programs:
            if isinstance(program, CountedProgram):
                for whole, group in islice(segments, 1):
                    for name, counts in counted_operations(program, target, size).items():
                        written = _written(whole, name, group)
                        counts = (counts * times).with_traced(Traced(written, 0))
                        group.setdefault(name, []).append(counted_run(program, counts, target)._replace(layer=name))
                continue
            rows, shares = program.rows * size, operation_counts(program, target.columns, target.domains)
            for static_of, (whole, group) in zip(shares, segments, strict=False):
                for name, static in static_of.items():
                    written = _written(whole, name, group)
                    counts = (counts_on(static, rows, target) * times).with_traced(Traced(written, 0))
                    group.setdefault(name, []).append(SegmentRun(name, counts, rows, arrays_for(rows, target)))
    return groups


def _written(whole: SegmentRun, operation: str, known: Mapping[str, object]) -> int:
    """The cells that an operation of a segment has written in all batches, which its first batch is said to."""
    return 0 if operation in known else getattr(whole.counts, f"written_by_{operation}", 0)


def _sizes(result: Result, batch: int) -> Iterator[tuple[int, int]]:
    """How often a batch of a size runs: all whole ones, then what is left."""
    whole, rest = divmod(result.samples, batch)
    yield whole, batch
    if rest:
        yield 1, rest


def layer_names(segments: Sequence[str]) -> list[str]:
    """The layer of each segment; a segment that stores a tensor is of the tensor's layer, or of the segment before."""
    known, found = set(segments), list[str]()
    for segment in segments:
        stored = segment.removeprefix(STORE)
        belongs = stored in known or not found or not segment.startswith(STORE)
        found.append(stored if belongs else found[-1])
    return found
