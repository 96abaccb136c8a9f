"""Multipliers that tell sums apart as a quantiser does, and functions as straight segments: at every integer."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product

import numpy as np

from cam_compiler.importer.arithmetic.compositions import Combined, Gate, Operation, exponential_unit, leaky
from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.functions import Chain, Edge, Enclosed, Stage
from cam_compiler.importer.arithmetic.multipliers import Summand
from cam_compiler.importer.arithmetic.segments import parts_of, segments_of
from cam_compiler.importer.arithmetic.separation import separation

WIDTHS = {2: 40, 3: 10, 4: 5}


def _slope(chance: random.Random) -> Fraction:
    """Of either sign, of single precision, or in simple ratios; zero at times."""
    real = (
        Fraction(float(np.float32(chance.uniform(0.01, 1))))
        if chance.random() < 0.6
        else Fraction(chance.randint(1, 9), 8)
    )
    return real * chance.choice([1, 1, 1, 1, -1, -1, 0])


def test_sums_lie_on_the_sides_of_edges_that_the_real_ones_lie_on() -> None:
    """Edges are often sums themselves, which count among those beyond them or not."""
    chance, found = random.Random(2), 0
    for _ in range(30):
        count = chance.randint(2, 4)
        summands: list[Summand] = []
        for _ in range(count):
            low = chance.randint(-20, 5)
            summands.append(Summand(_slope(chance), low, low + chance.randint(0, WIDTHS[count])))
        ends = [sum((own.ends[end] for own in summands), Fraction(0)) for end in (0, 1)]
        edges: list[Edge] = []
        for _ in range(chance.randint(1, 12)):
            met = sum((own.slope * chance.randint(own.low, own.high) for own in summands), Fraction(0))
            at = met if chance.random() < 0.4 else ends[0] + (ends[1] - ends[0]) * Fraction(chance.random())
            edges.append(Edge.at(at.numerator, at.denominator, closed=chance.random() < 0.5))
        result = separation(summands, edges)
        if ends[0] == ends[1]:
            continue
        assert result is not None
        found += 1
        grid = np.array(list(product(*(range(own.low, own.high + 1) for own in summands))))
        slopes = np.array([own.slope for own in summands])
        real, whole = (grid.astype(object) * slopes).sum(axis=1), grid @ np.array(result.multipliers)
        for edge, first in zip(edges, result.edges, strict=True):
            border = Fraction(edge.low, edge.denominator)
            beyond = (real >= border) if edge.closed else (real > border)
            np.testing.assert_array_equal(whole >= first, beyond.astype(bool))
    assert found > 20


def test_wide_sums_take_multipliers_of_as_many_bits_as_they_need() -> None:
    widths = (32640, 8160, 255)
    summands = [
        Summand(Fraction(float(np.float32(slope))), 0, width)
        for slope, width in zip((0.013, 0.017, 0.0451), widths, strict=True)
    ]
    high = sum((own.ends[1] for own in summands), Fraction(0))
    edges = [Edge.at(high.numerator * level, high.denominator * 256, closed=True) for level in range(1, 256)]
    found = separation(summands, edges)
    assert found is not None
    reach = sum(factor * width for factor, width in zip(found.multipliers, widths, strict=True))
    # There are 2^36 sums.
    assert reach.bit_length() <= 42


def _chain(chance: random.Random, depth: int = 0) -> Chain:
    def number() -> Fraction:
        return Fraction(chance.randint(-40, 40), chance.randint(1, 9))

    stages: list[Stage] = []
    for _ in range(chance.randint(1, 4)):
        kind = chance.randint(0, 4 if depth < 2 else 1)
        if kind <= 1:
            low, high = sorted([number(), number()])
            stages.append(Piece(number(), number(), chance.choice([low, None]), chance.choice([high, None])))
        elif kind == 2:
            stages.append(leaky(number()))
        elif kind == 3:
            stages.append(Gate(abs(number())))
        else:
            operation = chance.choice([Operation.ADD, Operation.LEAST, Operation.GREATEST])
            stages.append(Combined(operation, _chain(chance, depth + 1), _chain(chance, depth + 1)))
    return Chain(tuple(stages))


def test_clamps_and_flags_are_the_function() -> None:
    chance = random.Random(1)
    for _ in range(80):
        chain, low = _chain(chance), chance.randint(-30, 0)
        high = low + chance.randint(0, 60)
        segments = segments_of(chain, low, high)
        assert segments is not None
        parts = parts_of(segments)
        for value in range(low, high + 1):
            assert parts(value) == chain.enclosed(Enclosed.of(Fraction(value)), 64).low


def test_what_is_bent_elsewhere_has_no_segments() -> None:
    unit = Chain((exponential_unit(Fraction(1), Fraction(1), Fraction(1)),))
    assert segments_of(unit, -3, 3) is None
    assert segments_of(unit, 1, 3) is not None
