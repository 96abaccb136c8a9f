"""Where all levels of a rounded clamp-affine function begin at once: exact, in arrays of Python's integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep, Step

FEW = 256
"""So few levels are as quickly calculated one by one."""


class AffineEdges(NamedTuple):
    """The half-lines from tops / bottom up, one for each level; `closed` ones count their end in.

    The clamp makes some of them all numbers or none: `everything` or `nothing`.
    """

    tops: NDArray[Any]
    bottom: int
    closed: NDArray[np.bool_]
    everything: NDArray[np.bool_]
    nothing: NDArray[np.bool_]

    def integers(self) -> NDArray[Any]:
        """The first integer beyond each end."""
        quotient = self.tops // self.bottom
        whole = (quotient * self.bottom == self.tops) & self.closed
        return quotient + 1 - whole.astype(np.int64).astype(object)


def _boundaries(rounding: Rounding, numbers: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
    """Where the rounding becomes these numbers, in halves, and whether it does so there or just above."""
    positive = numbers > 0
    match rounding:
        case Rounding.HALF_EVEN:
            halves, closed = 2 * numbers - 1, numbers % 2 == 0
        case Rounding.HALF_UP:
            halves, closed = 2 * numbers - 1, positive
        case Rounding.HALF_DOWN:
            halves, closed = 2 * numbers - 1, ~positive
        case Rounding.CEIL:
            halves, closed = 2 * numbers - 2, np.zeros_like(positive)
        case Rounding.FLOOR:
            halves, closed = 2 * numbers, np.ones_like(positive)
        case Rounding.UP:
            halves, closed = 2 * (numbers - positive), ~positive
        case Rounding.DOWN:
            halves, closed = 2 * (numbers - ~positive), positive
        case Rounding.SIGN | Rounding.BIPOLAR:
            return None
    return halves.astype(object), closed


def affine_edges(piece: Piece, step: Step, levels: Sequence[int]) -> AffineEdges | None:
    """As functions.py solves them for each level; None for other steps, and where there are few levels."""
    if not isinstance(step, RoundStep) or piece.slope == 0 or len(levels) < FEW:
        return None
    found = _boundaries(step.rounding, np.array(levels, dtype=np.int64) - step.zero)
    if found is None:
        return None
    halves, closed = found
    (a, d), (b, e) = piece.slope.as_integer_ratio(), piece.offset.as_integer_ratio()
    falls = a < 0
    sign = -1 if falls else 1
    below = above = np.zeros(len(levels), dtype=np.bool_)
    if piece.low is not None:
        low = 2 * piece.low
        below = ((halves < low) | ((halves == low) & closed)).astype(np.bool_)
    if piece.high is not None:
        high = 2 * piece.high
        above = ((halves > high) | ((halves == high) & ~closed)).astype(np.bool_)
    everything, nothing = (above, below & ~above) if falls else (below & ~above, above)
    tops = sign * (halves * e - 2 * b) * d
    return AffineEdges(tops, sign * 2 * a * e, ~closed if falls else closed, everything, nothing)
