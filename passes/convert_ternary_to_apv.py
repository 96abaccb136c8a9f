"""convert-ternary-to-apv: from tensors to column vectors.

Stands after import. Channels become column vectors; rows are the samples of the batch, or, for images, the positions of
every sample. Matmuls, convolutions, average pooling and residual additions become weights over column vectors. Where
the rows change (a window is gathered, an image is flattened), values go through the global buffer: a store, a gather or
scatter, a load, and another stage begins. The input quantiser and the output scale stay on the host.

    %a = ternary.matmul %q : ... weights <{ +0- }>
  becomes
    %a = apv.stage : ... {
      %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
      %b = apv.linear %x : ... weights <{ +0- }>
      %s = apv.store %b : ...
      apv.yield %s : ...
    }
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv, ternary
from dialects.apv.linear import linear_problem
from dialects.apv.spatial import ConcatOp, GatherOp, MaxOp, ScatterOp
from dialects.apv.types import ranges_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.tensors import IntArray, IntMatrix
from dialects.support.window import Window

_POINT = Window((1, 1))


@dataclass(frozen=True)
class ConvertTernaryToApv(ModulePass):
    """Lower integer tensors to column vectors."""

    name = "convert-ternary-to-apv"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        ternary.state_macs(op)
        conversion = _Conversion()
        items = list(op.walk())
        for index, item in enumerate(items):
            layer = item.properties.get("layer")
            progress(index, len(items), layer.data if isinstance(layer, StringAttr) else "")
            conversion.visit(item)
        conversion.finish()
        for function in op.ops:
            for region in function.regions:
                for block in region.blocks:
                    _sort(block)


class _Columns(NamedTuple):
    """A tensor that lives in the array: its column vectors, its shape as a tensor, and the stage that computes it.

    A stage depends on earlier ones only.
    """

    value: SSAValue
    shape: tuple[int, ...]
    stage: int


class _Conversion:
    def __init__(self) -> None:
        self.columns: dict[SSAValue, _Columns] = {}
        self.loaded: dict[SSAValue, _Columns] = {}
        """tensors of the buffer that a stage has loaded as they are, the latest one of each"""
        self.tensors: dict[SSAValue, SSAValue] = {}
        """stored forms of values that live in the array"""
        self.stage_of: dict[SSAValue, int] = {}
        """the stage that each stored tensor, or what the host makes of it, comes from; inputs come before all stages"""
        self.stages: list[list[Operation]] = [[]]
        """the operations of each stage, which stand in the function until all are known; stage 0 has none"""
        self.replaced: list[Operation] = []

    def visit(self, op: Operation) -> None:
        match op:
            case ternary.MatmulOp():
                self._linear(op, self._rows([op.input], op), op.weights.data.array, op.layer)
            case ternary.ConvOp():
                source = self._gathered(op.input, op.window.data, op.pad, op)
                weights = _ungrouped(op.weights.data, op.groups, op.window.data.size)
                self._linear(op, [source], weights, op.layer, op.window.data.size)
            case ternary.SumPoolOp():
                source = self._gathered(op.input, op.window.data, op.pad, op)
                channels = np.eye(ternary.channels_of(op.input), dtype=np.int64)
                size = op.window.data.size
                self._linear(op, [source], np.repeat(channels, size, axis=1), op.layer, size)
            case ternary.MaxPoolOp():
                # What is outside the image never wins against the lowest value.
                source = self._gathered(op.input, op.window.data, ternary.range_of(op.input).lo, op)
                self._replace(op, MaxOp(source.value, op.window.data.size, op.layer), source.stage)
            case ternary.CombineOp():
                weights = _side_by_side(op.multipliers.data, op.result)
                self._linear(op, self._rows(list(op.inputs), op), weights, op.layer)
            case ternary.ConcatOp():
                sources = self._rows(list(op.inputs), op)
                concat = ConcatOp([source.value for source in sources], ternary.range_of(op.result))
                self._replace(op, concat, sources[0].stage)
            case ternary.ThresholdOp():
                source = self._rows([op.input], op)[0]
                span = ternary.range_of(op.result)
                self._replace(op, apv.ThresholdOp(source.value, op.thresholds.data, span, op.layer), source.stage)
            case ternary.RescaleOp():
                source = self._rows([op.input], op)[0]
                span = ternary.range_of(op.result)
                self._replace(op, apv.RescaleOp(source.value, op.lines.data, span, op.layer), source.stage)
            case ternary.ReshapeOp() if op.input in self.columns and self._keeps_columns(op):
                self.columns[op.result] = self.columns[op.input]._replace(shape=ternary.shape_of(op.result))
                self.replaced.append(op)
            case _:
                self._store_operands(op)

    def _keeps_columns(self, op: ternary.ReshapeOp) -> bool:
        """Whether channels stay channels and rows stay rows: there is one position before and after."""
        return all(prod(ternary.shape_of(value)[2:]) == 1 for value in (op.input, op.result))

    def _store_operands(self, op: Operation) -> None:
        for index, operand in enumerate(op.operands):
            if operand in self.columns:
                op.operands[index] = self._tensor(operand, op)
        latest = max((self.stage_of.get(operand, 0) for operand in op.operands), default=0)
        self.stage_of.update(dict.fromkeys(op.results, latest))

    def _rows(self, values: Sequence[SSAValue], user: Operation) -> list[_Columns]:
        """Values as columns of the same rows: those of the latest stage stay where they are, others are loaded."""
        present = [self.columns.get(value, self.loaded.get(value)) for value in values]
        stage = max((columns.stage for columns in present if columns), default=0)
        absent = [value for value, columns in zip(values, present, strict=True) if columns is None]
        if any(self.stage_of.get(value, 0) >= stage for value in absent):
            stage = self._begin_stage()
        return [self._at(value, stage, user) for value in values]

    def _at(self, value: SSAValue, stage: int, user: Operation) -> _Columns:
        for columns in (self.columns.get(value), self.loaded.get(value)):
            if columns is not None and columns.stage == stage:
                return columns
        tensor, shape = self._tensor(value, user), ternary.shape_of(value)
        if prod(shape[2:]) != 1:
            tensor = self._gather(tensor, _POINT, 0, user)
        self.loaded[value] = self._load(tensor, shape, stage, user)
        return self.loaded[value]

    def _gathered(self, value: SSAValue, window: Window, pad: int, user: Operation) -> _Columns:
        """The elements of each window as columns; the rows are the window's positions."""
        shape = ternary.shape_of(user.results[0])
        if value in self.columns and window.pointwise:
            return self.columns[value]
        tensor = self._tensor(value, user)
        return self._load(self._gather(tensor, window, pad, user), shape, self._begin_stage(), user)

    def _begin_stage(self) -> int:
        self.stages.append([])
        return len(self.stages) - 1

    def _add(self, op: Operation, stage: int, user: Operation) -> None:
        _insert(op, user)
        self.stages[stage].append(op)

    def _gather(self, tensor: SSAValue, window: Window, pad: int, user: Operation) -> SSAValue:
        shape = ternary.shape_of(tensor)
        if len(shape) == 3:
            reshape = ternary.ReshapeOp(tensor, (*shape, 1))
            _insert(reshape, user)
            tensor = reshape.result
        gather = GatherOp(tensor, window, pad)
        gather.result.name_hint = tensor.name_hint
        _insert(gather, user)
        return gather.result

    def _load(self, tensor: SSAValue, shape: tuple[int, ...], stage: int, user: Operation) -> _Columns:
        rows = ternary.shape_of(tensor)
        if DYNAMIC_INDEX in rows[1:]:
            found = ternary.shape_text(rows)
            raise PipelineError(f"{user.name}: only the batch dimension may be dynamic, found {found}")
        if len(rows) != 2:
            reshape = ternary.ReshapeOp(tensor, (rows[0], prod(rows[1:])))
            _insert(reshape, user)
            tensor = reshape.result
        load = apv.LoadOp(tensor)
        load.result.name_hint = tensor.name_hint
        self._add(load, stage, user)
        return _Columns(load.result, shape, stage)

    def _tensor(self, value: SSAValue, user: Operation) -> SSAValue:
        """A value as a tensor in the global buffer, stored once however often it is used."""
        if value not in self.columns:
            return value
        if value in self.tensors:
            return self.tensors[value]
        columns = self.columns[value]
        store = apv.StoreOp(columns.value)
        self._add(store, columns.stage, user)
        result, shape = store.result, columns.shape
        result.name_hint = value.name_hint
        if prod(shape[2:]) != 1:
            scatter = ScatterOp(result, shape if len(shape) == 4 else (*shape, 1))
            _insert(scatter, user)
            result = scatter.result
        if ternary.shape_of(result) != shape:
            reshape = ternary.ReshapeOp(result, shape)
            _insert(reshape, user)
            result = reshape.result
        result.name_hint = value.name_hint
        self.tensors[value], self.stage_of[result] = result, columns.stage
        return result

    def _linear(
        self,
        op: Operation,
        sources: Sequence[_Columns],
        weights: IntArray,
        layer: StringAttr | None,
        kernel_size: int = 1,
    ) -> None:
        place = layer.data if layer else op.name
        values, span = [source.value for source in sources], ternary.range_of(op.results[0])
        if problem := linear_problem(weights, ranges_of(values)):
            raise PipelineError(problem, place=place)
        figures = {"weights": weights.size, "not zero": np.count_nonzero(weights)}
        did(ConvertTernaryToApv.name, place, *(Figure(name, None, int(count)) for name, count in figures.items()))
        self._replace(op, apv.LinearOp(values, weights, span, layer, kernel_size), sources[0].stage)

    def _replace(
        self, op: Operation, new: apv.LinearOp | apv.ThresholdOp | apv.RescaleOp | MaxOp | ConcatOp, stage: int
    ) -> None:
        self._add(new, stage, op)
        new.result.name_hint = op.results[0].name_hint
        self.columns[op.results[0]] = _Columns(new.result, ternary.shape_of(op.results[0]), stage)
        self.replaced.append(op)

    def finish(self) -> None:
        """Make the stages, each where it first stores something; one that stores nothing has no effect."""
        for op in reversed(self.replaced):
            Rewriter.erase_op(op)
        for ops in reversed(self.stages):
            if stores := [op for op in ops if isinstance(op, apv.StoreOp)]:
                following = stores[0]
                while following in ops:
                    following = following.next_op
                    assert following
                _insert(apv.StageOp(ops), following)
            else:
                for op in reversed(ops):
                    Rewriter.erase_op(op)


