"""Functions that rise and fall, of what the network's first quantiser or a declaration makes of its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx_testing import Net, reference, ternary_weights

from cam_compiler.importer import import_model
from dialects.support.errors import ModelError
from runtime.interpreter import Interpreter

FUNCTIONS: dict[str, Callable[[Net, str], str]] = {
    "Abs": lambda net, x: net.op("Abs", x),
    "Sin": lambda net, x: net.op("Sin", x),
    "HardSwish": lambda net, x: net.op("HardSwish", x),
    "Gelu": lambda net, x: net.op("Gelu", x),
    "Mish": lambda net, x: net.op("Mish", x),
    "square": lambda net, x: net.op("Mul", x, x),
    "Pow": lambda net, x: net.op("Pow", x, net.const(3.0)),
    "gate": lambda net, x: net.op("Mul", x, net.op("Sigmoid", x)),
    "ratio": lambda net, x: net.op("Div", x, net.op("Add", net.op("Exp", x), net.const(1.0))),
    "Reciprocal": lambda net, x: net.op("Reciprocal", net.op("Add", x, net.const(5.0))),
    "Max": lambda net, x: net.op("Max", x, net.op("Neg", x)),
    "sum": lambda net, x: net.op("Add", x, net.op("Abs", x)),
    "PRelu": lambda net, x: net.op("PRelu", x, net.const(-0.5)),
    "Tanh": lambda net, x: net.op("Tanh", x),
}
BEFORE: dict[str, Callable[[Net], str]] = {
    "input": lambda net: "x",
    "quant": lambda net: net.quant("x", 0.125),
    "qdq": lambda net: net.qdq("x", 0.125, 30),
    "clamped quant": lambda net: net.op("Relu", net.quant("x", 0.125)),
    "after a function": lambda net: net.quant(net.op("Erf", "x"), 0.125),
    "round": lambda net: net.op(
        "Clip", net.op("Round", net.op("Mul", "x", net.const(-8.0))), net.const(-4.0), net.const(3.5)
    ),
}


def network(before: str, function: str) -> Any:
    """The function between what is before it and a quantiser, and a product."""
    net = Net(6, opset=22)
    y = net.quant(FUNCTIONS[function](net, BEFORE[before](net)), 1 / 16)
    net.op("MatMul", y, net.const(ternary_weights(6, 4)))
    return net.model()


@pytest.mark.parametrize("before", list(BEFORE))
def test_every_function_of_every_input(before: str) -> None:
    x = np.random.default_rng(5).integers(-40, 41, (60, 6)).astype(np.float32) / 16
    for function in FUNCTIONS:
        model = network(before, function)
        if before != "input":
            forms = [(import_model(model), x)]
        else:
            # A declared input holds its own numbers; a rounded one becomes those.
            rounded = np.clip(x, -2, 1.9375)
            forms = [(import_model(model, {"": "INT6*1/16"}), rounded)]
            forms.append((import_model(model, quantise_inputs={"x": "INT6*1/16"}), x))
        for module, given in forms:
            (found,) = Interpreter().run(module, {"x": given}).outputs.values()
            exact = np.clip(given, -2, 1.9375) if before == "input" else given
            np.testing.assert_array_equal(found, reference(model, exact)[0], err_msg=function)


@pytest.mark.parametrize("function", ["Abs", "HardSwish", "square", "gate", "sum", "Reciprocal"])
def test_a_float_input_of_no_stated_numbers_is_refused_for_that(function: str) -> None:
    with pytest.raises(ModelError, match="the float input") as caught:
        import_model(network("input", function))
    assert "--input-type" in str(caught.value)
