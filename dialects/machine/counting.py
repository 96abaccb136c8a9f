"""The counting instructions: searches whose tags are counted, for machines that have counters (docs/counting.md).

A counted program runs on arrays whose rows are the *inputs* of a layer. Weights lie in ternary cells, one column for
each output; activations are written into a few columns, bit k in the k-th of them, and everything is done for one row
of the result at a time, in a loop that the controller repeats. All arrays of a program get the same instructions. What
the counters of the arrays of a *part* give is added up in the part's accumulators, q0, q1, ... .

`COUNTING` is the table that encoding, assembler, simulators, cost model and documentation read. Passes are written as
in the table of the other instructions (dialects/machine/isa.py), with N for the counter: `A1B1>N1` searches A = 1 and
B = 1 and adds the number of tags to it, shifted by the bit's number; `>N0` subtracts.

An instruction is 16 bytes, two little-endian 64-bit words, from the least significant bit on:

    word 0   opcode 5 | A: width 6, signed 1, shift 6, column 11, domain 8 | B: column 11, domain 8
    word 1   first accumulator 12 | accumulators 12 | table array 8 | immediate 32 (signed)

Opcodes differ from those of the other instructions. A stride stands in the place of B's column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from dialects.machine.code import WORDS, numbered
from dialects.machine.isa import MAX_WIDTH, NO_CELL, ZERO, Cell, Operand, Pass, lut
from dialects.machine.target import Geometry
from dialects.support.errors import ProgramError

_LAYOUT = (
    (("op", 5), ("aw", 6), ("as", 1), ("ah", 6), ("ac", 11), ("ad", 8), ("bc", 11), ("bd", 8)),
    (("q", 12), ("n", 12), ("table", 8), ("imm", 32)),
)


class CountOp(IntEnum):
    """Opcodes of the counting instructions; the value is the binary code."""

    REPEAT = 16
    END = 17
    LOAD = 18
    COUNT = 19
    COUNT_ADD = 20
    MATCH = 21
    TAKE = 22
    TAKE_ADD = 23
    TAKE_SUB = 24
    TAKE_MAX = 25
    STORE = 26
    CLEAR = 27


class CountInstruction(NamedTuple):
    """One counting instruction; fields that an opcode doesn't use stay at their defaults.

    `a` is an operand whose bit k lies in the k-th column from its first one on; of vectors it has width, sign, shift.
    """

    op: CountOp
    q: int = 0
    """the first accumulator"""
    n: int = 0
    """accumulators"""
    a: Operand = ZERO
    b: Cell = NO_CELL
    table: int = 0
    imm: int = 0

    @property
    def stride(self) -> int:
        """From one accumulator's vector, or columns of the table, to those of the next one."""
        return self.b.column


@dataclass(frozen=True)
class CountOpcode:
    """One row of the table of counting instructions."""

    op: CountOp
    mnemonic: str
    operands: str
    """Roles in the order of the text: Q accumulators, B the first cell of weights, A and D values across columns, T a
    table, V vectors of the buffer, I immediate."""
    bit: tuple[Pass, ...]
    """passes of each bit of A or D, for every accumulator"""
    sign: tuple[Pass, ...] | None
    """passes of the last bit of a signed A where they differ"""
    meaning: str


def _row(op: CountOp, operands: str, bit: str, meaning: str, sign: str = "") -> CountOpcode:
    return CountOpcode(op, op.name.lower().replace("_", "."), operands, lut(bit), lut(sign) if sign else None, meaning)


_UP_AND_DOWN, _SIGN = "A1B1>N1 A1B0>N0", "A1B1>N0 A1B0>N1"

