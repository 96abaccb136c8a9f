"""What the array did, as exact counts: the factors that a technology file's numbers are multiplied with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

from dialects.machine.census import Census, predict_shifts
from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.isa import Op
from dialects.machine.program import Program
from dialects.machine.stream import stream_bits
from dialects.machine.target import Target
from dialects.support.tensors import IntArray


class StaticCounts(NamedTuple):
    """What a segment's code takes whatever its rows and its data are; fields as in `Census`."""

    instructions: int
    bit_loops: int
    search_passes: int
    write_passes: int
    searched_cells: int
    unkeyed_cells: int
    shift_steps: int
    column_steps: int
    moved_bits: int
    sent_bits: int
    short_instructions: int
    short_words: int

    @property
    def stream_bits(self) -> int:
        """Of the instruction stream."""
        return stream_bits(self.instructions, self.short_instructions, self.short_words)


OPERATIONS: Mapping[str, tuple[Op, ...]] = {
    "additions": (Op.ADD, Op.SUB, Op.ADD_IP, Op.SUB_IP, Op.ADD_ADD, Op.SUB_SUB, Op.ADD_SUB),
    "copies": (Op.COPY, Op.EXT),
    "thresholds": (Op.CMP_GE, Op.SET_IF, Op.SET_GT, Op.SET_LT),
    "clears": (Op.SET,),
    "maxima": (Op.CMP_GEV, Op.COPY_IF),
    "loads": (Op.IN,),
    "stores": (Op.OUT,),
}
"""what instructions are for; those that aren't listed here are `others`"""
OTHERS = "others"


_OPERATION_OF: dict[int, str] = {opcode: name for name, opcodes in OPERATIONS.items() for opcode in opcodes}


def operation_of(opcode: int) -> str:
    """What an opcode is for."""
    return _OPERATION_OF.get(opcode, OTHERS)


class Traced(NamedTuple):
    """The counts that depend on the data; sends write no cell."""

    written_row_cells: int
    toggled_row_cells: int
    written_by_additions: int = 0
    written_by_copies: int = 0
    written_by_thresholds: int = 0
    written_by_clears: int = 0
    written_by_maxima: int = 0
    written_by_loads: int = 0
    written_by_others: int = 0

    @classmethod
    def of(cls, opcodes: Sequence[tuple[int, int]]) -> Traced:
        """From the written and toggled cells of each opcode."""
        by_operation: Counter[str] = Counter()
        for opcode, (written, _) in enumerate(opcodes):
            by_operation[f"written_by_{operation_of(opcode)}"] += written
        written, toggled = map(sum, zip(*opcodes, strict=True))
        return cls(written, toggled, *(by_operation[name] for name in cls._fields[2:]))

    @classmethod
    def sum(cls, parts: Sequence[Traced | None]) -> Traced | None:
        """The sum over rows; None where a part is not known."""
        known = [part for part in parts if part]
        return cls(*map(sum, zip(*known, strict=True))) if known and len(known) == len(parts) else None


