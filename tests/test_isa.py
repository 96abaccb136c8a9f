"""Every instruction on every input at small widths, on the golden simulator; and mutants of every pass.

All combinations of the values of destination, sources, flag and carry stand in the rows of one array. The rest of the
memory holds random bits, which an instruction must leave alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from runpy import run_path
from typing import NamedTuple

import numpy as np
import pytest
from camc_testing import Machine, bits_of, value_of

from dialects.machine import isa
from dialects.machine.isa import (
    OPCODES,
    ZERO,
    Cell,
    Instruction,
    Op,
    Opcode,
    Operand,
    Pass,
    compared_width,
    is_prefix,
    passes_of,
    variant_passes,
)
from dialects.machine.rules import check
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray

D, A, B, C, E = range(5)
"""columns of the roles"""
BASE = 2
"""first domain of the values, so that there is memory below them as well"""
WIDTHS = (1, 2, 3, 4)


class Case(NamedTuple):
    """An instruction and the bits of each role's column that all rows run through together."""

    item: Instruction
    spans: dict[int, int]
    """column -> bits from BASE on that take every value (a carry's single bit lies at domain 0)"""


def sources(column: int, widths: tuple[int, ...], shifts: tuple[int, ...]) -> Iterator[Operand]:
    yield ZERO
    for width, shift, signed in product(widths, shifts, (False, True)):
        yield Operand(column, BASE, width, signed, shift)


def cases(op: Op) -> Iterator[Case]:
    dst, carry = Cell(D, BASE), Cell(C, 0)
    for width in WIDTHS:
        immediates = range(-(1 << width), 1 << width)
        match op:
            case Op.SET:
                yield from (Case(Instruction(op, dst, width, imm=imm), {D: width}) for imm in immediates)
            case Op.SET_IF:
                flag = Operand(A, BASE, 1)
                yield from (Case(Instruction(op, dst, width, flag, imm=i), {D: width, A: 1}) for i in immediates)
            case Op.EXT:
                yield Case(Instruction(op, dst, width, carry=carry), {D: width, C: 1})
            case Op.COPY:
                for a in sources(A, WIDTHS, (0, 1, 2, 4)):
                    yield Case(Instruction(op, dst, width, a), {D: width, A: a.width})
            case Op.ADD_IP | Op.SUB_IP:
                for a in sources(A, WIDTHS, (0, 1, 2, 4)):
                    yield Case(Instruction(op, dst, width, a, carry=carry), {D: width, A: a.width, C: 1})
            case Op.ADD_ADD | Op.SUB_SUB | Op.ADD_SUB:
                for a, b in product(sources(A, WIDTHS[:3], (0, 2)), sources(B, WIDTHS[:3], (0, 1))):
                    spans = {D: width, A: a.width, B: b.width, C: 1, E: 1}
                    yield Case(Instruction(op, dst, width, a, b, carry=carry), spans)
            case Op.ADD | Op.SUB:
                for a, b in product(sources(A, WIDTHS, (0, 1, 3)), sources(B, WIDTHS, (0, 1, 2))):
                    spans = {D: width, A: a.width, B: b.width, C: 1}
                    yield Case(Instruction(op, dst, width, a, b, carry=carry), spans)
            case Op.CMP_GE:
                for signed in (False, True):
                    span = Range.of_width(width, signed)
                    for imm in range(span.lo, span.hi + 1):
                        a = Operand(A, BASE, width, signed)
                        yield Case(Instruction(op, dst, width, a, imm=imm), {D: 1, A: width})
            case Op.SET_GT | Op.SET_LT:
                for signed, bits in product((False, True), (1, 3)):
                    span, a = Range.of_width(width, signed), Operand(A, BASE, width, signed)
                    for imm, number in product(range(span.lo, span.hi + 1), {1, (1 << bits) - 2 or 1}):
                        item = Instruction(op, dst, width, a, imm=imm, carry=Cell(number, bits))
                        yield Case(item, {D: bits, A: width})
            case Op.CMP_GEV:
                for other, signs in product(WIDTHS, product((False, True), repeat=2)):
                    a, b = Operand(A, BASE, width, signs[0]), Operand(B, BASE, other, signs[1])
                    yield Case(Instruction(op, dst, compared_width(a, b), a, b), {D: 1, A: width, B: other})
            case Op.COPY_IF:
                for a in sources(A, WIDTHS, (0, 1, 2, 4)):
                    yield Case(Instruction(op, dst, width, a, carry=carry), {D: width, A: a.width, C: 1})
            case Op.IN:
                yield Case(Instruction(op, dst, width, imm=0), {D: width})
            case Op.OUT:
                for signed in (False, True):
                    yield Case(Instruction(op, Cell(0, 0), width, Operand(A, BASE, width, signed)), {A: width})


