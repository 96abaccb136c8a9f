"""From the constant operand of a matrix product to integer weights with an exact scale for every output.

Where an output's scales differ from input to input and have no common step that is not too small, the product is the
sum of several: each has the inputs of one scale, or of scales in the ratio of small integers; or, where these would be
more, each has one digit of the weights as multiples of the small step.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, each, filled, fractions
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.model import Node, UnquantisedError
from dialects.support.tensors import IntArray

FLOAT_STEPS = 1 << 15
"""Float weights count as quantised if they are at most this many steps of a common size from zero."""

MAX_WEIGHT = 1 << 20
MAX_MULTIPLE = 8
"""Of a group's step: scales of a simple ratio are one product with weights of a few bits more."""
DIGIT = 20
"""Bits of the digits of weights that are multiples of a very small step."""
MAX_SUMMANDS = 64
"""Products that an output may be the sum of."""
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


def weights_of(node: Node, constant: Constant, slopes: ObjectArray) -> list[Weights]:
    """The weights (inputs, outputs) times the slope of every input, as summands of which most products have one.

    Raises ModelError where they are not quantised, or the summands are too many.
    """
    integers, scale = integer_weights(node, constant)
    present = {slope for slope in slopes.flat if slope}
    if len(present) <= 1 and scale.shape[0] == 1:
        slope = present.pop() if present else ONE
        dead = np.array([value == 0 for value in slopes.flat])
        table = np.where(dead[np.newaxis, :], 0, integers.T) if dead.any() else integers.T
        factors = np.broadcast_to(scale, integers.shape)[0]
        return [_smallest(Weights(table, each(lambda factor: factor * slope, np.array(factors))))]
    return [_smallest(part) for part in _by_scale(node, integers.T, _Factors.of(scale, slopes, integers.shape))]


def constant_part(node: Node, constant: Constant, offsets: ObjectArray) -> ObjectArray:
    """What the offsets of the inputs add to each output: the sum of weight * offset over all inputs."""
    if all(offset == 0 for offset in offsets.flat):
        return filled((constant.shape[1],), ZERO)
    integers, scale = integer_weights(node, constant)
    common = lcm(*(offset.denominator for offset in offsets.flat))
    whole = each(lambda offset: int(offset * common), offsets)
    if scale.shape[0] == 1:
        sums = integers.T.astype(object) @ whole
        return each(lambda factor, total: factor * int(total) / common, np.broadcast_to(scale[0], sums.shape), sums)
    products = each(Fraction.__mul__, each(Fraction, integers.T.astype(object)), scale.T)
    return each(lambda total: Fraction(total) / common, products @ whole)


def integer_weights(node: Node, constant: Constant) -> tuple[IntArray, ObjectArray]:
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


class _Factors(NamedTuple):
    """The distinct factors of weights (outputs, inputs), and which one each has."""

    values: list[Fraction]
    which: IntArray

    @staticmethod
    def of(scale: ObjectArray, slopes: ObjectArray, shape: tuple[int, ...]) -> _Factors:
        """`scale` broadcasts to weights (inputs, outputs) of the given shape."""
        scales: dict[Fraction, int] = {}
        gains: dict[Fraction, int] = {}
        first = each(lambda value: scales.setdefault(value, len(scales)), scale).astype(np.int64)
        second = each(lambda value: gains.setdefault(value, len(gains)), slopes).astype(np.int64)
        pairs = np.broadcast_to(first, shape) * len(gains) + second[:, np.newaxis]
        places, index = np.unique(pairs, return_inverse=True)
        tall, wide = list(scales), list(gains)
        values: list[Fraction] = [tall[place // len(gains)] * wide[place % len(gains)] for place in places.tolist()]
        return _Factors(values, index.reshape(shape).T)


class _Step(NamedTuple):
    """A common step of some factors, and the multiple of it that each of them is; 0 for all others.

    With a `digit`, of the multiples times the weights only that digit counts, DIGIT bits from -2^(DIGIT - 1) on.
    """

    step: Fraction
    multiples: NDArray[Any]
    digit: int = -1

    def weights(self, row: IntArray, which: IntArray) -> IntArray:
        """The integers of an output's weights, whose factors are `which`."""
        if self.digit < 0:
            return row * self.multiples[which]
        rest, digit = row.astype(object) * self.multiples[which], row.astype(object)
        for _ in range(self.digit + 1):
            digit = (rest + (1 << DIGIT - 1)) % (1 << DIGIT) - (1 << DIGIT - 1)
            rest = (rest - digit) >> DIGIT
        return digit.astype(np.int64)


def _by_scale(node: Node, table: IntArray, factors: _Factors) -> list[Weights]:
    """Summands in which each output has one step; those with few inputs in an output have zeros there."""
    known: dict[tuple[int, ...], list[_Step]] = {}
    steps: list[list[_Step]] = []
    for row, index in zip(table, factors.which, strict=True):
        # The least weight decides how fine a step has to be; equal ones of an output are one.
        met = {number: abs(weight) for number, weight in zip(index.tolist(), row.tolist(), strict=True) if weight}
        largest = max((abs(weight) for weight in row.tolist()), default=0)
        key = (*met, largest)
        if key not in known:
            known[key] = _grouped(list(met), largest, factors.values)
        steps.append(known[key])
    count = max(1, *map(len, steps))
    if count > MAX_SUMMANDS:
        raise node.error(
            f"an output sums {count} groups of features whose scales have no common step",
            hint=f"at most {MAX_SUMMANDS} scales an output, or scales in the ratio of small integers",
        )
    parts: list[Weights] = []
    for number in range(count):
        rows = [
            own[number].weights(row, index) if number < len(own) else np.zeros_like(row)
            for row, index, own in zip(table, factors.which, steps, strict=True)
        ]
        scales = np.empty(len(rows), dtype=object)
        scales[:] = [own[number].step if number < len(own) else ONE for own in steps]
        parts.append(Weights(np.stack(rows), scales))
    return parts


def _grouped(present: list[int], largest: int, values: list[Fraction]) -> list[_Step]:
    """The factors of an output, by common steps: one for all, if it isn't too small, else one for each group."""
    met = [number for number in present if values[number]]
    if not met:
        return []
    whole = _common_step([values[number] for number in met])
    if all(abs(values[number] / whole) * largest <= MAX_WEIGHT for number in met):
        return [_stepped(met, whole, values)]
    bits = int(max(abs(values[number] / whole) for number in met) * largest).bit_length() + 1
    digits = -(-bits // DIGIT)
    groups: list[list[int]] = []
    for number in met:
        for group in groups:
            joined = [values[other] for other in (*group, number)]
            step = _common_step(joined)
            if all(abs(value / step) <= MAX_MULTIPLE for value in joined):
                group.append(number)
                break
        else:
            groups.append([number])
        if len(groups) > digits:
            own = _stepped(met, whole, values)
            return [own._replace(step=whole * (1 << DIGIT * digit), digit=digit) for digit in range(digits)]
    return [_stepped(group, _common_step([values[number] for number in group]), values) for group in groups]


def _stepped(group: list[int], step: Fraction, values: list[Fraction]) -> _Step:
    multiples: NDArray[Any] = np.zeros(len(values), dtype=object)
    for number in group:
        multiples[number] = int(values[number] / step)
    small = max(abs(values[number] / step) for number in group) <= MAX_WEIGHT
    return _Step(step, multiples.astype(np.int64) if small else multiples)


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
