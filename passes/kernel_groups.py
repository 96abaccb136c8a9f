"""One optimisation per layer: which inputs share, what is summed apart, in which order, in how many live bits.

A layer's matrix is cut into groups of neighbouring inputs. Within a group common subexpressions are shared, each row is
one sum, and the sums of the groups are accumulated one group after the other:

    group 0: x0 .. x143      shared pairs, 512 sums of 7 to 8 bits   ->   512 accumulators of 8 to 14 bits
    group 1: x144 .. x287    ...                                     ->   the same accumulators, in place

Large groups share more and accumulate less often, small ones need fewer live bits. The fewest groups whose
accumulators, inputs and temporaries fit the budget of bits a row are found by bisection on a sample, with positive and
negative terms together or apart, and the cheapest graph by AP cycles wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.adder_graph import AdderGraph
from dialects.ranges import Range
from dialects.tensors import IntArray
from passes import _adder_graph
from passes.adder_graph_cost import cost_table, graph_cost, range_table
from passes.adder_graph_search import prove, share
from passes.adder_graph_sums import checked_weights

EFFORTS = (0.0, 0.25, 0.75, 2.0)
"""Steps of search for each non-zero weight, by effort; effort 0 shares greedily, and only with signs apart."""

_LEAST_GROUP = 4
_DENSE = 1 << 16
"""Entries of a dense matrix up to which differences between its rows are tried as well."""
_RETRIES = 8


class Options(NamedTuple):
    """What a layer may cost: bits of a row, and time for the search."""

    budget_bits: int
    effort: int = 1
    seed: int = 0
    threads: int = 1
    resident: bool = False
    """Inputs are all in the array from the start, rather than loaded when they are first needed."""


class Candidate(NamedTuple):
    """An adder graph for a layer with its cost: AP cycles besides shifting, and the most live bits of a row."""

    graph: AdderGraph
    group: int
    """Inputs in the largest group; 0 where the graph wasn't grouped."""
    cycles: int
    live_bits: int

    @property
    def additions(self) -> int:
        return len(self.graph.node_table)


def evaluate(graph: AdderGraph, group: int, resident: bool = False) -> Candidate:
    """A graph with its cost."""
    return Candidate(graph, group, *graph_cost(graph, resident))


class _Problem(NamedTuple):
    """A layer's matrix with what the native optimiser wants to know."""

    weights: IntArray
    inputs: Sequence[Range]
    options: Options

    def solve(self, groups: int, by_sign: bool, steps: int) -> Candidate:
        options = self.options
        nodes, outputs = _adder_graph.share_layer(
            self.weights,
            range_table(self.inputs),
            cost_table(),
            groups=groups,
            by_sign=by_sign,
            steps=steps,
            seed=options.seed % (1 << 64),
            threads=options.threads,
        )
        graph = AdderGraph.of(self.inputs, nodes, outputs)
        return evaluate(graph, -(-len(self.inputs) // groups), options.resident)

    def part(self, begin: int, end: int) -> _Problem:
        columns = np.ascontiguousarray(self.weights[:, begin:end])
        return _Problem(columns, self.inputs[begin:end], self.options._replace(threads=1))


def grouped(
    matrix: NDArray[Any], inputs: Sequence[Range], group: int, options: Options, by_sign: bool = False
) -> Candidate:
    """The matrix (outputs, inputs) in groups of at most `group` inputs, whatever their live bits; proved."""
    problem = _Problem(checked_weights(matrix, inputs), inputs, options)
    groups = max(1, -(-len(problem.inputs) // group))
    found = problem.solve(groups, by_sign, _steps(problem))
    prove(found.graph, problem.weights)
    return found


def choose(matrix: NDArray[Any], inputs: Sequence[Range], options: Options) -> Candidate | None:
    """The cheapest graph that fits the budget, proved; None if there is none. Threads don't change it."""
    problem = _Problem(checked_weights(matrix, inputs), inputs, options)
    if not problem.weights.any():
        return None
    kinds = (True, False) if options.effort else (True,)
    found = [_fitting(problem, by_sign) for by_sign in kinds]
    if 2 * np.count_nonzero(problem.weights) > problem.weights.size <= _DENSE:
        found.append(evaluate(share(problem.weights, inputs, effort=0), 0, options.resident))
    best = _cheapest(problem, found)
    if best and best.group and options.effort:
        searched = _fitting(problem, best is found[0], -(-len(problem.inputs) // best.group), _steps(problem))
        best = _cheapest(problem, [best, searched])
    if best:
        prove(best.graph, problem.weights)
    return best


def _cheapest(problem: _Problem, found: Sequence[Candidate | None]) -> Candidate | None:
    fitting = [one for one in found if one and one.live_bits <= problem.options.budget_bits]
    return min(fitting, key=lambda candidate: candidate.cycles, default=None)


def _steps(problem: _Problem) -> int:
    return int(EFFORTS[problem.options.effort] * np.count_nonzero(problem.weights))


def _fitting(problem: _Problem, by_sign: bool, groups: int = 0, steps: int = 0) -> Candidate | None:
    """The graph of the fewest groups that fit, from the given or from a guessed number on."""
    most = max(1, len(problem.inputs) // _LEAST_GROUP)
    groups = groups or _guess(problem, by_sign)
    for _ in range(_RETRIES):
        candidate = problem.solve(groups, by_sign, steps)
        if candidate.live_bits <= problem.options.budget_bits:
            return candidate
        if groups == most:
            break
        groups = min(most, groups + max(1, groups // 16))
    return None


def _guess(problem: _Problem, by_sign: bool) -> int:
    """The fewest groups that seem to fit, by bisection: live bits fall with the number of groups."""
    accumulators = _accumulator_bits(problem)
    low, high = 1, max(1, len(problem.inputs) // _LEAST_GROUP)
    while low < high:
        middle = (low + high) // 2
        if _sampled_bits(problem, middle, by_sign, accumulators) <= problem.options.budget_bits:
            high = middle
        else:
            low = middle + 1
    return low


def _accumulator_bits(problem: _Problem) -> int:
    """Bits of all outputs, each as wide as its range."""
    ends = np.array([(span.lo, span.hi) for span in problem.inputs])
    positive, negative = np.maximum(problem.weights, 0), np.minimum(problem.weights, 0)
    low, high = positive @ ends[:, 0] + negative @ ends[:, 1], positive @ ends[:, 1] + negative @ ends[:, 0]
    return sum(Range(*pair).width for pair in zip(low.tolist(), high.tolist(), strict=True))


def _sampled_bits(problem: _Problem, groups: int, by_sign: bool, accumulators: int) -> int:
    """Live bits of a layer, estimated from one group, at whose peak part of its own accumulators isn't there yet."""
    size = -(-len(problem.inputs) // groups)
    begin = (len(problem.inputs) - size) // 2
    sample = problem.part(begin, begin + size)
    live = sample.solve(1, by_sign, 0).live_bits
    return live if groups == 1 else live + accumulators - _accumulator_bits(sample) * 3 // 4
