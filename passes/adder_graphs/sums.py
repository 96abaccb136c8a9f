"""The adder graph that shares nothing: every output is a running sum of its own terms.

    x0 - x1 + 4 x2     %3 = %0 - %1
                       %4 = %3 + %2<<2

It needs no search, is what a compiler without common-subexpression elimination emits (the paper's flow), and is the
yardstick for every graph that does share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.apv.adder_graph import WEIGHT_LIMIT, AdderGraph
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray


class Digits(NamedTuple):
    """Non-zero signed digits of a matrix, ordered by row, column, shift: entry = sum of sign << shift."""

    rows: IntArray
    columns: IntArray
    shifts: IntArray
    signs: IntArray


def checked_weights(matrix: NDArray[Any], inputs: Sequence[Range]) -> IntArray:
    """The matrix (outputs, inputs) as int64, one column per input; ValueError where they aren't integers within
    reach."""
    weights = np.asarray(matrix)
    if weights.ndim != 2:
        raise ValueError(f"expected a matrix (outputs, inputs), found shape {weights.shape}")
    if weights.dtype.kind not in "biu":
        raise ValueError(f"expected integer weights, found {weights.dtype}")
    if weights.shape[1] != len(inputs):
        raise ValueError(f"expected a range for each of {weights.shape[1]} inputs, found {len(inputs)}")
    if weights.size and (int(weights.min()) < -WEIGHT_LIMIT or int(weights.max()) > WEIGHT_LIMIT):
        raise ValueError(f"expected weights from {-WEIGHT_LIMIT} to {WEIGHT_LIMIT}")
    return np.ascontiguousarray(weights, dtype=np.int64)


def signed_digits(weights: IntArray) -> Digits:
    """The canonical signed digits of every entry: the fewest digits, no two neighbours non-zero."""
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], IntArray, IntArray]] = []
    rest, shift = weights, 0
    while rest.any():
        digit = np.where(rest & 1, 2 - (rest & 3), 0)
        rows, columns = np.nonzero(digit)
        found.append((rows, columns, np.full(len(rows), shift, dtype=np.int64), digit[rows, columns]))
        rest, shift = (rest - digit) >> 1, shift + 1
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Digits(empty, empty, empty, empty)
    rows, columns, shifts, signs = (np.concatenate(part).astype(np.int64) for part in zip(*found, strict=True))
    order = np.lexsort((shifts, columns, rows))
    return Digits(rows[order], columns[order], shifts[order], signs[order])


def unshared(matrix: NDArray[Any], inputs: Sequence[Range]) -> AdderGraph:
    """Each output of `matrix` (outputs, inputs) as a running sum in input order, from its first positive term.

    The sum is always the first operand, unshifted (except a first term that no unshifted positive term can replace),
    so that it can be computed in place. An output without positive terms is the negated sum of their opposites;
    one of a single term needs no node; a power of two common to all terms becomes the output's shift.
    """
    weights = checked_weights(matrix, inputs)
    count = len(weights)
    digits = signed_digits(weights)
    negate = ~_any_in_row(digits.signs > 0, digits.rows, count)
    common = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(common, digits.rows, digits.shifts)
    signs = np.where(negate[digits.rows], -digits.signs, digits.signs)
    shifts = digits.shifts - common[digits.rows]
    order = _summing_order(digits.rows, shifts, signs, count)
    rows, columns, shifts, signs = digits.rows[order], digits.columns[order], shifts[order], signs[order]

    first = np.ones(len(rows), dtype=bool)
    first[1:] = rows[1:] != rows[:-1]
    numbers = len(inputs) + np.cumsum(~first) - 1
    values = np.where(first, columns, numbers)
    """The sum up to and including each term."""
    nodes = np.zeros((len(rows), 5), dtype=np.int64)
    nodes[1:, 0] = values[:-1]
    nodes[1:, 1] = np.where(first, shifts, 0)[:-1]
    nodes[:, 2], nodes[:, 3], nodes[:, 4] = columns, shifts, signs < 0

    outputs = np.tile(np.array([-1, 0, 0]), (count, 1))
    last = np.ones(len(rows), dtype=bool)
    last[:-1] = first[1:]
    ends = rows[last]
    outputs[ends] = np.stack((values[last], common[ends], negate[ends]), axis=1)
    return AdderGraph.of(inputs, nodes[~first], outputs)


def _any_in_row(flags: NDArray[np.bool_], rows: IntArray, count: int) -> NDArray[np.bool_]:
    found = np.zeros(count, dtype=bool)
    found[rows[flags]] = True
    return found


def _summing_order(rows: IntArray, shifts: IntArray, signs: IntArray, count: int) -> NDArray[np.intp]:
    """Terms by row: the one to start from, then one without shift if the start has one, then the rest in order."""
    late = np.full(len(rows), 2)
    positive, unshifted = signs > 0, shifts == 0
    easy = _any_in_row(positive & unshifted, rows, count)[rows]
    late[_first_of_row(positive & (unshifted | ~easy), rows)] = 0
    late[_first_of_row(unshifted & ~easy, rows)] = 1
    return np.lexsort((late, rows))


def _first_of_row(flags: NDArray[np.bool_], rows: IntArray) -> NDArray[np.intp]:
    """Positions of the first flagged term of each row that has one."""
    flagged = np.flatnonzero(flags)
    return flagged[np.unique(rows[flagged], return_index=True)[1]]
