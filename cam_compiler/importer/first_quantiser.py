"""The network's first quantiser, which rounds what the input is, before functions that read its result.

It rounds by float arithmetic, or a float input, which has too many numbers for a table; what follows is exact and has
few integers to meet. All functions of the same quantiser start from the same integers, whatever scales and clamps lie
between, so that x and Relu(x), or x and -x, meet again as functions of one tensor (same_source.py).
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

from cam_compiler.importer.arithmetic.exact import Piece, each
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep, Step
from cam_compiler.importer.builder import Builder
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, identity_pieces


def after_input(builder: Builder, value: Activation, node: Node) -> Activation:
    """The tensor as a function of the first quantiser's integers, where a pending step of it is that quantiser."""
    if value.steps is None or not (value.executed or value.kind is not None):
        return value
    clamps = any(piece.clamps for piece in value.outer.flat)
    steps = each(_bounded, value.steps, value.outer) if clamps else value.steps
    key = (value.base, value.shape, id(value.before), id(value.inner), id(value.executed), tuple(steps.flat))
    if key not in builder.firsts:
        rounded = replace(value, steps=steps, outer=identity_pieces(len(value.shape)))
        builder.firsts[key] = (value, builder.materialise(rounded, node))
    ready = builder.firsts[key][1]
    outer = each(_then, ready.outer, value.outer)
    return replace(ready, outer=outer, elem_type=value.elem_type, origin=value.origin)


def _then(own: Piece, then: Piece) -> Piece:
    return own.affine(then.slope, then.offset).clamped(then.low, then.high)


def _bounded(step: Step, outer: Piece) -> Step:
    """A step without bounds of its own, as far as a clamp after it tells its integers apart: Round and Clip."""
    if not isinstance(step, RoundStep) or step.rounding is Rounding.SIGN or not outer.slope:
        return step
    low, high = (None if end is None else (end - outer.offset) / outer.slope for end in (outer.low, outer.high))
    low, high = (high, low) if outer.slope < 0 else (low, high)
    first = floor(low) if step.low is None and low is not None else step.low
    last = ceil(high) if step.high is None and high is not None else step.high
    if first is not None and last is not None and first > last:
        # Nothing but one end of the clamp is left.
        first, last = (first, first) if step.high is None else (last, last)
    return replace(step, low=first, high=last)
