"""Bit loops and track placement: an order, a column and domains for every value of straight-line code.

The work is native (passes/native/placing), in four phases: an order of the statements in bit loops, moves of single
statements to other loops that sweep their values anyway, places for the values, and the placed code. Values that
continue each other in place (acc = acc + x where acc dies) share a *slot*, as wide as its widest value. As the order is
known before anything has a place, a slot goes where its sweeps lengthen the ways of the ports least, now and in all
later loops, in a column whose other values it never meets in a loop as far as there is one. Members of a loop that meet
in a column all the same part: a loop becomes two, and where two values of one instruction meet, a copy parts them.
Carries go to free domains close to a port of the columns that a loop leaves alone.

`Method` says how; of several methods the one with the least shifting is kept:

    packed     values one after another from column 0 on, in program order, one instruction per loop: the naive way
    columns    every value in the emptiest column, otherwise the same: the kind of allocation that the paper has
    spread     where the ports' ways are shortest
    tight      the smallest gap that fits: where memory is short

Where memory is short, `Thrift` says how it is saved before anything is placed: one output is computed and stored after
the other, and inputs are dropped, those first whose next use is farthest ahead (Belady's rule), and loaded again.

With bundles, statements share bit loops. A loop grows from the oldest statement that is ready by the slot whose sweep
serves the most statements for its length; terms of a sum are taken in any order. `window` bounds by how many statements
the making of a value may overtake the oldest one, since every value that is made early takes room: larger windows make
fewer loops, and longer ways between more values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from dialects.machine.census import Census, predict_shifts
from dialects.machine.code import WORDS
from dialects.machine.target import Geometry
from dialects.rtm.placed import NAMES, VALUES, PlacedCode
from dialects.support.errors import CapacityError, Needs
from dialects.support.tensors import IntArray
from passes import _placing
from passes.placing.vector_code import VectorCode

RESERVED_COLUMNS = 2
"""columns' worth of bits that are kept free for carries and gaps"""

Objective = Literal["energy", "latency", "product"]
"""What methods are compared by: steps of all columns, steps in time, or the product of both."""


class Method(NamedTuple):
    """One way of scheduling and placing; the weights are of a step of shifting and of a bit of a column in use."""

    window: int = 64
    bundles: bool = True
    fit: Literal["spread", "tight", "packed"] = "spread"
    seek_weight: int = 8
    crowd_weight: int = 8

    def row(self) -> tuple[int, bool, int, int, int]:
        return (self.window, self.bundles, ("spread", "tight", "packed").index(self.fit), *self[3:])


PACKED = Method(window=1, bundles=False, fit="packed", seek_weight=0, crowd_weight=0)
COLUMNS = Method(window=1, bundles=False, seek_weight=0)
SPREAD = Method(window=1, bundles=False)
TIGHT = Method(window=1, bundles=False, fit="tight", seek_weight=0, crowd_weight=0)

LOOPS: tuple[tuple[Method, ...], ...] = (
    (Method(),),
    (Method(), Method(window=128)),
    tuple(Method(window=window) for window in (64, 128, 32, 96)),
    tuple(Method(window=window, crowd_weight=crowd) for window in (64, 128, 32, 96, 48, 192) for crowd in (8, 1)),
)
"""Methods that are tried with bundles, by effort."""


_SHORT, _LONG = 1 << 12, 5 << 12
"""Statements of a program up to which effort 1 tries both windows, and beyond which the smaller one is the better."""


def loops(effort: int, statements: int) -> Sequence[Method]:
    """The methods that are tried with bundles for a program of so many statements."""
    if effort != 1 or statements <= _SHORT:
        return LOOPS[effort]
    small, large = LOOPS[1]
    return (small if statements > _LONG else large,)


class Thrift(NamedTuple):
    """How memory is saved where it is short."""

    by_output: bool = False
    """each output with all that it takes before the next one; such code is one segment"""
    percent: int | None = None
    """of an array's bits; where values take more, inputs are dropped and loaded again for their next use"""

    def limit(self, geometry: Geometry) -> int:
        return (1 << 63) - 1 if self.percent is None else geometry.bits_per_row * self.percent // 100


THRIFT = (Thrift(True), *(Thrift(by_output, percent) for percent in (75, 40, 0) for by_output in (False, True)))
"""Ways to save memory, the dearest last: an input that is loaded again is moved again."""

TIGHT_LOOPS = tuple(Method(window=window, fit="tight", crowd_weight=0) for window in (64, 16, 1))

Tables = tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32], list[int]]


class _Choice(TypedDict):
    """What is the same whatever is placed: where, by which methods, and which of them is the best."""

    columns: int
    domains: int
    choices: Sequence[tuple[int, bool, int, int, int]]
    objective: Objective
    threads: int


def _choice(geometry: Geometry, methods: Sequence[Method], objective: Objective, threads: int) -> _Choice:
    return {
        "columns": geometry.columns,
        "domains": geometry.domains,
        "choices": [method.row() for method in methods],
        "objective": objective,
        "threads": min(threads, len(methods)),
    }


