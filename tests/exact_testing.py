"""ONNX graphs in exact rational arithmetic: what a network means, with no executor's rounding in it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

ZERO = Fraction(0)


def exact(array: Any) -> Any:
    """The numbers of an array as fractions."""
    values = np.asarray(array)
    result = np.empty(values.shape, dtype=object)
    result.reshape(-1)[:] = [Fraction(item) for item in values.reshape(-1).tolist()]
    return result


def _along(values: Any, rank: int, axis: int) -> Any:
    """A scalar, or one value for each element of a dimension."""
    return values.reshape(()) if values.size == 1 else values.reshape([-1 if at == axis else 1 for at in range(rank)])


def _spread(values: Any, x: Any, axis: int, block: int) -> Any:
    return np.repeat(values, block, axis=axis) if block else _along(values, x.ndim, axis)


def _quantized(x: Any, scale: Any, zero: Any, span: tuple[int, int], axis: int = 1) -> Any:
    scale, zero = _along(scale, x.ndim, axis), _along(zero, x.ndim, axis)
    # Python rounds a fraction half to even.
    rounded = np.frompyfunc(round, 1, 1)(x / scale) + zero
    return np.frompyfunc(lambda item: min(max(Fraction(item), span[0]), span[1]), 1, 1)(rounded)


def _windows(x: Any, kernel: Any, strides: Any, pads: Any, fill: Any) -> Any:
    """Elements (batch, channels, positions..., kernel...) of windows over an image, `fill` around it."""
    sides = [(0, 0), (0, 0), *zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)]
    padded = np.pad(x, sides, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=tuple(range(2, x.ndim)))
    return view[(slice(None), slice(None), *(slice(None, None, stride) for stride in strides))]


def _conv(x: Any, w: Any, bias: Any = None, *, strides: Any = None, pads: Any = None, group: int = 1) -> Any:
    kernel = w.shape[2:]
    rank = len(kernel)
    seen = _windows(x, kernel, strides or [1] * rank, pads or [0] * 2 * rank, ZERO)
    outputs, inputs = w.shape[0] // group, w.shape[1]
    parts = [
        np.tensordot(
            seen[:, index * inputs : (index + 1) * inputs],
            w[index * outputs : (index + 1) * outputs],
            axes=([1, *range(seen.ndim - rank, seen.ndim)], list(range(1, w.ndim))),
        )
        for index in range(group)
    ]
    result = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    return result if bias is None else result + bias.reshape(-1, *[1] * rank)


def _average(x: Any, kernel: Any, strides: Any = None, pads: Any = None, include: int = 0) -> Any:
    rank = len(kernel)
    strides, pads = strides or [1] * rank, pads or [0] * 2 * rank
    axes = tuple(range(-rank, 0))
    counted = _windows(np.full_like(x, Fraction(1)), kernel, strides, pads, Fraction(include))
    return _windows(x, kernel, strides, pads, ZERO).sum(axis=axes) / counted.sum(axis=axes)


def _clipped(x: Any, low: Any, high: Any) -> Any:
    raised = x if low is None else np.maximum(x, low)
    return raised if high is None else np.minimum(raised, high)


def _leaky(x: Any, slopes: Any) -> Any:
    return np.where(x < 0, x * slopes, x)


def _single(alpha: float) -> Fraction:
    return Fraction(float(np.float32(alpha)))


_OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
    "MatMul": lambda a, b: np.tensordot(a, b, axes=1),
    "Conv": lambda x, w, b=None, strides=None, pads=None, group=1: _conv(
        x, w, b, strides=strides, pads=pads, group=group
    ),
    "Relu": lambda x: np.maximum(x, ZERO),
    "Clip": _clipped,
    "LeakyRelu": lambda x, alpha=0.01: _leaky(x, _single(alpha)),
    "PRelu": _leaky,
    "Concat": lambda *parts, axis: np.concatenate(parts, axis=axis),
    "AveragePool": lambda x, kernel_shape, strides=None, pads=None, count_include_pad=0: _average(
        x, kernel_shape, strides, pads, count_include_pad
    ),
    "GlobalAveragePool": lambda x: _average(x, x.shape[2:]),
    "ReduceMean": lambda x, axes, keepdims=1: (
        x.sum(axis=tuple(axes), keepdims=bool(keepdims)) / Fraction(int(np.prod([x.shape[axis] for axis in axes])))
    ),
    "Transpose": lambda x, perm: x.transpose(perm),
    "Flatten": lambda x: x.reshape(len(x), -1),
    "Identity": lambda x: x,
}


def exactly(model: onnx.ModelProto, x: Any) -> list[Any]:
    """The outputs of a model of the operators above, QuantizeLinear and DequantizeLinear, as fractions."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values = {name: exact(array) for name, array in stored.items()} | {"x": exact(x), "": None}
    for node in model.graph.node:
        inputs = [values[name] for name in node.input]
        options = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "QuantizeLinear":
            kind = np.iinfo(stored[node.input[2]].dtype)
            found = _quantized(*inputs, (int(kind.min), int(kind.max)), **options)
        elif node.op_type == "DequantizeLinear":
            code, scale, zero = inputs
            axis, block = options.get("axis", 1), options.get("block_size", 0)
            found = (code - _spread(zero, code, axis, block)) * _spread(scale, code, axis, block)
        else:
            found = _OPERATORS[node.op_type](*inputs, **options)
        values[node.output[0]] = found
    return [values[port.name] for port in model.graph.output]


def grid(*shape: int, low: int, high: int) -> Any:
    """All points of a grid of integers, for exhaustive checks."""
    return np.array(list(product(range(low, high + 1), repeat=int(np.prod(shape))))).reshape(-1, *shape)
