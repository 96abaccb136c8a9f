"""The order of objects on a track with one port, for a given access sequence: heuristics of others, and a search.

The cost of an order is the distance between the objects of consecutive accesses, summed: the minimum linear arrangement
of the graph whose edges are weighted by how often two objects are accessed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from passes.placing.track_order import shifts_reduce

Order = list[int]
Weights = NDArray[np.int64]

_KICKS = 20
"""random displacements after which the search gives up"""


def weights(sequence: Sequence[int], objects: int) -> Weights:
    """How often two objects are accessed one after the other."""
    found = np.zeros((objects, objects), dtype=np.int64)
    for one, other in pairwise(sequence):
        if one != other:
            found[one, other] += 1
            found[other, one] += 1
    return found


def cost(graph: Weights, order: Order) -> int:
    """Shifts of the sequence, from its first access on."""
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    return int((graph * np.abs(position[:, None] - position)).sum()) // 2


def first_use(sequence: Sequence[int], objects: int) -> Order:
    """The order of the first accesses; objects that are never accessed come last."""
    return list(dict.fromkeys([*sequence, *range(objects)]))


def chen(sequence: Sequence[int], objects: int) -> Order:
    """One group that grows at its end (Chen et al., IEEE TVLSI 2016): from the most frequent object on, always the
    object with the greatest adjacency to the group; of equal ones the more frequent one."""
    graph = weights(sequence, objects)
    frequency = np.bincount(np.array(sequence, dtype=np.int64), minlength=objects)
    order = [int(frequency.argmax())]
    adjacency = graph[order[0]].copy()
    while len(order) < objects:
        rest = [number for number in range(objects) if number not in order]
        order.append(max(rest, key=lambda number: (adjacency[number], frequency[number], -number)))
        adjacency += graph[order[-1]]
    return order


BASELINES: dict[str, Callable[[Sequence[int], int], Order]] = {
    "first use": first_use,
    "Chen": chen,
    "ShiftsReduce": shifts_reduce,
}


def searched(sequence: Sequence[int], objects: int) -> Order:
    """The best order that a local search finds from the others' orders: objects move, runs of objects turn round."""
    graph = weights(sequence, objects)
    starts = [make(sequence, objects) for make in BASELINES.values()]
    best = min((_descended(graph, start) for start in starts), key=lambda order: cost(graph, order))
    rng = np.random.default_rng(0)
    for _ in range(_KICKS if objects > 3 else 0):
        a, b, c = sorted(rng.integers(0, objects + 1, 3).tolist())
        found = _descended(graph, [*best[:a], *best[b:c], *best[a:b], *best[c:]])
        best = min(best, found, key=lambda order: cost(graph, order))
    return best


@cache
def _moves(count: int) -> NDArray[np.int32]:
    """(moves, positions): where each move brings the object at a position."""
    moves: list[list[int]] = []
    for first in range(count):
        for last in range(count):
            rest = [at for at in range(count) if at != first]
            moves.append([*rest[:last], first, *rest[last:]])
            if first + 1 < last:
                moves.append([*range(first), *range(last, first - 1, -1), *range(last + 1, count)])
    return np.argsort(np.array(moves).reshape(-1, count), axis=1).astype(np.int32)


def _descended(graph: Weights, order: Order) -> Order:
    """Steepest descent."""
    ones, others = np.nonzero(np.triu(graph))
    edges, position = graph[ones, others], np.argsort(order)
    moves = _moves(len(order))
    least = cost(graph, order)
    while len(edges):
        costs = np.abs(moves[:, position[ones]] - moves[:, position[others]]) @ edges
        best = int(costs.argmin())
        if costs[best] >= least:
            break
        least, position = int(costs[best]), moves[best, position]
    return np.argsort(position).tolist()


def optimum(sequence: Sequence[int], objects: int) -> int:
    """The cost of the best order, by dynamic programming over sets of objects; for some 15 objects."""
    graph = weights(sequence, objects)
    # Every step of the track is crossed once by each edge between what lies before it and after it.
    cut = np.zeros(1 << objects, dtype=np.int64)
    best = np.zeros(1 << objects, dtype=np.int64)
    for chosen in range(1, 1 << objects):
        lowest = (chosen & -chosen).bit_length() - 1
        rest = chosen & (chosen - 1)
        members = [number for number in range(objects) if rest >> number & 1]
        cut[chosen] = cut[rest] + graph[lowest].sum() - 2 * graph[lowest, members].sum()
        ways = [best[chosen & ~(1 << number)] for number in range(objects) if chosen >> number & 1]
        best[chosen] = min(ways) + cut[chosen]
    return int(best[-1])
