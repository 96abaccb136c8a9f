"""Integer ranges, and the widths that hold them in a racetrack column."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """All integers from `lo` to `hi`, both included.

    A range below zero is held in two's complement, any other as an unsigned number.
    """

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise ValueError(f"empty range {self.lo}..{self.hi}")

    def __str__(self) -> str:
        return f"{self.lo}..{self.hi}"

    @property
    def signed(self) -> bool:
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits that hold every value of the range; at least 1."""
        if not self.signed:
            return max(1, self.hi.bit_length())
        return max((~self.lo).bit_length(), self.hi.bit_length() if self.hi > 0 else 0) + 1

    @property
    def tag(self) -> str:
        """The machine type as the textual forms print it: `u4` or `i7`."""
        return f"{'i' if self.signed else 'u'}{self.width}"

    @staticmethod
    def of_width(width: int, signed: bool) -> Range:
        """Every value that a machine type of `width` bits holds."""
        return Range(-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else Range(0, (1 << width) - 1)

    def __add__(self, other: Range) -> Range:
        return Range(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self) -> Range:
        return Range(-self.hi, -self.lo)

    def __sub__(self, other: Range) -> Range:
        return self + (-other)

    def __lshift__(self, shift: int) -> Range:
        return Range(self.lo << shift, self.hi << shift)

    def union(self, other: Range) -> Range:
        return Range(min(self.lo, other.lo), max(self.hi, other.hi))

    def covers(self, other: Range) -> bool:
        return self.lo <= other.lo and other.hi <= self.hi
