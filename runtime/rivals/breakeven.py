"""What a bit may cost at most for the associative processor to take a given energy: each component alone, and together.

Energy is linear in the parameters of a technology, so that all answers are exact: a bound on one factor, the ends of
the straight line on which two factors trade against each other, and a factor that all have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

PRICED = ("search", "write", "shift")
"""the components that a break-even is asked of: a searched, a written and a shifted bit"""

Ends = tuple[float, float]
"""Two components that change together: the factor on the first where the second is free, and the other way round. All
pairs on the line between the two are as good."""


@dataclass(frozen=True)
class Break:
    """Factors on energies of today that meet a budget; None: however cheap, the other components alone exceed it."""

    others_fj: float
    """what is neither searched, written nor shifted, and stands against all of them"""
    alone: Mapping[str, float | None]
    """of each component, the others as they are"""
    pairs: Mapping[tuple[str, str], Ends | None]
    together: float | None
    """one factor on all three"""


def break_even(energy_fj: Mapping[str, float], budget_fj: float) -> Break:
    """What search, write and shift may cost at most."""
    return Break(
        _rest(energy_fj, PRICED),
        {name: most(energy_fj, (name,), budget_fj) for name in PRICED},
        {pair: frontier(energy_fj, *pair, budget_fj) for pair in combinations(PRICED, 2)},
        most(energy_fj, PRICED, budget_fj),
    )


def most(energy_fj: Mapping[str, float], components: Iterable[str], budget_fj: float) -> float | None:
    """The factor on some components' energies that meets the budget; None where the others alone exceed it."""
    changed = {*components}
    rest, part = _rest(energy_fj, changed), sum(energy_fj[name] for name in changed)
    if rest > budget_fj or not part:
        return None
    return (budget_fj - rest) / part


def frontier(energy_fj: Mapping[str, float], first: str, second: str, budget_fj: float) -> Ends | None:
    """The pairs of factors that meet the budget; None where the other components alone exceed it."""
    left = budget_fj - _rest(energy_fj, (first, second))
    if left < 0 or not energy_fj[first] or not energy_fj[second]:
        return None
    return left / energy_fj[first], left / energy_fj[second]


def _rest(energy_fj: Mapping[str, float], without: Iterable[str]) -> float:
    return sum(energy for name, energy in energy_fj.items() if name not in {*without})
