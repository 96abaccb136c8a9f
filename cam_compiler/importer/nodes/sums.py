"""Sums and concatenations of several tensors: residual branches, and branches side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, each
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.layouts import channels_at, inverse, varying_axis
from cam_compiler.importer.linear import joined, offsets_of, part_hints, terms_of, total
from cam_compiler.importer.values import Activation, Origin, Term, Value, per_sample
from dialects import ternary
from dialects.support.errors import ModelError


def two_tensors(call: Call) -> tuple[Activation, Activation] | None:
    """Both operands, where both depend on the network's input."""
    left, right = call.required(0), call.required(1)
    if isinstance(left, Activation) and isinstance(right, Activation):
        return left, right
    return None


def summed(call: Call, left: Activation, right: Activation) -> Activation:
    """The sum of two tensors, element by element; dimensions of one element are repeated, as numpy does."""
    node = call.node
    left, right = repeated(call, left, right.shape), repeated(call, right, left.shape)
    if left.shape != right.shape or left.full_shape != right.full_shape:
        raise node.error(f"it adds samples of shape {left.shape} and {right.shape}", hint="sizes that are equal, or 1")
    first, second = call.builder.linear(left, node), call.builder.linear(right, node)
    axis = varying_axis(first) or varying_axis(second)
    if axis:
        order = channels_at(axis, first)
        turned = (call.builder.transposed(part, order) for part in (first, second))
        result = call.builder.transposed(_summed(call, *turned), inverse(order))
    else:
        result = _summed(call, first, second)
    return replace(result, merged=left.merged, batch_axis=left.batch_axis)


def repeated(call: Call, value: Activation, shape: tuple[int, ...]) -> Activation:
    """The tensor with its dimensions of one element as large as those of a shape, where the batch comes first."""
    if len(value.shape) == len(shape) and value.regular:
        for axis, wanted in enumerate(shape):
            if value.shape[axis] == 1:
                value = call.builder.taken(value, axis, (0,) * wanted, call.node)
    return value


def _summed(call: Call, first: Activation, second: Activation) -> Activation:
    """The sum of integers with exact scales."""
    offsets = each(Fraction.__add__, offsets_of(first), offsets_of(second))
    result = total(first, [*terms_of(first), *terms_of(second)], offsets, Origin.of(call.node))
    return joined(call.builder, result, call.node)


@handles("Sum")
def sum_node(call: Call) -> Value:
    def plus(total: Value, value: Value) -> Value:
        if isinstance(total, Constant):
            total, value = value, total
        if isinstance(total, Constant):
            raise _two_constants(call)
        if isinstance(value, Constant):
            return total.affine(ONE, per_sample(call.node, total, value.exact(call.node)))
        return summed(call, total, value)

    counts = Counter(call.node.inputs)
    return reduce(plus, [_times(call, call.node.inputs.index(name), count) for name, count in counts.items()])


def _times(call: Call, index: int, count: int) -> Value:
    """An operand that is added several times."""
    value = call.required(index)
    if count == 1:
        return value
    if isinstance(value, Constant):
        raise _two_constants(call)
    return value.affine(Fraction(count), ZERO)


def _two_constants(call: Call) -> ModelError:
    return call.node.error("two of its inputs are constant", hint="one constant at most")


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
    builder, ready = call.builder, [call.builder.linear(value, node) for value in values]
    order = channels_at(axis, ready[0])
    whole = _by_channel(call, [builder.transposed(value, order) for value in ready])
    return builder.transposed(whole, inverse(order))


def _by_channel(call: Call, ready: list[Activation]) -> Activation:
    """Tensors one after another along their first dimension, term by term; one with fewer has the scale zero then."""
    if len(ready) == 1:
        return ready[0]
    columns = [terms_of(value) for value in ready]
    sizes, terms = [value.shape[0] for value in ready], list[Term]()
    count = max(map(len, columns))
    for number, hint in enumerate(part_hints(call.node.name, count)):
        parts = [own[number] if number < len(own) else _nothing(own[0]) for own in columns]
        base = call.builder.add(ternary.ConcatOp([part.base for part in parts]), hint)
        arrays = zip(*((part.slopes, part.lows, part.highs) for part in parts), strict=True)
        terms.append(Term(base, *(_joined(sizes, array) for array in arrays)))
    offsets = _joined(sizes, [offsets_of(value) for value in ready])
    like = replace(ready[0], shape=(sum(sizes), *ready[0].shape[1:]))
    return total(like, terms, offsets, Origin.of(call.node))


def _nothing(term: Term) -> Term:
    return replace(term, slopes=each(lambda _: ZERO, term.slopes))


def _joined(sizes: Sequence[int], parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays that broadcast to tensors of so many channels, one after another along the channels."""
    trailing = np.broadcast_shapes(*(array.shape[1:] for array in parts))
    whole = [np.broadcast_to(array, (size, *trailing)) for size, array in zip(sizes, parts, strict=True)]
    return np.concatenate(whole)
