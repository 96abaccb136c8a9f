"""Between quantisers, tensors are sums of integers with exact scales: against exact rational arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exact_testing import exactly
from onnx_testing import Net, canonical, evaluate, images, ops, ternary_weights
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from dialects import ternary
from dialects.machine.target import Target

RANDOM = np.random.default_rng(13)


def scales(*shape: int) -> Any:
    """Numbers of single precision without a common step."""
    return RANDOM.uniform(0.02, 0.2, size=shape).astype(np.float32)


def check(net: Net, x: Any, *outputs: str) -> ModuleOp:
    model = net.model(*outputs)
    module = import_model(model)
    for found, wanted in zip(evaluate(module, x), exactly(model, x), strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=2e-7, atol=1e-7)
    return canonical(module, x)


def branch(net: Net, q: str, outputs: int, channels: int, size: int = 1, *, bias: bool = True, group: int = 1) -> str:
    """A convolution with weights, scales and biases of its own, one per output."""
    w = net.weights(ternary_weights(outputs, channels // group, size, size), scales(outputs))
    more = [net.const(RANDOM.normal(size=outputs) / 3)] if bias else []
    return net.op("Conv", q, w, *more, pads=[size // 2] * 4, group=group)


AFTER: dict[str, Callable[[Net, str], str]] = {
    "average": lambda net, y: net.op("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2]),
    "padded average": lambda net, y: net.op(
        "AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average of what is there": lambda net, y: net.op(
        "AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    ),
    "global average": lambda net, y: net.op("GlobalAveragePool", y),
    "mean of rows": lambda net, y: net.op("ReduceMean", y, axes=[2], keepdims=0),
    "product": lambda net, y: net.op("Mul", y, net.const(RANDOM.normal(size=(3, 1, 1)))),
    "sum": lambda net, y: net.op("Add", y, net.op("Mul", y, net.const(0.37))),
    "output": lambda net, y: y,
}
BENDS: dict[str, Callable[[Net, str], str]] = {
    "relu": lambda net, y: net.op("Relu", y),
    "relu6": lambda net, y: net.op("Clip", y, net.const(0.0), net.const(0.9)),
    "leaky": lambda net, y: net.op("LeakyRelu", y, alpha=0.1),
    "prelu": lambda net, y: net.op("PRelu", y, net.const(RANDOM.uniform(0.1, 0.5, size=(3, 1, 1)))),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("bend", BENDS)
def test_a_bent_line_without_a_quantiser(bend: str, after: str) -> None:
    net = Net(2, 4, 4, opset=16)
    y = AFTER[after](net, BENDS[bend](net, branch(net, net.qdq("x", 0.25, 3, np.int8), 3, 2, 3)))
    if after != "output":
        y = net.qdq(y, 0.11, 5, np.int8)
    module = check(net, images(2, 4, 4, count=6), y)
    assert len(ops(module, ternary.ConvOp)) == 1


@pytest.mark.parametrize("form", ["conv", "padded conv", "grouped conv", "product", "output"])
@pytest.mark.parametrize("zeros", [(0, 0), (3, -7)])
def test_concatenation_of_unequal_scales(form: str, zeros: tuple[int, int]) -> None:
    net = Net(2, 3, 3)
    q = net.qdq("x", 0.25, 3, np.int8)
    parts = [
        net.qdq(branch(net, q, 2, 2), scale, zero, np.int8) for scale, zero in zip((0.0371, 0.0942), zeros, strict=True)
    ]
    y = net.op("Concat", *parts, axis=1)
    if form == "product":
        flat = net.op("Flatten", y)
        y = net.op("MatMul", flat, net.const(ternary_weights(36, 3)))
    elif form != "output":
        pads, group = [1] * 4 if form != "conv" else [0] * 4, 2 if form == "grouped conv" else 1
        w = net.weights(ternary_weights(4, 4 // group, 3, 3), scales(4))
        y = net.op("Conv", y, w, pads=pads, group=group)
    check(net, images(2, 3, 3, count=8), y, net.qdq(y, 0.31, -3, np.int8))


@pytest.mark.parametrize("form", ["blocks", "inputs"])
def test_scales_within_an_output(form: str) -> None:
    net = Net(8, opset=21)
    codes = RANDOM.integers(-7, 8, size=(8, 3))
    options = {"axis": 0, "block_size": 4} if form == "blocks" else {"axis": 0}
    s = RANDOM.normal(size=(2, 3)) if form == "blocks" else np.array([0.3, -0.17, 0, 0.3, 0.29, -0.3, 0.6, 0.17])
    zero = net.const(np.zeros(s.shape), np.int8)
    w = net.op("DequantizeLinear", net.const(codes, np.int8), net.const(s), zero, **options)
    y = net.op("MatMul", net.qdq("x", 0.25, 3, np.int8), w)
    check(net, images(8, count=64), y, net.qdq(y, 0.4, 1, np.int8))


def test_borders_of_numbers_that_no_integer_stands_for() -> None:
    net = Net(2, 4, 4)
    y = net.op("Add", net.qdq("x", 0.25, 3, np.int8), net.const(RANDOM.normal(size=(2, 1, 1))))
    y = branch(net, y, 3, 2, 3)
    check(net, images(2, 4, 4, count=6), y, net.qdq(y, 0.3, 0, np.int8))


def test_unequal_sums_at_the_output() -> None:
    net = Net(2, 3, 3)
    q = net.qdq("x", 0.25, 3, np.int8)
    two = net.op("Add", branch(net, q, 2, 2, 3), branch(net, q, 2, 2))
    three = net.op("Add", two, net.op("Mul", q, net.const(RANDOM.normal(size=(2, 1, 1)))))
    turned = net.op("Transpose", three, perm=[0, 2, 3, 1])
    check(net, images(2, 3, 3, count=6), two, three, turned, net.op("Mul", two, net.const(-0.7)))


OF_SUMS = [
    *((bend, after) for bend in ("relu", "relu6") for after in ("average", "sum", "conv")),
    *((bend, after) for bend in ("leaky", "prelu") for after in ("product", "output")),
]


@pytest.mark.parametrize(("bend", "after"), OF_SUMS)
def test_a_bent_line_of_a_sum(bend: str, after: str) -> None:
    """Where the sum is between the bounds of a clamp, each of its summands goes on."""
    net = Net(2, 3, 3, opset=16)
    q = net.qdq("x", 0.25, 3, np.int8)
    y = net.op("Sub", branch(net, q, 3, 2, 3), branch(net, q, 3, 2, bias=False))
    y = BENDS[bend](net, y)
    y = net.op("Conv", y, net.const([[[[1.0]], [[0.0]], [[-1.0]]]])) if after == "conv" else AFTER[after](net, y)
    check(net, images(2, 3, 3, count=8), net.qdq(y, 0.11, 5, np.int8), y)


def test_a_convolution_of_averages_of_what_is_there() -> None:
    """Integers of positions get one scale; offsets differ by position."""
    net = Net(2, 3, 3)
    y = net.op("Add", net.qdq("x", 0.25, 3, np.int8), net.const(RANDOM.normal(size=(2, 1, 1))))
    y = branch(net, AFTER["average of what is there"](net, y), 3, 2, 3)
    check(net, images(2, 3, 3, count=6), y, net.qdq(y, 0.3, 0, np.int8))


def test_averages_of_averages_of_what_is_there() -> None:
    net = Net(2, 4, 4)
    y = net.op("Add", net.qdq("x", 0.25, 3, np.int8), net.const(RANDOM.normal(size=(2, 1, 1))))
    y = AFTER["average of what is there"](net, y)
    again, whole = AFTER["average of what is there"](net, y), net.op("GlobalAveragePool", y)
    check(net, images(2, 4, 4, count=6), again, whole, net.qdq(again, 0.1, 0, np.int8))


@pytest.mark.parametrize("channels", [3, 12])
def test_a_classifier_after_a_global_average(channels: int) -> None:
    """Flags of each channel have a scale of their own: products for each, or digits of weights with one small step."""
    net = Net(2, 3, 3)
    y = net.op("Relu", branch(net, net.qdq("x", 0.25, 3, np.int8), channels, 2, 3))
    y = net.op("Flatten", net.op("GlobalAveragePool", y))
    net.op("MatMul", y, net.weights(ternary_weights(channels, 4), 0.31))
    module = check(net, images(2, 3, 3, count=16))
    assert len(ops(module, ternary.MatmulOp)) <= 8


@pytest.mark.parametrize("levels", [15, 255])
def test_three_branches_on_the_machine(levels: int) -> None:
    """As RepVGG has them, in 8 bits: sums of more bits than an instruction's number."""
    net = Net(6, 3, 3)
    q = net.qdq("x", 0.0371, 120)
    norm = net.op("Mul", q, net.const(scales(2, 1, 1)[[0, 1, 0, 1, 0, 1]]))
    y = net.op("Add", net.op("Add", branch(net, q, 6, 6, 3), branch(net, q, 6, 6)), norm)
    net.qdq(net.op("Clip", y, net.const(-1.0), net.const(4.0)), 5 / levels)
    x = (RANDOM.integers(0, 256, size=(8, 6, 3, 3)) - 120) * np.float32(0.0371)
    module = check(net, x.astype(np.float32))
    assert max(ternary.range_of(op.result).width for op in ops(module, ternary.CombineOp)) > 32
    wanted = evaluate(module, x)
    run_passes(module, parse_passes("default"), Target("default"))
    np.testing.assert_array_equal(evaluate(module, x), wanted)