def read(bits: np.ndarray, operand: Operand) -> IntArray:
    """The value of an operand in all rows, computed from the definition of two's complement."""
    if operand.width == 0:
        return np.zeros(bits.shape[2], dtype=np.int64)
    return value_of(bits[operand.column, operand.domain : operand.end], operand.signed) << operand.shift


def meaning(item: Instruction, bits: np.ndarray, vector: IntArray) -> tuple[IntArray, int]:
    """What the destination must hold afterwards, and its width; written down apart from the instruction table."""
    before = read(bits, Operand(*item.dst, item.width))
    a, b = read(bits, item.a), read(bits, item.b)
    constant = np.full(len(before), item.imm)
    match item.op:
        case Op.SET:
            return constant, item.width
        case Op.SET_IF:
            return np.where(a == 1, constant, before), item.width
        case Op.COPY:
            return a, item.width
        case Op.EXT:
            return -(before & 1), item.width
        case Op.ADD_IP:
            return before + a, item.width
        case Op.SUB_IP:
            return before - a, item.width
        case Op.ADD_ADD | Op.SUB_SUB:
            return before + (a + b) * (1 if item.op is Op.ADD_ADD else -1), item.width
        case Op.ADD_SUB:
            return before + a - b, item.width
        case Op.ADD:
            return a + b, item.width
        case Op.SUB:
            return a - b, item.width
        case Op.CMP_GE:
            return (a >= item.imm).astype(np.int64), 1
        case Op.SET_GT | Op.SET_LT:
            number, bits_of_dst = item.carry
            before = read(bits, Operand(*item.dst, bits_of_dst))
            reached = a > item.imm if item.op is Op.SET_GT else a < item.imm
            return np.where(reached & (before == 0), number, before), bits_of_dst
        case Op.CMP_GEV:
            return (a >= b).astype(np.int64), 1
        case Op.COPY_IF:
            return np.where(bits[item.carry.column, item.carry.domain] == 1, a, before), item.width
        case Op.IN:
            return vector, item.width
        case Op.OUT:
            return a, 0


def check_case(case: Case, rng: np.random.Generator) -> None:
    """Run one instruction on all values of its spans; the whole memory must be as expected, the carry may be any."""
    item = case.item
    total = sum(case.spans.values())
    across, lean = rng.integers(2, size=2).astype(bool)
    across |= is_prefix(item.op)
    machine = Machine(1 << total, columns=60, domains=2) if across else Machine(1 << total, columns=6, domains=10)
    bits = rng.integers(0, 2, size=(6, 10, 1 << total), dtype=np.uint8)
    every, at = bits_of(np.arange(1 << total), total), 0
    for column, width in case.spans.items():
        begin = 0 if column in (C, E) else BASE
        bits[column, begin : begin + width] = every[at : at + width]
        at += width
    # Across columns, the domains of a column are as many columns in one domain.
    machine.bits = np.stack([np.zeros_like(bits), bits], axis=2).reshape(60, 2, -1) if across else bits
    span = Range.of_width(item.width, bool(item.imm % 2) or item.a.signed)
    vector = rng.integers(span.lo, span.hi + 1, size=1 << total)
    outputs = np.full((1, 1 << total), 99)
    machine.run([(turned(item) if across else item)._replace(lean=lean)], vector[None], outputs)
    value, width = meaning(item, bits, vector)
    expected = bits.copy()
    expected[item.dst.column, item.dst.domain : item.dst.domain + width] = bits_of(value, width)
    after = machine.bits.reshape(6, 10, 2, -1)[:, :, 1] if across else machine.bits
    if "c" in OPCODES[item.op].operands and item.op is not Op.COPY_IF:
        after[item.carry.column, item.carry.domain] = expected[item.carry.column, item.carry.domain]
    if "e" in OPCODES[item.op].operands:
        cell = item.carry.column, item.carry.domain
        for one in (cell, (C, 1) if across else (E, 0)):
            after[one] = expected[one]
    assert np.array_equal(after, expected), item
    assert np.array_equal(outputs[0], value if item.op is Op.OUT else np.full(len(value), 99)), item


