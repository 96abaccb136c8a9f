"""Which values come under the ports of the columns of a compiled program, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dialects.code import bundles
from dialects.isa import Instruction, Op, passes_of
from dialects.placed import PlacedCode


class Visit(NamedTuple):
    """A sweep over domains `first` to `last` of a column, within the place of an object."""

    object: int
    """a place that holds one value after another, or a carry"""
    first: int
    last: int


class Object(NamedTuple):
    """What lies in a column: its first domain and its width."""

    domain: int
    width: int


class Trace(NamedTuple):
    """A column's objects and the visits of its port, in order."""

    objects: list[Object]
    visits: list[Visit]

    def shifts(self, bases: Sequence[int], port: int | None = 0) -> int:
        """Column steps where the objects begin at these domains."""
        total = 0
        for number, first, last in self.visits:
            begin = bases[number] + first
            total += last - first + (0 if port is None else abs(begin - port))
            port = bases[number] + last
        return total


class _Reader:
    """Goes through a program's bit loops; values that continue each other in place are one object, and so are the
    carries at a domain."""

    def __init__(self, columns: int):
        self.traces = [Trace([], []) for _ in range(columns)]
        self._slots: dict[int, int] = {}
        self._objects: dict[tuple[int, int], int] = {}
        self._places: list[Object] = []

    def read(self, code: PlacedCode) -> None:
        rows = code.names_array.tolist()
        places = {row[0]: Object(*row[2:4]) for row in code.values_array.tolist()}
        for result, old, _, _ in rows:
            if result >= 0:
                slot = self._slots[result] = self._slots[old] if old >= 0 else len(self._places)
                self._places += [places[result]] * (slot == len(self._places))
                self._places[slot] = max(self._places[slot], places[result])
        names = iter(rows)
        for members in bundles(code.instructions):
            swept: dict[tuple[int, int], list[int]] = {}
            for item in members:
                self._sweep(item, next(names), swept)
            for (column, slot), domains in swept.items():
                number = self._object(column, slot)
                base = self.traces[column].objects[number].domain
                self.traces[column].visits.append(Visit(number, min(domains) - base, max(domains) - base))

    def _sweep(self, item: Instruction, names: Sequence[int], swept: dict[tuple[int, int], list[int]]) -> None:
        result, old, a, b = names
        values = {"D": result if result >= 0 else old, "A": a, "B": b, "C": b if item.op is Op.COPY_IF else -1}
        for bit in range(item.width):
            for role, cell in passes_of(item, bit)[1].items():
                slot = self._slots[values[role]] if values[role] >= 0 else -1 - cell.domain
                swept.setdefault((cell.column, slot), []).append(cell.domain)

    def _object(self, column: int, slot: int) -> int:
        objects = self.traces[column].objects
        if (column, slot) not in self._objects:
            self._objects[column, slot] = len(objects)
            objects.append(Object(-1 - slot, 1) if slot < 0 else self._places[slot])
        return self._objects[column, slot]


def traces(segments: Sequence[PlacedCode], columns: int) -> list[Trace]:
    """The trace of each column of a program."""
    reader = _Reader(columns)
    for code in segments:
        reader.read(code)
    return reader.traces
