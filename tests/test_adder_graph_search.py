"""Adder graphs: what is shared, that it is right, that it is repeatable, and that bad arguments are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dialects import _graph
from dialects.apv.adder_graph import AdderGraph
from dialects.support.ranges import Range
from passes import _adder_graphs
from passes.adder_graphs.search import Kernel, prove, share, share_many
from passes.adder_graphs.sums import WEIGHT_LIMIT, signed_digits, unshared

NIBBLE = Range(0, 15)


def random_ternary(inputs: int, outputs: int, seed: int = 0) -> NDArray[np.int64]:
    """80% zeros, as trained ternary layers have."""
    return np.random.default_rng(seed).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(outputs, inputs))


@st.composite
def matrices(draw: st.DrawFn, low: int, high: int) -> NDArray[np.int64]:
    rows, columns = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    entries = st.integers(low, high)
    flat = draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))
    return np.array(flat, dtype=np.int64).reshape(rows, columns)


def well_formed(graph: AdderGraph) -> bool:
    table = graph.node_table
    return graph.problem() is None and not (table[:, 1] * table[:, 3]).any() and not (table[:, (1, 3)] < 0).any()


def check_both(matrix: NDArray[np.int64], effort: int) -> None:
    inputs = [Range(-3, 4 + column) for column in range(matrix.shape[1])]
    plain, graph = unshared(matrix, inputs), share(matrix, inputs, effort=effort)
    for one in (plain, graph):
        assert well_formed(one)
        assert np.array_equal(one.coefficients(), matrix)
        assert np.array_equal(one.propagate(np.eye(len(inputs), dtype=np.int64)), matrix)
    assert len(graph.nodes) <= len(plain.nodes)


@settings(max_examples=120, deadline=None)
@given(matrices(-1, 1), st.integers(0, 3))
def test_ternary_matrices_are_computed(matrix: NDArray[np.int64], effort: int) -> None:
    check_both(matrix, effort)


@settings(max_examples=120, deadline=None)
@given(matrices(-140, 140), st.integers(0, 3))
def test_matrices_of_many_digits_are_computed(matrix: NDArray[np.int64], effort: int) -> None:
    check_both(matrix, effort)


def test_largest_weights() -> None:
    entries = [WEIGHT_LIMIT, -WEIGHT_LIMIT, WEIGHT_LIMIT - 1, WEIGHT_LIMIT // 3]
    check_both(np.array([entries, entries[::-1]], dtype=np.int64), 2)


def test_signed_digits_are_canonical() -> None:
    digits = signed_digits(np.array([[7, -6, 0]]))
    found = list(zip(digits.columns.tolist(), digits.shifts.tolist(), digits.signs.tolist(), strict=True))
    assert found == [(0, 0, -1), (0, 3, 1), (1, 1, 1), (1, 3, -1)]


def test_unshared_accumulates_from_a_positive_term() -> None:
    matrix = np.array([[-1, 1, 1], [0, 0, -4], [-1, 0, -1], [0, 0, 0], [4, -1, 1], [4, -1, 4]])
    graph = unshared(matrix, [NIBBLE] * 3)
    assert graph.to_text().splitlines() == [
        "inputs 3 in 0..15",
        "%3 = %1 - %0 : i5",
        "%4 = %3 + %2 : i6",
        "%5 = %0 + %2 : u5",
        "%6 = %2 + %0<<2 : u7",
        "%7 = %6 - %1 : i8",
        "%8 = %0<<2 - %1 : i7",
        "%9 = %8 + %2<<2 : i8",
        "out %4",
        "out -%2<<2",
        "out -%5",
        "out zero",
        "out %7",
        "out %9",
    ]


def test_common_pair_is_computed_once() -> None:
    graph = share(np.array([[1, 1, -1], [1, 1, 1]]), [NIBBLE] * 3)
    assert len(graph.nodes) == 3


def test_shifted_pair_is_shared() -> None:
    graph = share(np.array([[1, 2, 1], [4, 8, -1], [-2, -4, 8]]), [NIBBLE] * 3)
    assert len(graph.nodes) == 4


def test_pair_within_one_weight_is_shared() -> None:
    """5 and 5 * 17 = 85: 85 x is 5 x + 5 x << 4."""
    assert len(share(np.array([[85]]), [NIBBLE]).nodes) == 2


def test_equal_negated_and_scaled_rows_are_computed_once() -> None:
    row = [1, -1, 0, 1]
    matrix = np.array([row, row, np.negative(row), np.multiply(row, 4), np.multiply(row, -2)])
    graph = share(matrix, [NIBBLE] * 4, effort=0)
    assert len(graph.nodes) == 2
    assert [tuple(output[1:]) for output in graph.outputs] == [(0, 0), (0, 0), (0, 1), (2, 0), (1, 1)]


def test_terms_are_summed_narrowest_first() -> None:
    inputs = [Range(0, 255), Range(0, 1), Range(0, 1), Range(0, 3)]
    graph = share(np.array([[1, 1, 1, 1]]), inputs)
    assert [span.width for span in graph.ranges[4:]] == [2, 3, 9]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (3, 2)])
def test_nothing_to_add(shape: tuple[int, int]) -> None:
    matrix = np.zeros(shape, dtype=np.int64)
    for graph in (share(matrix, [NIBBLE] * shape[1]), unshared(matrix, [NIBBLE] * shape[1])):
        assert not graph.nodes
        assert [output.ref for output in graph.outputs] == [-1] * shape[0]


def test_single_input_and_single_output() -> None:
    assert not share(np.array([[1], [-1], [4]]), [NIBBLE]).nodes
    assert len(share(np.ones((1, 9), dtype=np.int8), [NIBBLE] * 9).nodes) == 8


def test_result_does_not_depend_on_threads_or_repetition() -> None:
    kernels = [Kernel(random_ternary(36, 40, seed), [NIBBLE] * 36) for seed in range(6)]
    first = share_many(kernels, seed=5)
    assert first == share_many(kernels, seed=5, threads=3) == share_many(kernels, seed=5, threads=64)
    assert first == [share(*kernel, seed=5) for kernel in kernels]


@pytest.mark.parametrize(
    ("inputs", "outputs", "greedy", "searched"), [(9, 512, 196, 192), (49, 64, 400, 375), (36, 256, 993, 950)]
)
def test_additions_stay_few(inputs: int, outputs: int, greedy: int, searched: int) -> None:
    """Counts that were reached once, with a small margin."""
    matrix = random_ternary(inputs, outputs)
    quick, thorough = (share(matrix, [NIBBLE] * inputs, effort=effort) for effort in (0, 1))
    assert len(quick.nodes) <= greedy
    assert len(thorough.nodes) <= searched


def test_dense_rows_are_differences_of_each_other() -> None:
    """Pairs alone need 992 additions here: what cancels between rows of +1 and -1 is what counts."""
    matrix = np.random.default_rng(0).choice([-1, 1], size=(64, 64))
    assert len(share(matrix, [NIBBLE] * 64, effort=0).nodes) <= 860
    near = np.ones((3, 9), dtype=np.int64)
    near[1, 2] = near[2, 5] = -1
    assert len(share(near, [NIBBLE] * 9).nodes) == 8 + 1 + 1


def test_more_outputs_than_a_word_and_candidates_of_many_inputs() -> None:
    matrix = random_ternary(300, 130)
    graph = share(matrix, [NIBBLE] * 300, effort=0)
    assert np.array_equal(graph.coefficients(), matrix)


def test_mutated_graph_is_detected() -> None:
    matrix = random_ternary(9, 12)
    graph = share(matrix, [NIBBLE] * 9)
    nodes = graph.node_table.copy()
    nodes[0, 4] ^= 1
    with pytest.raises(RuntimeError, match="wrong coefficients"):
        prove(AdderGraph.of(graph.inputs, nodes, graph.output_table), matrix)
    nodes[0, 0] = len(nodes) + 9
    with pytest.raises(RuntimeError, match="malformed"):
        prove(AdderGraph.of(graph.inputs, nodes, graph.output_table), matrix)
    with pytest.raises(RuntimeError, match="shape"):
        prove(graph, matrix[1:])


BAD_WEIGHTS: list[tuple[NDArray[Any], str]] = [
    (np.zeros(3, dtype=np.int64), "expected a matrix"),
    (np.zeros((2, 3)), "expected integer weights"),
    (np.zeros((2, 4), dtype=np.int64), "a range for each of 4 inputs"),
    (np.full((1, 3), WEIGHT_LIMIT + 1), "expected weights from"),
    (np.full((1, 3), np.iinfo(np.int64).min), "expected weights from"),
]


@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS)
def test_weights_are_checked(weights: NDArray[Any], message: str) -> None:
    for compute in (share, unshared):
        with pytest.raises(ValueError, match=message):
            compute(weights, [NIBBLE] * 3)


def test_other_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="effort"):
        share(np.eye(2, dtype=np.int64), [NIBBLE] * 2, effort=-1)
    with pytest.raises(ValueError, match="threads"):
        share_many([], threads=0)
    with pytest.raises(ValueError, match="ranges within"):
        share(np.eye(1, dtype=np.int64), [Range(0, 1 << 40)])


def test_native_arguments_are_checked() -> None:
    matrix, ranges = np.ones((2, 1), dtype=np.int64), np.array([[0, 1]])
    bad: list[tuple[Any, Any, Any, int]] = [
        ([matrix], [], [0], 1),
        ([matrix], [ranges], [-1], 1),
        ([matrix], [ranges], [0], 0),
        ([matrix], [ranges[:, ::-1].copy()], [0], 1),
        ([matrix], [matrix], [0], 1),
        ([matrix << 31], [ranges], [0], 1),
    ]
    for matrices_, ranges_, steps, threads in bad:
        with pytest.raises(ValueError, match=r"expected|range|weight"):
            _adder_graphs.share_many(matrices_, ranges_, steps, seed=0, threads=threads)
    with pytest.raises(TypeError):
        _adder_graphs.share_many([matrix.astype(float)], [ranges], [0], seed=0, threads=1)  # pyright: ignore[reportArgumentType]
    for row in ([5, 0, 0, 0, 0], [0, 0, 0, 63, 0], [0, 0, -1, 0, 0]):
        with pytest.raises(ValueError, match="node"):
            _graph.coefficients(1, np.array([row], dtype=np.int32), np.zeros((0, 3), dtype=np.int32))
