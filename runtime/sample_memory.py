"""How much memory a module takes for one sample while it runs."""

from __future__ import annotations

from math import prod

from xdsl.dialects import func
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, SSAValue

from dialects import apv, ternary
from dialects.apv.spatial import GatherOp
from dialects.support.window import Window

_BYTES_PER_ELEMENT = 8


def sample_bytes(function: func.FuncOp) -> int:
    """Approximately how many bytes the most demanding operation takes for one sample."""
    most = 1
    for op in function.walk():
        elements = sum(_elements(value) for value in {*op.operands, *op.results})
        most = max(most, elements + _gathered(op))
    return most * _BYTES_PER_ELEMENT


def _elements(value: SSAValue) -> int:
    """Elements of a value for one sample."""
    if isinstance(value.type, apv.ColumnsType):
        return value.type.count.data * value.type.rows.data
    if isinstance(value.type, TensorType):
        return prod(max(1, size) for size in ternary.shape_of(value)[1:]) * ternary.rows_of(value)
    return 0


def _gathered(op: Operation) -> int:
    """Elements of the windows that an operation of the ternary level gathers within itself."""
    window = getattr(getattr(op, "window", None), "data", None)
    if not isinstance(window, Window) or isinstance(op, GatherOp):
        return 0
    positions = prod(ternary.shape_of(op.results[0])[2:])
    return positions * ternary.channels_of(op.operands[0]) * window.size
