"""Pooling, reductions over an image, and padding."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from onnx import TensorProto

from cam_compiler.importer.constants import axes_of
from cam_compiler.importer.context import MICROSOFT, Call, handles
from cam_compiler.importer.exact import ZERO
from cam_compiler.importer.images import as_image, as_sequence, rank_of
from cam_compiler.importer.nodes_product import dequantised, output_quantised, reshaped
from cam_compiler.importer.pools import affine_only, average, max_pool, padded, without_step
from cam_compiler.importer.values import Activation, Value
from cam_compiler.importer.windows import Placed, kernel_of, placed
from dialects.window import Window


def _restored(call: Call, value: Activation, rank: int) -> Activation:
    return value if rank == 2 else as_sequence(call, value)


def _size(image: Activation) -> tuple[int, int]:
    return image.shape[1], image.shape[2]


@handles("MaxPool")
def max_pool_node(call: Call) -> Value:
    value = call.activation()
    rank = rank_of(call, value)
    image = as_image(call, without_step(call, value))
    place = placed(call.node, _size(image), kernel_of(call.node, rank), rank)
    return _restored(call, max_pool(call, image, place), rank)


def _averaged(call: Call, value: Activation) -> Activation:
    rank = rank_of(call, value)
    image = as_image(call, affine_only(call, value))
    place = placed(call.node, _size(image), kernel_of(call.node, rank), rank)
    include = bool(call.node.integer("count_include_pad", 0))
    return _restored(call, average(call, image, place, include), rank)


@handles("AveragePool")
def average_pool(call: Call) -> Value:
    return _averaged(call, call.activation())


def _whole(size: tuple[int, int], kernel: tuple[int, int]) -> Placed:
    return Placed(Window(kernel, kernel), size, (0, 0, 0, 0))


def _global(call: Call, value: Activation, greatest: bool) -> Activation:
    rank = rank_of(call, value)
    ready = without_step(call, value) if greatest else affine_only(call, value)
    image = as_image(call, ready)
    place = _whole(_size(image), _size(image))
    result = max_pool(call, image, place) if greatest else average(call, image, place, include_pads=False)
    return _restored(call, result, rank)


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> Value:
    return _global(call, call.activation(), call.node.op == "GlobalMaxPool")


@handles("ReduceMean", "ReduceSum", "ReduceMax")
def reduce(call: Call) -> Value:
    """Over one or both dimensions of an image; the batch and the channels stay."""
    node, value = call.node, call.activation()
    rank = rank_of(call, value)
    given = axes_of(node, call.optional(1, "axes"))
    axes = sorted(axis % (rank + 2) for axis in given or ())
    if given is None and node.integer("noop_with_empty_axes", 0):
        return value
    if not axes or min(axes) < 2 or any(not -rank - 2 <= axis < rank + 2 for axis in given or ()):
        raise node.error(f"it reduces axes {given or 'all'}", hint="only the dimensions of an image can be reduced")
    greatest = node.op == "ReduceMax"
    image = as_image(call, without_step(call, value) if greatest else affine_only(call, value))
    kernel = (image.shape[1] if 2 in axes else 1, image.shape[2] if 3 in axes else 1)
    place = _whole(_size(image), kernel)
    if greatest:
        result = max_pool(call, image, place)
    else:
        result = average(call, image, place, include_pads=False, mean=node.op == "ReduceMean")
    result = _restored(call, result, rank)
    if node.integer("keepdims", 1):
        return result
    return reshaped(call, result, tuple(size for axis, size in enumerate(result.shape, 1) if axis not in axes))


def _real(call: Call) -> Activation:
    """The first operand of an integer operator as real numbers."""
    if call.node.integer("channels_last", 0):
        raise call.node.error("its channels come last", hint="images (batch, channels, height, width)")
    value = dequantised(call, 0)
    if not isinstance(value, Activation):
        raise call.node.error("its input is constant", hint="a tensor that depends on the input")
    return value.typed(TensorProto.FLOAT)


@handles("QLinearGlobalAveragePool", domains=(MICROSOFT,))
def qlinear_global_average_pool(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point."""
    return output_quantised(call, _global(call, _real(call), greatest=False), 3, 4)


@handles("QLinearAveragePool", domains=(MICROSOFT,))
def qlinear_average_pool(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point."""
    return output_quantised(call, _averaged(call, _real(call)), 3, 4)


def _pads(call: Call, rank: int) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of a Pad node."""
    node = call.node
    given = call.optional(1, "pads")
    pads = given.integers(node) if given is not None else node.integers("pads") or []
    axes = call.optional(3, "axes")
    full = [0] * (2 * (rank + 2))
    chosen = range(rank + 2) if axes is None else [axis % (rank + 2) for axis in axes.integers(node)]
    if len(pads) != 2 * len(chosen):
        raise node.error(f"its pads are {pads}", hint=f"two numbers for each of {len(chosen)} dimensions")
    for index, axis in enumerate(chosen):
        full[axis], full[axis + rank + 2] = pads[index], pads[index + len(chosen)]
    begins, ends = full[: rank + 2], full[rank + 2 :]
    if any(begins[:2] + ends[:2]) or min(full) < 0:
        raise node.error(f"its pads are {pads}", hint="only images are padded, by numbers of at least 0")
    return begins[2], begins[3] if rank == 2 else 0, ends[2], ends[3] if rank == 2 else 0


@handles("Pad")
def pad(call: Call) -> Value:
    """Padding with a constant; a convolution or pooling after it takes it over."""
    node, value = call.node, call.activation()
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise node.error(f"its mode is '{mode}'", hint="only padding with a constant is supported")
    rank = rank_of(call, value)
    pads = _pads(call, rank)
    if not any(pads):
        return value
    constant = call.optional(2, "constant")
    target = Fraction(node.real("value", 0.0)) if constant is None else constant.scalar(node)
    image = as_image(call, affine_only(call, value))
    place = Placed(Window((1, 1), pads=pads), _size(image), pads)
    result = padded(call, image, place, target if target else ZERO)
    return replace(_restored(call, result, rank), origin=value.origin)
