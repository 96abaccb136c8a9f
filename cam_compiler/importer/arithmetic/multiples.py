"""Functions of integers whose values are multiples of one number, as squares are: integers with a scale, unrounded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

from cam_compiler.importer.arithmetic.exact import ONE
from cam_compiler.importer.arithmetic.functions import FIRST_BITS, Chain, Enclosed, FunctionError, Undecided
from cam_compiler.importer.arithmetic.thresholds import MAX_LEVELS, Channel, Reach

MAX_INPUTS = 1 << 12
"""Integers that a function is evaluated at."""


def units_of(channels: Sequence[Channel], reaches: Sequence[Reach]) -> list[Fraction] | None:
    """Of what the values of each channel's chain are multiples; None where one's aren't, or are too many."""
    known: dict[tuple[Chain, Reach], Fraction | None] = {}
    for key in ((channel.before, reach) for channel, reach in zip(channels, reaches, strict=True)):
        if key not in known:
            known[key] = _unit(*key)
    found = [known[channel.before, reach] for channel, reach in zip(channels, reaches, strict=True)]
    units = [unit for unit in found if unit is not None]
    return units if len(units) == len(found) else None


def _unit(chain: Chain, reach: Reach) -> Fraction | None:
    if reach.low is None or reach.high is None or reach.high - reach.low >= MAX_INPUTS:
        return None
    values: list[Fraction] = []
    for number in range(reach.low, reach.high + 1):
        try:
            value = chain.enclosed(Enclosed.of(Fraction(number)), FIRST_BITS)
        except (FunctionError, Undecided):
            return None
        if not isinstance(value.low, Fraction) or value.low != value.high:
            return None
        values.append(value.low)
    bottom = lcm(*(value.denominator for value in values))
    common = gcd(*(int(value * bottom) for value in values))
    unit = Fraction(common, bottom) if common else ONE
    return unit if max(values) - min(values) <= unit * MAX_LEVELS else None
