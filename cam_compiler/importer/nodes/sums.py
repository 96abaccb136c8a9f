"""Sums and concatenations of several tensors: residual branches, and branches side by side."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ONE, Piece, affine, compact, each
from cam_compiler.importer.arithmetic.sums import exact_sum
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.layouts import channels_at, inverse, varying_axis
from cam_compiler.importer.values import Activation, Origin, Value, identity_pieces, per_sample, term_of
from dialects import ternary

AT_ONCE = 4
"""Sums with multipliers up to this are made where they stand; others wait for their quantiser."""


def two_tensors(call: Call) -> tuple[Activation, Activation] | None:
    """Both operands, where both depend on the network's input."""
    left, right = call.required(0), call.required(1)
    if isinstance(left, Activation) and isinstance(right, Activation):
        return left, right
    return None


def summed(call: Call, left: Activation, right: Activation) -> Activation:
    """The sum of two tensors of one shape, element by element."""
    node = call.node
    if left.shape != right.shape or left.full_shape != right.full_shape:
        raise node.error(
            f"it adds samples of shape {left.shape} and {right.shape}", hint="both tensors of the same shape"
        )
    first, second = call.builder.materialise(left, node), call.builder.materialise(right, node)
    axis = varying_axis(first) or varying_axis(second)
    if axis and first.base is not second.base:
        order = channels_at(axis, first)
        turned = (call.builder.transposed(part, order) for part in (first, second))
        total = call.builder.transposed(_summed(call, *turned), inverse(order))
    else:
        total = _summed(call, first, second)
    return replace(total, merged=left.merged, batch_axis=left.batch_axis)


def _summed(call: Call, first: Activation, second: Activation) -> Activation:
    """The sum of integers with affine meanings."""
    node = call.node
    offset = each(lambda a, b: a.offset + b.offset, first.outer, second.outer)
    if first.base is second.base:
        slope = each(lambda a, b: a.slope + b.slope, first.outer, second.outer)
        return replace(first, outer=compact(each(Piece, slope, offset)), origin=Origin.of(node))
    origin = Origin.of(node)
    pending = Activation(
        first.base,
        first.shape,
        compact(affine(identity_pieces(len(first.shape)), ONE, offset)),
        origin,
        first.elem_type,
        terms=(term_of(first), term_of(second)),
    )
    total = exact_sum(pending, node)
    if total is None or int(np.abs(total.multipliers.array).max()) > AT_ONCE:
        return pending
    base = call.builder.combine([first.base, second.base], total.multipliers, origin)
    return replace(total.function, base=base)


@handles("Sum")
def sum_node(call: Call) -> Value:
    def plus(total: Value, value: Value) -> Value:
        if isinstance(total, Constant):
            total, value = value, total
        if isinstance(total, Constant):
            raise call.node.error("two of its inputs are constant", hint="one constant at most")
        if isinstance(value, Constant):
            return total.affine(ONE, per_sample(call.node, total, value.exact(call.node)))
        return summed(call, total, value)

    return reduce(plus, [call.required(index) for index in range(len(call.node.inputs))])


@handles("Concat")
def concat(call: Call) -> Value:
    """Tensors one after another along one of their dimensions."""
    return concatenated(call, [call.activation(index) for index in range(len(call.node.inputs))])


def concatenated(call: Call, values: list[Activation]) -> Activation:
    node, rank = call.node, len(values[0].shape)
    axis = node.integer("axis", 1)
    if not -rank <= axis <= rank or axis in (0, -rank - 1):
        raise node.error(f"it concatenates along axis {axis}", hint="any axis but the batch")
    axis = axis % (rank + 1) - 1
    others = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in values}
    if len(others) > 1 or any(len(value.shape) != rank for value in values):
        raise node.error(f"its inputs have samples of shapes {', '.join(str(value.shape) for value in values)}")
    builder, ready = call.builder, [call.builder.materialise(value, node) for value in values]
    order = channels_at(axis, ready[0])
    whole = _by_channel(call, [builder.transposed(value, order) for value in ready])
    return builder.transposed(whole, inverse(order))


def _by_channel(call: Call, ready: list[Activation]) -> Activation:
    """Tensors one after another along their first dimension."""
    if len(ready) == 1:
        return ready[0]
    bases = [value.base for value in ready]
    base = call.builder.add(ternary.ConcatOp(bases), call.node.name)
    return replace(
        ready[0],
        base=base,
        shape=(sum(value.shape[0] for value in ready), *ready[0].shape[1:]),
        outer=compact(_joined([(value, value.outer) for value in ready])),
        origin=Origin.of(call.node),
        lows=_joined([(value, value.lows) for value in ready]),
        highs=_joined([(value, value.highs) for value in ready]),
    )


def _joined(parts: list[tuple[Activation, NDArray[Any] | None]]) -> NDArray[Any]:
    """Arrays that broadcast to their tensors, one after another along the channels."""
    known = [(value.shape[0], array) for value, array in parts if array is not None]
    trailing = np.broadcast_shapes(*(array.shape[1:] for _, array in known))
    return np.concatenate([np.broadcast_to(array, (channels, *trailing)) for channels, array in known])