def turned(item: Instruction) -> Instruction:
    """The instruction across columns: ten of them for each column that it has."""
    a, b = (operand._replace(column=10 * operand.column + operand.domain, domain=1) for operand in (item.a, item.b))
    dst, carry = (Cell(10 * cell.column + cell.domain, 1) for cell in (item.dst, item.carry))
    carry = item.carry if is_prefix(item.op) else carry
    return item._replace(a=a, b=b, dst=dst, carry=carry, across=True)


def check_all(op: Op) -> None:
    rng = np.random.default_rng(op)
    for case in cases(op):
        check_case(case, rng)


@pytest.mark.parametrize("op", Op)
def test_computes_what_it_says_on_all_inputs(op: Op) -> None:
    check_all(op)


@pytest.mark.parametrize("op", Op)
def test_cases_are_legal(op: Op) -> None:
    assert any(cases(op))
    for case in cases(op):
        prefix = is_prefix(case.item.op)
        check(turned(case.item) if prefix else case.item, *((60, 2) if prefix else (6, 10)))


def in_takes(span: Range, width: int) -> None:
    machine = Machine(span.hi - span.lo + 1)
    values = np.arange(span.lo, span.hi + 1)
    machine.run([Instruction(Op.IN, Cell(D, BASE), width)], values[None])
    assert np.array_equal(value_of(machine.bits[D, BASE : BASE + width], span.signed), values)


@pytest.mark.parametrize("width", WIDTHS)
def test_in_takes_signed_and_unsigned_values(width: int) -> None:
    in_takes(Range.of_width(width, False), width)
    in_takes(Range.of_width(width, True), width)


# The table itself: passes on all states.


def tables(row: Opcode) -> Iterator[tuple[str, tuple[Pass, ...]]]:
    yield "bit", row.bit
    yield "first", (*row.prologue, *(row.first or row.bit))
    if row.sign is not None:
        yield "sign", row.sign


def all_states(passes: tuple[Pass, ...]) -> Iterator[dict[str, int]]:
    roles = sorted({role for item in passes for part in item for role, _ in part})
    for bits in product((0, 1), repeat=len(roles)):
        yield dict(zip(roles, bits, strict=True))


def possible(op: Op, state: dict[str, int]) -> bool:
    """Whether a carry of two cells can be so: E with C is 2, or alone, of a difference, -1."""
    return not (state["C"] and state["E"]) if op is Op.ADD_SUB else state["C"] >= state["E"]


@pytest.mark.parametrize("op", Op)
def test_no_pass_creates_a_state_that_a_later_one_matches(op: Op) -> None:
    for name, passes in tables(OPCODES[op]):
        for start in all_states(passes):
            if "E" in start and not possible(op, start):
                continue
            state, matched = dict(start), 0
            for key, write in passes:
                if all(state[role] == bit for role, bit in key):
                    matched += bool(key)
                    state |= dict(write)
            assert matched <= 1, (op.name, name, start)


@pytest.mark.parametrize("op", Op)
def test_lean_passes_do_the_same_and_write_what_changes(op: Op) -> None:
    """From all states; what the latch between tags and buffer holds is unknown when passes are made."""
    for first, sign, zeros in product((False, True), (False, True), ((), ("A",), ("B",), ("A", "B"), ("I",))):
        known = {role: 0 for role in zeros if role in OPCODES[op].operands}
        plain, lean = (variant_passes(op, first, sign, flag, known) for flag in (False, True))
        for start in all_states((*plain, *lean)):
            if any(start.get(role, bit) != bit for role, bit in known.items()):
                continue
            ends: list[dict[str, int]] = []
            for passes in (plain, lean):
                state = dict(start)
                for key, write in passes:
                    if not all(state[role] == bit for role, bit in key):
                        continue
                    if passes is lean and not {("T", 1), ("N", 1)} & {*key, *write}:
                        assert all(state[role] != bit for role, bit in write), (first, sign, zeros, start)
                    state |= dict(write)
                ends.append(state)
            assert ends[0] == ends[1], (first, sign, zeros, start)


