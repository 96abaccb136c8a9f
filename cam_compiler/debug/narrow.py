"""Smaller numbers in a network: fewer thresholds, narrower ranges, weights that are zero."""

from __future__ import annotations

from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import Rewriter

from cam_compiler.debug.channels import operations
from dialects import apv, ternary
from dialects.apv import spatial as apv_spatial
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntArray, IntMatrix, Thresholds
from dialects.ternary.types import FloatThresholdsAttr, MatrixAttr, ThresholdsAttr
from runtime.interpreter import main_function

Tables = ternary.ThresholdOp | apv.ThresholdOp | ternary.QuantizeOp
Products = ternary.MatmulOp | ternary.ConvOp | apv.LinearOp

_SAME_RANGE = (
    *(ternary.ReshapeOp, ternary.TransposeOp, ternary.TakeOp, ternary.MaxPoolOp),
    *(apv.LoadOp, apv.StoreOp, apv_spatial.ScatterOp, apv_spatial.MaxOp),
)
"""Operations whose result has the range of their input."""


def span_of(value: SSAValue) -> Range | None:
    """The range of integers; None for real numbers."""
    if isinstance(value.type, apv.ColumnsType):
        return value.type.range
    element = ternary.element_of(value) if isinstance(value.type, TensorType) else None
    return element.range if isinstance(element, ternary.IntType) else None


def narrow(value: SSAValue, span: Range) -> SSAValue:
    """Give a value a range within its own, with all that has the same range because of it; gives the new value."""
    new = Rewriter.replace_value_with_new_type(value, _with_range(value, span))
    for op in list({use.operation for use in new.uses}):
        if isinstance(op, _SAME_RANGE):
            narrow(op.results[0], span)
        elif isinstance(op, apv_spatial.GatherOp):
            narrow(op.result, span.union(Range(op.pad, op.pad)) if op.window.data.padded else span)
        elif isinstance(op, apv.YieldOp):
            stage = op.parent_op()
            assert isinstance(stage, apv.StageOp)
            for number, operand in enumerate(op.operands):
                if operand is new:
                    narrow(stage.outputs[number], span)
        elif isinstance(op, ternary.ThresholdOp | apv.ThresholdOp):
            _clip(op, span)
    return new


def _with_range(value: SSAValue, span: Range) -> Attribute:
    if isinstance(value.type, apv.ColumnsType):
        return apv.ColumnsType.of(value.type.count.data, span, value.type.rows.data)
    kind = cast(TensorType[Attribute], value.type)
    return TensorType(ternary.IntType.of(span), kind.get_shape(), kind.encoding)


def _clip(op: ternary.ThresholdOp | apv.ThresholdOp, span: Range) -> None:
    """Thresholds lie in the range of their input or one above it."""
    table = op.thresholds.data
    clipped = table.array.clip(span.lo, span.hi + 1)
    set_table(op, Thresholds.from_array(clipped, np.array(table.down)))


def table_of(op: Operation) -> Thresholds:
    """The thresholds of an operation that has some."""
    assert isinstance(op, Tables)
    return op.thresholds.data


def set_table(op: Operation, table: Thresholds) -> None:
    """Give an operation other thresholds, real ones where it quantises."""
    kind = FloatThresholdsAttr if isinstance(table, FloatThresholds) else ThresholdsAttr
    op.properties["thresholds"] = kind(table)  # pyright: ignore[reportArgumentType]


def tables(module: ModuleOp) -> list[int]:
    """The numbers of the operations that have thresholds."""
    return [number for number, op in enumerate(operations(module)) if isinstance(op, Tables)]


def shortened(module: ModuleOp, number: int, begin: int, end: int) -> ModuleOp | None:
    """A network of whose table at an operation the thresholds from `begin` to `end` are left."""
    copy = module.clone()
    op = operations(copy)[number]
    table = table_of(op)
    if end - begin < 1 or end > table.levels:
        return None
    span = span_of(op.results[0])
    assert span is not None
    short = type(table).from_array(table.array[:, begin:end], np.array(table.down))
    set_table(op, short)
    narrow(op.results[0], Range(span.lo, span.lo + end - begin))
    main_function(copy).update_function_type()
    return copy


def equalised(module: ModuleOp, number: int) -> ModuleOp | None:
    """A network whose table at an operation has the first channel's line for all channels."""
    copy = module.clone()
    op = operations(copy)[number]
    table = table_of(op)
    if table.channels == 1:
        return None
    one = type(table).from_array(table.array[:1], np.array(table.down[:1]))
    set_table(op, one)
    return copy


def narrowed_input(module: ModuleOp, number: int, span: Range) -> ModuleOp | None:
    """A network one of whose inputs has a range within its own."""
    copy = module.clone()
    function = main_function(copy)
    argument = function.body.block.args[number]
    own = span_of(argument)
    declared = function.arg_attrs and "onnx.values" in function.arg_attrs.data[number].data
    if own is None or own == span or not own.covers(span) or declared:
        return None
    narrow(argument, span)
    function.update_function_type()
    return copy


def products(module: ModuleOp) -> list[int]:
    """The numbers of the operations that have weights."""
    return [number for number, op in enumerate(operations(module)) if isinstance(op, Products)]


def nonzero(op: Operation) -> IntArray:
    """The places of the weights that aren't zero, in the flattened matrix."""
    assert isinstance(op, Products)
    return np.flatnonzero(op.weights.data.array)


def zeroed(module: ModuleOp, number: int, places: list[int]) -> ModuleOp | None:
    """A network with some weights of an operation zero."""
    copy = module.clone()
    op = operations(copy)[number]
    assert isinstance(op, Products)
    weights = op.weights.data.array
    weights.reshape(-1)[places] = 0
    op.weights = MatrixAttr(IntMatrix.from_array(weights))
    return copy
