"""Track placement: a column and domains for every value of straight-line vector code, and the statements that result.

Three steps. (1) Values that continue each other in place (acc = acc + x where acc dies) form a *slot*, as wide as its
widest value. (2) Slots get places in order of birth: a column whose other live slots leave room, that holds none of
the slots that this one meets in an instruction, and that is emptiest; a domain interval first-fit. Activations and
sums use separate pools of columns as long as these last, because every sum meets many activations. (3) Each step
becomes instructions; where two bits still meet in one column, a copy through the scratch column parts them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.errors import CapacityError
from dialects.isa import Cell
from dialects.placed import PlacedCode
from dialects.ranges import Range
from dialects.statements import Form, Statement, live
from dialects.target import Geometry
from passes.vector_code import Kind, Step, VectorCode

Place = tuple[int, int, int, int]
"""column, first domain, width, signed"""

_WITH_CARRY = (Form.ADD, Form.SUB, Form.ADD_IP, Form.SUB_IP, Form.SEXT)

RESERVED_COLUMNS = 2
"""the last column holds carries, the one before it flags and scratch copies"""


class Slot(NamedTuple):
    """A place's worth of values: born and dying at a step, `width` bits, with the slots it meets in instructions."""

    width: int
    birth: int
    death: int
    activation: bool
    meets: set[int]
    """slots that are written from this one or that this one is written from"""
    pairs: set[int]
    """slots that are added to this one elsewhere: in its column they would cost a copy"""


def last_uses(code: VectorCode) -> list[int]:
    """The last step that reads each value; the step that makes it where none does."""
    last = [0] * len(code.ranges)
    for number, step in enumerate(code.steps):
        for value in (step.result, step.a, step.b):
            if value >= 0:
                last[value] = number
    return last


def continues(step: Step, number: int, last: Sequence[int]) -> int:
    """The operand whose place the result of a sum or maximum takes over, or -1: it dies here and is not shifted.

    In place, B = B + A and B = B - A have valid pass orders, B = A - B has none.
    """
    if step.kind not in (Kind.SUM, Kind.MAX) or step.a == step.b or -1 in (step.a, step.b):
        return -1
    if step.a_shift == 0 and last[step.a] == number:
        return step.a
    if step.b_shift == 0 and last[step.b] == number and not step.subtract:
        return step.b
    return -1


def slots_of(code: VectorCode) -> tuple[list[int], list[Slot]]:
    """The slot of each value, and all slots."""
    last = last_uses(code)
    slot_of = [-1] * len(code.ranges)
    slots: list[Slot] = []
    for number, step in enumerate(code.steps):
        if step.result >= 0:
            width, before = code.ranges[step.result].width, continues(step, number, last)
            if before >= 0:
                slot_of[step.result] = mine = slot_of[before]
                slots[mine] = slots[mine]._replace(width=max(width, slots[mine].width), death=last[step.result])
            else:
                slot_of[step.result] = mine = len(slots)
                slots.append(Slot(width, number, last[step.result], step.kind is not Kind.SUM, set(), set()))
            for operand in (step.a, step.b) if step.kind in (Kind.SUM, Kind.MAX) else ():
                if operand >= 0 and slot_of[operand] != mine:
                    slots[mine].meets.add(slot_of[operand])
                    slots[slot_of[operand]].meets.add(mine)
            if step.kind in (Kind.SUM, Kind.MAX) and step.a >= 0 and step.b >= 0 and slot_of[step.a] != slot_of[step.b]:
                slots[slot_of[step.a]].pairs.add(slot_of[step.b])
                slots[slot_of[step.b]].pairs.add(slot_of[step.a])
    return slot_of, slots


def widen_accumulators(code: VectorCode) -> None:
    """Give every value of a slot the range of all of them, so that accumulators have their final width throughout."""
    slot_of, _ = slots_of(code)
    hulls: dict[int, Range] = {}
    for slot, span in zip(slot_of, code.ranges, strict=True):
        hulls[slot] = hulls[slot].union(span) if slot in hulls else span
    code.ranges = [hulls[slot] for slot in slot_of]


