"""Patterns that move work in front of views, where it stays beside the product that it belongs to.

A network that a framework wrote with its channels last is full of transpositions; work in front of them lets those
that undo each other meet. Thresholds and sums move where they treat all channels alike, or channels stay channels.
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects import ternary
from passes.canonicalization.views import inverse, like, transposed

Elementwise = ternary.ThresholdOp | ternary.QuantizeOp | ternary.CombineOp
_COMPUTED = (ternary.ConvOp, ternary.MatmulOp, ternary.SumPoolOp, ternary.MaxPoolOp, ternary.ConcatOp)


def _alike(op: Operation) -> bool:
    """Does the operation treat all channels alike?"""
    match op:
        case ternary.ThresholdOp() | ternary.QuantizeOp():
            return op.thresholds.data.channels == 1
        case ternary.CombineOp():
            return op.multipliers.data.rows == 1
        case _:
            return False


def _computed(value: SSAValue) -> bool:
    """Do the elements come from a product, a pool or a concatenation, with nothing between that changes their order?"""
    while isinstance(value.owner, ternary.ThresholdOp | ternary.CombineOp | ternary.ReshapeOp):
        value = value.owner.operands[0]
    return isinstance(value.owner, _COMPUTED)


class ElementwiseBeforeTranspose(RewritePattern):
    """threshold(transpose(x)) is transpose(threshold(x)); sums likewise.

    A summand that is in another order is transposed back, where it comes from no product that has a layout of its own.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Elementwise):
            return
        views = [value.owner for value in op.operands if isinstance(value.owner, ternary.TransposeOp)]
        if not views:
            return
        view = next((view for view in views if _computed(view.input)), views[0])
        if not (_alike(op) or view.order[0] == 0):
            return
        others = [value for value in op.operands if _order(value) != view.order]
        if others and (not _computed(view.input) or any(_computed(_viewed(value)) for value in others)):
            return
        back = {value: transposed(value, inverse(view.order)) for value in others}
        sources = [back[value].result if value in back else _viewed(value) for value in op.operands]
        moved = like(op, sources, ternary.shape_of(sources[0]))
        rewriter.replace(op, [*back.values(), moved, ternary.TransposeOp(moved.results[0], view.order)])


def _order(value: SSAValue) -> tuple[int, ...] | None:
    return value.owner.order if isinstance(value.owner, ternary.TransposeOp) else None


def _viewed(value: SSAValue) -> SSAValue:
    return value.owner.input if isinstance(value.owner, ternary.TransposeOp) else value


class ElementwiseBeforeReshape(RewritePattern):
    """threshold(reshape(x)) is reshape(threshold(x)) where x is computed: fewer bits leave the array."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Elementwise):
            return
        sources = [value.owner.input for value in op.operands if isinstance(value.owner, ternary.ReshapeOp)]
        if len(sources) < len(op.operands) or len({ternary.shape_of(source) for source in sources}) > 1:
            return
        channels_stay = ternary.channels_of(sources[0]) == ternary.channels_of(op.results[0])
        if not (_alike(op) or channels_stay) or not all(map(_computed, sources)):
            return
        moved = like(op, sources, ternary.shape_of(sources[0]))
        rewriter.replace(op, [moved, ternary.ReshapeOp(moved.results[0], ternary.shape_of(op.results[0]))])


class ConcatBeforeTranspose(RewritePattern):
    """concat(transpose(a), transpose(b)) is transpose(concat(a, b)) where channels stay channels."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.ConcatOp, rewriter: PatternRewriter) -> None:
        views = [value.owner for value in op.inputs if isinstance(value.owner, ternary.TransposeOp)]
        if len(views) < len(op.inputs) or len({view.order for view in views}) > 1 or views[0].order[0] != 0:
            return
        batch, *sample = ternary.shape_of(op.result)
        shape = (batch, *(sample[axis] for axis in inverse(views[0].order)))
        whole = like(op, [view.input for view in views], shape)
        rewriter.replace(op, [whole, ternary.TransposeOp(whole.results[0], views[0].order)])


class PadBeforeTranspose(RewritePattern):
    """pad(transpose(x)) is transpose(pad(x)) where what is padded are height and width of x, too."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.SumPoolOp, rewriter: PatternRewriter) -> None:
        view, window = op.input.owner, op.window.data
        if not isinstance(view, ternary.TransposeOp) or not replace(window, pads=(0, 0, 0, 0)).pointwise:
            return
        top, left, bottom, right = window.pads
        sides = {view.order[1]: (top, bottom), view.order[2]: (left, right)}
        if any(sides.pop(0, ())):
            return
        (above, below), (before, after) = sides.get(1, (0, 0)), sides.get(2, (0, 0))
        turned = ternary.WindowAttr(replace(window, pads=(above, before, below, after)))
        batch, *sample = ternary.shape_of(op.result)
        shape = (batch, *(sample[axis] for axis in inverse(view.order)))
        padded = like(op, [view.input], shape, window=turned)
        rewriter.replace(op, [padded, ternary.TransposeOp(padded.results[0], view.order)])
