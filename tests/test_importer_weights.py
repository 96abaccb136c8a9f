"""Weights in every form that exporters give them: split, padded, repeated and joined, and integers in float tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_testing import RANDOM, Net, check, failing, images, ops

from dialects import ternary


def whole(*shape: int) -> Any:
    """All int8 values but for -128, which comes first."""
    values = RANDOM.integers(-127, 128, size=shape)
    values.flat[0] = -128
    return values


def odd(net: Net, integers: Any, scale: Any = 0.0371) -> str:
    """int8 weights of a scale that has no short binary form, so that float multiples have no common step."""
    return net.op("DequantizeLinear", net.const(integers, np.int8), net.const(scale), axis=1)


def split(net: Net) -> tuple[str, int]:
    net.op("Split", odd(net, whole(6, 8)), axis=1, outputs=2, num_outputs=2, name="cut")
    return "cut_out1", 4


def cut(net: Net) -> tuple[str, int]:
    net.op("Split", odd(net, whole(6, 8)), net.const([3, 5], np.int64), axis=1, outputs=2, name="cut")
    return "cut_out", 3


def padded(net: Net) -> tuple[str, int]:
    return net.op("Pad", odd(net, whole(5, 2)), net.const([1, 0, 0, 2], np.int64)), 4


def cropped(net: Net) -> tuple[str, int]:
    return net.op("Pad", odd(net, whole(7, 4)), net.const([-1, 1, 0, -2], np.int64)), 3


def tiled(net: Net) -> tuple[str, int]:
    return net.op("Tile", odd(net, whole(3, 2)), net.const([2, 2], np.int64)), 4


def expanded(net: Net) -> tuple[str, int]:
    return net.op("Expand", odd(net, whole(6, 1), [0.0371]), net.const([6, 4], np.int64)), 4


def joined(net: Net) -> tuple[str, int]:
    parts = odd(net, whole(6, 2), [0.0371, 0.0112]), odd(net, whole(6, 3), 0.0513)
    return net.op("Concat", *parts, axis=1), 5


def chosen(net: Net) -> tuple[str, int]:
    weights = odd(net, whole(6, 4))
    doubled = net.op("Mul", weights, net.const(2.0))
    return net.op("Where", net.op("Greater", weights, net.const(0.0)), weights, doubled), 4


@pytest.mark.parametrize("form", [split, cut, padded, cropped, tiled, expanded, joined, chosen])
def test_quantised_weights_keep_their_integers(form: Any) -> None:
    """The product of one-hot inputs is the weights, which a float executor computes without a rounding."""
    net = Net(6)
    weights, outputs = form(net)
    net.op("MatMul", net.quant("x", 1.0), weights)
    module = check(net, np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32))
    (product,) = ops(module, ternary.MatmulOp)
    assert product.weights.data.rows == outputs
    assert np.abs(product.weights.data.array).max() <= 256


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (-200, 200), (-(1 << 20), 1 << 20)])
def test_integers_in_float_tensors(low: int, high: int) -> None:
    net = Net(6)
    weights = RANDOM.integers(low, high + 1, size=(6, 4))
    weights[0, 0], weights[1, 0] = low, high
    net.op("MatMul", net.quant("x", 1.0), net.const(weights))
    (product,) = ops(check(net, images(6)), ternary.MatmulOp)
    np.testing.assert_array_equal(product.weights.data.array.T, weights)


def test_multiples_of_a_power_of_two_in_float_tensors() -> None:
    """Weights of 16 bits in fixed point, as QKeras stores them."""
    net = Net(3)
    weights = RANDOM.integers(-(1 << 15), 1 << 15, size=(3, 8))
    weights[0] |= 1
    net.op("MatMul", net.quant("x", 1.0), net.const(weights / 1024))
    (product,) = ops(check(net, images(3)), ternary.MatmulOp)
    np.testing.assert_array_equal(product.weights.data.array.T, weights)


def test_float_weights_are_refused() -> None:
    net = Net(6)
    net.op("MatMul", net.quant("x", 1.0), net.const(RANDOM.normal(size=(6, 4))), name="fc")
    failing(net, "MatMul 'fc'", "weights are float (24 distinct values)", "integers, or floats that are only -a, 0")
    for op, *more in (("Tile", [1, 1 << 30]), ("Expand", [6, 1 << 30])):
        net = Net(6)
        sizes = net.const(more[0], np.int64)
        net.op("MatMul", net.quant("x", 1.0), net.op(op, net.const(np.ones((6, 1))), sizes, name="huge"))
        failing(net, f"{op} 'huge'", "it makes a constant of 6442450944 elements", "at most 4194304")
