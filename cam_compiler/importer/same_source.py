"""Operators on two tensors that are functions of the same integers, as the gates x Sigmoid(x) that exporters write.

Both have been computed from one tensor of integers, element by element, so what becomes of them is a function of those
integers as well, and the next quantiser makes a table of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cam_compiler.importer.arithmetic.compositions import Bent, Combined, Operation
from cam_compiler.importer.arithmetic.exact import ZERO, ObjectArray, Piece, each, filled
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.arithmetic.quantizers import rounded
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep, TableStep
from cam_compiler.importer.builder import float_input_error
from cam_compiler.importer.context import Call
from cam_compiler.importer.values import Activation, Origin, identity_pieces, with_quantiser
from dialects.support.errors import ModelError


def combined(call: Call, operation: Operation, left: Activation, right: Activation) -> Activation | None:
    """The operator on both; None where they aren't functions of the same integers."""
    left, right = (call.after_input(value) for value in (left, right))
    pair = _of_one(call, left, right)
    if pair is None:
        return None
    left, right = pair
    first, second = left.folded().before, right.folded().before
    assert first is not None and second is not None
    root, first, second = _rooted(call, left, first, second)
    stages = each(lambda a, b: Chain((Combined(operation, a, b),)), first, second)
    return _with(call, root, stages)


def _with(call: Call, value: Activation, stages: ObjectArray) -> Activation:
    """Functions of the tensor's integers."""
    outer, origin = identity_pieces(len(value.shape)), Origin.of(call.node)
    result = replace(value, before=stages, inner=None, steps=None, outer=outer, executed=None, origin=origin)
    if not value.integral:
        return result
    return with_quantiser(call.node, result, rounded(Rounding.HALF_EVEN, None, value.elem_type))


def inverted(call: Call, numerator: ObjectArray, value: Activation) -> Activation:
    """Constants divided by a tensor."""
    value = call.after_input(value)
    below = value.folded().before
    assert below is not None
    stages = each(
        lambda top, chain: Chain((Combined(Operation.DIVIDE, Chain((Piece(ZERO, top),)), chain),)), numerator, below
    )
    outer = identity_pieces(len(value.shape))
    return replace(
        value, before=stages, inner=None, steps=None, outer=outer, executed=None, origin=Origin.of(call.node)
    )


def required(call: Call, operation: Operation, left: Activation, right: Activation) -> Activation:
    """The operator on both; raises ModelError where they aren't functions of the same integers."""
    found = combined(call, operation, left, right)
    if found is None and any(value.kind is not None and value.steps is None for value in (left, right)):
        raise float_input_error(call.node)
    if found is None:
        raise two_tensors_error(call)
    return found


def two_tensors_error(call: Call) -> ModelError:
    return call.node.error(
        "both its inputs depend on the network's input",
        hint="one of its inputs must be constant, or both functions of one tensor; sums and products take any two",
    )


def real(value: Activation) -> bool:
    """Is it a function with nothing that makes its numbers integers?"""
    pending = value.before is not None or any(piece.clamps for piece in value.outer.flat)
    return value.steps is None and pending


def straight(value: Activation) -> bool:
    """Is the tensor made of straight lines of its integers?"""
    chains = value.folded().before
    return chains is not None and all(
        isinstance(stage, Piece | Bent) for chain in chains.flat for stage in chain.stages
    )


def _same(left: Activation, right: Activation) -> bool:
    """Are both functions of the same integers? A float input has too many numbers for a table."""
    if left.kind is not None or left.shape != right.shape or len(left.terms) != len(right.terms):
        return False
    if not left.terms:
        return left.base is right.base
    pairs = zip(left.terms, right.terms, strict=True)
    return all(a.base is b.base and np.array_equal(a.slopes, b.slopes) for a, b in pairs)


def _of_one(call: Call, left: Activation, right: Activation) -> tuple[Activation, Activation] | None:
    """Both as functions of the same integers: those that they are known by, or those of a quantiser of theirs."""
    if _same(left, right):
        return left, right
    made = [call.builder.materialise(value, call.node) if value.steps is not None else value for value in (left, right)]
    return (made[0], made[1]) if _same(made[0], made[1]) else None


def _rooted(
    call: Call, value: Activation, first: ObjectArray, second: ObjectArray
) -> tuple[Activation, ObjectArray, ObjectArray]:
    """The tensor that the chains start from, and the chains: a quantiser that all begin with is made, if there is one.

    Its integers are few, and a table has an entry for each.
    """
    counts = each(_shared, first, second)
    if not all(counts.flat):
        return value, first, second
    before = each(lambda chain, count: Chain(chain.stages[: count - 1]), first, counts)
    root = replace(
        value,
        before=before if any(chain.stages for chain in before.flat) else None,
        inner=filled((1,) * len(value.shape), Piece()),
        steps=each(lambda chain, count: chain.stages[count - 1], first, counts),
        outer=identity_pieces(len(value.shape)),
    )
    ready = call.builder.materialise(root, call.node)

    def rest(chain: Chain, count: int, piece: Piece) -> Chain:
        return Chain((piece, *chain.stages[count:]))

    return ready, each(rest, first, counts, ready.outer), each(rest, second, counts, ready.outer)


def _shared(first: Chain, second: Chain) -> int:
    """How many stages both begin with, the last of them a step."""
    count = 0
    for index, (a, b) in enumerate(zip(first.stages, second.stages, strict=False), start=1):
        if a != b:
            break
        if isinstance(a, RoundStep | TableStep):
            count = index
    return count
