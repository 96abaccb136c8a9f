"""The fast engine of counted programs: the searches and counts of the code, for many rows of the result at a time.

The bits of a column under its port are packed along the array's rows; a search for two bits and the count of its tags
are an and and a population count (runtime/native/counting.cpp). What a table answers is found once for every key.
Outputs and counts are those of the golden simulator.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dialects.machine.cells import ANY, NOTHING, ONE, CellArray
from dialects.machine.counted import CountedPart, CountedProgram, across, lanes
from dialects.machine.counting import COUNTS, TAKES, CountInstruction, CountOp, bit_passes
from dialects.machine.isa import Cell
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from dialects.support.threads import thread_count
from dialects.support.window import Ints
from runtime.cost.counting import counted_counts
from runtime.cost.counts import Counts, Traced
from runtime.engines import _counting

Words = NDArray[np.uint64]
_LONGEST_KEY = 16
"""bits of a key up to which a table's answers are found beforehand"""
_PROGRAMS = 1 << 9
"""programs that are kept prepared"""


def run(target: Target, program: CountedProgram, features: Ints, *, trace: bool = True) -> tuple[IntArray, Counts]:
    """The outputs (rows, features) of rows (rows, features), and the counts of whole samples.

    Raises ProgramError where the program breaks a rule. Without `trace` the counts that depend on the data are None.
    """
    outputs = np.zeros((len(features), sum(program.outputs)), dtype=np.int64)
    toggled = 0
    for part in _parts(target, program):
        toggled += part.run(np.ascontiguousarray(features), outputs, trace)
    counts = counted_counts(program, target, len(features) // program.rows)
    traced = Traced(toggled, toggled, written_by_others=toggled)
    return outputs, counts.with_traced(traced) if trace else counts


@lru_cache(_PROGRAMS)
def _parts(target: Target, program: CountedProgram) -> list[_Part]:
    """The parts of a program that is legal; raises ProgramError where it isn't."""
    program.check(target.geometry, target.accumulators)
    cells = {line[:3]: line[3] for line in program.memory.lines}
    firsts = zip(program.parts, program.first_arrays, strict=False)
    return [_Part(target, program, part, first, cells) for part, first in firsts]


class _Part:
    """The arrays of one part, with what their cells answer to searches."""

    def __init__(
        self,
        target: Target,
        program: CountedProgram,
        part: CountedPart,
        first: int,
        cells: dict[tuple[int, int, int], CellArray],
    ):
        self.program, self.part, self.first, self._cells = program, part, first, cells
        self._words = max(1, -(-max((end - begin for begin, end in part.inputs), default=1) // 64))
        self._range = Range.of_width(target.accumulator_bits, True)
        self._accumulators = max(item.q + item.n for item in program.body)
        spans = [np.arange(begin, end, dtype=np.int64) for begin, end in part.inputs] or [np.zeros(0, np.int64)]
        self._features = np.concatenate(spans)
        self._places = np.concatenate(
            [64 * self._words * number + np.arange(len(span)) for number, span in enumerate(spans)]
        ).astype(np.int64)
        self._held = {item: self._weights(item) for item in program.body if item.op in COUNTS}
        self._tables = {item: self._answers(item) for item in program.body if item.op is CountOp.MATCH}

    def run(self, features: Ints, outputs: IntArray, trace: bool) -> int:
        """Execute the loop for all rows of the result; returns how many cells changed, where that is asked for."""
        q = np.zeros((self._accumulators, len(features)), dtype=np.int64)
        loaded: dict[Cell, Words] = {}
        toggled = 0
        for item in self.program.body:
            used = q[item.q : item.q + item.n]
            if item.op is CountOp.LOAD:
                planes = self._loaded(item, features)
                loaded.update(zip(across(item), planes, strict=True))
                toggled += self._toggled(planes) if trace else 0
            elif item.op in COUNTS:
                self._count(item, [loaded[cell] for cell in across(item)], used)
            elif item.op is CountOp.MATCH:
                used[:] = item.imm + self._looked_up(item, used)
            elif item.op in TAKES:
                self._take(item, used, features)
            else:
                count, first = lanes(item, self.part), self.part.outputs[0] + item.imm
                self._check(used[:count], Range.of_width(item.a.width, item.a.signed), "store")
                outputs[:, first : first + count] = used[:count].T
            self._check(used, self._range, item.op.name.lower())
        return toggled

    def _check(self, values: IntArray, span: Range, what: str) -> None:
        if values.size and not span.covers(Range(int(values.min()), int(values.max()))):
            raise ProgramError(f"{self.program.layer}: {what} reaches {values.min()}..{values.max()}, beyond {span}")

    def _loaded(self, item: CountInstruction, features: Ints) -> Words:
        """Bits (bits, rows of the result, words of the rows of all counting arrays) of the inputs."""
        words = self._words * len(self.part.inputs)
        planes = np.zeros((item.a.width, len(features), words), dtype=np.uint64)
        if words:
            _counting.pack(features, self._features, self._places, planes, thread_count())
        return planes

    def _toggled(self, planes: Words) -> int:
        """Cells that change by loading: from one row of a copy to the next, and from and to zeros at the ends."""
        total = 0
        samples = planes.reshape(len(planes), -1, self.program.rows, planes.shape[2])
        for begin in range(0, self.program.rows, self.program.rounds):
            rows = samples[:, :, begin : begin + self.program.rounds]
            total += int(np.bitwise_count(rows[:, :, 1:] ^ rows[:, :, :-1]).sum(dtype=np.int64))
            total += int(np.bitwise_count(rows[:, :, [0, -1]]).sum(dtype=np.int64))
        return total

    def _weights(self, item: CountInstruction) -> tuple[Words, Words]:
        """Which rows match a search for 1, and for 0: words (accumulators, words of all counting arrays)."""
        size = self._words * 8
        packed = np.zeros((2, item.n, len(self.part.inputs), size), dtype=np.uint8)
        for lane in range(item.n):
            for number in range(len(self.part.inputs)):
                line = self._cells.get((self.first + number, item.b.column + lane, item.b.domain))
                if line is not None:
                    for bit in (0, 1):
                        part = np.packbits(line >> bit & 1, bitorder="little")
                        packed[bit, lane, number, : len(part)] = part
        zeros, ones = packed.reshape(2, item.n, -1).view(np.uint64)
        return ones, zeros

    def _count(self, item: CountInstruction, planes: list[Words], sums: IntArray) -> None:
        """Counted tags, shifted and added up in the accumulators."""
        if item.op is CountOp.COUNT:
            sums[:] = 0
        factors = np.zeros(len(planes), dtype=np.int64)
        for bit in range(len(planes)):
            # The passes of a bit are a search for weights of 1 and one for 0, with opposite signs.
            passes = bit_passes(item.op, bit == item.a.width - 1, item.a.signed)
            up = next(write[0][1] for key, write in passes if dict(key)["B"])
            factors[bit] = (1 if up else -1) << (bit + item.a.shift)
        _counting.count(np.array(planes), *self._held[item], factors, sums, thread_count())

    def _looked_up(self, item: CountInstruction, sums: IntArray) -> IntArray:
        """The number of matching rows for the sum of each accumulator and row of the result."""
        keys = sums & ((1 << item.a.width) - 1)
        answers = self._tables[item]
        if answers is None:
            tables = [self._rows(item, lane if item.stride else 0) for lane in range(item.n)]
            return np.array([_matching(care, bits, line) for (care, bits), line in zip(tables, keys, strict=True)])
        found = np.take_along_axis(answers, keys, axis=1) if item.stride else answers[0][keys]
        return found.astype(np.int64)

    def _answers(self, item: CountInstruction) -> NDArray[np.uint16] | None:
        """The number of matching rows for every key: (accumulators, keys), or one line for all; None for long keys."""
        if item.a.width > _LONGEST_KEY:
            return None
        answers = np.zeros((item.n if item.stride else 1, 1 << item.a.width), dtype=np.uint16)
        for lane, found in enumerate(answers):
            _counting.matches(*self._rows(item, lane), found)
        return answers

    def _rows(self, item: CountInstruction, lane: int) -> tuple[IntArray, IntArray]:
        """Of each row of a table the bits that it cares for, and what they are."""
        array, first = self.first + len(self.part.inputs) + item.table, item.a.column + lane * item.stride
        columns = range(first, first + item.a.width)
        lines = [self._cells.get((array, column, item.a.domain), np.zeros(0, np.uint8)) for column in columns]
        cells = np.full((item.a.width, max(map(len, lines))), NOTHING, dtype=np.uint8)
        for row, line in zip(cells, lines, strict=True):
            row[: len(line)] = line
        cells = cells[:, (cells != NOTHING).all(axis=0)]
        weights = np.int64(1) << np.arange(item.a.width, dtype=np.int64)[:, None]
        return ((cells != ANY) * weights).sum(axis=0), ((cells == ONE) * weights).sum(axis=0)

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


def _matching(care: IntArray, bits: IntArray, keys: IntArray) -> IntArray:
    """How many rows match each key."""
    found, back = np.unique(keys, return_inverse=True)
    return ((found[:, None] & care) == bits).sum(axis=1)[back].reshape(keys.shape)
