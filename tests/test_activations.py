"""Activation functions between quantisers: tables against intervals of fractions, networks against onnxruntime."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from onnx_testing import MICROSOFT, Net, check, evaluate, failing, ops, reference, ternary_weights

from cam_compiler.importer import import_model
from cam_compiler.importer.arithmetic import enclosures
from cam_compiler.importer.arithmetic.compositions import (
    Combined,
    Gate,
    Operation,
    Softsign,
    exponential_unit,
    leaky,
    magnitude,
)
from cam_compiler.importer.arithmetic.curves import (
    ErrorFunction,
    Exponential,
    Logarithm,
    Logistic,
    Root,
    Sine,
    Softplus,
    Tanh,
)
from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.functions import Chain, Edge, Enclosed, Stage, decided, image
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.arithmetic.thresholds import Channel, Reach, TableError, float_table, integer_table
from cam_compiler.importer.arithmetic.uneven import uneven_table
from cam_compiler.pipeline import LEVELS, cut, parse_passes, run_passes
from dialects import ternary
from dialects.machine.target import load_target
from dialects.support.ranges import Range
from runtime.interpreter import Interpreter

mpmath = pytest.importorskip("mpmath")
RISING: dict[str, tuple[Stage, Callable[[Any], Any]]] = {
    "exp": (Exponential(), lambda x: mpmath.exp(x)),
    "sigmoid": (Logistic(), lambda x: 1 / (1 + mpmath.exp(-x))),
    "tanh": (Tanh(), lambda x: mpmath.tanh(x)),
    "softplus": (Softplus(), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "erf": (ErrorFunction(), lambda x: mpmath.erf(x)),
    "softsign": (Softsign(), lambda x: x / (1 + abs(x))),
    "gate": (Gate(Fraction(1, 2)), lambda x: x if x > 0.5 else mpmath.mpf(0)),
    "leaky": (leaky(Fraction(1, 7)), lambda x: x if x >= 0 else x / 7),
    "elu": (
        exponential_unit(Fraction(1), Fraction(3, 2), Fraction(1)),
        lambda x: x if x >= 0 else 1.5 * (mpmath.exp(x) - 1),
    ),
}
OTHERS: dict[str, tuple[Stage, Callable[[Any], Any]]] = {
    "abs": (magnitude(), lambda x: abs(x)),
    "sin": (Sine(), lambda x: mpmath.sin(x)),
    "swish": (
        Combined(Operation.MULTIPLY, Chain(), Chain((Logistic(),))),
        lambda x: x / (1 + mpmath.exp(-x)),
    ),
    "gelu": (
        Combined(Operation.MULTIPLY, Chain(), Chain((ErrorFunction(), Piece(Fraction(1, 2), Fraction(1, 2))))),
        lambda x: x * (mpmath.erf(x) + 1) / 2,
    ),
    "square": (Combined(Operation.MULTIPLY, Chain(), Chain()), lambda x: x * x),
    "falling": (leaky(Fraction(-1, 3)), lambda x: x if x >= 0 else -x / 3),
    "ratio": (
        Combined(Operation.DIVIDE, Chain(), Chain((magnitude(), Piece(Fraction(1), Fraction(1))))),
        lambda x: x / (1 + abs(x)),
    ),
    "least": (
        Combined(Operation.LEAST, Chain((Tanh(),)), Chain((Piece(Fraction(-1)),))),
        lambda x: min(mpmath.tanh(x), -x),
    ),
    "sum": (Combined(Operation.ADD, Chain((Sine(),)), Chain()), lambda x: mpmath.sin(x) + x),
}
ON_POSITIVES: dict[str, tuple[Stage, Callable[[Any], Any]]] = {
    "log": (Logarithm(), lambda x: mpmath.log(x)),
    "sqrt": (Root(), lambda x: mpmath.sqrt(x)),
}
ALL = {**RISING, **OTHERS, **ON_POSITIVES}


def number(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


@pytest.mark.parametrize("name", ALL)
def test_curves_are_enclosed(name: str) -> None:
    """Against a library of arbitrary precision, at points near and far."""
    stage, function = ALL[name]
    rng = random.Random(name)
    with mpmath.workprec(2000):
        for bits in (64, 200):
            for size in (1, 8, 200):
                x = Fraction(rng.randint(1, 10**6), 10**6) * size * (1 if name in ON_POSITIVES else rng.choice([-1, 1]))
                low, high = image(stage, Enclosed.of(x), bits)
                value = function(number(x))
                error = mpmath.mpf(2) ** -1900 * (1 + abs(value))
                assert number(Fraction(low)) - error <= value <= number(Fraction(high)) + error, x
                width = number(Fraction(high)) - number(Fraction(low))
                assert width <= mpmath.mpf(2) ** (12 - bits) * (1 + abs(value)), x


@pytest.mark.parametrize("name", {**RISING, **ON_POSITIVES})
def test_inverses_enclose_the_edge(name: str) -> None:
    """What is before the inverse's lower end is before the edge, what is beyond its upper end is beyond."""
    stage, function = ALL[name]
    assert not isinstance(stage, Piece | RoundStep)
    rng = random.Random(name)
    with mpmath.workprec(2000):
        for _ in range(12):
            y = Fraction(rng.randint(-120, 120), 97)
            found = stage.preimage(Edge.between(y, y, closed=True), 100)
            if isinstance(found, bool):
                points = [(Fraction(1, 1000), found), (Fraction(12), found)]
            else:
                low, high = Fraction(found.low, found.denominator), Fraction(found.high, found.denominator)
                assert high - low < Fraction(1, 1 << 40)
                step = Fraction(1, 1 << 30)
                points = [(low - step, False), (high + step, True)]
            for x, beyond in points:
                if name not in ON_POSITIVES or x > 0:
                    assert (function(number(x)) >= number(y)) == beyond, (x, y)


