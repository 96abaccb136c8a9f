"""Operators on tensors of integer types against onnxruntime, and a BatchNormalization of channels last at the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import RANDOM, Net, failing, reference

from cam_compiler.importer import import_model
from dialects.support.lattice import Lattice
from runtime.interpreter import Interpreter

KINDS: dict[int, Any] = {T.INT8: np.int8, T.UINT8: np.uint8, T.INT32: np.int32}
WHOLE = np.arange(-128, 128)


def run(model: Any, x: Any) -> Any:
    (found,) = Interpreter().run(import_model(model), {"x": x}).outputs.values()
    return found


def of_int32(op: str, *constants: int, **more: Any) -> Any:
    net = Net(256, elem_type=T.INT8)
    net.op(op, net.op("Cast", "x", to=T.INT32), *(net.const(item, np.int32) for item in constants), **more)
    return net.model(elem_type=T.INT32)


@pytest.mark.parametrize(
    ("op", "constants", "more"),
    [
        ("Mod", (5,), {}),
        ("Mod", (-7,), {}),
        ("Mod", (7,), {"fmod": 1}),
        ("Abs", (), {}),
        ("Div", (-3,), {}),
    ],
)
def test_operators_on_integers(op: str, constants: tuple[int, ...], more: dict[str, Any]) -> None:
    model, x = of_int32(op, *constants, **more), WHOLE.astype(np.int8)[None]
    found, (wanted,) = run(model, x), reference(model, x)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("op", ["Mul", "Max", "Min", "Add", "Sub"])
def test_two_functions_of_the_same_integers(op: str) -> None:
    net = Net(256, elem_type=T.INT8)
    x = net.op("Cast", "x", to=T.INT32)
    net.op(op, x, net.op("Neg", net.op("Abs", x)))
    model, given = net.model(elem_type=T.INT32), WHOLE.astype(np.int8)[None]
    np.testing.assert_array_equal(run(model, given), reference(model, given)[0])


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("amount", [0, 3, 8, [1, 2, 3, 4]])
def test_shifts(direction: str, amount: Any) -> None:
    net = Net(64, 4, elem_type=T.UINT8)
    net.op("BitShift", "x", net.const(amount, np.uint8), direction=direction)
    x = np.arange(256, dtype=np.uint8).reshape(1, 64, 4)
    wide = x.astype(np.int64)
    wanted = (wide << np.array(amount)) % 256 if direction == "LEFT" else wide >> np.array(amount)
    np.testing.assert_array_equal(run(net.model(elem_type=T.UINT8), x), wanted)


@pytest.mark.parametrize("kind", ["INT6", "UINT5*2-31", "INT7*0.5"])
@pytest.mark.parametrize("narrow", [T.INT4, T.UINT4, T.INT2, T.INT8])
def test_casts_of_a_declared_float_input_keep_the_low_bits(kind: str, narrow: int) -> None:
    lattice = Lattice.parse(kind, "float32")
    x = lattice.numbers(np.arange(lattice.span.lo, lattice.span.hi + 1), "float32")[None]
    net = Net(x.size, opset=25)
    net.op("Cast", "x", to=narrow)
    model = net.model(elem_type=narrow)
    (found,) = Interpreter().run(import_model(model, {"x": kind}), {"x": x}).outputs.values()
    bits, signed = {T.INT4: (4, True), T.UINT4: (4, False), T.INT2: (2, True), T.INT8: (8, True)}[narrow]
    wanted = np.trunc(x).astype(int) % (1 << bits)
    np.testing.assert_array_equal(found, np.where(signed & (wanted >= 1 << (bits - 1)), wanted - (1 << bits), wanted))


def test_products_with_zeros_and_numbers_that_wrap() -> None:
    net = Net(4, 64, elem_type=T.UINT8)
    factors = np.array([[0], [1], [3], [200]], dtype=np.uint8)
    net.op("Mul", "x", net.const(factors, np.uint8))
    x = np.resize(np.arange(256, dtype=np.uint8), (4, 4, 64))
    np.testing.assert_array_equal(run(net.model(elem_type=T.UINT8), x), x * factors)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_space_to_depth_undoes_depth_to_space(mode: str) -> None:
    net = Net(8, 3, 2, elem_type=T.INT8, opset=onnx.defs.onnx_opset_version())
    wide = net.op("DepthToSpace", "x", blocksize=2, mode=mode)
    net.op("SpaceToDepth", wide, blocksize=2, mode=mode)
    x = RANDOM.integers(-128, 128, (3, 8, 3, 2)).astype(np.int8)
    np.testing.assert_array_equal(run(net.model(elem_type=T.INT8), x), x)


def test_the_magnitude_of_the_least_integer_wraps() -> None:
    net = Net(256, elem_type=T.INT8)
    net.op("Abs", "x")
    found = run(net.model(elem_type=T.INT8), WHOLE.astype(np.int8)[None])
    np.testing.assert_array_equal(found[0], np.abs(WHOLE.astype(np.int8)))
    assert found[0, 0] == -128


def test_a_bound_off_the_scale_after_a_function_that_rises_and_falls() -> None:
    net = Net(64)
    y = net.op("Gelu", net.quant("x", 0.125, bits=6), approximate="none")
    y = net.op("Clip", net.quant(y, 0.25, bits=5), net.const(-0.0625), net.const(1.5625))
    net.op("MatMul", y, net.const(np.eye(64)))
    net.opset = 20
    x, model = np.linspace(-4, 4, 64, dtype=np.float32)[None], net.model()
    found, (wanted,) = run(model, x), reference(model, x)
    np.testing.assert_array_equal(found, wanted)
    assert {-0.0625, 1.5625} <= set(found.ravel().tolist())


@pytest.mark.parametrize("slope", [0.25, -0.25])
@pytest.mark.parametrize("offset", [0.0, 19.0, -200.0])
def test_a_sum_whose_every_value_is_clamped_off_the_scale(slope: float, offset: float) -> None:
    """Level 16 becomes 15 behind the last clamp, whatever the sum is."""
    net = Net(16)
    parts = net.quant("x", 1.0, bits=3), net.quant("x", 1 / 1024, bits=3)
    y = net.op("Add", net.qdq(net.op("Add", *parts), 0.5), net.const(offset))
    y = net.op("Clip", y, net.const(-1.0), net.const(3.0))
    y = net.op("Clip", net.op("Ceil", net.op("Mul", y, net.const(slope))), net.const(-3.0), net.const(7.0))
    y = net.op("Clip", net.op("Round", net.op("Mul", y, net.const(16.0))), net.const(-15.0), net.const(15.0))
    net.op("MatMul", y, net.const(np.eye(16)))
    model, x = net.model(), np.linspace(-5, 5, 16, dtype=np.float32)[None]
    np.testing.assert_array_equal(run(model, x), reference(model, x)[0])


def test_channels_last_at_the_input() -> None:
    """As many rows as channels, which were taken for each other."""
    net, count = Net(3, 3, 3), 3
    operands = [RANDOM.integers(-3, 4, count) / 2, RANDOM.integers(-9, 9, count) / 4, RANDOM.integers(-9, 9, count) / 4]
    operands.append(4.0 ** RANDOM.integers(-1, 2, count))
    names = [net.const(item) for item in operands]
    net.op("BatchNormalization", "x", *names, domain="qonnx.custom_op.channels_last", epsilon=0.0)
    net.quant(net.last, 0.25, bits=8)
    model = net.model()
    model.opset_import.append(helper.make_opsetid("qonnx.custom_op.channels_last", 1))
    x = (RANDOM.integers(-32, 33, (5, 3, 3, 3)) / 8).astype(np.float32)
    scale, bias, mean, variance = operands
    wanted = np.clip(np.rint(((x - mean) * scale / np.sqrt(variance) + bias) / 0.25), -128, 127) * 0.25
    np.testing.assert_array_equal(run(model, x), wanted)


@pytest.mark.parametrize("then", ["out", "MatMul", "Relu"])
def test_squares_are_integers_with_a_scale(then: str) -> None:
    """Without a quantiser behind them."""
    net = Net(6)
    real = net.qdq("x", 0.5)
    y = net.op("Sub", net.op("Mul", real, real), net.const(3.5))
    if then != "out":
        y = net.op("Relu", y) if then == "Relu" else y
        net.op("MatMul", y, net.const(RANDOM.integers(-1, 2, (6, 3))))
    model, x = net.model(), (RANDOM.integers(-20, 20, (30, 6)) / 4).astype(np.float32)
    np.testing.assert_array_equal(run(model, x), reference(model, x)[0])


@pytest.mark.parametrize("op", ["Mul", "Abs", "Mod"])
def test_too_many_integers_for_a_table_are_refused_at_once(op: str) -> None:
    net = Net(4, elem_type=T.INT32)
    others = {"Mul": ["x"], "Mod": [net.const(7, np.int32)]}.get(op, [])
    net.op(op, "x", *others, name="it")
    failing(net, "'it'", "4294967296 different inputs")


def test_refusals() -> None:
    for op, amount, part in (("Mod", 0, "division by zero"), ("Mod", 2.0, "no tensor of integers")):
        net = Net(4, elem_type=T.FLOAT if isinstance(amount, float) else T.INT32)
        net.op(op, "x", net.const(amount, np.float32 if isinstance(amount, float) else np.int32), name="it")
        failing(net, "'it'", part)
    net = Net(4, elem_type=T.UINT8)
    net.op("BitShift", "x", net.const(1, np.uint8), direction="UP", name="it")
    failing(net, "'it'", "it shifts UP")
