"""The fast engine of counted programs: the searches and counts of the code, for many rows of the result at a time.

The two searches for a bit, for weights of 1 and of 0, count opposite ways, so the rows of an array that match both (a
don't-care) cancel out: the engine goes through the others alone, with rows of the result as the bits of its registers
(runtime/native/counting.hpp). What a table answers is found once for every key. Outputs and counts are those of the
golden simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dialects.machine.cells import ANY, NOTHING, ONE, ZERO, CellArray
from dialects.machine.counted import CountedProgram
from dialects.machine.counting import COUNTS, TAKES, CountInstruction, CountOp, across, bit_passes
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.tensors import IntArray
from dialects.support.threads import thread_count
from dialects.support.window import Ints, Rows, Windows
from runtime.cost.counting import counted_counts, written_cells
from runtime.cost.counts import Counts
from runtime.engines import _engine
from runtime.engines.native import INSTRUCTION_SETS, read_by_engine

_LONGEST_KEY = 16
"""bits of a key up to which a table's answers are found beforehand"""
_PROGRAMS = 1 << 9
"""programs that are kept prepared"""
_TOGETHER = 8
"""inputs that the native engine counts at a time"""


def run(
    target: Target,
    program: CountedProgram,
    inputs: Sequence[Rows],
    *,
    trace: bool = True,
    instruction_set: str = INSTRUCTION_SETS[0],
) -> tuple[Ints, Counts]:
    """The outputs (rows, features) for the rows of all inputs, and the counts of whole samples.

    Raises ProgramError where the program breaks a rule. Without `trace` the counts that depend on the data are None.
    """
    engine, threads, rows = _prepared(target, program), thread_count(), len(inputs[0])
    bits = _bits_read(program, inputs)
    outputs = np.empty((sum(program.outputs), rows), dtype=_stored_type(program))
    toggled = np.zeros((2, sum(program.inputs), bits), dtype=np.int64) if trace else None
    try:
        given = [read_by_engine(tensor, bits, threads, instruction_set) for tensor in inputs]
        engine.run(given, outputs, toggled, bits, program.rows, program.rounds, threads, instruction_set)
    except ValueError as error:
        raise ProgramError(f"{program.layer}: {error}") from error
    counts = counted_counts(program, target, rows // program.rows)
    if toggled is None:
        return outputs.T, counts
    loaded, cleared = (_changed(program, bits) for bits in toggled)
    return outputs.T, counts.with_traced(written_cells(loaded, cleared))


def _bits_read(program: CountedProgram, inputs: Sequence[Rows]) -> int:
    """The lowest bits of the inputs that are loaded, or all of them where accumulators take inputs."""
    kinds = [tensor.images.dtype if isinstance(tensor, Windows) else tensor.dtype for tensor in inputs]
    if any(item.op in TAKES for item in program.body):
        return 8 * max(kind.itemsize for kind in kinds)
    return max((item.a.width for item in program.body if item.op is CountOp.LOAD), default=1)


def _stored_type(program: CountedProgram) -> np.dtype[np.signedinteger]:
    """The smallest type of what is stored."""
    stored = [item.a for item in program.body if item.op is CountOp.STORE]
    bits = max(operand.width + (not operand.signed) for operand in stored)
    return np.dtype(next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if bits <= np.iinfo(kind).bits))


def _changed(program: CountedProgram, toggled: IntArray) -> int:
    """Cells that change in all counting arrays, where it is known how often each bit (inputs, bits) changes."""
    loaded = np.zeros(len(toggled), dtype=np.int64)
    for item in program.body:
        if item.op is CountOp.LOAD:
            loaded += toggled[:, : item.a.width].sum(axis=1)
    until = np.concatenate([[0], np.cumsum(loaded)])
    return int(sum(until[end] - until[begin] for part in program.parts for begin, end in part.inputs))


@lru_cache(_PROGRAMS)
def _prepared(target: Target, program: CountedProgram) -> _engine.CountingEngine:
    """The native form of a program that is legal; raises ProgramError where it isn't."""
    program.check(target.geometry, target.accumulators)
    body = [item for item in program.body if item.op is not CountOp.LOAD]
    weights, tables = _Weights(program), _Tables(program)
    held = [(weights if item.op in COUNTS else tables).of(item) for item in body if item.op in _HOLDING]
    return _engine.CountingEngine(
        np.array([_step(item) for item in body], dtype=np.int64).reshape(-1, 8),
        np.array([part.outputs for part in program.parts], dtype=np.int64),
        np.array(list(_counted_bits(program, body)), dtype=np.int32).reshape(-1, 4),
        np.concatenate([np.zeros((0, 3), np.int64), *held]),
        np.concatenate([np.zeros(0, np.uint32), *weights.vectors]),
        np.concatenate([np.zeros(0, np.uint16), *tables.answers]),
        np.concatenate([np.zeros((0, 2), np.int64), *tables.keys]),
        sum(program.inputs),
        target.accumulator_bits,
    )


_HOLDING = (*COUNTS, CountOp.MATCH)
"""instructions that search what cells hold"""


def _step(item: CountInstruction) -> tuple[int, ...]:
    return (item.op, item.q, item.n, item.a.width, item.a.signed, item.a.shift, item.imm, item.stride)


