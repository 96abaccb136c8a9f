"""What a threshold table costs: the measure that a rescaling is compared with."""

from __future__ import annotations

import numpy as np

from dialects.support.ranges import Range
from dialects.support.tensors import IntArray


def table_cycles(thresholds: IntArray, source: Range, result: Range) -> int:
    """Searches and writes of one channel's comparisons, one for each threshold that can be reached but isn't always.

    Each compares all bits of the source, and sets the bits in which one level differs from the next.
    """
    first = int(np.searchsorted(thresholds, source.lo, side="right"))
    last = int(np.searchsorted(thresholds, source.hi, side="right"))
    levels = np.arange(result.lo + first, result.lo + last, dtype=np.int64)
    changed = levels ^ (levels + 1)
    bits = np.where(changed < 0, result.width, np.frexp(np.abs(changed).astype(np.float64))[1])
    return result.width + (last - first) * (2 * source.width + 1) + 2 * int(bits.sum())
