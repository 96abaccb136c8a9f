"""Operators that change the shape of samples or the order of their elements; the batch stays first."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from math import prod

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.constants import Batch, Constant, axes_of
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.values import Activation, Value
from dialects.support.errors import ModelError

MAX_BATCH = (1 << 31) - 1
"""How exporters write the end of a dimension that isn't cut."""


@handles("Shape")
def shape(call: Call) -> Value:
    value = call.activation()
    entries: list[object] = list(value.full_shape)
    entries[value.batch_axis] = Batch(prod(value.shape[: value.merged]))
    sizes = np.array(entries, dtype=object)
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
    """To other samples; or to rows of a part of a sample each, which are merged with the batch."""
    value, entries = call.activation(), _entries(call)
    keep = call.node.integer("allowzero", 0) == 0
    if not entries or value.batch_axis:
        raise _moved_batch(call, value, entries)
    first, rest = entries[0], entries[1:]
    sizes: list[int] = []
    for index, entry in enumerate(rest, start=1):
        if not isinstance(entry, int):
            raise _moved_batch(call, value, entries)
        copied = entry == 0 and keep and index < len(value.full_shape)
        sizes.append(value.full_shape[index] if copied else entry)
    rows, total = _rows(call, value, first, keep), prod(value.shape)
    known = prod(entry for entry in sizes if entry != -1)
    if sizes.count(-1) == 1 and rows is not None and known and total % (rows * known) == 0:
        sizes[sizes.index(-1)] = total // (rows * known)
    count = prod(sizes)
    if -1 in sizes or count < 1 or total % count or rows not in (None, total // count):
        raise _moved_batch(call, value, entries)
    merged = total // count
    return replace(call.reshaped(value, ((merged,) if merged > 1 else ()) + tuple(sizes)), merged=int(merged > 1))


def _rows(call: Call, value: Activation, first: object, keep: bool) -> int | None:
    """How many rows of a sample the first entry of a target shape states; None where it is to be found."""
    if isinstance(first, Batch):
        return first.times
    if first == 0 and keep:
        return prod(value.shape[: value.merged])
    if first == -1:
        return None
    rows = [first // batch for batch in call.context.batches if isinstance(first, int) and first % batch == 0]
    if not rows or rows[0] < 1:
        raise _moved_batch(call, value, _entries(call))
    return rows[0]


@handles("Flatten")
def flatten(call: Call) -> Value:
    value, axis = call.activation(), call.node.integer("axis", 1)
    rank = len(value.shape) + 1
    axis = axis + rank if axis < 0 else axis
    if axis == 0 and call.context.single:
        return call.reshaped(value, (prod(value.shape),))
    if not 1 <= axis <= rank:
        raise _moved_batch(call, value, f"a matrix at axis {axis}")
    rows, row = prod(value.shape[: axis - 1]), prod(value.shape[axis - 1 :])
    return replace(call.reshaped(value, (rows, row) if rows > 1 else (row,)), merged=int(rows > 1))


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
    single = call.context.single
    if axes is None:
        axes = [*([0] if single else []), *(index + 1 for index, extent in enumerate(value.shape) if extent == 1)]
    if single and 0 in axes:
        value, axes = replace(value, unbatched=True), axes[1:]
    if any(axis == 0 or value.shape[axis - 1] != 1 for axis in axes):
        raise _moved_batch(call, value, f"one without axes {axes}")
    return call.reshaped(value, tuple(size for index, size in enumerate(value.shape) if index + 1 not in axes))


@handles("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    value = call.activation()
    given = axes_of(call.node, call.optional(1, "axes")) or []
    if value.unbatched:
        full_rank = len(value.shape) + len(given)
        if 0 not in {axis % full_rank for axis in given}:
            raise call.node.error("its input has no batch dimension", hint="axes with 0 among them, or the output")
        value = replace(value, unbatched=False)
        rest = [axis % full_rank for axis in given if axis % full_rank]
        return call.reshaped(value, _inserted(value.shape, rest))
    axes = _axes(call, len(value.shape) + 1 + len(given)) or []
    if 0 in axes:
        raise _moved_batch(call, value, "one with a dimension before the batch")
    return call.reshaped(value, _inserted(value.shape, axes))


def _inserted(shape: tuple[int, ...], axes: list[int]) -> tuple[int, ...]:
    """The shape of a sample with dimensions of size 1 at axes of the whole tensor."""
    full = list(shape)
    for axis in sorted(axes):
        full.insert(axis - 1, 1)
    return tuple(full)


@handles("Transpose")
def transpose(call: Call) -> Value:
    value = call.activation()
    rank = len(value.full_shape)
    perm = call.node.integers("perm") or list(range(rank))[::-1]
    if sorted(perm) != list(range(rank)):
        raise call.node.error(f"its permutation {perm} doesn't fit a tensor of {rank} dimensions")
    if value.merged and perm[0] != 0:
        raise _moved_batch(call, value, f"the order of dimensions {perm}")
    at, inside = value.batch_axis, list(range(value.merged))
    order = [axis - (axis > at) + value.merged for axis in perm if axis != at]
    return replace(call.builder.transposed(value, (*inside, *order)), batch_axis=perm.index(at))


def sample_axis(call: Call, value: Activation, axis: int) -> int:
    """An axis of the tensor as one of its samples; raises ModelError for the batch."""
    rank = len(value.shape) + 1
    if not -rank <= axis < rank:
        raise call.node.error(f"axis {axis} is outside a tensor of {rank} dimensions")
    if axis % rank == 0:
        raise call.node.error("it works along the batch", hint="samples are independent of each other")
    return axis % rank - 1


def _bounds(call: Call) -> tuple[list[int], list[int], list[int] | None, list[int] | None]:
    """Starts, ends, axes and steps of a Slice, from its inputs (newer opsets) or its attributes."""
    node = call.node
    if len(node.inputs) == 1:
        return node.integers("starts") or [], node.integers("ends") or [], node.integers("axes"), None
    given = [call.optional(index, "bounds") for index in range(1, 5)]
    starts, ends, axes, steps = (None if item is None else item.integers(node) for item in given)
    return starts or [], ends or [], axes, steps


@handles("Slice")
def cut(call: Call) -> Value:
    node, value = call.node, call.activation()
    starts, ends, axes, steps = _bounds(call)
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        rank = len(value.shape) + 1
        if axis in (0, -rank) and step == 1 and start == 0 and end >= MAX_BATCH:
            continue
        dimension = sample_axis(call, value, axis)
        extent = value.shape[dimension]
        # An end beyond the start of the tensor, going down, has no other way to be written in Python.
        chosen = range(extent)[slice(start, None if step < 0 and end < -extent else end, step)]
        if not chosen:
            raise node.error("nothing is left of its input")
        value = call.builder.taken(value, dimension, tuple(chosen), node)
    return value


@handles("Split")
def split(call: Call) -> Value:
    """One run of elements a result."""
    node, value = call.node, call.activation()
    axis, count = sample_axis(call, value, node.integer("axis", 0)), len(node.outputs)
    extent, given = value.shape[axis], call.optional(1, "sizes")
    sizes = given.integers(node) if given is not None else node.integers("split")
    if sizes is None:
        size = -(-extent // count)
        sizes = [size] * (count - 1) + [extent - size * (count - 1)]
    if len(sizes) != count or sum(sizes) != extent or min(sizes) < 1:
        raise node.error(f"it cuts {extent} elements into {sizes}")
    starts = accumulate(sizes, initial=0)
    runs = [tuple(range(start, start + size)) for start, size in zip(starts, sizes, strict=False)]
    parts = [call.builder.taken(value, axis, run, node) for run in runs]
    call.context.values.update(zip(node.outputs, parts, strict=True))
    return parts[0]


@handles("Gather")
def gather(call: Call) -> Value:
    """Elements of one dimension by constant indices."""
    node, value = call.node, call.activation()
    axis, indices = sample_axis(call, value, node.integer("axis", 0)), call.constant(1, "indices")
    extent = value.shape[axis]
    wanted = np.array(indices.integers(node), dtype=np.int64)
    if not wanted.size or wanted.min() < -extent or wanted.max() >= extent:
        raise node.error(f"its indices {wanted[:8].tolist()} are outside 0..{extent - 1}")
    part = call.builder.taken(value, axis, tuple((wanted % extent).tolist()), node)
    return call.reshaped(part, (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]))
