"""apv-share: fewer additions in the adder graphs of linear layers, by sharing common subexpressions.

Stands between convert-ternary-to-apv and convert-apv-to-rtm. Each graph is replaced by one that computes the same
matrix, which is proved, if that costs fewer AP cycles and its live values fit the budget of bits a row.

    inputs 3 in 0..1                          inputs 3 in 0..1
    %3 = %0 + %1 : u2                         %3 = %0 + %1 : u2
    %4 = %3 - %2 : i3          becomes        %4 = %3 - %2 : i3
    %5 = %0 + %1 : u2                         %5 = %3 + %2 : u2
    %6 = %5 + %2 : u2                         out %4
    out %4                                    out %5
    out %6

`group` fixes how many neighbouring inputs share subexpressions (0: chosen by cost); `budget` is the share of a row's
bits, in percent, that a layer's values may take; `effort` and `seed` steer the search.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import apv
from dialects.adder_graph import AdderGraph
from dialects.errors import PipelineError
from dialects.program import geometry_of
from dialects.target import Geometry
from passes.kernel_groups import choose, evaluate, grouped


@dataclass(frozen=True)
class ApvShare(ModulePass):
    """Share common subexpressions in the adder graphs of linear layers."""

    name = "apv-share"

    group: int = 0
    budget: int = 80
    effort: int = 1
    seed: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.group < 0 or self.effort < 0 or not 0 < self.budget <= 100:
            raise PipelineError(
                f"group {self.group}, budget {self.budget}, effort {self.effort}",
                place=self.name,
                hint="group and effort are at least 0, budget is a percentage",
            )
        geometry = geometry_of(op)
        for layer in [item for item in op.walk() if isinstance(item, apv.LinearOp)]:
            layer.graph = apv.GraphAttr(self._share(layer.graph.data, geometry))

    def _share(self, graph: AdderGraph, geometry: Geometry) -> AdderGraph:
        matrix = graph.coefficients()
        if self.group:
            return grouped(matrix, graph.inputs, self.group, self.effort, self.seed)
        budget = geometry.bits_per_row * self.budget // 100
        best = choose(matrix, graph.inputs, budget, self.effort, self.seed)
        return best[0].graph if best and best[0].cycles < evaluate(graph, 0).cycles else graph
