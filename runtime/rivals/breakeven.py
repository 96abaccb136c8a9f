"""What a bit may cost at most for the associative processor to take a given energy: each component alone, and pairs.

Energy is linear in the parameters of a technology, so that both answers are exact: a bound on one factor, and the ends
of the straight line on which two factors trade against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Frontier(NamedTuple):
    """Two components that change together: factors on today's energy of the first where the second is free, and the
    other way round; all pairs on the line between the two are as good."""

    first: str
    second: str
    first_alone: float
    second_alone: float


def most(energy_fj: Mapping[str, float], component: str, budget_fj: float) -> float | None:
    """The factor on one component's energy that meets the budget; None where the others alone exceed it."""
    rest = sum(energy for name, energy in energy_fj.items() if name != component)
    if rest > budget_fj or not energy_fj[component]:
        return None
    return (budget_fj - rest) / energy_fj[component]


def frontier(energy_fj: Mapping[str, float], first: str, second: str, budget_fj: float) -> Frontier | None:
    """The pairs of factors that meet the budget; None where the other components alone exceed it."""
    left = budget_fj - sum(energy for name, energy in energy_fj.items() if name not in (first, second))
    if left < 0 or not energy_fj[first] or not energy_fj[second]:
        return None
    return Frontier(first, second, left / energy_fj[first], left / energy_fj[second])
