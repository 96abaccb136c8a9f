"""Compositions of exact functions of one number: solved backwards for where a level begins, and evaluated forwards.

What lies between a tensor of integers and the next quantiser is a chain of stages: clamp-affine functions (exact.py),
the steps of earlier quantisers (steps.py) and curves (curves.py). All numbers are exact fractions; where a curve makes
an irrational one, it is known by two fractions that enclose it, as near to each other as `bits` says. A question that
an enclosure doesn't answer raises Undecided, and is asked again with more bits (`decided`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.steps import RoundStep, Step, TableStep

Number: TypeAlias = Fraction | float
"""A fraction, or one of the two infinite floats."""

INFINITY = float("inf")
FIRST_BITS, LAST_BITS = 64, 1 << 11
T = TypeVar("T")


class Undecided(Exception):
    """The enclosures are too wide to tell."""


class FunctionError(Exception):
    """A function has no value there; the message says why."""


def decided(question: Callable[[int], T]) -> T:
    """The answer with as few bits as it needs; raises FunctionError where even LAST_BITS don't tell."""
    bits = FIRST_BITS
    while bits <= LAST_BITS:
        try:
            return question(bits)
        except Undecided:
            bits *= 2
    raise FunctionError(f"{LAST_BITS} bits don't tell one of its values from where the rounding changes")


class Enclosed(NamedTuple):
    """A number between two others; both are the number itself where it is known exactly."""

    low: Number
    high: Number

    @staticmethod
    def of(value: Number) -> Enclosed:
        return Enclosed(value, value)

    def map(self, function: Callable[[Number], Number]) -> Enclosed:
        """Its image under a rising function."""
        return Enclosed(function(self.low), function(self.high))


