"""Threshold tables: what they compute, their text, and what becomes of them on negated and shifted values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.support.errors import TextError
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntMatrix, Thresholds
from passes.placing.step_tables import IMMEDIATE, Steps, step_table, within_immediates
from passes.placing.vector_code import View

spans = st.tuples(st.integers(-9, 9), st.integers(0, 12)).map(lambda pair: Range(pair[0], pair[0] + pair[1]))
floats = st.one_of(st.floats(allow_nan=False), st.sampled_from([math.inf, -math.inf, -0.0, 0.0, 5e-324, -5e-324, 0.1]))


@given(spans, st.lists(st.integers(-30, 30), max_size=6).map(sorted), st.booleans(), st.integers(-4, 4))
def test_apply_counts_thresholds(span: Range, line: list[int], down: bool, low: int) -> None:
    result = Range(low, low + len(line))
    table = Thresholds.from_array(np.array(line, dtype=np.int64).reshape(1, -1), np.array([down]))
    values = np.arange(span.lo, span.hi + 1)[:, None]
    counts = [sum(value >= bound for bound in line) for value in range(span.lo, span.hi + 1)]
    expected = [result.hi - count if down else result.lo + count for count in counts]
    assert table.apply(values, result)[:, 0].tolist() == expected


def test_apply_takes_a_line_a_channel() -> None:
    table = Thresholds.from_array(np.array([[1], [2]]), np.array([False, True]))
    values = np.array([[[0, 1], [1, 2]]])
    assert table.apply(values, Range(0, 1)).tolist() == [[[0, 1], [1, 0]]]


@given(
    spans,
    st.lists(st.integers(-80, 80), max_size=6).map(sorted),
    st.booleans(),
    st.integers(0, 3),
    st.booleans(),
    st.integers(-4, 4),
)
def test_steps_of_a_view(span: Range, line: list[int], down: bool, shift: int, negate: bool, low: int) -> None:
    """The table over the value itself gives what the thresholds give over its shifted, negated view."""
    result = Range(low, low + len(line))
    first, table = step_table(span, View(0, shift, negate), line, down, result)
    bounds = [bound for bound, _ in table]
    assert bounds == sorted(set(bounds))
    assert all(span.lo < bound <= span.hi for bound in bounds)
    for value in range(span.lo, span.hi + 1):
        seen = -(value << shift) if negate else value << shift
        count = sum(seen >= bound for bound in line)
        found = first
        for bound, number in table:
            if value >= bound:
                found = number
        assert found == (result.hi - count if down else result.lo + count)


WIDE = st.integers(-(1 << 60), 1 << 60) | st.integers(-3, 3).map(lambda number: number << 31)


@given(st.sets(WIDE, max_size=9), st.integers(-3, 3), st.sampled_from([1, -1]), st.lists(WIDE, max_size=5))
def test_steps_in_parts_that_immediates_hold(bounds: set[int], start: int, step: int, values: list[int]) -> None:
    whole = Steps(start, tuple((bound, start + step * passed) for passed, bound in enumerate(sorted(bounds), start=1)))
    parts = within_immediates(whole)
    assert parts is not None
    assert all(number in IMMEDIATE for _, part in parts for entry in part.table for number in entry)

    def at(steps: Steps, value: int) -> int:
        return next((number for bound, number in reversed(steps.table) if value >= bound), steps.start)

    for value in {*values, *bounds, *(bound - 1 for bound in bounds)}:
        assert sum(at(part, value - centre) for centre, part in parts) == at(whole, value)
    assert within_immediates(Steps(1 << 31, ())) is None


def test_steps_of_the_constant_zero() -> None:
    assert step_table(Range(0, 0), View(-1), [-1, 0, 1], False, Range(0, 3)) == (2, ())


@given(st.lists(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=2, max_size=2).map(sorted), min_size=1), st.data())
def test_text_round_trip(lines: list[list[int]], data: st.DataObject) -> None:
    down = np.array([data.draw(st.booleans()) for _ in lines])
    table = Thresholds.from_array(np.array(lines), down)
    assert Thresholds.from_text(table.to_text()) == table
    assert table.problem() is None


@given(st.lists(st.lists(floats, min_size=3, max_size=3).map(sorted), min_size=1, max_size=4))
def test_text_of_floats_is_exact(lines: list[list[float]]) -> None:
    table = FloatThresholds.from_array(np.array(lines))
    again = FloatThresholds.from_text(table.to_text())
    assert again.data == table.data
    assert again == table


def test_text_of_special_floats() -> None:
    table = FloatThresholds.from_array(np.array([[-math.inf, -0.0, 5e-324, 0.1, math.inf]]))
    assert table.to_text() == "up -inf -0.0 5e-324 0.1 inf"


def test_a_table_without_levels() -> None:
    table = Thresholds.from_text("up\ndown")
    assert (table.channels, table.levels) == (2, 0)
    assert Thresholds.from_text(table.to_text()) == table
    assert table.apply(np.array([[5, 7]]), Range(3, 3)).tolist() == [[3, 3]]


def test_float_thresholds_at_infinity() -> None:
    table = FloatThresholds.from_array(np.array([[-math.inf, 0.5, math.inf]]))
    values = np.array([[-math.inf, -1e300, 0.5, np.nextafter(0.5, 0), math.inf]]).T
    assert table.apply(values, Range(0, 3))[:, 0].tolist() == [1, 1, 2, 1, 3]


BAD = [
    ("", 0, "at least one channel"),
    ("up 1\nsideways 2", 5, "expected 'up' or 'down'"),
    ("up 1 2\nup 3", 7, "channel 1 has 1 thresholds"),
    ("up 1\n  down x", 7, "expected integers"),
    ("up 0.5", 0, "expected integers"),
    ("up 9223372036854775808", 0, "expected"),
]


@pytest.mark.parametrize(("text", "offset", "message"), BAD)
def test_malformed_text(text: str, offset: int, message: str) -> None:
    with pytest.raises(TextError, match=message) as caught:
        Thresholds.from_text(text)
    assert caught.value.offset == offset


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 127, 128, 1 << 40]), st.integers(0, 9))
def test_matrix_text_round_trip(rows: int, columns: int, limit: int, seed: int) -> None:
    array = np.random.default_rng(seed).integers(-limit, limit + 1, size=(rows, columns))
    matrix = IntMatrix.from_array(array)
    assert np.array_equal(matrix.array, array)
    assert IntMatrix.from_text(matrix.to_text()) == matrix
    lows, highs = matrix.output_ranges(Range(-3, 5))
    assert lows.tolist() == [sum(min(-3 * w, 5 * w) for w in row) for row in array.tolist()]
    assert highs.tolist() == [sum(max(-3 * w, 5 * w) for w in row) for row in array.tolist()]


BAD_MATRIX = [
    ("", 0, "at least one row"),
    ("+0-\n+0", 4, "row 1 has 2 entries"),
    ("+0x", 0, "expected integers"),
    ("1 2\n3 4.5", 4, "expected integers"),
    ("1 99999999999999999999", 0, "expected"),
]


@pytest.mark.parametrize(("text", "offset", "message"), BAD_MATRIX)
def test_malformed_matrix(text: str, offset: int, message: str) -> None:
    with pytest.raises(TextError, match=message) as caught:
        IntMatrix.from_text(text)
    assert caught.value.offset == offset


def test_float_steps_and_then_integer_steps_are_one_table() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        sizes, counts = rng.choice([1, 3], 2), rng.integers(0, 6, 2)
        middle = Range(-2, -2 + int(counts[0]))
        edges = np.sort(rng.choice([-np.inf, -2, -1, 0, 0.5, 1, 2, np.inf], (sizes[0], counts[0])), axis=1)
        first = FloatThresholds.from_array(edges, rng.integers(0, 2, sizes[0]) > 0)
        lines = np.sort(rng.integers(middle.lo, middle.hi + 2, (sizes[1], counts[1])), axis=1)
        second, result = Thresholds.from_array(lines, rng.integers(0, 2, sizes[1]) > 0), Range(-1, -1 + int(counts[1]))
        x = rng.choice([-3, -2, -1.5, -1, 0, 0.25, 0.5, 1, 1.5, 2, 9], (7, 3))
        joined = first.then(middle, second)
        assert joined.problem() is None
        np.testing.assert_array_equal(joined.apply(x, result), second.apply(first.apply(x, middle), result))