COUNTING: Mapping[CountOp, CountOpcode] = {
    row.op: row
    for row in (
        _row(CountOp.REPEAT, "I", "", "do what follows, to `}`, I times: for each row of a sample"),
        _row(CountOp.END, "", "", "the end of `repeat`, written `}`"),
        _row(
            CountOp.LOAD,
            "D",
            "D0T1>D1 D1T0>D0",
            "D = the inputs of this row, each in the array's row that it belongs to; cells that hold them already are "
            "not written",
        ),
        _row(
            CountOp.COUNT,
            "QBA",
            _UP_AND_DOWN,
            "Q = sum of A in the rows where B is 1, less that where it is 0",
            _SIGN,
        ),
        _row(CountOp.COUNT_ADD, "QBA", _UP_AND_DOWN, "the same, added to Q", _SIGN),
        _row(CountOp.MATCH, "QTI", "", "Q = I + the number of rows of the table that match the bits of Q, one search"),
        _row(CountOp.TAKE, "QV", "", "Q = vectors of the input"),
        _row(CountOp.TAKE_ADD, "QV", "", "Q = Q + vectors of the input"),
        _row(CountOp.TAKE_SUB, "QV", "", "Q = Q - vectors of the input"),
        _row(CountOp.TAKE_MAX, "QV", "", "Q = the greater one of Q and vectors of the input"),
        _row(CountOp.STORE, "QV", "", "vectors of the output = Q"),
        _row(CountOp.CLEAR, "D", "D1>D0", "D = 0, and all ports go back to domain 0"),
    )
}
COUNT_MNEMONICS: Mapping[str, CountOpcode] = {row.mnemonic: row for row in COUNTING.values()}
TAKES = (CountOp.TAKE, CountOp.TAKE_ADD, CountOp.TAKE_SUB, CountOp.TAKE_MAX)
COUNTS = (CountOp.COUNT, CountOp.COUNT_ADD)


def bit_passes(op: CountOp, last: bool, signed: bool) -> tuple[Pass, ...]:
    """The passes of a bit of the instruction's operand."""
    row = COUNTING[op]
    return row.sign if row.sign is not None and last and signed else row.bit


def encode_counting(code: Sequence[CountInstruction]) -> bytes:
    """The binary form; raises ProgramError where a number doesn't fit its field."""
    words = np.zeros((len(code), 2), dtype=np.uint64)
    for number, item in enumerate(code):
        a = item.a
        first = (item.op, a.width, a.signed, a.shift, a.column, a.domain, *item.b)
        values = (first, (item.q, item.n, item.table, item.imm % (1 << 32)))
        if not -(1 << 31) <= item.imm < 1 << 31:
            raise ProgramError(f"instruction {number} can't be encoded: {item}")
        for word, (layout, given) in enumerate(zip(_LAYOUT, values, strict=True)):
            at = bits = 0
            for (_, size), value in zip(layout, given, strict=True):
                if not 0 <= value < 1 << size:
                    raise ProgramError(f"instruction {number} can't be encoded: {item}")
                bits |= int(value) << at
                at += size
            words[number, word] = bits
    return WORDS.pack(words)


def decode_counting(binary: bytes) -> tuple[CountInstruction, ...]:
    """The instructions of a binary program; raises ProgramError for bytes that are none."""
    if not WORDS.is_whole(binary):
        raise ProgramError(f"a binary program is a multiple of {WORDS.row_bytes} bytes, found {len(binary)}")
    found: list[CountInstruction] = []
    for number, words in enumerate(WORDS.unpack(binary).tolist()):
        fields: dict[str, int] = {}
        for bits, layout in zip(words, _LAYOUT, strict=True):
            rest = int(bits)
            for name, size in layout:
                fields[name], rest = rest & ((1 << size) - 1), rest >> size
            if rest:
                raise ProgramError(f"instruction {number} has bits that mean nothing")
        if fields["op"] not in set(CountOp):
            raise ProgramError(f"instruction {number} has no valid opcode word: opcode {fields['op']}")
        immediate = fields["imm"] - (1 << 32) if fields["imm"] >> 31 else fields["imm"]
        a = Operand(fields["ac"], fields["ad"], fields["aw"], bool(fields["as"]), fields["ah"])
        b = Cell(fields["bc"], fields["bd"])
        item = CountInstruction(CountOp(fields["op"]), fields["q"], fields["n"], a, b, fields["table"], immediate)
        found.append(item)
    return tuple(found)


