"""What float executors compute between a network's input and its first quantiser, operation by operation.

There their float arithmetic is the model: each level of the quantiser begins at the first input for which the executor
reaches it. The operations are monotone, and so are their rounded versions, so that this input is found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _performed(function: str, x: Array, constants: tuple[Array, ...]) -> Array:
    match function, constants:
        case "add", (c,):
            return x + c
        case "subtract", (c,):
            return x - c
        case "subtract from", (c,):
            return c - x
        case "multiply", (c,):
            return x * c
        case "divide", (c,):
            return x / c
        case "negate", ():
            return -x
        case "raise", (c,):
            return np.maximum(x, c)
        case "lower", (c,):
            return np.minimum(x, c)
        case "normalise", (gain, shift):
            return x * gain + shift
        case "cast", (like,):
            return x.astype(like.dtype)
        case _:
            raise AssertionError(function)


@dataclass(frozen=True, eq=False)
class FloatOperation:
    """One operation of an executor; its constants are in the types that the model holds them in.

    Of "cast", the constant says the type. Constants broadcast to a sample.
    """

    function: str
    constants: tuple[Array, ...] = ()

    def __call__(self, values: Array) -> Array:
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            return _performed(self.function, values, self.constants)

    def changed(self, change: Callable[[Array], Array]) -> FloatOperation:
        """The operation with its constants that are not scalars in another shape or order."""
        return replace(self, constants=tuple(item if item.ndim == 0 else change(item) for item in self.constants))


FloatChain = tuple[FloatOperation, ...]


def cast_operation(dtype: Any) -> FloatOperation:
    return FloatOperation("cast", (np.zeros((), dtype=dtype),))


def channel_chain(chain: FloatChain, shape: tuple[int, ...], index: int) -> FloatChain:
    """The operations of one channel of `shape`, by its number in C order; their constants are scalars."""
    place = np.unravel_index(index, shape) if shape else ()

    def own(item: Array) -> Array:
        return item if item.ndim == 0 else np.asarray(np.broadcast_to(item, shape)[place])

    return tuple(replace(operation, constants=tuple(map(own, operation.constants))) for operation in chain)


def evaluated(chain: FloatChain, values: Array) -> Array:
    for operation in chain:
        values = operation(values)
    return values


# ---- the inputs in ascending order, as integers


class Inputs(Protocol):
    """All numbers that an input can hold, in ascending order, each with a number of its own."""

    @property
    def ends(self) -> tuple[int, int]:
        """The numbers of the least and of the greatest."""
        ...

    @property
    def never(self) -> float:
        """What stands for an input above all of them."""
        ...

    def values(self, numbers: NDArray[np.int64]) -> Array:
        """The inputs with the given numbers."""
        ...

    def numbers(self, values: Array) -> NDArray[np.int64]:
        """The numbers of inputs, or of values near them."""
        ...


@dataclass(frozen=True)
class Floats:
    """The finite numbers of a float type: their bits as sign and magnitude."""

    kind: type[np.floating[Any]]

    @property
    def _bits(self) -> type[np.signedinteger[Any]]:
        return {2: np.int16, 4: np.int32, 8: np.int64}[np.dtype(self.kind).itemsize]

    @property
    def ends(self) -> tuple[int, int]:
        most = int(np.array(np.finfo(self.kind).max, dtype=self.kind).view(self._bits))
        return -most, most

    @property
    def never(self) -> float:
        return float("inf")

    def values(self, numbers: NDArray[np.int64]) -> Array:
        magnitudes = np.abs(numbers).astype(self._bits).view(self.kind)
        return np.where(numbers < 0, -magnitudes, magnitudes).astype(self.kind)

    def numbers(self, values: Array) -> NDArray[np.int64]:
        with np.errstate(over="ignore"):
            bits = np.abs(values).astype(self.kind).view(self._bits).astype(np.int64)
        low, high = self.ends
        return np.clip(np.where(values < 0, -bits, bits), low, high)


@dataclass(frozen=True)
class Integers:
    """The integers of a range, which are their own numbers."""

    low: int
    high: int

    @property
    def ends(self) -> tuple[int, int]:
        return self.low, self.high

    @property
    def never(self) -> float:
        return self.high + 1

    def values(self, numbers: NDArray[np.int64]) -> Array:
        return numbers

    def numbers(self, values: Array) -> NDArray[np.int64]:
        return np.clip(values, self.low, self.high).astype(np.int64)


def first_numbers(
    inputs: Inputs, reached: Callable[[Array, NDArray[np.int64]], NDArray[np.bool_]], guesses: Array
) -> NDArray[np.int64]:
    """For each of some thresholds the number of the first input that reaches it; one above the last where none does.

    `reached(values, which)` says which inputs reach the thresholds of the numbers `which`, and rises with the values.
    `guesses` are inputs near the thresholds.
    """
    which = np.arange(len(guesses))
    least, most = inputs.ends
    low, high = np.full(len(guesses), least - 1), np.full(len(guesses), most + 1)
    near = inputs.numbers(guesses)
    for distance in (1 << 14, 64, 2):
        for place in (np.maximum(near - distance, least), np.minimum(near + distance, most)):
            hit = reached(inputs.values(place), which)
            high = np.where(hit, np.minimum(high, place), high)
            low = np.where(hit, low, np.maximum(low, place))
    while (open_ := low < high - 1).any():
        # Halves are added, as numbers of doubles would overflow.
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        hit = reached(inputs.values(np.clip(middle, least, most)), which)
        high = np.where(open_ & hit, middle, high)
        low = np.where(open_ & ~hit, middle, low)
    return high