@dataclass
class _Column:
    """Free domain intervals of one column, ascending."""

    free: list[tuple[int, int]]

    def take(self, width: int) -> int:
        """First domain of the smallest free interval that has that width, or -1."""
        fitting = [(end - begin, index) for index, (begin, end) in enumerate(self.free) if end - begin >= width]
        if not fitting:
            return -1
        index = min(fitting)[1]
        begin, end = self.free[index]
        self.free[index : index + 1] = [(begin + width, end)] if end - begin > width else []
        return begin

    def give(self, begin: int, width: int) -> None:
        """Return an interval, merged with its neighbours."""
        merged: list[tuple[int, int]] = []
        for interval in sorted([*self.free, (begin, begin + width)]):
            if merged and merged[-1][1] == interval[0]:
                merged[-1] = (merged[-1][0], interval[1])
            else:
                merged.append(interval)
        self.free = merged


class _Memory:
    """The columns of an array while slots come and go."""

    def __init__(self, slots: Sequence[Slot], geometry: Geometry, packed: bool):
        self.packed = packed
        count = geometry.columns - RESERVED_COLUMNS
        self.slots = slots
        self.columns = [_Column([(0, geometry.domains)]) for _ in range(count)]
        self.room = np.full(count, geometry.domains)
        border = _pool_border(slots, count, geometry.domains)
        everything: NDArray[np.int64] = np.arange(count)
        self.pools = {
            True: (everything[:border], everything[border:]),
            False: (everything[border:], everything[:border]),
        }
        self.everything = everything
        self.places: dict[int, Cell] = {}

    def release(self, slot: int) -> None:
        column, domain = self.places.pop(slot)
        width = self.slots[slot].width
        self.columns[column].give(domain, width)
        self.room[column] += width

    def place(self, number: int) -> Cell | None:
        """The best place that is free, or None.

        First in the slot's own pool without conflicts, then without those that can't be parted by a copy of a source,
        then in the other pool, then anywhere; among these the emptiest column, or the fullest
        that fits if `packed`.
        """
        slot = self.slots[number]
        met = {self.places[other].column for other in slot.meets if other in self.places}
        paired = met | {self.places[other].column for other in slot.pairs if other in self.places}
        own, other = self.pools[slot.activation]
        for pool, forbidden in ((own, paired), (own, met), (other, met), (self.everything, set[int]())):
            fitting = pool[self.room[pool] >= slot.width]
            room = self.room[fitting]
            order: list[int] = fitting[np.argsort(room if self.packed else -room, kind="stable")].tolist()
            for index in order:
                if index not in forbidden and (domain := self.columns[index].take(slot.width)) >= 0:
                    self.room[index] -= slot.width
                    self.places[number] = Cell(index, domain)
                    return self.places[number]
        return None


def place_slots(slots: Sequence[Slot], geometry: Geometry) -> list[Cell]:
    """Column and first domain of every slot; raises CapacityError where they don't fit.

    Values that are spread over the columns shift less; where that leaves too small gaps, they are packed.
    """
    try:
        return _place_slots(slots, geometry, packed=False)
    except CapacityError:
        return _place_slots(slots, geometry, packed=True)


def _place_slots(slots: Sequence[Slot], geometry: Geometry, packed: bool) -> list[Cell]:
    memory = _Memory(slots, geometry, packed)
    places: list[Cell] = []
    dying: defaultdict[int, list[int]] = defaultdict(list)
    time = 0
    for number, slot in enumerate(slots):
        # A place is free from the step after its last reader on.
        for step in range(time, slot.birth):
            for gone in dying.pop(step, ()):
                memory.release(gone)
        time = slot.birth
        cell = memory.place(number)
        if cell is None:
            raise _too_small(slots, slot, geometry)
        places.append(cell)
        dying[slot.death].append(number)
    return places


