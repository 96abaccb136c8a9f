"""Operators that change shapes: the batch stays first and the order of values in a sample stays."""

from __future__ import annotations

from math import prod

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.constants import BATCH, Constant, axes_of
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.nodes_product import reshaped
from cam_compiler.importer.values import Activation, Value
from dialects.errors import ModelError


@handles("Shape")
def shape(call: Call) -> Value:
    value = call.activation()
    sizes = np.array([BATCH, *value.shape], dtype=object)
    start, end = call.node.integer("start", 0), call.node.attributes.get("end")
    return Constant(sizes[start : end if isinstance(end, int) else None], TensorProto.INT64)


@handles("Size")
def size(call: Call) -> Value:
    raise call.node.error("the number of values depends on the batch size")


def _moved_batch(call: Call, value: Activation, target: object) -> ModelError:
    shown = ", ".join(["batch", *map(str, value.shape)])
    return call.node.error(
        f"it turns ({shown}) into {target}", hint="the batch stays the first dimension, all else its order"
    )


def _entries(call: Call) -> list[object]:
    """The target shape of a Reshape: integers and BATCH."""
    constant = call.optional(1, "shape")
    if constant is None:
        return list(call.node.integers("shape") or [])
    if constant.symbolic:
        return list(constant.raw.reshape(-1))
    return list(constant.integers(call.node))


@handles("Reshape")
def reshape(call: Call) -> Value:
    value, entries = call.activation(), _entries(call)
    keep = call.node.integer("allowzero", 0) == 0
    if not entries:
        raise _moved_batch(call, value, entries)
    first, rest = entries[0], entries[1:]
    sizes: list[int] = []
    for index, entry in enumerate(rest):
        if not isinstance(entry, int):
            raise _moved_batch(call, value, entries)
        copied = entry == 0 and keep and index < len(value.shape)
        sizes.append(value.shape[index] if copied else entry)
    known = prod(entry for entry in sizes if entry != -1)
    batch = first is BATCH or first in (0, -1) or first in call.context.batches
    if sizes.count(-1) == 1 and first != -1 and known and prod(value.shape) % known == 0:
        sizes[sizes.index(-1)] = prod(value.shape) // known
    if not batch or -1 in sizes or prod(sizes) != prod(value.shape):
        raise _moved_batch(call, value, entries)
    return reshaped(call, value, tuple(sizes))


@handles("Flatten")
def flatten(call: Call) -> Value:
    value, axis = call.activation(), call.node.integer("axis", 1)
    rank = len(value.shape) + 1
    axis = axis + rank if axis < 0 else axis
    if not 1 <= axis <= rank or prod(value.shape[: axis - 1]) != 1:
        raise _moved_batch(call, value, f"a matrix at axis {axis}")
    return reshaped(call, value, (prod(value.shape),))


def _axes(call: Call, rank: int) -> list[int] | None:
    """The operator's axes in a tensor of `rank` dimensions, from the front."""
    axes = axes_of(call.node, call.optional(1, "axes"))
    if axes is None:
        return None
    if any(not -rank <= axis < rank for axis in axes):
        raise call.node.error(f"axes {axes} are outside a tensor of {rank} dimensions")
    return sorted(axis % rank for axis in axes)


@handles("Squeeze")
def squeeze(call: Call) -> Value:
    value = call.activation()
    axes = _axes(call, len(value.shape) + 1)
    if axes is None:
        axes = [index + 1 for index, extent in enumerate(value.shape) if extent == 1]
    if any(axis == 0 or value.shape[axis - 1] != 1 for axis in axes):
        raise _moved_batch(call, value, f"one without axes {axes}")
    return reshaped(call, value, tuple(size for index, size in enumerate(value.shape) if index + 1 not in axes))


@handles("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    value = call.activation()
    given = axes_of(call.node, call.optional(1, "axes")) or []
    axes = _axes(call, len(value.shape) + 1 + len(given)) or []
    if 0 in axes:
        raise _moved_batch(call, value, "one with a dimension before the batch")
    full: list[int] = list(value.shape)
    for axis in axes:
        full.insert(axis - 1, 1)
    return reshaped(call, value, tuple(full))


@handles("Transpose")
def transpose(call: Call) -> Value:
    """Only of dimensions of size one: the order of values stays."""
    value = call.activation()
    rank = len(value.shape) + 1
    perm = call.node.integers("perm") or list(range(rank))[::-1]
    if sorted(perm) != list(range(rank)):
        raise call.node.error(f"its permutation {perm} doesn't fit a tensor of {rank} dimensions")
    moved = [axis for axis in perm[1:] if axis and value.shape[axis - 1] != 1]
    if perm[0] != 0 or moved != sorted(moved):
        raise _moved_batch(call, value, f"the order of dimensions {perm}")
    return reshaped(call, value, tuple(value.shape[axis - 1] for axis in perm[1:]))
