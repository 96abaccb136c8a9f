"""Quantisers of inputs and weights round as executors do in float arithmetic; see benchmarks/roundings.py for more."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto as T
from onnx_testing import QUANT, Net, evaluate, reference

from cam_compiler.importer import import_model

pytest.importorskip("onnxruntime")
pytest.importorskip("qonnx")


def _benchmark() -> Any:
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "roundings.py"
    spec = spec_from_file_location("roundings", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["roundings"] = module
    spec.loader.exec_module(module)
    return module


roundings = _benchmark()


@pytest.mark.parametrize("name", list(roundings.CASES))
def test_every_number_is_rounded_as_by_the_executor(name: str) -> None:
    row = roundings.compared(name, roundings.CASES[name], scales=3, seed=1)
    assert row.numbers > 300 and row.differing == 0
    if name in ("input, QuantizeLinear to int8", "input, Quant with a zero point"):
        # The check sees differences where there are some.
        assert row.by_real_arithmetic > 10


def test_a_weight_on_a_float32_tie() -> None:
    """0.20649625 / 0.0825985 is 2.5 in float32 and 2.50000005 in real arithmetic; rounded to even it is 2."""
    net = Net(1)
    weight = net.quant(net.const([[0.20649625, -0.20649625]]), 0.0825985, bits=3)
    net.op("MatMul", net.quant("x", 1.0, bits=2), weight)
    assert np.float32(0.20649625) / np.float32(0.0825985) == 2.5
    (found,) = evaluate(import_model(net.model()), np.ones((1, 1), np.float32))
    assert (found / np.float32(0.0825985)).round(3).tolist() == [[2.0, -2.0]]


def _falling(net: Net) -> str:
    """A clamp, a negative factor and a constant on the left: thresholds where levels cease."""
    y = net.op("Clip", net.op("Mul", "x", net.const(-0.7)), net.const(-2.0), net.const(1.5))
    return net.op("Sub", net.const(0.1), net.op("Div", y, net.const(-0.3)))


def _turned(net: Net) -> str:
    """Constants by channel, then channels and rows change places."""
    y = net.op(
        "Div", net.op("Sub", "x", net.const([[[0.1]], [[0.2]], [[0.3]]])), net.const([[[0.3]], [[0.7]], [[0.9]]])
    )
    return net.op("Transpose", y, perm=[0, 2, 1, 3])


def _integers(net: Net) -> str:
    """Integers that DequantizeLinear makes real before the first quantiser that rounds."""
    y = net.op("DequantizeLinear", "x", net.const(0.1), net.const(3, np.uint8))
    return net.op("Relu", net.op("Mul", y, net.const(0.35)))


@pytest.mark.parametrize("path", [_falling, _turned, _integers])
def test_paths_to_the_first_quantiser(path: Any) -> None:
    rng, integers = np.random.default_rng(4), path is _integers
    net = Net(3, 4, 5, elem_type=T.UINT8 if integers else T.FLOAT)
    y = path(net)
    quantised = net.op("QuantizeLinear", y, net.const(0.1), net.const(100, np.uint8))
    x = rng.integers(-40, 41, size=(200, 3, 4, 5)) / np.float32(20)
    x = rng.integers(0, 256, size=(20, 3, 4, 5)).astype(np.uint8) if integers else x.astype(np.float32)
    model = net.model(quantised, elem_type=T.UINT8)
    (found,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    np.testing.assert_array_equal(found, wanted)
    codes = len(np.unique(wanted))
    # A second quantiser is exact again, and reads the integers of the first one.
    real = net.op("DequantizeLinear", quantised, net.const(0.1), net.const(100, np.uint8))
    net.op("Quant", real, net.const(0.25), net.const(0.0), net.const(4), domain=QUANT, signed=1, narrow=0)
    (coarse,) = evaluate(import_model(net.model()), x)
    steps = np.rint((wanted.astype(np.int64) - 100) * float(np.float32(0.1)) / 0.25).clip(-8, 7)
    np.testing.assert_array_equal(coarse, steps * 0.25)
    assert codes > 20
