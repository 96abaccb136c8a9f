"""The golden simulator: ports, shifts and counts computed by hand, bit loops, the rules of the machine, rows."""

from __future__ import annotations

import numpy as np
import pytest
from camc_testing import Machine, bits_of, value_of
from hypothesis import given
from hypothesis import strategies as st

from dialects.machine.isa import ZERO, Cell, Instruction, Op, Operand, in_loop
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from runtime.engines.golden import Simulator


def add_ip(column: int, source: Operand, width: int, carry: Cell, start: int = 0) -> Instruction:
    return Instruction(Op.ADD_IP, Cell(column, 0), width, source, carry=carry, start=start)


# Ports and shifts. All ports start at domain 0.


def test_shifts_of_a_set() -> None:
    """c1[3:6]: three steps to its first bit, then one per bit."""
    machine = Machine(10)
    counts = machine.run([Instruction(Op.SET, Cell(1, 3), 3, imm=5)])
    assert (counts.shift_steps, counts.column_steps) == (5, 5)
    assert machine.simulator.ports == [0, 5, 0, 0, 0, 0, 0, 0]
    assert counts.shifted_row_cells == 5 * 64
    assert (counts.searches, counts.writes) == (0, 3)
    assert (counts.instructions, counts.bit_loops) == (1, 1)


def test_shifts_of_an_addition() -> None:
    """Destination and source step together, the carry stays; then the ports go back for the next instruction."""
    machine = Machine(10)
    item = add_ip(0, Operand(1, 4, 3, True), 5, Cell(2, 2))
    counts = machine.run([item])
    # To bit 0: c1 goes 4, c2 goes 2, in 4 steps. Then c0 4 and c1 2 steps, as it stays on its sign.
    assert counts.column_steps == 4 + 2 + 4 + 2
    assert counts.shift_steps == 4 + 4
    again = machine.run([item])
    assert again.column_steps == 4 + 2 + 4 + 2
    assert again.shift_steps == 4 + 4


def test_bits_above_an_unsigned_source_do_not_move_it() -> None:
    machine = Machine(10)
    counts = machine.run([add_ip(0, Operand(1, 0, 2), 6, Cell(2, 0))])
    assert machine.simulator.ports[:3] == [5, 1, 0]
    assert counts.column_steps == 5 + 1
    assert counts.searches == 2 + 4 + 2 * 4
    assert counts.writes == counts.searches + 1
    # Bit 0: the carry is known in the first pass, not in the second; above the source its bit is known to be 0.
    assert counts.searched_row_cells == (2 + 3 + 4 * 3 + 4 * 2 * 2) * 64


def test_a_bit_loop_sweeps_a_shared_source_once() -> None:
    source = Operand(1, 0, 4)
    members = [add_ip(0, source, 4, Cell(6, 0)), add_ip(2, source, 4, Cell(7, 0))]
    apart, together = Machine(10), Machine(10)
    assert apart.run(members).column_steps == 3 + 3 + 3 + 6
    counts = together.run(in_loop(members))
    assert (counts.column_steps, counts.shift_steps, counts.bit_loops) == (9, 3, 1)


def test_counts_of_transfers() -> None:
    machine = Machine(70)
    values = np.arange(70)[None] % 4
    counts = machine.run(
        [Instruction(Op.IN, Cell(0, 0), 2), Instruction(Op.OUT, Cell(0, 0), 2, Operand(0, 0, 2))],
        values,
        outputs := np.zeros_like(values),
    )
    assert np.array_equal(outputs, values)
    assert counts.moved_row_bits == 70 * 4
    assert (counts.searches, counts.writes) == (2, 4)
    # Two arrays of 64 rows; each bit takes a turn of a port of 256 bits.
    assert counts.move_cycles == 4
    assert counts.fetched_bits == 2 * 128
    assert counts.broadcast_bits == 2 * 128 * 2


# Bit loops.


