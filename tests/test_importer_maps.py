"""Operators that only say which element goes where, exactly against onnxruntime and at all levels."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_testing import Net, check, failing, images, ternary_weights
from test_importer_layouts import everywhere

FULL = (2, 8, 4, 6)
"""The shape of the tensors, with a batch."""


def resized(net: Net, x: str, rng: random.Random) -> str:
    """Any Resize to the nearest that onnx knows, by whole factors."""
    factors = [1.0, rng.choice([1.0, 2.0]), rng.choice([0.5, 1.0, 2.0, 3.0]), rng.choice([0.5, 1.0, 2.0])]
    modes = ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"]
    more: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": rng.choice(modes),
        "nearest_mode": rng.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    }
    if rng.random() < 0.5:
        return net.op("Resize", x, "", net.const(factors), **more)
    sizes = [int(size * factor) for size, factor in zip(FULL, factors, strict=True)]
    shape = net.op("Shape", x)
    batch = net.op("Slice", shape, net.const([0], np.int64), net.const([1], np.int64))
    target = net.op("Concat", batch, net.const(sizes[1:], np.int64), axis=0)
    return net.op("Resize", x, "", "", target, **more)


def blocks(net: Net, x: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return net.op("DepthToSpace", x, blocksize=2, mode=rng.choice(["DCR", "CRD"]))
    return net.op("SpaceToDepth", x, blocksize=2)


def tiled(net: Net, x: str, rng: random.Random) -> str:
    return net.op("Tile", x, net.const([1, rng.randint(1, 2), rng.randint(1, 3), 1], np.int64))


def expanded(net: Net, x: str, rng: random.Random) -> str:
    axis = rng.randint(1, 3)
    one = net.op("ReduceMax", x, axes=[axis], keepdims=1)
    sizes = [1, *FULL[1:]]
    sizes[axis] = rng.randint(1, 5)
    return net.op("Expand", one, net.const(sizes[rng.choice([0, 1]) :], np.int64))


def shuffled(net: Net, x: str, rng: random.Random) -> str:
    groups = rng.choice([2, 4])
    y = net.op("Reshape", x, net.const([0, groups, 8 // groups, *FULL[2:]], np.int64))
    return net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3, 4]), net.const([0, *FULL[1:]], np.int64))


def padded(net: Net, x: str, rng: random.Random) -> str:
    pads = net.const([0, *(rng.randint(-1, 2) for _ in range(3)), 0, *(rng.randint(-1, 2) for _ in range(3))], np.int64)
    return net.op("Pad", x, pads, mode=rng.choice(["edge", "reflect", "constant"]))


def cut(net: Net, x: str, rng: random.Random) -> str:
    starts, ends, steps = [rng.randint(-4, 3), 5], [rng.choice([-1, 4]), -7], [1, -2]
    bounds = [net.const(numbers, np.int64) for numbers in (starts, ends, [2, 3], steps)]
    y = net.op("Slice", x, *bounds) if starts[0] % 4 < 3 else x
    return net.op("Gather", y, net.const([rng.randint(-8, 7) for _ in range(rng.randint(1, 9))], np.int64), axis=1)


@settings(max_examples=60)
@given(st.integers(0, 1 << 32), st.sampled_from([resized, blocks, tiled, expanded, shuffled, padded, cut]))
def test_maps_before_and_after_a_quantiser(seed: int, kind: Any) -> None:
    rng = random.Random(seed)
    net = Net(*FULL[1:], opset=17)
    apart = kind is not expanded and rng.random() < 0.3
    y = net.quant("x", [[[[0.5]], [[0.25]]] * 4] if apart else 0.25)
    y = kind(net, y, rng)
    if rng.random() < 0.5:
        net.quant(net.op("Relu", y), 0.5)
    check(net, images(*FULL[1:], count=FULL[0]))


def test_maps_between_products(tmp_path: Any) -> None:
    """A small decoder, and what a super-resolution network ends with."""
    net = Net(2, 4, 4, opset=17)
    y = net.op("Conv", net.quant("x", 0.25), net.weights(ternary_weights(4, 2, 3, 3)), pads=[1, 1, 1, 1])
    y = net.op("Resize", net.quant(y, 0.5), "", net.const([1.0, 1, 2, 2]), mode="nearest")
    y = net.op("Conv", y, net.weights(ternary_weights(4, 4, 3, 3)), pads=[1, 1, 1, 1])
    y = net.op("DepthToSpace", net.quant(y, 1.0), blocksize=2, mode="CRD")
    net.op(
        "Conv",
        net.op("Pad", y, net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect"),
        net.weights(ternary_weights(2, 1, 3, 3)),
    )
    x = images(2, 4, 4)
    check(net, x)
    everywhere(net, x, tmp_path)


@pytest.mark.parametrize("opset", [9, 10])
def test_upsampling_of_old_opsets(opset: int) -> None:
    net = Net(2, 3, 4, opset=opset)
    y = net.quant("x", 0.25) if opset == 9 else net.qdq("x", 0.25, 128)
    net.op("Upsample" if opset == 9 else "Resize", y, net.const([1.0, 1, 2, 3]), mode="nearest")
    check(net, images(2, 3, 4))


def test_refusals() -> None:
    def refused(op: str, *inputs: Any, parts: tuple[str, ...], **more: Any) -> None:
        net = Net(4, 3, 4, opset=19)
        names = ["" if item is None else net.const(item, item.dtype) for item in inputs]
        net.op(op, net.quant("x", 0.25), *names, name="map", **more)
        failing(net, f"{op} 'map'", *parts)

    factors = np.array([1, 1, 1.5, 1], np.float32)
    refused("Resize", None, factors, mode="nearest", parts=("4 of 3 elements, by a factor of 1.5", "whole factors"))
    refused("Resize", None, np.ones(4, np.float32), mode="linear", parts=("its mode is 'linear'", "the nearest"))
    refused("Resize", None, np.array([2, 1, 1, 1], np.float32), parts=("it resizes the batch",))
    refused("Resize", None, None, np.array([1, 4, 3 << 40, 4]), parts=("samples of", "at most"))
    refused("DepthToSpace", blocksize=3, parts=("no whole blocks of 3 by 3",))
    refused("SpaceToDepth", blocksize=2, parts=("no whole blocks of 2 by 2",))
    refused("Tile", np.array([2, 1, 1, 1]), parts=("its repeats are [2, 1, 1, 1]", "1 for the batch"))
    refused("Tile", np.array([1, 1 << 30, 1 << 30, 1]), parts=("samples of", "at most"))
    refused("Expand", np.array([2, 1, 4, 3, 4]), parts=("it expands (batch, 4, 3, 4)", "the batch as it is"))
    refused("Expand", np.array([4, 5, 4]), parts=("it expands (batch, 4, 3, 4) to [4, 5, 4]",))
