"""Tensors with their elements in another order: transposed, cut, mirrored at their borders.

What an operator does to every element it may do before such a change as well. Where a tensor is only another view of
one with its channels first, work is moved in front of the view, and views that undo each other vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from cam_compiler.importer.values import Activation, Term
from dialects import ternary

Change = Callable[[NDArray[Any]], NDArray[Any]]


def changed(
    value: Activation, shape: tuple[int, ...], base: Callable[[SSAValue], SSAValue], array: Change
) -> Activation:
    """The tensor with another base; `array` does to an array that broadcasts to samples what `base` does to them."""

    def of(part: NDArray[Any] | None) -> Any:
        return None if part is None else array(part)

    return replace(
        value,
        base=base(value.base),
        shape=shape,
        outer=array(value.outer),
        before=of(value.before),
        inner=of(value.inner),
        steps=of(value.steps),
        lows=of(value.lows),
        highs=of(value.highs),
        terms=tuple(
            Term(base(term.base), array(term.slopes), array(term.lows), array(term.highs)) for term in value.terms
        ),
    )


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.argsort(order))


def order_of(value: Activation) -> tuple[int, ...] | None:
    """How the tensor is a transposed one, or None."""
    bases = [term.base for term in value.terms] or [value.base]
    owners = [base.owner for base in bases]
    orders = {owner.axes for owner in owners if isinstance(owner, ternary.TransposeOp)}
    return orders.pop() if len(orders) == 1 and all(isinstance(o, ternary.TransposeOp) for o in owners) else None


def identity(value: Activation) -> tuple[int, ...]:
    return tuple(range(len(value.shape)))


def by_channel(value: Activation) -> bool:
    """Does the function of the elements differ by channel only?"""
    return all(size == 1 for size in value.channels().shape[1:])
