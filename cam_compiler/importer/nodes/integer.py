"""Operators that only integers have: shifts and remainders by constants."""

from __future__ import annotations

from fractions import Fraction

from cam_compiler.importer.arithmetic.compositions import Combined, Operation
from cam_compiler.importer.arithmetic.exact import ZERO, Piece, each
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.arithmetic.integers import wrapped
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.nodes.real import to_integers
from cam_compiler.importer.values import Activation, Value, per_sample

MAX_SHIFT = 63


def _constant(call: Call, what: str) -> tuple[Activation, list[int]]:
    """The tensor of integers, and the constant's numbers."""
    value = call.activation()
    if not value.integral:
        raise call.node.error("its input is no tensor of integers", hint="an integer type; Cast makes one")
    return value, call.constant(1, what).integers(call.node)


@handles("BitShift")
def bit_shift(call: Call) -> Value:
    """Of unsigned integers: those to the left lose what goes beyond their type."""
    value, amounts = _constant(call, "amount of the shift")
    direction = call.node.text("direction", "")
    if direction not in ("LEFT", "RIGHT") or not all(0 <= amount <= MAX_SHIFT for amount in amounts):
        raise call.node.error(f"it shifts {direction} by {amounts}", hint="LEFT or RIGHT, by constants up to 63")
    constant = per_sample(call.node, value, call.constant(1, "amount").exact(call.node))
    factors = each(lambda amount: Fraction(2) ** int(amount), constant)
    if direction == "LEFT":
        return wrapped(call, value.affine(factors, ZERO))
    shifted = value.affine(each(lambda factor: 1 / factor, factors), ZERO)
    return to_integers(call, shifted, Rounding.FLOOR, value.elem_type)


@handles("Mod")
def remainder(call: Call) -> Value:
    """x - n * floor(x / n), which has the sign of n; with fmod x - n * trunc(x / n), which has that of x."""
    value, divisors = _constant(call, "divisor")
    if 0 in divisors:
        raise call.node.error("division by zero")
    rounding = Rounding.DOWN if call.node.integer("fmod", 0) else Rounding.FLOOR
    constant = per_sample(call.node, value, call.constant(1, "divisor").exact(call.node))

    def chain(divisor: Fraction) -> Chain:
        # Half a number more leaves the floor of an integer's quotient, and is never at its edge, which is decided soon.
        shift = 1 / abs(2 * divisor) if rounding is Rounding.FLOOR else ZERO
        multiple = Chain((Piece(1 / divisor, shift), RoundStep(None, None, rounding), Piece(-divisor)))
        return Chain((Combined(Operation.ADD, Chain(), multiple),))

    ready = call.after_input(value)
    if ready.steps is not None:
        ready = call.builder.materialise(ready, call.node)
    return to_integers(call, ready.curved(each(chain, constant), call.node), Rounding.HALF_EVEN, value.elem_type)