def place(
    code: VectorCode,
    geometry: Geometry,
    methods: Sequence[Method],
    objective: Objective = "energy",
    threads: int = 1,
    *,
    full: bool = False,
    thrift: Thrift | None = None,
) -> list[PlacedCode]:
    """The placed statements of each segment of the code by the best of the methods; threads don't change it.

    Raises CapacityError where the array is too small. `full`: sums that are computed in place have their final width
    from the start.
    """
    saving = thrift or Thrift()
    found = _placing.place_operations(
        operations=code.operations,
        spans=code.spans,
        thresholds=code.table,
        full=full,
        by_output=saving.by_output,
        limit=saving.limit(geometry),
        segments=len(code.segments),
        **_choice(geometry, methods, objective, threads),
    )
    return _codes(found, geometry)


def place_across(code: VectorCode, places: IntArray, standing: int, first: int, geometry: Geometry) -> list[PlacedCode]:
    """The placed statements of each segment of the code, in the order that it has, with all values across columns.

    `places` has column and domain of each value, -1 for those that go where there is room, in a column from `first` on.
    Values below `standing` stay as wide as they are: others don't continue them in place.
    Raises CapacityError where there is none.
    """
    found = _placing.place_across(
        operations=code.operations,
        spans=code.spans,
        thresholds=code.table,
        places=places,
        standing=standing,
        segments=len(code.segments),
        columns=geometry.columns,
        domains=geometry.domains,
        first=first,
    )
    return _codes(found, geometry)


def place_again(
    codes: Sequence[PlacedCode],
    geometry: Geometry,
    methods: Sequence[Method],
    objective: Objective = "energy",
    threads: int = 1,
) -> list[PlacedCode]:
    """The segments of a placed program scheduled and placed anew by the best of the methods; threads don't change it.

    Raises CapacityError where no method finds a place for every value.
    """
    words, _ = WORDS.joined([code.binary for code in codes])
    names, _ = NAMES.joined([code.names for code in codes])
    values, _ = VALUES.joined([code.values for code in codes])
    # A value is stated by every segment that reads it; what counts is its first row, as of several the last is kept.
    first = np.full(values[:, 0].max(initial=-1) + 1, -1)
    first[values[::-1, 0]] = np.arange(len(values))[::-1]
    stated = first >= 0
    renamed = np.where(names < 0, -1, (np.cumsum(stated) - 1)[names]).astype(np.int32)
    found = _placing.place_code(
        words=words,
        names=renamed,
        values=values[first[stated]],
        segments=[len(code) for code in codes],
        **_choice(geometry, methods, objective, threads),
    )
    return _codes(found, geometry)


def in_loops(
    codes: Sequence[PlacedCode], geometry: Geometry, effort: int, objective: Objective, threads: int
) -> Sequence[PlacedCode]:
    """Placed code scheduled into bit loops and placed anew, or as it is where that makes the objective worse.

    Code with values across columns stays as it is: nothing is swept there.
    """
    if any(code.across for code in codes):
        return codes
    for methods in (loops(effort, sum(map(len, codes))), TIGHT_LOOPS):
        try:
            found = place_again(codes, geometry, methods, objective, threads)
        except CapacityError:
            continue
        before, after = (_cost(shifts_of(each, geometry), objective) for each in (codes, found))
        return codes if before < after else found
    return codes


def _cost(shifts: Census, objective: Objective) -> int:
    columns, time = int(shifts.column_steps.sum()), int(shifts.shift_steps.sum())
    return {"energy": columns, "latency": time, "product": columns * time}[objective]


def shifts_of(codes: Sequence[PlacedCode], geometry: Geometry) -> Census:
    """What a placed program shifts, segment by segment, as the simulators count it."""
    return predict_shifts([code.binary for code in codes], geometry.columns, geometry.domains)


def _codes(found: Tables | tuple[int, int, int], geometry: Geometry) -> list[PlacedCode]:
    if len(found) == 3:
        raise _too_small(*found, geometry)
    words, names, values, counts = found
    codes: list[PlacedCode] = []
    begin = 0
    for count in counts:
        own = names[begin : begin + count]
        used = np.flatnonzero(np.bincount(own[own >= 0], minlength=len(values)))
        codes.append(PlacedCode.of_arrays(words[begin : begin + count].tobytes(), own, values[used]))
        begin += count
    return codes


def _too_small(width: int, widest: int, peak: int, geometry: Geometry) -> CapacityError:
    if widest > geometry.domains:
        return CapacityError(
            f"a value of {widest} bits doesn't fit into a column of {geometry.domains} domains",
            hint=f"choose a target with at least {widest} domains",
            needs=Needs(geometry.columns, widest),
        )
    columns = max(-(-peak // geometry.domains) + RESERVED_COLUMNS + 1, geometry.columns + 1)
    return CapacityError(
        f"the network needs up to {peak} live bits per row, an array {geometry} has {geometry.bits_per_row}; "
        f"no place is left for {width} bits",
        hint=f"choose a target with at least {columns} columns of {geometry.domains} domains, or more domains",
        needs=Needs(columns, geometry.domains),
    )
