"""What a run gives: outputs by name, and how each layer's segment ran.

How segments run on any number of samples follows from the code alone, except for what depends on the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.program import Program
from dialects.machine.target import Target
from runtime.cost.counting import counted_counts
from runtime.cost.counts import Counts, Traced, arrays_for, counts_on, static_counts
from runtime.network import Network
from runtime.values import Value


class SegmentRun(NamedTuple):
    """One layer as it ran: its counts, the rows that held data, and the arrays that held the rows."""

    layer: str
    counts: Counts
    rows: int
    arrays: int


@dataclass
class Result:
    """Outputs by ONNX name, and what was counted in each segment, for a number of samples."""

    outputs: dict[str, Value] = field(default_factory=dict[str, Value])
    segments: list[SegmentRun] = field(default_factory=list[SegmentRun])
    samples: int = 0
    host: list[str] = field(default_factory=list[str])
    """functions of the network that the host computed at its end, beside the output scale"""


def runs_of(program: Program, counts: Sequence[Counts], rows: int, target: Target) -> list[SegmentRun]:
    """The runs of a program's segments, each with its counts."""
    arrays, pairs = arrays_for(rows, target), zip(program.segments, counts, strict=True)
    return [SegmentRun(segment.layer, each, rows, arrays) for segment, each in pairs]


def counted_run(program: CountedProgram, counts: Counts, target: Target) -> SegmentRun:
    """The run of a counted program, which takes all rows of its arrays."""
    return SegmentRun(program.layer, counts, program.arrays * target.rows, program.arrays)


def expected_runs(network: Network, samples: int) -> list[SegmentRun]:
    """How the network's segments run on so many samples as one batch, without running them.

    The counts that depend on the data are None.
    """
    return [run for program in network.programs for run in expected_of(program, network.target, samples)]


def expected_of(program: AnyProgram, target: Target, samples: int) -> list[SegmentRun]:
    """The same of one program."""
    if isinstance(program, CountedProgram):
        return [counted_run(program, counted_counts(program, target, samples), target)]
    rows = program.rows * samples
    static = static_counts(program, target.columns, target.domains)
    return runs_of(program, [counts_on(each, rows, target) for each in static], rows, target)


def joined(network: Network, samples: int, parts: Sequence[Sequence[SegmentRun]]) -> list[SegmentRun]:
    """Runs of the network on parts of a batch as its run on all samples."""
    return [
        run._replace(counts=run.counts.with_traced(Traced.sum([part.counts.traced for part in of_parts])))
        for run, *of_parts in zip(expected_runs(network, samples), *parts, strict=True)
    ]
