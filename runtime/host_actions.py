"""What the host computes before, between and after programs: the input quantiser, data movement, the network's end.

A module's host operations (runtime/interpreter.py) and a .camx file's calls (runtime/camx.py) are these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from dialects.support.ranges import Range
from dialects.support.real_lines import RealLines
from dialects.support.scores import FUNCTIONS, Scores
from dialects.support.tensors import FloatArray, FloatThresholds
from dialects.support.window import Window, Windows, scatter
from runtime.engines import native as engine
from runtime.values import AnyValue, array, ints, raw


@dataclass(frozen=True)
class Action:
    """What the host does in a call; subclasses are dataclasses of its constants."""

    @property
    def title(self) -> str:
        """What progress calls it."""
        return ""

    def results(self, *inputs: AnyValue) -> Sequence[AnyValue]:
        """What it gives."""
        return (self.compute(*inputs),)

    def compute(self, *inputs: AnyValue) -> AnyValue:
        """What it gives, if that is one value."""
        raise NotImplementedError

    @property
    def on_host(self) -> str | None:
        """What the host computes at the end of the network, for the report; None for data movement and quantisers."""
        return None


@dataclass(frozen=True)
class Quantize(Action):
    """The input quantiser: steps of real numbers."""

    thresholds: FloatThresholds
    result: Range

    def compute(self, *inputs: AnyValue) -> AnyValue:
        value = array(inputs[0])
        # Exact, as a float is a double and thresholds are doubles.
        real = value if value.dtype.name in ("float32", "float64") else value.astype(np.float64)
        return engine.quantise(cast(FloatArray, real), self.thresholds, self.result)


@dataclass(frozen=True)
class Reshape(Action):
    """The features of a sample in another shape."""

    shape: tuple[int, ...]

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return array(inputs[0]).reshape(-1, *self.shape)


@dataclass(frozen=True)
class Transpose(Action):
    """The dimensions of a sample in another order."""

    order: tuple[int, ...]

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return array(inputs[0]).transpose(0, *(axis + 1 for axis in self.order))


@dataclass(frozen=True)
class Take(Action):
    """Elements of one dimension of the samples."""

    axis: int
    indices: tuple[int, ...]

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return array(inputs[0]).take(self.indices, axis=self.axis + 1)


@dataclass(frozen=True)
class Gather(Action):
    """Rows of window elements: the order in which images are read from the buffer."""

    window: Window
    pad: int

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return Windows(raw(inputs[0]), self.window, self.pad)


@dataclass(frozen=True)
class Scatter(Action):
    """Images from rows, one per sample and position (down, across)."""

    positions: tuple[int, int]

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return scatter(raw(inputs[0]), *self.positions)


@dataclass(frozen=True)
class Concat(Action):
    """Tensors side by side along the channels: parts of a layer lie in the buffer as one tensor."""

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return np.concatenate([raw(value) for value in inputs], axis=1)


@dataclass(frozen=True)
class Dequantize(Action):
    """The output scale: integers * scale + offset of each channel in double precision, then rounded to `dtype`."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    dtype: str

    def __post_init__(self) -> None:
        check_type(self.dtype)

    def compute(self, *inputs: AnyValue) -> AnyValue:
        values = ints(inputs[0])
        shape = (1, -1, *[1] * (values.ndim - 2)) if values.ndim > 1 else (-1,)
        scale, offset = np.array(self.scale).reshape(shape), np.array(self.offset).reshape(shape)
        return (values * scale + offset).astype(self.dtype)


@dataclass(frozen=True)
class DequantizeSum(Action):
    """The output scale of a sum of unequal scales: exact, rounded to double precision and then to `dtype`."""

    lines: RealLines
    dtype: str

    def __post_init__(self) -> None:
        check_type(self.dtype)

    def compute(self, *inputs: AnyValue) -> AnyValue:
        return self.lines.apply([ints(value) for value in inputs]).astype(self.dtype)


@dataclass(frozen=True)
class ArgMax(Action):
    """The channels with the greatest scores, in falling order; of equal ones the first, or the last."""

    count: int
    last: bool
    scores: Scores | None
    """None: the integers themselves"""
    layer: str

    def compute(self, *inputs: AnyValue) -> AnyValue:
        values = ints(inputs[0])
        exact = values if self.scores is None else self.scores.apply(values)
        if self.count == 1 and not self.last:
            return exact.argmax(axis=1, keepdims=True)
        falling = np.argsort(exact if self.last else exact[:, ::-1], axis=1, kind="stable")[:, ::-1]
        return falling[:, : self.count] if self.last else values.shape[1] - 1 - falling[:, : self.count]

    @property
    def on_host(self) -> str | None:
        return _named("arg_max", self.layer)


def _sigmoid(values: FloatArray) -> FloatArray:
    # Neither branch overflows where it is taken.
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + small), small / (1 + small))


def _softplus(values: FloatArray) -> FloatArray:
    return np.logaddexp(0.0, values)


def _softsign(values: FloatArray) -> FloatArray:
    return values / (1 + np.abs(values))


def _erf(values: FloatArray) -> FloatArray:
    return np.array([math.erf(value) for value in values.flat], dtype=np.float64).reshape(values.shape)


_OF_EACH: dict[str, Callable[[FloatArray], FloatArray]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softplus": _softplus,
    "softsign": _softsign,
    "exp": np.exp,
    "erf": _erf,
}
"""Functions of each element by itself."""


@dataclass(frozen=True)
class Activation(Action):
    """A real function of the channels in double precision, then rounded to `dtype`."""

    function: str
    dtype: str
    layer: str

    def __post_init__(self) -> None:
        check_type(self.dtype)
        if self.function not in FUNCTIONS:
            raise ValueError(f"unknown function {self.function!r}")

    def compute(self, *inputs: AnyValue) -> AnyValue:
        real = array(inputs[0]).astype(np.float64)
        if self.function in _OF_EACH:
            with np.errstate(over="ignore"):
                return _OF_EACH[self.function](real).astype(self.dtype)
        below = real - real.max(axis=1, keepdims=True)
        total = np.exp(below).sum(axis=1, keepdims=True)
        result = below - np.log(total) if self.function == "log_softmax" else np.exp(below) / total
        return result.astype(self.dtype)

    @property
    def on_host(self) -> str | None:
        return _named(self.function, self.layer)


KINDS: dict[str, type[Action]] = {
    kind.__name__: kind
    for kind in (
        Quantize,
        Reshape,
        Transpose,
        Take,
        Gather,
        Scatter,
        Concat,
        Dequantize,
        DequantizeSum,
        ArgMax,
        Activation,
    )
}
"""What the host does, by name."""


def check_type(name: str) -> None:
    """Raises ValueError for a type that tensors outside of the array don't have."""
    if name not in ("float16", "float32", "float64", "int64"):
        raise ValueError(f"there is no type {name!r}")


def _named(what: str, layer: str) -> str:
    return f"{what} '{layer}'" if layer else what
