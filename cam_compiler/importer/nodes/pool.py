"""Pooling, and reductions over dimensions of a sample."""

from __future__ import annotations

from math import prod

from cam_compiler.importer.arithmetic.integers import wrapped
from cam_compiler.importer.arithmetic.steps import Rounding
from cam_compiler.importer.constants import axes_of
from cam_compiler.importer.context import MICROSOFT, Call, handles
from cam_compiler.importer.images import as_image, as_sequence, rank_of
from cam_compiler.importer.nodes.product import dequantised, output_quantised
from cam_compiler.importer.nodes.real import to_integers
from cam_compiler.importer.nodes.shape import sample_axis
from cam_compiler.importer.pools import affine_only, average, max_pool, without_step
from cam_compiler.importer.values import Activation, Value
from cam_compiler.importer.windows import FittedWindow, check_size, fitted, kernel_of
from dialects.support.window import Window


def _restored(call: Call, value: Activation, rank: int) -> Activation:
    return value if rank == 2 else as_sequence(call, value)


def _size(image: Activation) -> tuple[int, int]:
    return image.shape[1], image.shape[2]


@handles("MaxPool")
def max_pool_node(call: Call) -> Value:
    value = call.activation()
    rank = rank_of(call, value)
    image = as_image(call, without_step(call, value))
    fit = fitted(call.node, _size(image), kernel_of(call.node, rank), rank)
    return _restored(call, max_pool(call, image, fit), rank)


def _averaged(call: Call, value: Activation) -> Activation:
    rank = rank_of(call, value)
    image = as_image(call, affine_only(call, value))
    fit = fitted(call.node, _size(image), kernel_of(call.node, rank), rank)
    include = bool(call.node.integer("count_include_pad", 0))
    return _restored(call, average(call, image, fit, include), rank)


@handles("AveragePool")
def average_pool(call: Call) -> Value:
    return _averaged(call, call.activation())


def _whole(call: Call, size: tuple[int, int], kernel: tuple[int, int]) -> FittedWindow:
    check_size(call.node, kernel)
    return FittedWindow(Window(kernel, kernel), size, (0, 0, 0, 0))


def _global(call: Call, value: Activation, greatest: bool) -> Activation:
    rank = rank_of(call, value)
    ready = without_step(call, value) if greatest else affine_only(call, value)
    image = as_image(call, ready)
    fit = _whole(call, _size(image), _size(image))
    result = max_pool(call, image, fit) if greatest else average(call, image, fit, include_pads=False)
    return _restored(call, result, rank)


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> Value:
    return _global(call, call.activation(), call.node.op == "GlobalMaxPool")


def _reduced(call: Call, image: Activation, kernel: tuple[int, int]) -> Activation:
    """Maxima, averages or sums of an image over its height, its width or both."""
    fit = _whole(call, _size(image), kernel)
    if call.node.op == "ReduceMax":
        return max_pool(call, image, fit)
    return average(call, image, fit, include_pads=False, mean=call.node.op == "ReduceMean")


@handles("ReduceMean", "ReduceSum", "ReduceMax")
def reduce(call: Call) -> Value:
    """Over any dimensions of a sample: those of an image are pooled where they are, others are put behind the rest."""
    node, value = call.node, call.activation()
    given = axes_of(node, call.optional(1, "axes"))
    if not given:
        if node.integer("noop_with_empty_axes", 0):
            return value
        raise node.error("it reduces all axes, the batch too", hint="axes that leave the batch alone")
    axes = sorted({sample_axis(call, value, axis) for axis in given})
    kept = tuple(axis for axis in range(len(value.shape)) if axis not in axes)
    ready = without_step(call, value) if node.op == "ReduceMax" else affine_only(call, value)
    if len(value.shape) in (2, 3) and axes[0] > 0:
        image = as_image(call, ready)
        kernel = (image.shape[1] if 1 in axes else 1, image.shape[2] if 2 in axes else 1)
        result = _restored(call, _reduced(call, image, kernel), rank_of(call, ready))
    else:
        turned = call.builder.transposed(ready, (*kept, *axes))
        sizes = prod(value.shape[axis] for axis in kept), prod(value.shape[axis] for axis in axes)
        result = _reduced(call, as_image(call, call.reshaped(turned, sizes)), (sizes[1], 1))
    if value.integral:
        # Runtimes divide integers as C does, and sums stay in their type.
        result = wrapped(call, to_integers(call, result, Rounding.DOWN, value.elem_type))
    full = tuple(1 if axis in axes else size for axis, size in enumerate(value.shape))
    return call.reshaped(result, full if node.integer("keepdims", 1) else tuple(value.shape[axis] for axis in kept))


def _real(call: Call) -> Activation:
    """The first operand of an integer operator as real numbers."""
    if call.node.integer("channels_last", 0):
        raise call.node.error("its channels come last", hint="images (batch, channels, height, width)")
    value = dequantised(call, 0)
    if not isinstance(value, Activation):
        raise call.node.error("its input is constant", hint="a tensor that depends on the input")
    return value


@handles("QLinearGlobalAveragePool", domains=(MICROSOFT,))
def qlinear_global_average_pool(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point."""
    return output_quantised(call, _global(call, _real(call), greatest=False), 3, 4)


@handles("QLinearAveragePool", domains=(MICROSOFT,))
def qlinear_average_pool(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point, which is added before rounding."""
    return output_quantised(call, _averaged(call, _real(call)), 3, 4, zero_first=True)
