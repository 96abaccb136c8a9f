"""Activation functions: rising ones fold into thresholds as Relu does, others into tables of all reachable integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from cam_compiler.importer.arithmetic.compositions import (
    Gate,
    Operation,
    Softsign,
    exponential_unit,
    leaky,
    magnitude,
)
from cam_compiler.importer.arithmetic.curves import (
    ErrorFunction,
    Exponential,
    Logarithm,
    Logistic,
    Root,
    Sine,
    Softplus,
    Tanh,
)
from cam_compiler.importer.arithmetic.enclosures import pi
from cam_compiler.importer.arithmetic.exact import ONE, ROOT_BITS, ZERO, Piece, each, filled, square_root
from cam_compiler.importer.arithmetic.functions import Chain, Stage
from cam_compiler.importer.arithmetic.integers import wrapped
from cam_compiler.importer.arithmetic.steps import Rounding
from cam_compiler.importer.context import MICROSOFT, Call, handles
from cam_compiler.importer.nodes.product import dequantised, output_quantised
from cam_compiler.importer.nodes.real import to_integers
from cam_compiler.importer.same_source import required
from cam_compiler.importer.values import Activation, Value, per_sample

HALF = Fraction(1, 2)
PLAIN: dict[str, Stage] = {
    "Sigmoid": Logistic(),
    "Tanh": Tanh(),
    "Softplus": Softplus(),
    "Softsign": Softsign(),
    "Exp": Exponential(),
    "Log": Logarithm(),
    "Sqrt": Root(),
    "Erf": ErrorFunction(),
    "Abs": magnitude(),
    "Sin": Sine(),
}
"""Functions without parameters."""

PI = pi(ROOT_BITS)[0]


def applied(call: Call, value: Activation, *stages: Stage) -> Activation:
    """A function of a tensor's real numbers; one that rises and falls is tabulated over a quantiser's few integers."""
    chain, value = Chain(stages), call.after_input(value)
    if value.steps is not None and not chain.monotone:
        value = call.builder.materialise(value, call.node)
    return value.curved(filled((1,) * len(value.shape), chain), call.node)


def _real(call: Call, name: str, default: float) -> Fraction:
    """An attribute, which is of single precision."""
    return Fraction(call.node.real(name, float(np.float32(default))))


@handles(*PLAIN)
def plain(call: Call) -> Value:
    value = call.activation()
    if value.integral and call.node.op == "Abs":
        return wrapped(call, to_integers(call, applied(call, value, magnitude()), Rounding.HALF_EVEN, value.elem_type))
    return applied(call, call.activation(), PLAIN[call.node.op])


@handles("Cos")
def cosine(call: Call) -> Value:
    """sin(x + pi / 2), by a rational number near it."""
    return applied(call, call.activation(), Piece(ONE, PI / 2), Sine())


@handles("LeakyRelu")
def leaky_relu(call: Call) -> Value:
    return applied(call, call.activation(), leaky(_real(call, "alpha", 0.01)))


@handles("PRelu")
def parametric_relu(call: Call) -> Value:
    """A slope for all elements, or one per channel or element."""
    value = call.after_input(call.activation())
    slopes = per_sample(call.node, value, call.constant(1, "slope").exact(call.node))
    if value.steps is not None and any(slope < 0 for slope in slopes.flat):
        value = call.builder.materialise(value, call.node)
    return value.curved(each(lambda slope: Chain((leaky(slope),)), slopes), call.node)


@handles("Elu", "Celu")
def exponential_linear_unit(call: Call) -> Value:
    alpha = _real(call, "alpha", 1.0)
    if call.node.op == "Celu" and alpha == 0:
        raise call.node.error("its alpha is 0")
    inner = 1 / alpha if call.node.op == "Celu" else ONE
    return applied(call, call.activation(), exponential_unit(inner, alpha, ONE))


@handles("Selu")
def scaled_exponential_linear_unit(call: Call) -> Value:
    alpha = _real(call, "alpha", 1.67326319217681884765625)
    gamma = _real(call, "gamma", 1.05070102214813232421875)
    return applied(call, call.activation(), exponential_unit(ONE, alpha * gamma, gamma))


@handles("ThresholdedRelu")
def thresholded_relu(call: Call) -> Value:
    alpha = _real(call, "alpha", 1.0)
    if alpha < 0:
        raise call.node.error(f"its alpha is {float(alpha)}", hint="at least 0")
    return applied(call, call.activation(), Gate(alpha))


def _times(call: Call, value: Activation, *stages: Stage) -> Activation:
    """x f(x)."""
    if value.steps is not None:
        value = call.builder.materialise(value, call.node)
    return required(call, Operation.MULTIPLY, value, applied(call, value, *stages))


@handles("HardSwish")
def hard_swish(call: Call) -> Value:
    """x HardSigmoid(x), with slope 1/6 in single precision as ONNX defines it."""
    return _times(call, call.activation(), Piece(Fraction(float(np.float32(1 / 6))), HALF, ZERO, ONE))


@handles("Swish")
@handles("QuickGelu", domains=(MICROSOFT,))
def swish(call: Call) -> Value:
    """x Sigmoid(alpha x)."""
    default = 1.702 if call.node.domain else 1.0
    return _times(call, call.activation(), Piece(_real(call, "alpha", default)), Logistic())


@handles("Mish")
def mish(call: Call) -> Value:
    """x Tanh(Softplus(x))."""
    return _times(call, call.activation(), Softplus(), Tanh())


@handles("Gelu", domains=("", MICROSOFT))
def gelu(call: Call) -> Value:
    """x / 2 (1 + erf(x / sqrt(2))), or Tanh's approximation of it; irrational factors by rational numbers near them."""
    value = call.activation()
    mode = call.node.text("approximate", "none")
    if mode == "none":
        return _times(call, value, Piece(square_root(HALF)), ErrorFunction(), Piece(HALF, HALF))
    if mode != "tanh":
        raise call.node.error(f"its approximation is '{mode}'", hint="none or tanh")
    if value.steps is not None:
        value = call.builder.materialise(value, call.node)
    cube = required(call, Operation.MULTIPLY, value, required(call, Operation.MULTIPLY, value, value))
    factor = square_root(2 / PI)
    inner = required(call, Operation.ADD, value, cube.affine(_cubic(), ZERO)).affine(factor, ZERO)
    return required(call, Operation.MULTIPLY, value, applied(call, inner, Tanh(), Piece(HALF, HALF)))


def _cubic() -> Fraction:
    return Fraction(float(np.float32(0.044715)))


def _dequantised(call: Call) -> Activation:
    """The first operand of an integer operator as real numbers."""
    value = dequantised(call, 0)
    assert isinstance(value, Activation)
    return value


@handles("QLinearSigmoid", domains=(MICROSOFT,))
def qlinear_sigmoid(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point."""
    call.activation()
    return output_quantised(call, applied(call, _dequantised(call), Logistic()), 3, 4)


@handles("QLinearLeakyRelu", domains=(MICROSOFT,))
def qlinear_leaky_relu(call: Call) -> Value:
    """Inputs: x, its scale and zero point, the result's scale and zero point."""
    call.activation()
    return output_quantised(call, applied(call, _dequantised(call), leaky(_real(call, "alpha", 0.01))), 3, 4)
