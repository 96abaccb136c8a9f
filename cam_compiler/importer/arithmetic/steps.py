"""Step functions from real numbers to integers: the roundings of quantisers, stated by where each level begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Boundary(NamedTuple):
    """Where a level begins: at numerator / denominator if `inclusive`, else just above it."""

    numerator: int
    denominator: int
    inclusive: bool

    def reached(self, value: Fraction) -> bool:
        edge = Fraction(self.numerator, self.denominator)
        return value >= edge if self.inclusive else value > edge


class Rounding(Enum):
    """Roundings by the names of QONNX (qonnx/custom_op/general/intquant.py); SIGN is -1, 0 or 1, BIPOLAR 0 or 1."""

    HALF_EVEN = "half to even"
    HALF_UP = "half away from zero"
    HALF_DOWN = "half towards zero"
    CEIL = "up"
    FLOOR = "down"
    UP = "away from zero"
    DOWN = "towards zero"
    SIGN = "sign"
    BIPOLAR = "one from zero on"

    def boundary(self, level: int) -> Boundary:
        """Where the result becomes `level` or more."""
        match self:
            case Rounding.HALF_EVEN:
                return Boundary(2 * level - 1, 2, level % 2 == 0)
            case Rounding.HALF_UP:
                return Boundary(2 * level - 1, 2, level > 0)
            case Rounding.HALF_DOWN:
                return Boundary(2 * level - 1, 2, level <= 0)
            case Rounding.CEIL:
                return Boundary(level - 1, 1, False)
            case Rounding.FLOOR:
                return Boundary(level, 1, True)
            case Rounding.UP:
                return Boundary(level - 1, 1, False) if level > 0 else Boundary(level, 1, True)
            case Rounding.DOWN:
                return Boundary(level, 1, True) if level > 0 else Boundary(level - 1, 1, False)
            case Rounding.SIGN:
                return Boundary(0, 1, level <= 0)
            case Rounding.BIPOLAR:
                return Boundary(0, 1, True)

    def __call__(self, value: Fraction) -> int:
        """`value` rounded; the level is one of the two integers beside it."""
        if self in (Rounding.SIGN, Rounding.BIPOLAR):
            low = -1 if self is Rounding.SIGN else 0
            return low + sum(self.boundary(level).reached(value) for level in range(low + 1, 2))
        upper = ceil(value)
        return upper if self.boundary(upper).reached(value) else floor(value)

    def of_floats(self, values: NDArray[Any]) -> NDArray[Any]:
        """Floats rounded as qonnx and onnxruntime do, in their own type."""
        match self:
            case Rounding.HALF_EVEN:
                return np.rint(values)
            case Rounding.HALF_UP:
                return np.sign(values) * np.floor(np.abs(values) + _half(values))
            case Rounding.HALF_DOWN:
                return np.sign(values) * np.ceil(np.abs(values) - _half(values))
            case Rounding.CEIL:
                return np.ceil(values)
            case Rounding.FLOOR:
                return np.floor(values)
            case Rounding.UP:
                return np.sign(values) * np.ceil(np.abs(values))
            case Rounding.DOWN:
                return np.trunc(values)
            case Rounding.SIGN:
                return np.sign(values)
            case Rounding.BIPOLAR:
                return (values >= 0).astype(values.dtype)


def _half(values: NDArray[Any]) -> NDArray[Any]:
    return np.array(0.5, dtype=values.dtype)


_BY_NAME = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.UP,
    "DOWN": Rounding.DOWN,
    "ROUND_TO_ZERO": Rounding.DOWN,
    "HALF_UP": Rounding.HALF_UP,
    "HALF_DOWN": Rounding.HALF_DOWN,
}
ROUNDING_NAMES = tuple(_BY_NAME)


def rounding_of(name: str) -> Rounding | None:
    """The rounding that QONNX calls `name`, in any case of letters."""
    return _BY_NAME.get(name.upper())


@dataclass(frozen=True, slots=True)
class RoundStep:
    """round(x) + zero, then clamped to low..high; an absent bound is infinite."""

    low: int | None
    high: int | None
    rounding: Rounding
    zero: int = 0

    def boundary(self, level: int) -> Boundary:
        """Where the result becomes `level` or more, for low < level <= high."""
        return self.rounding.boundary(level - self.zero)

    def __call__(self, value: Fraction) -> int:
        result = self.rounding(value) + self.zero
        if self.low is not None and result < self.low:
            return self.low
        return self.high if self.high is not None and result > self.high else result


@dataclass(frozen=True, slots=True)
class TableStep:
    """How many of the ascending edges a number has reached (the MultiThreshold of QONNX)."""

    edges: tuple[Fraction, ...]

    @property
    def low(self) -> int:
        return 0

    @property
    def high(self) -> int:
        return len(self.edges)

    def boundary(self, level: int) -> Boundary:
        edge = self.edges[level - 1]
        return Boundary(edge.numerator, edge.denominator, True)

    def __call__(self, value: Fraction) -> int:
        return sum(value >= edge for edge in self.edges)


Step = RoundStep | TableStep

IDENTITY_STEP = RoundStep(None, None, Rounding.FLOOR)
"""The step that an integer passes unchanged."""