@dataclass
class Counts:
    """Counts of one segment, or of a whole run. "Row-" counts are summed over all rows of all arrays in use."""

    instructions: int = 0
    bit_loops: int = 0
    """bundles of instructions that sweep their columns together"""
    searches: int = 0
    writes: int = 0
    search_cycles: int = 0
    write_cycles: int = 0
    searched_row_cells: int = 0
    """keyed cells of each search, over all rows"""
    written_row_cells: int | None = 0
    """written cells of each write, over the rows that were tagged; None if it was not traced"""
    toggled_row_cells: int | None = 0
    """written cells that changed; None if it was not traced"""
    keyless_row_cells: int = 0
    """those of the written cells whose pass has no key: it writes in all rows that hold data"""
    written_by_additions: int | None = 0
    """the written cells by what the instructions are for; all of these are None if they were not traced"""
    written_by_copies: int | None = 0
    written_by_thresholds: int | None = 0
    written_by_clears: int | None = 0
    written_by_maxima: int | None = 0
    written_by_loads: int | None = 0
    written_by_others: int | None = 0
    shift_steps: int = 0
    """steps in time: columns that shift together count once"""
    column_steps: int = 0
    """steps of each column"""
    shifted_row_cells: int = 0
    """column steps times rows"""
    moved_row_bits: int = 0
    """bits moved between the global buffer and the arrays"""
    sent_row_bits: int = 0
    """those of them from the arrays to the buffer"""
    move_cycles: int = 0
    fetched_bits: int = 0
    """bits of the instruction stream, fetched once"""
    broadcast_bits: int = 0
    """bits of the instruction stream, delivered to every array"""
    replayed_bits: int = 0
    """bits of instructions that a controller reads again from its buffer, each time that a loop is gone through"""
    searched_rows: int = 0
    """rows of the arrays that have a part in a search, over all searches; 0: all arrays in use have a part in all"""
    driven_rows: int = 0
    """the same for writes"""
    counted_rows: int = 0
    """rows under counters, of all searches whose tags are counted"""
    added_bits: int = 0
    """bits of the additions beside arrays: of counts, partial sums and vectors"""
    accumulator_bits: int = 0
    """bits of accumulators that are read or written"""
    count_cycles: int = 0
    """cycles of accumulators that take vectors"""

    def __add__(self, other: Counts) -> Counts:
        pairs = ((getattr(self, item.name), getattr(other, item.name)) for item in fields(self))
        sums: list[Any] = [None if None in pair else sum(pair) for pair in pairs]
        return Counts(*sums)

    @property
    def traced(self) -> Traced | None:
        """The counts that depend on the data, if they are known."""
        cells = [getattr(self, name) for name in Traced._fields]
        return None if None in cells else Traced(*cells)

    def with_traced(self, traced: Traced | None) -> Counts:
        """The same with other counts that depend on the data, or without them."""
        cells: dict[str, Any] = traced._asdict() if traced else dict.fromkeys(Traced._fields)
        return replace(self, **cells)

    def __mul__(self, times: int) -> Counts:
        values = (getattr(self, item.name) for item in fields(self))
        products: list[Any] = [None if value is None else value * times for value in values]
        return Counts(*products)

    @property
    def cycles(self) -> int:
        """Cycles besides shifting."""
        return self.search_cycles + self.write_cycles + self.move_cycles + self.count_cycles


def counts_on(static: StaticCounts, rows: int, target: Target) -> Counts:
    """A segment's counts on so many rows of a target; those that depend on the data are None."""
    arrays = arrays_for(rows, target)
    bits = static.stream_bits
    return Counts(
        instructions=static.instructions,
        bit_loops=static.bit_loops,
        searches=static.search_passes,
        writes=static.write_passes,
        search_cycles=static.search_passes * target.search_cycles,
        write_cycles=static.write_passes * target.write_cycles,
        searched_row_cells=static.searched_cells * arrays * target.rows,
        keyless_row_cells=static.unkeyed_cells * rows,
        shift_steps=static.shift_steps,
        column_steps=static.column_steps,
        shifted_row_cells=static.column_steps * arrays * target.rows,
        moved_row_bits=static.moved_bits * rows,
        sent_row_bits=static.sent_bits * rows,
        move_cycles=static.moved_bits * -(-min(rows, target.rows) // target.buffer_bits_per_cycle),
        fetched_bits=bits,
        broadcast_bits=bits * arrays,
    ).with_traced(None)


def arrays_for(rows: int, target: Target) -> int:
    """The arrays that hold so many rows."""
    return -(-rows // target.rows)


@lru_cache(1 << 9)
def census_of(program: Program, columns: int, domains: int) -> Census:
    """What the program's code takes, of segments, opcodes and columns; shared, so not to be changed."""
    return predict_shifts(program.codes, columns, domains)


@lru_cache(1 << 12)
def static_counts(program: Program, columns: int, domains: int) -> tuple[StaticCounts, ...]:
    """The counts of each segment of a program that follow from its code alone."""
    census = census_of(program, columns, domains)
    by_segment = zip(*(getattr(census, name).tolist() for name in StaticCounts._fields), strict=True)
    return tuple(StaticCounts(*numbers) for numbers in by_segment)


@lru_cache(1 << 12)
def operation_counts(program: Program, columns: int, domains: int) -> tuple[Mapping[str, StaticCounts], ...]:
    """The same for each operation that a segment has; their sums are the segment's counts."""
    census, found = census_of(program, columns, domains), list[Mapping[str, StaticCounts]]()
    for opcodes in census.opcodes:
        sums: dict[str, IntArray] = {}
        for opcode in opcodes.any(axis=1).nonzero()[0].tolist():
            name = operation_of(opcode)
            sums[name] = sums.get(name, 0) + opcodes[opcode]
        found.append({name: StaticCounts(*numbers.tolist()) for name, numbers in sums.items()})
    return tuple(found)


def total(parts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    return sum(parts, Counts())


def program_bits(program: AnyProgram, target: Target) -> int:
    """Bits of a program's code in the memory of instructions."""
    if isinstance(program, CountedProgram):
        return 8 * len(program.code)
    return sum(counts.stream_bits for counts in static_counts(program, target.columns, target.domains))
