"""What flows through a network while it runs: tensors, or windows of one that are gathered where they are read."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from dialects.support.tensors import IntArray
from dialects.support.window import Ints, Windows

Value = NDArray[np.generic]
AnyValue = Value | Windows


def array(value: AnyValue) -> Value:
    """The tensor itself."""
    return value.array() if isinstance(value, Windows) else value


def raw(value: AnyValue) -> Ints:
    """Integers in the width that they are kept in."""
    return cast(Ints, array(value))


def ints(value: AnyValue) -> IntArray:
    """Integers of 64 bits."""
    return array(value).astype(np.int64, copy=False)


def narrow(values: Ints) -> Ints:
    """The same integers in the smallest signed type that holds them; a network's tensors are mostly of few bits."""
    if not values.size or values.dtype == np.int8:
        return values
    low, high = int(values.min()), int(values.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def widest(value: Value) -> Value:
    """Integers as 64 bits, in which outputs are given; anything else as it is."""
    return value.astype(np.int64) if value.dtype.kind == "i" else value
