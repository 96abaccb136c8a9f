"""What stays on the host: checking inputs, the input quantiser's and the output scale's arithmetic, results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from dialects.code import decode
from dialects.errors import InputError
from dialects.ranges import Range
from dialects.scores import Scores
from dialects.target import Target
from dialects.tensors import FloatArray, FloatThresholds, IntArray
from dialects.window import Ints, Rows, Windows
from runtime import engine as native
from runtime.counts import Counts
from runtime.simulator import Simulator

Value = NDArray[np.generic]

ENGINES = ("native", "golden")
"""The native engine, and the reference simulator that it is tested against."""


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


@dataclass(frozen=True)
class SegmentRun:
    """One layer as it ran: its counts, the rows that held data, and the arrays that held the rows."""

    layer: str
    counts: Counts
    rows: int
    arrays: int


@dataclass
class Result:
    """Outputs by ONNX name, and what the simulator counted in each segment, for a number of samples."""

    outputs: dict[str, Value] = field(default_factory=dict[str, Value])
    segments: list[SegmentRun] = field(default_factory=list[SegmentRun])
    samples: int = 0
    host: list[str] = field(default_factory=list[str])
    """functions of the network that the host computed at its end, beside the output scale"""

    def on_host(self, what: str, layer: str | None) -> None:
        self.host.append(f"{what} '{layer}'" if layer else what)


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
    with np.errstate(over="ignore"):
        exact = value.astype(spec.dtype, copy=False)
    if not np.isfinite(exact).all():
        raise InputError("it holds values that are not finite numbers", place=place, hint=hint)
    return exact


class Program(NamedTuple):
    """Segments (layer, binary code) to be run on input tensors (rows, features), and the number of output features."""

    segments: Sequence[tuple[str, bytes]]
    inputs: Sequence[Rows]
    outputs: int

    def golden(self, target: Target) -> tuple[Ints, list[Counts]]:
        features = np.concatenate([part.array() if isinstance(part, Windows) else part for part in self.inputs], axis=1)
        vectors, by_vector = features.T.astype(np.int64), np.zeros((self.outputs, len(features)), dtype=np.int64)
        simulator = Simulator(target, len(features))
        counts = [simulator.run(layer, decode(code), vectors, by_vector) for layer, code in self.segments]
        return by_vector.T, counts


def run_programs(
    target: Target, programs: Sequence[Program], engine: str, trace: bool
) -> list[tuple[Ints, list[SegmentRun]]]:
    """Run programs that don't wait for each other: of each one tensor (rows, outputs), and how its segments ran.

    `engine` is "native", or "golden" for the reference simulator; they agree in results and in counts. Without `trace`
    the native engine leaves out the counts that depend on the data.
    """
    if engine == "native":
        jobs = [native.Job([code for _, code in part.segments], part.inputs, part.outputs) for part in programs]
        found = native.run_all(target, jobs, native.cores(), trace=trace)
    else:
        found = [part.golden(target) for part in programs]
    return [
        (results, _segment_runs(target, part, len(results), counts))
        for part, (results, counts) in zip(programs, found, strict=True)
    ]


def _segment_runs(target: Target, program: Program, rows: int, counts: Sequence[Counts]) -> list[SegmentRun]:
    arrays = -(-rows // target.rows)
    pairs = zip(program.segments, counts, strict=True)
    return [SegmentRun(layer, count, rows, arrays) for (layer, _), count in pairs]


def quantise(values: Value, thresholds: FloatThresholds, result: Range) -> Ints:
    """The input quantiser's steps of a float tensor; exact, as a float is a double and thresholds are doubles."""
    real = values if values.dtype.name in ("float32", "float64") else values.astype(np.float64)
    return native.quantise(cast(FloatArray, real), thresholds, result)


def narrow(values: Ints) -> Ints:
    """The same integers in the smallest signed type that holds them; a network's tensors are mostly of few bits."""
    if not values.size or values.dtype == np.int8:
        return values
    low, high = int(values.min()), int(values.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def cut_features(values: Ints, counts: Iterable[int]) -> list[Ints]:
    """A tensor (rows, features) cut into tensors of the given numbers of features."""
    ends = np.cumsum(list(counts))
    return np.split(values, ends[:-1], axis=1)


def dequantize(values: Ints, scale: FloatArray, offset: FloatArray, dtype: str) -> Value:
    """values * scale + offset along axis 1 in double precision, then rounded to `dtype`."""
    shape = (1, -1, *[1] * (values.ndim - 2)) if values.ndim > 1 else (-1,)
    return (values * scale.reshape(shape) + offset.reshape(shape)).astype(dtype)


def transpose(values: Value, order: Sequence[int]) -> Value:
    """The dimensions of each sample in another order."""
    return values.transpose(0, *(axis + 1 for axis in order))


def arg_max(values: IntArray, count: int, last: bool, scores: Scores | None) -> IntArray:
    """The channels with the greatest scores, in falling order; of equal ones the first, or the last."""
    exact = values if scores is None else scores.apply(values)
    channels = values.shape[1]
    if count == 1 and not last:
        return exact.argmax(axis=1, keepdims=True)
    falling = np.argsort(exact if last else exact[:, ::-1], axis=1, kind="stable")[:, ::-1]
    return falling[:, :count] if last else channels - 1 - falling[:, :count]


def activate(values: Value, function: str, dtype: str) -> Value:
    """A real function of the channels in double precision, then rounded to `dtype`."""
    real = values.astype(np.float64)
    if function == "sigmoid":
        # Neither branch overflows where it is taken.
        small = np.exp(-np.abs(real))
        return np.where(real >= 0, 1 / (1 + small), small / (1 + small)).astype(dtype)
    below = real - real.max(axis=1, keepdims=True)
    total = np.exp(below).sum(axis=1, keepdims=True)
    result = below - np.log(total) if function == "log_softmax" else np.exp(below) / total
    return result.astype(dtype)
