"""Where a rescaling steps from one result to the next."""

from __future__ import annotations

from dialects.support.ranges import Range
from dialects.support.rescales import Line


def first_with(line: Line, level: int) -> int:
    """The first input with that result or a higher one, if there were no clamp; of a falling line, the last one."""
    height = level << line.shift
    if line.tie >= 0 and level & 1 == line.parity:
        height += 1 << line.tie
    if line.multiplier > 0:
        return -((line.addend - height) // line.multiplier)
    return (line.addend - height) // -line.multiplier


def inputs_apart(line: Line, source: Range) -> tuple[Range, Range] | None:
    """Inputs that yield the lowest (or highest) result without being clamped, at the lower and the upper end.

    None where there are none: a line of a slope above one may step over the result.
    """
    ends = [first_with(line, level) for level in (line.low, line.low + 1, line.high, line.high + 1)]
    if line.multiplier > 0:
        low, high = (ends[0], ends[1] - 1), (ends[2], ends[3] - 1)
    else:
        low, high = (ends[3] + 1, ends[2]), (ends[1] + 1, ends[0])
    if (source.lo < low[0] > low[1]) or (source.hi > high[1] < high[0]):
        return None
    # Where the input doesn't get so far, its own end is that of what matters.
    lowest, highest = max(source.lo, low[0]), min(source.hi, high[1])
    return Range(lowest, max(lowest, min(low[1], source.hi))), Range(min(highest, max(high[0], source.lo)), highest)


def roundest(span: Range) -> int:
    """The number of a range with the most zeros at its end."""
    if span.lo <= 0 <= span.hi:
        return 0
    shift = (span.hi - span.lo).bit_length()
    while -(-span.lo >> shift) << shift > span.hi:
        shift -= 1
    return -(-span.lo >> shift) << shift
