"""Patterns on views, which only say in which order a tensor is read: reshapes, transpositions and takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects import ternary


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The order of dimensions that undoes another."""
    return tuple(int(axis) for axis in np.argsort(order))


class FoldReshape(RewritePattern):
    """A reshape of a reshape is one reshape; one to the same shape is none."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.ReshapeOp, rewriter: PatternRewriter) -> None:
        source = op.input.owner.input if isinstance(op.input.owner, ternary.ReshapeOp) else op.input
        if source.type == op.result.type:
            rewriter.replace(op, [], [source])
        elif source is not op.input:
            rewriter.replace(op, ternary.ReshapeOp(source, ternary.shape_of(op.result)))


class FoldTranspose(RewritePattern):
    """A transposition of a transposition is one; one that moves only dimensions of one element is a reshape."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.TransposeOp, rewriter: PatternRewriter) -> None:
        _, *sample = ternary.shape_of(op.input)
        moved = [axis for axis in op.order if sample[axis] != 1]
        if moved == sorted(moved):
            rewriter.replace(op, ternary.ReshapeOp(op.input, ternary.shape_of(op.result)))
        elif isinstance(op.input.owner, ternary.TransposeOp):
            inner = op.input.owner
            rewriter.replace(op, ternary.TransposeOp(inner.input, [inner.order[axis] for axis in op.order]))


class FoldTake(RewritePattern):
    """A take of a take of the same dimension is one; one of all elements in their order is none."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.TakeOp, rewriter: PatternRewriter) -> None:
        inner = op.input.owner
        if op.indices == tuple(range(ternary.shape_of(op.input)[op.axis + 1])):
            rewriter.replace(op, [], [op.input])
        elif isinstance(inner, ternary.TakeOp) and inner.axis == op.axis:
            chosen = [inner.indices[index] for index in op.indices]
            rewriter.replace(op, ternary.TakeOp(inner.input, op.axis, chosen))


def like(op: Operation, sources: Sequence[SSAValue], shape: Sequence[int], **properties: Attribute) -> Operation:
    """The operation with other operands and another shape of its result, and with other values of some properties.

    The result keeps its element type: the range that a text states may be wider than the exact one.
    """
    result = TensorType(ternary.element_of(op.results[0]), shape)
    new = type(op).create(operands=sources, result_types=[result], properties={**op.properties, **properties})
    new.results[0].name_hint = op.results[0].name_hint
    return new


def transposed(value: SSAValue, order: Sequence[int]) -> ternary.TransposeOp:
    """A transposition that goes on bearing the value's name."""
    op = ternary.TransposeOp(value, order)
    op.result.name_hint = value.name_hint
    return op
