"""Host operations of a module, the same at every level, and `ap.program` as the steps that run them."""

from __future__ import annotations

from xdsl.dialects.builtin import Float16Type, Float64Type
from xdsl.ir import Operation, SSAValue

from dialects import ap, ternary
from dialects.apv import spatial as apv_spatial
from dialects.rtm.program import features
from runtime.host_actions import (
    Action,
    Activation,
    ArgMax,
    Concat,
    Dequantize,
    Execute,
    Gather,
    Quantize,
    Reshape,
    Scatter,
    Segment,
    Take,
    Transpose,
)


def float_type(value: SSAValue) -> str:
    """The numpy type of a float tensor."""
    match ternary.element_of(value):
        case Float16Type():
            return "float16"
        case Float64Type():
            return "float64"
        case _:
            return "float32"


def action_of(op: Operation) -> Action | None:
    """What an operation does on the host; None where it isn't the host's."""
    match op:
        case ternary.QuantizeOp():
            return Quantize(op.thresholds.data, ternary.range_of(op.result))
        case ternary.ReshapeOp():
            return Reshape(ternary.shape_of(op.result)[1:])
        case ternary.TransposeOp():
            return Transpose(op.axes)
        case ternary.TakeOp():
            return Take(op.dimension, op.positions)
        case ternary.ConcatOp():
            return Concat()
        case apv_spatial.GatherOp():
            return Gather(op.window.data, op.pad_value)
        case apv_spatial.ScatterOp():
            down, across = ternary.shape_of(op.result)[2:]
            return Scatter((down, across))
        case ternary.DequantizeOp():
            scale, offset = (tuple(part.tolist()) for part in op.factors)
            return Dequantize(scale, offset, float_type(op.result))
        case ternary.ArgMaxOp():
            scores = op.scores.data if op.scores else None
            return ArgMax(op.winners, op.last is not None, scores, op.layer.data if op.layer else "")
        case ternary.ActivationOp():
            return Activation(op.function.data, float_type(op.result), op.layer.data if op.layer else "")
        case _:
            return None


def execution_of(op: ap.ProgramOp) -> Execute:
    """The program of an operation."""
    segments = tuple(Segment(segment.layer.data, segment.packed.binary) for segment in op.segments)
    return Execute(tuple(features(value) for value in op.outputs), segments)


def on_host(op: Operation) -> str | None:
    """What the host computes for an operation at the end of the network, for the report; None for all others."""
    action = action_of(op)
    return action.on_host if action else None
