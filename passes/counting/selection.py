"""From the places of a counted layer to its ternary memory and code: one instruction for each run of neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dialects.machine.cells import ANY, NOTHING, ONE, ZERO, CellArray, Cells
from dialects.machine.counted import CountedPart
from dialects.machine.counting import CountInstruction, CountOp
from dialects.machine.isa import Cell, Operand
from dialects.rtm.counted_places import CountPlaces, Table
from dialects.support.ranges import Range

_TAKES = {
    "take": CountOp.TAKE,
    "add": CountOp.TAKE_ADD,
    "sub": CountOp.TAKE_SUB,
    "max": CountOp.TAKE_MAX,
}
_CODES = np.full(256, NOTHING, dtype=np.uint8)
_CODES[[ord("0"), ord("1"), ord("x")]] = [ZERO, ONE, ANY]


class Selected(NamedTuple):
    """A program but for its types."""

    parts: tuple[CountedPart, ...]
    tables: int
    memory: Cells
    code: tuple[CountInstruction, ...]
    copies: int = 1


def select(places: CountPlaces, rows: int, result: Range) -> Selected:
    """The program of a placed layer with so many rows per sample."""
    parts = tuple(placed.part for placed in places.parts)
    tables = max((table.array + 1 for placed in places.parts for table in placed.tables), default=0)
    body = [*_loads(places), *_counts(places), *_takes(places), *_matches(places)]
    lanes = max(part.size for part in parts)
    store = CountInstruction(CountOp.STORE, 0, lanes, Operand(0, 0, result.width, result.signed), Cell(1, 0))
    ending = [item._replace(op=CountOp.CLEAR) for item in body if item.op is CountOp.LOAD]
    loop = CountInstruction(CountOp.REPEAT, imm=-(-rows // places.copies))
    code = (loop, *body, store, CountInstruction(CountOp.END), *ending)
    return Selected(parts, tables, Cells.of(list(_lines(places, tables))), code, places.copies)


def _lines(places: CountPlaces, tables: int) -> Iterator[tuple[int, int, int, CellArray]]:
    first = 0
    for placed in places.parts:
        for line in placed.weights:
            for number, cells in enumerate(line.cells):
                codes = _CODES[np.frombuffer(cells.encode(), dtype=np.uint8)]
                yield first + number, line.place.column, line.place.domain, codes
        first += len(placed.part.inputs)
        for table in placed.tables:
            yield from _table_lines(table, first)
        first += tables


def _table_lines(table: Table, first: int) -> Iterator[tuple[int, int, int, CellArray]]:
    if not table.rows:
        return
    text = np.frombuffer("".join(table.rows).encode(), dtype=np.uint8).reshape(len(table.rows), -1)
    for bit in range(table.place.width):
        cells = _CODES[text[:, table.place.width - 1 - bit]]
        yield first + table.array, table.place.column + bit, table.place.domain, cells


def _loads(places: CountPlaces) -> list[CountInstruction]:
    if places.activation is None:
        return []
    return [CountInstruction(CountOp.LOAD, a=places.activation._replace(signed=False))]


def _counts(places: CountPlaces) -> list[CountInstruction]:
    """Counts of the digits at each domain, in the order of domains; an accumulator's first one sets it."""
    if places.activation is None:
        return []
    lines = {
        line.place: (line.output - placed.part.outputs[0], line.shift)
        for placed in places.parts
        for line in placed.weights
    }
    found: list[CountInstruction] = []
    known: set[int] = set()
    for place in sorted(lines, key=lambda cell: (cell.domain, cell.column)):
        lane, shift = lines[place]
        op = CountOp.COUNT_ADD if lane in known else CountOp.COUNT
        known.add(lane)
        wanted = CountInstruction(op, lane, 1, places.activation._replace(shift=shift), place)
        if not (found and _joins(found[-1], wanted)):
            found.append(wanted)
        else:
            found[-1] = found[-1]._replace(n=found[-1].n + 1)
    return found


def _joins(last: CountInstruction, item: CountInstruction) -> bool:
    """Whether an instruction on the next accumulator goes on where the last one ends."""
    following = last._replace(q=last.q + last.n, n=1, b=Cell(last.b.column + last.n, last.b.domain))
    return following == item


def _takes(places: CountPlaces) -> list[CountInstruction]:
    lanes = max(placed.part.size for placed in places.parts)
    return [
        CountInstruction(
            _TAKES[placed.term.kind],
            0,
            lanes,
            Operand(0, 0, placed.width, placed.signed, placed.term.shift),
            Cell(placed.term.step, 0),
            imm=placed.term.first,
        )
        for placed in places.terms
    ]


def _matches(places: CountPlaces) -> list[CountInstruction]:
    """A search of each output's table; tables that lie side by side are one instruction."""
    found: list[CountInstruction] = []
    for lane, table in _tables(places):
        if table.output < 0:
            return [_match(0, max(placed.part.size for placed in places.parts), table, 0, places.offset)]
        wanted = _match(lane, 1, table, table.place.width, places.offset)
        if found and _continues(found[-1], wanted):
            found[-1] = found[-1]._replace(n=found[-1].n + 1)
        else:
            found.append(wanted)
    return found


def _tables(places: CountPlaces) -> Sequence[tuple[int, Table]]:
    """The tables of the part that has most, with the numbers of their outputs in it."""
    largest = max(places.parts, key=lambda placed: len(placed.tables))
    return [(table.output - largest.part.outputs[0], table) for table in largest.tables]


def _match(lane: int, count: int, table: Table, stride: int, offset: int) -> CountInstruction:
    return CountInstruction(CountOp.MATCH, lane, count, table.place, Cell(stride, 0), table.array, offset)


def _continues(last: CountInstruction, item: CountInstruction) -> bool:
    column = last.a.column + last.n * last.stride
    return last._replace(q=last.q + last.n, n=1, a=last.a._replace(column=column)) == item
