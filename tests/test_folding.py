"""What lies between two quantisers becomes one table: clamps off the scale, offsets, earlier quantisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_testing import Net, check, images, ops, ternary_weights

from dialects import ternary

BETWEEN: dict[str, list[tuple[str, tuple[Any, ...]]]] = {
    "a clamp off the scale": [("Clip", (-0.6875, 1.3125))],
    "a clamp of ReLU6": [("Clip", (0.0, 6.0))],
    "a norm and a clamp": [("Mul", ([[0.75], [-1.25]],)), ("Add", ([[0.109375], [-0.203125]],)), ("Relu", ())],
    "an offset and a clamp": [("Add", (0.140625,)), ("Relu", ())],
    "a greater constant": [("Max", (0.09375,))],
    "a smaller constant": [("Min", (0.40625,)), ("Max", ([[-1.03125], [0.03125]],))],
    "a hard sigmoid": [("HardSigmoid", ())],
}


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("form", ["qdq", "quant", "input"])
def test_one_table_between_quantisers(name: str, form: str) -> None:
    net = Net(2, 6)
    y = net.qdq("x", 0.25, 3, np.int8)
    if form != "input":
        y = net.op("Conv", y, net.const(ternary_weights(2, 2, 3)), pads=[1, 1])
        y = net.qdq(y, 0.5, -1, np.int8) if form == "qdq" else net.quant(y, 0.5, 0.0, 6)
    for op, constants in BETWEEN[name]:
        slopes = {"alpha": 0.125, "beta": 0.40625} if op == "HardSigmoid" else {}
        y = net.op(op, y, *map(net.const, constants), **slopes)
    y = net.qdq(y, 0.125, 7, np.int8)
    net.op("Conv", y, net.const(ternary_weights(2, 2, 3)))
    module = check(net, images(2, 6, count=32))
    assert len(ops(module, ternary.ThresholdOp)) == (form != "input")


def test_quantisers_in_a_row_with_readers_of_each() -> None:
    net = Net(2, 6)
    y = net.qdq("x", 0.25, 3, np.int8)
    q = net.qdq(net.op("Conv", y, net.const(ternary_weights(2, 2, 3)), pads=[1, 1]), 2.0, 0, np.int8)
    first = net.op("Conv", q, net.const(ternary_weights(2, 2, 1)))
    second = net.qdq(net.op("Add", net.op("Relu", q), net.const(1.25)), 4.0, 0, np.int8)
    third = net.qdq(net.op("Neg", second), 8.0, 1, np.uint8)
    module = check(net, images(2, 6), first, second, third)
    # One takes over the other where that has no other reader; sums are compared once.
    assert len({op.input for op in ops(module, ternary.ThresholdOp)}) == 3
    third = net.qdq(net.op("Neg", net.qdq(net.op("Relu", first), 4.0, 0, np.int8)), 8.0, 1, np.uint8)
    module = check(net, images(2, 6), third)
    assert len(ops(module, ternary.ThresholdOp)) == 2


SCALES = [0.5, -0.25, 0.0, -2.0]


@pytest.mark.parametrize("form", ["DequantizeLinear", "Quant", "QLinearConv"])
def test_weights_with_scales_of_any_sign(form: str) -> None:
    """A negative scale turns an output round, a scale of zero prunes it."""
    net = Net(3, 4, 4)
    codes = ternary_weights(4, 3, 2, 2)
    if form == "QLinearConv":
        x, z = net.op("QuantizeLinear", "x", net.const(0.25), net.const(3, np.int8)), net.const(3, np.int8)
        scales, zeros = net.const(SCALES), net.const([0] * 4, np.int8)
        weights = net.const(codes, np.int8), scales, zeros
        y = net.op("QLinearConv", x, net.const(0.25), z, *weights, net.const(0.5), net.const(-7, np.int8))
        net.op("DequantizeLinear", y, net.const(0.5), net.const(-7, np.int8))
    else:
        q = net.qdq("x", 0.25, 3, np.int8)
        if form == "Quant":
            scales = np.array([0.5, -0.25, 1.0, -2.0]).reshape(4, 1, 1, 1)
            w = net.quant(net.const(codes * scales), scales, 0.0, 2, 1, 1)
        else:
            w = net.weights(codes, SCALES)
        net.qdq(net.op("Relu", net.op("Conv", q, w)), 0.75, 0, np.uint8)
    check(net, images(3, 4, 4, count=16))


def test_an_activation_with_a_negative_scale() -> None:
    net = Net(3)
    q = net.op("QuantizeLinear", "x", net.const(0.25), net.const(3, np.int8))
    y = net.op("DequantizeLinear", q, net.const(-0.5), net.const(1, np.int8))
    net.op("MatMul", y, net.const(ternary_weights(3, 4)))
    check(net, images(3, count=16))


@pytest.mark.parametrize("scales", [0.5, SCALES])
def test_a_clamp_at_the_output(scales: object) -> None:
    net = Net(3)
    w = net.weights(ternary_weights(4, 3), scales)
    net.op("Relu", net.op("Gemm", net.qdq("x", 0.25, 3, np.int8), w, transB=1))
    check(net, images(3, count=16))
