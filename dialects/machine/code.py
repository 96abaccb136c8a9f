"""Straight-line AP code: a sequence of instructions, packed as the binary program that the controller fetches.

An instruction is 16 bytes, two little-endian 64-bit words:

    word 0   opcode 5 | last 1 | start 6 | width 6 | dst column 11, domain 8 | carry column 11, domain 8
             across 1 | lean 1
    word 1   A: column 11, domain 8, width 6, signed 1, shift 6 | B: the same 32 bits, or the immediate (signed)

from the least significant bit on. The unused top of word 0 is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dialects.machine.isa import OPCODES, Cell, Instruction, Op, Operand, passes_of
from dialects.machine.rules import check, check_members
from dialects.support.errors import CamcError, ProgramError
from dialects.support.records import RowFormat

WORDS = RowFormat(np.uint64, 2)
"""the two words of an instruction"""
BYTES_PER_INSTRUCTION = WORDS.row_bytes
IntArray = NDArray[np.int64]

_SOURCE = ((".c", 11), (".d", 8), (".w", 6), (".s", 1), (".h", 6))
_LAYOUT = (
    (
        *(("op", 5), ("last", 1), ("start", 6), ("width", 6), ("dc", 11), ("dd", 8), ("cc", 11), ("cd", 8)),
        *(("across", 1), ("lean", 1)),
    ),
    tuple((source + name, bits) for source in "ab" for name, bits in _SOURCE),
)
"""names and bits of the fields of each word, from the least significant bit on"""
_BITS = np.array([bits for word in _LAYOUT for _, bits in word])
_FIRST = np.concatenate([np.cumsum([0, *(bits for _, bits in word[:-1])]) for word in _LAYOUT]).astype(np.uint64)
"""the first bit of each field in its word"""
_MASKS = (np.uint64(1) << _BITS.astype(np.uint64)) - np.uint64(1)
_OF_WORD = (slice(0, len(_LAYOUT[0])), slice(len(_LAYOUT[0]), len(_BITS)))
"""the fields of each word among all of them"""
_BLOCK = 1 << 12
"""instructions whose fields are worked on together, so that they stay in the processor's cache"""
_UNUSED = 58
"""the first bit of word 0 that has no meaning"""
_OPCODES = 1 << 5


def opcode_flags(opcodes: Iterable[int]) -> NDArray[np.bool_]:
    """For each number of an opcode's field, whether it is one of these."""
    return np.isin(np.arange(_OPCODES), list(opcodes))


_VALID = opcode_flags(OPCODES)
_IMMEDIATE = opcode_flags(op for op, row in OPCODES.items() if "I" in row.operands)


