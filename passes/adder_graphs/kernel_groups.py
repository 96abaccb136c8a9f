"""One optimisation per layer: which inputs share, what is summed apart, in which order, in how many live bits.

A layer's matrix is cut into groups of neighbouring inputs. Within a group common subexpressions are shared, and the
sums of the groups are accumulated one group after the other:

    group 0: x0 .. x143      shared pairs, 512 sums of 7 to 8 bits   ->   512 accumulators of 8 to 14 bits
    group 1: x144 .. x287    ...                                     ->   the same accumulators, in place

A group is computed by row (a sum at a time, while shared values wait) or by value (a shared value is added to all sums
at once, while unfinished sums wait), with positive and negative terms together or apart. Large groups share more and
accumulate less often, small ones need fewer live bits: the fewest groups that fit the budget of bits per row are found
by bisection on a sample, and the cheapest graph by AP cycles wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dialects.apv.adder_graph import AdderGraph
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from passes import _adder_graphs
from passes.adder_graphs.cost import cost_table, graph_cost, range_table
from passes.adder_graphs.search import prove, share
from passes.adder_graphs.sums import checked_weights
from passes.placing.shift_cost import ShiftCost

EFFORTS = (0.0, 0.2, 0.75, 2.0)
"""Steps of search for each non-zero weight, by effort; effort 0 shares greedily, and only with signs apart."""

_LEAST_GROUP = 4
_DENSE = 1 << 16
"""Entries of a dense matrix up to which differences between its rows are tried as well."""
_SMALL = 1 << 17
"""Non-zero weights up to which all inputs are first tried as one group: about a second."""
_PAIRS = 1 << 23
"""Pairs of terms in the same row up to which a group may have any number of inputs: well under a second."""
_TERMS = 1 << 10
"""Terms of a row in one group, where there are more pairs: time then grows with the inputs, not with their square."""
_RETRIES = 8


class Options(NamedTuple):
    """What a layer may cost: bits of a row, and time for the search."""

    budget_bits: int
    effort: int = 1
    seed: int = 0
    threads: int = 1
    resident: bool = False
    """Inputs are all in the array from the start, rather than loaded when they are first needed."""
    rough: bool = False
    """An estimate will do: by row is only tried where by value doesn't fit, and nothing is proved."""
    shifts: ShiftCost | None = None
    """What shifts count; None for nothing."""


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
    bounds: IntArray
    options: Options

    @classmethod
    def of(cls, matrix: NDArray[Any], inputs: Sequence[Range], options: Options) -> Self:
        return cls(checked_weights(matrix, inputs), inputs, range_table(inputs), options)

    @property
    def steps(self) -> int:
        return int(EFFORTS[self.options.effort] * np.count_nonzero(self.weights))

    @property
    def most_groups(self) -> int:
        return max(1, len(self.inputs) // _LEAST_GROUP)

    @property
    def least_groups(self) -> int:
        """The fewest groups in which the pairs of terms that may be shared are not too many to be looked at."""
        sizes = np.abs(self.weights)
        terms = np.bitwise_count(sizes ^ 3 * sizes).sum(axis=1, dtype=np.int64)
        if int((terms * terms).sum()) // 2 <= _PAIRS:
            return 1
        return min(self.most_groups, -(-int(terms.max()) // _TERMS))

    def shared(self, groups: int, by_sign: bool) -> _Shared:
        native = _adder_graphs.GroupedLayer(
            self.weights, self.bounds, groups=groups, by_sign=by_sign, threads=self.options.threads
        )
        return _Shared(self, groups, by_sign, native)

    def fits(self, candidate: Candidate) -> bool:
        return candidate.live_bits <= self.options.budget_bits

    def part(self, begin: int, end: int) -> _Problem:
        columns = np.ascontiguousarray(self.weights[:, begin:end])
        options = self.options._replace(threads=1)
        return _Problem(columns, self.inputs[begin:end], self.bounds[begin:end], options)

    def within(self, budget_bits: int) -> _Problem:
        return self._replace(options=self.options._replace(budget_bits=budget_bits))


class _Shared(NamedTuple):
    """A layer whose inputs share in groups: greedily, and further by search."""

    problem: _Problem
    groups: int
    by_sign: bool
    native: _adder_graphs.GroupedLayer

    def searched(self) -> Self:
        self.native.search(self.problem.steps, seed=self.problem.options.seed % (1 << 64))
        return self

    def solve(self, by_value: bool) -> Candidate:
        problem, options = self.problem, self.problem.options
        nodes, outputs, cycles, live_bits = self.native.solve(
            cost_table(), by_value=by_value, budget_bits=options.budget_bits, resident=options.resident
        )
        graph = AdderGraph.of(problem.inputs, nodes, outputs)
        return Candidate(graph, Grouping(self.groups, self.by_sign, by_value), cycles, live_bits)

    def in_more_groups(self) -> _Shared | None:
        """The same in a few more groups, which need less memory; None where there are as many as may be."""
        groups = min(self.problem.most_groups, self.groups + max(1, self.groups // 16))
        return self.problem.shared(groups, self.by_sign) if groups > self.groups else None


def grouped(
    matrix: NDArray[Any],
    inputs: Sequence[Range],
    group: int,
    options: Options,
    by_sign: bool = False,
    by_value: bool = False,
) -> Candidate:
    """The matrix (outputs, inputs) in groups of at most `group` inputs, whatever their live bits; proved."""
    problem = _Problem.of(matrix, inputs, options)
    groups = max(1, -(-len(problem.inputs) // group))
    found = problem.shared(groups, by_sign).searched().solve(by_value)
    prove(found.graph, problem.weights)
    return found


def choose(
    matrix: NDArray[Any], inputs: Sequence[Range], options: Options, like: Grouping | None = None
) -> Candidate | None:
    """The cheapest graph that fits the budget, proved if not rough; None if there is none. Threads don't change it.

    `like` is how a layer of the same kind was grouped: taken without further choice if it fits here, too.
    """
    problem = _Problem.of(matrix, inputs, options)
    if not problem.weights.any():
        return None
    best = problem.shared(like.groups, like.by_sign).searched().solve(like.by_value) if like else None
    if best is None or not problem.fits(best):
        best = _best(problem)
    if best and not options.rough:
        prove(best.graph, problem.weights)
    return best


def _best(problem: _Problem) -> Candidate | None:
    options = problem.options

    def cost(candidate: Candidate) -> float:
        return candidate.cycles + (options.shifts.of(candidate.graph) if options.shifts else 0)

    found: list[tuple[Candidate, _Shared | None]] = []
    for by_sign in (True, False) if options.effort > 1 or any(span.lo < 0 for span in problem.inputs) else (True,):
        if by_value := _fewest_groups(problem, by_sign, by_value=True):
            # By row takes more memory, and doesn't pay with more groups.
            shared = by_value[1]
            found.append(by_value)
            if not options.rough:
                found.append((shared.solve(by_value=False), shared))
        elif by_row := _fewest_groups(problem, by_sign, by_value=False):
            found.append(by_row)
    dense = 2 * np.count_nonzero(problem.weights) > problem.weights.size <= _DENSE
    if dense and problem.least_groups == 1:
        graph = share(problem.weights, problem.inputs, effort=0)
        found.append((evaluate(graph, None, options.resident), None))
    fitting = [pair for pair in found if problem.fits(pair[0])]
    if not fitting:
        return None
    best, shared = fitting[0] if len(fitting) == 1 else min(fitting, key=lambda pair: cost(pair[0]))
    if shared and best.grouping and problem.steps:
        searched = _fitting(shared.searched(), best.grouping.by_value, search=True)
        if searched and searched[0].cycles < best.cycles:
            return searched[0]
    return best


def _fewest_groups(problem: _Problem, by_sign: bool, by_value: bool) -> tuple[Candidate, _Shared] | None:
    """The graph of the fewest groups that fit, shared greedily."""
    least = problem.least_groups
    if least == 1 and np.count_nonzero(problem.weights) <= _SMALL:
        shared = problem.shared(1, by_sign)
        whole = shared.solve(by_value)
        if problem.fits(whole):
            return whole, shared
        if problem.most_groups == 1:
            return None
        least = 2
    groups = _guess(problem, Grouping(least, by_sign, by_value))
    return _fitting(problem.shared(groups, by_sign), by_value, search=False)


def _fitting(shared: _Shared, by_value: bool, search: bool) -> tuple[Candidate, _Shared] | None:
    """The graph of the given groups, or of a few more until it fits."""
    for _ in range(_RETRIES):
        candidate = shared.solve(by_value)
        if shared.problem.fits(candidate):
            return candidate, shared
        if not (more := shared.in_more_groups()):
            break
        shared = more.searched() if search else more
    return None


def _guess(problem: _Problem, least: Grouping) -> int:
    """The fewest groups that seem to fit, by bisection: live bits fall with the number of groups."""
    accumulators = _accumulator_bits(problem)
    low, high = least.groups, problem.most_groups
    while low < high:
        middle = (low + high) // 2
        if _seems_to_fit(problem, least._replace(groups=middle), accumulators):
            high = middle
        else:
            low = middle + 1
    return low


def _accumulator_bits(problem: _Problem) -> int:
    """Bits of all outputs, each as wide as its range."""
    low, high = problem.bounds.T
    positive, negative = np.maximum(problem.weights, 0), np.minimum(problem.weights, 0)
    low, high = positive @ low + negative @ high, positive @ high + negative @ low
    return sum(Range(*pair).width for pair in zip(low.tolist(), high.tolist(), strict=True))


def _seems_to_fit(problem: _Problem, grouping: Grouping, accumulators: int) -> bool:
    """Whether one group does, at whose peak part of its own accumulators isn't there yet, beside all accumulators."""
    size = -(-len(problem.inputs) // grouping.groups)
    begin = (len(problem.inputs) - size) // 2
    sample = problem.part(begin, begin + size)
    others = 0 if grouping.groups == 1 else accumulators - _accumulator_bits(sample) * 3 // 4
    sample = sample.within(problem.options.budget_bits - others)
    return sample.fits(sample.shared(1, grouping.by_sign).solve(grouping.by_value))
