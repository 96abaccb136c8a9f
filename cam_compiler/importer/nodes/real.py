"""Operators that are exact real functions of each element: arithmetic with constants, BatchNorm, clamps, casts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from onnx import TensorProto

from cam_compiler.importer.arithmetic.compositions import Operation
from cam_compiler.importer.arithmetic.curves import Root
from cam_compiler.importer.arithmetic.exact import ONE, ZERO, ObjectArray, each, filled
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.arithmetic.integers import bounded, extent, wrapped
from cam_compiler.importer.arithmetic.quantizers import quantised, rounded
from cam_compiler.importer.arithmetic.steps import Rounding
from cam_compiler.importer.constants import FLOATS, WIDE_RANGES, Constant, clipped, integer_range, root
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.nodes.sums import summed, two_tensors
from cam_compiler.importer.same_source import combined, inverted, real, required, straight, two_tensors_error
from cam_compiler.importer.tensor_products import multiplied
from cam_compiler.importer.validity import type_name
from cam_compiler.importer.values import Activation, Value, per_sample, with_quantiser

MAX_POWER = 8


def pair(call: Call) -> tuple[Activation, ObjectArray, bool]:
    """The tensor and the constant of an operator on two; True where the tensor comes first."""
    left, right = call.required(0), call.required(1)
    if isinstance(left, Activation) and isinstance(right, Constant):
        return left, per_sample(call.node, left, right.exact(call.node)), True
    if isinstance(right, Activation) and isinstance(left, Constant):
        return right, per_sample(call.node, right, left.exact(call.node)), False
    raise two_tensors_error(call)


def _sum(call: Call, left: Activation, right: Activation) -> Activation:
    """The sum of two tensors; where one is a real function, of functions of the same integers.

    Bent lines of pending sums are sums again: a table of all their integers would be too large.
    """
    bent = bool(left.terms) and straight(left) and straight(right)
    found = combined(call, Operation.ADD, left, right) if not bent and (real(left) or real(right)) else None
    return found or summed(call, left, right)


@handles("Add")
def add(call: Call) -> Value:
    both = two_tensors(call)
    if both is not None:
        return wrapped(call, _sum(call, *both))
    value, constant, _ = pair(call)
    return wrapped(call, value.affine(ONE, constant))


@handles("Sub")
def subtract(call: Call) -> Value:
    both = two_tensors(call)
    if both is not None:
        return wrapped(call, _sum(call, both[0], both[1].affine(-ONE, ZERO)))
    value, constant, first = pair(call)
    return wrapped(call, value.affine(ONE, each(Fraction.__neg__, constant)) if first else value.affine(-ONE, constant))


@handles("Mul")
def multiply(call: Call) -> Value:
    both = two_tensors(call)
    if both is not None:
        return wrapped(call, multiplied(call, *both))
    value, constant, _ = pair(call)
    return wrapped(call, value.affine(constant, ZERO))


@handles("Div")
def divide(call: Call) -> Value:
    both = two_tensors(call)
    integral = any(item.integral for item in (call.required(0), call.required(1)))
    if both is not None and not integral:
        return required(call, Operation.DIVIDE, *both)
    value, constant, first = pair(call)
    if not first and not integral:
        return inverted(call, constant, value)
    if not first:
        raise call.node.error("it divides a constant by a tensor of integers", hint="integers divided by constants")
    if any(item == 0 for item in constant.flat):
        raise call.node.error("division by zero")
    quotient = value.affine(each(lambda item: 1 / item, constant), ZERO)
    if not value.integral:
        return quotient
    return wrapped(call, to_integers(call, quotient, Rounding.DOWN, value.elem_type))


@handles("Neg")
def negate(call: Call) -> Value:
    return wrapped(call, call.activation().affine(-ONE, ZERO))


@handles("Pow")
def power(call: Call) -> Value:
    """Whole powers, and the square root."""
    exponent, value = call.constant(1, "exponent").scalar(call.node), call.activation()
    if exponent == Fraction(1, 2) and not value.integral:
        value = call.after_input(value)
        return value.curved(filled((1,) * len(value.shape), Chain((Root(),))), call.node)
    if exponent.denominator != 1 or not 1 <= exponent <= MAX_POWER:
        raise call.node.error(f"its exponent is {float(exponent)}", hint=f"1 to {MAX_POWER}, or 0.5")
    if value.steps is not None and exponent > 1:
        value = call.builder.materialise(value, call.node)
    result = value
    for _ in range(int(exponent) - 1):
        result = required(call, Operation.MULTIPLY, result, value)
    return wrapped(call, result)


@handles("BatchNormalization")
def batch_normalization(call: Call) -> Value:
    """scale * (x - mean) / sqrt(variance + epsilon) + bias, one value per channel."""
    node, value = call.node, call.activation()
    if node.integer("training_mode", 0):
        raise node.error("it is in training mode", hint="export the model for inference")
    if not value.shape:
        raise node.error("its input has no channels")
    scale, bias, mean, variance = (
        call.constant(index, what).exact(node).reshape(-1)
        for index, what in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    epsilon = Fraction(node.real("epsilon", float(np.float32(1e-5))))
    if any(item + epsilon <= 0 for item in variance.flat):
        raise node.error("its variance is not positive")
    gain = each(lambda factor, item: factor / root(node, item + epsilon), scale, variance)
    shift = each(lambda offset, factor, centre: offset - factor * centre, bias, gain, mean)
    channels = value.shape[0]
    if len(gain) not in (1, channels):
        raise node.error(f"it has {len(gain)} channels, its input {channels}")
    trailing = (1,) * (len(value.shape) - 1)
    return value.affine(gain.reshape((-1, *trailing)), shift.reshape((-1, *trailing)))


def _clamped(call: Call, low: Fraction | None, high: Fraction | None) -> Value:
    value = call.required(0)
    return (
        value.clamped(low, high, call.node) if isinstance(value, Activation) else clipped(call.node, value, low, high)
    )


@handles("Relu")
def relu(call: Call) -> Value:
    return _clamped(call, ZERO, None)


def _bound(call: Call, index: int, name: str) -> Fraction | None:
    """A bound of Clip, from its input or its attribute; None where it is absent or lets everything through."""
    constant = call.optional(index, name)
    if constant is None:
        if name not in call.node.attributes:
            return None
        constant = Constant(np.array(call.node.real(name, 0.0)), TensorProto.FLOAT)
    if constant.raw.dtype.kind == "f" and np.isinf(constant.raw).all():
        if (constant.raw > 0).all() == (name == "min"):
            raise call.node.error(f"its {name} is {constant.raw.flat[0]}, so that all it yields is infinite")
        return None
    return constant.scalar(call.node)


@handles("Clip")
def clip(call: Call) -> Value:
    return _clamped(call, _bound(call, 1, "min"), _bound(call, 2, "max"))


@handles("HardSigmoid")
def hard_sigmoid(call: Call) -> Value:
    alpha = Fraction(call.node.real("alpha", float(np.float32(0.2))))
    beta = Fraction(call.node.real("beta", 0.5))
    return call.activation().affine(alpha, beta).clamped(ZERO, ONE, call.node)


def _extreme(call: Call, left: Activation, right: Activation) -> Activation:
    """The greater or lesser of two tensors: right + max(left - right, 0), where they aren't functions of one tensor."""
    greatest = call.node.op == "Max"
    found = combined(call, Operation.GREATEST if greatest else Operation.LEAST, left, right)
    if found is not None:
        return found
    ahead = summed(call, left, right.affine(-ONE, ZERO))
    return summed(call, right, ahead.clamped(*((ZERO, None) if greatest else (None, ZERO)), call.node))


