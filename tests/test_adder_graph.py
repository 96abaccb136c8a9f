"""Adder graphs: their text, what they compute, their ranges; and the graph that shares nothing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.apv.adder_graph import ZERO_OUTPUT, AdderGraph, Node, Output
from dialects.support.errors import TextError
from dialects.support.ranges import Range
from passes.adder_graphs.sums import WEIGHT_LIMIT, signed_digits, unshared

spans = st.tuples(st.integers(-5, 5), st.integers(0, 4)).map(lambda pair: Range(pair[0], pair[0] + pair[1]))


@st.composite
def graphs(draw: st.DrawFn) -> AdderGraph:
    inputs = draw(st.lists(spans, min_size=1, max_size=3))
    nodes: list[Node] = []
    for _ in range(draw(st.integers(0, 5))):
        value = st.integers(0, len(inputs) + len(nodes) - 1)
        shifts = draw(st.sampled_from([(0, 0), (0, 0), (0, 1), (2, 0), (3, 0)]))
        nodes.append(Node(draw(value), shifts[0], draw(value), shifts[1], draw(st.integers(0, 1))))
    value = st.integers(0, len(inputs) + len(nodes) - 1)
    output = st.one_of(st.just(ZERO_OUTPUT), st.builds(Output, value, st.integers(0, 2), st.integers(0, 1)))
    return AdderGraph.of(inputs, nodes, draw(st.lists(output, min_size=1, max_size=4)))


def all_inputs(graph: AdderGraph) -> np.ndarray:
    return np.array(list(product(*(range(span.lo, span.hi + 1) for span in graph.inputs)))).T


@given(graphs())
def test_text_round_trip(graph: AdderGraph) -> None:
    assert AdderGraph.from_text(graph.to_text()) == graph
    assert graph.problem() is None


@given(graphs())
def test_computes_its_coefficients(graph: AdderGraph) -> None:
    values = all_inputs(graph)
    assert np.array_equal(graph.propagate(values), graph.coefficients() @ values)


@given(graphs())
def test_ranges_hold_every_value(graph: AdderGraph) -> None:
    found = graph.propagate(all_inputs(graph))
    for row, span, exact in zip(found, graph.output_ranges, graph.exact_output_ranges(), strict=True):
        assert span.covers(exact)
        assert (exact.lo, exact.hi) == (row.min(), row.max())
        assert span.tag == f"{'i' if span.signed else 'u'}{span.width}"
        assert Range.of_width(span.width, span.signed).covers(span)


@given(graphs(), st.integers(1, 7))
def test_ranges_of_nodes_hold_every_value(graph: AdderGraph, pick: int) -> None:
    number = pick % len(graph.ranges)
    single = AdderGraph.of(graph.inputs, graph.nodes, [Output(number)])
    values = single.propagate(all_inputs(graph))[0]
    assert graph.ranges[number].covers(Range(int(values.min()), int(values.max())))


@pytest.mark.parametrize("value", [-9, -8, -5, -1, 0, 1, 7, 8, 255, 256])
def test_width_of_a_single_value(value: int) -> None:
    span = Range(value, value)
    assert Range.of_width(span.width, span.signed).covers(span)
    assert span.width == 1 or not Range.of_width(span.width - 1, span.signed).covers(span)


BAD = [
    ("inputs 2 in 0..1\n%2 = %0 + %3 : u2\nout %2", "%3", "is not computed before it is used"),
    ("inputs 2 in 0..1\n%2 = %0<<1 + %1<<1 : u3\nout %2", "%2", "shifts both of its terms"),
    ("inputs 2 in 0..1\n%2 = %0 + %1 : u3\nout %2", "u3", "ranges over 0..2, which is u2, not u3"),
    ("inputs 2 in 0..1\n%1 = %0 + %1 : u2\nout %1", "%1 =", "computed twice"),
    ("inputs 2 in 3..1\nout %0", "3..1", "the range 3..1 is empty"),
    ("inputs 1 in 0..1\nout %1", "%1", "is not computed before it is used"),
    ("inputs 1 in 0..1\nout -zero", "zero", "unexpected"),
    ("inputs 1 in 0..1\n%1 = %0 * %0 : u2", "*", "unexpected"),
    ("inputs 1 in 0..1\nout", None, "unexpected the end"),
]


@pytest.mark.parametrize(("text", "piece", "message"), BAD)
def test_malformed_text(text: str, piece: str | None, message: str) -> None:
    with pytest.raises(TextError, match=message) as caught:
        AdderGraph.from_text(text)
    assert caught.value.offset == (len(text) if piece is None else text.index(piece))


def test_malformed_tables() -> None:
    span = [Range(0, 1)]
    assert "not computed before" in str(AdderGraph.of(span, [Node(0, 0, 1, 0, 0)], [Output(0)]).problem())
    assert "not computed before" in str(AdderGraph.of(span, [Node(-1, 0, 0, 0, 0)], [Output(0)]).problem())
    assert "both of its terms" in str(AdderGraph.of(span, [Node(0, 1, 0, 1, 0)], [Output(0)]).problem())
    assert "does not exist" in str(AdderGraph.of(span, [], [Output(1)]).problem())
    wide = [Node(0, 0, 0, 60, 0), Node(1, 0, 1, 0, 0), Node(2, 0, 2, 0, 0)]
    assert AdderGraph.of(span, wide[:2], [Output(2, 9)]).output_ranges == (Range(0, ((1 << 60) + 1) << 10),)
    assert AdderGraph.of(span, wide, [Output(3)]).problem() == "%3 may exceed 62 bits"
    assert "shifts out of range" in str(AdderGraph.of(span, [Node(0, 0, 0, 70, 0)], [Output(1)]).problem())
    assert "may exceed 62 bits" in str(AdderGraph.of([Range(0, 1 << 62)], [], [Output(0)]).problem())
    assert AdderGraph.of([Range(0, 1 << 70)], [], [Output(0)]).problem() is not None


matrices = st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 1, 3, 100, WEIGHT_LIMIT])).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(-shape[2], shape[2]), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    ).map(np.array)
)


@given(matrices, spans)
def test_unshared_computes_its_matrix(matrix: np.ndarray, span: Range) -> None:
    graph = unshared(matrix, [span] * matrix.shape[1])
    assert graph.problem() is None
    assert np.array_equal(graph.coefficients(), matrix)
    digits = len(signed_digits(matrix.astype(np.int64)).rows)
    assert len(graph.nodes) == digits - np.count_nonzero(matrix.any(axis=1))


@given(matrices)
def test_signed_digits_are_canonical(matrix: np.ndarray) -> None:
    digits = signed_digits(matrix.astype(np.int64))
    total = np.zeros_like(matrix)
    np.add.at(total, (digits.rows, digits.columns), digits.signs << digits.shifts)
    assert np.array_equal(total, matrix)
    places = {*zip(digits.rows.tolist(), digits.columns.tolist(), digits.shifts.tolist(), strict=True)}
    assert not any((row, column, shift + 1) in places for row, column, shift in places)


def test_unshared_does_not_negate_where_it_can_start_with_a_plus() -> None:
    graph = unshared(np.array([[-1, 1], [-1, -1], [0, 0], [0, -4]]), [Range(0, 1)] * 2)
    assert graph.outputs == [Output(2, 0, 0), Output(3, 0, 1), ZERO_OUTPUT, Output(1, 2, 1)]


@pytest.mark.parametrize(
    ("matrix", "count"),
    [
        (np.array([1]), 1),
        (np.array([[0.5]]), 1),
        (np.array([[1, 2]]), 1),
        (np.array([[WEIGHT_LIMIT + 1]]), 1),
        (np.array([[-WEIGHT_LIMIT - 1]]), 1),
    ],
)
def test_unshared_refuses_what_is_no_matrix_of_integers_in_reach(matrix: np.ndarray, count: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        unshared(matrix, [Range(0, 1)] * count)
