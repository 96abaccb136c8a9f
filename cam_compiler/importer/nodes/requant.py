"""RequantShift, the integer requantisation that QuantLab exports and Deeploy compiles."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from cam_compiler.importer.arithmetic.exact import ONE, ZERO, filled
from cam_compiler.importer.arithmetic.quantizers import Quantiser
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.constants import FLOATS, constant_of
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.nodes.quantizers import apply
from cam_compiler.importer.values import Activation, Value, per_sample

BYTE = 256
"""Levels of 8-bit integers."""


def _number(call: Call, *names: str) -> int:
    """An integer attribute, which exporters write as a number or as a tensor of one; the first name that there is."""
    node = call.node
    name = next((name for name in names if name in node.attributes), None)
    if name is None:
        raise node.error(f"its attribute '{names[0]}' is missing")
    stated = node.attributes[name]
    if isinstance(stated, TensorProto):
        number = constant_of(stated, node.place).scalar(node)
    else:
        number = Fraction(node.real(name, 0.0))
    if number.denominator != 1:
        raise node.error(f"its attribute '{name}' is {float(number)}", hint="an integer is expected")
    return int(number)


def _integers(call: Call, value: Activation, index: int, what: str) -> NDArray[np.object_]:
    """An operand of one number or one for each channel, in the dimensions of a sample."""
    numbers = call.constant(index, what).exact(call.node)
    if any(number.denominator != 1 for number in numbers.flat):
        raise call.node.error(f"its {what} holds numbers that are no integers", hint="integers are expected")
    if numbers.ndim == 1 and value.regular and len(numbers) == (value.shape or (0,))[0]:
        numbers = numbers.reshape(-1, *[1] * (len(value.shape) - 1))
    return per_sample(call.node, value, numbers)


def _levels(call: Call) -> tuple[int, int]:
    """The least and the greatest result."""
    count, signed = _number(call, "n_levels", "n_levels_out"), _number(call, "signed")
    if count < 2 or (signed and count % 2):
        raise call.node.error(f"it has {count} levels", hint="at least 2; an even number where it is signed")
    return (-count // 2, count // 2 - 1) if signed else (0, count - 1)


@handles("RequantShift", domains=("", "PACTOps"))
def requant_shift(call: Call) -> Value:
    """clip((x * mul + add + div / 2) >> log2 div), in integers that are as wide as it takes."""
    value, divisor, (low, high) = call.activation(), _number(call, "div"), _levels(call)
    if divisor < 1 or divisor & (divisor - 1):
        raise call.node.error(f"its div is {divisor}", hint="a power of two")
    factors, summands = _integers(call, value, 1, "mul"), _integers(call, value, 2, "add")
    elem_type = value.elem_type
    if elem_type not in FLOATS:
        small = TensorProto.INT8 if low < 0 else TensorProto.UINT8
        elem_type = small if high - low < BYTE else TensorProto.INT32
    none = filled((), ZERO)
    step = filled((), RoundStep(low, high, Rounding.FLOOR))
    quotient = Quantiser(filled((), Fraction(divisor)), none, step, filled((), ONE), none, elem_type)
    return apply(call, value.affine(factors, summands + Fraction(divisor // 2)), quotient)
