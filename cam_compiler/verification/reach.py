"""Inputs for which a weighted sum is a given integer: what brings a threshold to its step. Plain numpy, no IR."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dialects.support.ranges import Range
from dialects.support.tensors import IntArray

_ATTEMPTS = 3


def starts(rows: int, columns: int, span: Range, rng: np.random.Generator) -> IntArray:
    """Random integers of a range (rows, columns): of each row either all are drawn or most are near zero."""
    values = rng.integers(span.lo, span.hi + 1, size=(rows, columns))
    rest = min(max(0, span.lo), span.hi)
    kept = rng.random((rows, 1)) ** 2 > rng.random((rows, columns))
    return np.where(kept, values, rest)


def reach(
    weights: IntArray,
    targets: IntArray,
    span: Range,
    rng: np.random.Generator,
    fixed: tuple[NDArray[np.bool_], int] | None = None,
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Integers x of a range (rows, columns) with the sum of weights * x equal to `targets` (rows,) in each row.

    `weights` has a row for each target. `fixed` marks entries that have a value given by it. The second result tells
    in which rows it was reached: always where the targets lie within what the sums reach and a weight is 1 or -1.
    """
    found = np.zeros(weights.shape, dtype=np.int64)
    hit = np.zeros(len(targets), dtype=bool)
    for _ in range(_ATTEMPTS):
        left = np.flatnonzero(~hit)
        if not len(left):
            break
        mask = None if fixed is None else (fixed[0][left], fixed[1])
        found[left], hit[left] = _attempt(weights[left], targets[left], span, rng, mask)
    return found, hit


def _attempt(
    weights: IntArray,
    targets: IntArray,
    span: Range,
    rng: np.random.Generator,
    fixed: tuple[NDArray[np.bool_], int] | None,
) -> tuple[IntArray, NDArray[np.bool_]]:
    order = rng.permutation(weights.shape[1])
    lines = weights[:, order]
    x = starts(len(lines), lines.shape[1], span, rng)
    free = np.ones(lines.shape, dtype=bool)
    if fixed is not None:
        free = ~fixed[0][:, order]
        x = np.where(free, x, fixed[1])
    missing = targets - (lines * x).sum(axis=1)
    sizes = np.abs(lines)
    for size in np.unique(sizes[sizes > 0])[::-1]:
        rising = np.sign(missing)[:, None] * np.sign(lines)
        room = np.where(rising > 0, span.hi - x, x - span.lo) * (free & (sizes == size) & (rising != 0))
        needed = np.abs(missing)[:, None] // size
        steps = np.clip(needed - (np.cumsum(room, axis=1) - room), 0, room)
        x += rising * steps
        missing -= np.sign(missing) * size * steps.sum(axis=1)
    result = np.empty_like(x)
    result[:, order] = x
    return result, missing == 0
