"""What comes under the ports of the columns of a placed program, and when: what rtm-order-tracks orders tracks by.

Values that continue each other in place are one *object* of their column, as wide as the widest of them; the carries at
a domain are one as well. A *visit* is the sweep of one bit loop over domains of an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dialects.machine.code import Fields
from dialects.machine.isa import MAX_DOMAINS, Op
from dialects.machine.tables import operands_along
from dialects.rtm.placed import PlacedCode
from dialects.support.tensors import IntArray


class Traces(NamedTuple):
    """The objects of all columns and the visits of their ports, in numbers."""

    objects: IntArray
    """(objects, 6): column, first domain, width, first and last bit loop, 1 for carries"""
    visits: IntArray
    """(visits, 4): object, bit loop, first and last domain, counted from the object's; by column, then in order"""
    column_ends: IntArray
    """of each column, the end of its visits, which begin at that of the column before"""
    object_of: IntArray
    """of each value by its number; -1 for numbers that no value has"""
    carry_visit: IntArray
    """of each instruction the visit to its carry, -1 for none"""

    def by_column(self) -> Iterator[tuple[int, IntArray]]:
        """Each column that is visited, with its visits."""
        begin = 0
        for column, end in enumerate(self.column_ends.tolist()):
            if end > begin:
                yield column, self.visits[begin:end]
            begin = end


class _Touches(NamedTuple):
    """What instructions sweep; an item an operand."""

    object: IntArray
    column: IntArray
    first: IntArray
    last: IntArray
    step: IntArray
    """on the clock of the bit loop"""
    instruction: IntArray


def traces(segments: Sequence[PlacedCode], columns: int) -> Traces:
    """The traces of a program's columns; there must be an instruction."""
    code = Fields.unpack(b"".join(segment.binary for segment in segments))
    names = np.concatenate([segment.names_array for segment in segments]).astype(np.int64)
    values = np.concatenate([segment.values_array for segment in segments]).astype(np.int64)
    places, object_of = _objects_of_values(values, names)
    touches = _touches(code, names, object_of)
    carries = touches.object < 0
    cells, numbers = np.unique(touches.column[carries] * MAX_DOMAINS + touches.first[carries], return_inverse=True)
    touches.object[carries] = len(places) + numbers
    is_carry = np.repeat([0, 1], [len(places), len(cells)])
    ones = np.ones(len(cells), dtype=np.int64)
    places = np.concatenate([places, np.stack([*np.divmod(cells, MAX_DOMAINS), ones], axis=1)])
    loop = np.cumsum(code["last"]) - code["last"]
    visits, visit_of = _visits(touches, loop[touches.instruction], places[:, 1])
    named = [(object_of[field[field >= 0]], loop[field >= 0]) for field in names.T]
    born, dies = np.full(len(places), len(loop)), np.full(len(places), -1)
    for objects, when in (*named, (visits[:, 0], visits[:, 1])):
        np.minimum.at(born, objects, when)
        np.maximum.at(dies, objects, when)
    ends = np.searchsorted(places[visits[:, 0], 0], np.arange(columns), side="right")
    carry_visit = np.full(len(loop), -1)
    carry_visit[touches.instruction[carries]] = visit_of[carries]
    return Traces(np.column_stack([places, born, dies, is_carry]), visits, ends, object_of, carry_visit)


def _visits(touches: _Touches, loop: IntArray, base: IntArray) -> tuple[IntArray, IntArray]:
    """The visits that touches come to, and that of each touch."""
    order = np.lexsort((touches.object, loop, touches.column))
    keys = np.stack([touches.column, loop, touches.object])[:, order]
    fresh = np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))
    starts = np.flatnonzero(fresh)
    first, step = (np.minimum.reduceat(each[order], starts) for each in (touches.first, touches.step))
    last = np.maximum.reduceat(touches.last[order], starts)
    column, at, number = keys[:, starts]
    # Several objects of a column in one loop come one after the other.
    sequence = np.lexsort((step, at, column))
    visits = np.stack([number, at, first - base[number], last - base[number]], axis=1)[sequence]
    visit_of = np.empty(len(order), dtype=np.int64)
    visit_of[order] = np.argsort(sequence)[np.cumsum(fresh) - 1]
    return visits, visit_of


def _objects_of_values(values: IntArray, names: IntArray) -> tuple[IntArray, IntArray]:
    """Column, first domain and width of what holds values one after the other, and the one that holds each value."""
    root = np.arange(int(values[:, 0].max()) + 1)
    continued = (names[:, 0] >= 0) & (names[:, 1] >= 0)
    root[names[continued, 0]] = names[continued, 1]
    while (root[root] != root).any():
        root = root[root]
    roots, numbers = np.unique(root[values[:, 0]], return_inverse=True)
    object_of = np.full(len(root), -1)
    object_of[values[:, 0]] = numbers
    places = np.zeros((len(roots), 3), dtype=np.int64)
    places[numbers, :2] = values[:, 1:3]
    np.maximum.at(places[:, 2], numbers, values[:, 3])
    return places, object_of


def _touches(code: Fields, names: IntArray, object_of: IntArray) -> _Touches:
    """The sweeps of all operands; carries have no object yet."""
    has = operands_along(code["op"])
    made = np.where(names[:, 0] >= 0, names[:, 0], names[:, 1])
    reach = {role: np.minimum(code[f"{role}.w"], code["width"] - code[f"{role}.h"]) for role in "ab"}
    nothing = np.zeros_like(made)
    # Which instructions have the operand, the value that it is, and column, first domain, width and step.
    parts = (
        (has[0], made, code["dc"], code["dd"], code["width"], nothing),
        (has[1], made, code["dc"], code["dd"], nothing + 1, nothing),
        (has[2] & (reach["a"] > 0), names[:, 2], code["a.c"], code["a.d"], reach["a"], code["a.h"]),
        (has[3], names[:, 2], code["a.c"], code["a.d"], nothing + 1, nothing),
        (has[4] & (reach["b"] > 0), names[:, 3], code["b.c"], code["b.d"], reach["b"], code["b.h"]),
        (has[5], np.where(code["op"] == Op.COPY_IF, names[:, 3], -1), code["cc"], code["cd"], nothing + 1, nothing),
    )
    # A comparison begins with `greater or equal`, which the first bit can't change if that of the number is 0.
    skipped = ((code["op"] == Op.CMP_GE) & (code["imm"] % 2 == 0) & (code["width"] > 1)).astype(np.int64)
    found: list[IntArray] = []
    for number, (present, value, column, first, width, step) in enumerate(parts):
        which = np.flatnonzero(present)
        held = np.where(value >= 0, object_of[value], -1)
        begin = skipped if number == 2 else nothing
        rows = (held, column, first + begin, first + width - 1, code["start"] + step + begin)
        found.append(np.stack([*(each[which] for each in rows), which]))
    return _Touches(*np.concatenate(found, axis=1))
