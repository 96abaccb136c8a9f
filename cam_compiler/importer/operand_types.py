"""Constants of a type that an operator doesn't take: ONNX calls such a model invalid, and a guess could be wrong.

Among float types, and among integer types, nothing is checked: what is computed is exact in any of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto

from cam_compiler.importer.constants import Constant
from cam_compiler.importer.model import Node
from cam_compiler.importer.validity import type_name
from cam_compiler.importer.values import Activation, Value


def check_operands(node: Node, opset: int, operands: Sequence[Value | None]) -> None:
    """Raises ModelError for booleans as numbers, and for integers and floats that should be of one type."""
    if node.domain or not onnx.defs.has(node.op, opset, ""):
        return
    formal = onnx.defs.get_schema(node.op, opset, "").inputs
    ports = [formal[min(index, len(formal) - 1)] for index in range(len(operands))] if formal else []
    shared = {
        port.type_str: value.integral
        for port, value in zip(ports, operands, strict=False)
        if isinstance(value, Activation)
    }
    for port, value, name in zip(ports, operands, node.inputs, strict=False):
        if not isinstance(value, Constant) or not _stored(value):
            continue
        wrong = value.elem_type == TensorProto.BOOL and "tensor(bool)" not in port.types
        if wrong or shared.get(port.type_str, value.integral) != value.integral:
            hint = "a Cast, or a constant of the type that its other inputs have"
            raise node.error(f"the type of its input '{name}' is {type_name(value.elem_type)}", hint=hint)


def _stored(constant: Constant) -> bool:
    """Are its numbers as the model has them, so that their type is the model's?"""
    kinds = "iub" if constant.integral else "f"
    return constant.raw.dtype.kind in kinds and constant.scale is None and constant.rounded is None
