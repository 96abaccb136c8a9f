"""Steps of a network that is ready to run: what the host computes between programs, and the programs themselves.

A module's host operations (runtime/host_ops.py) and a compiled file's steps (runtime/camx.py) are these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

from dialects.support.ranges import Range
from dialects.support.scores import FUNCTIONS, Scores
from dialects.support.tensors import FloatArray, FloatThresholds, IntArray
from dialects.support.window import Ints, Rows, Window, Windows, scatter
from runtime.engines import native as engine
from runtime.host import Program, Value

AnyValue = Value | Windows
"""A tensor, or windows of one that are gathered where they are read."""


def array(value: AnyValue) -> Value:
    """The tensor itself."""
    return value.array() if isinstance(value, Windows) else value


def raw(value: AnyValue) -> Ints:
    """Integers in the width that they are kept in."""
    return cast(Ints, array(value))


def ints(value: AnyValue) -> IntArray:
    """Integers of 64 bits."""
    return array(value).astype(np.int64, copy=False)


def narrow(values: Ints) -> Ints:
    """The same integers in the smallest signed type that holds them; a network's tensors are mostly of few bits."""
    if not values.size or values.dtype == np.int8:
        return values
    low, high = int(values.min()), int(values.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


@dataclass(frozen=True)
class Action:
    """What a step on the host does; subclasses are dataclasses of its constants."""

    def compute(self, *inputs: AnyValue) -> AnyValue:
        """The step's only output."""
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
    """Images from rows, one a sample and position (down, across)."""

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
        if self.function == "sigmoid":
            # Neither branch overflows where it is taken.
            small = np.exp(-np.abs(real))
            return np.where(real >= 0, 1 / (1 + small), small / (1 + small)).astype(self.dtype)
        below = real - real.max(axis=1, keepdims=True)
        total = np.exp(below).sum(axis=1, keepdims=True)
        result = below - np.log(total) if self.function == "log_softmax" else np.exp(below) / total
        return result.astype(self.dtype)

    @property
    def on_host(self) -> str | None:
        return _named(self.function, self.layer)


class Segment(NamedTuple):
    """A layer and its binary code."""

    layer: str
    code: bytes


@dataclass(frozen=True)
class Execute:
    """Segments that run on the array: features of all inputs in, features of the outputs out, so many of each."""

    features: tuple[int, ...]
    segments: tuple[Segment, ...]

    @property
    def layer(self) -> str:
        """What the program is known by: its largest segment."""
        return max(self.segments, key=lambda segment: len(segment.code), default=Segment("", b"")).layer

    def program(self, inputs: Iterable[AnyValue]) -> Program:
        """The program on its inputs."""
        return Program(self.segments, [cast(Rows, value) for value in inputs], sum(self.features))

    def outputs(self, rows: Ints) -> list[Ints]:
        """The step's outputs, from a tensor (rows, features) of all of them."""
        return [narrow(part) for part in np.split(rows, np.cumsum(self.features)[:-1], axis=1)]


@dataclass(frozen=True)
class Step:
    """An action or a program, with the names of the values that it takes and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    action: Action | Execute


KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Quantize, Reshape, Transpose, Take, Gather, Scatter, Concat, Dequantize, ArgMax, Activation),
        Execute,
    )
}
"""What a step does, by name."""


def check_type(name: str) -> None:
    """Raises ValueError for a type that tensors outside of the array don't have."""
    if name not in ("float16", "float32", "float64", "int64"):
        raise ValueError(f"there is no type {name!r}")


def _named(what: str, layer: str) -> str:
    return f"{what} '{layer}'" if layer else what
