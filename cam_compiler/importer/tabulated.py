"""Tensors as the tables of thresholds see them, channel by channel, and what they are once a table is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, compact, filled
from cam_compiler.importer.arithmetic.thresholds import Levels, Reach
from cam_compiler.importer.values import Activation, identity_pieces
from dialects.support.tensors import Thresholds


def with_chain(value: Activation, channels: ObjectArray) -> ObjectArray:
    """The functions of the elements in a shape that holds what executors do differently, too."""
    constants = [item.shape for step in value.executed or () for item in step.constants]
    return np.broadcast_to(channels, np.broadcast_shapes(channels.shape, *constants))


def reaches_of(value: Activation, shape: tuple[int, ...]) -> list[Reach]:
    """The inputs that each of the channels of `shape` can meet."""
    if value.lows is None or value.highs is None:
        return [Reach(None, None)] * prod(shape)
    lows, highs = np.broadcast_to(value.lows, value.shape), np.broadcast_to(value.highs, value.shape)
    shared = tuple(axis for axis, size in enumerate(shape) if size == 1)
    lows, highs = lows.min(axis=shared, keepdims=True), highs.max(axis=shared, keepdims=True)
    return [Reach(int(low), int(high)) for low, high in zip(lows.flat, highs.flat, strict=True)]


def single_row(table: Thresholds) -> Thresholds:
    """One line for all channels where all are the same."""
    if table.channels == 1 or len(set(table.down)) > 1 or (table.array != table.array[0]).any():
        return table
    return type(table).from_array(table.array[:1], np.array(table.down[:1]))


def per_channel(values: list[Any], shape: tuple[int, ...]) -> ObjectArray:
    """An object for each channel, as an array that broadcasts to the tensor."""
    array = filled((len(values),), None)
    array[:] = values
    return array.reshape(shape)


def elided(value: Activation, levels: Sequence[Levels], shift: int, shape: tuple[int, ...]) -> Activation:
    """The tensor's own integers, which the table would only have shifted."""
    pieces = [Piece(level.piece.slope, level.piece.offset + level.piece.slope * shift) for level in levels]
    outer = compact(per_channel(pieces, shape))
    return replace(value, outer=outer, before=None, inner=None, steps=None, executed=None)


def tabulated(value: Activation, base: SSAValue, levels: Sequence[Levels], shape: tuple[int, ...]) -> Activation:
    """The tensor as the integers of `base`, which a table has made."""
    pieces = per_channel([level.piece for level in levels], shape)
    return replace(
        value,
        base=base,
        outer=compact(pieces) if len(levels) else identity_pieces(len(shape)),
        before=None,
        inner=None,
        steps=None,
        lows=np.array([level.low for level in levels], dtype=np.int64).reshape(shape),
        highs=np.array([level.high for level in levels], dtype=np.int64).reshape(shape),
        kind=None,
        executed=None,
    )