@handles("Max", "Min")
def extremum(call: Call) -> Value:
    if len(call.node.inputs) == 1:
        return call.activation()
    if len(call.node.inputs) != 2:
        raise call.node.error("more than two inputs are not supported")
    both = two_tensors(call)
    if both is not None:
        return _extreme(call, *both)
    value, constant, _ = pair(call)
    low, high = (constant, None) if call.node.op == "Max" else (None, constant)
    return value.clamped(low, high, call.node)


@handles("Identity", "Dropout")
def identity(call: Call) -> Value:
    training = call.optional(2, "training mode")
    if call.node.op == "Dropout" and training is not None and training.scalar(call.node):
        raise call.node.error("it is in training mode", hint="export the model for inference")
    return call.activation()


def to_integers(call: Call, value: Activation, rounding: Rounding, elem_type: int) -> Activation:
    """A rounding without bounds of its own; nothing where the tensor holds integers already."""
    if value.whole and rounding is not Rounding.SIGN:
        return value.typed(elem_type)
    ready = call.after_input(value)
    return with_quantiser(call.node, ready, rounded(rounding, None, elem_type))


@handles("Round", "Floor", "Ceil", "Sign")
def rounding_operator(call: Call) -> Value:
    kind = {"Round": Rounding.HALF_EVEN, "Floor": Rounding.FLOOR, "Ceil": Rounding.CEIL, "Sign": Rounding.SIGN}
    value = call.required(0)
    if isinstance(value, Constant):
        return quantised(call.node, value, rounded(kind[call.node.op], None, TensorProto.FLOAT))
    return to_integers(call, value, kind[call.node.op], value.elem_type)


@handles("Cast")
def cast(call: Call) -> Value:
    """Between float types nothing happens in exact arithmetic; to an integer type, the fraction is cut off, and of the
    integer those bits are kept that the type has."""
    target, value = call.node.integer("to", TensorProto.UNDEFINED), call.activation()
    if target in FLOATS:
        return value.typed(target)
    if value.host and value.kind is not None and value.steps is None:
        raise call.node.error(f"it cuts off the fractions of {value.host}, which the host computes at the end")
    if target not in WIDE_RANGES and integer_range(target) is None:
        name = type_name(target)
        raise call.node.error(f"casts to {name} are not supported", hint="floats of 16 bits or more, integers")
    whole = to_integers(call, value, Rounding.DOWN, target)
    if whole.terms:
        # A pending sum gets its integers from the edges of this step.
        whole = call.builder.materialise(whole, call.node)
    if not bounded(whole):
        # The float input as it is: its reader says that a quantiser is missing.
        return whole
    if target == TensorProto.UINT64 and extent(whole)[0] < 0:
        raise call.node.error("its integers may be negative, and would wrap round in UINT64", hint="a signed type")
    return wrapped(call, whole)


@handles("Reciprocal")
def reciprocal(call: Call) -> Value:
    value = call.activation()
    return inverted(call, filled((1,) * len(value.shape), ONE), value)
