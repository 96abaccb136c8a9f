"""Real values of a graph's tensors in double precision, and how far a float32 executor's may be from them.

The usual bounds of floating-point analysis (Higham, Accuracy and Stability of Numerical Algorithms, chapter 3): a
rounding is at most u relative to its result, a sum of n products at most n u / (1 - n u) relative to the sum of their
magnitudes, whatever the order; what the operands were off by comes on top. Integer tensors have no bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

Array = NDArray[Any]
U = 2.0**-24
"""Unit roundoff of float32."""
MOVES = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Slice", "Gather", "Concat")
SHAPES = ("Shape", "Cast", "Constant", "ConstantOfShape")


class Real(NamedTuple):
    """Exact values, as far as double precision goes, and bounds of the float32 executor's error."""

    value: Array
    error: Array

    @staticmethod
    def exact(value: Array) -> Real:
        wide = value.astype(np.float64) if value.dtype.kind == "f" else value
        return Real(wide, np.zeros(value.shape))


def gamma(count: int) -> float:
    return count * U / (1 - count * U)


def rounded(value: Array, error: Array) -> Real:
    """A result that is rounded once more."""
    return Real(value, error + U * (np.abs(value) + error))


def _product(left: Real, right: Real, multiply: Callable[[Array, Array], Array], count: int) -> Real:
    """Sums of `count` products by a bilinear function."""
    a, b = np.abs(left.value) + left.error, np.abs(right.value) + right.error
    own = multiply(left.error, b) + multiply(np.abs(left.value), right.error)
    return Real(multiply(left.value, right.value), own + gamma(count + 1) * multiply(a, b))


