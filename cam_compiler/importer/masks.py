"""Clamps of sums whose summands have scales of their own: each summand is let through where the sum is in between.

With a flag F for what reaches the lower bound L, and G for the upper one H, clamp(a s + b) of a sum s of t_i x_i is

    L (1 - F) + H G + (F - G) b + sum of a t_i (F - G) x_i

and (F - G) x of an integer x from 0 to w is clamp(x + (F - G - 1) (w + 1)) to 0..w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue

from cam_compiler.importer.arithmetic.compositions import Bent
from cam_compiler.importer.arithmetic.exact import IDENTITY, ONE, ZERO, ObjectArray, Piece, each, filled
from cam_compiler.importer.arithmetic.functions import Chain, Stage
from cam_compiler.importer.arithmetic.steps import TableStep
from cam_compiler.importer.linear import offsets_of, terms_of, total
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, Origin, Term, identity_pieces
from dialects import ternary
from dialects.support.ranges import Range
from dialects.support.rescales import Line, Rescales
from dialects.support.tensors import IntArray, IntMatrix

if TYPE_CHECKING:
    from cam_compiler.importer.builder import Builder


class _Bend(NamedTuple):
    """straight(s) + factor * clamp(s), as two clamp-affine functions of which the first has no bounds."""

    straight: Piece
    factor: Fraction
    clamp: Piece


def bent_sum(builder: Builder, value: Activation, node: Node) -> Activation | None:
    """A function of a pending sum, one per channel, as a sum again; None for functions that aren't such."""
    chains = value.folded().before
    assert chains is not None
    bends = each(_bend_of, chains)
    if any(bend is None for bend in bends.flat):
        return None
    pieces = each(lambda bend: bend.clamp, bends)
    plain = replace(value, before=None, outer=identity_pieces(len(value.shape)))
    clamped = _clamped(builder, plain, pieces, node)
    if clamped is None:
        return None
    factors = each(lambda bend: bend.factor, bends)
    parts = replace(plain, outer=each(lambda bend: bend.straight, bends)), clamped.affine(factors, ZERO)
    offsets = each(Fraction.__add__, *(offsets_of(part) for part in parts))
    return total(plain, [term for part in parts for term in terms_of(part)], offsets, value.origin)


def _bend_of(chain: Chain) -> _Bend | None:
    before, rest = _folded(chain.stages)
    if not rest:
        return _Bend(Piece(ZERO), ONE, before)
    bent, (after, more) = rest[0], _folded(rest[1:])
    if not isinstance(bent, Bent) or more or before.clamps or after.clamps:
        return None
    (below, left), (above, right) = _folded(bent.below.stages), _folded(bent.above.stages)
    if left or right or below.clamps or above.clamps or below.offset or above.offset:
        return None
    # below * x for all x, and the rest of the slope above zero.
    straight = before.affine(below.slope * after.slope, after.offset)
    return _Bend(straight, (above.slope - below.slope) * after.slope, before.clamped(ZERO, None))


def _folded(stages: Sequence[Stage]) -> tuple[Piece, Sequence[Stage]]:
    """The clamp-affine functions that stages begin with, as one, and the others."""
    whole, count = IDENTITY, 0
    for stage in stages:
        if not isinstance(stage, Piece):
            break
        whole, count = whole.affine(stage.slope, stage.offset).clamped(stage.low, stage.high), count + 1
    return whole, stages[count:]


def _clamped(builder: Builder, value: Activation, pieces: ObjectArray, node: Node) -> Activation | None:
    """Clamp-affine functions of a sum."""
    found = [_reached(builder, value, pieces, end, node) for end in ("low", "high")]
    if None in found:
        return None
    low, high = (flag for flag in found if flag is not None)
    parts = replace(value, outer=each(lambda piece: Piece(piece.slope, piece.offset), pieces))
    within, terms = offsets_of(parts), list[Term]()
    for number, term in enumerate(terms_of(parts), start=1):
        terms.append(_masked(builder, term, low, high, replace(value.origin, hint=f"{value.origin.hint}_{number}")))
        # Masked integers begin with zero.
        within = each(lambda offset, slope, least: offset + slope * int(least), within, term.slopes, term.lows.min())
    least, most = (each(lambda piece, end=end: getattr(piece, end) or ZERO, pieces) for end in ("low", "high"))
    gains = each(Fraction.__sub__, within, least), each(Fraction.__sub__, most, within)
    offsets = least
    for flag, gain in zip((low, high), gains, strict=True):
        if flag.base is not None:
            terms.append(Term(flag.base, gain, flag.lows, flag.highs))
        offsets = each(lambda offset, one, by: offset + by * int(one), offsets, flag.always, gain)
    return total(value, terms, offsets, value.origin)


class _Flag(NamedTuple):
    """The integers of `base`, if there is one, plus those of `always`, one per channel: 0 or 1."""

    base: SSAValue | None
    lows: IntArray
    highs: IntArray
    always: IntArray


def _reached(builder: Builder, value: Activation, pieces: ObjectArray, end: str, node: Node) -> _Flag | None:
    """Do the functions reach one of their bounds? An absent lower one they always do, an upper one never.

    None where the sum can't be compared.
    """
    absent = Piece(ZERO, ONE if end == "low" else -ONE)
    bounds = each(lambda piece: getattr(piece, end), pieces)
    rank = len(value.shape)
    if all(bound is None for bound in bounds.flat):
        zeros = np.zeros((1,) * rank, dtype=np.int64)
        return _Flag(None, zeros, zeros, zeros + (end == "low"))
    inner = each(
        lambda bound, piece: absent if bound is None else Piece(piece.slope, piece.offset - bound), bounds, pieces
    )
    steps, origin = filled((1,) * rank, TableStep((ZERO,))), replace(value.origin, hint=f"{value.origin.hint}_{end}")
    pending = replace(value, inner=inner, steps=steps, outer=identity_pieces(rank), origin=origin)
    ready = builder.materialise(pending, node)
    if ready.terms or any(piece.slope != 1 or piece.offset.denominator != 1 for piece in ready.outer.flat):
        return None
    assert ready.lows is not None and ready.highs is not None
    return _Flag(ready.base, ready.lows, ready.highs, each(int, offsets_of(ready)).astype(np.int64))


def _masked(builder: Builder, term: Term, low: _Flag, high: _Flag, origin: Origin) -> Term:
    """The summand less its lowest integer where the sum is between both bounds, else 0."""
    least = int(term.lows.min())
    width = int(term.highs.max()) - least
    flags = [(flag.base, factor) for flag, factor in ((low, width + 1), (high, -width - 1)) if flag.base is not None]
    factors = IntMatrix.from_array(np.array([[1, *(factor for _, factor in flags)]]))
    raised = replace(origin, hint=f"{origin.hint}_raised")
    base = builder.combine([term.base, *(base for base, _ in flags)], factors, raised)
    addends = ((low.always - high.always - 1) * (width + 1) - least).reshape(-1).tolist()
    lines = tuple(Line(1, addend, 0, 0, width) for addend in addends)
    op = ternary.RescaleOp(base, Rescales(lines), Range(0, width), StringAttr(origin.layer))
    zeros = np.zeros((1,) * term.slopes.ndim, dtype=np.int64)
    return Term(builder.add(op, f"{origin.hint}_masked"), term.slopes, zeros, zeros + width)
