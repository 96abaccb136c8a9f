"""Pooling of an image tensor on its integers: greatest elements, and sums whose division goes into the scale."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from cam_compiler.importer.arithmetic.exact import ZERO, ObjectArray, Piece, compact, each, filled
from cam_compiler.importer.builder import check_word
from cam_compiler.importer.context import Call
from cam_compiler.importer.images import channel_ranges, levelled, per_channel, with_integer_for
from cam_compiler.importer.linear import joined, offsets_of, part_hints, terms_of, total
from cam_compiler.importer.values import Activation, Origin, Term
from cam_compiler.importer.windows import FittedWindow
from dialects import ternary
from dialects.support.tensors import IntArray, IntMatrix


def max_pool(call: Call, value: Activation, fit: FittedWindow) -> Activation:
    """The greatest real number of each window; a clamp that waits for its quantiser still waits after it."""
    if int(fit.counts(include_pads=False).min()) < 1:
        raise call.node.error("a window lies wholly in the padding", hint="pads smaller than the kernel")
    image = _rising(call, value)
    if fit.window.pointwise:
        return image
    base = call.builder.add(ternary.MaxPoolOp(image.base, fit.window, call.node.name), call.node.name)
    lows, highs = channel_ranges(image)
    return replace(image, base=base, shape=(image.shape[0], *fit.positions), lows=lows, highs=highs)


def _rising(call: Call, value: Activation) -> Activation:
    """The tensor by integers that rise where its real numbers rise: negated in the channels where they fall."""
    per_channel(call.node, value.outer, value.shape[0])
    falls = each(lambda piece: piece.slope < 0, value.outer).astype(bool)
    if not falls.any():
        return value
    lows, highs = channel_ranges(value)
    signs = np.where(falls, -1, 1).reshape(-1, 1)
    matrix = IntMatrix.from_array(signs)
    base = call.builder.combine([value.base], matrix, Origin.of(call.node))
    outer = each(
        lambda piece, down: Piece(-piece.slope, piece.offset, piece.low, piece.high) if down else piece,
        value.outer,
        falls,
    )
    lows, highs = np.where(falls, -highs, lows), np.where(falls, -lows, highs)
    return replace(value, base=base, outer=outer, lows=lows, highs=highs)


def _sum_pool(call: Call, term: Term, fit: FittedWindow, pad: int, hint: str) -> Term:
    """Sums of the integers of each window, pads counted as `pad`."""
    window, layer, base = fit.window, call.node.name, term.base
    if not window.pointwise:
        check_word(ternary.range_of(base), call.node.place)
        base = call.builder.add(ternary.SumPoolOp(base, window, pad=pad, layer=layer), hint)
    axes = tuple(range(1, term.lows.ndim))
    lows, highs = term.lows.min(axis=axes, keepdims=True), term.highs.max(axis=axes, keepdims=True)
    if window.padded:
        lows, highs = np.minimum(lows, pad), np.maximum(highs, pad)
    return Term(base, term.slopes, lows * window.size, highs * window.size)


def _sum_pools(call: Call, image: Activation, fit: FittedWindow, pad: int) -> list[Term]:
    terms = terms_of(image)
    hints = part_hints(call.node.name, len(terms))
    return [_sum_pool(call, term, fit, pad, hint) for term, hint in zip(terms, hints, strict=True)]


def average(call: Call, value: Activation, fit: FittedWindow, include_pads: bool, mean: bool = True) -> Activation:
    """Averages, or sums, of the real numbers of each window of an image; pads are zeros where they count at all.

    Padding with the integer that stands for zero gives every position the same scale. Where there is none, or where
    pads don't count, scale and offset differ by position.
    """
    image = levelled(call, call.builder.linear(value, call.node))
    alike = all(size == 1 for size in image.outer.shape[1:])
    size, inside = fit.window.size, fit.counts(include_pads=False)
    divisor = fit.counts(include_pads) if mean else np.ones_like(inside)
    if int(divisor.min()) < 1:
        raise call.node.error("a window lies wholly in the padding", hint="pads smaller than the kernel")
    even = bool((divisor == divisor.flat[0]).all())
    pad, single = 0, alike and not image.terms and even and bool((inside != size).any())
    found = with_integer_for(call, image) if single else None
    if found is not None:
        (image, pad), inside = found, np.full_like(inside, size)
    if even and (inside == inside.flat[0]).all():
        inside, divisor = inside[:1, :1], divisor[:1, :1]
    elif even and not any(offsets_of(image).flat):
        inside, divisor = np.full_like(inside[:1, :1], size), divisor[:1, :1]
    sums = _sum_pools(call, image, fit, pad)
    terms = [replace(term, slopes=compact(_over(term.slopes, divisor))) for term in sums]
    offsets = _times_over(offsets_of(image), inside, divisor) if alike else _over(_offset_sums(image, fit), divisor)
    like = replace(image, shape=(image.shape[0], *fit.positions))
    return joined(call.builder, total(like, terms, offsets, Origin.of(call.node)), call.node)


def _offset_sums(image: Activation, fit: FittedWindow) -> ObjectArray:
    """The sums of each window's offsets (channels, height, width), which differ within a channel."""
    count = prod(image.shape)
    known = filled((count + 1,), ZERO)
    known[1:] = np.broadcast_to(offsets_of(image), image.shape).reshape(-1)
    rows = fit.window.gather(np.arange(1, count + 1).reshape(1, *image.shape), 0)
    sums = known[rows].reshape(len(rows), image.shape[0], -1).sum(axis=2)
    return sums.T.reshape(-1, *fit.positions)


def _over(values: ObjectArray, divisor: IntArray) -> ObjectArray:
    return each(lambda value, count: value * Fraction(1, int(count)), values, divisor[np.newaxis])


def _times_over(values: ObjectArray, count: IntArray, divisor: IntArray) -> ObjectArray:
    factors = each(lambda top, bottom: Fraction(int(top), int(bottom)), count, divisor)
    return each(lambda value, factor: value * factor, values, factors[np.newaxis])


def padded(call: Call, value: Activation, fit: FittedWindow, target: Fraction) -> Activation:
    """The image with a border that stands for the number `target`: sums of windows of one element.

    Where no integer stands for it, the border has integers 0, and an offset of its own.
    """
    image = call.builder.linear(value, call.node)
    found = None if image.terms else with_integer_for(call, image, target)
    shape, origin = (image.shape[0], *fit.positions), Origin.of(call.node)
    if found is not None:
        image, pad = found
        (sums,) = _sum_pools(call, image, fit, pad)
        return replace(image, base=sums.base, shape=shape, lows=sums.lows, highs=sums.highs, origin=origin)
    terms = _sum_pools(call, image, fit, 0)
    inside = fit.counts(include_pads=False)[np.newaxis].astype(bool)
    offsets = each(lambda within, own: own if within else target, inside, offsets_of(image))
    return total(replace(image, shape=shape), terms, offsets, origin)


def affine_only(call: Call, value: Activation) -> Activation:
    """The tensor as integers with scales, and nothing else pending."""
    return call.builder.linear(value, call.node)


def without_step(call: Call, value: Activation) -> Activation:
    """The tensor with its quantiser made; clamps and rising functions without a quantiser may still be pending."""
    rising = value.before is None or all(chain.monotone and not chain.falling for chain in value.before.flat)
    if value.steps is not None or not rising or value.kind is not None:
        return call.builder.materialise(value, call.node)
    return call.builder.summed(value, call.node) if value.terms else value
