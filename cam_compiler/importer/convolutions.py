"""Convolution of a tensor with constant weights; products at every position of an image are a special case."""

from __future__ import annotations

import numpy as np

from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, compact, each
from cam_compiler.importer.arithmetic.weights import Weights, weights_of
from cam_compiler.importer.builder import checked_ranges, constant_part
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call
from cam_compiler.importer.images import (
    as_image,
    as_sequence,
    offsets_of,
    rank_of,
    slopes_of,
    with_integer_for,
)
from cam_compiler.importer.values import Activation, Origin
from cam_compiler.importer.windows import FittedWindow, fitted
from dialects import ternary
from dialects.support.tensors import IntMatrix
from dialects.ternary.spatial import window_range


def _kernels(call: Call, weights: Constant, rank: int) -> Constant:
    """Weights (outputs, channels, height, width); of a sequence, width 1."""
    if weights.raw.ndim != rank + 2 or 0 in weights.shape:
        raise call.node.error(
            f"its weights have shape {weights.shape}, its input {rank} spatial dimensions",
            hint="weights (outputs, channels a group, kernel dimensions)",
        )
    stated = call.node.integers("kernel_shape")
    if stated is not None and tuple(stated) != weights.shape[2:]:
        raise call.node.error(f"its kernel_shape is {stated}, its weights have shape {weights.shape}")
    return weights if rank == 2 else weights.restructured(lambda array: array[..., np.newaxis])


def _matrix(weights: Constant) -> Constant:
    """Weights (inputs, outputs) as products take them, the inputs in the order of a window."""
    outputs = weights.shape[0]
    scale = weights.scale
    if scale is not None and any(size != 1 for size in scale.shape[1:]):
        return weights.restructured(lambda array: array.reshape(outputs, -1).T)
    row = None if scale is None else scale.reshape(1, -1)
    return Constant(weights.raw.reshape(outputs, -1).T, weights.elem_type, row)


def _columns(matrix: Constant, part: slice) -> Constant:
    """Some of the outputs."""
    scale = matrix.scale
    if scale is not None and scale.shape[1] > 1:
        scale = scale[:, part]
    return Constant(matrix.raw[:, part], matrix.elem_type, scale)


def _weighted(
    call: Call, matrix: Constant, slopes: ObjectArray, offsets: ObjectArray, groups: int
) -> tuple[Weights, ObjectArray]:
    """Integer weights with their scales, and the constant of each output; slopes and offsets are the channels'."""
    node, outputs = call.node, matrix.shape[1]
    channels = len(slopes) // groups
    window = matrix.shape[0] // channels
    uniform = len(set(slopes)) == 1 and len(set(offsets)) == 1
    tables: list[Weights] = []
    constants: list[ObjectArray] = []
    for group in range(1 if uniform else groups):
        part = slice(None) if uniform else slice(group * (outputs // groups), (group + 1) * (outputs // groups))
        mine = slice(group * channels, (group + 1) * channels)
        gains, shifts = np.repeat(slopes[mine], window), np.repeat(offsets[mine], window)
        chosen = _columns(matrix, part)
        tables.append(weights_of(node, chosen, gains))
        constants.append(constant_part(node, chosen, tables[-1], gains, shifts))
    whole = Weights(
        np.concatenate([table.integers for table in tables]), np.concatenate([table.scales for table in tables])
    )
    return whole, np.concatenate(constants)


def _groups(call: Call, channels: int, weights: Constant) -> int:
    groups = call.node.integer("group", 1)
    if groups < 1 or channels % groups or weights.shape[0] % groups or weights.shape[1] * groups != channels:
        raise call.node.error(
            f"its weights have shape {weights.shape}, its input {channels} channels in {groups} groups"
        )
    return groups


def convolve(call: Call, value: Activation, constant: Constant) -> Activation:
    """The convolution of a tensor with constant weights (outputs, channels a group, kernel dimensions)."""
    rank = rank_of(call, value)
    weights = _kernels(call, constant, rank)
    image = as_image(call, call.builder.materialise(value, call.node))
    groups = _groups(call, image.shape[0], weights)
    fit = fitted(call.node, (image.shape[1], image.shape[2]), (weights.shape[2], weights.shape[3]), rank)
    image, pad = _padded(call, image, fit)
    slopes, offsets = slopes_of(call.node, image), offsets_of(call.node, image)
    table, constants = _weighted(call, _matrix(weights), slopes, offsets, groups)
    result = _emit(call, image, fit, table, constants, groups, pad)
    return (result if rank == 2 else as_sequence(call, result)).typed(value.elem_type)


def _padded(call: Call, image: Activation, fit: FittedWindow) -> tuple[Activation, int]:
    """The image with the integer that stands for the zeros around it."""
    found = with_integer_for(call, image) if fit.window.padded else (image, 0)
    if found is None:
        raise call.node.error(
            "it pads with zeros, and its input has no integer that stands for zero",
            hint="a quantiser with an integer zero point for all channels, or no padding",
        )
    return found


def _emit(
    call: Call, image: Activation, fit: FittedWindow, table: Weights, constants: ObjectArray, groups: int, pad: int
) -> Activation:
    node, builder = call.node, call.builder
    window, matrix = fit.window, IntMatrix.from_array(table.integers)
    lows, highs = checked_ranges(node, matrix, window_range(ternary.range_of(image.base), window, pad))
    op = ternary.ConvOp(image.base, matrix, window, groups=groups, pad=pad, layer=node.name)
    base = builder.add(op, node.name)
    outer = compact(each(Piece, table.scales, constants).reshape(-1, 1, 1))
    shape = (matrix.rows, *fit.positions)
    return Activation(base, shape, outer, Origin.of(node), lows=lows.reshape(-1, 1, 1), highs=highs.reshape(-1, 1, 1))
