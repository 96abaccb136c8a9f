"""What a counted program takes on a number of samples: every count but those of written cells follows from the code.

A program is fetched once for each sample. Each time that the loop is gone through, the controller reads its
instructions from its buffer and sends them to the arrays that execute them. Segments of rows that hold nothing are
neither searched nor counted. Each addition beside an array has the
accumulators' width. The partial sums that a part's arrays send to its accumulators, all but those of the array that has
them at its edge, are moved bits, as wide as what the weights of any array can give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dialects.machine.code import BYTES_PER_INSTRUCTION
from dialects.machine.counted import CountedProgram, lanes
from dialects.machine.counting import COUNTS, TAKES, CountInstruction, CountOp, bit_passes, cells_of
from dialects.machine.target import Target
from dialects.support.tensors import IntArray
from runtime.cost.counts import OTHERS, Counts, Traced, total

COUNTED_OPERATIONS: Mapping[str, tuple[CountOp, ...]] = {
    "counts": COUNTS,
    "accumulations": TAKES,
    "thresholds": (CountOp.MATCH,),
    "clears": (CountOp.CLEAR,),
    "loads": (CountOp.LOAD,),
    "stores": (CountOp.STORE,),
}
"""what counting instructions are for; those that aren't listed here are `others`"""

_TOGETHER = ("instructions", "bit_loops", "searches", "writes", "move_cycles", "count_cycles", "replayed_bits")
"""counts of what copies do together"""


class Shifts(NamedTuple):
    """Steps in time and of all columns of all arrays, by opcode, and those of each column of the first array."""

    by_op: Mapping[CountOp, tuple[int, int]]
    first: IntArray

    @property
    def steps(self) -> int:
        """Steps in time."""
        return sum(steps for steps, _ in self.by_op.values())

    @property
    def column_steps(self) -> int:
        """Steps of all columns."""
        return sum(steps for _, steps in self.by_op.values())


@lru_cache(1 << 10)
def counted_counts(program: CountedProgram, target: Target, samples: int) -> Counts:
    """The counts on so many samples, not to be changed; those that depend on the data are None."""
    return (total(_sample_operations(program, target).values()) * samples).with_traced(None)


def counted_operations(program: CountedProgram, target: Target, samples: int) -> Mapping[str, Counts]:
    """The same for each operation of the program."""
    shares = _sample_operations(program, target)
    return {name: (counts * samples).with_traced(None) for name, counts in shares.items()}


def written_cells(loaded: int, cleared: int) -> Traced:
    """The counts that depend on the data: cells that change, which are all that loads and clears write."""
    return Traced(loaded + cleared, loaded + cleared, written_by_loads=loaded, written_by_clears=cleared)


def counted_operation_of(op: CountOp) -> str:
    """What an opcode is for."""
    return next((name for name, ops in COUNTED_OPERATIONS.items() if op in ops), OTHERS)


@lru_cache(1 << 10)
def _sample_operations(program: CountedProgram, target: Target) -> Mapping[str, Counts]:
    """The counts of each operation on one sample."""
    found: dict[str, Counts] = {}

    def add(op: CountOp, counts: Counts) -> None:
        name = counted_operation_of(op)
        found[name] = found.get(name, Counts()) + counts

    # All copies do the work, in the time that one takes for its rows.
    for work, times, code in ((program.rows, program.rounds, program.body), (program.copies, 1, program.ending)):
        for item in code:
            done = _executed(item, program, target)
            add(item.op, replace(done * work, **{name: getattr(done, name) * times for name in _TOGETHER}))
    for item in program.instructions:
        add(item.op, Counts(fetched_bits=8 * BYTES_PER_INSTRUCTION))
    for op, (steps, column_steps) in shifts_of(program, target).by_op.items():
        shifted = column_steps * target.rows
        add(op, Counts(shift_steps=steps, column_steps=column_steps, shifted_row_cells=shifted))
    return {name: _with_cycles(counts, target) for name, counts in found.items()}


def _with_cycles(counts: Counts, target: Target) -> Counts:
    searches, writes = counts.searches * target.search_cycles, counts.writes * target.write_cycles
    return replace(counts, search_cycles=searches, write_cycles=writes)


def _executed(item: CountInstruction, program: CountedProgram, target: Target) -> Counts:
    """An instruction that is executed once, but for its shifts."""
    bits = BYTES_PER_INSTRUCTION * 8
    inside = item.op in (CountOp.LOAD, CountOp.CLEAR, *COUNTS)
    told = sum(len(part.inputs) for part in program.parts) if inside else len(program.parts)
    counts = Counts(instructions=1, bit_loops=1, replayed_bits=bits, broadcast_bits=bits * told)
    if item.op in (CountOp.LOAD, CountOp.CLEAR):
        _add_written(counts, item, program, target)
    elif item.op in COUNTS:
        _add_counted(counts, item, program, target)
    elif item.op is CountOp.MATCH:
        rows = sum(active_rows(program, target)[array] for array in table_arrays(program, item.table))
        counts.searches = item.n
        counts.searched_row_cells = item.n * item.a.width * rows
        counts.counted_rows = counts.searched_rows = item.n * rows
        counts.accumulator_bits = 2 * item.n * target.accumulator_bits * len(program.parts)
    else:
        _add_vectors(counts, item, program, target)
    return counts


def active_rows(program: CountedProgram, target: Target) -> list[int]:
    """The rows of each array, of one copy, that are searched."""
    arrays = range(program.first_arrays[-1])
    return [program.active_rows(array, target.rows, target.counter_segments) for array in arrays]


