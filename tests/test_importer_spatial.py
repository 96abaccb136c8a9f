"""Convolution, pooling, residual sums and the like through the importer, against onnxruntime and exact fractions.

Scales are powers of two wherever a float executor is the reference, so that its arithmetic is exact.
"""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import product
from math import gcd
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import (
    MICROSOFT,
    QUANT,
    RANDOM,
    Net,
    check,
    evaluate,
    failing,
    images,
    ops,
    reference,
    ternary_weights,
)

from cam_compiler.importer import import_model
from cam_compiler.importer.arithmetic.functions import Edge
from cam_compiler.importer.arithmetic.multipliers import Summand, combination, exact_multipliers
from dialects import ternary
from runtime.interpreter import Interpreter

# ---- convolution


@st.composite
def windows(draw: st.DrawFn, rank: int, pads: bool = True) -> dict[str, Any]:
    def some(low: int, high: int, count: int = rank) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    options: dict[str, Any] = {"strides": some(1, 3)}
    mode = draw(st.sampled_from(["pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "none"]))
    if mode == "pads" and pads:
        options["pads"] = some(0, 2, 2 * rank)
    elif mode != "none" and pads:
        options["auto_pad"] = mode
    if "SAME" not in str(options.get("auto_pad")):
        options["dilations"] = some(1, 2)
    return options


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    rank = draw(st.integers(1, 2))
    groups, per_group, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    options = draw(windows(rank)) | {"group": groups}
    return {
        "channels": groups * per_group,
        "size": draw(st.lists(st.integers(6, 8), min_size=rank, max_size=rank)),
        "weights": (groups * outputs, per_group, *kernel),
        "options": options,
        "zero": draw(st.sampled_from([0, 3, 131])),
        "bias": draw(st.booleans()),
        "per_output": draw(st.booleans()),
        "qonnx": draw(st.booleans()),
    }


@settings(max_examples=80)
@given(convolutions())
def test_convolution(case: dict[str, Any]):
    net = Net(case["channels"], *case["size"])
    q = net.quant("x", 0.25, 0.0, 5) if case["qonnx"] else net.qdq("x", 0.25, case["zero"])
    outputs = case["weights"][0]
    scale = 2.0 ** RANDOM.integers(-2, 2, size=outputs) if case["per_output"] else 0.5
    w = net.weights(ternary_weights(*case["weights"]), scale)
    bias = [net.const(RANDOM.integers(-8, 9, size=outputs) / 8)] if case["bias"] else []
    y = net.op("Conv", q, w, *bias, **case["options"])
    net.quant(net.op("Relu", y), 0.5, 0.0, 4) if case["qonnx"] else net.qdq(y, 0.5, 7)
    module = check(net, images(case["channels"], *case["size"]))
    assert len(ops(module, ternary.ConvOp)) == 1


def test_padding_between_two_integers():
    """Zero lies between -1 and 1, and between the numbers of a quantiser with the zero point 1/2."""
    net = Net(2, 5, 5)
    y = net.quant("x", 0.25, 0.5, 3)
    y = net.op("Conv", y, net.weights(ternary_weights(3, 2, 3, 3)), pads=[1, 1, 0, 1])
    y = net.op("BipolarQuant", y, net.const(0.5), domain=QUANT)
    y = net.op("AveragePool", y, kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    y = net.op("Conv", y, net.weights(ternary_weights(2, 3, 2, 2)), pads=[0, 0, 1, 1])
    check(net, images(2, 5, 5), net.quant(y, 0.5, 0.0, 4))


def test_convolution_keeps_thresholds_by_channel():
    net = Net(2, 6)
    y = net.op("Conv", net.quant("x", 0.25), net.weights(ternary_weights(3, 2, 3), [0.5, 1.0, 2.0]), pads=[1, 1])
    net.quant(y, 1.0)
    (table,) = ops(check(net, images(2, 6)), ternary.ThresholdOp)
    assert table.thresholds.data.channels == 3


def test_batch_norm_and_constants_on_images():
    net = Net(2, 5, 5)
    y = net.op("Conv", net.quant("x", 0.25, 0.0, 4), net.weights(ternary_weights(4, 2, 3, 3)), pads=[1, 1, 1, 1])
    constants = [[1.0, -0.5, 0.25, 2.0], [0.125, 0.5, -1.0, 0.0], [0.5, 0.25, 0.0, 1.0], [1.0, 0.25, 4.0, 16.0]]
    y = net.op("BatchNormalization", y, *map(net.const, constants), epsilon=0.0)
    y = net.op("Add", net.op("Mul", y, net.const(np.full((1, 4, 1, 1), 0.5))), net.const(np.ones((4, 1, 1)) / 8))
    y = net.quant(net.op("Clip", y, net.const(-1.0), net.const(1.0)), 0.25, 0.0, 3)
    net.op("Conv", y, net.weights(ternary_weights(2, 4, 3, 3)), pads=[2, 0, 0, 1], strides=[2, 1])
    module = check(net, images(2, 5, 5, count=16))
    assert list(ops(module, ternary.ThresholdOp)[0].thresholds.data.down) == [False, True, False, False]


def test_float_and_many_bit_weights():
    net = Net(2, 5, 5)
    y = net.quant("x", 0.25, 0.0, 4)
    y = net.op("Conv", y, net.const(ternary_weights(4, 2, 3, 3) * np.array([0.5, 1, 2, 0.25]).reshape(4, 1, 1, 1)))
    y = net.quant(y, 1.0, 0.0, 4)
    net.op("Conv", y, net.quant(net.const(RANDOM.normal(size=(3, 4, 2, 2))), 0.125, 0.0, 5))
    check(net, images(2, 5, 5))


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_integer_convolutions(kind: Any):
    net = Net(4, 6, 6)
    zero = net.const(5, kind)
    q = net.op("QuantizeLinear", "x", net.const(0.125), zero)
    w = net.const(RANDOM.integers(0, 7, size=(4, 2, 3, 3)), np.uint8)
    y = net.op("ConvInteger", q, w, zero, net.const(3, np.uint8), group=2, pads=[1, 0, 2, 1])
    net.qdq(net.op("Mul", net.op("Cast", y, to=T.FLOAT), net.const(0.0625)), 0.25, 100)
    check(net, images(4, 6, 6))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_qlinear_conv(per_channel: bool, signed: bool):
    net = Net(4, 6, 6)
    s, z = net.const(0.125), net.const(130, np.uint8)
    q = net.op("QuantizeLinear", "x", s, z)
    kind = np.int8 if signed else np.uint8
    w = net.const(RANDOM.integers(-3, 4, size=(6, 2, 3, 3)) + (0 if signed else 4), kind)
    scales, points = net.const(2.0 ** -np.arange(1, 7)), net.const([0] * 6 if signed else [4] * 6, kind)
    if not per_channel:
        scales, points = net.const(0.25), net.const(0 if signed else 4, kind)
    bias = net.const(RANDOM.integers(-40, 40, size=6), np.int32)
    out = net.const(0.5), net.const(100, np.uint8)
    y = net.op("QLinearConv", q, s, z, w, scales, points, *out, bias, group=2, auto_pad="SAME_UPPER", strides=[2, 1])
    net.op("DequantizeLinear", y, *out)
    check(net, images(4, 6, 6))


# ---- pooling


@settings(max_examples=80)
@given(
    st.integers(1, 2).flatmap(
        lambda rank: st.tuples(st.just(rank), windows(rank), st.lists(st.integers(2, 3), min_size=rank, max_size=rank))
    ),
    st.sampled_from(["MaxPool", "MaxPool", "AveragePool", "AveragePool"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_pooling(window: tuple[int, dict[str, Any], list[int]], op: str, ceil: bool, include: bool, signed: bool):
    rank, options, kernel = window
    size = [7, 6][:rank]
    options = options | {"kernel_shape": kernel}
    if "auto_pad" in options:
        # Elsewhere onnxruntime takes the padding for negative.
        options["strides"] = [min(pair) for pair in zip(options["strides"], kernel, strict=True)]
    if "pads" in options:
        options["pads"] = [min(pad, 1) for pad in options["pads"]]
    if op == "AveragePool":
        options.pop("dilations", None)
        options["count_include_pad"] = int(include)
        options.setdefault("pads", [0] * 2 * rank) if "auto_pad" not in options else None
    if "auto_pad" not in options:
        options["ceil_mode"] = int(ceil)
    net = Net(2, *size)
    zero = 3 if signed else 120
    y = net.op(op, net.qdq("x", 0.25, zero, np.int8 if signed else np.uint8), **options)
    net.qdq(y, 0.25, 128)
    model, x = net.model(), images(2, *size)
    (wanted,) = reference(model, x)
    (got,) = evaluate(import_model(model), x)
    assert got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)


def averages(x: Any, kernel: int, stride: int, pad: int, include: bool) -> list[Fraction]:
    """Averages along a line with ceil_mode, as PyTorch defines them."""
    results: list[Fraction] = []
    start = -pad
    while start < len(x) and (start + kernel <= len(x) + pad or start + kernel - stride < len(x) + pad):
        end = min(start + kernel, len(x) + pad)
        inside = x[max(start, 0) : min(end, len(x))]
        divisor = end - start if include else len(inside)
        results.append(sum(map(Fraction, inside.tolist()), Fraction(0)) / divisor)
        start += stride
    return results


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 1), (3, 3, 0), (2, 2, 1), (4, 3, 1)])
def test_average_pool_with_ceil_mode(include: int, kernel: int, stride: int, pad: int):
    net = Net(1, 8)
    y = net.op("AveragePool", net.qdq("x", 0.25, 3), kernel_shape=[kernel], strides=[stride], pads=[pad, pad],
               ceil_mode=1, count_include_pad=include)  # fmt: skip
    x = np.abs(images(1, 8))
    (got,) = evaluate(import_model(net.model(y)), x)
    real = np.clip(np.rint(x / 0.25) + 3, 0, 255) * 0.25 - 0.75
    for sample, line in zip(got, real, strict=True):
        np.testing.assert_allclose(
            sample[0], [float(v) for v in averages(line[0], kernel, stride, pad, bool(include))], rtol=1e-6
        )


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 8), (2, 1, 1)])
def test_global_pooling(op: str, shape: tuple[int, ...]):
    net = Net(*shape)
    net.qdq(net.op(op, net.qdq("x", 0.25, 10)), 0.25, 3)
    check(net, images(*shape))


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3], [2]])
def test_reductions(op: str, keep: int, axes: list[int]):
    newer = {"ReduceMean": 18, "ReduceSum": 13, "ReduceMax": 18}[op]
    for opset in (11, newer):
        net = Net(2, 4, 4, opset=opset)
        q = net.qdq("x", 0.25, 0 if opset == 11 else 3)
        if opset == 11:
            y = net.op(op, q, axes=axes, keepdims=keep)
        else:
            y = net.op(op, q, net.const(axes, np.int64), keepdims=keep)
        net.qdq(y, 0.5, 100)
        check(net, images(2, 4, 4))


