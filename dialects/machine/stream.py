"""The instruction stream: what a controller fetches, in which additions one after another take 16 or 32 bits each.

Accumulators that stand still take hundreds of additions that differ in little more than the accumulator. So an
instruction can be *short* that adds one or two numbers in place, across columns, in a bit loop of its own, behind
another one that adds and ends a bit loop. A run of them begins with a long one: its two words
(dialects/machine/code.py), in whose top six bits the stream says how many words of 16 bits follow it.

    one number     D column 11 | subtract 1 | values of A that are skipped 2 | 0 2
    two numbers    D column 11 | operation 2 | 0 1 | 1 1 | 0 1, then A 7 | B 7 | 0 2

All other fields are those of the long one, and B's are A's. A number that is added alone lies 0 to 3 values of A's
width behind the last one that was, or the long one's A; A and B of two lie -64 to 63 values from the long one's A.
Operations are 0 add.add, 1 sub.sub, 2 add.sub.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects import _placed_check
from dialects.machine.code import BYTES_PER_INSTRUCTION, WORDS, Fields, bundles
from dialects.machine.isa import Instruction, Op
from dialects.support.errors import ProgramError

MOST_WORDS = 63
"""words of short instructions that follow a long one"""
WORD_BITS = 16
_LONG_BITS = 8 * BYTES_PER_INSTRUCTION
_COUNT_AT = 58
"""the first of the top bits of word 0 that say how many words follow"""
_ONE, _TWO = (Op.ADD_IP, Op.SUB_IP), (Op.ADD_ADD, Op.SUB_SUB, Op.ADD_SUB)
_IS_TWO, _FAR = 1 << 14, 64
_B_FIELDS = [Fields.NAMES.index(f"b.{name}") for name in "cdwsh"]
_A_FIELDS = [Fields.NAMES.index(f"a.{name}") for name in "cdwsh"]


class Shorts(NamedTuple):
    """How many instructions of a segment are short, and how many words of 16 bits they take."""

    instructions: int
    words: int


def stream_bits(instructions: int, shorts: int, words: int) -> int:
    """Bits of a stream with so many instructions, of which so many are short and take so many words."""
    return _LONG_BITS * (instructions - shorts) + WORD_BITS * words


def count_shorts(instructions: Sequence[Instruction]) -> Shorts:
    """What of a segment is short; the reference for the native dialects/native/stream.hpp."""
    head, single, run, found = None, 0, 0, Shorts(0, 0)
    for members in bundles(instructions):
        item = members[-1]
        words = 2 if item.op in _TWO else 1
        if len(members) == 1 and head and run + words <= MOST_WORDS and _fits(head, single, item):
            run, found = run + words, Shorts(found.instructions + 1, found.words + words)
            single = item.a.column if words == 1 else single
        else:
            head, single, run = (item if item.op in (*_ONE, *_TWO) else None), item.a.column, 0
    return found


def _fits(head: Instruction, single: int, item: Instruction) -> bool:
    """Whether an instruction can be short in a run."""
    if item.op not in (*_ONE, *_TWO) or not item.across or not item.a.width:
        return False
    dst, a = head.dst._replace(column=item.dst.column), head.a._replace(column=item.a.column)
    if head._replace(op=item.op, dst=dst, a=a, b=item.b) != item:
        return False
    if item.op in _ONE:
        return item.a.column - single in range(0, 3 * item.a.width + 1, item.a.width)
    near = range(-_FAR * item.a.width, _FAR * item.a.width, item.a.width)
    return item.b == a._replace(column=item.b.column) and all(
        source.column - head.a.column in near for source in (item.a, item.b)
    )


def pack_stream(binary: bytes) -> bytes:
    """The stream of a segment's binary code."""
    fields, words = Fields.unpack(binary), WORDS.unpack(binary)
    sizes = _placed_check.short_words(words).astype(np.int64).ravel()
    number, two, long = np.arange(len(sizes)), sizes == 2, sizes == 0
    head = np.maximum.accumulate(np.where(long, number, 0))
    single = np.maximum.accumulate(np.where(two, 0, number))
    before = np.concatenate([[0], single])[:-1] if len(single) else single
    column, width = fields["a.c"], np.maximum(fields["a.w"], 1)
    first = fields["dc"] | np.where(
        two,
        np.searchsorted(_TWO, fields["op"]) << 11 | _IS_TWO,
        (fields["op"] == Op.SUB_IP) << 11 | (column - column[np.maximum(before, head)]) // width << 12,
    )
    near = ((fields[name] - column[head]) // width % (2 * _FAR) for name in ("a.c", "b.c"))
    second = sum(part << 7 * at for at, part in enumerate(near))
    short = np.stack([first, second], axis=1)[np.stack([~long, two], axis=1)].astype("<u2")
    starts = np.cumsum(sizes) - sizes
    parts: list[bytes] = []
    ends = np.append(starts[long][1:], len(short))
    for at, begin, end in zip(np.flatnonzero(long).tolist(), starts[long].tolist(), ends.tolist(), strict=True):
        word = int(words[at, 0]) | end - begin << _COUNT_AT
        parts += [word.to_bytes(8, "little"), words[at, 1:].tobytes(), short[begin:end].tobytes()]
    return b"".join(parts)


def unpack_stream(stream: bytes) -> bytes:
    """The binary code of a stream; raises ProgramError where it ends too early."""
    parts: list[bytes] = []
    at = 0
    while at < len(stream):
        head = np.frombuffer(stream[at : at + BYTES_PER_INSTRUCTION].ljust(BYTES_PER_INSTRUCTION), dtype="<u8").copy()
        count = int(head[0]) >> _COUNT_AT
        head[0] &= np.uint64((1 << _COUNT_AT) - 1)
        end = at + BYTES_PER_INSTRUCTION + 2 * count
        if end > len(stream):
            raise ProgramError(f"the stream ends within the instruction at byte {at}", hint="the file is truncated")
        words = np.frombuffer(stream[at + BYTES_PER_INSTRUCTION : end], dtype="<u2").astype(np.int64)
        parts.append(_run(head.tobytes(), words, at) if count else head.tobytes())
        at = end
    return b"".join(parts)


def _run(head: bytes, words: NDArray[np.int64], at: int) -> bytes:
    """The binary code of a long instruction and the words that follow it; raises ProgramError where one is missing."""
    second = np.concatenate([[False], words[:-1] & _IS_TWO > 0])
    first, two = words[~second], words[~second] & _IS_TWO > 0
    if np.count_nonzero(second) != np.count_nonzero(two) or (words[second] & _IS_TWO).any():
        raise ProgramError(f"a short instruction behind the one at byte {at} has no second word")
    run = Fields(np.repeat(Fields.unpack(head).table, len(first) + 1, axis=0))
    base, width = int(run["a.c"][0]), int(run["a.w"][0])
    run["dc"][1:] = first & 2047
    kind = first >> 11 & 3
    if (two & (kind == len(_TWO))).any():
        raise ProgramError(f"a short instruction behind the one at byte {at} has no operation")
    run["op"][1:] = np.where(two, np.array([*_TWO, 0])[kind], np.where(kind & 1, Op.SUB_IP, Op.ADD_IP))
    skipped = np.where(two, 0, first >> 12 & 3)
    near = np.zeros((len(first), 2), dtype=np.int64)
    near[two] = (np.stack([words[second], words[second] >> 7], axis=1) + _FAR) % (2 * _FAR) - _FAR
    run["a.c"][1:] = base + width * np.where(two, near[:, 0], np.cumsum(skipped))
    table = run.table
    table[1:, _B_FIELDS] = np.where(two[:, None], table[1:, _A_FIELDS], 0)
    run["b.c"][1:] = np.where(two, base + width * near[:, 1], 0)
    return run.pack()
