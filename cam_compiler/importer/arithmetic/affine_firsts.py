"""The first inputs of all levels of a rounded clamp-affine function at once: exact, in arrays of Python's integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep, Step

FEW = 256
"""So few levels are as quickly calculated one by one."""


def affine_firsts(piece: Piece, step: Step, levels: Sequence[int], always: float, never: float) -> list[float] | None:
    """As functions.py solves them for each level; None for other steps, and where there are few levels."""
    if not isinstance(step, RoundStep) or piece.slope == 0 or len(levels) < FEW:
        return None
    numbers: NDArray[Any] = np.array(levels, dtype=np.int64) - step.zero
    match step.rounding:
        case Rounding.HALF_EVEN:
            closed = numbers % 2 == 0
        case Rounding.HALF_UP:
            closed = numbers > 0
        case Rounding.HALF_DOWN:
            closed = numbers <= 0
        case _:
            return None
    # A level begins at its number less a half, which is tops / 2.
    tops = 2 * numbers.astype(object) - 1
    (a, d), (b, e) = piece.slope.as_integer_ratio(), piece.offset.as_integer_ratio()
    falls = a < 0
    tall, wide = (tops * e - 2 * b) * d, 2 * a * e
    tall, wide, inside = (-tall, -wide, ~closed) if falls else (tall, wide, closed)
    quotient = tall // wide
    whole = (quotient * wide == tall) & inside
    firsts = quotient + 1 - whole.astype(np.int64).astype(object)
    if piece.low is not None:
        low = 2 * piece.low
        firsts = np.where((tops < low) | ((tops == low) & closed), never if falls else always, firsts)
    if piece.high is not None:
        high = 2 * piece.high
        firsts = np.where((tops > high) | ((tops == high) & ~closed), always if falls else never, firsts)
    return firsts.tolist()
