"""Whether a network was quantised at all, for the words of errors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cam_compiler.importer.constants import Constant, integer_range
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Value

_ROUNDS = ("Quant", "Linear", "Integer", "Round", "Floor", "Ceil", "Sign", "Trunc", "Threshold", "NBits", "Shift")
"""Parts of the names of operators that round, or that are for integers."""


def is_quantised(nodes: Iterable[Node], values: Iterable[Value]) -> bool:
    """Does a node round or take integers, or do all weights lie on lattices by themselves?"""
    for node in nodes:
        integral = node.op == "Cast" and integer_range(node.integer("to", 0)) is not None
        if node.op != "ThresholdedRelu" and (integral or any(part in node.op for part in _ROUNDS)):
            return True
    return not any(isinstance(value, Constant) and _is_real(value) for value in values)


def _is_real(constant: Constant) -> bool:
    """Are they weights, no vector, and neither integers nor only -a, 0 and +a for each output?"""
    raw = constant.raw
    if raw.size == max(raw.shape, default=1) or not raw.size or raw.dtype.kind != "f" or (raw == np.rint(raw)).all():
        return False
    for axis in (0, -1):
        sizes = np.moveaxis(np.abs(raw), axis, 0).reshape(raw.shape[axis], -1)
        if ((sizes == 0) | (sizes == sizes.max(axis=1, keepdims=True))).all():
            return False
    return True
