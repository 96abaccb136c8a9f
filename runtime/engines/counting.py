"""The fast engine of counted programs: the searches and counts of the code, for many rows of the result at a time.

The bits of a column under its port are packed along the array's rows; a search for two bits and the count of its tags
are an and and a population count, over all rows of the result at once. Outputs and counts are those of the golden
simulator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dialects.machine.cells import CellArray
from dialects.machine.counted import CountedPart, CountedProgram, across, lanes
from dialects.machine.counting import COUNTS, TAKES, CountInstruction, CountOp, bit_passes
from dialects.machine.isa import Cell
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from dialects.support.window import Ints
from runtime.cost.counting import counted_counts
from runtime.cost.counts import Counts, Traced

Words = NDArray[np.uint64]


def run(target: Target, program: CountedProgram, features: Ints, *, trace: bool = True) -> tuple[IntArray, Counts]:
    """The outputs (rows, features) of rows (rows, features), and the counts of whole samples.

    Raises ProgramError where the program breaks a rule. Without `trace` the counts that depend on the data are None.
    """
    program.check(target.geometry, target.accumulators)
    outputs = np.zeros((len(features), sum(program.outputs)), dtype=np.int64)
    cells = {line[:3]: line[3] for line in program.memory.lines}
    toggled = 0
    for number, part in enumerate(program.parts):
        machine = _Part(target, program, part, program.first_arrays[number], cells)
        machine.run(features, outputs)
        toggled += machine.toggled(features) if trace else 0
    counts = counted_counts(program, target, len(features) // program.rows)
    return outputs, counts.with_traced(Traced(toggled, toggled, written_by_others=toggled)) if trace else counts


class _Part:
    """The arrays of one part, for all rows of the result."""

    def __init__(
        self,
        target: Target,
        program: CountedProgram,
        part: CountedPart,
        first: int,
        cells: dict[tuple[int, int, int], CellArray],
    ):
        self.target, self.program, self.part, self.first = target, program, part, first
        self._cells = cells
        self._words = -(-target.rows // 64)
        self._loaded: dict[Cell, Words] = {}
        """bits (rows of the result, words of all counting arrays) of what is written"""
        self._range = Range.of_width(target.accumulator_bits, True)

    def run(self, features: Ints, outputs: IntArray) -> None:
        """Execute the loop for all rows of the result."""
        used_accumulators = max(item.q + item.n for item in self.program.body)
        q = np.zeros((used_accumulators, len(features)), dtype=np.int64)
        for item in self.program.body:
            used = q[item.q : item.q + item.n]
            if item.op is CountOp.LOAD:
                self._load(item, features)
            elif item.op in COUNTS:
                used[:] = used * (item.op is CountOp.COUNT_ADD) + self._counts(item, len(features))
            elif item.op is CountOp.MATCH:
                for lane in range(item.n):
                    used[lane] = self._matches(item, lane, used[lane])
            elif item.op in TAKES:
                self._take(item, used, features)
            else:
                count, first = lanes(item, self.part), self.part.outputs[0] + item.imm
                self._check(used[:count], Range.of_width(item.a.width, item.a.signed), "store")
                outputs[:, first : first + count] = used[:count].T
            self._check(used, self._range, item.op.name.lower())

    def _check(self, values: IntArray, span: Range, what: str) -> None:
        if values.size and not span.covers(Range(int(values.min()), int(values.max()))):
            raise ProgramError(f"{self.program.layer}: {what} reaches {values.min()}..{values.max()}, beyond {span}")

    def _load(self, item: CountInstruction, features: Ints) -> None:
        for bit, cell in enumerate(across(item)):
            self._loaded[cell] = self._packed(features >> bit & 1)

    def _packed(self, bits: Ints) -> Words:
        """Bits of inputs (rows of the result, inputs) as words of the rows of all counting arrays."""
        packed = np.zeros((len(bits), len(self.part.inputs), self._words * 8), dtype=np.uint8)
        for number, (begin, end) in enumerate(self.part.inputs):
            part = np.packbits(bits[:, begin:end].astype(bool), axis=1, bitorder="little")
            packed[:, number, : part.shape[1]] = part
        return packed.reshape(len(bits), -1).view(np.uint64)

    def _held(self, column: int, domain: int, bit: int) -> Words:
        """Which rows of all counting arrays match a search of one cell of weights, as words."""
        packed = np.zeros((len(self.part.inputs), self._words * 8), dtype=np.uint8)
        for number in range(len(packed)):
            line = self._cells.get((self.first + number, column, domain))
            if line is not None:
                part = np.packbits(line >> bit & 1, bitorder="little")
                packed[number, : len(part)] = part
        return packed.reshape(-1).view(np.uint64)

    def _counts(self, item: CountInstruction, rows: int) -> IntArray:
        """Counted tags (accumulators, rows of the result), shifted and added up."""
        sums = np.zeros((item.n, rows), dtype=np.int64)
        planes = [self._loaded.get(cell) for cell in across(item)]
        for lane in range(item.n):
            held = [self._held(item.b.column + lane, item.b.domain, bit) for bit in (0, 1)]
            for bit, plane in enumerate(planes):
                if plane is None:
                    continue
                for key, write in bit_passes(item.op, bit == item.a.width - 1, item.a.signed):
                    tags = np.bitwise_count(plane & held[dict(key)["B"]]).sum(axis=1, dtype=np.int64)
                    shifted = tags << (bit + item.a.shift)
                    sums[lane] += shifted if write[0][1] else -shifted
        return sums

    def _matches(self, item: CountInstruction, lane: int, values: IntArray) -> IntArray:
        """The rows of a table that match each value: of each row a pattern, and which bits of it are searched."""
        first, width = item.a.column + lane * item.stride, item.a.width
        array = self.first + len(self.part.inputs) + item.table
        lines = [self._cells.get((array, first + bit, item.a.domain), np.zeros(0, np.uint8)) for bit in range(width)]
        cells = np.zeros((width, max(len(line) for line in lines)), dtype=np.int64)
        for row, line in zip(cells, lines, strict=True):
            row[: len(line)] = line
        weights = np.int64(1) << np.arange(width, dtype=np.int64)[:, None]
        cells = cells[:, (cells != 0).all(axis=0)]
        care, ones = ((cells != 3) * weights).sum(axis=0), ((cells == 2) * weights).sum(axis=0)
        found, back = np.unique(values & ((1 << width) - 1), return_inverse=True)
        return item.imm + ((found[:, None] & care) == ones).sum(axis=1)[back].reshape(values.shape)

    def _take(self, item: CountInstruction, q: IntArray, features: Ints) -> None:
        count, first = lanes(item, self.part), item.imm + item.stride * self.part.outputs[0]
        if not count:
            return
        vectors = features[:, first : first + item.stride * (count - 1) + 1 : item.stride]
        taken = vectors.T.astype(np.int64) << item.a.shift
        if item.op is CountOp.TAKE:
            q[:count] = taken
        elif item.op is CountOp.TAKE_MAX:
            np.maximum(q[:count], taken, out=q[:count])
        else:
            q[:count] += taken if item.op is CountOp.TAKE_ADD else -taken

    def toggled(self, features: Ints) -> int:
        """Cells that change by loading: from one row of a copy to the next, and from and to zeros at the ends."""
        total = 0
        for item in (item for item in self.program.body if item.op is CountOp.LOAD):
            for bit in range(item.a.width):
                plane = self._packed(features >> bit & 1)
                samples = plane.reshape(-1, self.program.rows, plane.shape[1])
                for begin in range(0, self.program.rows, self.program.rounds):
                    rows = samples[:, begin : begin + self.program.rounds]
                    total += int(np.bitwise_count(rows[:, 1:] ^ rows[:, :-1]).sum(dtype=np.int64))
                    total += int(np.bitwise_count(rows[:, [0, -1]]).sum(dtype=np.int64))
        return total