def test_max_pool_of_falling_channels():
    net = Net(3, 6, 6)
    y = net.op("Conv", net.quant("x", 0.25), net.weights(ternary_weights(3, 3, 3, 3)))
    y = net.op("Relu", net.op("Mul", y, net.const(np.array([1.0, -0.5, 0.0]).reshape(3, 1, 1))))
    y = net.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    net.quant(net.op("Neg", y), 0.25, 0.0, 5)
    module = check(net, images(3, 6, 6))
    (flip,) = ops(module, ternary.CombineOp)
    assert flip.multipliers.data.array.tolist() == [[1], [-1], [1]]


def test_pooling_comes_after_thresholds():
    net = Net(2, 6, 6)
    y = net.op("Conv", net.quant("x", 0.25), net.weights(ternary_weights(3, 2, 3, 3)))
    net.op("MaxPool", net.quant(y, 1.0, 0.0, 2), kernel_shape=[2, 2], strides=[1, 1])
    (pool,) = ops(check(net, images(2, 6, 6)), ternary.MaxPoolOp)
    assert ternary.range_of(pool.result).hi == 1


def test_thresholds_move_before_the_pooling():
    net = Net(2, 6, 6)
    y = net.op("Conv", net.quant("x", 0.25), net.weights(ternary_weights(3, 2, 3, 3)))
    y = net.op("Mul", y, net.const(np.array([1.0, -0.5, 0.25]).reshape(3, 1, 1)))
    net.quant(net.op("MaxPool", net.op("Relu", y), kernel_shape=[2, 2], strides=[2, 2]), 1.0, 0.0, 3)
    (pool,) = ops(check(net, images(2, 6, 6)), ternary.MaxPoolOp)
    assert ternary.range_of(pool.result).hi == 3


