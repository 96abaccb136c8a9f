"""Patterns by which operations become one, or change places for less work."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects import ternary
from dialects.support.tensors import IntMatrix, Thresholds
from dialects.support.window import Window
from passes.canonicalization.views import like


class FusePad(RewritePattern):
    """A constant border (a sum_pool of one element) becomes the padding of the convolution or pool that reads it."""

    def match_and_rewrite(self, op: object, rewriter: PatternRewriter) -> None:
        if not isinstance(op, ternary.ConvOp | ternary.SumPoolOp):
            return
        border, window = op.input.owner, op.window.data
        if not isinstance(border, ternary.SumPoolOp) or not _is_border(border.window.data):
            return
        pad = border.pad
        if window.padded and op.pad != pad:
            return
        top, left, bottom, right = (a + b for a, b in zip(border.window.data.pads, window.pads, strict=True))
        whole = ternary.WindowAttr(replace(window, pads=(top, left, bottom, right)))
        stated = {} if border.pad_attr is None else {"pad": border.pad_attr}
        rewriter.replace(op, like(op, [border.input], ternary.shape_of(op.result), window=whole, **stated))


def _is_border(window: Window) -> bool:
    return window.padded and replace(window, pads=(0, 0, 0, 0)).pointwise


class DropPointwise(RewritePattern):
    """A pool whose windows are single elements is none."""

    def match_and_rewrite(self, op: object, rewriter: PatternRewriter) -> None:
        if isinstance(op, ternary.SumPoolOp | ternary.MaxPoolOp) and op.window.data.pointwise:
            rewriter.replace(op, [], [op.input])


class ThresholdBeforeMax(RewritePattern):
    """threshold(max_pool(x)) is max_pool(threshold(x)) for rising steps: there is less to move and to compare."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.ThresholdOp, rewriter: PatternRewriter) -> None:
        pool = op.input.owner
        if not isinstance(pool, ternary.MaxPoolOp) or any(op.thresholds.data.down):
            return
        steps = like(op, [pool.input], ternary.shape_of(pool.input))
        new = ternary.MaxPoolOp(steps.results[0], pool.window.data, pool.layer.data if pool.layer else "")
        new.result.name_hint = pool.result.name_hint
        rewriter.replace(op, [steps, new])


class MaxBeforeRescale(RewritePattern):
    """max_pool(rescale(x)) is rescale(max_pool(x)) for lines that never fall: the work of a product is done in the rows
    of fewer positions."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.MaxPoolOp, rewriter: PatternRewriter) -> None:
        scaled = op.input.owner
        if not isinstance(scaled, ternary.RescaleOp) or not scaled.result.has_one_use():
            return
        if any(line.multiplier < 0 for line in scaled.lines.data.lines):
            return
        before, after = (prod(ternary.shape_of(value)[2:]) for value in (op.input, op.result))
        if after >= before:
            return
        new = ternary.MaxPoolOp(scaled.input, op.window.data, op.layer.data if op.layer else "")
        new.result.name_hint = op.result.name_hint
        rewriter.replace(op, [new, like(scaled, [new.result], ternary.shape_of(op.result))])


class MergeSummands(RewritePattern):
    """The same tensor twice in a sum is one summand with both multipliers."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.CombineOp, rewriter: PatternRewriter) -> None:
        inputs = list(dict.fromkeys(op.inputs))
        if len(inputs) == len(op.inputs):
            return
        old = op.multipliers.data.array
        columns = [sum(old[:, index] for index, value in enumerate(op.inputs) if value is source) for source in inputs]
        merged = ternary.MatrixAttr(IntMatrix.from_array(np.stack(columns, axis=1)))
        rewriter.replace(op, like(op, inputs, ternary.shape_of(op.result), multipliers=merged))


class ScaleIntoThresholds(RewritePattern):
    """threshold(k x) is threshold(x) with its thresholds divided by a positive k, rounded up."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ternary.ThresholdOp, rewriter: PatternRewriter) -> None:
        scaled = op.input.owner
        if not isinstance(scaled, ternary.CombineOp) or len(scaled.inputs) != 1:
            return
        factors = scaled.multipliers.data.array
        if factors.min() < 1:
            return
        table, span = op.thresholds.data, ternary.range_of(scaled.inputs[0])
        steps = np.clip(-(-table.array // factors), span.lo, span.hi + 1)
        down = np.broadcast_to(np.array(table.down), len(steps))
        scaled_down = ternary.ThresholdsAttr(Thresholds.from_array(steps, down))
        rewriter.replace(op, like(op, scaled.inputs, ternary.shape_of(op.result), thresholds=scaled_down))
