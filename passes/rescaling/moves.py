"""What a rescaling is made of, before it has instructions: moves over column vectors, and the AP cycles that they take.

Values are counted from 0, the input; each move makes the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from dialects.machine.isa import Op, variant_passes
from dialects.support.ranges import Range


class Do(Enum):
    """What a move does with earlier values `a` and `b`; a shift below zero is one to the right, rounding down."""

    CONST = "the constant `imm`"
    SUM = "(a << a_shift) + or - (b << b_shift)"
    SHIFTED = "a << a_shift, cut to the range"
    CLAMPED = "a << a_shift, clamped to the range"


class Move(NamedTuple):
    """One move, and the exact range of its result; value -1 is zero."""

    do: Do
    range: Range
    a: int = -1
    a_shift: int = 0
    b: int = -1
    b_shift: int = 0
    subtract: bool = False
    imm: int = 0


class Plan(NamedTuple):
    """Moves, the last of which makes the result, and the AP cycles that they take."""

    moves: tuple[Move, ...]
    cycles: int


class _Source(NamedTuple):
    """A source of an instruction: its bits, where the first one comes, and whether its sign goes on above them."""

    width: int
    shift: int
    signed: bool

    @staticmethod
    def of(span: Range, shift: int = 0) -> _Source:
        return _Source(max(1, span.width + min(0, shift)), max(0, shift), span.signed)

    def ends(self) -> tuple[int, ...]:
        return (self.shift,) if self.signed else (self.shift, self.shift + self.width)

    def is_zero(self, bit: int) -> bool:
        return bit < self.shift or (not self.signed and bit >= self.shift + self.width)


_NONE = _Source(0, 0, False)


@lru_cache(maxsize=1 << 10)
def _bit_cycles(op: Op, first: bool, a_zero: bool, b_zero: bool) -> int:
    known = {"I": 0, **({"A": 0} if a_zero else {}), **({"B": 0} if b_zero else {})}
    return sum(1 + bool(item.key) for item in variant_passes(op, first, False, False, known))


@lru_cache(maxsize=1 << 14)
def _instruction(op: Op, width: int, a: _Source = _NONE, b: _Source = _NONE) -> int:
    """Searches and writes of an instruction of so many bits, whatever its immediate is."""
    bounds = sorted({0, min(1, width), width, *(end for end in (*a.ends(), *b.ends()) if 0 < end < width)})
    return sum(
        (end - begin) * _bit_cycles(op, begin == 0, a.is_zero(begin), b.is_zero(begin))
        for begin, end in pairwise(bounds)
    )


def plan_with(moves: Sequence[Move], source: Range) -> Plan:
    """The moves with their cycles, where a sum is computed in place as soon as its first term is used up."""
    ranges = [source, *(move.range for move in moves)]
    last = {value: number for number, move in enumerate(moves) for value in (move.a, move.b)}
    cycles = 0
    for number, move in enumerate(moves):
        cycles += sum(_cycles(move, ranges, move.a >= 0 and move.a != move.b and last[move.a] == number))
    return Plan(tuple(moves), cycles)


def _cycles(move: Move, ranges: list[Range], dying: bool) -> Iterator[int]:
    width = move.range.width
    a = _Source.of(ranges[move.a], move.a_shift) if move.a >= 0 else _NONE
    b = _Source.of(ranges[move.b], move.b_shift) if move.b >= 0 else _NONE
    match move.do:
        case Do.CONST:
            yield _instruction(Op.SET, width)
        case Do.SHIFTED:
            yield _instruction(Op.COPY, width, a)
        case Do.CLAMPED:
            yield from _clamp_cycles(move, ranges[move.a], a)
        case Do.SUM if dying and not move.a_shift and b.width:
            grown = width - ranges[move.a].width
            if grown > 0:
                yield _instruction(Op.EXT if a.signed else Op.SET, grown + a.signed)
            skipped = max(0, move.b_shift)
            yield _instruction(Op.ADD_IP, max(1, width - skipped), _Source(b.width, 0, b.signed))
        case Do.SUM if move.a == move.b or not b.width:
            yield _instruction(Op.COPY, width, a)
            yield _instruction(Op.ADD_IP, max(0, width - b.shift), _Source(b.width, 0, b.signed)) if b.width else 0
        case Do.SUM:
            yield _instruction(Op.SUB if move.subtract else Op.ADD, width, a, b)


def _clamp_cycles(move: Move, source: Range, a: _Source) -> Iterator[int]:
    width, result = move.range.width, move.range

    def compared(bound: int) -> int:
        zeros = max(_zeros(bound), _zeros(bound + 1))
        return _instruction(Op.CMP_GE, max(1, a.width - zeros), _Source(max(1, a.width - zeros), 0, a.signed))

    if source.lo >> -move.a_shift < result.lo:
        yield _instruction(Op.SET, width)
        yield compared(result.lo)
        yield _instruction(Op.COPY_IF, width, a)
    else:
        yield _instruction(Op.COPY, width, a)
    if source.hi >> -move.a_shift > result.hi:
        yield compared(result.hi)
        yield _instruction(Op.SET_IF, width, _Source(1, 0, True))


def _zeros(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 64