@pytest.mark.parametrize("op", Op)
def test_passes_without_a_key_come_first(op: Op) -> None:
    for _, passes in tables(OPCODES[op]):
        keyed = [bool(key) for key, _ in passes]
        assert keyed == sorted(keyed)


def searches(item: Instruction, bit: int) -> int:
    return sum(bool(key) for key, _ in passes_of(item, bit)[0])


def clears(item: Instruction, bit: int) -> int:
    return sum(not key for key, _ in passes_of(item, bit)[0])


def unsigned(column: int, width: int) -> Operand:
    return Operand(column, BASE, width)


@pytest.mark.parametrize("op", [Op.ADD_IP, Op.SUB_IP])
def test_passes_in_place(op: Op) -> None:
    """Four passes per bit, two where the carry is known to be 0, two (the carry's) above an unsigned source."""
    item = Instruction(op, Cell(D, BASE), 6, unsigned(A, 3), carry=Cell(C, 0))
    assert [searches(item, bit) for bit in range(6)] == [2, 4, 4, 2, 2, 2]
    assert [clears(item, bit) for bit in range(6)] == [1, 0, 0, 0, 0, 0]
    signed = item._replace(a=item.a._replace(signed=True))
    assert [searches(signed, bit) for bit in range(6)] == [2, 4, 4, 4, 4, 4]


@pytest.mark.parametrize(("op", "lowest"), [(Op.ADD, 3), (Op.SUB, 2)])
def test_passes_out_of_place(op: Op, lowest: int) -> None:
    """Five passes per bit and one write that clears the result; above unsigned sources only the carry is looked at."""
    item = Instruction(op, Cell(D, BASE), 4, unsigned(A, 4), unsigned(B, 4), carry=Cell(C, 0))
    assert [searches(item, bit) for bit in range(4)] == [lowest, 5, 5, 5]
    assert [clears(item, bit) for bit in range(4)] == [2, 1, 1, 1]
    wide = item._replace(width=6)
    assert [searches(wide, bit) for bit in (4, 5)] == [1, 1]


def test_passes_of_a_copy() -> None:
    item = Instruction(Op.COPY, Cell(D, BASE), 4, unsigned(A, 3))
    assert [(clears(item, bit), searches(item, bit)) for bit in range(4)] == [(1, 1), (1, 1), (1, 1), (1, 0)]


def test_passes_of_a_bit_that_is_known_search_nothing() -> None:
    item = Instruction(Op.SET, Cell(D, BASE), 4, imm=5)
    assert [(clears(item, bit), searches(item, bit)) for bit in range(4)] == [(1, 0)] * 4


# Rules about operands.

OUTSIDE = [
    Instruction(Op.SET, Cell(8, 0), 1),
    Instruction(Op.SET, Cell(0, 13), 4),
    Instruction(Op.COPY, Cell(0, 0), 4, Operand(1, 14, 3)),
    Instruction(Op.ADD_IP, Cell(0, 0), 4, Operand(1, 0, 3), carry=Cell(2, 16)),
    Instruction(Op.SET_IF, Cell(0, 0), 4, Operand(8, 0, 1)),
    Instruction(Op.CMP_GE, Cell(0, 16), 3, Operand(1, 0, 3)),
]


@pytest.mark.parametrize("item", OUTSIDE)
def test_places_outside_the_array_are_refused(item: Instruction) -> None:
    with pytest.raises(ProgramError, match="lies outside 8 columns of 16 domains"):
        check(item, 8, 16)


MEETING = [
    Instruction(Op.ADD, Cell(0, 0), 4, Operand(1, 0, 3), Operand(1, 0, 3, False, 1), carry=Cell(2, 0)),
    Instruction(Op.COPY, Cell(0, 0), 4, Operand(0, 8, 3)),
    Instruction(Op.ADD_IP, Cell(0, 0), 4, Operand(1, 0, 3), carry=Cell(0, 9)),
    Instruction(Op.ADD_IP, Cell(0, 0), 4, Operand(1, 0, 3), carry=Cell(1, 9)),
    Instruction(Op.ADD, Cell(0, 0), 4, Operand(1, 0, 3), Operand(1, 8, 3), carry=Cell(2, 0)),
    Instruction(Op.CMP_GE, Cell(0, 0), 3, Operand(0, 8, 3)),
    Instruction(Op.SET_IF, Cell(0, 0), 3, Operand(0, 8, 1)),
]


