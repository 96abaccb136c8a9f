"""What stays on the host: checking inputs, the input quantiser's and the output scale's arithmetic, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dialects.errors import InputError
from dialects.ranges import Range
from dialects.tensors import FloatArray, IntArray
from runtime.counts import Counts

Value = NDArray[np.generic]


@dataclass(frozen=True)
class InputSpec:
    """An input of a network: its ONNX name, shape (-1 is the batch) and either a float type or a range of integers."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """`float32` or `float64`; `int64` where `span` is given"""
    span: Range | None = None

    def describe(self) -> str:
        shape = "x".join("N" if size < 0 else str(size) for size in self.shape)
        return f"{shape} {f'integers {self.span}' if self.span else self.dtype}"


@dataclass
class Result:
    """Outputs by ONNX name, and the counts of each segment where a program ran on the simulator."""

    outputs: dict[str, Value] = field(default_factory=dict[str, Value])
    segments: list[tuple[str, Counts]] = field(default_factory=list[tuple[str, Counts]])
    samples: int = 0
    arrays: int = 0


def check_inputs(specs: Sequence[InputSpec], given: Mapping[str, Value]) -> dict[str, Value]:
    """The given arrays in the types that the network takes; raises InputError where they don't fit."""
    expected = ", ".join(f"'{spec.name}' ({spec.describe()})" for spec in specs)
    for spec in specs:
        if spec.name not in given:
            raise InputError(f"input '{spec.name}' is missing", hint=f"the network's inputs are {expected}")
    if unknown := set(given) - {spec.name for spec in specs}:
        raise InputError(f"there is no input '{min(unknown)}'", hint=f"the network's inputs are {expected}")
    values = {spec.name: _check(spec, np.asarray(given[spec.name])) for spec in specs}
    if len({len(value) for value in values.values()}) > 1:
        sizes = ", ".join(f"'{name}' {len(value)}" for name, value in values.items())
        raise InputError(f"the inputs have different numbers of samples: {sizes}")
    return values


def _check(spec: InputSpec, value: Value) -> Value:
    place, hint = f"input '{spec.name}'", f"expected {spec.describe()}, N at least 1"
    fits = value.ndim == len(spec.shape) and all(
        expected in (-1, found) for expected, found in zip(spec.shape, value.shape, strict=True)
    )
    if not fits or value.size == 0:
        raise InputError(f"its shape is {'x'.join(map(str, value.shape)) or 'a scalar'}", place=place, hint=hint)
    if value.dtype.kind not in ("iub" if spec.span else "fiub"):
        raise InputError(f"its type is {value.dtype}", place=place, hint=hint)
    if spec.span:
        low, high = int(value.min()), int(value.max())
        if low < spec.span.lo or high > spec.span.hi:
            raise InputError(f"its values go from {low} to {high}", place=place, hint=hint)
        return value.astype(np.int64)
    exact = value.astype(spec.dtype)
    if np.isnan(exact).any():
        raise InputError("it holds values that are not numbers", place=place, hint=hint)
    return exact


def dequantize(values: IntArray, scale: FloatArray, offset: FloatArray, dtype: str) -> Value:
    """values * scale + offset along axis 1 in double precision, then rounded to `dtype`."""
    shape = (1, -1, *[1] * (values.ndim - 2)) if values.ndim > 1 else (-1,)
    return (values * scale.reshape(shape) + offset.reshape(shape)).astype(dtype)
