"""Straight-line code over column vectors, before anything has a place: what placement works on.

A value is a column vector with an exact range. Each operation computes one value from earlier ones; adder graphs are
flattened into their nodes, threshold tables into one operation per column. Negation and shifts of an adder graph's
outputs cost nothing here: they are carried along as a `View` and end in the choice of an operation or in the
thresholds. Operations are rows of a table, as a layer may have hundreds of thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from dialects.apv.adder_graph import AdderGraph
from dialects.support.errors import PipelineError
from dialects.support.ranges import Range
from dialects.support.rescales import Line, Rescales
from dialects.support.tensors import IntArray, Thresholds
from passes.placing.step_tables import HALF, IMMEDIATE, step_table, within_immediates
from passes.rescaling.moves import Do, Move
from passes.rescaling.plan import MOST_BITS, plan_of


class Kind(IntEnum):
    """What an operation does; the numbers are those of passes/native/placing/operations.hpp."""

    LOAD = 1
    """result = input vector `imm`"""
    CONST = 2
    """result = `imm`"""
    SUM = 3
    """result = (a << a_shift) + or - (b << b_shift)"""
    MAX = 4
    """result = the greater of a and b"""
    STEPS = 5
    """result = `imm`, or, from each threshold of its table on that a has reached, the number beside it"""
    STORE = 6
    """output vector `imm` = a"""
    SHIFTED = 7
    """result = a >> -a_shift, cut to the result's range"""
    CLAMPED = 8
    """result = a >> -a_shift, clamped to the result's range, whose ends are immediates"""


class Operation(NamedTuple):
    """One operation; fields that its kind doesn't use stay at their defaults, -1 stands for no value (or the constant
    zero)."""

    kind: int
    segment: int
    result: int = -1
    a: int = -1
    a_shift: int = 0
    b: int = -1
    b_shift: int = 0
    subtract: int = 0
    imm: int = 0
    table_begin: int = 0
    table_end: int = 0


class View(NamedTuple):
    """((value - offset) << shift), negated if `negate`; value -1 is zero. Only thresholds take one with an offset."""

    value: int
    shift: int = 0
    negate: bool = False
    offset: int = 0


_KIND_OF = {Do.SUM: Kind.SUM, Do.SHIFTED: Kind.SHIFTED, Do.CLAMPED: Kind.CLAMPED}