@st.composite
def loops(draw: st.DrawFn) -> tuple[list[Instruction], int]:
    """Members that may run together: distinct columns, a carry each; sources are shared or swept at the same pace."""
    members: list[Instruction] = []
    count = draw(st.integers(1, 4))
    place = st.tuples(st.integers(0, 3), st.integers(1, 5), st.booleans())
    sources = [Operand(column, *draw(place)) for column in (0, 1)]
    start = draw(st.integers(0, 2))
    for index in range(count):
        dst, carry = Cell(2 + index, draw(st.integers(0, 3))), Cell(8 + index, draw(st.integers(0, 9)))
        op = draw(st.sampled_from([Op.SET, Op.COPY, Op.EXT, Op.ADD_IP, Op.SUB_IP, Op.ADD, Op.SUB, Op.COPY_IF]))
        item = Instruction(op, dst, draw(st.integers(1, 6)), carry=carry)
        # Only what reads no source may start at a time of its own.
        item = item._replace(start=draw(st.integers(0, 2)) if op in (Op.SET, Op.EXT) else start)
        match op:
            case Op.SET:
                item = item._replace(imm=draw(st.integers(-9, 9)), carry=Cell(0, 0))
            case Op.COPY:
                item = item._replace(a=draw(st.sampled_from(sources)), carry=Cell(0, 0))
            case Op.ADD | Op.SUB:
                a, b = (draw(st.sampled_from([ZERO, source])) for source in sources)
                item = item._replace(a=a, b=b)
            case Op.EXT:
                pass
            case _:
                item = item._replace(a=draw(st.sampled_from([ZERO, *sources])))
        members.append(item)
    return members, draw(st.integers(0, 9))


@given(loops())
def test_a_bit_loop_equals_its_members_one_after_another(case: tuple[list[Instruction], int]) -> None:
    members, seed = case
    bits = np.random.default_rng(seed).integers(0, 2, size=(12, 12, 65), dtype=np.uint8)
    apart, together = Machine(65, 12, 12), Machine(65, 12, 12)
    apart.bits = together.bits = bits
    apart.run(members)
    counts = together.run(in_loop(members))
    assert np.array_equal(apart.bits, together.bits)
    assert (counts.bit_loops, counts.instructions) == (1, len(members))


def test_start_offsets_a_member() -> None:
    """The second member reads the first one's result a step behind it, from the same source column."""
    machine = Machine(16, columns=8)
    machine.bits = np.zeros((8, 16, 16), dtype=np.uint8)
    bits = machine.bits
    bits[0, 0:4] = bits_of(np.arange(16), 4)
    machine.bits = bits
    # c2 = c0, and one step later c3[1:] = c0 << 1: at step k both need bit k and k - 1 of c0.
    clash = in_loop(
        [
            Instruction(Op.COPY, Cell(2, 0), 4, Operand(0, 0, 4)),
            Instruction(Op.COPY, Cell(3, 0), 4, Operand(0, 0, 4), start=1),
        ]
    )
    with pytest.raises(ProgramError, match="meet in column c0"):
        machine.run(clash)
    # With the shift in place of the offset both read the same bit at a time.
    machine.run(in_loop([clash[0], Instruction(Op.COPY, Cell(3, 1), 4, Operand(0, 0, 4))]))
    assert np.array_equal(value_of(machine.bits[2, 0:4]), np.arange(16))
    assert np.array_equal(value_of(machine.bits[3, 0:5]), np.arange(16) * 2)


def test_columns_that_meet_in_a_bit_loop() -> None:
    members = [
        Instruction(Op.COPY, Cell(2, 0), 3, Operand(0, 0, 3)),
        Instruction(Op.COPY, Cell(3, 0), 3, Operand(0, 8, 3)),
    ]
    Machine(4).run(members)
    with pytest.raises(ProgramError, match="domains 0 and 8, meet in column c0"):
        Machine(4).run(in_loop(members))


def test_a_shorter_source_stays_on_its_sign() -> None:
    source, wide = Operand(0, 0, 2, True), Operand(1, 0, 4, True)
    members = [
        Instruction(Op.ADD, Cell(2, 0), 5, source, wide, carry=Cell(6, 0)),
        Instruction(Op.SUB, Cell(3, 0), 5, source, wide, carry=Cell(7, 0)),
    ]
    machine = Machine(64)
    bits = machine.bits
    bits[0, :2], bits[1, :4] = bits_of(np.arange(64), 2), bits_of(np.arange(64) >> 2, 4)
    machine.bits = bits
    machine.run(in_loop(members))
    a, b = value_of(bits[0, :2], True), value_of(bits[1, :4], True)
    assert np.array_equal(value_of(machine.bits[2, :5], True), a + b)
    assert np.array_equal(value_of(machine.bits[3, :5], True), a - b)


