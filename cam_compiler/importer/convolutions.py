"""Convolution of a tensor with constant weights; products at every position of an image are a special case."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import lcm

import numpy as np

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, each, filled
from cam_compiler.importer.arithmetic.weights import Weights, constant_part, weights_of
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call
from cam_compiler.importer.images import MAX_REFINEMENT, as_image, as_sequence, levelled, per_channel, rank_of
from cam_compiler.importer.linear import joined, offsets_of, part_hints, terms_of, total
from cam_compiler.importer.products import checked_ranges
from cam_compiler.importer.values import Activation, Origin, Term
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


def _weighted(call: Call, matrix: Constant, slopes: ObjectArray, groups: int) -> list[Weights]:
    """Integer weights with their scales, as summands; `slopes` are those of the channels."""
    outputs, channels = matrix.shape[1], len(slopes) // groups
    window = matrix.shape[0] // channels
    count = 1 if len(set(slopes)) == 1 else groups
    tables: list[list[Weights]] = []
    for group in range(count):
        part = slice(group * (outputs // count), (group + 1) * (outputs // count))
        gains = np.repeat(slopes[group * channels : (group + 1) * channels], window)
        tables.append(weights_of(call.node, _columns(matrix, part), gains))
    longest = max(map(len, tables))
    padded = [[*own, *[_none(own[0])] * (longest - len(own))] for own in tables]
    return [
        Weights(np.concatenate([own.integers for own in rows]), np.concatenate([own.scales for own in rows]))
        for rows in zip(*padded, strict=True)
    ]


def _none(like: Weights) -> Weights:
    return Weights(np.zeros_like(like.integers), each(lambda _: ONE, like.scales))


def _constants(
    call: Call, matrix: Constant, offsets: ObjectArray, groups: int, fit: FittedWindow, *, bordered: bool
) -> ObjectArray:
    """What the offsets of an image (channels, height, width) add to each output, (outputs, 1, 1).

    By position, (outputs, height, width), where they differ within a channel or are zero around the image, `bordered`.
    """
    if not bordered and all(size == 1 for size in offsets.shape[1:]):
        windows = np.repeat(offsets.reshape(-1), fit.window.size)
        return _products(call, matrix, windows, groups).reshape(-1, 1, 1)
    numbers: dict[Fraction, int] = {ZERO: 0}
    coded = each(lambda offset: numbers.setdefault(offset, len(numbers)), offsets).astype(np.int64)
    rows = fit.window.gather(np.broadcast_to(coded, (offsets.shape[0], *fit.size))[np.newaxis], 0)
    patterns, which = np.unique(rows, axis=0, return_inverse=True)
    known = filled((len(numbers),), ZERO)
    known[:] = list(numbers)
    table = filled((len(patterns), matrix.shape[1]), ZERO)
    for row, pattern in enumerate(patterns):
        table[row] = _products(call, matrix, known[pattern], groups)
    return table[which.reshape(-1)].T.reshape(-1, *fit.positions)


def _products(call: Call, matrix: Constant, shifts: ObjectArray, groups: int) -> ObjectArray:
    """The product of one window's offsets and the weights."""
    outputs, inputs = matrix.shape[1], len(shifts) // groups
    found: list[ObjectArray] = []
    for group in range(groups):
        part = slice(group * (outputs // groups), (group + 1) * (outputs // groups))
        own = shifts[group * inputs : (group + 1) * inputs]
        found.append(constant_part(call.node, _columns(matrix, part), own))
    return np.concatenate(found)


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
    image = as_image(call, call.builder.linear(value, call.node))
    groups = _groups(call, image.shape[0], weights)
    fit = fitted(call.node, (image.shape[1], image.shape[2]), (weights.shape[2], weights.shape[3]), rank)
    image, matrix = levelled(call, image), _matrix(weights)
    offsets = np.broadcast_to(offsets_of(image), (image.shape[0], *offsets_of(image).shape[1:]))
    summands, bordered = _padded(call, image, offsets) if fit.window.padded else (_unpadded(image), False)
    products = [
        (summand, table, pad)
        for summand, pad in summands
        for table in _weighted(call, matrix, per_channel(call.node, summand.slopes, image.shape[0]), groups)
    ]
    hints = part_hints(call.node.name, len(products))
    terms = [
        _emit(call, summand, fit, table, groups, pad, hint)
        for (summand, table, pad), hint in zip(products, hints, strict=True)
    ]
    constants = _constants(call, matrix, offsets, groups, fit, bordered=bordered)
    like = replace(image, shape=(weights.shape[0], *fit.positions))
    result = joined(call.builder, total(like, terms, constants, Origin.of(call.node)), call.node)
    return (result if rank == 2 else as_sequence(call, result)).typed(value.elem_type)


def _unpadded(image: Activation) -> list[tuple[Term, int]]:
    return [(term, 0) for term in terms_of(image)]


def _padded(call: Call, image: Activation, offsets: ObjectArray) -> tuple[list[tuple[Term, int]], bool]:
    """The image's summands with the integers that surround them, so that the image is surrounded by zeros.

    Channels whose zeros are other integers are apart. True where there is none such: the summands are surrounded by
    zeros of their own, and what the offsets add differs at the borders.
    """
    terms = terms_of(image)
    if not any(offsets.flat):
        return [(term, 0) for term in terms], False
    if len(terms) > 1 or any(size != 1 for size in offsets.shape[1:]):
        return [(term, 0) for term in terms], True
    term = next(iter(terms))
    slopes, offsets = per_channel(call.node, term.slopes, image.shape[0]), offsets.reshape(-1)
    live = next((-offset / slope for slope, offset in zip(slopes, offsets, strict=True) if slope), ZERO)
    zeros = [-offset / slope if slope else live for slope, offset in zip(slopes, offsets, strict=True)]
    finer = lcm(*(zero.denominator for zero in zeros))
    dead = any(offset and not slope for slope, offset in zip(slopes, offsets, strict=True))
    if dead or finer > MAX_REFINEMENT:
        return [(term, 0)], True
    if finer > 1:
        base = call.builder.combine([term.base], IntMatrix.from_array(np.array([[finer]])), Origin.of(call.node))
        term = Term(base, each(lambda slope: slope / finer, term.slopes), term.lows * finer, term.highs * finer)
    numbers = [int(zero * finer) for zero in zeros]
    return [(_of_zero(term, numbers, number), number) for number in dict.fromkeys(numbers)], False


def _of_zero(term: Term, numbers: list[int], number: int) -> Term:
    """The channels whose zero is that integer; the scales of the others are zero."""
    if len(set(numbers)) == 1:
        return term
    mine = np.array([own == number for own in numbers]).reshape(-1, *[1] * (term.slopes.ndim - 1))
    return replace(term, slopes=each(lambda own, slope: slope if own else ZERO, mine, term.slopes))


def _emit(call: Call, image: Term, fit: FittedWindow, table: Weights, groups: int, pad: int, hint: str) -> Term:
    node, builder = call.node, call.builder
    window, matrix = fit.window, IntMatrix.from_array(table.integers)
    lows, highs = checked_ranges(node, matrix, window_range(ternary.range_of(image.base), window, pad))
    base = builder.add(ternary.ConvOp(image.base, matrix, window, groups=groups, pad=pad, layer=node.name), hint)
    return Term(base, table.scales.reshape(-1, 1, 1), lows.reshape(-1, 1, 1), highs.reshape(-1, 1, 1))
