"""The golden simulator: AP code as searches, tagged writes and shifts on the bits of modelled arrays.

Every instruction is executed as the look-up-table passes of the instruction table, nothing is computed in another
way. The state is one bit plane for each column and domain: the bits of all rows of all arrays that share the
instruction stream, as one integer whose bit n is that of row n. Only the domain under a column's port can be searched
or written; ports are tracked, and every shift is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.machine.code import bundles, decode
from dialects.machine.isa import Cell, Instruction, Op, Pass, passes_of
from dialects.machine.program import Program
from dialects.machine.rules import check, check_members
from dialects.machine.stream import count_shorts, stream_bits
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.tensors import IntArray
from dialects.support.window import Ints, Rows, Windows
from runtime.cost.counts import Counts, operation_of


class Due(NamedTuple):
    """The pass that is done next."""

    loop: int
    """the number of the first instruction of its bit loop"""
    address: int
    """the number of its instruction in the segment"""
    item: Instruction
    bit: int
    each: Pass
    cells: dict[str, Cell]
    """of each role that takes part; they are under their columns' ports"""


class Simulator:
    """Arrays of a target that run one program on `samples` rows; state and ports persist from segment to segment."""

    def __init__(self, target: Target, samples: int):
        if samples < 1:
            raise ProgramError(f"a program needs at least one sample, found {samples}")
        self.target = target
        self.samples = samples
        self.arrays = -(-samples // target.rows)
        self.rows = self.arrays * target.rows
        self.planes = [[0] * target.domains for _ in range(target.columns)]
        self.ports = [0] * target.columns
        self._enabled = (1 << samples) - 1
        self._tags = self._enabled
        self._written = Counter[str]()

    @property
    def bits(self) -> NDArray[np.uint8]:
        """The memory (columns, domains, samples), a copy; assigning to it writes it."""
        size = -(-self.samples // 8)
        data = b"".join(plane.to_bytes(size, "little") for column in self.planes for plane in column)
        packed = np.frombuffer(data, dtype=np.uint8).reshape(self.target.columns, self.target.domains, size)
        return np.unpackbits(packed, axis=-1, count=self.samples, bitorder="little")

    @bits.setter
    def bits(self, bits: NDArray[np.uint8]) -> None:
        packed = np.packbits(bits, axis=-1, bitorder="little")
        self.planes = [[int.from_bytes(plane.tobytes(), "little") for plane in column] for column in packed]

    def run(self, layer: str, instructions: Sequence[Instruction], inputs: IntArray, outputs: IntArray) -> Counts:
        """Execute one segment: reads rows of `inputs` (vectors, samples), writes rows of `outputs`; returns its counts.

        Raises ProgramError where the code breaks a rule of the machine.
        """
        counts = Counts()
        for _ in self.passes(layer, instructions, inputs, outputs, counts):
            pass
        return counts

    def passes(
        self,
        layer: str,
        instructions: Sequence[Instruction],
        inputs: IntArray,
        outputs: IntArray,
        counts: Counts,
    ) -> Iterator[Due]:
        """The same, pass by pass: gives each before it is done. The counts are complete behind the last one."""
        self._written.clear()
        stream = stream_bits(len(instructions), *count_shorts(instructions))
        first = 0
        for members in bundles(instructions):
            check_members(members)
            for item in members:
                check(item, self.target.columns, self.target.domains)
                if (item.op is Op.IN and item.imm >= len(inputs)) or (item.op is Op.OUT and item.imm >= len(outputs)):
                    raise ProgramError(f"{layer}: there is no vector {item.imm}")
            yield from self._bit_loop(members, first, inputs, outputs, counts)
            first += len(members)
            counts.instructions += len(members)
            counts.bit_loops += 1
        counts.written_row_cells = self._written.total()
        for name, written in self._written.items():
            setattr(counts, f"written_by_{name}", written)
        counts.fetched_bits, counts.broadcast_bits = stream, stream * self.arrays
        counts.search_cycles = counts.searches * self.target.search_cycles
        counts.write_cycles = counts.writes * self.target.write_cycles
        counts.shifted_row_cells = counts.column_steps * self.rows

    def _bit_loop(
        self, members: Sequence[Instruction], first: int, inputs: IntArray, outputs: IntArray, counts: Counts
    ) -> Iterator[Due]:
        for step in range(max(item.start + item.width for item in members)):
            work: list[tuple[int, Instruction, int, tuple[Pass, ...], dict[str, Cell]]] = []
            for address, item in enumerate(members, start=first):
                bit = step - item.start
                if 0 <= bit < item.width:
                    work.append((address, item, bit, *passes_of(item, bit)))
            self._align([cell for *_, cells in work for cell in cells.values()], counts)
            for address, item, bit, passes, cells in work:
                for each in passes:
                    yield Due(first, address, item, bit, each, cells)
                    self._pass(item, bit, each, cells, inputs, outputs, counts)

    @property
    def tags(self) -> NDArray[np.uint8]:
        """Which rows the last search has tagged, a bit for each."""
        return _unpacked(self._tags, self.samples)

    def bit(self, cell: Cell) -> NDArray[np.uint8]:
        """The bit of a cell in every row."""
        return _unpacked(self.planes[cell.column][cell.domain], self.samples)

    def _align(self, cells: Sequence[Cell], counts: Counts) -> None:
        """Shift every column until the domain that this step needs is under its port."""
        needed: dict[int, int] = {}
        for column, domain in cells:
            if needed.setdefault(column, domain) != domain:
                raise ProgramError(
                    f"two bits that are needed together, domains {needed[column]} and {domain}, meet in column "
                    f"c{column}"
                )
        longest = 0
        for column, domain in needed.items():
            distance = abs(self.ports[column] - domain)
            if distance:
                self.ports[column] = domain
                counts.column_steps += distance
                longest = max(longest, distance)
        counts.shift_steps += longest

    def _pass(
        self,
        item: Instruction,
        bit: int,
        each: Pass,
        cells: dict[str, Cell],
        inputs: IntArray,
        outputs: IntArray,
        counts: Counts,
    ) -> None:
        key, write = each
        self._tags = self._enabled
        if key:
            if key[0][0] == "T":
                self._receive(inputs[item.imm], bit, counts)
            else:
                self._search(key, cells, counts)
        if write[0][0] == "T":
            self._send(item, bit, outputs, counts)
        else:
            written = self._write(write, cells, counts)
            self._written[operation_of(item.op)] += written
            if not key:
                counts.keyless_row_cells += written

    def _search(self, key: Sequence[tuple[str, int]], cells: dict[str, Cell], counts: Counts) -> None:
        for role, value in key:
            column, domain = cells[role]
            plane = self.planes[column][domain]
            self._tags &= plane if value else ~plane
        counts.searches += 1
        counts.searched_row_cells += len(key) * self.rows

    def _write(self, pattern: Sequence[tuple[str, int]], cells: dict[str, Cell], counts: Counts) -> int:
        """Write the tagged rows; returns how many cells were written."""
        toggled = 0
        for role, value in pattern:
            column, domain = cells[role]
            plane = self.planes[column][domain]
            changing = self._tags & (~plane if value else plane)
            toggled += changing.bit_count()
            self.planes[column][domain] = plane ^ changing
        counts.writes += 1
        counts.toggled_row_cells = (counts.toggled_row_cells or 0) + toggled
        return self._tags.bit_count() * len(pattern)

    def _receive(self, vector: IntArray, bit: int, counts: Counts) -> None:
        """The tags of the next write come from the buffer."""
        self._tags = _packed(vector >> bit & 1)
        self._count_move(counts)

    def _send(self, item: Instruction, bit: int, outputs: IntArray, counts: Counts) -> None:
        """The tags of the last search go to the buffer."""
        bits = self.tags.astype(np.int64)
        if bit == 0:
            outputs[item.imm] = 0
        negative = item.a.signed and bit == item.width - 1
        outputs[item.imm] += -(bits << bit) if negative else bits << bit
        counts.sent_row_bits += self.samples
        self._count_move(counts)

    def _count_move(self, counts: Counts) -> None:
        counts.moved_row_bits += self.samples
        # An array's port takes the bits of its rows in turn; arrays have ports of their own.
        counts.move_cycles += -(-min(self.samples, self.target.rows) // self.target.buffer_bits_per_cycle)


def _packed(rows: NDArray[np.integer[Any]]) -> int:
    """The plane of one bit for each row."""
    return int.from_bytes(np.packbits(rows.astype(np.bool_), bitorder="little").tobytes(), "little")


def _unpacked(plane: int, rows: int) -> NDArray[np.uint8]:
    """The bit of each row (rows,)."""
    data = np.frombuffer(plane.to_bytes(-(-rows // 8), "little"), dtype=np.uint8)
    return np.unpackbits(data, count=rows, bitorder="little")


def run(target: Target, programs: Sequence[tuple[Program, Sequence[Rows]]]) -> list[tuple[Ints, list[Counts]]]:
    """Run programs, each on rows of its inputs: of each the outputs (rows, features) and each segment's counts."""
    return [_run(target, program, inputs) for program, inputs in programs]


def _run(target: Target, program: Program, inputs: Sequence[Rows]) -> tuple[Ints, list[Counts]]:
    features = np.concatenate([part.array() if isinstance(part, Windows) else part for part in inputs], axis=1)
    vectors: IntArray = features.T.astype(np.int64)
    by_vector = np.zeros((sum(program.outputs), len(features)), dtype=np.int64)
    simulator = Simulator(target, len(features))
    counts = [simulator.run(layer, decode(code), vectors, by_vector) for layer, code in program.segments]
    return by_vector.T, counts
