"""Quantisers of many levels: a rescaling per channel, found from the exact first input of every level.

Of 65,536 levels a table per channel would be half a megabyte. The first inputs of one channel at a time are calculated,
all levels at once, and given to the search for the line that keeps them all (passes/rescaling/search.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.thresholds import Channel, Levels, Reach, integer_row, plan_levels
from dialects.support.ranges import Range
from dialects.support.rescales import Line, Rescales
from passes.rescaling.search import find_line

FEW_LEVELS = 1 << 11
"""Quantisers of no more levels begin as tables, and passes choose what costs less."""
MOST_LEVELS = 1 << 20


@dataclass(frozen=True)
class LineTable:
    """Lines of all channels, the range of their results, and each channel's levels."""

    lines: Rescales
    result: Range
    levels: tuple[Levels, ...]

    def shift(self, reaches: Sequence[Reach]) -> int | None:
        """The constant that every channel adds to its input, if that is all they do."""
        shifts = {
            _shift(self.lines.line(number), own, reach)
            for number, (own, reach) in enumerate(zip(self.levels, reaches, strict=True))
        }
        return shifts.pop() if len(shifts) == 1 else None


def _shift(line: Line, own: Levels, reach: Reach) -> int | None:
    if reach.low is None or reach.high is None or own.high - own.low != reach.high - reach.low:
        return None
    plain = line.multiplier == 1 << line.shift and line.tie < 0
    return line.addend >> line.shift if plain and line(reach.low) == own.low else None


def line_table(channels: Sequence[Channel], reaches: Sequence[Reach], span: Range) -> LineTable | None:
    """The lines that equal the channels at all integers of `span` that they reach; None where levels are few, or a
    channel is not a line. Raises TableError where the levels are unbounded or far too many."""
    if not all(channel.before.monotone for channel in channels):
        return None
    refine, levels = plan_levels(channels, reaches, MOST_LEVELS, MOST_LEVELS * len(channels))
    result = Range(min(level.low for level in levels), max(level.high for level in levels))
    if result.hi - result.lo <= FEW_LEVELS:
        return None
    known: dict[tuple[Channel, Levels], Line] = {}
    for channel, own in zip(channels, levels, strict=True):
        if (channel, own) in known:
            continue
        row, falls = integer_row(channel, own, result, refine, span)
        numbers: NDArray[Any] = np.array(row, dtype=np.int64)
        line = find_line(numbers, falls, result, span)
        if line is None:
            return None
        known[channel, own] = line
    lines = tuple(known[channel, own] for channel, own in zip(channels, levels, strict=True))
    return LineTable(Rescales(lines if len(set(lines)) > 1 else lines[:1]), result, levels)
