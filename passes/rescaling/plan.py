"""A rescaling as moves over column vectors: the cheapest of several ways, each of which equals the line everywhere.

    clamp the input to where results are still apart       (if that narrows it enough; else clamp the result at the end)
    multiply it, digit by digit from the lowest one on, each in place on top of the sum so far
    add the addend, or begin the sum with it; take a little away again where ties lower a result
    read the sum from bit `shift` on

Two things keep sums narrow. Low bits that nothing is added to any more are left behind, as rounding down in two parts
is rounding down. And digits can be cut: what a digit adds below some bit is left out, where an addend makes up for it
at every step of the results (truncation.py proves it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import product

from dialects.support.ranges import Range
from dialects.support.rescales import Line
from passes.rescaling.moves import Do, Move, Plan, plan_with
from passes.rescaling.products import Digit, Digits, forms_of
from passes.rescaling.steps import inputs_apart, roundest
from passes.rescaling.truncation import Cut, cut_of

MOST_BITS = 62
"""Bits of a sum, whatever a column holds."""
_CHUNK = 30
"""Bits of an addend that one constant brings."""
_FORMS = 2
"""Ways to write the multiplier that are tried: further ones save a third of a percent and take twice the time."""
_IMMEDIATE = Range.of_width(32, True)


class _Impassable(Exception):
    """This way doesn't do: a sum doesn't fit into a column, or the input can't be clamped."""


def is_possible(line: Line, source: Range, most_bits: int = MOST_BITS) -> bool:
    """Whether there are moves at all, without looking for the cheapest ones."""
    return line(source.lo) == line(source.hi) or next(_ways(line, source, min(most_bits, MOST_BITS)), None) is not None


@lru_cache(maxsize=1 << 14)
def plan_of(line: Line, source: Range, most_bits: int = MOST_BITS) -> Plan | None:
    """The cheapest moves that rescale integers of the range; None where a sum would have more than `most_bits` bits."""
    level = line(source.lo)
    if level == line(source.hi):
        return plan_with([Move(Do.CONST, Range(level, level), imm=level)], source)
    found = [plan_with(moves, source) for moves in _ways(line, source, min(most_bits, MOST_BITS))]
    return min(found, key=lambda plan: plan.cycles, default=None)


def _ways(line: Line, source: Range, most_bits: int) -> Iterator[list[Move]]:
    falls = line.multiplier < 0
    rising = line._replace(multiplier=-line.multiplier)
    for narrow, turned in product((True, False), (False, True) if falls else (False,)):
        start = _Start(source, most_bits)
        try:
            value = start.narrowed(line) if narrow else 0
            value = start.negated(value) if turned else value
        except _Impassable:
            continue
        this, span = rising if turned else line, start.ranges[value]
        for form in forms_of(abs(line.multiplier))[: _FORMS if narrow else 1]:
            cut = cut_of(this, span, form)
            for early in (True, False):
                with suppress(_Impassable):
                    yield _Moves(start, value, this, form, cut, narrow, early).moves


class _Start:
    """Steps so far, with the ranges of the values that they make."""

    def __init__(self, source: Range, most_bits: int):
        self.moves: list[Move] = []
        self.ranges = [source]
        self.most_bits = most_bits

    def add(self, move: Move) -> int:
        if move.range.width > self.most_bits:
            raise _Impassable
        self.moves.append(move)
        self.ranges.append(move.range)
        return len(self.moves)

    def narrowed(self, line: Line) -> int:
        """The input clamped to a range beyond which the results are all the lowest or the highest one."""
        source = self.ranges[0]
        apart = inputs_apart(line, source)
        if apart is None:
            raise _Impassable
        low, high = apart
        first = source.lo if low.lo == source.lo else roundest(low)
        last = source.hi if high.hi == source.hi else roundest(high)
        if last.bit_length() > high.lo.bit_length():
            last = roundest(Range(high.lo, max(high.lo, (1 << high.lo.bit_length()) - 1)))
        span = Range(min(first, last), max(first, last))
        if span == source:
            return 0
        if not _IMMEDIATE.covers(span):
            raise _Impassable
        return self.add(Move(Do.CLAMPED, span, 0))

    def negated(self, value: int) -> int:
        """A value times -1, so that a falling line rises: low bits of a sum that is subtracted can't be left behind."""
        return self.add(Move(Do.SUM, -self.ranges[value], b=value, subtract=True))


