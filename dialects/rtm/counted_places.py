"""The places of a counted layer, one per line.

    activation c0.0:4                                    bit k of every input in column k, at domain 0
    part outputs 0:64 inputs 0:256 256:300               two arrays, with these inputs in their rows
      c4.0 = out 0 : 10xx... 1x0...                      the weights of an output, for each array
      c5.0 = out 1 << 1 : ...                            a further digit of weights: twice as much
      t0.c0.0:5 = table 0 : 01xxx 1xxxx                  the table of an output, most significant bits first
      t0.c5.0:5 = table all : ...                        one for all outputs
    take 0:4 step 9 << 1                                 what accumulators take themselves; also add, sub, max
    offset -1                                            what a table gives for no match
    copies 2                                             of all of that, which share the rows of a sample

Weights +1, -1 and 0 are the cells 1, 0 and x, a don't-care. Parts are in step: what one has for its n-th output is
where the others have what they have for theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from dialects.apv.count import Term
from dialects.machine.counted import CountedPart
from dialects.machine.isa import Cell, Operand
from dialects.support.errors import TextError
from dialects.support.grammar import refuse_long_numbers
from dialects.support.tensors import IntArray


class Weights(NamedTuple):
    """A digit of an output's weights: worth 1 << shift; of each array its cells as text, one character per row."""

    output: int
    shift: int
    place: Cell
    cells: tuple[str, ...]


class Table(NamedTuple):
    """The table of an output, or of all (-1): its columns in a table array, and its rows as text."""

    output: int
    array: int
    place: Operand
    rows: tuple[str, ...]


@dataclass(frozen=True)
class PlacedPart:
    """A part with what its arrays hold."""

    part: CountedPart
    weights: tuple[Weights, ...] = ()
    tables: tuple[Table, ...] = ()


class PlacedTerm(NamedTuple):
    """A term, and the width and sign of the inputs that it takes."""

    term: Term
    width: int
    signed: bool


