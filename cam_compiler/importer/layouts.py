"""Tensors with their elements in another order: transposed, cut, mirrored at their borders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from cam_compiler.importer.values import Activation, Term

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
        executed=None if value.executed is None else tuple(operation.changed(array) for operation in value.executed),
        terms=tuple(
            Term(base(term.base), array(term.slopes), array(term.lows), array(term.highs)) for term in value.terms
        ),
    )


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.argsort(order))


def varying_axis(value: Activation) -> int | None:
    """The one dimension of a sample by which the function of the elements differs; None where there isn't one only."""
    arrays = [value.channels(), *(term.slopes for term in value.terms)]
    axes = {axis for array in arrays for axis, size in enumerate(array.shape) if size != 1}
    return axes.pop() if len(axes) == 1 else None


def channels_at(axis: int, value: Activation) -> tuple[int, ...]:
    """The order in which that dimension comes first."""
    return (axis, *(other for other in range(len(value.shape)) if other != axis))


def by_channel(value: Activation) -> bool:
    """Does the function of the elements differ by channel only?"""
    arrays = [value.channels(), *(term.slopes for term in value.terms)]
    return all(size == 1 for array in arrays for size in array.shape[1:])