class _Moves:
    """Collects the moves of one way to do it, after those of a start; `early`: the sum begins with the addend."""

    def __init__(self, start: _Start, value: int, line: Line, form: Digits, cut: Cut, narrow: bool, early: bool):
        self.moves = list(start.moves)
        self._ranges = list(start.ranges)
        self._most_bits = start.most_bits
        self._line, self._form, self._cut = line, form, cut
        total, dropped = (self._sum_on_addend(value), 0) if early else self._finished(*self._product(value))
        total = self._without_ties(total, dropped) if line.tie >= 0 else total
        by = line.shift - cut.bits - dropped
        result, span = Range(line.low, line.high), self._ranges[total]
        fits = narrow or result.covers(Range(span.lo >> by, span.hi >> by))
        self._add(Move(Do.SHIFTED if fits else Do.CLAMPED, result, total, -by))

    def _add(self, move: Move) -> int:
        if move.range.width > self._most_bits:
            raise _Impassable
        self.moves.append(move)
        self._ranges.append(move.range)
        return len(self.moves)

    def _sum_on_addend(self, value: int) -> int:
        """The addend plus the product, digit by digit."""
        addend, falls = self._cut.addend, self._line.multiplier < 0
        if not _IMMEDIATE.covers(Range(addend, addend)):
            raise _Impassable
        total, of = self._add(Move(Do.CONST, Range(addend, addend), imm=addend)), self._factors(value)
        for number, digit in enumerate(self._form.digits, start=1):
            product = self._span(value, list(self._form.digits[:number]))
            span = Range(addend, addend) + (-product if falls else product)
            by = digit.shift - self._cut.bits
            total = self._add(Move(Do.SUM, span, total, 0, of(digit), by, (digit.sign < 0) != falls))
        return total

    def _factors(self, value: int) -> Callable[[Digit], int]:
        """Makes the pattern's multiple of the input, and tells what each digit is a digit of."""
        form = self._form
        patterned = self._pattern(value, form.pattern) if form.pattern else value
        return lambda digit: patterned if digit.patterned else value

    def _product(self, value: int) -> tuple[int, int]:
        """The input times the size of the multiplier, without the low bits that were left behind, and their number."""
        form, cut, of = self._form, self._cut.bits, self._factors(value)
        terms = list(form.digits)
        # A sum begins with a digit that is not subtracted.
        terms.insert(0, terms.pop(next(index for index, digit in enumerate(terms) if digit.sign > 0)))
        total, shift, dropped = of(terms[0]), terms[0].shift - cut, 0
        for number, digit in enumerate(terms[1:], start=2):
            span = self._span(value, terms[:number])
            least = min(other.shift for other in terms[number - 1 :]) - cut
            if span.width - dropped > self._most_bits and not shift and least > dropped:
                total, dropped = self._left_behind(total, least, dropped)
            span = Range(span.lo >> dropped, span.hi >> dropped)
            by = digit.shift - cut - dropped
            total = self._add(Move(Do.SUM, span, total, shift, of(digit), by, digit.sign < 0))
            shift = 0
        if shift:
            total = self._add(Move(Do.SUM, _shifted(self._ranges[total], shift), total, shift))
        return total, dropped

    def _span(self, value: int, digits: list[Digit]) -> Range:
        """The range of the digits' sum, above the cut: each of those that are cut is less than one too small."""
        cut, source = self._cut.bits, self._ranges[value]
        factor = sum(digit.sign * digit.size(self._form) << digit.shift for digit in digits)
        exact = _times(source, factor)
        less = sum(digit.shift < cut and digit.sign > 0 for digit in digits)
        more = sum(digit.shift < cut and digit.sign < 0 for digit in digits)
        return Range((exact.lo >> cut) - less, -(-exact.hi >> cut) + more)

    def _pattern(self, value: int, pattern: int) -> int:
        """2^i + 1 or 2^i - 1 times the input."""
        less = pattern & (pattern + 1) == 0
        shift = pattern.bit_length() - (not less)
        return self._add(Move(Do.SUM, _times(self._ranges[value], pattern), value, shift, value, 0, less))

    def _left_behind(self, total: int, least: int, dropped: int) -> tuple[int, int]:
        """The sum from the lowest bit on that anything is still added to, and the number of that bit."""
        line, addend = self._line, self._cut.addend
        wanted = [least, *([line.tie - self._cut.bits] if line.tie >= 0 else [])]
        if addend:
            wanted.append((addend & -addend).bit_length() - 1)
        by = min(wanted) - dropped
        if by <= 0 or line.multiplier < 0:
            raise _Impassable
        return self._add(Move(Do.SHIFTED, _shifted(self._ranges[total], -by), total, -by)), min(wanted)

    def _finished(self, total: int, dropped: int) -> tuple[int, int]:
        """The product, negated if the line falls, with the addend."""
        falls = self._line.multiplier < 0
        for part, shift in _chunks(self._cut.addend):
            constant = self._add(Move(Do.CONST, Range(part, part), imm=part))
            moved, span = Range(part, part) << shift - dropped, self._ranges[total]
            if falls:
                total = self._add(Move(Do.SUM, moved - span, constant, shift - dropped, total, 0, True))
            else:
                total = self._add(Move(Do.SUM, span + moved, total, 0, constant, shift - dropped))
            falls = False
        if falls:
            total = self._add(Move(Do.SUM, -self._ranges[total], b=total, subtract=True))
        return total, dropped

    def _without_ties(self, total: int, dropped: int) -> int:
        line, bit = self._line, Range(0, 1)
        tie = line.tie - self._cut.bits - dropped
        parity = self._add(Move(Do.SHIFTED, bit, total, dropped + self._cut.bits - line.shift))
        if line.parity == 0:
            one = self._add(Move(Do.CONST, Range(1, 1), imm=1))
            parity = self._add(Move(Do.SUM, bit, one, 0, parity, 0, True))
        span = self._ranges[total]
        return self._add(Move(Do.SUM, Range(span.lo - (1 << tie), span.hi), total, 0, parity, tie, True))


def _times(span: Range, factor: int) -> Range:
    ends = span.lo * factor, span.hi * factor
    return Range(min(ends), max(ends))


def _shifted(span: Range, shift: int) -> Range:
    return span << shift if shift >= 0 else Range(span.lo >> -shift, span.hi >> -shift)


def _chunks(addend: int) -> Iterator[tuple[int, int]]:
    """The addend as constants of few bits and their shifts."""
    sign, left, shift = (-1 if addend < 0 else 1), abs(addend), 0
    while left:
        zeros = (left & -left).bit_length() - 1
        left, shift = left >> zeros, shift + zeros
        yield sign * (left & ((1 << _CHUNK) - 1)), shift
        left, shift = left >> _CHUNK, shift + _CHUNK