def _pool_border(slots: Sequence[Slot], columns: int, domains: int) -> int:
    """Columns for activations; the rest are for sums. Shared out by the peak of live bits of each kind."""
    peaks = [peak_bits([slot for slot in slots if slot.activation == kind]) for kind in (True, False)]
    if not all(peaks):
        return columns if peaks[0] else 0
    share = round(columns * peaks[0] / sum(peaks))
    least = -(-peaks[0] // domains)
    return min(max(share, least, 1), max(1, columns - max(1, -(-peaks[1] // domains)), columns * 3 // 4))


def peak_bits(slots: Sequence[Slot]) -> int:
    """The most bits of a row that are live at the same time."""
    change: defaultdict[int, int] = defaultdict(int)
    for slot in slots:
        change[slot.birth] += slot.width
        change[slot.death + 1] -= slot.width
    live = peak = 0
    for step in sorted(change):
        live += change[step]
        peak = max(peak, live)
    return peak


def _too_small(slots: Sequence[Slot], slot: Slot, geometry: Geometry) -> CapacityError:
    peak = peak_bits(slots)
    widest = max(slot.width for slot in slots)
    if widest > geometry.domains:
        return CapacityError(
            f"a value of {widest} bits doesn't fit into a column of {geometry.domains} domains",
            hint=f"choose a target with at least {widest} domains",
        )
    columns = -(-peak // geometry.domains) + RESERVED_COLUMNS + 1
    return CapacityError(
        f"the network needs up to {peak} live bits a row, an array {geometry} has {geometry.bits_per_row}, of which "
        f"{RESERVED_COLUMNS * geometry.domains} are kept for carries and flags; no place is left for {slot.width} bits",
        hint=f"choose a target with at least {columns} columns of {geometry.domains} domains, or more domains",
    )


def place(code: VectorCode, geometry: Geometry) -> list[PlacedCode]:
    """The placed code of each segment; raises CapacityError where the array is too small."""
    slot_of, slots = slots_of(code)
    places = place_slots(slots, geometry)
    emitter = _Emitter(code, geometry, [places[slot] if slot >= 0 else Cell(0, 0) for slot in slot_of])
    for number, step in enumerate(code.steps):
        emitter.emit(step, continues(step, number, emitter.last))
    return emitter.placed()


class _Emitter:
    """Turns steps into statements. Values keep their numbers; what is made on the way to one gets a fresh number."""

    def __init__(self, code: VectorCode, geometry: Geometry, places: Sequence[Cell]):
        self.code = code
        self.places: list[Place] = [
            (cell.column, cell.domain, span.width, int(span.signed))
            for cell, span in zip(places, code.ranges, strict=True)
        ]
        self.last = last_uses(code)
        self.segments: list[list[Statement]] = [[] for _ in code.segments]
        self.out: list[Statement] = []
        self.carry = Cell(geometry.columns - 1, 0)
        self.flag = Cell(geometry.columns - 2, 0)

    def placed(self) -> list[PlacedCode]:
        """The code of each segment, which lists the values of earlier ones that it reads."""
        codes: list[PlacedCode] = []
        for statements in self.segments:
            made = {item.result for item in statements}
            read = {value for item in statements for value in (item.old, item.a, item.b)} - made - {-1}
            codes.append(PlacedCode.of([*live((value, *self.places[value]) for value in read), *statements]))
        return codes

    def emit(self, step: Step, before: int) -> None:
        self.out = self.segments[step.segment]
        match step.kind:
            case Kind.LOAD:
                self._make(step.result, Statement(Form.IN, imm=step.imm))
            case Kind.CONST:
                self._make(step.result, Statement(Form.SET, imm=step.imm))
            case Kind.STORE:
                self.out.append(Statement(Form.OUT, a=step.a, imm=step.imm))
            case Kind.STEPS:
                self._steps(step)
            case Kind.MAX:
                self._maximum(step, before)
            case Kind.SUM if before >= 0:
                self._in_place(step, before)
            case Kind.SUM:
                self._sum(step)

    def _make(self, result: int, statement: Statement) -> int:
        column, domain, width, signed = self.places[result]
        carries = statement.form in _WITH_CARRY
        carry = self.carry if carries else Cell(0, 0)
        self.out.append(
            statement._replace(
                result=result,
                column=column,
                domain=domain,
                width=width,
                signed=signed,
                carry_column=carry.column,
                carry_domain=carry.domain,
            )
        )
        return result

    def _fresh(self, place: Place) -> int:
        self.places.append(place)
        return len(self.places) - 1

    def _apart(self, value: int, column: int) -> int:
        """The value outside of `column`, copied to the scratch column if it lies there."""
        if value < 0 or self.places[value][0] != column:
            return value
        _, _, width, signed = self.places[value]
        copy = self._fresh((self.flag.column, self.flag.domain, width, signed))
        return self._make(copy, Statement(Form.COPY, a=value))

    def _sum(self, step: Step) -> None:
        target = self.places[step.result]
        a, b, shifts = step.a, step.b, {"a_shift": step.a_shift, "b_shift": step.b_shift}
        columns = [self.places[value][0] for value in (a, b) if value >= 0]
        sign = Form.SUB if step.subtract else Form.ADD
        if b < 0:
            a = self._apart(a, target[0])
            self._make(step.result, Statement(Form.COPY, a=a, a_shift=step.a_shift))
        elif target[0] not in columns and len(set(columns)) == len(columns):
            self._make(step.result, Statement(sign, a=a, b=b, **shifts))
        elif a < 0:
            self._make(step.result, Statement(Form.SUB, b=self._apart(b, target[0]), b_shift=step.b_shift))
        else:
            copy = Statement(Form.COPY, a=self._apart(a, target[0]), a_shift=step.a_shift)
            first = self._make(self._fresh(target), copy)
            self._accumulate(step.result, first, self._apart(b, target[0]), step.b_shift, step.subtract)

    def _in_place(self, step: Step, before: int) -> None:
        other, shift = (step.b, step.b_shift) if before == step.a else (step.a, step.a_shift)
        before = self._extend(before, self.places[step.result][2])
        other = self._apart(other, self.places[step.result][0])
        self._accumulate(step.result, before, other, shift, step.subtract)

    def _accumulate(self, result: int, before: int, source: int, shift: int, subtract: bool) -> None:
        form = Form.SUB_IP if subtract else Form.ADD_IP
        self._make(result, Statement(form, old=before, a=source, a_shift=shift))

    def _maximum(self, step: Step, before: int) -> None:
        """The result holds one operand and takes the other one in the rows where that is greater."""
        kept, other = (before, step.a if before == step.b else step.b) if before >= 0 else (step.a, step.b)
        target = self.places[step.result]
        if before < 0:
            mine = kept
            kept = self._make(self._fresh(target), Statement(Form.COPY, a=self._apart(kept, target[0])))
        else:
            mine = kept = self._extend(kept, target[2])
        other = self._apart(self._apart(other, target[0]), self.places[mine][0])
        flag = self._fresh((self.carry.column, self.carry.domain, 1, 0))
        # A value that the result's width cuts is below the other operand's range, so it is replaced.
        self._make(flag, Statement(Form.CMP_GEV, a=other, b=mine))
        self._make(step.result, Statement(Form.COPY_IF, old=kept, a=other, b=flag))

    def _extend(self, value: int, width: int) -> int:
        """The value on more bits of its slot: its sign repeated, or the bits above an unsigned one cleared."""
        column, domain, before, signed = self.places[value]
        if width <= before:
            return value
        wider = self._fresh((column, domain, width, signed))
        return self._make(wider, Statement(Form.SEXT if signed else Form.ZEXT, old=value))

    def _steps(self, step: Step) -> None:
        """Ascending thresholds: each row that has reached one gets the number beside it, by the bits that change."""
        target, before = self.places[step.result], step.imm
        value = self._make(self._fresh(target), Statement(Form.SET, imm=step.imm))
        for index, (bound, number) in enumerate(step.table, start=1):
            width = ((before ^ number) & ((1 << target[2]) - 1)).bit_length()
            flag = self._make(
                self._fresh((self.flag.column, self.flag.domain, 1, 0)), Statement(Form.CMP_GE, a=step.a, imm=bound)
            )
            result = step.result if index == len(step.table) else self._fresh(target)
            low = number & ((1 << width) - 1)
            value = self._make(result, Statement(Form.SET_IF, old=value, a=flag, imm=low, high=width))
            before = number
