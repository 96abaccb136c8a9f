"""Rescalings: found for what a quantiser does, equal to it at every integer, and the same at every level."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from camc_testing import Network
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp

from cam_compiler.importer.arithmetic.affine_edges import affine_edges
from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.functions import Edge
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.arithmetic.thresholds import Channel, Reach, integer_table
from cam_compiler.pipeline import parse_passes, run_passes
from cam_compiler.validation import difference
from dialects import ternary
from dialects.machine.target import Target
from dialects.support.errors import TextError
from dialects.support.ranges import Range
from dialects.support.rescales import Line, Rescales
from dialects.support.tensors import IntArray, IntMatrix, Thresholds
from passes.rescaling.moves import Do, Plan
from passes.rescaling.plan import MOST_BITS, plan_of
from passes.rescaling.products import count_of, forms_of
from passes.rescaling.search import find_line
from passes.rescaling.tables import table_cycles
from passes.ternary_rescale import rescaled
from runtime.interpreter import Interpreter


def quantiser(scale: Fraction, offset: Fraction, bits: int, zero: int, rounding: Rounding) -> Channel:
    """x -> clamp(round(x * scale + offset) + zero)."""
    low, high = (0, (1 << bits) - 1) if zero >= 0 else (-1 << bits - 1, (1 << bits - 1) - 1)
    return Channel(Piece(scale, offset), RoundStep(low, high, rounding, abs(zero)), Piece())


def table_of(channel: Channel, source: Range) -> tuple[Thresholds, Range]:
    table = integer_table([channel], [Reach(source.lo, source.hi)], source)
    return table.thresholds, table.result


def carried_out(plan: Plan, inputs: IntArray) -> IntArray:
    """What the steps compute, each within its stated range."""
    values = [inputs]

    def shifted(number: int, shift: int) -> IntArray:
        if number < 0:
            return np.zeros_like(inputs)
        return values[number] << shift if shift >= 0 else values[number] >> -shift

    for move in plan.moves:
        a, span = shifted(move.a, move.a_shift), move.range
        match move.do:
            case Do.CONST:
                value = np.full_like(inputs, move.imm)
            case Do.SUM:
                b = shifted(move.b, move.b_shift)
                value = a - b if move.subtract else a + b
            case Do.SHIFTED:
                cut = a & (1 << span.width) - 1
                value = np.where(cut >> span.width - 1 & span.signed, cut - (1 << span.width), cut)
            case Do.CLAMPED:
                value = a.clip(span.lo, span.hi)
        assert value.min() >= span.lo and value.max() <= span.hi, move
        values.append(value)
    return values[-1]


def every(source: Range) -> IntArray:
    return np.arange(source.lo, source.hi + 1, dtype=np.int64)


TIES = [
    *(Fraction(1, 1 << power) for power in (1, 2, 5)),
    *(Fraction(top, bottom) for top, bottom in ((1, 6), (3, 10), (7, 12), (2, 3), (5, 4), (1, 90))),
]


@pytest.mark.parametrize("seed", range(6))
def test_lines_and_plans_equal_the_rational_function(seed: int) -> None:
    """At every integer that a quantiser can meet: random scales, offsets, zero points, roundings, falling ones too."""
    rng = random.Random(seed)
    for number in range(12):
        float_scale = Fraction(np.float32(rng.uniform(0.002, 0.6)).item()) / Fraction(np.float32(1.5).item())
        scale = rng.choice(TIES) if number % 2 else float_scale
        offset = Fraction(rng.randint(-40, 40), rng.choice((1, 2, 4, 3)))
        bits, zero = rng.choice(((4, 0), (8, 128), (8, 7), (8, -3), (8, -4), (6, 1)))
        rounding = rng.choice((Rounding.HALF_EVEN, Rounding.HALF_EVEN, Rounding.HALF_UP, Rounding.FLOOR))
        channel = quantiser(scale * rng.choice((1, 1, -1)), offset, bits, zero, rounding)
        source = Range(-rng.randint(0, 3000), rng.randint(1, 5000))
        table, result = table_of(channel, source)
        line = find_line(table.array[0], table.down[0], result, source)
        if line is None:
            # Half away from zero is no line where numbers of both signs lie halfway.
            assert rounding is Rounding.HALF_UP
            continue
        inputs = every(source)
        wanted = table.apply(inputs[:, None], result)[:, 0]
        np.testing.assert_array_equal(line.apply(inputs), wanted)
        assert [line(int(x)) for x in inputs[::37]] == wanted[::37].tolist()
        for most_bits in (MOST_BITS, 32, 26):
            plan = plan_of(line, source, most_bits)
            if plan is None:
                assert most_bits < MOST_BITS
                continue
            assert all(move.range.width <= most_bits for move in plan.moves)
            np.testing.assert_array_equal(carried_out(plan, inputs), wanted)


@pytest.mark.parametrize(
    ("scale", "offset", "ties"),
    [
        (Fraction(np.float32(0.37).item()) / 4099, Fraction(np.float32(11.3).item()), False),
        (Fraction(1, 512), Fraction(0), True),
        (Fraction(3, 7168), Fraction(1, 3), False),
        (Fraction(3, 7168), Fraction(3), True),
    ],
)
def test_sixteen_bits_are_exact_beside_every_step(scale: Fraction, offset: Fraction, ties: bool) -> None:
    """65,535 steps of accumulators of 33 bits: all inputs beside them, which is a proof for those between."""
    channel = quantiser(scale, offset, 16, 32769, Rounding.HALF_EVEN)
    source = Range(-(1 << 32), (1 << 32) - 1)
    table, result = table_of(channel, source)
    line = find_line(table.array[0], False, result, source)
    assert line is not None and (line.tie >= 0) == ties
    beside = np.concatenate([table.array[0], table.array[0] - 1, [source.lo, source.hi]])
    beside = beside[(beside >= source.lo) & (beside <= source.hi)]
    wanted = table.apply(beside[:, None], result)[:, 0]
    np.testing.assert_array_equal(line.apply(beside), wanted)
    turned = line._replace(multiplier=-line.multiplier), Range(-source.hi, -source.lo)
    for this, span, inputs in ((line, source, beside), (*turned, -beside)):
        plan = plan_of(this, span)
        assert plan is not None
        np.testing.assert_array_equal(carried_out(plan, inputs), wanted)


@pytest.mark.parametrize("rounding", [each for each in Rounding if each not in (Rounding.SIGN, Rounding.BIPOLAR)])
@pytest.mark.parametrize("piece", [Piece(Fraction(3, 8), Fraction(1, 4)), Piece(Fraction(-7, 12), Fraction(5))])
def test_all_levels_at_once_are_those_one_by_one(rounding: Rounding, piece: Piece) -> None:
    step = RoundStep(0, 1023, rounding, 300)
    clamped = piece.clamped(Fraction(-551, 2), Fraction(600))
    for one in (piece, clamped):
        wanted = Channel(one, step).edges(range(1, 1024), 64)
        found = affine_edges(one, step, range(1, 1024))
        assert found is not None
        firsts = found.integers().tolist()
        for number, edge in enumerate(wanted):
            assert found.everything[number] == (edge is True)
            assert found.nothing[number] == (edge is False)
            if isinstance(edge, Edge):
                assert firsts[number] == edge.integer()
                assert edge.low * found.bottom == edge.denominator * found.tops[number]
                assert edge.closed == found.closed[number]


def test_what_is_no_line_stays_a_table() -> None:
    source = Range(-500, 500)
    curve = np.array([[-400 + step * step for step in range(20)]])
    assert find_line(curve[0], False, Range(0, 20), source) is None
    assert rescaled(Thresholds.from_array(curve), source, Range(0, 20), 64) is None
    # Few thresholds are cheap, a line or not.
    few = Thresholds.from_array(np.array([[-9, 0, 9]]))
    assert find_line(few.array[0], False, Range(0, 3), source) is not None
    assert rescaled(few, source, Range(0, 3), 64) is None
    # What is always or never reached takes no steps.
    always = find_line(np.array([-500, -500, 501]), False, Range(0, 3), source)
    assert always == Line(0, 2, 0, 2, 2) and plan_of(always, source)
    assert find_line(curve[0], False, Range(0, 20), Range(0, 1 << 45)) is None


def test_results_that_are_all_the_same_are_a_constant() -> None:
    """Where a line has one result for all integers that there are, no bound of the input's is among those."""
    for line, source, level in (
        (Line(1, -255, 0, 0, 255), Range(0, 255), 0),
        (Line(-3, 0, 2, -5, 9), Range(9, 99), -5),
    ):
        plan = plan_of(line, source)
        assert plan is not None
        assert [(move.do, move.imm) for move in plan.moves] == [(Do.CONST, level)]


