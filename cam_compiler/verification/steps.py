"""The steps of a network's threshold tables and rescalings, and which of them some inputs have shown.

A step at t has two sides: a table that steps one earlier gives another result at t - 1, one that steps one later at t.
A side is shown by an input that brings the operation there and of which that other result would change an output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from dialects import ternary
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from dialects.ternary.rescale import RescaleOp
from dialects.ternary.spatial import window_range

_WIDEST = 1 << 20
"""Integers of which a rescaling's results are all looked at."""
_HITS = 4
"""Places at which one side is tried, of those that one run has."""

Steps = ternary.ThresholdOp | RescaleOp


class Hits(NamedTuple):
    """Where a run is on sides that were not shown yet: sample, channel, position, number of the side in its channel."""

    sample: IntArray
    channel: IntArray
    position: IntArray
    side: IntArray

    def at(self, chosen: NDArray[np.intp]) -> Hits:
        return Hits(*(part[chosen] for part in self))


@dataclass
class Coverage:
    """The sides of all steps of one operation, by channel, and which of them were shown."""

    op: Steps
    sides: tuple[IntArray, ...] = field(init=False)
    """by channel the integers, t - 1 and t for each step t that the input reaches"""
    moves: tuple[IntArray, ...] = field(init=False)
    """by channel how a step that is one off changes the result there: by 1 or -1"""
    shown: list[NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        spans = _spans(self.op.input)
        by_line = [(np.unique(steps), rises) for steps, rises in self._steps(ternary.range_of(self.op.input))]
        lines = [by_line[channel % len(by_line)] for channel in range(len(spans))]
        inside = [
            (steps[(steps > span.lo) & (steps <= span.hi)], rises)
            for (steps, rises), span in zip(lines, spans, strict=True)
        ]
        self.sides = tuple(np.concatenate([steps - 1, steps]) for steps, _ in inside)
        self.moves = tuple(np.repeat([rises, -rises], len(steps)) for steps, rises in inside)
        self.shown = [np.zeros(len(sides), dtype=bool) for sides in self.sides]

    def _steps(self, span: Range) -> list[tuple[IntArray, int]]:
        if isinstance(self.op, ternary.ThresholdOp):
            table = self.op.thresholds.data
            return [(line, -1 if down else 1) for line, down in zip(table.array, table.down, strict=True)]
        lines = self.op.lines.data.lines
        inputs = np.arange(span.lo, span.hi + 1 if span.hi - span.lo < _WIDEST else span.lo)
        return [(inputs[1:][np.diff(line.apply(inputs)) != 0], -1 if line.multiplier < 0 else 1) for line in lines]

    @property
    def count(self) -> int:
        """Sides of all channels."""
        return sum(map(len, self.sides))

    @property
    def met(self) -> int:
        """Those that were shown."""
        return sum(int(shown.sum()) for shown in self.shown)

    def hits(self, values: NDArray[np.generic], rng: np.random.Generator) -> Hits:
        """Where the operation's input (samples, channels, positions) is on sides that were not shown; some of each."""
        found: list[tuple[IntArray, ...]] = []
        for channel, (sides, shown) in enumerate(zip(self.sides, self.shown, strict=True)):
            left = np.flatnonzero(~shown)
            here = values[:, channel]
            for side in left[np.isin(sides[left], here)]:
                at = np.argwhere(here == sides[side])
                at = at[rng.permutation(len(at))[:_HITS]]
                found.append((at[:, 0], np.full(len(at), channel), at[:, 1], np.full(len(at), side)))
        columns = zip(*found, strict=True) if found else [(np.zeros(0, dtype=np.int64),)] * 4
        return Hits(*(np.concatenate(parts) for parts in columns))

    def move(self, hits: Hits) -> IntArray:
        """By how much a step that is one off changes the result at each hit."""
        return np.array([self.moves[c][k] for c, k in zip(hits.channel, hits.side, strict=True)], dtype=np.int64)

    def show(self, hits: Hits) -> None:
        """Take note that these sides were shown."""
        for channel, side in zip(hits.channel.tolist(), hits.side.tolist(), strict=True):
            self.shown[channel][side] = True

    def missing(self) -> tuple[IntArray, IntArray]:
        """Channels and integers of the sides that were not shown."""
        left = [sides[~shown] for sides, shown in zip(self.sides, self.shown, strict=True)]
        return np.repeat(np.arange(len(left)), [len(sides) for sides in left]), np.concatenate(left)


def _spans(value: SSAValue) -> list[Range]:
    """What each channel of a tensor reaches: exactly, where it is a weighted sum."""
    op, channels = value.owner, ternary.channels_of(value)
    if isinstance(op, ternary.MatmulOp):
        ends = op.weights.data.output_ranges(ternary.range_of(op.input))
    elif isinstance(op, ternary.ConvOp):
        ends = op.weights.data.output_ranges(window_range(ternary.range_of(op.input), op.window.data, op.pad))
    else:
        return [ternary.range_of(value)] * channels
    return [Range(int(low), int(high)) for low, high in zip(*ends, strict=True)]