def across(item: CountInstruction) -> list[Cell]:
    """The cells of a value across columns, by its bits."""
    return [Cell(item.a.column + bit, item.a.domain) for bit in range(item.a.width)]


def cells_of(item: CountInstruction) -> tuple[list[Cell], list[Cell]]:
    """The cells that an instruction needs under their ports: in counting arrays, and in a table array."""
    if item.op in (CountOp.LOAD, CountOp.CLEAR):
        return across(item), []
    if item.op in COUNTS:
        return [*across(item), *(Cell(item.b.column + number, item.b.domain) for number in range(item.n))], []
    if item.op is CountOp.MATCH:
        last = item.stride * (item.n - 1) + item.a.width if item.stride else item.a.width
        return [], [Cell(item.a.column + number, item.a.domain) for number in range(last)]
    return [], []


def is_counting(binary: bytes) -> bool:
    """Whether a binary program begins with a counting instruction."""
    return len(binary) > 0 and binary[0] & (1 << _LAYOUT[0][0][1]) - 1 in set(CountOp)


def check_loop(ops: Sequence[CountOp]) -> None:
    """Raises ProgramError where opcodes aren't a loop, with what clears at the end of a sample behind it."""
    if ops[:1] != [CountOp.REPEAT] or ops.count(CountOp.REPEAT) != 1 or ops.count(CountOp.END) != 1:
        raise ProgramError("a counted program is one `repeat { }`, and what follows at the end of a sample")
    end = ops.index(CountOp.END)
    if wrong := [op for op in ops[end + 1 :] if op is not CountOp.CLEAR]:
        raise ProgramError(f"only `clear` can follow the loop, found {COUNTING[wrong[0]].mnemonic}")
    if CountOp.CLEAR in ops[:end]:
        raise ProgramError("`clear` follows the loop")


def check_counting(
    code: Sequence[CountInstruction],
    geometry: Geometry,
    accumulators: int,
    place_of: Callable[[int], str] = numbered,
) -> None:
    """Raises ProgramError, naming the instruction as `place_of` does, where it needs what such arrays don't have."""
    for number, item in enumerate(code):
        try:
            _check(item, geometry, accumulators)
        except ProgramError as error:
            raise ProgramError(error.message, place=place_of(number)) from error


def _check(item: CountInstruction, geometry: Geometry, accumulators: int) -> None:
    name = COUNTING[item.op].mnemonic
    if item.op is CountOp.REPEAT and item.imm < 1:
        raise ProgramError(f"a loop is repeated at least once, found {item.imm}")
    if item.op in (CountOp.REPEAT, CountOp.END):
        return
    if not 1 <= item.a.width <= MAX_WIDTH:
        raise ProgramError(f"{name}: a width is 1 to {MAX_WIDTH} bits, found {item.a.width}")
    counting, table = cells_of(item)
    for cell in (*counting, *table):
        if cell.column >= geometry.columns or cell.domain >= geometry.domains:
            raise ProgramError(f"{name}: c{cell.column}.{cell.domain} lies outside {geometry}")
    if len({cell.column for cell in counting}) < len(counting):
        raise ProgramError(f"{name}: two bits that are needed together meet in a column")
    if item.op in (CountOp.LOAD, CountOp.CLEAR):
        return
    if item.n < 1 or item.q + item.n > accumulators:
        raise ProgramError(f"{name}: there is no q{item.q}:{item.n}, the machine has {accumulators} accumulators")
    if item.op in TAKES and item.stride < 1:
        raise ProgramError(f"{name}: a stride is at least 1")
    if item.op is CountOp.STORE and item.imm < 0:
        raise ProgramError(f"{name}: a vector's number can't be negative, found {item.imm}")