class VectorCode:
    """Operations in order, the range of every value, and the layers that the operations belong to."""

    def __init__(self, domains: int = MOST_BITS) -> None:
        self.domains = domains
        """of a column: sums within a rescaling are kept as narrow"""
        self.segments: list[str] = []
        self._bounds: tuple[list[int], list[int]] = [], []
        """lowest and highest numbers, by value"""
        self._operations: list[Operation] = []
        self._blocks: list[IntArray] = []
        self._table: list[tuple[int, int]] = []

    def begin_segment(self, layer: str) -> None:
        self.segments.append(layer)

    @property
    def operations(self) -> IntArray:
        """(operations, 11): columns as in `Operation`."""
        self._flush()
        return np.concatenate(self._blocks) if self._blocks else np.zeros((0, len(Operation._fields)), dtype=np.int64)

    @property
    def spans(self) -> IntArray:
        """(values, 2): the lowest and highest number of every value."""
        return np.array(self._bounds, dtype=np.int64).T.copy()

    def range_of(self, value: int) -> Range:
        """The exact range of a value."""
        lows, highs = self._bounds
        return Range(lows[value], highs[value])

    @property
    def table(self) -> IntArray:
        """(thresholds, 2): thresholds and the number from there on; an operation has a run of rows."""
        return np.array(self._table, dtype=np.int64).reshape(-1, 2)

    def _flush(self) -> None:
        if self._operations:
            self._blocks.append(np.array(self._operations, dtype=np.int64))
            self._operations = []

    def _value(self, span: Range) -> int:
        lows, highs = self._bounds
        lows.append(span.lo)
        highs.append(span.hi)
        return len(lows) - 1

    def _add(self, kind: Kind, span: Range | None = None, **fields: int) -> int:
        result = -1 if span is None else self._value(span)
        self._operations.append(Operation(kind, len(self.segments) - 1, result, **fields))
        return result

    def load(self, first: int, count: int, span: Range) -> list[View]:
        """Input vectors `first` to `first + count - 1`, all of one range."""
        lows, highs = self._bounds
        number = len(lows)
        lows += [span.lo] * count
        highs += [span.hi] * count
        block = np.repeat(np.array([Operation(Kind.LOAD, len(self.segments) - 1)], dtype=np.int64), count, axis=0)
        block[:, 2], block[:, 8] = number + np.arange(count), first + np.arange(count)
        self._flush()
        self._blocks.append(block)
        return list(map(View, range(number, number + count)))

    def extend(self, rows: IntArray, bounds: IntArray) -> None:
        """Operations in this segment, which make the next values one after another; of these the bounds."""
        self._flush()
        rows[:, 1] = len(self.segments) - 1
        self._blocks.append(rows)
        lows, highs = self._bounds
        lows += bounds[:, 0].tolist()
        highs += bounds[:, 1].tolist()

    def reorder(self, order: IntArray, segment: int) -> None:
        """Put all operations in another order, in which values are still made before they are read, in one segment."""
        rows = self.operations[order]
        rows[:, 1] = segment
        self._blocks = [rows]

    def linear(self, columns: Sequence[View], graph: AdderGraph) -> list[View]:
        """The outputs of an adder graph over the given columns."""
        values = [self.plain(column) for column in columns]
        bounds, nodes = self._node_bounds(values, graph), graph.node_table.astype(np.int64)
        self._flush()
        lows, highs = self._bounds
        first = len(lows)
        number = np.array([*values, *range(first, first + len(nodes))], dtype=np.int64)
        block = np.zeros((len(nodes), len(Operation._fields)), dtype=np.int64)
        block[:, 0], block[:, 1] = Kind.SUM, len(self.segments) - 1
        block[:, 2] = number[len(values) :]
        block[:, 3], block[:, 5] = number[nodes[:, 0]], number[nodes[:, 2]]
        block[:, (4, 6, 7)] = nodes[:, (1, 3, 4)]
        self._blocks.append(block)
        lows += bounds[:, 0].tolist()
        highs += bounds[:, 1].tolist()
        return [
            View(-1) if output.ref < 0 else View(int(number[output.ref]), output.shift, bool(output.negate))
            for output in graph.outputs
        ]

    def _node_bounds(self, values: Sequence[int], graph: AdderGraph) -> IntArray:
        """The bounds of a graph's nodes, from those of its inputs, which may be narrower than it says."""
        lows, highs = self._bounds
        inputs = [lows[value] for value in values], [highs[value] for value in values]
        if graph.input_bounds.T.tolist() != list(inputs):
            graph = AdderGraph(tuple(map(Range, *inputs)), graph.node_bytes, graph.output_bytes)
        return graph.bounds[len(values) :]

    def threshold(self, columns: Sequence[View], table: Thresholds, result: Range) -> list[View]:
        """A step function of each column; line c of the table serves column c, or a single line all of them."""
        rows = table.array.tolist()
        views: list[View] = []
        for number, column in enumerate(columns):
            line = number if table.channels > 1 else 0
            views.append(self._threshold(column, rows[line], table.down[line], result))
        return views

    def _threshold(self, column: View, thresholds: list[int], down: bool, result: Range) -> View:
        source = self.range_of(column.value) if column.value >= 0 else Range(0, 0)
        source = Range(source.lo - column.offset, source.hi - column.offset)
        steps = step_table(source, column, thresholds, down, result)
        steps = steps._replace(table=tuple((bound + column.offset, number) for bound, number in steps.table))
        if not steps.table and steps.start in IMMEDIATE:
            return View(self._add(Kind.CONST, Range(steps.start, steps.start), imm=steps.start))
        parts = within_immediates(steps)
        if parts is None:
            raise PipelineError(
                f"its results from {steps.span.lo} to {steps.span.hi} don't fit into an instruction's 32 bits",
                place=self.segments[-1],
                hint="integers of 32 bits",
            )
        value = -1
        for centre, part in parts:
            near = column.value if centre == 0 else self._less(column.value, centre)
            begin = len(self._table)
            self._table += part.table
            ends = {"table_begin": begin, "table_end": len(self._table)}
            step = self._add(Kind.STEPS, part.span, a=near, imm=part.start, **ends)
            value = step if value < 0 else self._sum(value, step)
        return View(value)

    def _less(self, value: int, number: int) -> int:
        """The value less a number that may be wider than an immediate, as two immediates."""
        high, low = number >> HALF, number & ((1 << HALF) - 1)
        parts = [self._add(Kind.CONST, Range(part, part), imm=part) for part in (low, high)]
        whole = self._add(Kind.SUM, Range(number, number), a=parts[0], b=parts[1], b_shift=HALF)
        source = self.range_of(value)
        span = Range(source.lo - number, source.hi - number)
        return self._add(Kind.SUM, span, a=value, b=whole, subtract=1)

    def _sum(self, first: int, second: int) -> int:
        one, two = self.range_of(first), self.range_of(second)
        return self._add(Kind.SUM, Range(one.lo + two.lo, one.hi + two.hi), a=first, b=second)

    def rescale(self, columns: Sequence[View], lines: Rescales) -> list[View]:
        """Each column by its line."""
        return [View(self._rescale(column, lines.line(number))) for number, column in enumerate(columns)]

    def _rescale(self, column: View, line: Line) -> int:
        if column.value < 0:
            return self._add(Kind.CONST, Range(line(0), line(0)), imm=line(0))
        # A view's sign and shift are those of the multiplier.
        factor = line.multiplier << column.shift
        line = line._replace(multiplier=-factor if column.negate else factor)
        source = self.range_of(column.value)
        plan = plan_of(line, source, self.domains)
        if plan is None:
            raise PipelineError(
                f"integers {source} times {line.multiplier} don't fit into a column of {self.domains} domains",
                place=self.segments[-1],
                hint="a target with more domains, or a scale that is a ratio of smaller integers",
            )
        values = [column.value]
        for move in plan.moves:
            values.append(self._move(move, values))
        return values[-1]

    def _move(self, move: Move, values: list[int]) -> int:
        a, b = (-1 if number < 0 else values[number] for number in (move.a, move.b))
        if move.do is Do.CONST:
            return self._add(Kind.CONST, move.range, imm=move.imm)
        sources = {"a": a, "a_shift": move.a_shift, "b": b, "b_shift": move.b_shift, "subtract": int(move.subtract)}
        return self._add(_KIND_OF[move.do], move.range, **sources)

    def maximum(self, columns: Sequence[View], size: int) -> list[View]:
        """The greatest of each run of `size` neighbouring columns."""
        views: list[View] = []
        for first in range(0, len(columns), size):
            greatest = self.plain(columns[first])
            for column in columns[first + 1 : first + size]:
                other = self.plain(column)
                one, two = self.range_of(greatest), self.range_of(other)
                span = Range(max(one.lo, two.lo), max(one.hi, two.hi))
                greatest = self._add(Kind.MAX, span, a=greatest, b=other)
            views.append(View(greatest))
        return views

    def store(self, columns: Sequence[View], first: int) -> None:
        """Output vectors from `first` on."""
        for number, column in enumerate(columns, start=first):
            self._add(Kind.STORE, a=self.plain(column), imm=number)

    def plain(self, view: View) -> int:
        """The value of a view as it is, computed where it is negated, shifted or the constant zero."""
        assert not view.offset, "an offset is the thresholds' business"
        if view.value < 0:
            return self._add(Kind.CONST, Range(0, 0))
        if not (view.shift or view.negate):
            return view.value
        span = self.range_of(view.value) << view.shift
        if view.negate:
            return self._add(Kind.SUM, -span, b=view.value, b_shift=view.shift, subtract=1)
        return self._add(Kind.SUM, span, a=view.value, a_shift=view.shift)
