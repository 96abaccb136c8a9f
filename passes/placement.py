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
from dialects.isa import ZERO, Cell, Instruction, Op, Operand, compared_width
from dialects.ranges import Range
from dialects.target import Geometry
from passes.vector_code import Kind, Step, VectorCode

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


def place(code: VectorCode, geometry: Geometry) -> list[list[Instruction]]:
    """The placed statements of each segment of the code; raises CapacityError where the array is too small."""
    slot_of, slots = slots_of(code)
    places = place_slots(slots, geometry)
    emitter = _Emitter(code, geometry, [places[slot] if slot >= 0 else Cell(0, 0) for slot in slot_of])
    for number, step in enumerate(code.steps):
        emitter.emit(step, continues(step, number, emitter.last))
    return emitter.segments


class _Emitter:
    """Turns steps into instructions on placed values."""

    def __init__(self, code: VectorCode, geometry: Geometry, places: Sequence[Cell]):
        self.code = code
        self.places = places
        self.last = last_uses(code)
        self.segments: list[list[Instruction]] = [[] for _ in code.segments]
        self.out: list[Instruction] = []
        self.carry = Cell(geometry.columns - 1, 0)
        self.flag = Cell(geometry.columns - 2, 0)

    def emit(self, step: Step, before: int) -> None:
        self.out = self.segments[step.segment]
        match step.kind:
            case Kind.LOAD:
                self._write(Op.IN, step.result, imm=step.imm)
            case Kind.CONST:
                self._write(Op.SET, step.result, imm=step.imm)
            case Kind.STORE:
                source = self._operand(step.a)
                self.out.append(Instruction(Op.OUT, Cell(0, 0), source.width, source, imm=step.imm))
            case Kind.STEPS:
                self._steps(step)
            case Kind.MAX:
                self._maximum(step, before)
            case Kind.SUM if before >= 0:
                self._in_place(step, before)
            case Kind.SUM:
                self._sum(step)

    def _operand(self, value: int, shift: int = 0) -> Operand:
        if value < 0:
            return ZERO
        span = self.code.ranges[value]
        return Operand(*self.places[value], span.width, span.signed, shift)

    def _write(self, op: Op, result: int, a: Operand = ZERO, b: Operand = ZERO, imm: int = 0) -> None:
        width = self.code.ranges[result].width
        self.out.append(Instruction(op, self.places[result], width, a, b, imm, self._carry(op)))

    def _carry(self, op: Op) -> Cell:
        return self.carry if op in (Op.ADD, Op.SUB, Op.ADD_IP, Op.SUB_IP, Op.EXT) else Cell(0, 0)

    def _apart(self, operand: Operand, column: int) -> Operand:
        """The operand outside of `column`, copied to the scratch column if it lies there."""
        if operand.width == 0 or operand.column != column:
            return operand
        scratch = Cell(self.flag.column, 0)
        self.out.append(Instruction(Op.COPY, scratch, operand.width, operand._replace(shift=0)))
        return Operand(*scratch, operand.width, operand.signed, operand.shift)

    def _sum(self, step: Step) -> None:
        dst, width = self.places[step.result], self.code.ranges[step.result].width
        a, b = self._operand(step.a, step.a_shift), self._operand(step.b, step.b_shift)
        columns = [operand.column for operand in (a, b) if operand.width]
        if step.b < 0:
            self._write(Op.COPY, step.result, self._apart(a, dst.column))
        elif dst.column not in columns and len(set(columns)) == len(columns):
            self._write(Op.SUB if step.subtract else Op.ADD, step.result, a, b)
        elif step.a < 0:
            self._write(Op.SUB, step.result, ZERO, self._apart(b, dst.column))
        else:
            self._write(Op.COPY, step.result, self._apart(a, dst.column))
            self._accumulate(dst, width, self._apart(b, dst.column), step.subtract)

    def _in_place(self, step: Step, before: int) -> None:
        other, shift = (step.b, step.b_shift) if before == step.a else (step.a, step.a_shift)
        dst, width = self.places[step.result], self.code.ranges[step.result].width
        self._extend(before, width)
        self._accumulate(dst, width, self._apart(self._operand(other, shift), dst.column), step.subtract)

    def _maximum(self, step: Step, before: int) -> None:
        """The result holds one operand and takes the other one in the rows where that is greater."""
        kept, other = (before, step.a if before == step.b else step.b) if before >= 0 else (step.a, step.b)
        dst, width = self.places[step.result], self.code.ranges[step.result].width
        mine, theirs = self._operand(kept), self._operand(other)
        if before < 0:
            self._write(Op.COPY, step.result, self._apart(mine, dst.column))
        else:
            self._extend(kept, width)
        theirs = self._apart(self._apart(theirs, dst.column), mine.column)
        # A value that the result's width cuts is below the other operand's range, so it is replaced.
        self.out.append(Instruction(Op.CMP_GEV, self.carry, compared_width(theirs, mine), theirs, mine))
        self.out.append(Instruction(Op.COPY_IF, dst, width, theirs, carry=self.carry))

    def _accumulate(self, dst: Cell, width: int, source: Operand, subtract: bool) -> None:
        """dst = dst + or - source: a shift skips the destination's low domains, which it leaves as they are."""
        if width <= source.shift:
            return
        op = Op.SUB_IP if subtract else Op.ADD_IP
        start = Cell(dst.column, dst.domain + source.shift)
        self.out.append(Instruction(op, start, width - source.shift, source._replace(shift=0), carry=self._carry(op)))

    def _extend(self, value: int, width: int) -> None:
        """Make a value valid on more bits of its slot: repeat its sign, or clear the bits above an unsigned one."""
        span, cell = self.code.ranges[value], self.places[value]
        missing = width - span.width
        if missing <= 0:
            return
        if span.signed:
            sign = Cell(cell.column, cell.domain + span.width - 1)
            self.out.append(Instruction(Op.EXT, sign, missing + 1, carry=self.carry))
        else:
            top = Cell(cell.column, cell.domain + span.width)
            self.out.append(Instruction(Op.SET, top, missing))

    def _steps(self, step: Step) -> None:
        """Ascending thresholds: each row that has reached one gets the number beside it, by the bits that change."""
        source, (column, domain) = self._operand(step.a), self.places[step.result]
        self._write(Op.SET, step.result, imm=step.imm)
        before = step.imm
        flag = Operand(*self.flag, 1)
        for bound, number in step.table:
            width = ((before ^ number) & ((1 << self.code.ranges[step.result].width) - 1)).bit_length()
            self.out.append(Instruction(Op.CMP_GE, self.flag, source.width, source, imm=bound))
            low = number & ((1 << width) - 1)
            self.out.append(Instruction(Op.SET_IF, Cell(column, domain), width, flag, imm=low))
            before = number
