"""Products with a constant as few additions: signed digits, over the factor itself and one pattern of it.

    x * 0b1001_0010_1001  =  p + (p << 8) + (x << 5)     with p = x + (x << 3), say

A digit is the factor (1) or the pattern, 2^i + 1 or 2^i - 1 times it, with a sign, at a position. Without a pattern the
fewest digits are the canonical signed ones (no two neighbours of them are not zero); with one, the fewest are found by
trying each of the four odd digits where the rest is odd.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

PATTERNS = tuple((1 << i) + sign for i in range(2, 8) for sign in (-1, 1))
"""Odd multiples of the factor that are computed first, if they serve often enough."""


class Digit(NamedTuple):
    """sign * factor << shift, where the factor is x, or its multiple `pattern`."""

    shift: int
    sign: int
    patterned: bool

    def size(self, form: Digits) -> int:
        """How many times the input the factor is."""
        return form.pattern if self.patterned else 1


class Digits(NamedTuple):
    """What a positive multiplier is the sum of, the digits in rising order of their shifts; 0: no pattern."""

    pattern: int
    digits: tuple[Digit, ...]

    @property
    def additions(self) -> int:
        return len(self.digits) - 1 + (self.pattern > 0)


def count_of(multiplier: int) -> int:
    """How many canonical signed digits of the multiplier are not zero."""
    return (multiplier ^ 3 * multiplier).bit_count()


@lru_cache(maxsize=1 << 14)
def forms_of(multiplier: int) -> tuple[Digits, ...]:
    """Ways to write a positive multiplier, the fewest additions first: one without a pattern, and those with fewer."""
    plain = Digits(0, tuple(_canonical(multiplier)))
    found = [plain]
    for pattern in PATTERNS:
        best = min(form.additions for form in found)
        if digits := _with_pattern(multiplier, pattern, best):
            found.append(Digits(pattern, digits))
    return tuple(sorted(found, key=lambda form: form.additions)[:4])


def _canonical(multiplier: int) -> Iterator[Digit]:
    shift = 0
    while multiplier:
        if multiplier & 1:
            sign = 2 - (multiplier & 3)
            yield Digit(shift, sign, False)
            multiplier -= sign
        multiplier >>= 1
        shift += 1


def _with_pattern(multiplier: int, pattern: int, most: int) -> tuple[Digit, ...] | None:
    """At most `most` digits whose sum it is, with the pattern; None where there are no so few."""

    def rest(left: int, shift: int, room: int) -> tuple[Digit, ...] | None:
        zeros = (left & -left).bit_length() - 1
        left, shift = left >> zeros, shift + zeros
        if left in (1, pattern):
            return (Digit(shift, 1, left != 1),)
        # A digit more can double the number and add the pattern, no more.
        if room <= 1 or count_of(left) > 2 * room:
            return None
        best: tuple[Digit, ...] | None = None
        for size in (pattern, 1):
            for sign in (1, -1):
                after = left - sign * size
                if after <= 0:
                    continue
                found = rest(after, shift, (room if best is None else len(best) - 1) - 1)
                if found is not None:
                    best = (Digit(shift, sign, size != 1), *found)
        return best

    found = rest(multiplier, 0, most)
    return found if found and any(digit.patterned for digit in found) else None