class Edge(NamedTuple):
    """The half-line from a number up, which is low / denominator to high / denominator; `closed` counts itself in.

    A number that is enclosed but not known is irrational, so that no fraction is equal to it. Numerators and
    denominators are not reduced, because a table has many edges.
    """

    low: int
    high: int
    denominator: int
    closed: bool

    @staticmethod
    def at(numerator: int, denominator: int, closed: bool) -> Edge:
        return Edge(numerator, numerator, denominator, closed)

    @staticmethod
    def between(low: Fraction, high: Fraction, closed: bool) -> Edge:
        return Edge(
            low.numerator * high.denominator,
            high.numerator * low.denominator,
            low.denominator * high.denominator,
            closed,
        )

    @property
    def exact(self) -> bool:
        return self.low == self.high

    def reached(self, value: Fraction) -> bool:
        """Is a number beyond the edge? Raises Undecided."""
        own, low, high = value.numerator * self.denominator, self.low * value.denominator, self.high * value.denominator
        if self.exact:
            return own >= low if self.closed else own > low
        if low < own < high:
            raise Undecided
        return own >= high

    def integer(self) -> int:
        """The first integer beyond the edge; raises Undecided."""
        if self.exact and self.closed:
            return -(-self.low // self.denominator)
        first = self.low // self.denominator + 1
        if not self.exact and first != -(-self.high // self.denominator):
            raise Undecided
        return first


Beyond: TypeAlias = Edge | bool
"""A half-line; True stands for all numbers, False for none."""


class Curve(Protocol):
    """A real function of one number; equal curves are the same function."""

    @property
    def monotone(self) -> bool:
        """Does it never fall?"""
        ...

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        """Its value there; raises FunctionError where it has none, Undecided where more bits are needed to tell."""
        ...

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        """The numbers whose images are beyond the edge, of a curve that never falls."""
        ...


Stage: TypeAlias = Piece | RoundStep | TableStep | Curve


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages, the first of which is applied first."""

    stages: tuple[Stage, ...] = ()

    def then(self, *more: Stage) -> Chain:
        return Chain((*self.stages, *(stage for stage in more if stage != Piece())))

    def scaled(self, factor: Fraction) -> Chain:
        """x -> this(factor * x)."""
        return Chain((Piece(factor), *self.stages))

    @property
    def monotone(self) -> bool:
        """Does it never fall, or never rise?"""
        return all(isinstance(stage, Piece | RoundStep | TableStep) or stage.monotone for stage in self.stages)

    @property
    def falling(self) -> bool:
        """Which of both, where it is one."""
        return sum(isinstance(stage, Piece) and stage.slope < 0 for stage in self.stages) % 2 == 1

    def preimage(self, beyond: Beyond, bits: int) -> Beyond:
        """The numbers whose images are beyond the edge; of a falling chain, all other numbers."""
        for stage in reversed(self.stages):
            beyond = _preimage(stage, beyond, bits)
        return beyond

    def unfolded(self) -> tuple[Chain, Piece, Step | None, Piece] | None:
        """What comes before the last step, that, and what comes after; None where a curve comes after it."""
        after, stages = Piece(), list(self.stages)
        while stages and isinstance(stages[-1], Piece):
            before = stages.pop()
            assert isinstance(before, Piece)
            after = before.affine(after.slope, after.offset).clamped(after.low, after.high)
        if not stages:
            return Chain(), Piece(), None, after
        step = stages.pop()
        return (Chain(tuple(stages)), Piece(), step, after) if isinstance(step, RoundStep | TableStep) else None

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        """The value of a number; raises FunctionError where there is none."""
        for stage in self.stages:
            value = image(stage, value, bits)
        return value


def image(stage: Stage, value: Enclosed, bits: int) -> Enclosed:
    """The value of one stage."""
    match stage:
        case Piece():
            ends = sorted(_along(stage, end) for end in value)
            return Enclosed(ends[0], ends[1])
        case RoundStep() | TableStep():
            found = value.map(lambda end: stepped(stage, end))
            if found.low != found.high:
                raise Undecided
            return found
        case _:
            return stage.enclosed(value, bits)


def _along(piece: Piece, value: Number) -> Number:
    if isinstance(value, Fraction) or piece.slope == 0:
        return piece(value if isinstance(value, Fraction) else 0)
    end = value if piece.slope > 0 else -value
    bound = piece.high if end > 0 else piece.low
    return end if bound is None else bound


def stepped(step: Step, value: Number) -> Number:
    """A step of a number, which may be infinite, as its result may be then."""
    if isinstance(value, Fraction):
        return Fraction(step(value))
    bound = step.high if value > 0 else step.low
    return value if bound is None else Fraction(bound)


def _preimage(stage: Stage, beyond: Beyond, bits: int) -> Beyond:
    match stage:
        case Piece():
            return _solved(stage, beyond)
        case _ if isinstance(beyond, bool):
            return beyond
        case RoundStep() | TableStep():
            level = beyond.integer()
            if stage.low is not None and level <= stage.low:
                return True
            return (stage.high is None or level <= stage.high) and edge_of(stage, level)
        case _:
            return stage.preimage(beyond, bits)


def edge_of(step: Step, level: int) -> Edge:
    """Where the step becomes `level` or more, which it does somewhere and not everywhere."""
    return Edge.at(*step.boundary(level))


def _solved(piece: Piece, beyond: Beyond) -> Beyond:
    """Where a clamp-affine function is beyond an edge; where it isn't, if it falls."""
    if isinstance(beyond, bool):
        return beyond != (piece.slope < 0)
    if piece.slope == 0:
        return beyond.reached(piece(0))
    if piece.low is not None and beyond.reached(piece.low):
        return piece.slope > 0
    if piece.high is not None and not beyond.reached(piece.high):
        return piece.slope < 0
    (a, d), (b, e) = piece.slope.as_integer_ratio(), piece.offset.as_integer_ratio()
    # a/d * x + b/e >= N/M  <=>  a*e*M * x >= (N*e - b*M) * d
    shift, factor, denominator = b * beyond.denominator, e * d, a * e * beyond.denominator
    low, high = beyond.low * factor - shift * d, beyond.high * factor - shift * d
    if denominator > 0:
        return Edge(low, high, denominator, beyond.closed)
    return Edge(-high, -low, -denominator, not beyond.closed)
