"""MatMulNBits of 2, 4 and 8 bits against onnxruntime, and what is refused of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto as T
from onnx_testing import MICROSOFT, RANDOM, Net, check, failing, images, ops

from cam_compiler.importer import import_model
from dialects import ternary


def codes(bits: int, *shape: int) -> Any:
    """Bytes of random codes (outputs, blocks, bytes)."""
    return RANDOM.integers(0, 256, size=shape) if bits > 2 else ternary_codes(*shape)


def ternary_codes(*shape: int) -> Any:
    """Bytes of four codes 1, 2 and 3, which stand for -1, 0 and 1."""
    parts = RANDOM.integers(1, 4, size=(*shape, 4))
    return (parts << np.arange(0, 8, 2)).sum(axis=-1)


def scales(outputs: int, blocks: int, *, uniform: bool) -> Any:
    """Powers of two, with which float32 is exact."""
    return np.broadcast_to(2.0 ** RANDOM.integers(-3, 2, size=(outputs, 1 if uniform else blocks)), (outputs, blocks))


def layer(net: Net, x: str, bits: int, features: int, outputs: int, size: int, **more: Any) -> str:
    """A MatMulNBits node; `points`, `bias` and `uniform` say what it has of them."""
    blocks = -(-features // size)
    operands = [x, net.const(codes(bits, outputs, blocks, size * bits // 8), np.uint8)]
    factors = scales(outputs, blocks, uniform=more.get("uniform", True))
    operands.append(net.const(factors.reshape(-1) if more.get("flat") else factors))
    points, packed = more.get("points"), -(-blocks * bits // 8)
    if points == "packed":
        operands.append(net.const(RANDOM.integers(0, 256, size=(outputs, packed)), np.uint8))
    elif points == "float":
        operands.append(net.const(RANDOM.integers(0, 1 << bits, size=(outputs, blocks))))
    if more.get("bias"):
        operands += [""] * (5 - len(operands)) + [net.const(RANDOM.integers(-8, 9, size=outputs) / 4)]
    return net.op("MatMulNBits", *operands, domain=MICROSOFT, K=features, N=outputs, bits=bits, block_size=size)


FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "flat": {"flat": True, "bias": True},
    "packed zero points": {"points": "packed"},
    "float zero points": {"points": "float", "bias": True},
    "unequal blocks": {"uniform": False, "points": "packed", "bias": True},
}


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("form", FORMS)
def test_against_onnxruntime(bits: int, form: str) -> None:
    """Whole blocks and a last one that isn't; rows and tokens."""
    if bits == 8 and FORMS[form].get("points") == "float":
        pytest.skip("onnxruntime has no such kernel")
    for shape, size in (((64,), 16), ((3, 40), 16), ((40,), 32)):
        net = Net(*shape)
        layer(net, net.quant("x", 0.25), bits, shape[-1], 5, size, **FORMS[form])
        check(net, images(*shape))


def test_two_bits_are_ternary() -> None:
    """BitNet's form: codes 1 to 3 around 2, one scale per output."""
    net = Net(32)
    layer(net, net.quant("x", 0.25), 2, 32, 4, 16)
    (op,) = ops(import_model(net.model()), ternary.MatmulOp)
    assert set(op.weights.data.array.flat) == {-1, 0, 1}


REFUSED: tuple[tuple[dict[str, Any], dict[int, Any], tuple[str, ...]], ...] = (
    ({"bits": 3}, {}, ("its codes have 3 bits, in blocks of 16", "2, 4 or 8 bits")),
    ({"block_size": 2}, {}, ("its codes have 2 bits, in blocks of 2", "whole bytes a block")),
    ({"K": 0}, {}, ("its attribute 'K' is 0",)),
    ({"N": 3}, {}, ("its weights have shape (4, 2, 4)", "24 numbers of UINT8")),
    ({}, {1: np.zeros((4, 2, 4), np.int8)}, ("the type INT8", "32 numbers of UINT8")),
    ({}, {2: np.ones(4, np.float32)}, ("its scales have shape (4,)", "scales of 4 outputs and 2 blocks")),
    ({}, {2: np.full((4, 2), np.inf, np.float32)}, ("its scale is infinite",)),
    ({}, {3: np.zeros((4, 2), np.uint8)}, ("its zero points have shape (4, 2)", "4 numbers of UINT8")),
    ({}, {3: np.full((4, 2), 1.5, np.float32)}, ("its zero points have shape (4, 2)", "integers for 4 outputs")),
    ({}, {4: np.arange(32, dtype=np.int32)}, ("it has a g_idx",)),
    ({"K": 30}, {}, ("its weights have shape (30, 4), its input (batch, 32)",)),
)


@pytest.mark.parametrize(("changes", "operands", "parts"), REFUSED)
def test_refusals(changes: dict[str, Any], operands: dict[int, Any], parts: tuple[str, ...]) -> None:
    given: list[Any] = [codes(2, 4, 2, 4).astype(np.uint8), np.ones((4, 2), np.float32), None, None]
    for index, value in operands.items():
        given[index - 1] = value
    net = Net(32)
    names = ["" if value is None else net.const(value, value.dtype) for value in given]
    more = {"K": 32, "N": 4, "bits": 2, "block_size": 16, **changes}
    net.op("MatMulNBits", net.quant("x", 0.25), *names, domain=MICROSOFT, name="fc", **more)
    failing(net, "MatMulNBits 'fc'", *parts)


def test_weights_are_constant() -> None:
    net = Net(32, elem_type=T.FLOAT)
    y = net.quant("x", 0.25)
    net.op("MatMulNBits", y, y, net.const(1.0), domain=MICROSOFT, name="fc", K=32, N=4, bits=2, block_size=16)
    failing(net, "MatMulNBits 'fc'", "its weights", "is not constant")
