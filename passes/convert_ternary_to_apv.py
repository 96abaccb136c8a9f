"""convert-ternary-to-apv: from tensors to column vectors, from weights to adder graphs.

Stands after import. Every feature of a tensor becomes a column vector, samples become rows; a matmul becomes an adder
graph without sharing (a running sum an output), which later passes improve. The input quantiser and the output scale
stay on the host, with a load and a store between them and the array.

    %a = ternary.matmul %q : ... weights <{ +0- }>
  becomes
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %b = apv.linear %x : ... graph <{ inputs 3 in 0..1  %3 = %0 - %2 : i2  out %3 }>
    %a = apv.store %b : ...
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv, ternary
from dialects.errors import PipelineError
from dialects.tensors import Thresholds
from passes.adder_graph_sums import unshared


class _Columns(NamedTuple):
    """A tensor that lives in the array: its column vectors and its shape as a tensor."""

    value: SSAValue
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ConvertTernaryToApv(ModulePass):
    """Lower integer tensors to column vectors and weights to adder graphs."""

    name = "convert-ternary-to-apv"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        conversion = _Conversion()
        for item in list(op.walk()):
            conversion.visit(item)
        conversion.erase()


class _Conversion:
    def __init__(self) -> None:
        self.columns: dict[SSAValue, _Columns] = {}
        self.replaced: list[Operation] = []

    def visit(self, op: Operation) -> None:
        match op:
            case ternary.MatmulOp():
                source = self._loaded(op.input, op)
                spans = [apv.columns_of(source.value).range] * op.weights.data.columns
                graph = unshared(op.weights.data.array, spans)
                if not np.array_equal(graph.coefficients(), op.weights.data.array):
                    raise AssertionError(f"the adder graph of {op.layer} does not compute its weights")
                self._replace(op, apv.LinearOp(source.value, graph, ternary.range_of(op.result), op.layer))
            case ternary.ThresholdOp():
                source = self._loaded(op.input, op)
                table = _per_feature(op.thresholds.data, source.shape)
                self._replace(op, apv.ThresholdOp(source.value, table, ternary.range_of(op.result), op.layer))
            case ternary.ReshapeOp() if op.input in self.columns:
                # Columns are the features in row-major order, whatever shape the tensor had.
                shape = ternary.shape_of(op.result)
                self.columns[op.result] = _Columns(self.columns[op.input].value, shape)
                self.replaced.append(op)
            case _:
                for index, operand in enumerate(op.operands):
                    if operand in self.columns:
                        op.operands[index] = self._stored(self.columns[operand], op)

    def _loaded(self, value: SSAValue, user: Operation) -> _Columns:
        if value in self.columns:
            return self.columns[value]
        shape = ternary.shape_of(value)
        if DYNAMIC_INDEX in shape[1:]:
            raise PipelineError(f"{user.name}: only the batch dimension may be dynamic, found {shape}")
        flat = value
        if len(shape) != 2:
            reshape = ternary.ReshapeOp(value, (shape[0], prod(shape[1:])))
            _insert(reshape, user)
            flat = reshape.result
        load = apv.LoadOp(flat)
        load.result.name_hint = value.name_hint
        _insert(load, user)
        self.columns[value] = _Columns(load.result, shape)
        return self.columns[value]

    def _stored(self, columns: _Columns, user: Operation) -> SSAValue:
        store = apv.StoreOp(columns.value)
        store.result.name_hint = columns.value.name_hint
        _insert(store, user)
        if ternary.shape_of(store.result) == columns.shape:
            return store.result
        reshape = ternary.ReshapeOp(store.result, columns.shape)
        _insert(reshape, user)
        return reshape.result

    def _replace(self, op: ternary.MatmulOp | ternary.ThresholdOp, new: apv.LinearOp | apv.ThresholdOp) -> None:
        _insert(new, op)
        new.result.name_hint = op.result.name_hint
        self.columns[op.result] = _Columns(new.result, ternary.shape_of(op.result))
        self.replaced.append(op)

    def erase(self) -> None:
        for op in reversed(self.replaced):
            Rewriter.erase_op(op)


def _insert(op: Operation, before: Operation) -> None:
    Rewriter.insert_op(op, InsertPoint.before(before))


def _per_feature(table: Thresholds, shape: tuple[int, ...]) -> Thresholds:
    """A line a column, where the tensor has positions besides its channels."""
    positions = prod(shape[2:])
    if table.channels == 1 or positions == 1:
        return table
    return Thresholds.from_array(np.repeat(table.array, positions, axis=0), np.repeat(table.down, positions))
