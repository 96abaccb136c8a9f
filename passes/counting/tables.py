"""Thresholds as tables that one search looks up.

How many thresholds a value has reached is how many rows of a table match its bits: x >= t is a set of values that a few
prefixes with don't-cares cover without overlap, so that of one threshold's rows at most one matches, and the count of
matching rows of all of them is the step function. A channel that falls has the rows of x < t instead.

    x of four bits, x >= 5:  0101 011x 1xxx
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dialects.support.ranges import Range
from dialects.support.rescales import Rescales
from dialects.support.tensors import IntArray, Thresholds

MOST_LEVELS, MOST_INPUTS = 256, 1 << 20
"""of a rescaling whose thresholds are looked for"""


class Pattern(NamedTuple):
    """The bits of a row of a table: which of them it says, and their values."""

    care: int
    bits: int


def at_least(threshold: int, width: int) -> list[Pattern]:
    """Patterns of all unsigned integers of `width` bits from a threshold on, none of which overlap."""
    if threshold <= 0:
        return [Pattern(0, 0)]
    found: list[Pattern] = []
    whole = (1 << width) - 1
    # The numbers above threshold - 1 differ from it first at a bit where it has 0.
    below = threshold - 1
    for bit in range(width):
        if not below >> bit & 1:
            found.append(Pattern(whole >> bit << bit, (below >> bit | 1) << bit))
    return found


def patterns(thresholds: list[int], span: Range, *, down: bool) -> list[Pattern]:
    """The rows of a channel's table, for values of a range in its own width and signedness."""
    width, found = span.width, list[Pattern]()
    sign = 1 << (width - 1) if span.signed else 0
    offset = sign
    for threshold in thresholds:
        # Two's complement with its sign flipped is the value above the lowest one.
        if not down:
            rows = at_least(threshold + offset, width) if threshold <= span.hi else []
        else:
            # x < t is not x >= t: the complement of every bit, from the complement of t - 1 on.
            rows = [Pattern(care, ~bits & care) for care, bits in at_least((1 << width) - (threshold + offset), width)]
            rows = rows if threshold > span.lo else []
        found += [Pattern(care, bits ^ (sign & care)) for care, bits in rows]
    return found


def steps_of(lines: Rescales, span: Range, result: Range) -> Thresholds | None:
    """The thresholds of rescalings of integers of a range; None where there are too many to look for."""
    levels = result.hi - result.lo
    if levels > MOST_LEVELS or span.hi - span.lo > MOST_INPUTS:
        return None
    values = np.arange(span.lo, span.hi + 1, dtype=np.int64)
    rows: list[IntArray] = []
    down: list[bool] = []
    for line in lines.lines:
        found = line.apply(values)
        falls = line.multiplier < 0
        counts = result.hi - found if falls else found - result.lo
        rows.append(span.lo + np.searchsorted(counts, np.arange(1, levels + 1), side="left"))
        down.append(falls)
    return Thresholds.from_array(np.array(rows).reshape(len(rows), levels), np.array(down))


@lru_cache(1 << 8)
def table_rows(table: Thresholds, span: Range) -> int:
    """Rows of the longest table of any channel."""
    rows = zip(table.array.tolist(), table.down, strict=True)
    return max(len(patterns(thresholds, span, down=down)) for thresholds, down in rows)
