"""Pooling of an image tensor on its integers: greatest elements, and sums whose division goes into the scale."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, compact, each
from cam_compiler.importer.builder import check_word
from cam_compiler.importer.context import Call
from cam_compiler.importer.images import channel_ranges, per_channel, with_integer_for
from cam_compiler.importer.values import Activation, Origin
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


def sum_pool(call: Call, image: Activation, fit: FittedWindow, pad: int) -> Activation:
    """Sums of the integers of each window, pads counted as `pad`; all have slope 1."""
    window, layer, base = fit.window, call.node.name, image.base
    if not window.pointwise:
        check_word(ternary.range_of(base), call.node.place)
        base = call.builder.add(ternary.SumPoolOp(base, window, pad=pad, layer=layer), layer)
    lows, highs = channel_ranges(image)
    if window.padded:
        lows, highs = np.minimum(lows, pad), np.maximum(highs, pad)
    return replace(
        image,
        base=base,
        shape=(image.shape[0], *fit.positions),
        outer=each(lambda _: Piece(), image.outer),
        origin=Origin.of(call.node),
        lows=lows * window.size,
        highs=highs * window.size,
    )


def average(call: Call, image: Activation, fit: FittedWindow, include_pads: bool, mean: bool = True) -> Activation:
    """Averages, or sums, of the real numbers of each window; pads are zeros where they count at all.

    Padding with the integer that stands for zero gives every position the same scale. Where there is none, or where
    pads don't count, scale and offset differ by position.
    """
    per_channel(call.node, image.outer, image.shape[0])
    size, inside = fit.window.size, fit.counts(include_pads=False)
    divisor = fit.counts(include_pads) if mean else np.ones_like(inside)
    if int(divisor.min()) < 1:
        raise call.node.error("a window lies wholly in the padding", hint="pads smaller than the kernel")
    even = bool((divisor == divisor.flat[0]).all())
    pad, found = 0, with_integer_for(call, image) if even and (inside != size).any() else None
    if found is not None:
        (image, pad), inside = found, np.full_like(inside, size)
    if even and (inside == inside.flat[0]).all():
        inside, divisor = inside[:1, :1], divisor[:1, :1]
    slopes, offsets = each(lambda piece: piece.slope, image.outer), each(lambda piece: piece.offset, image.outer)
    sums = sum_pool(call, image, fit, pad)
    outer = each(Piece, _over(slopes, divisor), _times_over(offsets, inside, divisor))
    return replace(sums, outer=compact(outer))


def _over(values: ObjectArray, divisor: IntArray) -> ObjectArray:
    return each(lambda value, count: value * Fraction(1, int(count)), values, divisor[np.newaxis])


def _times_over(values: ObjectArray, count: IntArray, divisor: IntArray) -> ObjectArray:
    factors = each(lambda top, bottom: Fraction(int(top), int(bottom)), count, divisor)
    return each(lambda value, factor: value * factor, values, factors[np.newaxis])


def padded(call: Call, image: Activation, fit: FittedWindow, target: Fraction) -> Activation:
    """The image with a border that stands for the number `target`: sums of windows of one element."""
    found = with_integer_for(call, image, target)
    if found is None:
        raise call.node.error(
            f"it pads with {float(target)}, and its input has no integer that stands for it",
            hint="a quantiser with an integer zero point for all channels",
        )
    image, pad = found
    return replace(sum_pool(call, image, fit, pad), outer=image.outer)


def affine_only(call: Call, value: Activation) -> Activation:
    """The tensor as integers with nothing pending."""
    return call.builder.materialise(value, call.node)


def without_step(call: Call, value: Activation) -> Activation:
    """The tensor with its quantiser made; clamps and rising functions without a quantiser may still be pending."""
    rising = value.before is None or all(chain.monotone and not chain.falling for chain in value.before.flat)
    if value.steps is not None or not rising or value.kind is not None:
        return call.builder.materialise(value, call.node)
    return call.builder.summed(value, call.node) if value.terms else value
