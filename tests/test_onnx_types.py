"""ONNX's types at their edges: integer means, casts that wrap, windows that auto_pad and ceil_mode place, scalars."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto as T
from onnx_testing import Net, evaluate, failing, images, reference, ternary_weights

from cam_compiler.importer import import_model

RANDOM = np.random.default_rng(11)


def same(net: Net, x: np.ndarray, output: str, elem_type: int) -> np.ndarray:
    """The output, equal to onnxruntime's in all elements."""
    model = net.model(output, elem_type=elem_type)
    (found,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)
    return found


@pytest.mark.parametrize("kind", [T.INT32, T.INT64])
@pytest.mark.parametrize(("axes", "keep"), [([2, 3], 1), ([-1], 0), ([1], 1)])
def test_integer_means_are_cut_towards_zero(kind: int, axes: list[int], keep: int) -> None:
    net = Net(3, 4, 4, elem_type=T.INT8, opset=13)
    mean = net.op("ReduceMean", net.op("Cast", "x", to=kind), axes=axes, keepdims=keep)
    x = RANDOM.integers(-128, 128, size=(16, 3, 4, 4)).astype(np.int8)
    found = same(net, x, mean, kind)
    # Negative means with a fraction are among them, which a floor would take one further down.
    real = x.astype(np.float64).mean(axis=tuple(axes), keepdims=bool(keep))
    assert (np.trunc(real) != np.floor(real)).any() and (found == np.trunc(real)).all()
    same(net, x, net.op("Cast", mean, to=T.FLOAT), T.FLOAT)


@pytest.mark.parametrize("target", [T.INT8, T.UINT8, T.INT16, T.UINT16])
@pytest.mark.parametrize("source", [T.FLOAT, T.INT32])
def test_casts_keep_the_bits_that_the_type_has(source: int, target: int) -> None:
    """Numbers beyond the type, of a tensor and of a constant, of floats and of integers: one rule."""
    net = Net(8, elem_type=T.INT16)
    factor, kind = (37.75, np.float32) if source == T.FLOAT else (37, np.int32)
    numbers = net.op("Clip", net.op("Cast", "x", to=source), net.const(-860, kind), net.const(860, kind))
    product = net.op("Mul", numbers, net.const(factor, kind))
    tensor = net.op("Cast", net.op("Cast", product, to=target), to=T.INT32)
    constant = net.op("Cast", net.const(np.linspace(-70000.9, 70000.9, 8), kind), to=target)
    x = RANDOM.integers(-2000, 2000, size=(32, 8)).astype(np.int16)
    assert len(np.unique(same(net, x, tensor, T.INT32))) > 50
    offset = net.op("Cast", constant, to=T.INT32)
    same(net, x, net.op("Add", net.op("Cast", "x", to=T.INT32), offset), T.INT32)


def test_casts_that_would_wrap_in_wide_types_are_refused() -> None:
    net = Net(4, elem_type=T.INT32)
    wide = net.op("Mul", net.op("Cast", "x", to=T.FLOAT), net.const(4.0))
    net.op("Cast", wide, to=T.INT32)
    failing(net, "Cast 'cast_2'", "wrap round in INT32", "a Clip before it")


def test_a_cast_of_the_float_input_asks_for_a_quantiser() -> None:
    net = Net(4)
    net.op("MatMul", net.op("Cast", net.op("Cast", "x", to=T.INT8), to=T.FLOAT), net.const(ternary_weights(4, 2)))
    failing(net, "MatMul 'matmul_2'", "a quantiser is needed")


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 2, 2), (8, 3, 2), (5, 3, 3)])
def test_auto_pad_valid_heeds_ceil_mode(op: str, size: int, kernel: int, stride: int) -> None:
    net, window = Net(2, size, size, opset=13), {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
    pooled = net.op(op, net.qdq("x", 0.25), auto_pad="VALID", ceil_mode=1, **window)
    model, x = net.model(pooled), images(2, size, size)
    (found,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("function", ["Sigmoid", "Identity"])
def test_a_sample_may_be_a_single_number(function: str) -> None:
    net = Net(6, elem_type=T.UINT8)
    logits = net.op("MatMul", net.op("Cast", "x", to=T.FLOAT), net.const(ternary_weights(6, 2)))
    net.op(function, net.op("Gather", logits, net.const(1, np.int64), axis=1))
    model, x = net.model(), RANDOM.integers(0, 4, size=(9, 6)).astype(np.uint8)
    (found,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    assert found.shape == wanted.shape == (9,)
    # onnxruntime's own sigmoid is an approximation.
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
