"""ternary-pool-rows: pooling with a row for each channel, which then all do the same at the same time.

Stands behind ternary-canonicalize. Pooling treats all channels alike, so they can be rows beside one another instead of
columns that are worked on one after another: instructions become as many times fewer as there are channels, and a
global pool, which has one row for each sample, leaves fewer rows idle. Images of all channels are seen as one image,
one below the other, where no window then reaches from one channel into the next: windows that don't overlap downwards,
and that a whole number of fits into a channel.

    %p = ternary.sum_pool %x window <kernel 8x8> : tensor<?x64x8x8xT> -> tensor<?x64x1x1xU>
    %t = ternary.threshold %p : tensor<?x64x1x1xU> -> tensor<?x64x1x1xV> thresholds <{ up 3 9 }>
  becomes
    %r = ternary.reshape %x : tensor<?x64x8x8xT> -> tensor<?x1x512x8xT>
    %p = ternary.sum_pool %r window <kernel 8x8, strides 8x1> : tensor<?x1x512x8xT> -> tensor<?x1x64x1xU>
    %t = ternary.threshold %p : tensor<?x1x64x1xU> -> tensor<?x1x64x1xV> thresholds <{ up 3 9 }>
    %s = ternary.reshape %t : tensor<?x1x64x1xV> -> tensor<?x64x1x1xV>
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from dialects import ternary
from dialects.support.window import Window
from dialects.ternary.spatial import WindowAttr
from passes.canonicalization.motion import ElementwiseBeforeReshape
from passes.canonicalization.views import FoldReshape, like

Pool = ternary.SumPoolOp | ternary.MaxPoolOp


@dataclass(frozen=True)
class TernaryPoolRows(ModulePass):
    """Pool with a row for each channel."""

    name = "ternary-pool-rows"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns: list[RewritePattern] = [ChannelsAsRows(), ElementwiseBeforeReshape(), FoldReshape()]
        PatternRewriteWalker(GreedyRewritePatternApplier(patterns)).rewrite_module(op)


class ChannelsAsRows(RewritePattern):
    """A pool over the images of all channels, one below the other."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: Pool, rewriter: PatternRewriter) -> None:
        samples, channels, *size = ternary.shape_of(op.input)
        if channels == 1 or DYNAMIC_INDEX in (channels, *size):
            return
        height, width = size
        window = stacked(op.window.data, height, width)
        if window is None:
            return
        below = ternary.ReshapeOp(op.input, (samples, 1, channels * height, width))
        down, across = window.positions(channels * height, width)
        pool = like(op, [below.result], (samples, 1, down, across), window=WindowAttr(window))
        back = ternary.ReshapeOp(pool.results[0], ternary.shape_of(op.result))
        below.result.name_hint, back.result.name_hint = op.input.name_hint, op.result.name_hint
        rewriter.replace(op, [below, pool, back])


def stacked(window: Window, height: int, width: int) -> Window | None:
    """The window over images of one height that lie below one another; None where it would reach into the next one."""
    down, _ = window.positions(height, width)
    stride = height if down == 1 else window.strides[0]
    span = (window.kernel[0] - 1) * window.dilations[0] + 1
    if window.pads[0] or window.pads[2] or span > stride or height % stride:
        return None
    return replace(window, strides=(stride, window.strides[1]))