# Rules.


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Instruction(Op.SET, Cell(8, 0), 1), "lies outside"),
        (Instruction(Op.SET, Cell(0, 14), 3), "lies outside"),
        (Instruction(Op.IN, Cell(0, 0), 1, imm=1), "test: there is no vector 1"),
        (Instruction(Op.OUT, Cell(0, 0), 1, Operand(0, 0, 1), imm=1), "test: there is no vector 1"),
        (Instruction(Op.SET, Cell(0, 0), 1, last=False), "never ended"),
    ],
)
def test_what_breaks_a_rule_is_refused(item: Instruction, message: str) -> None:
    one = np.zeros((1, 4), dtype=np.int64)
    with pytest.raises(ProgramError, match=message):
        Machine(4).run([item], one, one.copy())


def test_a_run_needs_a_sample() -> None:
    with pytest.raises(ProgramError, match="at least one sample"):
        Simulator(Target("test"), 0)


# Rows and arrays.


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 257])
def test_rows_and_arrays(rows: int) -> None:
    machine = Machine(rows)
    rng = np.random.default_rng(rows)
    vectors = rng.integers(-8, 8, size=(2, rows))
    outputs = np.zeros((1, rows), dtype=np.int64)
    counts = machine.run(
        [
            Instruction(Op.IN, Cell(0, 0), 4, imm=0),
            Instruction(Op.IN, Cell(1, 0), 4, imm=1),
            Instruction(Op.SUB, Cell(2, 0), 5, Operand(0, 0, 4, True), Operand(1, 0, 4, True), carry=Cell(3, 0)),
            Instruction(Op.OUT, Cell(0, 0), 5, Operand(2, 0, 5, True)),
        ],
        vectors,
        outputs,
    )
    assert np.array_equal(outputs[0], vectors[0] - vectors[1])
    arrays = -(-rows // 64)
    assert (machine.simulator.arrays, machine.simulator.rows) == (arrays, arrays * 64)
    assert counts.shifted_row_cells == counts.column_steps * arrays * 64
    assert counts.broadcast_bits == counts.fetched_bits * arrays


@pytest.mark.parametrize("rows", [1, 63, 65, 100])
def test_rows_beyond_the_samples_are_never_written(rows: int) -> None:
    machine = Machine(rows)
    machine.run([Instruction(Op.SET, Cell(0, 0), 4, imm=-1), add_ip(1, Operand(0, 0, 4), 5, Cell(2, 0))])
    assert all(plane >> rows == 0 for column in machine.simulator.planes for plane in column)
    assert machine.bits[0, :4].all()


@given(st.integers(0, 99), st.sampled_from([1, 63, 64, 65, 130]))
def test_written_cells_are_those_of_tagged_rows(seed: int, rows: int) -> None:
    """In place B += A writes, a bit: C and B where C0B1A1 or C1B0A0, B where C0B0A1 or C1B1A0."""
    rng = np.random.default_rng(seed)
    machine = Machine(rows)
    machine.bits = bits = rng.integers(0, 2, size=(8, 16, rows), dtype=np.uint8)
    counts = machine.run([add_ip(0, Operand(1, 0, 4), 4, Cell(2, 0))])
    written, carry = rows, np.zeros(rows, dtype=np.uint8)
    for bit in range(4):
        b, a = bits[0, bit], bits[1, bit]
        both = (carry == 0) & (b == 1) & (a == 1) | (carry == 1) & (b == 0) & (a == 0)
        one = (carry == 0) & (b == 0) & (a == 1) | (carry == 1) & (b == 1) & (a == 0)
        written += 2 * int(both.sum()) + int(one.sum())
        carry = (carry + b + a) >> 1
    assert counts.written_row_cells == written


@pytest.mark.parametrize("span", [Range(0, 15), Range(-8, 7), Range(0, 1), Range(-1, 0), Range(-100, 100)])
def test_values_in_and_out(span: Range) -> None:
    values = np.arange(span.lo, span.hi + 1)[None]
    machine = Machine(values.size)
    place = Operand(3, 2, span.width, span.signed)
    outputs = np.full_like(values, 77)
    machine.run([Instruction(Op.IN, Cell(3, 2), span.width)], values)
    machine.run([Instruction(Op.OUT, Cell(0, 0), span.width, place)], outputs=outputs)
    assert np.array_equal(outputs, values)
