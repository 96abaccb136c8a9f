"""Tensors of images (channels, height, width) for convolution and pooling, and what padding means on their integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from cam_compiler.importer.context import Call
from cam_compiler.importer.exact import ZERO, ObjectArray
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation
from dialects import ternary
from dialects.tensors import IntArray
from dialects.window import Window


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

    return replace(
        value,
        base=call.builder.reshape(value.base, shape),
        shape=shape,
        outer=change(value.outer),
        lows=None if value.lows is None else change(value.lows),
        highs=None if value.highs is None else change(value.highs),
    )


def per_channel(node: Node, values: ObjectArray, channels: int) -> ObjectArray:
    """One entry a channel (channels,); raises ModelError where entries differ within a channel."""
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


def integer_of(slopes: ObjectArray, offsets: ObjectArray, target: Fraction = ZERO) -> int | None:
    """The one integer that stands for `target` in every channel; None where there is none."""
    found: set[Fraction] = set()
    for slope, offset in {(slope, offset) for slope, offset in zip(slopes.flat, offsets.flat, strict=True)}:
        if slope:
            found.add((target - offset) / slope)
        elif offset != target:
            return None
    if not found:
        return 0
    number = found.pop()
    return None if found or number.denominator != 1 else number.numerator


def unpadded(base: SSAValue, window: Window, pad: int) -> tuple[SSAValue, Window, int]:
    """Source, window and padding of an operator, where a Pad with the same integer before it becomes its own."""
    owner = base.owner
    if not (isinstance(owner, ternary.SumPoolOp) and replace(owner.window.data, pads=(0, 0, 0, 0)).pointwise):
        return base, window, pad
    if window.padded and owner.pad_value != pad:
        return base, window, pad
    top, left, bottom, right = (a + b for a, b in zip(owner.window.data.pads, window.pads, strict=True))
    return owner.input, replace(window, pads=(top, left, bottom, right)), owner.pad_value
