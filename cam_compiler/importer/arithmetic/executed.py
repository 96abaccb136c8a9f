"""Threshold tables of a network's first quantiser, as float executors compute it.

Tables come with the thresholds of exact arithmetic, which are near: each is moved to the first input for which the
executor's own float operations (float_operations.py) reach its level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.float_operations import (
    FloatChain,
    Inputs,
    channel_chain,
    evaluated,
    first_numbers,
)
from cam_compiler.importer.arithmetic.steps import RoundStep, Step
from cam_compiler.importer.arithmetic.thresholds import Levels, Table

_Values = NDArray[Any]


def as_executed(
    table: Table, steps: Sequence[Step], refine: int, chain: FloatChain, shape: tuple[int, ...], inputs: Inputs
) -> Table:
    """The table of channels of `shape` with the thresholds of executors; `refine` of its integers make one of a step's.

    `chain` is what executors compute before the step; its constants broadcast to `shape`.
    """
    rows: _Values = table.thresholds.array.copy()
    known: dict[object, _Values] = {}
    for index in range(prod(shape)):
        own, falls = channel_chain(chain, shape, index), table.thresholds.down[index]
        values = tuple(item.tobytes() for operation in own for item in operation.constants)
        key = (values, steps[index], table.levels[index], falls)
        if key not in known:
            known[key] = _row(
                rows[index], table.levels[index], table.result.lo, steps[index], refine, own, falls, inputs
            )
        rows[index] = known[key]
    return replace(table, thresholds=type(table.thresholds).from_array(rows, np.array(table.thresholds.down)))


def _row(
    row: _Values, own: Levels, lowest: int, step: Step, refine: int, chain: FloatChain, falls: bool, inputs: Inputs
) -> _Values:
    """One channel's thresholds, of which those of its own levels are moved."""
    count = len(row)
    numbers = np.arange(lowest + 1, lowest + 1 + count)
    numbers = numbers[::-1] if falls else numbers
    mine = np.flatnonzero((numbers > own.low) & (numbers <= own.high))
    if not len(mine):
        return row
    levels = -(-(numbers[mine] + own.shift) // refine)

    def reached(values: _Values, which: NDArray[np.int64]) -> NDArray[np.bool_]:
        found = _reached(step, evaluated(chain, values), levels[which])
        return ~found if falls else found

    firsts = first_numbers(inputs, reached, row[mine])
    result = row.copy()
    least, most = inputs.ends
    moved = inputs.values(np.clip(firsts, least, most)).astype(row.dtype) + 0
    result[mine] = np.where(firsts > most, inputs.never, moved)
    return result


def _reached(step: Step, values: _Values, levels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Do the floats that a step rounds reach the levels?"""
    if isinstance(step, RoundStep):
        return step.rounding.of_floats(values) >= levels - step.zero
    edges = np.array([float(edge) for edge in step.edges])
    return values >= edges[levels - 1]
