"""apv-share: adder graphs for the weights of linear layers, of few AP cycles by sharing common subexpressions.

Stands between convert-ternary-to-apv and convert-apv-to-rtm. Each layer becomes a graph that computes the same matrix,
which is proved: one that shares, if that costs fewer AP cycles and its live values fit the budget of bits per row, or
else a running sum for each output.

    apv.linear %x weights <{              apv.sum %x graph <{
      ++-                                   inputs 3 in 0..1
      +++                     becomes       %3 = %0 + %1 : u2
    }>                                      %4 = %3 - %2 : i3
                                            %5 = %3 + %2 : u2
                                            out %4
                                            out %5
                                          }>

`group` fixes how many neighbouring inputs share subexpressions (0: chosen by cost); `group-by=channel` makes every
input channel a group of its own, as in the paper's flow. `budget` is the share of a row's bits, in percent, that a
layer's values may take. `step` is what a step of a column counts when a grouping is chosen, in AP cycles (0: nothing,
and nothing is placed to find the steps out). `effort` (0 to 3) and `seed` steer the search; `stats`
prints one line per layer to stderr.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from math import inf
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv
from dialects.apv.adder_graph import bounds_of
from dialects.apv.types import ranges_of
from dialects.machine.target import Geometry
from dialects.rtm.target import target_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.tensors import IntArray
from dialects.support.threads import thread_pool
from passes.adder_graphs.kernel_groups import EFFORTS, Candidate, Grouping, Options, choose, evaluate, grouped, room
from passes.adder_graphs.sums import unshared
from passes.apv_split import layers_of
from passes.placing.placement import RESERVED_COLUMNS
from passes.placing.shift_cost import DEFAULT_STEP, ShiftCost


@dataclass(frozen=True)
class ApvShare(ModulePass):
    """Share common subexpressions in the adder graphs of linear layers."""

    name = "apv-share"

    group: int = 0
    group_by: Literal["cost", "channel"] = "cost"
    budget: int = 90
    step: int | float = DEFAULT_STEP
    effort: int = 1
    seed: int = 0
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        self._check()
        geometry = target_of(op).geometry
        layers = layers_of(op)
        with thread_pool() as pool:
            for index, (before, after) in enumerate(self._shared(layers, geometry, pool)):
                layer = layers[index]
                name = layer.layer.data if layer.layer else "linear"
                progress(index, len(layers), name)
                _replace(layer, after)
                did(self.name, name, *figures(before, after), show=self.stats)

    def _shared(
        self,
        layers: Sequence[apv.LinearOp],
        geometry: Geometry,
        pool: Executor,
    ) -> Iterator[tuple[Candidate, Candidate]]:
        """The graph of each layer without and with sharing, several at a time; parts are grouped like the first one."""
        keys = [(layer.layer, bounds_of(ranges_of(layer.inputs)).tobytes()) for layer in layers]
        firsts = {key: index for index, key in reversed(list(enumerate(keys)))}

        def share(index: int, first: Future[tuple[Candidate, Candidate]] | None = None) -> tuple[Candidate, Candidate]:
            like = first.result()[1].grouping if first else None
            layer, options = layers[index], self._options(geometry, layers[index])
            weights, inputs = layer.weights.data.array, ranges_of(layer.inputs)
            before = evaluate(unshared(weights, inputs), resident=options.resident)
            if self.group_by == "channel":
                return before, grouped(weights, inputs, layer.kernel_size, options)
            return before, share_layer(weights, before, self.group, options, like)

        # First parts are submitted before those that wait for them, so that not all threads can be waiting.
        found = {index: pool.submit(share, index) for index in sorted(firsts.values())}
        for index, key in enumerate(keys):
            if index not in found:
                found[index] = pool.submit(share, index, found[firsts[key]])
        return (found[index].result() for index in range(len(layers)))

    def _check(self) -> None:
        if self.group and self.group_by != "cost":
            raise PipelineError("group and group-by exclude each other", place=self.name)
        if (
            self.group < 0
            or not 0 <= self.effort < len(EFFORTS)
            or not 0 < self.budget <= 100
            or not 0 <= self.step < inf
        ):
            raise PipelineError(
                f"group {self.group}, budget {self.budget}, step {self.step}, effort {self.effort}",
                place=self.name,
                hint=f"group is at least 0, budget a percentage, step at least 0, effort 0 to {len(EFFORTS) - 1}",
            )

    def _options(self, geometry: Geometry, layer: apv.LinearOp) -> Options:
        widest = apv.columns_of(layer.result).range.width
        bits = room(geometry.columns - RESERVED_COLUMNS, geometry.domains, self.budget, widest)
        shifts = ShiftCost(self.step, geometry) if self.step else None
        return Options(bits, self.effort, self.seed, 1, _resident(layer), shifts=shifts)


def share_layer(
    weights: IntArray, before: Candidate, group: int, options: Options, like: Grouping | None = None
) -> Candidate:
    """A cheaper graph for the weights, of a fixed group size if that isn't 0, or else `before` itself."""
    inputs = before.graph.inputs
    if group:
        found = [grouped(weights, inputs, group, options, by_sign) for by_sign in (False, True)]
        return min(found, key=lambda candidate: candidate.cycles)
    best = choose(weights, inputs, options, like)
    return best if best and best.cycles < before.cycles else before


def figures(before: Candidate, after: Candidate) -> list[Figure]:
    """What sharing has gained in a layer."""
    return [
        Figure("additions", before.additions, after.additions),
        Figure("cycles", before.cycles, after.cycles),
        Figure("live bits", before.live_bits, after.live_bits, peak=True),
        Figure("group", None, after.group, peak=True),
    ]


def _replace(layer: apv.LinearOp, found: Candidate) -> None:
    """Put the sums of a graph in the place of a layer."""
    new = apv.SumOp(list(layer.inputs), found.graph, apv.columns_of(layer.result).range, layer.layer)
    new.result.name_hint = layer.result.name_hint
    Rewriter.insert_op(new, InsertPoint.before(layer))
    layer.result.replace_all_uses_with(new.result)
    Rewriter.erase_op(layer)


def _resident(layer: apv.LinearOp) -> bool:
    """Whether inputs are computed in the array, all before the layer begins, rather than loaded when needed."""
    return not all(isinstance(value.owner, apv.LoadOp) for value in layer.inputs)
