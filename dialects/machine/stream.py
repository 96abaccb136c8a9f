"""The instruction stream: what a controller fetches, in which additions one after another take 16 bits each.

Accumulators that stand still take hundreds of additions that differ in little more than the accumulator. So an
instruction is *short* where it follows another addition or subtraction in place across columns, ends a bit loop as that
does, and has the same fields but for the opcode, the column of D and that of A, which lies 0 to 3 values of A's width
further on. A long instruction has its two words (dialects/machine/code.py), in whose top six bits the stream says how
many short ones follow it:

    short    D column 11 | subtract 1 | values of A that are skipped 2 | 0 2
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dialects.machine.code import BYTES_PER_INSTRUCTION, WORDS, Fields, opcode_flags
from dialects.machine.isa import Instruction, Op
from dialects.support.errors import ProgramError

MOST_SHORTS = 63
"""short instructions that follow a long one"""
SHORT_BITS = 16
_LONG_BITS = 8 * BYTES_PER_INSTRUCTION
_COUNT_AT = 58
"""the first of the top bits of word 0 that say how many short instructions follow"""
_ADDS = (Op.ADD_IP, Op.SUB_IP)
_IS_ADD = opcode_flags(_ADDS)


def stream_bits(instructions: int, shorts: int) -> int:
    """Bits of a stream with so many instructions, of which so many are short."""
    return _LONG_BITS * (instructions - shorts) + SHORT_BITS * shorts


def is_short(before: Instruction, item: Instruction) -> bool:
    """Whether an instruction can be short behind another one."""
    if before.op not in _ADDS or item.op not in _ADDS or not (item.across and item.last and item.a.width):
        return False
    moved = before._replace(
        op=item.op,
        dst=before.dst._replace(column=item.dst.column),
        a=before.a._replace(column=item.a.column),
    )
    skipped, rest = divmod(item.a.column - before.a.column, item.a.width)
    return moved == item and rest == 0 and 0 <= skipped <= 3


def count_shorts(instructions: list[Instruction]) -> int:
    """How many instructions of a segment are short."""
    run = total = 0
    for before, item in pairwise(instructions):
        run = run + 1 if run < MOST_SHORTS and is_short(before, item) else 0
        total += run > 0
    return total


def _shorts(fields: Fields) -> NDArray[np.bool_]:
    """Which instructions of a segment are short."""
    table, width = fields.table, np.maximum(fields["a.w"], 1)
    free = [Fields.NAMES.index(name) for name in ("op", "dc", "a.c")]
    same = np.delete(table[1:] == table[:-1], free, axis=1).all(axis=1)
    adds = _IS_ADD[fields["op"]]
    skipped, rest = np.divmod(np.diff(fields["a.c"]), width[1:])
    fits = same & adds[1:] & adds[:-1] & (rest == 0) & (skipped >= 0) & (skipped <= 3)
    fits &= (fields["across"] & fields["last"])[1:].astype(bool) & (fields["a.w"][1:] > 0)
    follows = np.concatenate([[False], fits])[: len(table)]
    number = np.arange(len(table))
    start = np.maximum.accumulate(np.where(follows, 0, number))
    return follows & ((number - start) % (MOST_SHORTS + 1) > 0)


def pack_stream(binary: bytes) -> bytes:
    """The stream of a segment's binary code."""
    fields = Fields.unpack(binary)
    shorts, words = _shorts(fields), WORDS.unpack(binary)
    long = np.flatnonzero(~shorts)
    counts = np.diff(np.append(long, len(words))) - 1
    skipped = np.diff(fields["a.c"], prepend=0) // np.maximum(fields["a.w"], 1)
    short = (fields["dc"] | (fields["op"] == Op.SUB_IP) << 11 | skipped << 12).astype("<u2")
    parts: list[bytes] = []
    for at, count in zip(long.tolist(), counts.tolist(), strict=True):
        first = int(words[at, 0]) | count << _COUNT_AT
        parts += [first.to_bytes(8, "little"), words[at, 1:].tobytes(), short[at + 1 : at + 1 + count].tobytes()]
    return b"".join(parts)


def unpack_stream(stream: bytes) -> bytes:
    """The binary code of a stream; raises ProgramError where it ends too early."""
    words: list[NDArray[np.uint64]] = []
    at = 0
    while at < len(stream):
        head = np.frombuffer(stream[at : at + BYTES_PER_INSTRUCTION].ljust(BYTES_PER_INSTRUCTION), dtype="<u8").copy()
        count = int(head[0]) >> _COUNT_AT
        head[0] &= np.uint64((1 << _COUNT_AT) - 1)
        end = at + BYTES_PER_INSTRUCTION + 2 * count
        if end > len(stream):
            raise ProgramError(f"the stream ends within the instruction at byte {at}", hint="the file is truncated")
        short = np.frombuffer(stream[at + BYTES_PER_INSTRUCTION : end], dtype="<u2").astype(np.int64)
        fields = Fields.unpack(head.tobytes())
        run = Fields(np.repeat(fields.table, count + 1, axis=0))
        run["dc"][1:] = short & 2047
        run["op"][1:] = np.where(short >> 11 & 1, Op.SUB_IP, Op.ADD_IP)
        run["a.c"][1:] += np.cumsum(short >> 12 & 3) * run["a.w"][1:]
        words.append(WORDS.unpack(run.pack()))
        at = end
    return b"".join(part.tobytes() for part in words)
