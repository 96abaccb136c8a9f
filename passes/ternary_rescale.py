"""ternary-rescale: a product, a sum and a shift in the place of thresholds, where that takes fewer cycles.

Stands before convert-ternary-to-apv. A table of many thresholds that are one scale apart is a straight line that was
rounded, and the integer line that rounds to the same at every input is found, or there is none
(passes/rescaling/search.py). Tables of few thresholds, and those of other functions, stay.

    %q = ternary.threshold %a : ... thresholds <{ up -3 4 11 ... }>
  becomes
    %q = ternary.rescale %a : ... lines <{ * 37 + 148 >> 8 in 0..255 }>

`domains` bounds the bits of a sum: those of the target if it isn't stated.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import ternary
from dialects.rtm.target import target_of
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.ranges import Range
from dialects.support.rescales import Line, Rescales
from dialects.support.tensors import Thresholds
from passes.rescaling.plan import is_possible, plan_of
from passes.rescaling.search import find_line
from passes.rescaling.tables import table_cycles

LEAST_CYCLES = 700
"""Tables that take fewer cycles for a channel aren't looked at: no product takes so much less that it pays."""
_WORTH = 2
"""How many times fewer cycles a product has to take: its sums sweep more columns than comparisons with one do. With 15
thresholds a few percent fewer cycles come with up to a quarter more shifting."""
_SAMPLE = 16
"""Channels of a layer that are planned to the end for a comparison of cycles."""


@dataclass(frozen=True)
class TernaryRescale(ModulePass):
    """Multiply instead of comparing with many thresholds, where that is cheaper."""

    name = "ternary-rescale"

    domains: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        bits = self.domains if self.domains is not None else target_of(op).domains
        tables = [item for item in op.walk() if isinstance(item, ternary.ThresholdOp)]
        for index, item in enumerate(tables):
            layer = item.layer.data if item.layer else item.name
            progress(index, len(tables), layer)
            source, result = ternary.range_of(item.input), ternary.range_of(item.result)
            found = rescaled(item.thresholds.data, source, result, bits)
            if found is None:
                continue
            lines, before, after = found
            new = ternary.RescaleOp(item.input, lines, result, item.layer)
            new.result.name_hint = item.result.name_hint
            Rewriter.insert_op(new, InsertPoint.before(item))
            item.result.replace_all_uses_with(new.result)
            Rewriter.erase_op(item)
            channels = 1 if lines.channels > 1 else ternary.channels_of(new.input)
            did(self.name, layer, Figure("cycles", before * channels, after * channels))


def rescaled(table: Thresholds, source: Range, result: Range, bits: int) -> tuple[Rescales, int, int] | None:
    """Lines that equal all rows of a table and take fewer cycles; with the cycles of the table, and of the lines."""
    before = [table_cycles(row, source, result) for row in table.array]
    if sum(before) < LEAST_CYCLES * table.channels:
        return None
    lines: list[Line] = []
    for row, down in zip(table.array, table.down, strict=True):
        line = find_line(row, down, result, source)
        if line is None or not is_possible(line, source, bits):
            return None
        lines.append(line)
    # Channels of a layer are much alike, so some of them tell what all of them take.
    sample = range(0, len(lines), -(-len(lines) // _SAMPLE))
    plans = [plan_of(lines[number], source, bits) for number in sample]
    after = sum(plan.cycles for plan in plans if plan) * len(lines) // len(sample)
    return (Rescales(tuple(lines)), sum(before), after) if _WORTH * after < sum(before) else None