def _sort(block: Block) -> None:
    """Bring operations behind those whose results they use; otherwise the order stays."""
    waiting = list(block.ops)
    made_here = {result for op in waiting for result in op.results}
    needs = {op: {value for inner in op.walk() for value in inner.operands} & made_here for op in waiting}
    made: set[SSAValue] = set()
    while waiting:
        op = next(op for op in waiting if needs[op] <= made)
        made.update(op.results)
        waiting.remove(op)
        op.detach()
        block.add_op(op)


def _insert(op: Operation, before: Operation) -> None:
    Rewriter.insert_op(op, InsertPoint.before(before))


def _ungrouped(weights: IntMatrix, groups: int, size: int) -> IntArray:
    """Weights over all input channels: those of other groups are zero."""
    if groups == 1:
        return weights.array
    rows, columns = weights.rows // groups, weights.columns
    full = np.zeros((weights.rows, columns * groups), dtype=np.int64)
    for group in range(groups):
        part = slice(group * rows, (group + 1) * rows)
        full[part, group * columns : (group + 1) * columns] = weights.array[part]
    return full


def _side_by_side(multipliers: IntMatrix, result: SSAValue) -> IntArray:
    """One matrix over the channels of all inputs of a combine: a diagonal for each input."""
    channels = ternary.channels_of(result)
    lines = np.broadcast_to(multipliers.array, (channels, multipliers.columns))
    return np.concatenate([np.diag(lines[:, index]) for index in range(multipliers.columns)], axis=1)