def _channel(rng: random.Random, stage: Stage, positive: bool) -> Channel:
    """A curve of what an integer stands for, a scale, and a quantiser; now and then after another quantiser."""
    slope = Fraction(rng.choice([-1, 1]) * rng.randint(1, 9), rng.choice([4, 8, 7]))
    offset = Fraction(rng.randint(-9, 9), 8)
    if positive:
        slope, offset = abs(slope), abs(offset) + 13 * abs(slope) + Fraction(1, 16)
    first = [Piece(slope, offset)]
    step = RoundStep(-6, 7, rng.choice([*Rounding][:7]), rng.randint(-2, 2))
    before = Chain((*first, stage))
    if rng.random() < 0.3 and not positive:
        early = RoundStep(-5, 5, Rounding.HALF_EVEN)
        before = Chain((Piece(Fraction(1, 2)), early, *first, stage))
    return Channel(Piece(Fraction(rng.randint(1, 20), 4), Fraction(rng.randint(-3, 3), 2)), step, Piece(), before)


def _wanted(channel: Channel, x: int) -> int:
    def exactly(bits: int) -> int:
        return int(image(channel.step, channel.path.enclosed(Enclosed.of(Fraction(x)), bits), bits).low)

    return decided(exactly)


@pytest.mark.parametrize("name", ALL)
def test_tables_equal_every_value(name: str) -> None:
    """Thresholds found backwards, or steps that rise and fall, against the function at each integer."""
    stage, _ = ALL[name]
    rng = random.Random(name)
    channels = [_channel(rng, stage, name in ON_POSITIVES) for _ in range(6)]
    reaches = [Reach(-rng.randint(1, 12), rng.randint(0, 12)) for _ in channels]
    make = integer_table if channels[0].before.monotone else uneven_table
    table = make(channels, reaches, Range(-12, 12))
    for row, (channel, reach) in enumerate(zip(channels, reaches, strict=True)):
        xs = np.arange(reach.low or 0, (reach.high or 0) + 1)
        got = table.thresholds.apply(np.tile(xs[:, None], (1, 6)), table.result)[:, row]
        if table.falling is not None:
            low = -table.falling.levels
            got = got + table.falling.apply(np.tile(xs[:, None], (1, 6)), Range(low, 0))[:, row]
        wanted = [_wanted(channel, int(x)) for x in xs]
        assert [int(level) + table.levels[row].shift for level in got] == wanted


@pytest.mark.parametrize("name", RISING)
def test_tables_of_a_float_input(name: str) -> None:
    """The first number of the type on the other side of each edge."""
    stage, _ = ALL[name]
    channel = Channel(
        Piece(Fraction(6)), RoundStep(-5, 5, Rounding.HALF_EVEN), Piece(), Chain((Piece(Fraction(3, 7)), stage))
    )
    table = float_table([channel], np.float32)
    for index, edge in enumerate(table.thresholds.array[0].astype(np.float32)):
        beyond, before = (
            decided(lambda bits, x=x: _level(channel, x, bits)) for x in (edge, np.nextafter(edge, np.float32(-np.inf)))
        )
        assert before <= table.result.lo + index < beyond


def _level(channel: Channel, x: Any, bits: int) -> int:
    return int(image(channel.step, channel.path.enclosed(Enclosed.of(Fraction(float(x))), bits), bits).low)


def test_what_is_never_decided_is_refused() -> None:
    """A logarithm of an exponential is a rational number that no enclosure tells."""
    channel = Channel(
        Piece(Fraction(1)), RoundStep(-5, 5, Rounding.FLOOR), Piece(), Chain((Exponential(), Logarithm()))
    )
    with pytest.raises(TableError, match="bits don't tell"):
        integer_table([channel], [Reach(-3, 3)], Range(-3, 3))
    for stage, words in ((Logarithm(), "logarithm"), (Root(), "square root")):
        with pytest.raises(TableError, match=words):
            integer_table(
                [Channel(step=RoundStep(-5, 5, Rounding.FLOOR), before=Chain((stage,)))], [Reach(-3, 3)], Range(-3, 3)
            )


