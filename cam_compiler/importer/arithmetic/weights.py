"""From the constant operand of a matrix product to integer weights with an exact scale for every output."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ONE, ObjectArray, each, filled, fractions
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.model import Node, UnquantisedError
from dialects.support.tensors import IntArray

FLOAT_STEPS = 1 << 15
"""Float weights count as quantised if they are at most this many steps of a common size from zero."""

MAX_WEIGHT = 1 << 20
MAX_INTEGER = 1 << 30
"""Float weights count as quantised, too, if they are integers of at most this size."""
ACCEPTED = (
    "weights from a quantiser (Quant, DequantizeLinear, ...), integers, or floats that are only -a, 0 and +a an output"
)


@dataclass(frozen=True)
class Weights:
    """Integers (outputs, inputs) and the exact scale of each output: weight = scales[o] * integers[o, i]."""

    integers: IntArray
    scales: ObjectArray


def weights_of(node: Node, constant: Constant, slopes: ObjectArray) -> Weights:
    """The weights (inputs, outputs) times the slope of every input; raises ModelError where they are not quantised."""
    integers, scale = _integers(node, constant)
    table, factors = integers.T, np.broadcast_to(scale, integers.shape).T
    present = {slope for slope in slopes.flat if slope}
    per_output = scale.shape[0] == 1
    if len(present) <= 1 and per_output:
        slope = present.pop() if present else ONE
        dead = np.array([value == 0 for value in slopes.flat])
        if dead.any():
            table = np.where(dead[np.newaxis, :], 0, table)
        weights = Weights(table, each(lambda factor: factor * slope, np.array(factors[:, 0])))
    else:
        cause = "inputs" if len(present) > 1 else "weights"
        weights = _on_common_steps(node, table, each(Fraction.__mul__, factors, slopes), cause)
    return _smallest(weights)


def _integers(node: Node, constant: Constant) -> tuple[IntArray, ObjectArray]:
    """Integers (inputs, outputs) and a scale that broadcasts to them, of one row where it differs by output only."""
    raw = constant.raw
    scale = filled((1, 1), ONE) if constant.scale is None else constant.scale
    if raw.dtype == object:
        rows, steps = _from_fractions(node, constant.exact(node))
        return rows, steps
    if raw.dtype.kind in "biu":
        return raw.astype(np.int64), scale
    wide = raw.astype(np.float64)
    if not np.isfinite(wide).all():
        raise node.error("its weights hold a number that is infinite or not a number")
    integers, steps = _from_floats(node, wide)
    return integers, each(Fraction.__mul__, scale, steps)


def _from_floats(node: Node, weights: NDArray[np.float64]) -> tuple[IntArray, ObjectArray]:
    """Weights that are only -a, 0 and +a an output, or small multiples of one step."""
    sizes = np.abs(weights).max(axis=0)
    if (np.isin(np.abs(weights), 0) | (np.abs(weights) == sizes)).all():
        steps = np.where(sizes == 0, 1.0, sizes)
        return np.sign(weights).astype(np.int64), fractions(steps[np.newaxis, :])
    if sizes.max() <= MAX_INTEGER and (weights == np.rint(weights)).all():
        return weights.astype(np.int64), filled((1, 1), ONE)
    distinct: NDArray[np.float64] = np.unique(np.abs(weights))
    if len(distinct) <= FLOAT_STEPS + 1:
        step = _common_step([Fraction(float(value)) for value in distinct])
        if Fraction(float(distinct[-1])) <= FLOAT_STEPS * step:
            return np.rint(weights / float(step)).astype(np.int64), filled((1, 1), step)
    raise _unquantised(node, len(np.unique(weights)))


def _unquantised(node: Node, distinct: int) -> UnquantisedError:
    message = f"weights are float ({distinct} distinct values); ternary weights or a quantiser is needed"
    return UnquantisedError(message, place=node.place, hint=ACCEPTED)


def _from_fractions(node: Node, weights: ObjectArray) -> tuple[IntArray, ObjectArray]:
    steps = np.empty((1, weights.shape[1]), dtype=object)
    for output in range(weights.shape[1]):
        steps[0, output] = _common_step(list(weights[:, output]))
    multiples = each(lambda weight, step: int(weight / step), weights, steps)
    if any(abs(multiple) > FLOAT_STEPS for multiple in multiples.flat):
        raise _unquantised(node, len(set(weights.flat)))
    return multiples.astype(np.int64), steps


def _common_step(values: list[Fraction]) -> Fraction:
    """The largest number that all values are multiples of; 1 if all are zero."""
    top, bottom = 0, lcm(*(value.denominator for value in values))
    for value in values:
        top = gcd(top, value.numerator * (bottom // value.denominator))
    return Fraction(top, bottom) if top else ONE


def _on_common_steps(node: Node, table: IntArray, factors: ObjectArray, cause: str) -> Weights:
    """Scales that differ by input become part of the integers, where they have a common step that is not too small.

    `cause` says whose scales they are.
    """
    products = each(lambda weight, factor: int(weight) * factor, table.astype(object), factors)
    scales = np.empty(len(products), dtype=object)
    for row in range(len(products)):
        scales[row] = _common_step(list(products[row]))
    multiples = each(lambda product, step: int(product / step), products, scales[:, np.newaxis])
    if any(abs(multiple) > MAX_WEIGHT for multiple in multiples.flat):
        raise node.error(
            f"the scales of its {cause} differ from feature to feature and have no common step",
            hint=f"quantise its {cause} with one scale, or with scales in the ratio of small integers",
        )
    return Weights(multiples.astype(np.int64), scales)


def _smallest(weights: Weights) -> Weights:
    """Without common factors: of each output where that makes the weights ternary, else of all together."""
    table = weights.integers
    if ((np.abs(table) == 1).any(axis=1) | ~table.any(axis=1)).all():
        return weights
    rows: NDArray[Any] = np.gcd.reduce(np.abs(table), axis=1)
    rows = np.where(rows == 0, 1, rows)
    if np.abs(table // rows[:, np.newaxis]).max() > 1:
        rows = np.full_like(rows, max(1, int(np.gcd.reduce(np.abs(table), axis=None))))
    scales = each(lambda scale, factor: scale * factor, weights.scales, rows.astype(object))
    return Weights(table // rows[:, np.newaxis], scales)
