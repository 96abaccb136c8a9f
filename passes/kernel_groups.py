"""One optimisation per layer: which inputs share, what is summed apart, in which order, in how many live bits.

A layer's matrix is cut into groups of neighbouring inputs. Within a group common subexpressions are shared, and the
sums of the groups are accumulated one group after the other:

    group 0: x0 .. x143      shared pairs, 512 sums of 7 to 8 bits   ->   512 accumulators of 8 to 14 bits
    group 1: x144 .. x287    ...                                     ->   the same accumulators, in place

A group is computed by row (a sum at a time, while shared values wait) or by value (a shared value is added to all sums
at once, while unfinished sums wait), with positive and negative terms together or apart. Large groups share more and
accumulate less often, small ones need fewer live bits: the fewest groups that fit the budget of bits a row are found by
bisection on a sample, and the cheapest graph by AP cycles wins.
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
_SMALL = 1 << 17
"""Non-zero weights up to which all inputs are first tried as one group: about a second."""
_RETRIES = 8


class Options(NamedTuple):
    """What a layer may cost: bits of a row, and time for the search."""

    budget_bits: int
    effort: int = 1
    seed: int = 0
    threads: int = 1
    resident: bool = False
    """Inputs are all in the array from the start, rather than loaded when they are first needed."""


def room(columns: int, domains: int, percent: int, widest: int) -> int:
    """Bits of a row that the values of a layer may take, the widest of `widest` bits.

    A percentage, as places don't fit without gaps; in short columns less, as half of a wide value's bits stay free at
    the end of each.
    """
    return int(columns * min(domains * percent / 100, domains - (widest - 1) / 2))


class Grouping(NamedTuple):
    """How a layer is cut and computed: the number of groups, positive terms apart from negative ones, by value."""

    groups: int
    by_sign: bool
    by_value: bool


class Candidate(NamedTuple):
    """An adder graph for a layer with its cost: AP cycles besides shifting, and the most live bits of a row."""

    graph: AdderGraph
    grouping: Grouping | None
    """None where the graph wasn't grouped."""
    cycles: int
    live_bits: int

    @property
    def additions(self) -> int:
        return len(self.graph.node_table)

    @property
    def group(self) -> int:
        """Inputs in the largest group, 0 where there are no groups."""
        return -(-len(self.graph.inputs) // self.grouping.groups) if self.grouping else 0


def evaluate(graph: AdderGraph, grouping: Grouping | None = None, resident: bool = False) -> Candidate:
    """A graph with its cost."""
    return Candidate(graph, grouping, *graph_cost(graph, resident))


class _Problem(NamedTuple):
    """A layer's matrix with what the native optimiser wants to know."""

    weights: IntArray
    inputs: Sequence[Range]
    options: Options

    def solve(self, grouping: Grouping, steps: int, budget_bits: int) -> Candidate:
        options = self.options
        nodes, outputs = _adder_graph.share_layer(
            self.weights,
            range_table(self.inputs),
            cost_table(),
            groups=grouping.groups,
            by_sign=grouping.by_sign,
            by_value=grouping.by_value,
            budget_bits=budget_bits,
            resident=options.resident,
            steps=steps,
            seed=options.seed % (1 << 64),
            threads=options.threads,
        )
        graph = AdderGraph.of(self.inputs, nodes, outputs)
        return evaluate(graph, grouping, options.resident)

    def part(self, begin: int, end: int) -> _Problem:
        columns = np.ascontiguousarray(self.weights[:, begin:end])
        return _Problem(columns, self.inputs[begin:end], self.options._replace(threads=1))


def grouped(
    matrix: NDArray[Any],
    inputs: Sequence[Range],
    group: int,
    options: Options,
    by_sign: bool = False,
    by_value: bool = False,
) -> Candidate:
    """The matrix (outputs, inputs) in groups of at most `group` inputs, whatever their live bits; proved."""
    problem = _Problem(checked_weights(matrix, inputs), inputs, options)
    groups = max(1, -(-len(problem.inputs) // group))
    found = problem.solve(Grouping(groups, by_sign, by_value), _steps(problem), options.budget_bits)
    prove(found.graph, problem.weights)
    return found


def choose(
    matrix: NDArray[Any], inputs: Sequence[Range], options: Options, like: Grouping | None = None
) -> Candidate | None:
    """The cheapest graph that fits the budget, proved; None if there is none. Threads don't change it.

    `like` is how a layer of the same kind was grouped: taken without further choice if it fits here, too.
    """
    problem = _Problem(checked_weights(matrix, inputs), inputs, options)
    if not problem.weights.any():
        return None
    best = None
    if like:
        best = _cheapest(problem, [problem.solve(like, _steps(problem), options.budget_bits)])
    best = best or _best(problem)
    if best:
        prove(best.graph, problem.weights)
    return best


def _best(problem: _Problem) -> Candidate | None:
    options, steps = problem.options, _steps(problem)
    found: list[Candidate | None] = []
    for by_sign in (True, False) if options.effort > 1 or any(span.lo < 0 for span in problem.inputs) else (True,):
        by_value = _fitting(problem, Grouping(0, by_sign, True), 0)
        by_row = Grouping(0, by_sign, False)
        if by_value and by_value.grouping:
            # By row takes more memory, and doesn't pay with more groups.
            found += [by_value, problem.solve(by_value.grouping._replace(by_value=False), 0, options.budget_bits)]
        else:
            found.append(_fitting(problem, by_row, 0))
    if 2 * np.count_nonzero(problem.weights) > problem.weights.size <= _DENSE:
        found.append(evaluate(share(problem.weights, problem.inputs, effort=0), None, options.resident))
    best = _cheapest(problem, found)
    if best and best.grouping and steps:
        best = _cheapest(problem, [best, _fitting(problem, best.grouping, steps)])
    return best


def _cheapest(problem: _Problem, found: Sequence[Candidate | None]) -> Candidate | None:
    fitting = [one for one in found if one and one.live_bits <= problem.options.budget_bits]
    return min(fitting, key=lambda candidate: candidate.cycles, default=None)


def _steps(problem: _Problem) -> int:
    return int(EFFORTS[problem.options.effort] * np.count_nonzero(problem.weights))


def _fitting(problem: _Problem, kind: Grouping, steps: int) -> Candidate | None:
    """The graph of the fewest groups that fit, from the given number on, or from a guessed one if that is 0."""
    most = max(1, len(problem.inputs) // _LEAST_GROUP)
    groups = kind.groups
    if not groups and np.count_nonzero(problem.weights) <= _SMALL:
        whole = problem.solve(kind._replace(groups=1), steps, problem.options.budget_bits)
        if whole.live_bits <= problem.options.budget_bits:
            return whole
    groups = groups or _guess(problem, kind)
    for _ in range(_RETRIES):
        candidate = problem.solve(kind._replace(groups=groups), steps, problem.options.budget_bits)
        if candidate.live_bits <= problem.options.budget_bits:
            return candidate
        if groups == most:
            break
        groups = min(most, groups + max(1, groups // 16))
    return None


def _guess(problem: _Problem, kind: Grouping) -> int:
    """The fewest groups that seem to fit, by bisection: live bits fall with the number of groups."""
    accumulators = _accumulator_bits(problem)
    low, high = 1, max(1, len(problem.inputs) // _LEAST_GROUP)
    while low < high:
        middle = (low + high) // 2
        if _seems_to_fit(problem, kind._replace(groups=middle), accumulators):
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


def _seems_to_fit(problem: _Problem, grouping: Grouping, accumulators: int) -> bool:
    """Whether one group does, at whose peak part of its own accumulators isn't there yet, beside all accumulators."""
    size = -(-len(problem.inputs) // grouping.groups)
    begin = (len(problem.inputs) - size) // 2
    sample = problem.part(begin, begin + size)
    others = 0 if grouping.groups == 1 else accumulators - _accumulator_bits(sample) * 3 // 4
    room = problem.options.budget_bits - others
    return sample.solve(grouping._replace(groups=1), 0, room).live_bits <= room
