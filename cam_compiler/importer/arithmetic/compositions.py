"""Functions made of others as stages of a chain (functions.py): bent at zero, rational, and of two functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from cam_compiler.importer.arithmetic.curves import Exponential, inverse
from cam_compiler.importer.arithmetic.enclosures import Pair
from cam_compiler.importer.arithmetic.exact import ONE, ZERO, Piece
from cam_compiler.importer.arithmetic.functions import Beyond, Chain, Edge, Enclosed, FunctionError, Number, Undecided


@dataclass(frozen=True, slots=True)
class Softsign:
    """x / (1 + |x|)."""

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        def at(end: Number) -> Number:
            if not isinstance(end, Fraction):
                return -ONE if end < 0 else ONE
            return end / (1 + abs(end))

        return value.map(at)

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        def at(y: Fraction) -> Pair:
            x = y / (1 - abs(y))
            return x, x

        return inverse(edge, -ONE, ONE, {}, at)


@dataclass(frozen=True, slots=True)
class Gate:
    """x above a bound that isn't negative, else 0: ThresholdedRelu."""

    bound: Fraction

    monotone = True

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        return value.map(lambda end: end if end > self.bound else ZERO)

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        if edge.reached(ZERO):
            return True
        return Edge.between(self.bound, self.bound, closed=False) if edge.reached(self.bound) else edge


@dataclass(frozen=True, slots=True)
class Bent:
    """One chain below 0 and another from 0 on; it never falls if `monotone`."""

    below: Chain
    above: Chain
    monotone: bool

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        parts: list[Enclosed] = []
        if value.low < 0:
            parts.append(self.below.enclosed(Enclosed(value.low, min(value.high, ZERO)), bits))
        if value.high >= 0:
            parts.append(self.above.enclosed(Enclosed(max(value.low, ZERO), value.high), bits))
        return Enclosed(min(part.low for part in parts), max(part.high for part in parts))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        corner = self.above.enclosed(Enclosed.of(ZERO), bits)
        assert isinstance(corner.low, Fraction) and corner.low == corner.high
        if not edge.reached(corner.low):
            return self.above.preimage(edge, bits)
        found = self.below.preimage(edge, bits)
        if isinstance(found, Edge) and found.low < 0:
            if found.high > 0:
                raise Undecided
            return found
        return found is True or Edge.at(0, 1, closed=True)


def leaky(slope: Fraction) -> Bent:
    """x from 0 on, slope * x below."""
    return Bent(Chain((Piece(slope),)), Chain(), slope >= 0)


def exponential_unit(inner: Fraction, outer: Fraction, gain: Fraction) -> Bent:
    """gain * x from 0 on, outer * (e^(inner * x) - 1) below: Elu, Selu and Celu."""
    below = Chain().then(Piece(inner), Exponential(), Piece(outer, -outer))
    return Bent(below, Chain().then(Piece(gain)), inner >= 0 and outer >= 0 and gain >= 0)


def magnitude() -> Bent:
    """|x|."""
    return Bent(Chain((Piece(-ONE),)), Chain(), monotone=False)


class Operation(Enum):
    """What is done to two functions of one number; the values are ONNX's operators."""

    ADD = "Add"
    MULTIPLY = "Mul"
    DIVIDE = "Div"
    LEAST = "Min"
    GREATEST = "Max"


@dataclass(frozen=True, slots=True)
class Combined:
    """Two functions of the same number, added, multiplied, divided or compared."""

    operation: Operation
    left: Chain
    right: Chain

    monotone = False

    def enclosed(self, value: Enclosed, bits: int) -> Enclosed:
        left, right = self.left.enclosed(value, bits), self.right.enclosed(value, bits)
        match self.operation:
            case Operation.ADD:
                return Enclosed(left.low + right.low, left.high + right.high)
            case Operation.MULTIPLY:
                products = [a * b for a in left for b in right]
                return Enclosed(min(products), max(products))
            case Operation.DIVIDE:
                if right.low == right.high == 0:
                    raise FunctionError("it divides by zero")
                if right.low <= 0 <= right.high:
                    raise Undecided
                quotients = [a / b for a in left for b in right]
                return Enclosed(min(quotients), max(quotients))
            case Operation.LEAST:
                return Enclosed(min(left.low, right.low), min(left.high, right.high))
            case Operation.GREATEST:
                return Enclosed(max(left.low, right.low), max(left.high, right.high))

    def preimage(self, edge: Edge, bits: int) -> Beyond:
        raise AssertionError("it may rise and fall")
