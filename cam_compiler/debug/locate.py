"""Where inside of a network another value is computed first: the layer, its operation or instruction, the channel.

Two forms of a network that should compute the same are looked at value by value (observe.py). A value has no name that
all levels keep, so values are recognised by what they hold on many samples:

- Between two forms above code, or two forms in code, the first value is looked for that holds something which the form
  before never computes.
- Where code is made, it computes many sums that the form before doesn't name; so of that form's values the ones are
  looked for which the code never holds. A layer whose channels are all there is right, so what is wrong lies behind the
  last such layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cam_compiler.debug.observe import Seen, observed
from dialects.support.errors import CamcError
from dialects.support.tensors import IntArray
from runtime.network import Network
from runtime.values import Value

SAMPLES = 64
"""Samples on which values are recognised, the one that differs among them."""
_ROWS = 1 << 12
"""Entries of a value that are compared with the nearest other one."""


@dataclass(frozen=True)
class Place:
    """A value that is another one: where it is made, and where it differs."""

    layer: str
    what: str
    channel: int
    sample: int
    position: int
    """of an image; 0 where a sample is one row"""
    expected: int
    found: int

    def __str__(self) -> str:
        where = f"sample {self.sample}" + (f", position {self.position}" if self.position else "")
        return f"{self.what}, channel {self.channel}: expected {self.expected}, found {self.found} in {where}"


def around(given: Mapping[str, Value], sample: int) -> tuple[dict[str, Value], list[int]]:
    """A sample and some others, and their numbers."""
    count = len(next(iter(given.values())))
    chosen = [sample, *(number for number in range(min(count, SAMPLES)) if number != sample)]
    return {name: value[chosen] for name, value in given.items()}, chosen


def locate(before: Network, after: Network, given: Mapping[str, Value], sample: int) -> Place | None:
    """The first value that is another one after a pass; None where the inner values don't tell."""
    fixed = any(spec.shape[0] >= 0 for spec in before.inputs)
    some, numbers = (dict(given), list(range(len(next(iter(given.values())))))) if fixed else around(given, sample)
    try:
        ones = list(observed(before, some, by_bits=True))
        others = list(observed(after, some, by_bits=True))
        if any(seen.in_code for seen in others) and not any(seen.in_code for seen in ones):
            found = _never_held(ones, list(observed(after, some)))
        else:
            found = _first_new(ones, others)
    except CamcError:
        return None
    return found and _place(*found, numbers)


_Found = tuple[Seen, int, IntArray, IntArray]
"""what makes a value, its channel, what is expected and what is found"""


def _held(values: Sequence[Seen]) -> set[bytes]:
    return {row.tobytes() for seen in values for row in seen.rows}


def _first_new(before: Sequence[Seen], after: Sequence[Seen]) -> _Found | None:
    """The first value after the pass that holds what nothing before it holds."""
    known = _held(before)
    for seen in after:
        for channel, row in enumerate(seen.rows):
            if row.tobytes() not in known:
                expected = _counterpart(seen, channel, before)
                return None if expected is None else (seen, channel, expected, row)
    return None


def _counterpart(seen: Seen, channel: int, before: Sequence[Seen]) -> IntArray | None:
    """The same channel of the same layer before, or what is nearest."""
    row = seen.rows[channel]
    own = [
        other.rows[channel]
        for other in before
        if (other.layer, *_address(other)) == (seen.layer, *_address(seen))
        and other.rows.shape == seen.rows.shape
        and (seen.in_code or other.name == seen.name)
    ]
    return own[0] if len(own) == 1 else _nearest(row, [line for other in before for line in other.rows])


def _address(seen: Seen) -> tuple[int, int, int]:
    return seen.program, seen.segment, seen.address


def _never_held(before: Sequence[Seen], after: Sequence[Seen]) -> _Found | None:
    """The first channel that code never holds, behind the last layer of which it holds all channels."""
    known = _held(after)
    missing = [[row.tobytes() not in known and (-row).tobytes() not in known for row in seen.rows] for seen in before]
    begin = 0
    for number, channels in enumerate(missing):
        begin = begin if any(channels) else number + 1
    if begin == len(before):
        return None
    seen, channel = before[begin], missing[begin].index(True)
    own = [row for other in after if other.layer == seen.layer for row in other.rows]
    found = _nearest(seen.rows[channel], own or [row for other in after for row in other.rows])
    return None if found is None else (seen, channel, seen.rows[channel], found)


def _nearest(row: IntArray, others: Sequence[IntArray]) -> IntArray | None:
    """Of values with as many entries, the one that differs in the fewest, but in some."""
    same = [other for other in others if other.shape == row.shape]
    if not same:
        return None
    apart = [int((other[:_ROWS] != row[:_ROWS]).sum()) or len(row) for other in same]
    return same[int(np.argmin(apart))]


def _place(seen: Seen, channel: int, expected: IntArray, found: IntArray, numbers: Sequence[int]) -> Place | None:
    apart = np.flatnonzero(expected != found)
    if not len(apart):
        return None
    sample, position = divmod(int(apart[0]), max(1, len(expected) // len(numbers)))
    return Place(
        seen.layer, seen.what, channel, numbers[sample], position, int(expected[apart[0]]), int(found[apart[0]])
    )
