"""What the array did, as exact counts: the factors that a technology file's numbers are multiplied with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Counts:
    """Counts of one segment, or of a whole run. "Row-" counts are summed over all rows of all arrays in use."""

    instructions: int = 0
    bit_loops: int = 0
    """bundles of instructions that sweep their columns together"""
    searches: int = 0
    writes: int = 0
    search_cycles: int = 0
    write_cycles: int = 0
    searched_row_cells: int = 0
    """keyed cells of each search, over all rows"""
    written_row_cells: int | None = 0
    """written cells of each write, over the rows that were tagged; None if it was not traced"""
    toggled_row_cells: int | None = 0
    """written cells that changed; None if it was not traced"""
    shift_steps: int = 0
    """steps in time: columns that shift together count once"""
    column_steps: int = 0
    """steps of each column"""
    shifted_row_cells: int = 0
    """column steps times rows"""
    moved_row_bits: int = 0
    """bits moved between the global buffer and the arrays"""
    move_cycles: int = 0
    fetched_bits: int = 0
    """bits of the instruction stream, fetched once"""
    broadcast_bits: int = 0
    """bits of the instruction stream, delivered to every array"""

    def __add__(self, other: Counts) -> Counts:
        pairs = ((getattr(self, item.name), getattr(other, item.name)) for item in fields(self))
        sums: list[Any] = [None if None in pair else sum(pair) for pair in pairs]
        return Counts(*sums)

    @property
    def traced(self) -> bool:
        """The counts that depend on the data are known."""
        return self.written_row_cells is not None and self.toggled_row_cells is not None

    def __mul__(self, times: int) -> Counts:
        values = (getattr(self, item.name) for item in fields(self))
        products: list[Any] = [None if value is None else value * times for value in values]
        return Counts(*products)

    @property
    def cycles(self) -> int:
        """Cycles besides shifting."""
        return self.search_cycles + self.write_cycles + self.move_cycles


def total(parts: list[Counts]) -> Counts:
    result = Counts()
    for part in parts:
        result = result + part
    return result