def test_pi_and_roots() -> None:
    with mpmath.workprec(2000):
        for bits in (10, 64, 500):
            low, high = enclosures.pi(bits)
            assert number(low) < mpmath.pi < number(high) and high - low < Fraction(1, 1 << bits)
            for x in (Fraction(2), Fraction(1, 3), Fraction(10**9, 7), Fraction(3, 10**30)):
                low, high = enclosures.root(x, bits)
                assert low * low < x < high * high


# ---- networks


def net_with(build: Callable[[Net, str], str], form: int, **options: Any) -> Net:
    """A convolution, now and then a quantiser, the function, a quantiser, a convolution.

    The last quantiser's edges are no binary fractions: where a function is nearly one, single precision would decide.
    """
    net = Net(3, 5, 5, **options)
    y = net.op("Conv", net.qdq("x", 0.25, 3, np.int8), net.const(ternary_weights(4, 3, 2, 2)))
    if form == 1:
        y = net.qdq(y, 0.0625, -5, np.int8)
    y = build(net, net.op("Mul", y, net.const(np.array([0.25, -0.5, 0.75, 0.125]).reshape(4, 1, 1))))
    zero = net.const(-3, np.int8)
    q = net.op("QuantizeLinear", y, net.const(0.1234567), zero)
    net.op("Conv", net.op("DequantizeLinear", q, net.const(0.125), zero), net.const(ternary_weights(2, 4, 2, 2)))
    return net


def one(op: str, **more: Any) -> Callable[[Net, str], str]:
    return lambda net, x: net.op(op, x, **more)


def gated(gate: Callable[[Net, str], str]) -> Callable[[Net, str], str]:
    return lambda net, x: net.op("Mul", x, gate(net, x))


def gelu(net: Net, x: str) -> str:
    inner = net.op("Add", net.op("Erf", net.op("Div", x, net.const(1.4142135))), net.const(1.0))
    return net.op("Mul", net.op("Mul", x, inner), net.const(0.5))


def requantised_gate(net: Net, x: str) -> str:
    q = net.qdq(x, 0.0625, 1, np.int8)
    return net.op("Mul", q, net.qdq(net.op("Sigmoid", q), 1 / 128, 0, np.int8))


