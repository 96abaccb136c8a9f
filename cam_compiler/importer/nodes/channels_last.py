"""Operators on images (batch, height, width, channels): qonnx's channels_last domain, what FINN's streamlining leaves.

Each is the operator on images with their channels first, between two transpositions, most of which vanish in
`ternary-canonicalize`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, filled
from cam_compiler.importer.arithmetic.quantizers import MAX_WIDTH, Quantiser
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import CHANNELS_LAST, QONNX, Call, Handler, handles
from cam_compiler.importer.layouts import inverse
from cam_compiler.importer.nodes.conv import conv
from cam_compiler.importer.nodes.pool import max_pool_node
from cam_compiler.importer.nodes.product import product
from cam_compiler.importer.nodes.quantizers import apply, multi_threshold
from cam_compiler.importer.nodes.real import batch_normalization
from cam_compiler.importer.pools import affine_only, average, padded
from cam_compiler.importer.values import Activation, Value
from cam_compiler.importer.windows import FittedWindow
from dialects.support.window import Window

LAST = (CHANNELS_LAST,)


@dataclass(frozen=True)
class ChannelsFirst(Call):
    """The node with its first operand turned, and weights too where it has them."""

    turned: Activation
    weighted: bool = False

    def operand(self, index: int) -> Value | None:
        if index == 0:
            return self.turned
        value = super().operand(index)
        if index == 1 and self.weighted and isinstance(value, Constant) and value.raw.ndim > 2:
            last = value.raw.ndim - 1
            return value.restructured(lambda array: array.transpose(0, last, *range(1, last)))
        return value


def _order(value: Activation) -> tuple[int, ...]:
    """The channels in front of the other dimensions."""
    last = len(value.shape) - 1
    return (last, *range(last))


def _first(call: Call, handler: Handler, *, weighted: bool = False) -> Value:
    value = call.activation()
    if len(value.shape) < 1:
        raise call.node.error("its input has no channels")
    order = _order(value)
    turned = call.builder.transposed(value, order)
    result = handler(ChannelsFirst(call.context, call.node, turned, weighted))
    assert isinstance(result, Activation)
    return call.builder.transposed(result, inverse(order))


@handles("Conv", domains=LAST)
def conv_last(call: Call) -> Value:
    """Weights are (outputs, kernel dimensions, channels a group)."""
    return _first(call, conv, weighted=True)


@handles("MaxPool", domains=LAST)
def max_pool_last(call: Call) -> Value:
    return _first(call, max_pool_node)


@handles("MaxPoolNHWC", domains=QONNX)
def max_pool_nhwc(call: Call) -> Value:
    return _first(call, max_pool_node)


@handles("BatchNormalization", domains=LAST)
def batch_normalization_last(call: Call) -> Value:
    return _first(call, batch_normalization)


@handles("MultiThreshold", domains=QONNX)
def multi_threshold_of_any_layout(call: Call) -> Value:
    """Thresholds of the last dimension where data_layout ends with C, else of the first behind the batch."""
    last = call.node.text("data_layout", "").endswith("C") and len(call.activation().shape) > 1
    return _first(call, multi_threshold) if last else multi_threshold(call)


def _numbers(call: Call, name: str, count: int, default: int) -> list[int]:
    """An attribute of several numbers."""
    values = call.node.integers(name) or [default] * count
    if len(values) != count or min(values) < 0:
        raise call.node.error(f"its {name} are {values}", hint=f"{count} numbers of at least 0")
    return values


@handles("Im2Col", domains=QONNX)
def im2col(call: Call) -> Value:
    """Of every position the elements of its window (rows, columns, then channels) in a row."""
    node, value = call.node, affine_only(call, call.activation())
    if len(value.shape) != 3:
        raise node.error(f"its samples have shape {value.shape}", hint="images (batch, height, width, channels)")
    image = call.builder.transposed(value, _order(value))
    kernel, strides = _numbers(call, "kernel_size", 2, 1), _numbers(call, "stride", 2, 1)
    pads, steps = _numbers(call, "pad_amount", 4, 0), _numbers(call, "dilations", 2, 1)
    if any(pads):
        border = Window((1, 1), pads=(pads[0], pads[1], pads[2], pads[3]))
        fit = FittedWindow(border, (image.shape[1], image.shape[2]), border.pads)
        image = padded(call, image, fit, Fraction(node.integer("pad_value", 0)))
    window = Window((kernel[0], kernel[1]), (strides[0], strides[1]), dilations=(steps[0], steps[1]))
    positions = window.positions(image.shape[1], image.shape[2]) if window.problem() is None else (0, 0)
    if min(positions) < 1:
        raise node.error(f"its window of {kernel} doesn't fit into an image of {image.shape[1:]}")
    for axis in (0, 1):
        starts = range(0, positions[axis] * strides[axis], strides[axis])
        rows = tuple(start + step * steps[axis] for start in starts for step in range(kernel[axis]))
        image = call.builder.taken(image, axis + 1, rows, node)
    channels = image.shape[0]
    parts = call.reshaped(image, (channels, positions[0], kernel[0], positions[1], kernel[1]))
    turned = call.builder.transposed(parts, (1, 3, 2, 4, 0))
    return call.reshaped(turned, (*positions, kernel[0] * kernel[1] * channels))


def _floor_division(call: Call, value: Activation, divisor: int) -> Value:
    step, none = filled((), RoundStep(None, None, Rounding.FLOOR)), filled((), ZERO)
    quotient = Quantiser(filled((), Fraction(divisor)), none, step, filled((), ONE), none, TensorProto.FLOAT)
    return apply(call, value, quotient)


@handles("QuantAvgPool2d", domains=QONNX)
def quant_average_pool(call: Call) -> Value:
    """Sums of windows, shifted to the right until the greatest one has `obits` bits."""
    node = call.node
    size, stride = node.integer("kernel", 0), node.integer("stride", 1)
    if min(size, stride) < 1:
        raise node.error(f"its kernel is {size}, its stride {stride}", hint="numbers of at least 1")
    if not 0 <= node.integer("ibits", 0) <= MAX_WIDTH:
        raise node.error(f"its ibits are {node.integer('ibits', 0)}", hint=f"at most {MAX_WIDTH} bits")
    greatest = ((1 << node.integer("ibits", 0)) - 1) * size * size
    shift = max(0, greatest.bit_length() - node.integer("obits", 0))

    def pooled(inner: Call) -> Value:
        image = affine_only(inner, inner.activation())
        if len(image.shape) != 3 or min(image.shape[1:]) < size:
            raise node.error(f"its window of {size} by {size} doesn't fit into samples of shape {image.shape}")
        fit = FittedWindow(Window((size, size), (stride, stride)), (image.shape[1], image.shape[2]), (0, 0, 0, 0))
        sums = average(inner, image, fit, include_pads=False, mean=False)
        return _floor_division(inner, sums, 1 << shift)

    return _first(call, pooled) if node.text("data_layout", "NCHW") == "NHWC" else pooled(call)


@handles("XnorPopcountMatMul", domains=QONNX)
def xnor_popcount(call: Call) -> Value:
    """How many bits of a row agree with those of each column of weights: both stand for -1 and 1."""
    value, weights = call.activation(), call.constant(1, "weights")
    bits = weights.integers(call.node)
    if set(bits) - {0, 1} or weights.raw.ndim != 2:
        raise call.node.error("its weights aren't bits", hint="a matrix (inputs, outputs) of 0 and 1")
    signs = Constant(weights.raw.astype(int) * 2 - 1, TensorProto.INT32)
    total = product(call, value.affine(Fraction(2), -ONE), signs)
    return total.affine(Fraction(1, 2), Fraction(weights.shape[0], 2))