def attributes(node: NodeProto) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _windows(images: Array, kernel: list[int], attributes: Mapping[str, Any], fill: float) -> Array:
    """(samples, channels, positions ..., kernel ...) of images with any number of dimensions."""
    rank = len(kernel)
    strides, dilations = (list(attributes.get(name, [1] * rank)) for name in ("strides", "dilations"))
    pads = list(attributes.get("pads", [0] * 2 * rank))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    mode = attributes.get("auto_pad", b"NOTSET")
    if mode in (b"SAME_UPPER", b"SAME_LOWER"):
        sizes = images.shape[2:]
        totals = [max((-(-n // s) - 1) * s + w - n, 0) for n, s, w in zip(sizes, strides, spans, strict=True)]
        first = [t // 2 if mode == b"SAME_UPPER" else t - t // 2 for t in totals]
        pads = [*first, *(t - f for t, f in zip(totals, first, strict=True))]
    if attributes.get("ceil_mode", 0):
        raise NotImplementedError("ceil_mode")
    grown = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    views = sliding_window_view(np.pad(images, grown, constant_values=fill), spans, tuple(range(2, 2 + rank)))
    steps = tuple(slice(None, None, s) for s in strides)
    return views[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in dilations))]


def _convolve(images: Array, weights: Array, attributes: Mapping[str, Any]) -> Array:
    groups, kernel = attributes.get("group", 1), list(weights.shape[2:])
    rank = len(kernel)
    parts: list[Array] = []
    for inputs, lines in zip(np.split(images, groups, axis=1), np.split(weights, groups), strict=True):
        views = np.moveaxis(_windows(inputs, kernel, attributes, 0.0), 1, 1 + rank)
        rows = views.reshape(*views.shape[: 1 + rank], -1)
        parts.append(np.moveaxis(rows @ lines.reshape(len(lines), -1).T, -1, 1))
    return np.concatenate(parts, axis=1)


def _conv(node: NodeProto, inputs: list[Real]) -> Real:
    stated = attributes(node)
    count = int(np.prod(inputs[1].value.shape[1:]))
    sums = _product(inputs[0], inputs[1], lambda a, b: _convolve(a, b, stated), count)
    if len(inputs) < 3:
        return sums
    bias = Real(*(part.reshape(-1, *[1] * (sums.value.ndim - 2)) for part in inputs[2]))
    return _sum(sums, bias)


def _sum(left: Real, right: Real, sign: int = 1) -> Real:
    return rounded(left.value + sign * right.value, left.error + right.error)


def _gemm(node: NodeProto, inputs: list[Real]) -> Real:
    stated = attributes(node)
    left, right = (Real(*(part.T for part in side)) if stated.get(f"trans{name}", 0) else side
                   for name, side in zip("AB", inputs, strict=False))  # fmt: skip
    alpha, beta = stated.get("alpha", 1.0), stated.get("beta", 1.0)
    sums = _product(left, right, np.matmul, left.value.shape[-1])
    if alpha != 1.0:
        sums = rounded(alpha * sums.value, abs(alpha) * sums.error)
    return sums if len(inputs) < 3 else _sum(sums, rounded(beta * inputs[2].value, abs(beta) * inputs[2].error))


def _norm(node: NodeProto, inputs: list[Real]) -> Real:
    epsilon = attributes(node).get("epsilon", float(np.float32(1e-5)))
    x, *operands = inputs
    shape = (-1, *[1] * (x.value.ndim - 2))
    scale, bias, mean, variance = (part.value.reshape(shape) for part in operands)
    gain = scale / np.sqrt(variance + epsilon)
    # Executors fold the four operands in one way or another: eight roundings of each term cover all of them.
    terms = np.abs(gain) * (np.abs(x.value) + np.abs(mean)) + np.abs(bias)
    return Real(gain * (x.value - mean) + bias, np.abs(gain) * x.error * (1 + 8 * U) + 8 * U * terms)


def _pool(node: NodeProto, inputs: list[Real]) -> Real:
    stated, (x, *_) = attributes(node), inputs
    kernel = list(stated["kernel_shape"])
    rank = len(kernel)
    axes = tuple(range(-rank, 0))
    if node.op_type == "MaxPool":
        value = _windows(x.value, kernel, stated, -np.inf).max(axis=axes)
        return Real(value, _windows(x.error, kernel, stated, 0.0).max(axis=axes))
    counted = np.ones_like(x.value) if not stated.get("count_include_pad", 0) else None
    size = float(np.prod(kernel)) if counted is None else _windows(counted, kernel, stated, 0.0).sum(axis=axes)
    return _mean(*(_windows(part, kernel, stated, 0.0).sum(axis=axes) / size for part in
                   (x.value, np.abs(x.value) + x.error, x.error)), int(np.prod(kernel)))  # fmt: skip


def _mean(value: Array, magnitude: Array, error: Array, count: int) -> Real:
    return Real(value, error + gamma(count + 1) * magnitude)


def _global(x: Real) -> Real:
    axes = tuple(range(2, x.value.ndim))
    parts = (part.mean(axis=axes, keepdims=True) for part in (x.value, np.abs(x.value) + x.error, x.error))
    return _mean(*parts, int(np.prod(x.value.shape[2:])))


def _clip(node: NodeProto, inputs: list[Real]) -> Real:
    stated, (x, *bounds) = attributes(node), inputs
    low = bounds[0].value if bounds else stated.get("min", -np.inf)
    high = bounds[1].value if len(bounds) > 1 else stated.get("max", np.inf)
    return Real(np.clip(x.value, low, high), x.error)


def _dequantize(node: NodeProto, inputs: list[Real]) -> Real:
    x, scale = inputs[0].value.astype(np.float64), inputs[1].value
    zero = inputs[2].value.astype(np.float64) if len(inputs) > 2 else np.zeros(())
    axis = attributes(node).get("axis", 1)
    if scale.ndim == 1 and scale.size > 1:
        shape = [-1 if index == axis % x.ndim else 1 for index in range(x.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.ndim else zero
    elif scale.size > 1:
        raise NotImplementedError("blocks of scales")
    return rounded((x - zero) * scale, np.zeros(x.shape))


def apply(node: NodeProto, inputs: list[Real], opset: int) -> Real:
    """The first result of a node; raises NotImplementedError for operators that no bound is known for."""
    op = node.op_type
    first = inputs[0] if inputs else Real.exact(np.zeros(()))
    match op:
        case "Conv":
            return _conv(node, inputs)
        case "Gemm":
            return _gemm(node, inputs)
        case "MatMul":
            return _product(first, inputs[1], np.matmul, first.value.shape[-1])
        case "BatchNormalization":
            return _norm(node, inputs)
        case "Add" | "Sub" if first.value.dtype.kind == "f":
            return _sum(first, inputs[1], 1 if op == "Add" else -1)
        case "Mul" if first.value.dtype.kind == "f":
            return _product(first, inputs[1], np.multiply, 1)
        case "Div" if first.value.dtype.kind == "f":
            divisor = np.abs(inputs[1].value) - inputs[1].error
            error = (first.error + np.abs(first.value) * inputs[1].error / divisor) / divisor
            return rounded(first.value / inputs[1].value, error)
        case "Relu":
            return Real(np.maximum(first.value, 0), first.error)
        case "Clip":
            return _clip(node, inputs)
        case "MaxPool" | "AveragePool":
            return _pool(node, inputs)
        case "GlobalAveragePool":
            return _global(first)
        case "DequantizeLinear":
            return _dequantize(node, inputs)
        case _ if op in MOVES or op in SHAPES or first.value.dtype.kind != "f":
            value = _evaluated(node, [part.value for part in inputs], opset)
            moved = op in MOVES and value.dtype.kind == "f"
            errors = [part.error if part.value.dtype.kind == "f" else part.value for part in inputs]
            return Real(value, _evaluated(node, errors, opset) if moved else np.zeros(value.shape))
        case "Pow" | "Sqrt":
            power = inputs[1].value if op == "Pow" else np.array(0.5)
            slope = np.abs(power * first.value ** (power - 1))
            return rounded(first.value**power, slope * first.error)
        case _:
            raise NotImplementedError(op)


def _evaluated(node: NodeProto, inputs: list[Array], opset: int) -> Array:
    feeds = dict(zip(filter(None, node.input), inputs, strict=True))
    return np.asarray(ReferenceEvaluator(node, opsets={"": opset}).run(None, feeds)[0])  # pyright: ignore[reportArgumentType]
