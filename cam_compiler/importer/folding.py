"""Operators on nothing but constants: those that only move values keep quantised weights as integers with a scale.

The weights of a network may be quantised and then split, padded, repeated or joined before a product reads them. What
is computed with real numbers is in `constants`; what remains goes to the reference evaluator of onnx.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ONE, each, filled
from cam_compiler.importer.constants import (
    Constant,
    arithmetic,
    axes_of,
    cast,
    evaluate,
    exact_constant,
    unspread,
)
from cam_compiler.importer.model import Node


def _slice(node: Node, data: Constant, inputs: list[Constant | None]) -> Constant:
    rank = data.raw.ndim
    if len(inputs) > 1:
        parts = [None if item is None else item.integers(node) for item in inputs[1:]]
        starts, ends, axes, steps = [*parts, None, None, None, None][:4]
    else:
        starts, ends, axes, steps = node.integers("starts"), node.integers("ends"), node.integers("axes"), None
    if starts is None or ends is None:
        raise node.error("it has no starts or ends")
    index = [slice(None)] * rank
    for axis, start, end, step in zip(
        axes or range(len(starts)), starts, ends, steps or [1] * len(starts), strict=True
    ):
        # An end beyond the start of the tensor, going down, has no other way to be written in Python.
        index[axis] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    return data.restructured(lambda array: array[tuple(index)])


def _reshape(node: Node, data: Constant, target: list[int]) -> Constant:
    keep = node.integer("allowzero", 0) == 0
    shape = [data.shape[i] if size == 0 and keep and i < len(data.shape) else size for i, size in enumerate(target)]
    return data.restructured(lambda array: array.reshape(shape))


def _squeeze(data: Constant, axes: list[int] | None) -> Constant:
    return data.restructured(lambda array: np.squeeze(array, None if axes is None else tuple(axes)))


def _gather(node: Node, data: Constant, indices: Constant) -> Constant:
    where = np.array(indices.integers(node), dtype=np.int64).reshape(indices.shape)
    return data.restructured(lambda array: np.asarray(np.take(array, where, axis=node.integer("axis", 0))))


def _whole(part: Constant) -> bool:
    """Are its numbers integers with a scale apart, or without one?"""
    return part.raw.dtype.kind in "biu"


def _concat(node: Node, parts: list[Constant]) -> Constant:
    axis, elem_type = node.integer("axis", 0), parts[0].elem_type
    if any(part.rounded is not None for part in parts):
        exact = _concat(node, [replace(part, rounded=None) for part in parts])
        return replace(exact, rounded=np.concatenate([part.held(node) for part in parts], axis=axis))
    if all(part.scale is None for part in parts):
        arrays = [part.raw.astype(object) if part.integral else part.raw for part in parts]
        return Constant(np.concatenate(arrays, axis=axis), elem_type)
    if not all(map(_whole, parts)):
        return exact_constant(np.concatenate([part.exact(node) for part in parts], axis=axis), elem_type)
    # Equal scales are one object, so that `unspread` finds them again.
    known: dict[Fraction, Fraction] = {}
    scales = [filled((1,) * part.raw.ndim, ONE) if part.scale is None else part.scale for part in parts]
    shared = [each(lambda factor: known.setdefault(factor, factor), scale) for scale in scales]
    spread = [np.broadcast_to(scale, part.shape) for scale, part in zip(shared, parts, strict=True)]
    raw = np.concatenate([part.raw.astype(np.int64) for part in parts], axis=axis)
    return Constant(raw, elem_type, unspread(np.concatenate(spread, axis=axis)))


def _split(node: Node, data: Constant, sizes: list[int] | None) -> list[Constant]:
    axis, count = node.integer("axis", 0), len(node.outputs)
    extent = data.shape[axis]
    if sizes is None:
        size = -(-extent // count)
        sizes = [size] * (count - 1) + [extent - size * (count - 1)]
    if len(sizes) != count or sum(sizes) != extent or min(sizes) < 0:
        raise node.error(f"it cuts {extent} elements into {sizes}")
    starts = accumulate(sizes, initial=0)
    parts = [range(start, start + size) for start, size in zip(starts, sizes, strict=False)]
    return [data.restructured(lambda array, part=part: array.take(part, axis=axis)) for part in parts]


def _padded(node: Node, data: Constant, inputs: list[Constant | None]) -> Constant | None:
    """With zeros around it; None for other ways to pad."""
    pads, value, axes = [*inputs[1:], None, None, None][:3]
    given = pads.integers(node) if pads is not None else node.integers("pads") or []
    zero = node.real("value", 0.0) == 0 if value is None else not value.exact(node).any()
    rank = data.raw.ndim
    if node.text("mode", "constant") != "constant" or not zero or axes is not None or len(given) != 2 * rank:
        return None
    wanted = [
        range(-before, size + after) for before, size, after in zip(given, data.shape, given[rank:], strict=False)
    ]

    def moved(array: NDArray[Any]) -> NDArray[Any]:
        for axis, indices in enumerate(wanted):
            array = array.take(np.clip(indices, 0, data.shape[axis] - 1), axis=axis)
        return array

    inside = [[0 <= index < size for index in indices] for indices, size in zip(wanted, data.shape, strict=True)]
    result = data.restructured(moved)
    kept = np.stack(np.meshgrid(*inside, indexing="ij")).all(axis=0)
    rounded = None if result.rounded is None else np.where(kept, result.rounded, 0).astype(result.rounded.dtype)
    return replace(result, raw=np.where(kept, result.raw, 0).astype(data.raw.dtype), rounded=rounded)


def _repeated(node: Node, data: Constant, second: Constant) -> Constant:
    sizes = second.integers(node)
    if node.op == "Tile":
        return data.restructured(lambda array: np.tile(array, sizes))
    return data.restructured(lambda array: np.broadcast_to(array, np.broadcast_shapes(array.shape, tuple(sizes))))


def _chosen(condition: Constant, first: Constant, second: Constant) -> Constant | None:
    """Where, of quantised tensors; None for others."""
    if first.scale is None or second.scale is None or not (_whole(first) and _whole(second)):
        return None
    raw = np.where(condition.raw, first.raw, second.raw)
    scale = np.where(np.broadcast_to(condition.raw, raw.shape), first.scale, second.scale)
    return Constant(raw, first.elem_type, unspread(scale))


def structural(node: Node, inputs: list[Constant | None]) -> Constant | None:
    """The result of an operator that only moves values; None where it is not one of those."""
    data = inputs[0] if inputs else None
    if data is None:
        return None
    second = inputs[1] if len(inputs) > 1 else None
    match node.op:
        case "Identity" | "Dropout":
            return data
        case "Cast":
            return cast(node, data)
        case "Transpose":
            perm = node.integers("perm")
            return data.restructured(lambda array: np.transpose(array, perm))
        case "Reshape":
            target = second.integers(node) if second is not None else node.integers("shape")
            return _reshape(node, data, target or [])
        case "Flatten":
            axis = node.integer("axis", 1)
            rows = int(np.prod(data.shape[: axis if axis >= 0 else len(data.shape) + axis], dtype=np.int64))
            return data.restructured(lambda array: array.reshape(rows, -1))
        case "Squeeze":
            return _squeeze(data, axes_of(node, second))
        case "Unsqueeze":
            axes = axes_of(node, second) or [0]
            return data.restructured(lambda array: np.expand_dims(array, tuple(axes)))
        case "Gather" if second is not None:
            return _gather(node, data, second)
        case "Slice":
            return _slice(node, data, inputs)
        case "Pad":
            return _padded(node, data, inputs)
        case "Tile" | "Expand" if second is not None:
            return _repeated(node, data, second)
        case "Where" if second is not None and inputs[2] is not None:
            return _chosen(data, second, inputs[2])
        case "Concat":
            return _concat(node, [part for part in inputs if part is not None])
        case _:
            return None


def fold(node: Node, opset: int, inputs: list[Constant | None]) -> list[Constant]:
    """The results of an operator of the standard domain on constants; raises ModelError where there are none."""
    if node.op.startswith("Random") or node.op in ("Bernoulli", "Multinomial"):
        raise node.error("random numbers are not supported")
    if node.op == "Split" and inputs[0] is not None:
        given = inputs[1] if len(inputs) > 1 else None
        return _split(node, inputs[0], given.integers(node) if given is not None else node.integers("split"))
    moved = structural(node, inputs)
    if moved is not None:
        return [moved]
    present = [item for item in inputs if item is not None]
    if not all(item.integral for item in present) and len(present) == len(inputs):
        result = arithmetic(node, present)
        if result is not None:
            return [result]
    if node.op == "Mul" and [item.symbolic for item in present] in ([True, False], [False, True]):
        first, second = (item.raw if item.symbolic else each(int, item.exact(node)) for item in present)
        # numpy gives the entry itself where both are scalars.
        return [Constant(np.asarray(first * second, dtype=object), present[0].elem_type)]
    if any(item.symbolic for item in present):
        raise node.error("the batch size can't be calculated with")
    return evaluate(node, opset, inputs)