def _counted_bits(program: CountedProgram, body: Sequence[CountInstruction]) -> Iterator[tuple[int, int, int, bool]]:
    """Of each bit of each count: the count's number, the bit of the inputs, its level, whether it is taken off."""
    loads = [item for item in program.body if item.op is CountOp.LOAD]
    loaded = {cell: bit for item in loads for bit, cell in enumerate(across(item))}
    for number, item in enumerate(body):
        if item.op in COUNTS:
            for bit, cell in enumerate(across(item)):
                # The passes of a bit are a search for weights of 1 and one for 0, with opposite signs.
                passes = bit_passes(item.op, bit == item.a.width - 1, item.a.signed)
                up = next(write[0][1] for key, write in passes if dict(key)["B"])
                yield number, loaded[cell], bit, not up


class _Weights:
    """The inputs that counts add and take off, which are the rows whose cells match one search alone."""

    def __init__(self, program: CountedProgram):
        self._parts, self._inputs = len(program.parts), sum(program.inputs)
        self.vectors: list[NDArray[np.uint32]] = []
        lines = program.memory.lines
        self._cells = np.concatenate([np.zeros(0, np.uint8), *(line[3] for line in lines)])
        self._places = program.memory.table.astype(np.int64)
        counts = self._places[:, 3]
        self._line = np.repeat(np.arange(len(counts)), counts)
        spans = np.full((program.first_arrays[-1], 3), -1, dtype=np.int64)
        for number, (first, part) in enumerate(zip(program.first_arrays, program.parts, strict=False)):
            for array, (begin, end) in enumerate(part.inputs, start=first):
                spans[array] = number, begin, end
        spans = spans[self._places[:, 0]]
        self._part = spans[:, 0]
        in_line = np.arange(len(self._cells)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._vector = in_line + spans[self._line, 1]
        inside = self._vector < spans[self._line, 2]
        self._chosen = inside & ((self._cells == ONE) | (self._cells == ZERO))

    def of(self, item: CountInstruction) -> IntArray:
        """For each part and accumulator of a count: where vectors begin, where those that are taken off, the end."""
        lane = self._places[:, 1] - item.b.column
        wanted = (self._part >= 0) & (self._places[:, 2] == item.b.domain) & (lane >= 0) & (lane < item.n)
        chosen = np.flatnonzero(self._chosen & wanted[self._line])
        lines = self._line[chosen]
        which = 2 * (self._part[lines] * item.n + lane[lines]) + (self._cells[chosen] == ZERO)
        order = np.argsort(which, kind="stable")
        chosen, which = chosen[order], which[order]
        sizes = np.bincount(which, minlength=2 * self._parts * item.n)
        # Groups end with a vector of zeros, the one behind all inputs.
        ends = np.cumsum(-(-sizes // _TOGETHER) * _TOGETHER)
        begins = np.concatenate([[0], ends[:-1]])
        vectors = np.full(int(ends[-1]), self._inputs, dtype=np.uint32)
        vectors[begins[which] + np.arange(len(which)) - (np.cumsum(sizes) - sizes)[which]] = self._vector[chosen]
        held = np.stack([begins[::2], begins[1::2], ends[1::2]], axis=1) + sum(map(len, self.vectors))
        self.vectors.append(vectors)
        return held


class _Tables:
    """What tables answer: to every key, or, for long keys, the bits that each of their rows cares for and has."""

    def __init__(self, program: CountedProgram):
        self._program = program
        self._cells = {line[:3]: line[3] for line in program.memory.lines if program.is_table(line[0])}
        self.answers: list[NDArray[np.uint16]] = []
        self.keys: list[IntArray] = []

    def of(self, item: CountInstruction) -> IntArray:
        """For each part and accumulator of a match: the first answer, the greatest one, 0; or bounds of keys, 1."""
        found = [
            self._of_lane(item, number, lane)
            for number in range(len(self._program.parts))
            for lane in (range(item.n) if item.stride else (0,))
        ]
        return np.repeat(np.array(found, dtype=np.int64), 1 if item.stride else item.n, axis=0)

    def _of_lane(self, item: CountInstruction, part: int, lane: int) -> tuple[int, int, int]:
        care, bits = self._rows(item, part, lane)
        if item.a.width > _LONGEST_KEY:
            begin = sum(map(len, self.keys))
            self.keys.append(np.stack([care, bits], axis=1))
            return begin, begin + len(care), 1
        answers = np.zeros(1 << item.a.width, dtype=np.uint16)
        _engine.matches(care, bits, answers)
        self.answers.append(answers)
        return sum(map(len, self.answers)) - len(answers), int(answers.max()), 0

    def _rows(self, item: CountInstruction, part: int, lane: int) -> tuple[IntArray, IntArray]:
        """Of each row of a table the bits that it cares for, and what they are."""
        inputs, nothing = self._program.parts[part].inputs, np.zeros(0, np.uint8)
        array, first = self._program.first_arrays[part] + len(inputs) + item.table, item.a.column + lane * item.stride
        columns = range(first, first + item.a.width)
        lines: list[CellArray] = [self._cells.get((array, column, item.a.domain), nothing) for column in columns]
        cells = np.full((item.a.width, max(map(len, lines))), NOTHING, dtype=np.uint8)
        for row, line in zip(cells, lines, strict=True):
            row[: len(line)] = line
        cells = cells[:, (cells != NOTHING).all(axis=0)]
        weights = np.int64(1) << np.arange(item.a.width, dtype=np.int64)[:, None]
        return ((cells != ANY) * weights).sum(axis=0), ((cells == ONE) * weights).sum(axis=0)