class Fields:
    """The fields of many instructions, a row of numbers each.

    `pack` and `unpack` are inverse, and so are `of` and `instructions`. A field that an opcode shares with another one
    is zero: it has an immediate or a source B.
    """

    NAMES: ClassVar = (*(name for word in _LAYOUT for name, _ in word), "imm")
    _LIMITS: ClassVar = (1 << _BITS) - 1

    def __init__(self, table: IntArray):
        self.table = table
        """(instructions, fields)"""

    def __getitem__(self, name: str) -> IntArray:
        return self.table[:, self.NAMES.index(name)]

    def __setitem__(self, name: str, numbers: IntArray) -> None:
        self.table[:, self.NAMES.index(name)] = numbers

    @classmethod
    def of(cls, instructions: Sequence[Instruction]) -> Self:
        """Raises ProgramError for numbers beyond 64 bits."""
        rows = [
            (
                *(item.op, item.last, item.start, item.width, *item.dst, *item.carry, item.across, item.lean),
                *(*item.a, *item.b, item.imm),
            )
            for item in instructions
        ]
        try:
            return cls(np.array(rows, dtype=np.int64).reshape(-1, len(cls.NAMES)))
        except OverflowError as error:
            raise ProgramError("a number is far too large to be encoded") from error

    def instructions(self) -> tuple[Instruction, ...]:
        rows: list[list[int]] = self.table.tolist()
        return tuple(
            Instruction(
                Op(op),
                Cell(dc, dd),
                width,
                Operand(ac, ad, aw, bool(as_), ah),
                Operand(bc, bd, bw, bool(bs), bh),
                imm,
                Cell(cc, cd),
                start,
                bool(last),
                bool(across),
                bool(lean),
            )
            for op, last, start, width, dc, dd, cc, cd, across, lean, *sources, imm in rows
            for ac, ad, aw, as_, ah, bc, bd, bw, bs, bh in (sources,)
        )

    def unfit(self) -> NDArray[np.intp]:
        """The rows that hold a number that its field can't."""
        immediates, others = self["imm"], self.table[:, :-1]
        far = (immediates < -(1 << 31)) | (immediates >= 1 << 31)
        return np.flatnonzero(((others < 0) | (others > self._LIMITS)).any(axis=1) | far)

    def pack(self) -> bytes:
        """The binary form; every number must fit its field."""
        words = np.zeros((len(self.table), 2), dtype=np.uint64)
        for begin in range(0, len(words), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            numbers = self.table[block].T[:-1].astype(np.uint64) << _FIRST[:, None]
            for number, fields in enumerate(_OF_WORD):
                words[block, number] = np.bitwise_or.reduce(numbers[fields], axis=0)
        words[:, 1] |= np.where(_IMMEDIATE[self["op"]], self["imm"].astype(np.uint64) << np.uint64(32), np.uint64(0))
        return WORDS.pack(words)

    @classmethod
    def unpack(cls, binary: bytes) -> Self:
        """The fields of a binary program; raises ProgramError for bytes that are none."""
        if not WORDS.is_whole(binary):
            raise ProgramError(
                f"a binary program is a multiple of {WORDS.row_bytes} bytes, found {len(binary)}",
                hint="the file is truncated or no AP program",
            )
        words = WORDS.unpack(binary)
        fields = cls(np.empty((len(words), len(cls.NAMES)), dtype=np.int64, order="F"))
        op, top = words[:, 0] & np.uint64(31), words[:, 0] >> np.uint64(_UNUSED)
        if len(wrong := np.flatnonzero(~_VALID[op] | (top > 0))):
            number = int(wrong[0])
            raise ProgramError(
                f"instruction {number} has no valid opcode word: opcode {op[number]}, unused bits {int(top[number]):#x}"
            )
        immediate = _IMMEDIATE[op]
        second = np.where(immediate, words[:, 1] & np.uint64(0xFFFFFFFF), words[:, 1])
        for word, those in zip((words[:, 0], second), _OF_WORD, strict=True):
            for begin in range(0, len(words), _BLOCK):
                block = slice(begin, begin + _BLOCK)
                fields.table[block].T[those] = word[block] >> _FIRST[those, None] & _MASKS[those, None]
        fields["imm"] = np.where(immediate, (words[:, 1] >> np.uint64(32)).astype(np.uint32).view(np.int32), 0)
        return fields


def encode(instructions: Sequence[Instruction]) -> bytes:
    """The binary program; raises ProgramError where a number doesn't fit its field."""
    fields = Fields.of(instructions)
    if len(wrong := fields.unfit()):
        item = instructions[int(wrong[0])]
        message = f"{OPCODES[item.op].mnemonic} can't be encoded: a number of it doesn't fit its field"
        raise ProgramError(message, place=numbered(int(wrong[0])))
    return fields.pack()


def decode(binary: bytes) -> tuple[Instruction, ...]:
    """The instructions of a binary program; raises ProgramError for bytes that aren't a program."""
    return Fields.unpack(binary).instructions()


@dataclass(frozen=True, slots=True)
class Code:
    """A sequence of instructions; its text is a subclass's business (assembly at `ap`, placed values at `rtm`)."""

    binary: bytes

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        return decode(self.binary)

    def __len__(self) -> int:
        return len(self.binary) // BYTES_PER_INSTRUCTION


def bundles(instructions: Iterable[Instruction]) -> Iterator[list[Instruction]]:
    """The bit loops of a program; raises ProgramError if the last one is never ended."""
    members: list[Instruction] = []
    for item in instructions:
        members.append(item)
        if item.last:
            yield members
            members = []
    if members:
        raise ProgramError("the last bit loop of the program is never ended")


def numbered(number: int) -> str:
    """An instruction by its number."""
    return f"instruction {number}"


def check_code(
    instructions: Sequence[Instruction], columns: int, domains: int, place_of: Callable[[int], str] = numbered
) -> None:
    """Raise ProgramError, naming the instruction as `place_of` does, where the code can't run on such an array."""
    for number, item in enumerate(instructions):
        try:
            check(item, columns, domains)
        except CamcError as error:
            raise ProgramError(error.message, place=place_of(number)) from error
    first = 0
    for members in bundles(instructions):
        check_members(members, first)
        if len(members) > 1:
            _check_loop(members, first)
        first += len(members)


def _check_loop(members: Sequence[Instruction], first: int) -> None:
    """Members of a bit loop have carries and flags of their own and never need two domains of a column at once."""
    cells: dict[Cell, int] = {}
    for number, item in enumerate(members, start=first):
        if "c" in OPCODES[item.op].operands and item.op is not Op.COPY_IF:
            if item.carry in cells:
                raise ProgramError(
                    f"its carry c{item.carry.column}[{item.carry.domain}] is that of instruction "
                    f"{cells[item.carry]} of the same bit loop",
                    place=f"instruction {number}",
                )
            cells[item.carry] = number
    for step in range(max(item.start + item.width for item in members)):
        needed: dict[int, int] = {}
        for number, item in enumerate(members, start=first):
            bit = step - item.start
            if not 0 <= bit < item.width:
                continue
            for column, domain in passes_of(item, bit)[1].values():
                if needed.setdefault(column, domain) != domain:
                    raise ProgramError(
                        f"two bits that are needed together, domains {needed[column]} and {domain}, meet in column "
                        f"c{column}",
                        place=f"instruction {number}, step {step} of its bit loop",
                    )


def write_text(instructions: Iterable[Instruction], line_of: Callable[[Instruction], str]) -> str:
    """One line per instruction, bit loops of several in `loop { ... }`."""
    lines: list[str] = []
    for members in bundles(instructions):
        if len(members) == 1:
            lines.append(line_of(members[0]))
        else:
            lines += ["loop {", *("  " + line_of(member) for member in members), "}"]
    return "\n".join(lines)
