"""Tables of functions that rise and fall, by their values at every integer that they can meet.

Such a function is a rising one plus a falling one: the former steps up where the function does, the latter down. Both
are threshold tables, so the arrays need only thresholds and an addition.

Every value is first calculated in double precision, as an interval that is wider than what the functions of numpy and
of the C library can be off; where both its ends round to the same integer, that is the value. All others, ties among
them, are decided exactly (functions.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.compositions import Bent, Combined, Gate, Operation, Softsign
from cam_compiler.importer.arithmetic.curves import (
    ErrorFunction,
    Exponential,
    Logarithm,
    Logistic,
    Root,
    Sine,
    Softplus,
    Tanh,
)
from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.functions import (
    Chain,
    Enclosed,
    FunctionError,
    Stage,
    decided,
    image,
)
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep, Step, TableStep
from cam_compiler.importer.arithmetic.thresholds import (
    MAX_LEVELS,
    Channel,
    Levels,
    Reach,
    Table,
    TableError,
    centred,
    reduced,
)
from dialects.support.ranges import Range
from dialects.support.tensors import FloatArray, IntArray, Thresholds

MAX_VALUES = 1 << 24
"""Values of all channels together."""

MAX_DECIDED = 1 << 16
"""Values that double precision doesn't tell."""

SLACK = 2.0**-44
"""Relative error that no function in double precision comes near."""

Interval = tuple[FloatArray, FloatArray]


def uneven_table(channels: Sequence[Channel], reaches: Sequence[Reach], span: Range) -> Table:
    """The steps of functions of integers in `span`; raises TableError where they can't be tabulated."""
    if any(reach.low is None or reach.high is None for reach in reaches):
        raise TableError("it rises and falls, and its input has no bounds")
    _check_inputs(reaches)
    known: dict[tuple[Channel, Reach], IntArray] = {}
    for key in zip(channels, reaches, strict=True):
        if key not in known:
            known[key] = values_of(*key)
    # A clamp's bound between two levels is a level of a finer lattice.
    bounds = [_bounds(channel.outer) for channel in channels]
    refine = lcm(*(end.denominator for ends in bounds for end in ends if end is not None))
    if refine > MAX_LEVELS:
        raise TableError("it rises and falls, and a bound after it is no multiple of the scale")
    values = [
        _clamped(channel.outer, ends, known[channel, reach], refine)
        for channel, ends, reach in zip(channels, bounds, reaches, strict=True)
    ]
    levels = centred(
        tuple(
            Levels(int(own.min()), int(own.max()), reduced(channel.outer, refine), 0)
            for own, channel in zip(values, channels, strict=True)
        )
    )
    values = [own - level.shift for own, level in zip(values, levels, strict=True)]
    return _tables(values, reaches, levels, span)


def _tables(values: Sequence[IntArray], reaches: Sequence[Reach], levels: tuple[Levels, ...], span: Range) -> Table:
    low = min(int(own[0]) for own in values)
    ups: list[IntArray] = []
    downs: list[IntArray] = []
    for own, reach in zip(values, reaches, strict=True):
        first, steps = reach.low or 0, np.diff(own)
        _check_steps(int(max(steps[steps > 0].sum(), -steps[steps < 0].sum())) + int(own[0]) - low)
        places = np.arange(first + 1, first + len(own))
        always = np.full(int(own[0]) - low, span.lo)
        ups.append(np.concatenate([always, np.repeat(places, np.maximum(steps, 0))]))
        downs.append(np.repeat(places, np.maximum(-steps, 0)))
    up, down = (_filled(rows, span.hi + 1) for rows in (ups, downs))
    _check_steps(max(up.shape[1], down.shape[1]))
    falling = Thresholds.from_array(down, np.ones(len(down), dtype=bool)) if down.shape[1] else None
    rising = Thresholds.from_array(up)
    return Table(rising, Range(low, low + up.shape[1]), levels, falling)


