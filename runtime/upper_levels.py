"""The meaning of operations above machine code: numpy on whole tensors, one case for each operation.

`ternary` works on integer tensors, `apv` on column vectors (vectors, rows), `rtm` on a memory of placed values. They
are the reference for machine code, so they share nothing with the engines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.ir import Operation, SSAValue

from dialects import apv, rtm, ternary
from dialects.apv import spatial as apv_spatial
from dialects.rtm.program import features
from dialects.support.errors import PipelineError
from dialects.support.tensors import IntArray
from dialects.support.window import Ints, scatter
from dialects.ternary import spatial as ternary_spatial
from runtime.host_actions import Action
from runtime.placed_machine import PlacedMachine
from runtime.values import AnyValue, array, ints, narrow, raw

_ROWS_A_PART = 1 << 16


@dataclass(frozen=True, eq=False)
class Evaluate(Action):
    """An operation of the levels above machine code."""

    op: Operation

    @property
    def title(self) -> str:
        return f"{self.op.name} {self.op.results[0].name_hint or ''}".strip() if self.op.results else self.op.name

    def results(self, *inputs: AnyValue) -> Sequence[AnyValue]:
        if isinstance(self.op, rtm.ProgramOp):
            return [narrow(value) for value in _placed(self.op, inputs)]
        if isinstance(self.op, rtm.CountedOp):
            rows = np.concatenate([ints(value) for value in inputs], axis=1)
            return [narrow(self.op.places.data.apply(rows, features(self.op.result)))]
        if isinstance(self.op, apv.StageOp):
            return _stage(self.op, inputs)
        return (narrow(_value(self.op, *inputs)),)


def _value(op: Operation, *inputs: AnyValue) -> Ints:
    """The only result; raises PipelineError for an operation that means nothing here."""
    match op:
        case ternary.MatmulOp():
            return _product(ints(inputs[0]), op.weights.data.array)
        case ternary_spatial.ConvOp():
            return _convolve(op, raw(inputs[0]))
        case ternary_spatial.MaxPoolOp() | ternary_spatial.SumPoolOp():
            return _pool(op, ints(inputs[0]))
        case ternary_spatial.CombineOp():
            return _combine(op, [ints(value) for value in inputs])
        case ternary.ThresholdOp():
            return op.thresholds.data.apply(ints(inputs[0]), ternary.range_of(op.result))
        case ternary.RescaleOp():
            return op.lines.data.apply(ints(inputs[0]))
        case apv.LoadOp() | apv.StoreOp():
            return raw(inputs[0]).T
        case apv.LinearOp():
            return _product(np.concatenate([raw(value) for value in inputs]).T, op.weights.data.array).T
        case apv.SumOp():
            return op.graph.data.propagate(np.concatenate([ints(value) for value in inputs]))
        case apv.CountOp():
            rows = np.concatenate([raw(value) for value in inputs], axis=1)
            return _stepped(op, _product(rows, op.weights.data.array))
        case apv.AccumulateOp():
            rows = np.concatenate([raw(value) for value in inputs], axis=1)
            return _stepped(op, op.terms.data.apply(rows, ternary.shape_of(op.result)[1]))
        case apv_spatial.MaxOp():
            columns = ints(inputs[0])
            return columns.reshape(-1, op.size, columns.shape[1]).max(axis=1)
        case apv_spatial.ConcatOp():
            return np.concatenate([ints(value) for value in inputs])
        case apv.ThresholdOp():
            return op.thresholds.data.apply(ints(inputs[0]).T, apv.columns_of(op.result).range).T
        case apv.RescaleOp():
            return op.lines.data.apply(ints(inputs[0]).T).T
        case _:
            raise PipelineError(f"there is no way to run '{op.name}'", hint="lower it to ternary, apv, rtm or ap")


def _stepped(op: apv.CountOp | apv.AccumulateOp, sums: IntArray) -> IntArray:
    """Sums, or what thresholds make of them."""
    return op.thresholds.data.apply(sums, ternary.range_of(op.result)) if op.thresholds else sums


def _stage(stage: apv.StageOp, inputs: Sequence[AnyValue]) -> list[AnyValue]:
    """What a stage stores."""
    stored: dict[SSAValue, AnyValue] = {
        op.results[0]: value for op, value in stage_values(stage, inputs) if isinstance(op, apv.StoreOp)
    }
    return [stored[value] for value in stage.yielded]


def stage_values(stage: apv.StageOp, inputs: Sequence[AnyValue]) -> Iterator[tuple[Operation, AnyValue]]:
    """Every operation of a stage with its result; column vectors are dropped after their last reader."""
    loaded = iter(inputs)
    values: dict[SSAValue, AnyValue] = {}
    readers = Counter(value for op in stage.ops for value in op.operands)
    for op in stage.ops:
        taken = [next(loaded)] if isinstance(op, apv.LoadOp) else [values[value] for value in op.operands]
        values[op.results[0]] = narrow(_value(op, *taken))
        yield op, values[op.results[0]]
        readers.subtract(op.operands)
        for value in {value for value in op.operands if readers[value] == 0}:
            values.pop(value, None)


def _convolve(op: ternary_spatial.ConvOp, images: Ints) -> IntArray:
    weights, groups = op.weights.data.array, op.groups
    parts: list[IntArray] = []
    for inputs, lines in zip(np.split(images, groups, axis=1), np.split(weights, groups), strict=True):
        parts.append(_product(op.window.data.gather(inputs, op.pad), lines))
    return scatter(np.concatenate(parts, axis=1), *ternary.shape_of(op.result)[2:])


def _pool(op: ternary_spatial.MaxPoolOp | ternary_spatial.SumPoolOp, images: IntArray) -> IntArray:
    window, is_max = op.window.data, isinstance(op, ternary_spatial.MaxPoolOp)
    pad = op.pad if isinstance(op, ternary_spatial.SumPoolOp) else ternary.range_of(op.input).lo
    rows = window.gather(images, pad)
    elements = rows.reshape(len(rows), images.shape[1], window.size)
    pooled: IntArray = elements.max(axis=2) if is_max else elements.sum(axis=2)
    return scatter(pooled, *ternary.shape_of(op.result)[2:])


def _combine(op: ternary_spatial.CombineOp, values: Sequence[IntArray]) -> IntArray:
    lines = op.multipliers.data.array
    shape = (-1, *[1] * (values[0].ndim - 2))
    total = np.zeros_like(values[0])
    for index, value in enumerate(values):
        total += value * lines[:, index].reshape(shape)
    return total


def _placed(op: rtm.ProgramOp, inputs: Sequence[AnyValue]) -> list[IntArray]:
    vectors = np.concatenate([array(value) for value in inputs], axis=1).T.astype(np.int64)
    counts = [features(value) for value in op.outputs]
    outputs = np.zeros((sum(counts), vectors.shape[1]), dtype=np.int64)
    machine = PlacedMachine(op.geometry.geometry, vectors.shape[1])
    for segment in op.segments:
        machine.run(segment.code.instructions, vectors, outputs)
    return np.split(outputs.T, np.cumsum(counts)[:-1], axis=1)


def _product(rows: Ints, weights: IntArray) -> IntArray:
    """rows @ weights.T; int64 products run without BLAS, and sums below 2^53 are exact in double precision."""
    largest = max(-int(rows.min(initial=0)), int(rows.max(initial=0)))
    if float(np.abs(weights).sum(axis=1, dtype=np.float64).max()) * largest > 1 << 52:
        return rows.astype(np.int64) @ weights.T
    factor = weights.T.astype(np.float64)
    result = np.empty((len(rows), len(weights)), dtype=np.int64)
    for begin in range(0, len(rows), _ROWS_A_PART):
        part = slice(begin, begin + _ROWS_A_PART)
        result[part] = rows[part].astype(np.float64) @ factor
    return result
