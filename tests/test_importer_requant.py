"""RequantShift of QuantLab and Deeploy, against its formula in numpy's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto as T
from onnx import numpy_helper
from onnx_testing import RANDOM, Net, canonical, evaluate, failing, ternary_weights

from cam_compiler.importer import import_model

PACT = "PACTOps"


def tensor(value: Any, kind: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.asarray(value, kind), "t")


def by_formula(x: Any, mul: Any, add: Any, div: int, low: int, high: int) -> Any:
    return np.clip((x.astype(np.int64) * mul + add + div // 2) >> (div.bit_length() - 1), low, high)


FORMS: dict[str, dict[str, Any]] = {
    "Deeploy": {"div": 64, "n_levels": 256, "signed": 1},
    "QuantLab": {"div": tensor([64.0]), "n_levels_out": tensor([256.0]), "signed": tensor([1.0]), "domain": PACT},
    "unsigned": {"div": tensor(64, np.int64), "n_levels": tensor(16), "signed": tensor(0)},
    "few levels": {"div": 64, "n_levels": 4.0, "signed": 1},
    "no shift": {"div": 1, "n_levels_out": 256, "signed": 0},
}
RANGES = {"unsigned": (0, 15), "few levels": (-2, 1), "no shift": (0, 255)}


def factors(shape: tuple[int, ...]) -> tuple[Any, Any]:
    mul = RANDOM.integers(-40, 41, size=shape)
    return mul, RANDOM.integers(-900, 900, size=shape)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1, 1), (1, 3, 1, 1)])
def test_images(form: str, shape: tuple[int, ...]) -> None:
    """Integers of either sign, factors of either sign, ties of the shift among them."""
    mul, add = factors(shape)
    net = Net(3, 5, 5, elem_type=T.INT8)
    net.op("RequantShift", net.op("Cast", "x", to=T.FLOAT), net.const(mul), net.const(add), **FORMS[form])
    module = import_model(net.model())
    x = RANDOM.integers(-128, 128, size=(5, 3, 5, 5)).astype(np.int8)
    (got,) = evaluate(module, x)
    div, (low, high) = 1 if form == "no shift" else 64, RANGES.get(form, (-128, 127))
    wanted = by_formula(x, mul.reshape(-1, 1, 1), add.reshape(-1, 1, 1), div, low, high)
    np.testing.assert_array_equal(got, wanted)
    assert got.dtype == np.float32
    canonical(module, x)


def test_layers() -> None:
    """A network as Deeploy has it: integers in integer tensors, convolution and dense layer."""
    kernels, dense = ternary_weights(4, 3, 3, 3), ternary_weights(4, 2)
    net = Net(3, 3, 3, elem_type=T.INT8)
    mul, add = np.abs(factors((4,))[0]) + 1, factors((4,))[1]
    more: dict[str, Any] = {"n_levels": 256, "signed": 1}
    y = net.op("ConvInteger", "x", net.const(kernels, np.int8))
    y = net.op("RequantShift", y, net.const(mul, np.int32), net.const(add, np.int32), div=256, **more)
    y = net.op("MatMulInteger", net.op("Flatten", y), net.const(dense, np.int8))
    net.op("RequantShift", y, net.const([3, 5], np.int32), net.const([-7, 9], np.int32), div=8, **more)
    module = import_model(net.model(elem_type=T.INT8))
    x = RANDOM.integers(-128, 128, size=(20, 3, 3, 3)).astype(np.int8)
    sums = x.reshape(20, -1).astype(int) @ kernels.reshape(4, -1).T
    inner = by_formula(sums, mul, add, 256, -128, 127)
    (got,) = evaluate(module, x)
    np.testing.assert_array_equal(got, by_formula(inner @ dense, np.array([3, 5]), np.array([-7, 9]), 8, -128, 127))
    assert got.dtype == np.int8
    canonical(module, x)


def test_tokens() -> None:
    """Factors of features, the last dimension, where their number isn't that of the tokens."""
    net = Net(5, 3, elem_type=T.INT8)
    mul, add = factors((3,))
    net.op("RequantShift", "x", net.const(mul, np.int32), net.const(add, np.int32), div=32, n_levels=16, signed=0)
    x = RANDOM.integers(-128, 128, size=(6, 5, 3)).astype(np.int8)
    (got,) = evaluate(import_model(net.model(elem_type=T.UINT8)), x)
    np.testing.assert_array_equal(got, by_formula(x, mul, add, 32, 0, 15))


REFUSED: tuple[tuple[dict[str, Any], Any, tuple[str, ...]], ...] = (
    ({"div": 48}, 1, ("its div is 48", "a power of two")),
    ({"div": 0}, 1, ("its div is 0", "a power of two")),
    ({"div": 0.5}, 1, ("'div' is 0.5", "an integer")),
    ({"n_levels": 3}, 1, ("it has 3 levels", "an even number where it is signed")),
    ({"n_levels": 1, "signed": 0}, 1, ("it has 1 levels", "at least 2")),
    ({"signed": None}, 1, ("its attribute 'signed' is missing",)),
    ({"n_levels": None}, 1, ("its attribute 'n_levels' is missing",)),
    ({}, 0.5, ("its mul holds numbers that are no integers",)),
    ({}, [1, 2], ("its constant of shape (2,) does not fit a tensor (batch, 3, 4)",)),
)


@pytest.mark.parametrize(("changes", "mul", "parts"), REFUSED)
def test_refusals(changes: dict[str, Any], mul: Any, parts: tuple[str, ...]) -> None:
    stated: dict[str, Any] = {"div": 64, "n_levels": 16, "signed": 1, **changes}
    more: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
    net = Net(3, 4, elem_type=T.INT8)
    y = net.op("Cast", "x", to=T.FLOAT)
    net.op("RequantShift", y, net.const(mul), net.const(0), name="rqs", **more)
    failing(net, "RequantShift 'rqs'", *parts)


def test_factors_are_constant() -> None:
    net = Net(3, elem_type=T.INT8)
    y = net.op("Cast", "x", to=T.FLOAT)
    net.op("RequantShift", y, y, net.const(0), name="rqs", div=64, n_levels=16, signed=1)
    failing(net, "RequantShift 'rqs'", "its mul", "is not constant")