def _check_inputs(reaches: Sequence[Reach]) -> None:
    """Raises TableError for more integers than can be gone through."""
    count = sum((reach.high or 0) - (reach.low or 0) + 1 for reach in reaches)
    if count > MAX_VALUES:
        raise TableError(f"it rises and falls, and has {count} different inputs; at most {MAX_VALUES} are possible")


def _check_steps(count: int) -> None:
    """Raises TableError for more steps than a table has."""
    if count > MAX_LEVELS:
        raise TableError(f"it rises and falls in {count} steps; at most {MAX_LEVELS} are possible")


def _filled(rows: Sequence[IntArray], never: int) -> IntArray:
    """Rows of thresholds, filled up with some that are never reached."""
    result = np.full((len(rows), max(map(len, rows))), never, dtype=np.int64)
    for index, row in enumerate(rows):
        result[index, : len(row)] = row
    return result


def values_of(channel: Channel, reach: Reach) -> IntArray:
    """The step's integers for every integer of the channel's reach, in order."""
    assert reach.low is not None and reach.high is not None
    inputs = np.arange(reach.low, reach.high + 1)
    with np.errstate(all="ignore"):
        low, high = _approximately(channel.path.then(channel.step), _wider(inputs.astype(float), inputs.astype(float)))
    sure = np.isfinite(low) & (low == high)
    open_ = np.flatnonzero(~sure)
    if len(open_) > MAX_DECIDED:
        raise TableError(f"it rises and falls, and {len(open_)} of its values lie close to where the rounding changes")
    found = np.where(sure, low, 0).astype(np.int64)
    try:
        for index in open_:
            found[index] = decided(lambda bits, x=int(inputs[index]): _exactly(channel, x, bits))
    except FunctionError as error:
        raise TableError(str(error)) from None
    return found


def _exactly(channel: Channel, value: int, bits: int) -> int:
    found = image(channel.step, channel.path.enclosed(Enclosed.of(Fraction(value)), bits), bits).low
    return int(found)


def _bounds(outer: Piece) -> tuple[Fraction | None, Fraction | None]:
    """The lowest and the highest of the step's numbers that `outer` lets through."""
    if outer.slope == 0:
        return None, None
    low, high = (None if end is None else (end - outer.offset) / outer.slope for end in (outer.low, outer.high))
    return (low, high) if outer.slope > 0 else (high, low)


def _clamped(outer: Piece, bounds: tuple[Fraction | None, Fraction | None], steps: IntArray, refine: int) -> IntArray:
    """The step's integers within the bounds, on a lattice finer by `refine`."""
    if outer.slope == 0:
        return np.zeros_like(steps)
    low, high = (None if end is None else int(end * refine) for end in bounds)
    return np.clip(steps * refine, low, high)


def ends_of(channel: Channel, reach: Reach) -> tuple[Fraction, Fraction]:
    """The lowest and the highest number of the channel, whose reach is finite."""
    _check_inputs([reach])
    found = values_of(channel, reach)
    ends = channel.outer(int(found.min())), channel.outer(int(found.max()))
    return min(ends), max(ends)


# ---- in double precision


def _approximately(chain: Chain, value: Interval) -> Interval:
    for stage in chain.stages:
        value = _stage(stage, value)
    return value


def _wider(low: FloatArray, high: FloatArray) -> Interval:
    return low - np.abs(low) * SLACK - 1e-300, high + np.abs(high) * SLACK + 1e-300


def _erf(values: FloatArray) -> FloatArray:
    return np.array([math.erf(value) for value in values.flat], dtype=np.float64).reshape(values.shape)


def _logistic(values: FloatArray) -> FloatArray:
    power = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + power), power / (1 + power))


def _softplus(values: FloatArray) -> FloatArray:
    return np.logaddexp(0.0, values)


def _softsign(values: FloatArray) -> FloatArray:
    return values / (1 + np.abs(values))


_FUNCTIONS: dict[type, Callable[[FloatArray], FloatArray]] = {
    Exponential: np.exp,
    Logarithm: np.log,
    Root: np.sqrt,
    Logistic: _logistic,
    Tanh: np.tanh,
    Softplus: _softplus,
    ErrorFunction: _erf,
    Softsign: _softsign,
}


