"""ShiftsReduce: the order of objects on a track with one port, from the sequence in which they are accessed.

A. A. Khan, F. Hameed, R. Bläsing, S. Parkin, J. Castrillon: ShiftsReduce: Minimizing Shifts in Racetrack Memory 4.0,
ACM TACO 16(4), 2019, arXiv 1903.03597. Two groups grow from the middle of the track to its ends. The object with the
heaviest edges of the access graph, in which an edge counts how often two objects are accessed one after the other, is
fixed first. Then, always, the object with the greatest adjacency to all that are fixed goes to the outer end of the
group that suits it better. Where an outline of the method leaves a choice, all readings are tried and the best result
counts: of equally adjacent objects the one nearer to an outer end or the one with heavier edges, and the group with the
greater adjacency or with the smaller distance to what it is adjacent to.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

Order = list[int]
Edges = list[dict[int, int]]
"""of each object, how often it is accessed right before or after others"""


def edges_of(sequence: Sequence[int], objects: int) -> Edges:
    """The access graph."""
    found: Edges = [{} for _ in range(objects)]
    for one, other in pairwise(sequence):
        if one != other:
            found[one][other] = found[other][one] = found[one].get(other, 0) + 1
    return found


def steps_between(edges: Edges, order: Order) -> int:
    """Shifts of the sequence behind the edges, from its first access on."""
    position = {item: at for at, item in enumerate(order)}
    found = 0
    for one, mine in enumerate(edges):
        found += sum(weight * abs(position[one] - position[other]) for other, weight in mine.items())
    return found // 2


def shifts_reduce(sequence: Sequence[int], objects: int) -> Order:
    """The best order of all readings of the heuristic; objects that are never accessed come last."""
    edges = edges_of(sequence, objects)
    readings = [_two_sided(edges, near, distance) for near in (True, False) for distance in (True, False)]
    return min(readings, key=lambda order: steps_between(edges, order))


def _two_sided(edges: Edges, near: bool, distance: bool) -> Order:
    ties = [0 if near else -sum(mine.values()) for mine in edges]
    heaviest = max(range(len(edges)), key=lambda item: (sum(edges[item].values()), -item), default=-1)
    waiting = [(0, ties[item], item) for item in range(len(edges)) if item != heaviest]
    heapq.heapify(waiting)
    adjacency = [0] * len(edges)
    order: deque[int] = deque()
    position: dict[int, int] = {}
    chosen, left, right = heaviest, 0, -1
    while chosen >= 0:
        if _suits_left(edges[chosen], position, left, right, distance):
            left -= 1
            position[chosen] = left
            order.appendleft(chosen)
        else:
            right += 1
            position[chosen] = right
            order.append(chosen)
        for other, weight in edges[chosen].items():
            adjacency[other] += weight
            if other not in position:
                heapq.heappush(waiting, (-adjacency[other], ties[other], other))
        while waiting and (waiting[0][2] in position or waiting[0][0] != -adjacency[waiting[0][2]]):
            heapq.heappop(waiting)
        chosen = waiting[0][2] if waiting else -1
        if near and waiting:
            chosen = _nearest(edges, order, position, adjacency, chosen)
    return list(order)


def _nearest(edges: Edges, order: deque[int], position: dict[int, int], adjacency: list[int], chosen: int) -> int:
    """Of the objects that are as adjacent as the chosen one, that with the heaviest edge to an outer end."""
    best = (0, -chosen)
    for end in (order[0], order[-1]):
        for other, weight in edges[end].items():
            if other not in position and adjacency[other] == adjacency[chosen]:
                best = max(best, (weight, -other))
    return -best[1]


def _suits_left(mine: dict[int, int], position: dict[int, int], left: int, right: int, distance: bool) -> bool:
    fixed = [(position[other], weight) for other, weight in mine.items() if other in position]
    if distance:
        return sum(weight * (right + 1 - at - (at - left + 1)) for at, weight in fixed) > 0
    return sum(weight * ((at < 0) - (at > 0)) for at, weight in fixed) > 0
