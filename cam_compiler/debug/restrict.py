"""A network with fewer channels: every value keeps some of them, and constants and code what is left to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import cast

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, TensorType, f64, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from cam_compiler.debug.channels import all_channels, channel_count, expanded, operations
from cam_compiler.debug.code_cut import cut_program
from cam_compiler.debug.graph_cut import cut_graph
from dialects import apv, ternary
from dialects.apv import spatial as apv_spatial
from dialects.apv.types import GraphAttr
from dialects.rtm.program import ProgramBase
from dialects.support.real_lines import RealLines
from dialects.support.rescales import Rescales
from dialects.support.tensors import IntArray, IntMatrix, Thresholds
from dialects.ternary.types import MatrixAttr
from runtime.interpreter import main_function

_VARIADIC = (ternary.ConcatOp, apv_spatial.ConcatOp, apv.LinearOp, apv.SumOp, ProgramBase)
"""Operations that can do without some of their inputs."""
Kept = Mapping[SSAValue, IntArray]
MACS = "ternary.multiply_accumulates"


def restrict(module: ModuleOp, kept: Kept) -> None:
    """Let every value of a network keep some of its channels, in place; the numbers of channels ascend.

    A value that keeps none is removed, with what it is computed from; its readers must be able to do without it.
    """
    fewer = [value for value, channels in kept.items() if len(channels) != channel_count(value)]
    gone = {value for value in fewer if not len(kept[value])}
    for op in operations(module):
        if gone.issuperset(op.results) and op.results:
            continue
        _edit(op, kept)
        if isinstance(op, _VARIADIC):
            op.operands = [value for value in op.operands if value not in gone]
    prune(module, gone)
    for value in fewer:
        if value in gone:
            continue
        Rewriter.replace_value_with_new_type(value, _narrower(value, len(kept[value])))
    main_function(module).update_function_type()
    # What the layers multiply and add up isn't what it was.
    module.attributes.pop(MACS, None)


def _narrower(value: SSAValue, count: int) -> Attribute:
    kind = value.type
    if isinstance(kind, apv.ColumnsType):
        return apv.ColumnsType.of(count, kind.range, kind.rows.data)
    return with_shape(value, (ternary.shape_of(value)[0], count, *ternary.shape_of(value)[2:]))


def with_shape(value: SSAValue, shape: Sequence[int]) -> Attribute:
    """The type of a tensor in another shape."""
    kind = cast(TensorType[Attribute], value.type)
    return TensorType(kind.element_type, shape, kind.encoding)


def prune(module: ModuleOp, gone: Set[SSAValue] = frozenset()) -> None:
    """Remove operations, and results of stages and programs, that nothing reads; those that are gone have no code."""
    for op in reversed(list(main_function(module).body.block.ops)):
        if isinstance(op, func.ReturnOp):
            continue
        if not any(result.uses for result in op.results):
            Rewriter.erase_op(op)
        elif isinstance(op, apv.StageOp):
            _prune_stage(op)
        elif isinstance(op, ProgramBase) and not all(result.uses for result in op.results):
            _prune_program(op, gone)


def _prune_stage(stage: apv.StageOp) -> None:
    used = [bool(output.uses) for output in stage.outputs]
    stored = list(stage.yielded)
    kept = [value for value, wanted in zip(stored, used, strict=True) if wanted]
    if not all(used):
        end = stage.body.block.last_op
        assert end is not None
        Rewriter.replace_op(end, apv.YieldOp(kept))
    for op in reversed(list(stage.ops)):
        if not any(result.uses for result in op.results):
            Rewriter.erase_op(op)
    if all(used):
        return
    new = apv.StageOp.create(
        result_types=[value.type for value in kept],
        properties=dict(stage.properties),
        regions=[stage.detach_region(0)],
    )
    _replace(stage, new, used)


def _replace(op: Operation, new: Operation, used: Sequence[bool]) -> None:
    """Another operation with some of the results, in their order."""
    Rewriter.insert_op(new, InsertPoint.before(op))
    left = [result for result, wanted in zip(op.results, used, strict=True) if wanted]
    for result, other in zip(left, new.results, strict=True):
        other.name_hint = result.name_hint
        result.replace_all_uses_with(other)
    Rewriter.erase_op(op)


def _prune_program(op: ProgramBase, gone: Set[SSAValue]) -> None:
    used = [bool(output.uses) for output in op.outputs]
    begins = np.cumsum([0, *(0 if value in gone else channel_count(value) for value in op.outputs)])
    outputs = np.concatenate(
        [begin + all_channels(value) for begin, value, wanted in zip(begins, op.outputs, used, strict=False) if wanted]
    )
    cut_program(op, np.arange(sum(map(channel_count, op.inputs))), outputs)
    new = type(op).create(
        operands=op.operands,
        result_types=[value.type for value, wanted in zip(op.outputs, used, strict=True) if wanted],
        properties=dict(op.properties),
        regions=[op.detach_region(0)],
    )
    _replace(op, new, used)


def _in_turn(values: Sequence[SSAValue], kept: Kept) -> IntArray:
    """The channels that are kept of several values in turn."""
    begins = np.cumsum([0, *map(channel_count, values)])
    return np.concatenate([begin + kept[value] for begin, value in zip(begins, values, strict=False)])


def _lines(table: Thresholds, channels: IntArray) -> Thresholds:
    if table.channels == 1:
        return table
    return type(table).from_array(table.array[channels], np.array(table.down)[channels])


def _edit(op: Operation, kept: Kept) -> None:
    """The constants of an operation for the channels that its values keep."""
    out = kept.get(op.results[0], all_channels(op.results[0])) if op.results else np.zeros(0, dtype=np.int64)
    match op:
        case ternary.QuantizeOp():
            op.thresholds = type(op.thresholds)(_lines(op.thresholds.data, out))  # pyright: ignore[reportArgumentType]
        case ternary.ThresholdOp() | apv.ThresholdOp():
            op.thresholds = type(op.thresholds)(_lines(op.thresholds.data, out))
        case ternary.RescaleOp() | apv.RescaleOp() if op.lines.data.channels > 1:
            lines = op.lines.data.lines
            op.lines = type(op.lines)(Rescales(tuple(lines[channel] for channel in out)))
        case ternary.DequantizeSumOp() if len(op.lines.data.lines) > 1:
            op.lines = type(op.lines)(RealLines(tuple(op.lines.data.lines[channel] for channel in out)))
        case ternary.DequantizeOp():
            for name, numbers in (("scale", op.scale), ("offset", op.offset)):
                if len(numbers) > 1:
                    op.properties[name] = DenseArrayBase.from_list(f64, numbers[out].tolist())
        case ternary.CombineOp() if op.multipliers.data.rows > 1:
            op.multipliers = _matrix(op.multipliers.data.array[out])
        case ternary.MatmulOp():
            op.weights = _matrix(op.weights.data.array[out][:, kept[op.input]])
        case ternary.ConvOp():
            _edit_convolution(op, kept)
        case apv.LinearOp():
            op.weights = _matrix(op.weights.data.array[out][:, _in_turn(op.inputs, kept)])
        case apv.SumOp():
            op.graph = GraphAttr(cut_graph(op.graph.data, _in_turn(op.inputs, kept), out))
        case ternary.TakeOp() if op.axis == 0:
            numbers = {number: new for new, number in enumerate(kept[op.input].tolist())}
            indices = [numbers[op.indices[channel]] for channel in out.tolist()]
            op.indices_attr = DenseArrayBase.from_list(i64, indices)
        case ProgramBase():
            cut_program(op, _in_turn(op.inputs, kept), _in_turn(op.outputs, kept))
        case _:
            pass


def _edit_convolution(op: ternary.ConvOp, kept: Kept) -> None:
    weights, channels = op.weights.data.array[kept[op.result]], kept[op.input]
    if op.groups == 1:
        op.weights = _matrix(weights[:, expanded(channels, op.window.data.size)])
    elif len(channels) != channel_count(op.input):
        op.weights = _matrix(weights)
        op.groups_attr = IntegerAttr(len(channels), i64) if len(channels) > 1 else None


def _matrix(array: IntArray) -> MatrixAttr:
    return MatrixAttr(IntMatrix.from_array(array))
