"""What a network may end with on the host: the class with the greatest logit, and real functions of the logits."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, lcm, prod

import numpy as np
from onnx import TensorProto
from xdsl.dialects.builtin import Float32Type, Float64Type

from cam_compiler.importer.arithmetic.exact import ObjectArray
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.images import offsets_of, slopes_of
from cam_compiler.importer.layouts import inverse
from cam_compiler.importer.nodes.shape import sample_axis
from cam_compiler.importer.values import Activation, Origin, Value, identity_pieces
from dialects import ternary
from dialects.support.scores import Scores


def _scores(slopes: ObjectArray, offsets: ObjectArray, falling: bool) -> Scores | None:
    """Integers in the ratio of the channels' real numbers; None where the tensor's own integers are in their order."""
    if not falling and slopes[0] > 0 and len(set(slopes)) == 1 and len(set(offsets)) == 1:
        return None
    parts = [*slopes, *offsets]
    bottom = lcm(*(part.denominator for part in parts))
    whole = [part.numerator * (bottom // part.denominator) for part in parts]
    unit = max(1, gcd(*whole)) * (-1 if falling else 1)
    lines = [number // unit for number in whole]
    return Scores(tuple(zip(lines[: len(slopes)], lines[len(slopes) :], strict=True)))


def _greatest(call: Call, axis: int, count: int, *, last: bool, falling: bool) -> Activation:
    """Numbers of the greatest (or smallest) elements along a dimension, exactly."""
    node, builder = call.node, call.builder
    ready = builder.materialise(call.activation(), node)
    rank = len(ready.shape)
    order = (axis, *(other for other in range(rank) if other != axis))
    first = builder.transposed(ready, order)
    if not 1 <= count <= first.shape[0]:
        raise node.error(f"it wants {count} of {first.shape[0]} elements")
    scores = _scores(slopes_of(node, first), offsets_of(node, first), falling)
    op = ternary.ArgMaxOp(first.base, count, last=last, scores=scores, layer=node.name)
    found = Activation(
        builder.add(op, node.name),
        (count, *first.shape[1:]),
        identity_pieces(rank),
        Origin.of(node),
        TensorProto.INT64,
        lows=np.zeros((1,) * rank, dtype=np.int64),
        highs=np.full((1,) * rank, first.shape[0] - 1, dtype=np.int64),
        host=node.place,
    )
    return builder.transposed(found, inverse(order))


@handles("ArgMax", "ArgMin")
def arg_max(call: Call) -> Value:
    node = call.node
    axis, last = (
        sample_axis(call, call.activation(), node.integer("axis", 0)),
        bool(node.integer("select_last_index", 0)),
    )
    found = _greatest(call, axis, 1, last=last, falling=node.op == "ArgMin")
    if node.integer("keepdims", 1):
        return found
    return call.reshaped(found, (*found.shape[:axis], *found.shape[axis + 1 :]))


@handles("TopK")
def top_k(call: Call) -> None:
    """Only the indices; the values are among the logits."""
    node = call.node
    axis = sample_axis(call, call.activation(), node.integer("axis", -1))
    given = call.optional(1, "k")
    count = int(given.scalar(node)) if given is not None else node.integer("k", 1)
    found = _greatest(call, axis, count, last=False, falling=not node.integer("largest", 1))
    call.context.values[node.outputs[1]] = found


@handles("Softmax", "LogSoftmax", "Sigmoid")
def function(call: Call) -> Value:
    """A real function at the end of the network; before opset 13 a softmax is over all dimensions from its axis on."""
    node, builder, value = call.node, call.builder, call.activation()
    ready, shape = builder.materialise(value, node), value.shape
    name = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}[node.op]
    old = call.context.opset < 13
    if name == "sigmoid":
        # Element by element, whatever the shape: a sample may be a single number.
        ready, axis = call.reshaped(ready, shape or (1,)), 0
    else:
        axis = sample_axis(call, value, node.integer("axis", 1 if old else -1))
    if old and name != "sigmoid":
        ready = call.reshaped(ready, (prod(shape[:axis]), prod(shape[axis:])))
        axis = 1
    order = (axis, *(other for other in range(len(ready.shape)) if other != axis))
    first = builder.transposed(ready, order)
    real = builder.dequantize(first, Float64Type(), node.name, node)
    element = Float64Type() if value.elem_type == TensorProto.DOUBLE else Float32Type()
    base = builder.add(ternary.ActivationOp(real, name, element, node.name), node.name)
    kind = np.float64 if value.elem_type == TensorProto.DOUBLE else np.float32
    outer = identity_pieces(len(first.shape))
    result = replace(first, base=base, outer=outer, lows=None, highs=None, kind=kind, host=node.place)
    return call.reshaped(builder.transposed(result, inverse(order)), shape)