def test_products_take_few_additions() -> None:
    rng = random.Random(3)
    for multiplier in [1, 3, 45, 255, *(rng.getrandbits(22) | 1 for _ in range(60))]:
        forms = forms_of(multiplier)
        for form in forms:
            shifts = [digit.shift for digit in form.digits]
            assert shifts == sorted(set(shifts))
            assert sum(digit.sign * digit.size(form) << digit.shift for digit in form.digits) == multiplier
        assert forms[0].additions <= count_of(multiplier) - 1


def rescale_module(lines: list[Line], source: Range, result: Range) -> ModuleOp:
    network = Network({"x": ternary.int_tensor((DYNAMIC_INDEX, len(lines)), source)})
    value = network.add(ternary.RescaleOp(network.args[0], Rescales(tuple(lines)), result))
    return network.finish({"y": value})


def test_all_levels_agree() -> None:
    """Random lines, with ties, falling, wide and narrow, on the interpreter of each level and on both engines."""
    rng = random.Random(5)
    source, result = Range(-3000, 4000), Range(-128, 127)
    lines = [Line(0, 5, 0, 5, 5), Line(-1, 8, 4, -128, 127, 0, 1), Line(3, 1 << 6, 7, -4, 100, 3, 0)]
    for _ in range(9):
        shift = rng.randint(6, 24)
        multiplier = rng.randint(1, (1 << shift) // 12) * rng.choice((1, -1))
        lines.append(Line(multiplier, rng.randint(-1 << shift + 5, 1 << shift + 5), shift, -128, rng.randint(-9, 127)))
    x = np.array([[rng.randint(source.lo, source.hi) for _ in lines] for _ in range(300)])
    module = rescale_module(lines, source, result)
    wanted = Interpreter().run(module, {"x": x}).outputs["y"]
    assert wanted.tolist() == [[line(value) for line, value in zip(lines, row, strict=True)] for row in x.tolist()]
    passes = parse_passes("default")
    for target, count in ((Target("default"), 6), (Target("small", 64, 64, 32), len(passes))):
        lowered = module.clone()
        for done, one in enumerate(passes):
            run_passes(lowered, [one], target)
            if done >= count - 5:
                np.testing.assert_array_equal(Interpreter(target).run(lowered, {"x": x}).outputs["y"], wanted)
        np.testing.assert_array_equal(Interpreter(target, "golden").run(lowered, {"x": x[:9]}).outputs["y"], wanted[:9])


def test_cycles_are_those_of_the_instructions() -> None:
    """The measure that decides between a table and a line, against what the machine counts."""
    source = Range(-9000, 9000)
    channel = quantiser(Fraction(np.float32(0.031).item()), Fraction(0), 8, 130, Rounding.HALF_EVEN)
    table, result = table_of(channel, source)
    line = find_line(table.array[0], False, result, source)
    assert line is not None
    plan = plan_of(line, source)
    assert plan is not None
    for lines, stated in ((True, plan.cycles), (False, table_cycles(table.array[0], source, result))):
        network = Network({"x": ternary.int_tensor((DYNAMIC_INDEX, 1), source)})
        value = network.args[0]
        op = ternary.RescaleOp(value, Rescales((line,)), result) if lines else ternary.ThresholdOp(value, table, result)
        module = network.finish({"y": network.add(op)})
        run_passes(
            module, parse_passes("convert-ternary-to-apv,convert-apv-to-rtm,convert-rtm-to-ap"), Target("default")
        )
        run = Interpreter().run(module, {"x": np.zeros((1, 1), dtype=np.int64)})
        found = sum(segment.counts.cycles - segment.counts.move_cycles for segment in run.segments)
        moved = 8 + 2 * source.width
        assert abs(found - moved - stated) <= stated // 20, (lines, found, stated)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* 3 + 1 >> x in 0..9", "expected '"),
        ("* 3 + 1 >> 2 in 0..9 ties odd", "expected '"),
        ("", "at least one"),
        (f"* {'9' * 50} + 1 >> 2 in 0..9", "too long"),
    ],
)
def test_text_that_is_no_line(text: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        Rescales.from_text(text)


def test_lines_never_fall() -> None:
    """So that a maximum may be taken before them, ties or not."""
    values, chance = np.arange(-300, 300), random.Random(3)
    for _ in range(200):
        shift, multiplier, addend = chance.randrange(1, 7), chance.randrange(40), chance.randrange(-99, 99)
        for tie in range(-1, shift):
            line = Line(multiplier, addend, shift, -40, 50, tie, chance.randrange(2))
            assert (np.diff(line.apply(values)) >= 0).all()


@pytest.mark.parametrize("columns", [44, 59, 60, 61])
def test_rescaled_sums_across_few_columns(columns: int) -> None:
    """Values of one instruction never lie in different domains of a column; a layer without such places goes along."""
    chance = np.random.default_rng(columns)
    network = Network({"x": ternary.int_tensor((DYNAMIC_INDEX, 6), Range(0, 15))})
    weights = IntMatrix.from_array(chance.integers(-1, 2, (5, 6)))
    sums = network.add(ternary.MatmulOp(network.args[0], weights))
    line = Line(301, 17017, 7, 0, 255)
    module = network.finish({"y": network.add(ternary.RescaleOp(sums, Rescales((line,)), Range(0, 255)))})
    inputs, target = {"x": chance.integers(0, 16, (9, 6))}, Target("narrow", columns=columns, domains=16)
    expected = Interpreter(target).run(module, inputs).outputs
    run_passes(module, parse_passes("across", 0), target)
    assert difference(expected, Interpreter(target).run(module, inputs).outputs) is None
