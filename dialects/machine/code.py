"""Straight-line AP code: a sequence of instructions, packed as the binary program that the controller fetches.

An instruction is 16 bytes, two little-endian 64-bit words:

    word 0   opcode 5 | last 1 | start 6 | width 6 | dst column 11, domain 8 | carry column 11, domain 8
    word 1   A: column 11, domain 8, width 6, signed 1, shift 6 | B: the same 32 bits, or the immediate (signed)

from the least significant bit on. The unused top of word 0 is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dialects.machine.isa import OPCODES, Cell, Instruction, Op, Operand, check, passes_of
from dialects.support.errors import CamcError, ProgramError
from dialects.support.records import RowFormat

WORDS = RowFormat(np.uint64, 2)
"""the two words of an instruction"""
BYTES_PER_INSTRUCTION = WORDS.row_bytes
_WORD0 = (("op", 5), ("last", 1), ("start", 6), ("width", 6), ("dc", 11), ("dd", 8), ("cc", 11), ("cd", 8))
_SOURCE = ((".c", 11), (".d", 8), (".w", 6), (".s", 1), (".h", 6))
_WORD1 = tuple(("a" + name, bits) for name, bits in _SOURCE) + tuple(("b" + name, bits) for name, bits in _SOURCE)
_LAYOUT = tuple(
    (word, sum(bits for _, bits in fields[:index]), bits)
    for word, fields in enumerate((_WORD0, _WORD1))
    for index, (_, bits) in enumerate(fields)
)
_IMMEDIATE = frozenset(op for op, row in OPCODES.items() if "I" in row.operands)


def _values(item: Instruction) -> tuple[int, ...]:
    """The fields in the order of the layout, and the immediate."""
    return (item.op, item.last, item.start, item.width, *item.dst, *item.carry, *item.a, *item.b, item.imm)


def encode(instructions: Sequence[Instruction]) -> bytes:
    """The binary program; raises ProgramError where a field doesn't fit its bits."""
    if not instructions:
        return b""
    try:
        table: NDArray[np.int64] = np.array([_values(item) for item in instructions], dtype=np.int64)
    except OverflowError as error:
        raise ProgramError("a number is far too large to be encoded") from error
    wrong = unfit(table)
    if len(wrong):
        number = int(wrong[0])
        item = instructions[number]
        raise ProgramError(f"instruction {number} ({OPCODES[item.op].mnemonic}) can't be encoded: {item}")
    return pack(table)


def unfit(table: NDArray[np.int64]) -> NDArray[np.intp]:
    """The rows that hold a number that its field can't."""
    limits = np.array([(1 << bits) - 1 for _, _, bits in _LAYOUT])
    immediates = table[:, -1]
    far = (immediates < -(1 << 31)) | (immediates >= 1 << 31)
    return np.flatnonzero(((table[:, :-1] < 0) | (table[:, :-1] > limits)).any(axis=1) | far)


def pack(table: NDArray[np.int64]) -> bytes:
    """The binary of instructions given as rows of their fields in the order of the layout, then the immediate."""
    words = np.zeros((len(table), 2), dtype="<u8")
    for column, (word, at, _) in enumerate(_LAYOUT):
        words[:, word] |= table[:, column].astype(np.uint64) << np.uint64(at)
    immediate = np.isin(table[:, 0], [int(op) for op in _IMMEDIATE])
    low, high = words[:, 1] & np.uint64(0xFFFFFFFF), table[:, -1].astype(np.uint64) << np.uint64(32)
    words[:, 1] = np.where(immediate, low | high, words[:, 1])
    return words.tobytes()


def fields(binary: bytes) -> dict[str, NDArray[np.int64]]:
    """The fields of all instructions, in the order of the layout, then `imm` and the unused bits `top`.

    Raises ProgramError for bytes that are no whole number of instructions.
    """
    if len(binary) % BYTES_PER_INSTRUCTION:
        raise ProgramError(
            f"a binary program is a multiple of {BYTES_PER_INSTRUCTION} bytes, found {len(binary)}",
            hint="the file is truncated or no AP program",
        )
    words = WORDS.unpack(binary)
    names = [name for name, _ in (*_WORD0, *_WORD1)]
    table = {
        name: (words[:, word] >> np.uint64(at) & np.uint64((1 << bits) - 1)).astype(np.int64)
        for name, (word, at, bits) in zip(names, _LAYOUT, strict=True)
    }
    table["imm"] = (words[:, 1] >> np.uint64(32)).astype(np.uint32).view(np.int32).astype(np.int64)
    table["top"] = (words[:, 0] >> np.uint64(56)).astype(np.int64)
    return table


def decode(binary: bytes) -> tuple[Instruction, ...]:
    """The instructions of a binary program; raises ProgramError for bytes that are no program."""
    items: list[Instruction] = []
    rows = zip(*(column.tolist() for column in fields(binary).values()), strict=True)
    for number, row in enumerate(rows):
        op, last, start, width, dc, dd, cc, cd, ac, ad, aw, as_, ah, bc, bd, bw, bs, bh, imm, top = row
        if op not in OPCODES or top:
            raise ProgramError(f"instruction {number} has no valid opcode word: opcode {op}, unused bits {top:#x}")
        a = Operand(ac, ad, aw, bool(as_), ah)
        immediate = op in _IMMEDIATE
        b = Operand() if immediate else Operand(bc, bd, bw, bool(bs), bh)
        items.append(
            Instruction(Op(op), Cell(dc, dd), width, a, b, imm if immediate else 0, Cell(cc, cd), start, bool(last))
        )
    return tuple(items)


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
    """One line an instruction, bit loops of several in `loop { ... }`."""
    lines: list[str] = []
    for members in bundles(instructions):
        if len(members) == 1:
            lines.append(line_of(members[0]))
        else:
            lines += ["loop {", *("  " + line_of(member) for member in members), "}"]
    return "\n".join(lines)
