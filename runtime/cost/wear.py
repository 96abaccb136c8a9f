"""Wear: how often each column of an array is shifted and written, and where the hot spots are.

Follows from the code alone, so it is the same for every engine: shifts are counted as the simulators count them, and a
write is a pass that writes a cell of a column, in the rows that it tags. So a cell of a row is written at most as often
as its column and domain are; how many rows a write tags depends on the data, and is counted by layer only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dialects.machine.counted import CountedProgram
from dialects.machine.counting import CountOp, across, bit_passes
from dialects.machine.program import Program
from dialects.machine.target import Target
from dialects.support.tensors import IntArray
from runtime.cost.counting import shifts_of
from runtime.cost.counts import census_of


class Spread(NamedTuple):
    """How evenly something is spread over the columns."""

    greatest: int
    column: int
    """one that has the most"""
    mean: float
    variation: float
    """standard deviation by mean"""

    @classmethod
    def of(cls, counts: IntArray) -> Spread:
        mean = float(counts.mean())
        variation = float(counts.std()) / mean if mean else 0.0
        return cls(int(counts.max()), int(counts.argmax()), mean, variation)


@dataclass(frozen=True)
class Wear:
    """What an array goes through."""

    layers: tuple[str, ...]
    shift_steps: IntArray
    """of each column"""
    writes: IntArray
    """(columns, domains)"""

    def times(self, count: int) -> Wear:
        return Wear(self.layers, self.shift_steps * count, self.writes * count)

    def to_json(self) -> dict[str, Any]:
        by_column = self.writes.sum(axis=1)
        return {
            "layers": list(self.layers),
            "shift_steps": {**Spread.of(self.shift_steps)._asdict(), "columns": self.shift_steps.tolist()},
            "writes": {**Spread.of(by_column)._asdict(), "columns": by_column.tolist()},
            "writes_of_a_cell": int(self.writes.max()),
        }


def wear_of(program: Program, target: Target) -> Wear:
    """What an array goes through when it runs the program once."""
    shifts = census_of(program, target.columns, target.domains)
    return Wear(tuple(segment.layer for segment in program.segments), shifts.steps_of_column.sum(axis=0), shifts.writes)


def counted_wear(program: CountedProgram, target: Target) -> Wear:
    """What the first array goes through for one sample: nothing is written but what is loaded."""
    writes = np.zeros((target.columns, target.domains), dtype=np.int64)
    for times, code in ((program.rounds, program.body), (1, program.ending)):
        for item in (item for item in code if item.op in (CountOp.LOAD, CountOp.CLEAR)):
            for cell in across(item):
                writes[cell] += times * len(bit_passes(item.op, False, False))
    return Wear((program.layer,), shifts_of(program, target).first, writes)


def total_wear(parts: Sequence[Wear]) -> Wear:
    """What an array goes through that runs one program after the other."""
    layers = tuple(layer for part in parts for layer in part.layers)
    steps, writes = ([part.shift_steps for part in parts], [part.writes for part in parts])
    return Wear(layers, np.sum(steps, axis=0), np.sum(writes, axis=0))
