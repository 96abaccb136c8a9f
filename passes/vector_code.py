"""Straight-line code over column vectors, before anything has a place: what placement works on.

A value is a column vector with an exact range. Each step computes one value from earlier ones; adder graphs are
flattened into their nodes, threshold tables into one step a column. Negation and shifts of an adder graph's outputs
cost nothing here: they are carried along as a `View` and end in the choice of an operation or in the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from dialects.adder_graph import AdderGraph
from dialects.ranges import Range
from dialects.tensors import Thresholds


class Kind(Enum):
    """What a step does."""

    LOAD = auto()
    """result = input vector `imm`"""
    CONST = auto()
    """result = `imm`"""
    SUM = auto()
    """result = (a << a_shift) + or - (b << b_shift)"""
    MAX = auto()
    """result = the greater of a and b"""
    STEPS = auto()
    """result = `imm`, or, from each threshold of `table` on that a has reached, the number beside it"""
    STORE = auto()
    """output vector `imm` = a"""


class Step(NamedTuple):
    """One step; fields that its kind doesn't use stay at their defaults, -1 is no value (or the constant zero)."""

    kind: Kind
    segment: int
    result: int = -1
    a: int = -1
    a_shift: int = 0
    b: int = -1
    b_shift: int = 0
    subtract: bool = False
    imm: int = 0
    table: tuple[tuple[int, int], ...] = ()


class View(NamedTuple):
    """(value << shift), negated if `negate`; value -1 is zero."""

    value: int
    shift: int = 0
    negate: bool = False


@dataclass
class VectorCode:
    """Steps in order, the range of every value, and the layers that the steps belong to."""

    steps: list[Step] = field(default_factory=list[Step])
    ranges: list[Range] = field(default_factory=list[Range])
    segments: list[str] = field(default_factory=list[str])

    def begin_segment(self, layer: str) -> None:
        self.segments.append(layer)

    def _value(self, span: Range) -> int:
        self.ranges.append(span)
        return len(self.ranges) - 1

    def _add(self, step: Step) -> int:
        self.steps.append(step._replace(segment=len(self.segments) - 1))
        return step.result

    def load(self, first: int, count: int, span: Range) -> list[View]:
        """Input vectors `first` to `first + count - 1`, all of one range."""
        return [View(self._add(Step(Kind.LOAD, 0, self._value(span), imm=first + index))) for index in range(count)]

    def linear(self, columns: Sequence[View], graph: AdderGraph) -> list[View]:
        """The outputs of an adder graph over the given columns."""
        values = [self.plain(column) for column in columns]
        for a, a_shift, b, b_shift, subtract in graph.nodes:
            left, right = self.ranges[values[a]] << a_shift, self.ranges[values[b]] << b_shift
            result = self._value(left - right if subtract else left + right)
            step = Step(Kind.SUM, 0, result, values[a], a_shift, values[b], b_shift, bool(subtract))
            values.append(self._add(step))
        return [
            View(-1) if output.ref < 0 else View(values[output.ref], output.shift, bool(output.negate))
            for output in graph.outputs
        ]

    def threshold(self, columns: Sequence[View], table: Thresholds, result: Range) -> list[View]:
        """A step function of each column; line c of the table serves column c, or a single line all of them."""
        rows = table.array.tolist()
        views: list[View] = []
        for number, column in enumerate(columns):
            line = number if table.channels > 1 else 0
            views.append(self._threshold(column, rows[line], table.down[line], result))
        return views

    def _threshold(self, column: View, thresholds: list[int], down: bool, result: Range) -> View:
        source = self.ranges[column.value] if column.value >= 0 else Range(0, 0)
        value, table = step_table(source, column, thresholds, down, result)
        reached = [value, *(number for _, number in table)]
        span = Range(min(reached), max(reached))
        if not table:
            return View(self._add(Step(Kind.CONST, 0, self._value(span), imm=value)))
        return View(self._add(Step(Kind.STEPS, 0, self._value(span), column.value, imm=value, table=table)))

    def maximum(self, columns: Sequence[View], size: int) -> list[View]:
        """The greatest of each run of `size` neighbouring columns."""
        views: list[View] = []
        for first in range(0, len(columns), size):
            greatest = self.plain(columns[first])
            for column in columns[first + 1 : first + size]:
                other = self.plain(column)
                one, two = self.ranges[greatest], self.ranges[other]
                span = Range(max(one.lo, two.lo), max(one.hi, two.hi))
                greatest = self._add(Step(Kind.MAX, 0, self._value(span), greatest, b=other))
            views.append(View(greatest))
        return views

    def sink_loads(self) -> None:
        """Load each vector just before its first use, in the layer that uses it; drop those that nothing uses."""
        loads = {step.result: step for step in self.steps if step.kind is Kind.LOAD}
        steps: list[Step] = []
        for step in self.steps:
            if step.kind is Kind.LOAD:
                continue
            for value in (step.a, step.b):
                if (load := loads.pop(value, None)) is not None:
                    steps.append(load._replace(segment=step.segment))
            steps.append(step)
        self.steps = steps

    def store(self, columns: Sequence[View], first: int) -> None:
        """Output vectors from `first` on."""
        for number, column in enumerate(columns, start=first):
            self._add(Step(Kind.STORE, 0, a=self.plain(column), imm=number))

    def plain(self, view: View) -> int:
        """The value of a view as it is, computed where it is negated, shifted or the constant zero."""
        if view.value < 0:
            return self._add(Step(Kind.CONST, 0, self._value(Range(0, 0))))
        if not (view.shift or view.negate):
            return view.value
        span = self.ranges[view.value] << view.shift
        if view.negate:
            return self._add(Step(Kind.SUM, 0, self._value(-span), b=view.value, b_shift=view.shift, subtract=True))
        return self._add(Step(Kind.SUM, 0, self._value(span), view.value, view.shift))


def step_table(
    source: Range, view: View, thresholds: Sequence[int], down: bool, result: Range
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The step function of a viewed value in terms of the value itself.

    Returns the result below all thresholds, and ascending (threshold, result from there on), each threshold within
    the source's range: x >= t of x = -(v << s) is not v >= floor(-t / 2^s) + 1.
    """
    if view.negate:
        bounds = sorted((-t >> view.shift) + 1 for t in thresholds)
    else:
        bounds = [-(-t >> view.shift) for t in thresholds]
    falling = down != view.negate
    start, step = (result.hi, -1) if falling else (result.lo, 1)
    always = sum(bound <= source.lo for bound in bounds)
    table: dict[int, int] = {}
    for passed, bound in enumerate(bounds, start=1):
        if source.lo < bound <= source.hi:
            table[bound] = start + step * passed
    return start + step * always, tuple(table.items())
