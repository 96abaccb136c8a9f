"""The golden simulator of counted programs: every search of every array, one row of the result at a time.

Cells are ternary: two nanowires say whether a search for 0 and whether one for 1 matches, a don't-care matches both.
Counters count tags; nothing is computed in another way. Ports are tracked, and every shift is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dialects.machine.cells import NOTHING, ONE, ZERO, CellArray
from dialects.machine.counted import CountedPart, CountedProgram, lanes
from dialects.machine.counting import COUNTS, TAKES, CountInstruction, CountOp, across, bit_passes
from dialects.machine.isa import Cell
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from runtime.cost.counting import active_rows, counted_counts, shifts_of, written_cells
from runtime.cost.counts import Counts

Tags = NDArray[np.bool_]


class CountingSimulator:
    """The arrays of a counted program, with its weights and tables in their cells and zeros for activations."""

    def __init__(self, target: Target, program: CountedProgram):
        program.check(target.geometry, target.accumulators)
        self.target, self.program = target, program
        self._cells: dict[tuple[int, Cell], CellArray] = {}
        for array, column, domain, line in program.memory.lines:
            cells = np.full(target.rows, NOTHING, dtype=np.uint8)
            cells[: len(line)] = line
            self._cells[array, Cell(column, domain)] = cells
        for item in (*program.body, *program.ending):
            if item.op in (CountOp.LOAD, CountOp.CLEAR):
                for array in (array for part in self._numbered() for array in part[2]):
                    for cell in across(item):
                        self._cells[array, cell] = np.full(target.rows, ZERO, dtype=np.uint8)
        self._active = active_rows(program, target)
        self._q = np.zeros((len(program.parts), target.accumulators), dtype=np.int64)
        self._range = Range.of_width(target.accumulator_bits, True)
        self.ports: dict[tuple[int, int], int] = {}
        """(array, column): the domain under the port, 0 at the beginning"""
        self.searches = self.searched = self.counted = self.steps = self.column_steps = 0
        self.toggled = Counter[CountOp]()

    def _numbered(self) -> list[tuple[int, CountedPart, range]]:
        """Parts with their numbers and those of their counting arrays."""
        firsts = self.program.first_arrays
        return [(n, p, range(firsts[n], firsts[n] + len(p.inputs))) for n, p in enumerate(self.program.parts)]

    def run(self, features: IntArray) -> IntArray:
        """The outputs (rows, features) of rows (rows, features); raises ProgramError where a rule is broken."""
        outputs = np.zeros((len(features), sum(self.program.outputs)), dtype=np.int64)
        for number, (row, output) in enumerate(zip(features, outputs, strict=True), start=1):
            for item in self.program.body:
                self._execute(item, row, output)
            # A copy has as many rows as follow one another; what it leaves behind is cleared.
            of_sample = (number - 1) % self.program.rows + 1
            if of_sample % self.program.rounds == 0 or of_sample == self.program.rows:
                for item in self.program.ending:
                    self._execute(item, row, output)
                self._align([(place, 0) for place, domain in self.ports.items() if domain])
        return outputs

    def held(self, array: int, cell: Cell) -> CellArray:
        """What the cells of a column hold at a domain, row by row."""
        return self._cells[array, cell].copy()

    def _execute(self, item: CountInstruction, row: IntArray, output: IntArray) -> None:
        self._bring(item)
        for number, part, arrays in self._numbered():
            q = self._q[number, item.q : item.q + item.n]
            if item.op in (CountOp.LOAD, CountOp.CLEAR):
                for array, (begin, end) in zip(arrays, part.inputs, strict=True):
                    self._write(item, array, row[begin:end] if item.op is CountOp.LOAD else row[:0])
            elif item.op in COUNTS:
                sums = [self._sum(item, arrays, lane) for lane in range(item.n)]
                q[:] = q * (item.op is CountOp.COUNT_ADD) + np.array(sums)
            elif item.op is CountOp.MATCH:
                table = arrays.stop + item.table
                q[:] = [item.imm + self._matches(item, table, lane, int(q[lane])) for lane in range(item.n)]
            elif item.op in TAKES:
                self._take(item, q, row, part)
            else:
                count, first = lanes(item, part), part.outputs[0] + item.imm
                output[first : first + count] = q[:count]
                self._check(q[:count], Range.of_width(item.a.width, item.a.signed), "store")
        self._check(self._q, self._range, item.op.name.lower())
        if item.op in COUNTS:
            self.searches += 2 * item.n * item.a.width
        elif item.op is CountOp.MATCH:
            self.searches += item.n
        elif item.op in (CountOp.LOAD, CountOp.CLEAR):
            self.searches += item.a.width * len(bit_passes(item.op, False, False))

    def _check(self, values: IntArray, span: Range, what: str) -> None:
        if len(values) and not span.covers(Range(int(values.min()), int(values.max()))):
            raise ProgramError(f"{self.program.layer}: {what} reaches {values.min()}..{values.max()}, beyond {span}")

    def _bring(self, item: CountInstruction) -> None:
        """Shift the columns that an instruction needs until its domains are under their ports."""
        places: list[tuple[tuple[int, int], int]] = []
        for _, _, arrays in self._numbered():
            if item.op in (CountOp.LOAD, CountOp.CLEAR, *COUNTS):
                weights = [Cell(item.b.column + n, item.b.domain) for n in range(item.n)] if item.op in COUNTS else []
                places += [((a, cell.column), cell.domain) for a in arrays for cell in (*across(item), *weights)]
            elif item.op is CountOp.MATCH:
                for first in range(item.a.column, item.a.column + item.stride * (item.n - 1) + 1, max(1, item.stride)):
                    places += [((arrays.stop + item.table, first + bit), item.a.domain) for bit in range(item.a.width)]
        self._align(places)

    def _align(self, places: Sequence[tuple[tuple[int, int], int]]) -> None:
        longest = 0
        for place, domain in places:
            distance = abs(self.ports.get(place, 0) - domain)
            self.ports[place] = domain
            self.column_steps += distance
            longest = max(longest, distance)
        self.steps += longest

    def _search(self, array: int, key: Sequence[tuple[Cell, int]]) -> Tags:
        """The tags of a search, one for each row of the segments that are not switched off."""
        tags = np.ones(self._active[array], dtype=bool)
        for cell, bit in key:
            if self.ports.get((array, cell.column), 0) != cell.domain:
                raise ProgramError(f"a{array}.c{cell.column}.{cell.domain} is not under its port")
            held = self._cells.get((array, cell))
            tags &= np.zeros_like(tags) if held is None else (held[: len(tags)] >> bit & 1).astype(bool)
        self.searched += len(key) * len(tags)
        return tags

    def _write(self, item: CountInstruction, array: int, values: IntArray) -> None:
        """Each bit of the values into the rows, by the passes of the table, which search the cell and the latch."""
        for bit, cell in enumerate(across(item)):
            latch = np.zeros(self._active[array], dtype=bool)
            latch[: len(values)] = values >> bit & 1
            for key, write in bit_passes(item.op, False, False):
                known = dict(key)
                tags = self._search(array, [(cell, known["D"])])
                if "T" in known:
                    tags = tags & (latch == bool(known["T"]))
                held = self._cells[array, cell][: len(tags)]
                self.toggled[item.op] += int(tags.sum())
                held[tags] = ONE if write[0][1] else ZERO

    def _sum(self, item: CountInstruction, arrays: range, lane: int) -> int:
        """The counts of all arrays of a part for one output, shifted and added up."""
        total, weights = 0, Cell(item.b.column + lane, item.b.domain)
        for array in arrays:
            for bit, cell in enumerate(across(item)):
                for key, write in bit_passes(item.op, bit == item.a.width - 1, item.a.signed):
                    places = {"A": cell, "B": weights}
                    tags = self._search(array, [(places[role], value) for role, value in key])
                    self.counted += len(tags)
                    total += (
                        int(tags.sum()) << (bit + item.a.shift)
                        if write[0][1]
                        else -(int(tags.sum()) << (bit + item.a.shift))
                    )
        return total

    def _matches(self, item: CountInstruction, table: int, lane: int, value: int) -> int:
        first = item.a.column + lane * item.stride
        key = [(Cell(first + bit, item.a.domain), value >> bit & 1) for bit in range(item.a.width)]
        self.counted += self._active[table]
        return int(self._search(table, key).sum())

    def _take(self, item: CountInstruction, q: IntArray, row: IntArray, part: CountedPart) -> None:
        count = lanes(item, part)
        first = item.imm + item.stride * part.outputs[0]
        values = np.array([row[first + item.stride * lane] for lane in range(count)], dtype=np.int64) << item.a.shift
        before = q[:count]
        if item.op is CountOp.TAKE:
            q[:count] = values
        elif item.op is CountOp.TAKE_MAX:
            q[:count] = np.maximum(before, values)
        else:
            q[:count] = before + values if item.op is CountOp.TAKE_ADD else before - values


def run(target: Target, program: CountedProgram, features: IntArray) -> tuple[IntArray, Counts]:
    """The outputs of rows (rows, features), and the counts of whole samples.

    What the simulator counted itself must be what is known beforehand.
    """
    simulator = CountingSimulator(target, program)
    outputs = simulator.run(features)
    samples = len(features) // program.rows
    counts = counted_counts(program, target, samples)
    shifts = shifts_of(program, target)
    found = [simulator.searched, simulator.counted, simulator.column_steps]
    expected = [counts.searched_row_cells, counts.counted_rows, shifts.column_steps * samples]
    if program.copies == 1:
        # Copies work at the same time, the simulator goes through them one after another.
        found += [simulator.searches, simulator.steps]
        expected += [counts.searches, shifts.steps * samples]
    if found != expected:
        raise ProgramError(f"{program.layer}: counted {found}, expected {expected}")
    loaded, cleared = simulator.toggled[CountOp.LOAD], simulator.toggled[CountOp.CLEAR]
    return outputs, counts.with_traced(written_cells(loaded, cleared))
