"""What a network may end with on the host: the class with the greatest logit, and real functions of the logits."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, lcm, prod

import numpy as np
from onnx import TensorProto
from xdsl.dialects.builtin import Float32Type, Float64Type

from cam_compiler.importer.arithmetic.compositions import Softsign
from cam_compiler.importer.arithmetic.curves import ErrorFunction, Exponential, Logistic, Softplus, Tanh
from cam_compiler.importer.arithmetic.exact import IDENTITY, ObjectArray, each
from cam_compiler.importer.arithmetic.functions import Chain, Stage
from cam_compiler.importer.builder import Builder
from cam_compiler.importer.context import MICROSOFT, Call, handles
from cam_compiler.importer.images import offsets_of, slopes_of
from cam_compiler.importer.layouts import inverse
from cam_compiler.importer.model import Node
from cam_compiler.importer.nodes.product import dequantised, output_quantised
from cam_compiler.importer.nodes.shape import sample_axis
from cam_compiler.importer.values import Activation, Origin, Value, identity_pieces
from dialects import ternary
from dialects.support.errors import ModelError
from dialects.support.scores import FUNCTIONS, Scores

ON_HOST: dict[Stage, str] = {
    Logistic(): "sigmoid",
    Tanh(): "tanh",
    Softplus(): "softplus",
    Softsign(): "softsign",
    Exponential(): "exp",
    ErrorFunction(): "erf",
}
"""Functions that the host computes where a network ends with them."""


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
    message, hint = f"the values of {node.place} are not supported", "its indices, or the tensor that it reads"
    call.context.refused[node.outputs[0]] = (message, hint)
    if len(node.outputs) < 2 or not node.outputs[1]:
        raise node.error(message, hint)
    axis = sample_axis(call, call.activation(), node.integer("axis", -1))
    given = call.optional(1, "k")
    count = int(given.scalar(node)) if given is not None else node.integer("k", 1)
    found = _greatest(call, axis, count, last=False, falling=not node.integer("largest", 1))
    call.context.values[node.outputs[1]] = found


@handles("Softmax", "LogSoftmax")
def softmax(call: Call) -> Value:
    name = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[call.node.op]
    return _over_channels(call, call.activation(), name, call.context.opset)


@handles("QLinearSoftmax", domains=(MICROSOFT,))
def qlinear_softmax(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point."""
    call.activation()
    value = dequantised(call, 0)
    assert isinstance(value, Activation)
    return output_quantised(call, _over_channels(call, value, "softmax", call.node.integer("opset", 13)), 3, 4)


def _over_channels(call: Call, value: Activation, name: str, opset: int) -> Activation:
    """A softmax at the end of the network; before opset 13 it is over all dimensions from its axis on."""
    node, builder = call.node, call.builder
    ready, shape, old = builder.linear(value, node), value.shape, opset < 13
    axis = sample_axis(call, value, node.integer("axis", 1 if old else -1))
    if old:
        ready = call.reshaped(ready, (prod(shape[:axis]), prod(shape[axis:])))
        axis = 1
    order = (axis, *(other for other in range(len(ready.shape)) if other != axis))
    result = on_host(builder, builder.transposed(ready, order), name, node)
    return call.reshaped(builder.transposed(result, inverse(order)), shape)


def on_host(builder: Builder, value: Activation, name: str, node: Node) -> Activation:
    """A real function of the channels, the first dimension of a sample, in the tensor's float type."""
    double = value.elem_type == TensorProto.DOUBLE
    real = builder.dequantize(value, Float64Type(), node.name, node)
    op = ternary.ActivationOp(real, name, Float64Type() if double else Float32Type(), node.name)
    return replace(
        value,
        base=builder.add(op, node.name),
        outer=identity_pieces(len(value.shape)),
        before=None,
        inner=None,
        steps=None,
        terms=(),
        lows=None,
        highs=None,
        kind=np.float64 if double else np.float32,
        host=node.place,
    )


def finished(builder: Builder, value: Activation, node: Node) -> Activation:
    """A tensor that an output returns: a function that is still pending is the host's, if it is one of its own."""
    if value.before is None or value.steps is not None:
        return value
    last: set[Stage] = {chain.stages[-1] for chain in value.before.flat if chain.stages}
    name = next((name for stage, name in ON_HOST.items() if last == {stage}), None)
    plain = all(piece == IDENTITY for piece in value.outer.flat)
    inside = each(lambda chain: Chain(chain.stages[:-1]).unfolded(), value.before)
    if name is None or not plain or any(parts is None for parts in inside.flat):
        try:
            return builder.linear(value, node)
        except ModelError as error:
            raise node.error(
                f"the output is the result of '{value.origin.layer}', a real function",
                hint=f"a quantiser after it, or one of {', '.join(FUNCTIONS)} at the very end",
            ) from error
    before, inner, steps, outer = (each(lambda parts, at=at: parts[at], inside) for at in range(4))
    stepped = any(step is not None for step in steps.flat)
    under = replace(
        value,
        before=before if any(chain.stages for chain in before.flat) else None,
        inner=inner if stepped else None,
        steps=steps if stepped else None,
        outer=outer,
    )
    flat = builder.reshaped(builder.linear(under, node), value.shape or (1,), node)
    found = on_host(builder, flat, name, replace(node, name=value.origin.layer))
    return builder.reshaped(found, value.shape, node)
