"""A counted program: code, ternary memory, and which inputs the rows of its arrays are.

Parts of a program have arrays of their own and get the same instructions. A part computes a range of the outputs; each
of its counting arrays has a range of the inputs in its rows, in order, and the counts of all of them are added up. Its
table arrays follow its counting arrays. Arrays are numbered through all parts, as the lines of the memory name them.
Copies of all of that work on rows of a sample at the same time, each on as many that follow one another: the loop is
gone through once for a row of each copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dialects.machine.cells import ONE, ZERO, Cells
from dialects.machine.code import numbered
from dialects.machine.counting import (
    COUNTING,
    COUNTS,
    TAKES,
    CountInstruction,
    CountOp,
    across,
    cells_of,
    check_counting,
    check_loop,
    decode_counting,
)
from dialects.machine.isa import Cell
from dialects.machine.program import Program, Segment
from dialects.machine.target import MAX_ACCUMULATORS, Geometry
from dialects.support.errors import ProgramError

Span = tuple[int, int]
"""first, and one behind the last"""


@dataclass(frozen=True)
class CountedPart:
    """The outputs of a part, and the inputs that are the rows of each of its counting arrays."""

    outputs: Span
    inputs: tuple[Span, ...]

    @property
    def size(self) -> int:
        """Outputs."""
        return self.outputs[1] - self.outputs[0]


@dataclass(frozen=True)
class CountedProgram:
    """The counted program of one layer, which gives one tensor."""

    layer: str
    code: bytes
    memory: Cells
    parts: tuple[CountedPart, ...]
    tables: int
    """table arrays of each part"""
    inputs: tuple[int, ...]
    """features of each input"""
    outputs: tuple[int, ...]
    """features of its output"""
    rows: int
    """rows of one sample"""
    copies: int = 1
    """copies of all arrays with the same cells, which work on rows of the sample at the same time"""

    @property
    def title(self) -> str:
        """What it is called where parts of a layer are told apart; a counted layer has no parts of its own."""
        return self.layer

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The program as the only segment that it is."""
        return (Segment(self.layer, self.code),)

    @property
    def codes(self) -> tuple[bytes, ...]:
        return (self.code,)

    @cached_property
    def instructions(self) -> tuple[CountInstruction, ...]:
        return decode_counting(self.code)

    @property
    def body(self) -> tuple[CountInstruction, ...]:
        """What is repeated for each row of a sample."""
        return self.instructions[1 : self._end]

    @property
    def ending(self) -> tuple[CountInstruction, ...]:
        """What follows at the end of each sample."""
        return self.instructions[self._end + 1 :]

    @cached_property
    def _end(self) -> int:
        return next(number for number, item in enumerate(self.instructions) if item.op is CountOp.END)

    @cached_property
    def first_arrays(self) -> tuple[int, ...]:
        """The number of the first array of each part."""
        found = [0]
        for part in self.parts:
            found.append(found[-1] + len(part.inputs) + self.tables)
        return tuple(found)

    @property
    def arrays(self) -> int:
        """All arrays of all copies; a part without any has the accumulators at the edge of one all the same."""
        return max(self.first_arrays[-1], len(self.parts)) * self.copies

    @property
    def rounds(self) -> int:
        """How often the loop is gone through for a sample."""
        return -(-self.rows // self.copies)

    @cached_property
    def used_rows(self) -> tuple[int, ...]:
        """The rows of each array, of one copy, that inputs or tables belong to."""
        found = [0] * self.first_arrays[-1]
        table: list[list[int]] = self.memory.table.tolist()
        for array, _, _, count in table:
            found[array] = max(found[array], count)
        for first, part in zip(self.first_arrays, self.parts, strict=False):
            for number, (begin, end) in enumerate(part.inputs):
                found[first + number] = end - begin
        return tuple(found)

    @cached_property
    def most_weights(self) -> int:
        """Most cells of a column of a counting array that are 1 or 0, and no don't-care."""
        lines = (cells for array, _, _, cells in self.memory.lines if not self.is_table(array))
        return max((int(((cells == ZERO) | (cells == ONE)).sum()) for cells in lines), default=0)

    def active_rows(self, array: int, rows: int, segments: int) -> int:
        """The rows of an array that are searched, where it has so many, in so many segments."""
        size = -(-rows // segments)
        return min(rows, -(-self.used_rows[array] // size) * size)

    @property
    def stored_bits(self) -> int:
        """Bits of the output, for all rows of one sample."""
        widths = [item.a.width * item.n for item in self.body if item.op is CountOp.STORE]
        lanes = sum(item.n for item in self.body if item.op is CountOp.STORE)
        return sum(widths) * sum(self.outputs) // max(1, lanes) * self.rows

    @property
    def furthest_domain(self) -> int:
        """The furthest domain that is brought under a port."""
        needed = (cell for item in self.instructions for cells in cells_of(item) for cell in cells)
        return max((cell.domain for cell in needed), default=0)

    @property
    def data_bytes(self) -> int:
        """Bytes of what the ternary cells hold."""
        return len(self.memory.packed)

    def check(self, geometry: Geometry, accumulators: int = MAX_ACCUMULATORS) -> None:
        """Raises ProgramError where the program breaks a rule of the machine."""
        self._check_parts(geometry)
        self._check_loop()
        self._check_memory(geometry)
        check_counting(self.instructions, geometry, accumulators)
        for number, item in enumerate(self.instructions):
            try:
                _check(item, self)
            except ProgramError as error:
                raise ProgramError(error.message, place=numbered(number)) from error
        self._check_accumulators()

    def _check_parts(self, geometry: Geometry) -> None:
        read, at = sum(self.inputs), 0
        if not self.parts:
            raise ProgramError("a counted program has at least one part")
        for part in self.parts:
            if part.outputs[0] != at or part.size < 1:
                raise ProgramError(f"parts have the outputs in order; one begins at {part.outputs[0]}, expected {at}")
            at = part.outputs[1]
            for begin, end in part.inputs:
                if not 0 <= begin < end <= read or end - begin > geometry.rows:
                    raise ProgramError(
                        f"inputs {begin}:{end} can't be the rows of an array: there are {read} inputs and "
                        f"{geometry.rows} rows"
                    )
        if at != sum(self.outputs):
            raise ProgramError(f"the parts have {at} outputs, the program {sum(self.outputs)}")

    def _check_loop(self) -> None:
        check_loop([item.op for item in self.instructions])
        if not 1 <= self.copies <= self.rows or self.instructions[0].imm != self.rounds:
            raise ProgramError(
                f"{self.copies} copies share the {self.rows} rows of a sample, the loop is repeated "
                f"{self.instructions[0].imm} times"
            )
        if (self.copies - 1) * self.rounds >= self.rows:
            raise ProgramError(f"of {self.copies} copies some have none of the {self.rows} rows of a sample")
        loaded = [cell for item in self.body if item.op is CountOp.LOAD for cell in across(item)]
        cleared = [cell for item in self.ending for cell in across(item)]
        if sorted(loaded) != sorted(cleared) or len(set(loaded)) < len(loaded):
            raise ProgramError("a cell is loaded once in the loop, and cleared once at the end of a sample")
        known: set[Cell] = set()
        for item in self.body:
            if item.op is CountOp.LOAD:
                known.update(across(item))
            elif item.op in COUNTS and (missing := set(across(item)) - known):
                raise ProgramError(f"c{min(missing).column}.{min(missing).domain} is counted before it is loaded")

    def _check_memory(self, geometry: Geometry) -> None:
        try:
            table = [line[:3] for line in self.memory.lines]
        except ValueError as error:
            raise ProgramError(str(error)) from error
        written = {(c, d) for item in self.body if item.op is CountOp.LOAD for c, d in across(item)}
        for (array, column, domain), count in zip(table, self.memory.table[:, 3].tolist(), strict=True):
            place = f"a{array}.c{column}.{domain}"
            inside = column < geometry.columns and domain < geometry.domains and count <= geometry.rows
            if not inside or array >= self.first_arrays[-1]:
                raise ProgramError(f"{place} lies outside {self.first_arrays[-1]} arrays of {geometry}")
            if (column, domain) in written and not self.is_table(array):
                raise ProgramError(f"{place} holds weights, and activations are written there")

    def is_table(self, array: int) -> bool:
        """Whether the array of that number holds tables."""
        part = max(index for index, first in enumerate(self.first_arrays[:-1]) if first <= array)
        return array - self.first_arrays[part] >= len(self.parts[part].inputs)

    def _check_accumulators(self) -> None:
        """An accumulator is set before it is used, and each output is stored once."""
        known: set[int] = set()
        stored: list[int] = []
        for item in self.body:
            if item.op in (CountOp.REPEAT, CountOp.END, CountOp.LOAD):
                continue
            used = range(item.q, item.q + item.n)
            if item.op in (CountOp.COUNT, CountOp.TAKE):
                known.update(used)
            elif missing := set(used) - known:
                raise ProgramError(f"accumulator q{min(missing)} is used before it is set")
            if item.op is CountOp.STORE:
                stored += range(item.imm, item.imm + item.n)
        expected = max(part.size for part in self.parts)
        if sorted(stored) != list(range(expected)):
            raise ProgramError(f"each of a part's {expected} outputs is stored once, in a row of its own")


AnyProgram = Program | CountedProgram
"""What runs on arrays."""


def _check(item: CountInstruction, program: CountedProgram) -> None:
    """What an instruction needs of its program: tables, and inputs."""
    name = COUNTING[item.op].mnemonic
    if item.op is CountOp.MATCH and not item.table < program.tables:
        raise ProgramError(f"{name}: there is no table array t{item.table}")
    if item.op in TAKES:
        reach = [item.imm + item.stride * (part.outputs[0] + lanes(item, part) - 1) for part in program.parts]
        if item.imm < 0 or max(reach) >= sum(program.inputs):
            raise ProgramError(f"{name}: vector {max(reach)} of the input, there are {sum(program.inputs)}")


def lanes(item: CountInstruction, part: CountedPart) -> int:
    """Accumulators of an instruction on vectors that belong to outputs of the part; the last part may have fewer."""
    first = item.imm if item.op is CountOp.STORE else item.q
    return max(0, min(item.n, part.size - first))