def counting_arrays(program: CountedProgram) -> list[int]:
    """The numbers of the counting arrays of all parts, of one copy."""
    parts = zip(program.first_arrays, program.parts, strict=False)
    return [first + number for first, part in parts for number in range(len(part.inputs))]


def table_arrays(program: CountedProgram, table: int) -> list[int]:
    """The numbers of the table arrays of that number of all parts, of one copy."""
    parts = zip(program.first_arrays, program.parts, strict=False)
    return [first + len(part.inputs) + table for first, part in parts]


def _counting_rows(program: CountedProgram, target: Target) -> int:
    return sum(active_rows(program, target)[array] for array in counting_arrays(program))


def _add_written(counts: Counts, item: CountInstruction, program: CountedProgram, target: Target) -> None:
    rows, width = _counting_rows(program, target), item.a.width
    passes = bit_passes(item.op, False, False)
    counts.searches = counts.writes = len(passes) * width
    # Of a key with the latch's bit, only the cell is searched.
    counts.searched_row_cells = len(passes) * width * rows
    counts.searched_rows = counts.driven_rows = len(passes) * width * rows
    if item.op is CountOp.LOAD:
        spans = [end - begin for part in program.parts for begin, end in part.inputs]
        counts.moved_row_bits = width * sum(spans)
        counts.move_cycles = width * -(-max(spans, default=0) // target.buffer_bits_per_cycle)


def _add_counted(counts: Counts, item: CountInstruction, program: CountedProgram, target: Target) -> None:
    arrays, rows = len(counting_arrays(program)), _counting_rows(program, target)
    passes = bit_passes(item.op, False, False)
    counts.searches = item.n * item.a.width * len(passes)
    counts.searched_row_cells = counts.searches * len(passes[0].key) * rows
    counts.counted_rows = counts.searched_rows = counts.searches * rows
    meeting = sum(len(part.inputs) - 1 for part in program.parts)
    counts.moved_row_bits = item.n * meeting * partial_width(item, program)
    touched = 2 if item.op is CountOp.COUNT_ADD else 1
    into_accumulators = meeting + (touched - 1) * len(program.parts)
    counts.added_bits = (counts.searches * arrays + item.n * into_accumulators) * target.accumulator_bits
    counts.accumulator_bits = touched * item.n * len(program.parts) * target.accumulator_bits


def partial_width(item: CountInstruction, program: CountedProgram) -> int:
    """Bits of what the counter of one array gives for one output, from the weights that count in its rows."""
    return (program.most_weights * ((1 << item.a.width) - 1)).bit_length() + 1


def _add_vectors(counts: Counts, item: CountInstruction, program: CountedProgram, target: Target) -> None:
    vectors = [lanes(item, part) for part in program.parts]
    counts.moved_row_bits = item.a.width * sum(vectors)
    counts.sent_row_bits = counts.moved_row_bits * (item.op is CountOp.STORE)
    counts.move_cycles = -(-item.a.width * max(vectors) // target.buffer_bits_per_cycle)
    adds = item.op in TAKES and item.op is not CountOp.TAKE
    counts.accumulator_bits = (2 if adds else 1) * sum(vectors) * target.accumulator_bits
    counts.added_bits = adds * sum(vectors) * target.accumulator_bits
    counts.count_cycles = item.n if item.op in TAKES else 0


@lru_cache(1 << 10)
def shifts_of(program: CountedProgram, target: Target) -> Shifts:
    """The shifts of one sample, which begins and ends with domain 0 under all ports."""
    whole = _shifts_of_copy(program, target, program.rounds)
    last = _shifts_of_copy(program, target, program.rows - (program.copies - 1) * program.rounds)
    # Copies shift at the same time.
    by_op = {
        op: (steps, columns * (program.copies - 1) + last.by_op[op][1]) for op, (steps, columns) in whole.by_op.items()
    }
    return Shifts(by_op, whole.first)


def _shifts_of_copy(program: CountedProgram, target: Target, rounds: int) -> Shifts:
    """The same of one copy that goes through the loop so often."""
    counting, tables = np.zeros(target.columns, dtype=np.int64), np.zeros((program.tables, target.columns), np.int64)
    first = np.zeros(target.columns, dtype=np.int64)
    steps, column_steps = Counter[CountOp](), Counter[CountOp]()
    arrays = sum(len(part.inputs) for part in program.parts)

    def gone_through(code: tuple[CountInstruction, ...], times: int) -> None:
        for item in code:
            ports = tables[item.table] if item.op is CountOp.MATCH else counting
            wanted = ports.copy()
            for cell in (cell for cells in cells_of(item) for cell in cells):
                wanted[cell.column] = cell.domain
            copies = len(program.parts) if item.op is CountOp.MATCH else arrays
            distance = np.abs(wanted - ports)
            steps[item.op] += times * int(distance.max())
            column_steps[item.op] += times * copies * int(distance.sum())
            if item.op is not CountOp.MATCH:
                first[:] += times * distance
            ports[:] = wanted

    gone_through(program.body, 1)
    # From the second time on, ports are at the beginning where they are at the end.
    gone_through(program.body, rounds - 1)
    gone_through(program.ending, 1)
    steps[CountOp.CLEAR] += int(max(counting.max(), tables.max(initial=0)))
    column_steps[CountOp.CLEAR] += int(counting.sum()) * arrays + int(tables.sum()) * len(program.parts)
    first += counting
    return Shifts({op: (steps[op], column_steps[op]) for op in steps}, first)
