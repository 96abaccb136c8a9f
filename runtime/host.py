"""What goes from the host to the arrays and back: checked inputs, programs on one of the engines, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.machine.code import decode
from dialects.machine.target import Target
from dialects.support.errors import InputError
from dialects.support.ranges import Range
from dialects.support.threads import cores
from dialects.support.window import Ints, Rows, Windows
from runtime.cost.counts import Counts
from runtime.engines import native
from runtime.engines.golden import Simulator

Value = NDArray[np.generic]


@dataclass(frozen=True)
class InputSpec:
    """An input of a network: its ONNX name, shape (-1 is the batch) and either a float type or a range of integers."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """`float16`, `float32` or `float64`; `int64` where `span` is given"""
    span: Range | None = None

    def describe(self) -> str:
        shape = "x".join("N" if size < 0 else str(size) for size in self.shape)
        return f"{shape} {f'integers {self.span}' if self.span else self.dtype}"


class SegmentRun(NamedTuple):
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

    def on_host(self, what: str | None) -> None:
        if what:
            self.host.append(what)


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
        found = native.run_all(target, jobs, cores(), trace=trace)
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