NETWORKS: dict[str, Callable[[Net, str], str]] = {
    **{op: one(op) for op in ("Tanh", "Sigmoid", "Softplus", "Softsign", "Exp", "Elu", "Selu", "Celu", "Erf")},
    **{op: one(op) for op in ("Abs", "Sin", "Cos", "HardSwish", "Mish", "LeakyRelu", "ThresholdedRelu")},
    "PRelu": lambda net, x: net.op("PRelu", x, net.const(np.array([0.25, -0.5, 0.0, 2.0]).reshape(4, 1, 1))),
    "clipped log": lambda net, x: net.op("Log", net.op("Max", x, net.const(0.0625))),
    "root of a magnitude": lambda net, x: net.op("Sqrt", net.op("Abs", x)),
    "silu": gated(one("Sigmoid")),
    "hard swish in pieces": gated(one("HardSigmoid", alpha=0.25, beta=0.5)),
    "mish in pieces": gated(lambda net, x: net.op("Tanh", net.op("Softplus", x))),
    "gelu in pieces": gelu,
    "gate with its own quantiser": requantised_gate,
    "square": lambda net, x: net.op("Mul", x, x),
    "cube": lambda net, x: net.op("Pow", x, net.const(3.0)),
    "softsign in pieces": lambda net, x: net.op("Div", x, net.op("Add", net.op("Abs", x), net.const(1.0))),
    "reciprocal": lambda net, x: net.op("Reciprocal", net.op("Add", net.op("Abs", x), net.const(1.0))),
    "residual": lambda net, x: net.op("Add", x, net.op("Tanh", x)),
    "difference": lambda net, x: net.op("Sub", net.op("Relu", x), net.op("Sigmoid", x)),
    "greatest": lambda net, x: net.op("Max", x, net.op("Tanh", x)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", [0, 1])
def test_networks(name: str, form: int) -> None:
    """The same integers as onnxruntime's, but for ties that its float32 decides: none of these comes near one."""
    net = net_with(NETWORKS[name], form, opset=22)
    x = (np.random.default_rng(len(name)).integers(-40, 41, size=(6, 3, 5, 5)) / 16).astype(np.float32)
    module = check(net, x)
    if name in ("Abs", "HardSwish", "silu"):
        tables = ops(module, ternary.ThresholdOp)
        assert len(tables) == form + 2
        target, found = load_target("default"), evaluate(module, x)[0]
        for level in LEVELS[1:]:
            lowered = module.clone()
            run_passes(lowered, cut(parse_passes("default"), level), target)
            (value,) = Interpreter(target).run(lowered, {"x": x}).outputs.values()
            np.testing.assert_array_equal(value, found)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    check(
        net_with(one("Gelu", approximate=approximate), 1, opset=20),
        np.random.default_rng(3).normal(size=(4, 3, 5, 5)).astype(np.float32),
    )


def test_sums_and_pools_before_a_function() -> None:
    """A sum with scales of its own, and a maximum, in front of what the quantiser takes over."""
    net = Net(2, 6, 6)
    q = net.qdq("x", 0.25, 3, np.int8)
    a = net.op("Mul", net.op("Conv", q, net.const(ternary_weights(3, 2, 3, 3))), net.const(0.1875))
    b = net.op("Conv", q, net.const(ternary_weights(3, 2, 3, 3)))
    total = net.op("Tanh", net.op("Mul", net.op("Add", a, b), net.const(0.25)))
    net.qdq(net.op("MaxPool", total, kernel_shape=[2, 2]), 0.0625, 3, np.int8)
    check(net, (np.random.default_rng(5).integers(-40, 41, size=(6, 2, 6, 6)) / 16).astype(np.float32))


# ---- at the end


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Erf"])
@pytest.mark.parametrize("quantised", [False, True])
def test_the_end(op: str, quantised: bool) -> None:
    """On the host, in double precision; a quantiser after it rounds that."""
    net = Net(5)
    y = net.op("MatMul", net.qdq("x", 0.25, 3, np.int8), net.const(ternary_weights(5, 4)))
    y = net.op(op, net.op("Mul", y, net.const(0.375)))
    if quantised:
        net.qdq(y, 1 / 64, -7, np.int8)
    x = (np.random.default_rng(2).integers(-40, 41, size=(30, 5)) / 16).astype(np.float32)
    model = net.model()
    module = import_model(model)
    (got,), (wanted,) = evaluate(module, x), reference(model, x)
    np.testing.assert_allclose(got, wanted, rtol=0 if quantised else 3e-6, atol=0 if quantised else 3e-6)
    hosted = not quantised or "Softmax" in op
    assert len(ops(module, ternary.ActivationOp)) == hosted


@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"])
def test_integer_operators(op: str) -> None:
    """The operator in real arithmetic, then the quantiser; onnxruntime's kernels round a table in single precision."""
    net = Net(6)
    q = net.op("QuantizeLinear", "x", net.const(0.125), net.const(3, np.uint8))
    more = {"axis": 1, "opset": 13} if op == "QLinearSoftmax" else {"alpha": 0.125} if "Leaky" in op else {}
    scale = 1 / 256 if op != "QLinearLeakyRelu" else 0.25
    inputs = [
        q,
        net.const(0.125),
        net.const(3, np.uint8),
        net.const(scale),
        net.const(0 if op != "QLinearLeakyRelu" else 9, np.uint8),
    ]
    y = net.op(op, *inputs, domain=MICROSOFT, **more)
    net.op("DequantizeLinear", y, *inputs[3:])
    x = (np.random.default_rng(4).integers(-40, 260, size=(50, 6)) / 8).astype(np.float32)
    model = net.model()
    (got,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    assert np.abs(got - wanted).max() <= scale and (got != wanted).mean() < 0.02


def test_refusals() -> None:
    def of(build: Callable[[Net, str], str]) -> Net:
        net = Net(4)
        build(net, net.qdq("x", 0.25, 3, np.int8))
        return net

    def other(net: Net) -> str:
        return net.op("Neg", net.qdq("x", 0.5, 3, np.int8))

    def product(net: Net, q: str) -> str:
        return net.op("MatMul", net.op("Tanh", q, name="t"), net.const(np.eye(4)))

    failing(of(lambda net, q: net.op("Tanh", net.op("Tanh", q))), "a real function", "a quantiser after it")
    failing(of(product), "'t'", "a quantiser between")
    failing(of(lambda net, q: net.qdq(net.op("Log", q), 0.5)), "logarithm of a number that isn't")
    failing(of(lambda net, q: net.op("ThresholdedRelu", q, alpha=-1.0)), "alpha is -1.0")
    failing(of(lambda net, q: net.op("Gelu", q, approximate="some")), "none or tanh")
    failing(of(lambda net, q: net.qdq(net.op("Abs", "x", name="a"), 0.5)), "rises and falls with the float input")
    failing(of(lambda net, q: net.op("Div", q, other(net))), "both its inputs", "functions of one tensor")
    failing(of(lambda net, q: net.op("Relu", net.op("Softmax", q))), "computes at the end")