@pytest.mark.parametrize("op", ["QLinearGlobalAveragePool", "QLinearAveragePool"])
def test_quantised_average_pools(op: str):
    net = Net(2, 4, 4)
    s, z, out = net.const(0.125), net.const(100, np.uint8), (net.const(0.25), net.const(3, np.uint8))
    more = {"kernel_shape": [2, 2], "strides": [2, 2]} if op == "QLinearAveragePool" else {}
    y = net.op(op, net.op("QuantizeLinear", "x", s, z), s, z, *out, domain=MICROSOFT, **more)
    net.op("DequantizeLinear", y, *out)
    model, x = net.model(), np.abs(images(2, 4, 4))
    (got,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    np.testing.assert_array_equal(got, wanted)
    real = (np.clip(np.rint(x / 0.125) + 100, 0, 255) - 100) * 0.125
    # The zero point, which is odd, is added before the average of windows is rounded, after that of whole images.
    codes = np.rint(real.mean(axis=(2, 3), keepdims=True) / 0.25) + 3
    if more:
        codes = np.rint(real.reshape(-1, 2, 2, 2, 2, 2).mean(axis=(3, 5)) / 0.25 + 3)
    np.testing.assert_array_equal(got, (np.clip(codes, 0, 255) - 3) * 0.25)


# ---- residual sums


def test_residual_sum_of_equal_scales():
    net = Net(2, 5, 5)
    q = net.quant("x", 0.25, 0.0, 4)
    y = net.op("Conv", q, net.weights(ternary_weights(2, 2, 3, 3)), pads=[1, 1, 1, 1])
    y = net.op("Add", net.quant(y, 0.25, 0.0, 4), q)
    net.quant(net.op("Relu", y), 0.5, 0.0, 3)
    (combine,) = ops(check(net, images(2, 5, 5)), ternary.CombineOp)
    assert combine.multipliers.data.array.tolist() == [[1, 1]]


def box_net(
    scales: tuple[Any, Any], function: Any, bits: tuple[int, int] = (4, 3)
) -> tuple[onnx.ModelProto, list[Any]]:
    """(a, b) in a grid of all integers, times the scales a channel, added and put through `function`."""
    first = helper.make_tensor_value_info("x", T.INT8, ["N", 2])
    second = helper.make_tensor_value_info("b", T.INT8, ["N", 2])
    net = Net(2)
    net.inputs = [first, second]
    ends = [(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in bits]
    parts = [
        net.op(
            "Mul",
            net.op("Cast", net.op("Clip", name, *(net.const(e, np.int8) for e in end)), to=T.FLOAT),
            net.const(scale),
        )
        for name, end, scale in zip(("x", "b"), ends, scales, strict=True)
    ]
    function(net, net.op("Add", *parts, name="sum"))
    grid = np.array(list(product(*(range(low, high + 1) for low, high in ends))))
    return net.model(), [np.repeat(grid[:, k : k + 1], 2, axis=1).astype(np.int64) for k in range(2)]


def exact_quant(value: Fraction, scale: float, bits: int) -> Fraction:
    step = Fraction(float(np.float32(scale)))
    return min(max(round(value / step), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1) * step


@pytest.mark.parametrize(
    "scales",
    [
        (0.25, 0.75), (0.1, 0.1), (0.3, 0.1), (0.1, 0.0123), (0.317, -0.211), ([0.1, -0.7], [0.23, 0.0123]),
        ([0.25, 0.0], [0.0, 1e-6]), (-0.11, -0.13), (1.0, 1e-7), (3e-5, 0.4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("out", [0.37, 0.5])
@pytest.mark.parametrize("gain", [1.0, -1.0])
def test_residual_sums_over_the_whole_box(scales: tuple[Any, Any], out: float, gain: float):
    def rest(net: Net, total: str) -> None:
        y = net.op("Add", net.op("Mul", total, net.const([gain, 1.0])), net.const([0.125, -0.3]))
        net.quant(net.op("Relu", y), out, 0.0, 4)

    model, (a, b) = box_net(scales, rest)
    module = import_model(model)
    (got,) = Interpreter().run(module, {"x": a, "b": b}).outputs.values()
    sizes = [np.broadcast_to(np.asarray(s, dtype=np.float32), (2,)).astype(float) for s in scales]
    for channel in range(2):
        shift = Fraction(float(np.float32([0.125, -0.3][channel])))
        factor = Fraction(gain) if channel == 0 else Fraction(1)
        for row, (i, j) in enumerate(zip(a[:, 0].tolist(), b[:, 0].tolist(), strict=True)):
            real = (Fraction(sizes[0][channel]) * i + Fraction(sizes[1][channel]) * j) * factor + shift
            assert got[row, channel] == np.float32(float(exact_quant(max(real, Fraction(0)), out, 4)))
    largest = max(np.abs(op.multipliers.data.array).max() for op in ops(module, ternary.CombineOp))
    assert largest <= 30


def separates(multipliers: tuple[int, int], first: Summand, second: Summand, crossings: list[Edge]) -> bool:
    """Does the sum with the multipliers tell the sides of every edge apart, over all pairs?"""
    pairs = product(range(first.low, first.high + 1), range(second.low, second.high + 1))
    sums = [(first.slope * a + second.slope * b, multipliers[0] * a + multipliers[1] * b) for a, b in pairs]
    for crossing in crossings:
        edge = Fraction(crossing.low, crossing.denominator)
        sides = [(value > edge or (value == edge and crossing.closed), number) for value, number in sums]
        far, near = [number for beyond, number in sides if beyond], [number for beyond, number in sides if not beyond]
        if far and near and max(near) >= min(far):
            return False
    return True


def test_multipliers_are_the_smallest():
    """Against trying all smaller pairs, for edges anywhere."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        slopes = [Fraction(int(rng.integers(1, 400)), int(rng.integers(100, 500))) for _ in range(2)]
        first = Summand(slopes[0], -3, int(rng.integers(0, 6)))
        second = Summand(slopes[1], int(rng.integers(-2, 1)), 4)
        low, high = first.ends[0] + second.ends[0], first.ends[1] + second.ends[1]
        edges = [low + (high - low) * Fraction(int(n), 100) for n in sorted(rng.integers(1, 100, size=3))]
        crossings = [Edge.at(edge.numerator, edge.denominator, bool(rng.integers(2))) for edge in edges]
        combined = combination(first, second, crossings)
        assert combined
        (p, q), found = combined
        assert separates((p, q), first, second, crossings) and gcd(p, q) == 1 and len(found) == 3
        smaller = [pair for pair in product(range(p + 1), range(q + 1)) if pair not in ((p, q), (0, 0))]
        assert not any(separates(pair, first, second, crossings) for pair in smaller)


def test_multipliers_after_millions_of_fractions():
    """A run of fractions is as long as one scale is smaller than the other."""
    for ratio in (10_007, 4_000_003):
        first, second = Summand(Fraction(1), 0, 1), Summand(Fraction(1, ratio), 0, ratio)
        for pair in ((first, second), (second, first)):
            combined = combination(*pair, [Edge.at(ratio + 1, ratio, True)])
            assert combined and sorted(combined.multipliers) == [1, ratio] and combined.edges == (ratio + 1,)
    wide = Summand(Fraction(1, 3 * 10**8), 0, 2 * 10**9)
    crossings = [Edge.at(n, 7, True) for n in range(1, 40)]
    assert combination(wide, Summand(Fraction(1), 0, 4), crossings) is not None


def test_sums_of_three_tensors_with_scales_of_their_own():
    net = Net(2, 4, 4)
    scales = (1.9999999, 1.0000001, 1.3333334)
    parts = [net.quant(net.op("Mul", "x", net.const([gain])), scale, 0.0, 4) for gain, scale in enumerate(scales, 1)]
    net.quant(net.op("Add", net.op("Add", *parts[:2]), parts[2]), 5.0, 0.0, 4)
    check(net, images(2, 4, 4), net.last)


def test_exact_multipliers():
    assert exact_multipliers([Fraction(3, 4), Fraction(-1, 2)]) == ((3, -2), Fraction(1, 4))
    assert exact_multipliers([Fraction(0), Fraction(0)]) == ((1, 1), Fraction(0))
    assert exact_multipliers([Fraction(0), Fraction(2, 7)]) == ((0, 1), Fraction(2, 7))


def test_sum_at_the_output_is_exact():
    model, (a, b) = box_net((0.1, 0.3), lambda net, total: None)
    (got,) = Interpreter().run(import_model(model), {"x": a, "b": b}).outputs.values()
    np.testing.assert_allclose(got, a * float(np.float32(0.1)) + b * float(np.float32(0.3)), rtol=1e-7, atol=1e-9)


def test_sub_and_sum_and_a_tensor_with_itself():
    net = Net(2, 4, 4)
    q = net.quant("x", 0.25, 0.0, 4)
    r = net.quant(net.op("Conv", q, net.weights(ternary_weights(2, 2, 1, 1))), 0.75, 0.0, 3)
    t = net.quant(net.op("Conv", q, net.weights(ternary_weights(2, 2, 1, 1))), 0.5, 1.0, 3)
    y = net.op("Sub", net.op("Sum", q, r, t, net.const(0.25)), net.op("Add", r, r))
    y = net.quant(y, 0.5, 0.0, 5)
    net.op("Conv", net.op("Add", y, net.op("Neg", y)), net.weights(ternary_weights(2, 2, 1, 1)))
    check(net, images(2, 4, 4), y, net.last)


def test_sum_with_three_consumers():
    net = Net(2, 4, 4)
    q = net.quant("x", 0.25, 0.0, 4)
    y = net.op("Conv", q, net.weights(ternary_weights(2, 2, 3, 3)), pads=[1, 1, 1, 1])
    total = net.op("Add", y, q)
    first, second = net.quant(total, 0.5, 0.0, 3), net.quant(net.op("Relu", total), 1.0, 0.0, 3)
    flat = net.op("Flatten", net.op("MaxPool", net.op("Relu", total), kernel_shape=[2, 2], strides=[2, 2]))
    module = check(net, images(2, 4, 4), first, second, net.quant(flat, 1.0, 0.0, 4))
    assert len(ops(module, ternary.CombineOp)) == 1


@pytest.mark.parametrize("between", ["Flatten", "MaxPool"])
def test_sum_of_unequal_scales_away_from_its_quantiser(between: str):
    net = Net(2, 4, 4)
    q = net.quant("x", 0.25, 0.0, 3)
    r = net.op("Mul", net.quant(net.op("Neg", "x"), 0.5, 0.0, 3), net.const(0.6875))
    y = net.op("Relu", net.op("Add", net.op("Mul", q, net.const([[[[1.0]], [[-0.8125]]]])), r))
    y = net.op("Flatten", y) if between == "Flatten" else net.op("MaxPool", y, kernel_shape=[2, 2])
    net.quant(y, 0.25, 0.0, 4)
    module = check(net, images(2, 4, 4, count=30))
    (combine,) = ops(module, ternary.CombineOp)
    largest = np.abs(combine.multipliers.data.array).max()
    assert largest < 22 if between == "Flatten" else largest == 22


def test_qlinear_add_of_two_tensors():
    net = Net(2, 4, 4)
    a = net.const(0.25), net.const(128, np.uint8)
    b = net.const(0.75), net.const(3, np.uint8)
    c = net.const(0.5), net.const(100, np.uint8)
    first, second = net.op("QuantizeLinear", "x", *a), net.op("QuantizeLinear", net.op("Neg", "x"), *b)
    net.op("DequantizeLinear", net.op("QLinearAdd", first, *a, second, *b, *c, domain=MICROSOFT), *c)
    check(net, images(2, 4, 4))


def test_qlinear_concat_and_pooling_of_integers():
    net = Net(2, 4, 4)
    a = net.const(0.25), net.const(128, np.uint8)
    b = net.const(0.75), net.const(3, np.uint8)
    c = net.const(0.5), net.const(100, np.uint8)
    first, second = net.op("QuantizeLinear", "x", *a), net.op("QuantizeLinear", net.op("Neg", "x"), *b)
    y = net.op("QLinearConcat", *c, first, *a, second, *b, domain=MICROSOFT, axis=1)
    net.op("DequantizeLinear", net.op("MaxPool", y, kernel_shape=[2, 2]), *c)
    check(net, images(2, 4, 4))


# ---- concatenation, cuts, padding, truncation


def test_concat_of_different_scales():
    net = Net(2, 5, 5)
    q = net.quant("x", 0.25, 0.0, 4)
    first = net.quant(net.op("Conv", q, net.weights(ternary_weights(3, 2, 1, 1))), 0.5, 0.0, 3)
    second = net.quant(net.op("Conv", q, net.weights(ternary_weights(2, 2, 1, 1))), [[[[0.25]], [[1.0]]]], 0.0, 3)
    y = net.op("Concat", first, second, q, axis=1)
    y = net.op("Conv", y, net.weights(ternary_weights(4, 7, 3, 3)), pads=[1, 1, 1, 1])
    module = check(net, images(2, 5, 5), net.quant(y, 1.0, 0.0, 4), net.op("Flatten", second))
    assert len(ops(module, ternary.ConcatOp)) == 1


def test_concat_before_its_quantiser_and_grouped_convolution():
    net = Net(2, 5, 5)
    q = net.quant("x", 0.25, 0.0, 4)
    y = net.op("Concat", net.op("Mul", q, net.const(2.0)), net.op("Add", q, net.const(0.5)), axis=-3)
    grouped = net.op("Conv", y, net.weights(ternary_weights(4, 1, 3, 3)), group=4)
    check(net, images(2, 5, 5), net.quant(y, 0.5, 0.0, 4), net.quant(grouped, 0.5, 0.0, 6))


def test_slice_and_split_of_channels():
    net = Net(6, 3, 3)
    q = net.quant("x", [[[[0.25]], [[0.5]], [[0.25]], [[1.0]], [[0.25]], [[0.5]]]], 0.0, 4)
    bounds = [net.const(v, np.int64) for v in ([5, 0], [-7, 2147483647], [1, 2], [-2, 1])]
    picked = net.op("Slice", q, *bounds)
    net.op("Split", q, net.const([1, 2, 3], np.int64), axis=1, outputs=3, name="cut")
    total = net.op("Add", net.op("Conv", "cut_out2", net.weights(np.ones((1, 3, 1, 1)))), "cut_out")
    assert ops(check(net, images(6, 3, 3), picked, "cut_out1", total), ternary.ConvOp)


@pytest.mark.parametrize("opset", [10, 17, 18])
def test_pad_becomes_the_padding_of_the_convolution(opset: int):
    net = Net(2, 5, 5, opset=opset)
    q = net.qdq("x", 0.25, 9)
    pads = [0, 0, 1, 2, 0, 0, 0, 1]
    y = net.op("Pad", q, pads=pads) if opset == 10 else net.op("Pad", q, net.const(pads, np.int64))
    y = net.op("Conv", y, net.const(ternary_weights(3, 2, 3, 3)), pads=[1, 1, 1, 1])
    net.qdq(y, 0.5, 100)
    module = check(net, images(2, 5, 5))
    assert not ops(module, ternary.SumPoolOp)
    (conv,) = ops(module, ternary.ConvOp)
    assert (conv.window.data.pads, conv.pad) == ((2, 3, 1, 2), 9)


def test_pad_with_another_number_stands_alone():
    net = Net(2, 5, 5)
    y = net.op("Pad", net.qdq("x", 0.25, 9), net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), net.const(0.5))
    pooled = net.op("MaxPool", y, kernel_shape=[2, 2])
    y = net.op("Conv", y, net.weights(ternary_weights(3, 2, 3, 3)), pads=[1, 1, 1, 1])
    assert ops(check(net, images(2, 5, 5), net.qdq(y, 0.5, 100), pooled), ternary.SumPoolOp)


@pytest.mark.parametrize("version", [1, 2])
def test_trunc(version: int):
    net = Net(2, 4, 4)
    y = net.op(
        "Mul", net.op("AveragePool", net.quant("x", 0.25, 0.0, 4, signed=0), kernel_shape=[2, 2]), net.const(4.0)
    )
    numbers = [0.25, 0.0, 6.0, 4.0] if version == 1 else [0.25, 0.0, 6.0, 1.0, 3.0]
    more = {} if version == 1 else {"signed": 0, "narrow": 0}
    net.op("Trunc", y, *map(net.const, numbers), domain=QUANT, rounding_mode="FLOOR", **more)
    x = np.abs(images(2, 4, 4))
    (got,) = evaluate(import_model(net.model()), x)
    codes = np.clip(np.rint(x / 0.25), 0, 15)
    sums = sum(codes[:, :, i : i + 3, j : j + 3] for i, j in product(range(2), repeat=2))
    wanted = np.floor(sums / 4) * 0.25 if version == 1 else np.floor(np.clip(sums / 4, 0, 7))
    np.testing.assert_array_equal(got, wanted)


# ---- errors


def _conv(net: Net, x: str, *shape: int, **more: Any) -> str:
    return net.op("Conv", x, net.weights(ternary_weights(*shape)), name="conv", **more)


def test_errors_of_convolutions():
    net = Net(2, 5, 5)
    _conv(net, net.quant("x", 0.25), 3, 1, 3, 3)
    failing(net, "Conv 'conv'", "(3, 1, 3, 3)", "2 channels in 1 groups")
    net = Net(2, 5, 5)
    _conv(net, net.quant("x", 0.25), 3, 2, 6, 3)
    failing(net, "Conv 'conv'", "does not fit")
    net = Net(2, 3, 3, 3)
    _conv(net, net.quant("x", 0.25), 3, 2, 3, 3, 3)
    failing(net, "Conv 'conv'", "(batch, 2, 3, 3, 3)", "images")
    net = Net(2, 5, 5)
    _conv(net, "x", 3, 2, 3, 3)
    failing(net, "Conv 'conv'", "float input", "a quantiser is needed")
    net = Net(2, 5, 5)
    net.op("Conv", net.quant("x", 0.25), net.const(RANDOM.normal(size=(3, 2, 3, 3))), name="conv")
    failing(net, "Conv 'conv'", "weights are float", "quantiser")
    net = Net(2, 3, 3)
    q = net.quant("x", 0.25)
    net.op("Conv", q, q, name="conv")
    failing(net, "Conv 'conv'", "not constant")
    net = Net(2, 5, 5)
    _conv(net, net.quant("x", 0.25), 3, 2, 3, 3, pads=[-1, 0, 0, 0])
    failing(net, "Conv 'conv'", "pads are [-1, 0, 0, 0]")


def test_errors_of_pools_and_sums():
    net = Net(2, 4, 4)
    net.op("MaxPool", net.quant("x", 0.25), kernel_shape=[1, 1], pads=[1, 1, 1, 1], name="pool")
    failing(net, "MaxPool 'pool'", "wholly in the padding")
    net = Net(2, 4, 4)
    net.op("ReduceMean", net.quant("x", 0.25), net.const([0, 1], np.int64), name="mean")
    failing(net, "ReduceMean 'mean'", "along the batch")
    net = Net(2, 4, 4)
    q = net.quant("x", 0.25)
    net.op("Add", q, net.op("MaxPool", q, kernel_shape=[2, 2]), name="sum")
    failing(net, "Add 'sum'", "(2, 4, 4) and (2, 3, 3)")
    net = Net(2, 4, 4)
    q = net.quant("x", 0.25)
    net.op("Concat", q, q, axis=0, name="cat")
    failing(net, "Concat 'cat'", "axis 0", "batch")
    net = Net(2, 4, 4)
    net.op("Pad", net.quant("x", 0.25), net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="mirror", name="pad")
    failing(net, "Pad 'pad'", "'mirror'")


def test_import_is_quick():
    net = Net(8, 4, 4)
    y = net.quant("x", 0.25, 0.0, 4)
    rng = np.random.default_rng(1)
    for inputs in (8, 256, 256):
        y = net.op("Conv", y, net.weights(rng.integers(-1, 2, size=(256, inputs, 1, 1))))
        constants = [rng.normal(size=256), rng.normal(size=256), rng.normal(size=256), rng.uniform(0.1, 9, size=256)]
        y = net.quant(
            net.op("Relu", net.op("BatchNormalization", y, *map(net.const, constants))), 0.3, 0.0, 4, signed=0
        )
    start = time.process_time()
    import_model(net.model())
    assert time.process_time() - start < 5