@dataclass(frozen=True)
class CountPlaces:
    """Where everything of a counted layer lies."""

    activation: Operand | None
    parts: tuple[PlacedPart, ...]
    terms: tuple[PlacedTerm, ...] = ()
    offset: int = 0
    copies: int = 1

    def to_text(self) -> str:
        lines: list[str] = []
        if self.activation:
            lines.append(f"activation {_place(self.activation)}")
        for placed in self.parts:
            (first, last), spans = placed.part.outputs, " ".join(f"{a}:{b}" for a, b in placed.part.inputs)
            lines.append(f"part outputs {first}:{last}" + (f" inputs {spans}" if spans else ""))
            lines += [f"  {line}" for line in map(_weights_line, placed.weights)]
            lines += [f"  {line}" for line in map(_table_line, placed.tables)]
        lines += [_term_line(term) for term in self.terms]
        lines += [f"offset {self.offset}"] if self.offset else []
        lines += [f"copies {self.copies}"] if self.copies > 1 else []
        return "\n".join(lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        refuse_long_numbers(text)
        reader, offset = _Reader(), 0
        for line in text.splitlines(keepends=True):
            if stripped := line.strip():
                try:
                    reader.read(stripped)
                except ValueError as error:
                    raise TextError(f"{error}: {stripped[:60]}", offset + line.index(stripped)) from error
            offset += len(line)
        return cls(reader.activation, tuple(reader.parts), tuple(reader.terms), reader.offset, reader.copies)

    def problem(self, inputs: int, outputs: int) -> str | None:
        """What is malformed, if anything, for so many features: places that collide, lines that are too short."""
        at, steps = 0, dict[tuple[int, Cell], tuple[int, int]]()
        for placed in self.parts:
            if placed.part.outputs[0] != at:
                return f"a part begins at output {placed.part.outputs[0]}, expected {at}"
            at = placed.part.outputs[1]
            if any(not 0 <= begin < end <= inputs for begin, end in placed.part.inputs):
                return f"the rows of a part are inputs beyond the {inputs} that there are"
            if problem := self._problem_of(placed, steps):
                return problem
        if at != outputs:
            return f"the parts have {at} outputs, expected {outputs}"
        if self.copies < 1:
            return f"there are {self.copies} copies, expected at least 1"
        if bool(self.terms) == bool(self.activation):
            return "expected either an activation, which weights are counted with, or terms of accumulators"
        return None

    def _problem_of(self, placed: PlacedPart, steps: dict[tuple[int, Cell], tuple[int, int]]) -> str | None:
        first, last = placed.part.outputs
        taken = {(-1, cell) for cell in self._activation_cells()}
        for line in placed.weights:
            what = f"c{line.place.column}.{line.place.domain}"
            if not first <= line.output < last:
                return f"{what} is of output {line.output}, which is in another part"
            if (-1, line.place) in taken:
                return f"{what} holds two things"
            taken.add((-1, line.place))
            sizes = [end - begin for begin, end in placed.part.inputs]
            if [len(cells) for cells in line.cells] != sizes:
                return f"{what} has {[len(cells) for cells in line.cells]} cells, its rows are {sizes} inputs"
            digit = (line.output - first, line.shift)
            if steps.setdefault((-1, line.place), digit) != digit:
                return f"{what} is of another output of its part than in the other parts"
        for table in placed.tables:
            what = f"t{table.array}.c{table.place.column}.{table.place.domain}"
            if not (first <= table.output < last or table.output == -1):
                return f"{what} is of output {table.output}, which is in another part"
            cells = {(table.array, cell) for cell in _cells(table.place)}
            if taken & cells:
                return f"{what} holds two things"
            taken |= cells
            if any(len(row) != table.place.width for row in table.rows):
                return f"{what} has rows of another width than {table.place.width}"
            wanted = (table.output - first if table.output >= 0 else -1, table.place.width)
            if steps.setdefault((table.array, Cell(*table.place[:2])), wanted) != wanted:
                return f"{what} is of another output of its part than in the other parts"
        served = [table.output for table in placed.tables]
        if served and sorted(served) not in ([-1], list(range(first, last))):
            return "expected a table for each output of a part, or one for all"
        missing = set(range(first, last)) - {line.output for line in placed.weights}
        return f"output {min(missing)} has no weights" if self.activation and missing else None

    def _activation_cells(self) -> list[Cell]:
        return _cells(self.activation) if self.activation else []

    def apply(self, rows: IntArray, outputs: int) -> IntArray:
        """What the layer gives (rows, outputs) for rows (rows, inputs), from the lines as they are read."""
        found = np.zeros((len(rows), outputs), dtype=np.int64)
        for placed in self.parts:
            for line in placed.weights:
                for cells, (begin, end) in zip(line.cells, placed.part.inputs, strict=True):
                    found[:, line.output] += (rows[:, begin:end] @ digits(cells)) << line.shift
        for kind, first, step, shift in (placed.term for placed in self.terms):
            taken = rows[:, first + step * np.arange(outputs)] << shift
            found = np.maximum(found, taken) if kind == "max" else found + {"sub": -1}.get(kind, 1) * taken
            found = taken if kind == "take" else found
        for placed in self.parts:
            for table in placed.tables:
                span = placed.part.outputs if table.output < 0 else (table.output, table.output + 1)
                found[:, slice(*span)] = self.offset + _looked_up(table, found[:, slice(*span)])
        return found


def digits(cells: str) -> IntArray:
    """What cells are as weights: 1, 0 and x are 1, -1 and 0."""
    codes = np.frombuffer(cells.encode(), dtype=np.uint8)
    return (codes == ord("1")).astype(np.int64) - (codes == ord("0")).astype(np.int64)


def _looked_up(table: Table, values: IntArray) -> IntArray:
    """How many rows match each value."""
    found = np.zeros(values.shape, dtype=np.int64)
    for row in table.rows:
        care, bits = int(re.sub("[01]", "1", row).replace("x", "0"), 2), int(row.replace("x", "0"), 2)
        found += values & care == bits
    return found


def _cells(place: Operand) -> list[Cell]:
    return [Cell(place.column + bit, place.domain) for bit in range(place.width)]


def _place(operand: Operand) -> str:
    return f"c{operand.column}.{operand.domain}:{operand.width}{'s' if operand.signed else ''}"


def _weights_line(line: Weights) -> str:
    shift = f" << {line.shift}" if line.shift else ""
    return f"c{line.place.column}.{line.place.domain} = out {line.output}{shift} : {' '.join(line.cells)}"


def _table_line(table: Table) -> str:
    name = "all" if table.output < 0 else str(table.output)
    return f"t{table.array}.{_place(table.place)} = table {name} : {' '.join(table.rows)}".rstrip()


def _term_line(placed: PlacedTerm) -> str:
    kind, first, step, shift = placed.term
    steps = f" step {step}" if step != 1 else ""
    return f"{kind} {first}:{placed.width}{'s' if placed.signed else ''}{steps}" + (f" << {shift}" if shift else "")


_ACTIVATION = re.compile(r"activation c(\d+)\.(\d+):(\d+)(s?)")
_PART = re.compile(r"part outputs (\d+):(\d+)(?: inputs((?: \d+:\d+)+))?")
_WEIGHTS = re.compile(r"c(\d+)\.(\d+) = out (\d+)(?: << (\d+))? :((?: [01x]+)+)")
_TABLE = re.compile(r"t(\d+)\.c(\d+)\.(\d+):(\d+) = table (\d+|all) :((?: [01x]+)*)")
_TERM = re.compile(r"(take|add|sub|max) (\d+):(\d+)(s?)(?: step (\d+))?(?: << (\d+))?")
_COPIES = re.compile(r"copies (\d+)")
_OFFSET = re.compile(r"offset (-?\d+)")


@dataclass
class _Reader:
    """Reads lines in their order; raises ValueError where one is malformed."""

    activation: Operand | None = None
    terms: list[PlacedTerm] = field(default_factory=list[PlacedTerm])
    offset: int = 0
    copies: int = 1
    _parts: list[CountedPart] = field(default_factory=list[CountedPart])
    _weights: list[list[Weights]] = field(default_factory=list[list[Weights]])
    _tables: list[list[Table]] = field(default_factory=list[list[Table]])

    @property
    def parts(self) -> list[PlacedPart]:
        """The parts with what was read of them."""
        lines = zip(self._parts, self._weights, self._tables, strict=True)
        return [PlacedPart(part, tuple(weights), tuple(tables)) for part, weights, tables in lines]

    def read(self, line: str) -> None:
        if match := _WEIGHTS.fullmatch(line):
            column, domain, output, shift = (int(match[number] or 0) for number in range(1, 5))
            self._extend(weights=(Weights(output, shift, Cell(column, domain), tuple(match[5].split())),))
        elif match := _TABLE.fullmatch(line):
            array, column, domain, width = (int(match[number]) for number in range(1, 5))
            output = -1 if match[5] == "all" else int(match[5])
            self._extend(tables=(Table(output, array, Operand(column, domain, width), tuple(match[6].split())),))
        elif match := _PART.fullmatch(line):
            spans = [span.partition(":") for span in (match[3] or "").split()]
            inputs = tuple((int(first), int(last)) for first, _, last in spans)
            self._parts.append(CountedPart((int(match[1]), int(match[2])), inputs))
            self._weights.append([])
            self._tables.append([])
        elif match := _ACTIVATION.fullmatch(line):
            self.activation = Operand(int(match[1]), int(match[2]), int(match[3]), bool(match[4]))
        elif match := _TERM.fullmatch(line):
            term = Term(match[1], int(match[2]), int(match[5] or 1), int(match[6] or 0))
            self.terms.append(PlacedTerm(term, int(match[3]), bool(match[4])))
        elif match := _OFFSET.fullmatch(line):
            self.offset = int(match[1])
        elif match := _COPIES.fullmatch(line):
            self.copies = int(match[1])
        else:
            raise ValueError("expected a place of a counted layer, such as `c4.0 = out 0 : 10x`")

    def _extend(self, weights: tuple[Weights, ...] = (), tables: tuple[Table, ...] = ()) -> None:
        if not self._parts:
            raise ValueError("a place before the first part")
        self._weights[-1] += weights
        self._tables[-1] += tables
