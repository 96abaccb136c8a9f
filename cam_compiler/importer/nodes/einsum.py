"""Einsum with one constant operand: a product over the dimensions that both operands have."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.nodes.product import product
from cam_compiler.importer.values import Activation, Value
from dialects.support.errors import ModelError


def _refused(call: Call, reason: str) -> ModelError:
    equation = call.node.text("equation", "")
    return call.node.error(
        f"its equation is '{equation}', {reason}",
        hint="one constant operand; dimensions that both have are summed over, all others are in the result",
    )


def _labels(call: Call) -> tuple[list[str], str]:
    """The labels of each operand and of the result."""
    equation = call.node.text("equation", "").replace(" ", "")
    left, arrow, result = equation.partition("->")
    operands = left.split(",")
    if not arrow:
        result = "".join(sorted(label for label in set(left) - {","} if left.count(label) == 1))
    if len(operands) != len(call.node.inputs) or not (left.replace(",", "") + result).isalpha():
        raise _refused(call, "which names no dimension of each operand by a letter")
    return operands, result


@handles("Einsum")
def einsum(call: Call) -> Value:
    """A product, or a transposition where there is one operand."""
    operands, result = _labels(call)
    values = [call.required(index) for index in range(len(operands))]
    found = [index for index, value in enumerate(values) if isinstance(value, Activation)]
    if len(found) != 1 or len(values) > 2:
        raise _refused(call, f"with {len(found)} of {len(values)} operands that depend on the input")
    value, mine = values[found[0]], operands[found[0]]
    assert isinstance(value, Activation)
    if len(mine) != len(value.shape) + 1 or len(set(mine)) != len(mine) or len(set(result)) != len(result):
        raise _refused(call, f"its samples have shape {value.shape}")
    if len(values) == 2:
        weights = values[1 - found[0]]
        assert isinstance(weights, Constant)
        value, mine = _multiplied(call, value, mine, weights, operands[1 - found[0]], result)
    if sorted(mine) != sorted(result):
        raise _refused(call, "which sums over a dimension of one operand")
    at = result.index(mine[0])
    order = tuple(mine.index(label) - 1 for label in result if label != mine[0])
    return replace(call.builder.transposed(value, order), batch_axis=at)


def _multiplied(
    call: Call, value: Activation, mine: str, weights: Constant, theirs: str, result: str
) -> tuple[Activation, str]:
    """The product with the labels of its dimensions: those that are left, then those of the weights."""
    shared = [label for label in mine if label in theirs]
    if mine[0] in shared or set(shared) & set(result) or len(set(theirs)) != len(theirs) or not shared:
        raise _refused(call, "which is no product over dimensions of the samples")
    sizes = dict(zip(mine[1:], value.shape, strict=True))
    if len(theirs) != weights.raw.ndim or any(weights.shape[theirs.index(label)] != sizes[label] for label in shared):
        raise _refused(call, f"its operands have shapes {value.shape} behind the batch and {weights.shape}")
    kept, new = [label for label in mine[1:] if label not in shared], [label for label in theirs if label not in shared]
    turned = call.builder.transposed(value, tuple(mine.index(label) - 1 for label in (*kept, *shared)))
    inputs, left = prod(sizes[label] for label in shared), tuple(sizes[label] for label in kept)
    axes = [theirs.index(label) for label in (*shared, *new)]
    outputs = tuple(weights.shape[theirs.index(label)] for label in new)
    matrix = weights.restructured(lambda array: np.transpose(array, axes).reshape(inputs, -1))
    whole = product(call, call.reshaped(turned, (*left, inputs)), matrix)
    return call.reshaped(whole, (*left, *outputs)), "".join((mine[0], *kept, *new))
