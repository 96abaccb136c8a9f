"""ternary-canonicalize: one form for networks that compute the same, before anything is lowered.

First of all passes, on what the importer or a person wrote. Rewrites by patterns until none applies; then an operation
that is there twice is there once, and one that nothing reads is gone.

    %t = ternary.transpose %c {order = array<i64: 1, 2, 0>} : tensor<?x4x6x6xT> -> tensor<?x6x6x4xT>
    %q = ternary.threshold %t : tensor<?x6x6x4xT> -> tensor<?x6x6x4xU> thresholds <{ up -3 5 }>
    %b = ternary.transpose %q {order = array<i64: 2, 0, 1>} : tensor<?x6x6x4xU> -> tensor<?x4x6x6xU>
  becomes
    %q = ternary.threshold %c : tensor<?x4x6x6xT> -> tensor<?x4x6x6xU> thresholds <{ up -3 5 }>
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import GreedyRewritePatternApplier, PatternRewriteWalker, RewritePattern
from xdsl.rewriter import Rewriter
from xdsl.traits import Pure
from xdsl.transforms.dead_code_elimination import dce

from dialects import ternary
from passes.canonicalization import fusion, motion, views

PATTERNS: tuple[type[RewritePattern], ...] = (
    # Views that are one, or none.
    views.FoldReshape,
    views.FoldTranspose,
    views.FoldTake,
    # Work in front of views.
    motion.ElementwiseBeforeTranspose,
    motion.ElementwiseBeforeReshape,
    motion.ConcatBeforeTranspose,
    motion.PadBeforeTranspose,
    # Operations that are one, or cheaper the other way round.
    fusion.FusePad,
    fusion.DropPointwise,
    fusion.ThresholdBeforeMax,
    fusion.MaxBeforeRescale,
    fusion.MergeSummands,
    fusion.ScaleIntoThresholds,
)


@dataclass(frozen=True)
class TernaryCanonicalize(ModulePass):
    """Fold views and borders, move work in front of views, remove what is computed twice or never read."""

    name = "ternary-canonicalize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        applier = GreedyRewritePatternApplier([pattern() for pattern in PATTERNS])
        changed = True
        while changed:
            dce(op)
            PatternRewriteWalker(applier).rewrite_module(op)
            changed = (
                sum(_merged(block) for item in op.walk() for region in item.regions for block in region.blocks) > 0
            )
        dce(op)


def _merged(block: Block) -> int:
    """Replaces each `ternary` operation by an earlier one that computes the same; how many there were.

    The layer that an operation is named for makes no difference.
    """
    known: dict[Hashable, Operation] = {}
    found = 0
    for op in list(block.ops):
        if not op.name.startswith(f"{ternary.Ternary.name}.") or not op.has_trait(Pure):
            continue
        properties = frozenset((name, value) for name, value in op.properties.items() if name != "layer")
        key = (op.name, tuple(op.operands), tuple(op.result_types), properties)
        first = known.setdefault(key, op)
        if first is not op:
            for old, new in zip(op.results, first.results, strict=True):
                old.replace_all_uses_with(new)
            Rewriter.erase_op(op)
            found += 1
    return found
