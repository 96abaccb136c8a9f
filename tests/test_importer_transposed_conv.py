"""ConvTranspose against onnxruntime: random windows in one and two dimensions, and what is refused of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_testing import RANDOM, Net, check, failing, images, ternary_weights

CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 4, 5), (2, 3, 3, 3), {}),
    "doubling": ((2, 4, 5), (2, 3, 2, 2), {"strides": [2, 2]}),
    "decoder": ((2, 4, 4), (2, 3, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "output padding": ((2, 3, 4), (2, 3, 3, 3), {"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]}),
    "beyond the kernel": ((2, 3, 3), (2, 2, 2, 1), {"strides": [2, 3], "output_padding": [1, 2]}),
    "strides over the kernel": ((2, 3, 4), (2, 2, 1, 2), {"strides": [3, 4], "kernel_shape": [1, 2]}),
    "uneven": ((2, 5, 3), (2, 3, 5, 2), {"strides": [3, 1], "pads": [2, 0, 1, 1], "output_padding": [1, 0]}),
    "cut": ((1, 4, 4), (1, 1, 2, 2), {"strides": [2, 2], "pads": [3, 1, 2, 4]}),
    "dilated": ((2, 4, 4), (2, 2, 3, 2), {"strides": [2, 3], "dilations": [2, 2], "pads": [1, 0, 0, 2]}),
    "groups": ((4, 3, 3), (4, 2, 3, 3), {"strides": [2, 1], "group": 2, "pads": [0, 1, 1, 0]}),
    "depthwise": ((3, 3, 3), (3, 1, 2, 2), {"strides": [2, 2], "group": 3}),
    "VALID": ((2, 3, 3), (2, 2, 3, 3), {"strides": [2, 2], "auto_pad": "VALID"}),
    "SAME_UPPER": ((2, 3, 4), (2, 2, 4, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "SAME_LOWER": ((2, 3, 4), (2, 2, 3, 4), {"strides": [2, 1], "auto_pad": "SAME_LOWER"}),
    "a shape": ((2, 3, 4), (2, 2, 3, 4), {"strides": [2, 3], "output_shape": [6, 12]}),
    "a larger shape": ((2, 3, 3), (2, 2, 3, 3), {"strides": [3, 2], "output_shape": [10, 8]}),
    "a shape, upper": ((2, 3, 4), (2, 2, 3, 4), {"strides": [2, 3], "output_shape": [6, 12], "auto_pad": "SAME_UPPER"}),
    "sequence": ((2, 6), (2, 3, 4), {"strides": [2], "pads": [1, 2], "output_padding": [1]}),
    "dilated sequence": ((2, 6), (2, 3, 3), {"strides": [3], "dilations": [2]}),
}


@pytest.mark.parametrize("name", CASES)
def test_against_onnxruntime(name: str) -> None:
    """Scales per output, then one scale for weights of more bits; a bias; what follows is quantised."""
    shape, kernel, more = CASES[name]
    outputs: int = kernel[1] * more.get("group", 1)
    for weights in (ternary_weights(*kernel), RANDOM.integers(-7, 8, size=kernel)):
        net = Net(*shape)
        scales: Any = (
            0.25 if outputs != kernel[1] or weights.max() > 1 else np.exp2(RANDOM.integers(-2, 2, size=outputs))
        )
        zeros = net.const(np.zeros(np.shape(scales)), np.int8)
        constant = net.op("DequantizeLinear", net.const(weights, np.int8), net.const(scales), zeros, axis=1)
        bias = net.const(RANDOM.integers(-6, 7, size=outputs) / 4)
        y = net.op("ConvTranspose", net.quant("x", 0.25), constant, bias, **more)
        net.quant(net.op("Relu", y), 0.5)
        check(net, images(*shape), y, net.last)


def test_a_zero_point() -> None:
    """Zeros between the elements are the zero point's integer; float weights -a, 0 and a keep being ternary."""
    net = Net(2, 4, 4)
    y = net.op("ConvTranspose", net.qdq("x", 0.125, 77), net.const(ternary_weights(2, 3, 3, 3) / 4), strides=[2, 2])
    net.op("Conv", net.qdq(y, 0.25, 128), net.const(ternary_weights(2, 3, 2, 2)))
    check(net, images(2, 4, 4))


def test_random_windows() -> None:
    for _ in range(25):
        drawn: list[list[int]] = [RANDOM.integers(1, high, size=2).tolist() for high in (5, 4, 3)]
        kernel, strides, dilations = drawn
        more: dict[str, Any] = {"strides": strides, "dilations": dilations}
        more["output_padding"] = [int(RANDOM.integers(size)) for size in strides]
        more["pads"] = RANDOM.integers(0, 2, size=4).tolist()
        net = Net(2, 5, 4)
        net.op("ConvTranspose", net.quant("x", 0.25), net.const(ternary_weights(2, 2, *kernel)), **more)
        check(net, images(2, 5, 4))


REFUSED: tuple[tuple[tuple[int, ...], dict[str, Any], tuple[str, ...]], ...] = (
    ((2, 3, 3, 3), {"auto_pad": "SAME"}, ("its auto_pad is 'SAME'", "SAME_LOWER")),
    ((2, 3, 1, 1), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, ("7 positions in a dimension that shall have 8",)),
    ((2, 3, 3, 3), {"output_shape": [7, 6]}, ("6 positions in a dimension that shall have 7", "explicit pads")),
    ((2, 3, 3, 3), {"output_shape": [7]}, ("its output_shape is [7]", "sizes of 2 dimensions")),
    ((2, 3, 3, 3), {"output_shape": [0, 5]}, ("its result has [0, 5] positions",)),
    ((3, 3, 3, 3), {}, ("its weights have shape (3, 3, 3, 3), its input 2 channels", "outputs a group")),
    ((2, 3, 3), {}, ("its weights have shape (2, 3, 3)", "2 spatial dimensions")),
    ((2, 3, 3, 3), {"group": 3}, ("2 channels in 3 groups",)),
    ((2, 3, 3, 3), {"strides": [2]}, ("its strides are [2]", "2 numbers of at least 1")),
    ((2, 3, 3, 3), {"pads": [0, -1, 0, 0]}, ("its pads are [0, -1, 0, 0]", "4 numbers of at least 0")),
    ((2, 3, 3, 3), {"pads": [4, 0, 4, 0]}, ("its result has [-2, 6] positions",)),
    ((2, 3, 3, 3), {"kernel_shape": [2, 2]}, ("its kernel_shape is [2, 2], its weights have the kernel [3, 3]",)),
    ((2, 3, 3, 3), {"strides": [99999, 99999]}, ("samples of", "at most")),
)


@pytest.mark.parametrize(("kernel", "more", "parts"), REFUSED)
def test_refusals(kernel: tuple[int, ...], more: dict[str, Any], parts: tuple[str, ...]) -> None:
    net = Net(2, 4, 4)
    net.op("ConvTranspose", net.quant("x", 0.25), net.const(ternary_weights(*kernel)), name="up", **more)
    failing(net, "ConvTranspose 'up'", *parts)


def test_weights_are_constant() -> None:
    net = Net(2, 4, 4)
    y = net.quant("x", 0.25)
    net.op("ConvTranspose", y, y, name="up")
    failing(net, "ConvTranspose 'up'", "its weights", "are not constant")