def _stage(stage: Stage, value: Interval) -> Interval:
    """An interval that holds a stage's values; not a number where that can't be said."""
    low, high = value
    match stage:
        case Piece():
            return _piece(stage, value)
        case RoundStep() | TableStep():
            return _stepped(stage, low), _stepped(stage, high)
        case Gate():
            bound = float(stage.bound)
            return np.where(low > bound, low, 0.0), np.where(high > bound, high, 0.0)
        case Sine():
            width = (high - low) / 2
            middle = np.sin(low + width)
            # Its argument is off by less than the interval's own slack.
            return middle - width - SLACK, middle + width + SLACK
        case Bent():
            return _bent(stage, value)
        case Combined():
            return _combined(stage, value)
        case _:
            function = _FUNCTIONS[type(stage)]
            return _wider(function(low), function(high))


def _piece(piece: Piece, value: Interval) -> Interval:
    slope, offset = float(piece.slope), float(piece.offset)
    low, high = value if slope >= 0 else value[::-1]
    low, high = _wider(low * slope, high * slope)
    shift = abs(offset) * SLACK
    low, high = _wider(low + (offset - shift), high + (offset + shift))
    if not piece.clamps:
        return low, high
    least = -np.inf if piece.low is None else float(piece.low)
    most = np.inf if piece.high is None else float(piece.high)
    return _wider(np.clip(low, least, most), np.clip(high, least, most))


def _stepped(step: Step, values: FloatArray) -> FloatArray:
    if isinstance(step, TableStep):
        return np.searchsorted(np.array([float(edge) for edge in step.edges]), values, side="right").astype(float)
    match step.rounding:
        case Rounding.CEIL:
            found = np.ceil(values)
        case Rounding.FLOOR:
            found = np.floor(values)
        case Rounding.UP:
            found = np.where(values > 0, np.ceil(values), np.floor(values))
        case Rounding.DOWN:
            found = np.trunc(values)
        case Rounding.SIGN:
            found = np.sign(values)
        case Rounding.BIPOLAR:
            found = (values >= 0).astype(float)
        case _:
            found = np.rint(values)
    found = found + step.zero
    return np.clip(found, -np.inf if step.low is None else step.low, np.inf if step.high is None else step.high)


def _bent(stage: Bent, value: Interval) -> Interval:
    low, high = value
    below = _approximately(stage.below, (np.minimum(low, 0), np.minimum(high, 0)))
    above = _approximately(stage.above, (np.maximum(low, 0), np.maximum(high, 0)))
    return (
        np.where(high < 0, below[0], np.where(low >= 0, above[0], np.minimum(below[0], above[0]))),
        np.where(high < 0, below[1], np.where(low >= 0, above[1], np.maximum(below[1], above[1]))),
    )


def _combined(stage: Combined, value: Interval) -> Interval:
    left, right = _approximately(stage.left, value), _approximately(stage.right, value)
    match stage.operation:
        case Operation.ADD:
            slack = SLACK * (np.abs(left[0]) + np.abs(right[0]) + np.abs(left[1]) + np.abs(right[1]))
            return left[0] + right[0] - slack, left[1] + right[1] + slack
        case Operation.MULTIPLY:
            products: list[NDArray[np.float64]] = [a * b for a in left for b in right]
            return _wider(np.minimum.reduce(products), np.maximum.reduce(products))
        case Operation.DIVIDE:
            below = np.where((right[0] <= 0) & (right[1] >= 0), np.nan, right[0])
            quotients: list[NDArray[np.float64]] = [a / b for a in left for b in (below, right[1])]
            return _wider(np.minimum.reduce(quotients), np.maximum.reduce(quotients))
        case Operation.LEAST:
            return np.minimum(left[0], right[0]), np.minimum(left[1], right[1])
        case Operation.GREATEST:
            return np.maximum(left[0], right[0]), np.maximum(left[1], right[1])