@pytest.mark.parametrize("item", MEETING)
def test_bits_needed_together_lie_in_different_columns(item: Instruction) -> None:
    with pytest.raises(ProgramError, match="meet in column"):
        check(item, 8, 16)


MALFORMED = [
    (Instruction(Op.SET, Cell(0, 0), 0), "a width is 1 to 63"),
    (Instruction(Op.CMP_GE, Cell(0, 0), 2, Operand(1, 0, 3)), "not that of its source"),
    (Instruction(Op.CMP_GE, Cell(0, 0), 3, Operand(1, 0, 3), imm=8), "no value of the 3-bit source"),
    (Instruction(Op.CMP_GE, Cell(0, 0), 3, Operand(1, 0, 3, True), imm=4), "no value of the 3-bit source"),
    (Instruction(Op.OUT, Cell(0, 0), 3, Operand(1, 0, 4)), "not that of its source"),
    (Instruction(Op.IN, Cell(0, 0), 3, imm=-1), "can't be negative"),
    (Instruction(Op.CMP_GE, Cell(0, 0), 3, Operand(1, 0, 3, False, 1)), "shift"),
    (Instruction(Op.OUT, Cell(0, 0), 3, Operand(1, 0, 3, False, 1)), "shift"),
    (Instruction(Op.SET_IF, Cell(0, 0), 3, Operand(1, 0, 0)), "flag"),
    (Instruction(Op.SET_IF, Cell(0, 0), 3, Operand(1, 0, 1, False, 1)), "flag"),
]


@pytest.mark.parametrize(("item", "message"), MALFORMED)
def test_malformed_operands_are_refused(item: Instruction, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        check(item, 8, 16)


# Mutants: the exhaustive check is only worth something if it sees every flipped bit of the table.

PARTS = ("prologue", "first", "bit", "sign")


class Mutant(NamedTuple):
    op: Op
    part: str
    index: int
    side: int
    """0 flips a bit of the key, 1 of the write"""
    place: int

    def __str__(self) -> str:
        return f"{OPCODES[self.op].mnemonic}-{self.part}{self.index}-{'key' if self.side == 0 else 'write'}{self.place}"


def mutants() -> Iterator[Mutant]:
    for op, row in OPCODES.items():
        for part in PARTS:
            for index, item in enumerate(getattr(row, part) or ()):
                for side, place in ((s, p) for s in (0, 1) for p in range(len(item[s]))):
                    if item[side][place][0] != "T":
                        yield Mutant(op, part, index, side, place)


def mutate(mutant: Mutant) -> Opcode:
    row = OPCODES[mutant.op]
    passes = list(getattr(row, mutant.part))
    sides = [list(side) for side in passes[mutant.index]]
    role, bit = sides[mutant.side][mutant.place]
    sides[mutant.side][mutant.place] = (role, 1 - bit)
    passes[mutant.index] = Pass(tuple(sides[0]), tuple(sides[1]))
    return replace(row, **{mutant.part: tuple(passes)})


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Opcode], None]]:
    def install(row: Opcode) -> None:
        monkeypatch.setitem(isa.OPCODES, row.op, row)  # pyright: ignore
        isa._bit_passes.cache_clear()

    yield install
    monkeypatch.undo()
    isa._bit_passes.cache_clear()


@pytest.mark.parametrize("mutant", list(mutants()), ids=str)
def test_every_flipped_bit_of_the_table_is_noticed(mutant: Mutant, table: Callable[[Opcode], None]) -> None:
    table(mutate(mutant))
    with pytest.raises(AssertionError):
        check_all(mutant.op)


def test_the_page_of_the_docs_is_current() -> None:
    docs = Path(__file__).parents[1] / "docs"
    page = run_path(str(docs / "make_isa_page.py"))["page"]
    assert (docs / "isa.md").read_text(encoding="utf-8") == page(), "run python docs/make_isa_page.py"
