"""Tensors of images (channels, height, width) for convolution and pooling, and what padding means on their integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ZERO, ObjectArray, Piece, each, filled
from cam_compiler.importer.arithmetic.multipliers import exact_multipliers
from cam_compiler.importer.context import Call
from cam_compiler.importer.layouts import changed
from cam_compiler.importer.linear import offsets_of as all_offsets
from cam_compiler.importer.linear import terms_of, total
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, Origin, Term
from dialects.support.tensors import IntArray, IntMatrix

MAX_REFINEMENT = 16
"""How much finer integers may get so that one of them stands for the padding."""


MAX_FACTOR = 1 << 10
"""Of integers of positions that get the scale of their channel."""


def rank_of(call: Call, value: Activation) -> int:
    """Spatial dimensions of a sample: 1 or 2; raises ModelError for others."""
    if len(value.shape) not in (2, 3):
        shown = ", ".join(["batch", *map(str, value.shape)])
        raise call.node.error(
            f"its input is ({shown})",
            hint="images (batch, channels, height, width) or sequences (batch, channels, length)",
        )
    return len(value.shape) - 1


def as_image(call: Call, value: Activation) -> Activation:
    """A sequence (channels, length) as an image (channels, length, 1); an image as it is."""
    return value if rank_of(call, value) == 2 else _reranked(call, value, (*value.shape, 1))


def as_sequence(call: Call, value: Activation) -> Activation:
    """An image of width 1 as a sequence."""
    return _reranked(call, value, value.shape[:2])


def _reranked(call: Call, value: Activation, shape: tuple[int, ...]) -> Activation:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        return array[..., np.newaxis] if len(shape) == 3 else array[..., 0]

    return changed(value, shape, lambda base: call.builder.reshape(base, shape), change)


def per_channel(node: Node, values: ObjectArray, channels: int) -> ObjectArray:
    """One entry per channel (channels,); raises ModelError where entries differ within a channel."""
    if any(size != 1 for size in values.shape[1:]):
        raise node.error(
            "its input has scales or offsets that differ within a channel", hint="a quantiser between the two operators"
        )
    return np.broadcast_to(values.reshape(-1), (channels,))


def channel_ranges(value: Activation) -> tuple[IntArray, IntArray]:
    """Lowest and highest integer of each channel (channels, 1, 1) of an image."""
    assert value.lows is not None and value.highs is not None
    axes = tuple(range(1, len(value.shape)))
    lows = value.lows.min(axis=axes, keepdims=True)
    highs = value.highs.max(axis=axes, keepdims=True)
    shape = (value.shape[0], *[1] * len(axes))
    return np.broadcast_to(lows, shape), np.broadcast_to(highs, shape)


def levelled(call: Call, image: Activation) -> Activation:
    """The image with one scale per channel: integers of positions with greater ones are multiplied."""
    if all(size == 1 for term in terms_of(image) for size in term.slopes.shape[1:]):
        return image
    builder, terms, shape = call.builder, list[Term](), image.shape
    origin = Origin(call.node.name, f"{call.node.name}_levelled")
    for term in terms_of(image):
        slopes = np.broadcast_to(term.slopes, shape).reshape(shape[0], -1)
        found = [exact_multipliers(list(row)) for row in slopes]
        factors = np.array([own for own, _ in found])
        if np.abs(factors).max() > MAX_FACTOR:
            raise call.node.error(
                "its input has scales that differ within a channel", hint="a quantiser between the two operators"
            )
        flat = builder.reshape(term.base, (prod(shape),))
        base = builder.combine([flat], IntMatrix.from_array(factors.reshape(-1, 1)), origin)
        ends = [np.broadcast_to(part, shape) * factors.reshape(shape) for part in (term.lows, term.highs)]
        units = filled((shape[0], 1, 1), ZERO)
        units[:, 0, 0] = [unit for _, unit in found]
        terms.append(Term(builder.reshape(base, shape), units, np.minimum(*ends), np.maximum(*ends)))
    return total(image, terms, all_offsets(image), image.origin)


def _number_of(slopes: ObjectArray, offsets: ObjectArray, target: Fraction) -> Fraction | None:
    """What the integers would have to be to stand for `target` in every channel; None where that differs."""
    found: set[Fraction] = set()
    for slope, offset in {(slope, offset) for slope, offset in zip(slopes.flat, offsets.flat, strict=True)}:
        if slope:
            found.add((target - offset) / slope)
        elif offset != target:
            return None
    if not found:
        return ZERO
    number = found.pop()
    return None if found else number


def with_integer_for(call: Call, image: Activation, target: Fraction = ZERO) -> tuple[Activation, int] | None:
    """The image with the integer that stands for `target`; None where there is none.

    Where it would be a half or the like, as zero between the -1 and 1 of BipolarQuant, the integers get finer.
    """
    slopes, offsets = slopes_of(call.node, image), offsets_of(call.node, image)
    number = _number_of(slopes, offsets, target)
    if number is None or number.denominator > MAX_REFINEMENT:
        return None
    factor = number.denominator
    if factor == 1:
        return image, number.numerator
    base = call.builder.combine([image.base], IntMatrix.from_array(np.array([[factor]])), Origin.of(call.node))
    assert image.lows is not None and image.highs is not None
    outer = each(lambda piece: Piece(piece.slope / factor, piece.offset), image.outer)
    finer = replace(image, base=base, outer=outer, lows=image.lows * factor, highs=image.highs * factor)
    return finer, number.numerator


def slopes_of(node: Node, image: Activation) -> ObjectArray:
    """What a step of each channel's integers stands for (channels,)."""
    return per_channel(node, each(lambda piece: piece.slope, image.outer), image.shape[0])


def offsets_of(node: Node, image: Activation) -> ObjectArray:
    """What the integer 0 stands for in each channel (channels,)."""
    return per_channel(node, each(lambda piece: piece.offset, image.outer), image.shape[0])
