"""MatMulNBits of ONNX Runtime: products with weights of 2, 4 or 8 bits in blocks, a scale for each block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ObjectArray, each
from cam_compiler.importer.arithmetic.quantizers import finite_scale
from cam_compiler.importer.constants import Constant, unspread
from cam_compiler.importer.context import MICROSOFT, Call, handles
from cam_compiler.importer.nodes.product import product
from cam_compiler.importer.validity import type_name
from cam_compiler.importer.values import Value, per_sample

WIDTHS = (2, 4, 8)
BYTE = 8


def _size(call: Call, name: str) -> int:
    size = call.node.integer(name, 0)
    if size < 1:
        raise call.node.error(f"its attribute '{name}' is {size}", hint="a number of at least 1")
    return size


def _unpacked(call: Call, constant: Constant, bits: int, shape: tuple[int, int], what: str) -> NDArray[np.int64]:
    """Codes (rows, columns) of bytes, the first code in the lowest bits; every row begins with a byte of its own."""
    rows, columns = shape
    each_row = -(-columns * bits // BYTE)
    if constant.elem_type != TensorProto.UINT8 or constant.raw.size != rows * each_row:
        raise call.node.error(
            f"its {what} have shape {constant.shape} and the type {type_name(constant.elem_type)}",
            hint=f"{rows * each_row} numbers of UINT8, which hold {rows} x {columns} codes of {bits} bits",
        )
    stored: NDArray[Any] = constant.raw.reshape(rows, each_row, 1).astype(np.int64)
    codes = stored >> np.arange(0, BYTE, bits) & ((1 << bits) - 1)
    return codes.reshape(rows, -1)[:, :columns]


def _zero_points(call: Call, bits: int, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Of every output and block: codes of as many bits as the weights, or numbers of the input's type."""
    stated = call.optional(3, "zero points")
    if stated is None:
        return np.full(shape, 1 << (bits - 1), dtype=np.int64)
    if stated.integral:
        return _unpacked(call, stated, bits, shape, "zero points")
    points = stated.exact(call.node)
    if points.size != shape[0] * shape[1] or any(point.denominator != 1 for point in points.flat):
        raise call.node.error(
            f"its zero points have shape {stated.shape} and may have fractions",
            hint=f"integers for {shape[0]} outputs and {shape[1]} blocks",
        )
    return each(int, points).astype(np.int64).reshape(shape)


def _scales(call: Call, shape: tuple[int, int]) -> ObjectArray:
    """Of every output and block; one for each output where its blocks agree."""
    constant = call.constant(2, "scales")
    scales = finite_scale(call.node, constant)
    if scales.size != shape[0] * shape[1]:
        hint = f"scales of {shape[0]} outputs and {shape[1]} blocks"
        raise call.node.error(f"its scales have shape {constant.shape}", hint=hint)
    scales = scales.reshape(shape)
    return scales[:, :1] if (scales == scales[:, :1]).all() else scales


@handles("MatMulNBits", domains=(MICROSOFT,))
def matmul_nbits(call: Call) -> Value:
    """input @ ((codes - zero points) * scales), transposed, + bias.

    Inputs: the tensor, codes (N, blocks, bytes), scales, zero points, g_idx, bias. `accuracy_level`, which lets
    executors round the tensor, changes nothing: the product is exact.
    """
    node = call.node
    features, outputs, length, bits = (
        _size(call, "K"),
        _size(call, "N"),
        _size(call, "block_size"),
        node.integer("bits", 4),
    )
    if bits not in WIDTHS or length * bits % BYTE:
        raise node.error(
            f"its codes have {bits} bits, in blocks of {length}", hint="2, 4 or 8 bits, whole bytes a block"
        )
    if call.operand(4) is not None:
        raise node.error("it has a g_idx, an order of its rows", hint="blocks of features that follow one another")
    blocks = -(-features // length)
    codes = _unpacked(call, call.constant(1, "weights"), bits, (outputs, blocks * length), "weights")[:, :features]
    place = np.arange(features) // length
    points, scales = _zero_points(call, bits, (outputs, blocks)), _scales(call, (outputs, blocks))
    spread = scales if scales.shape[1] == 1 else scales[:, place]
    weights = Constant((codes - points[:, place]).T, TensorProto.FLOAT, unspread(spread.T))
    result = product(call, call.activation(), weights)
    bias = call.optional(5, "bias")
    return result if bias is None else result.affine(ONE, per_sample(node, result, bias.exact(node)))
