"""Products where the batch is merged with time, stands elsewhere or is a letter of an equation, by onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_testing import Net, check, failing, images, ternary_weights


@pytest.mark.parametrize("form", ["numbers", "shape", "scalars", "flatten", "gemm"])
def test_dense_layers_of_every_time_step(form: str) -> None:
    """Keras' TimeDistributed: rows of all samples at once."""
    net = Net(5, 6)
    q = net.quant("x", 0.25)
    target, back = net.const([-1, 6], np.int64), net.const([-1, 5, 3], np.int64)
    if form in ("shape", "scalars"):
        shape, first = net.op("Shape", q), net.const([0], np.int64)
        indices = (0, 1) if form == "scalars" else ([0], [1])
        numbers = [net.op("Gather", shape, net.const(index, np.int64), axis=0) for index in indices]
        batch, time, rows = (
            net.op("Unsqueeze", number, first) if form == "scalars" else number
            for number in (*numbers, net.op("Mul", *numbers))
        )
        target = net.op("Concat", rows, net.const([6], np.int64), axis=0)
        back = net.op("Concat", batch, time, net.const([3], np.int64), axis=0)
    rows = net.op("Flatten", q, axis=2) if form == "flatten" else net.op("Reshape", q, target)
    bias = net.const([0.5, -0.25, 1.0])
    if form == "gemm":
        y = net.op("Gemm", rows, net.const(ternary_weights(3, 6)), bias, transB=1)
    else:
        y = net.op("Add", net.op("MatMul", rows, net.const(ternary_weights(6, 3))), bias)
    y = net.quant(net.op("Relu", y), [0.5, 0.25, 1.0])
    y = net.op("Add", y, net.op("MatMul", y, net.const(ternary_weights(3, 3))))
    net.op("Reshape", y, back)
    check(net, images(5, 6))


def test_the_batch_elsewhere() -> None:
    """Time first, as recurrent networks have it; samples as columns, as Gemm with constants on its left has them."""
    net = Net(5, 6)
    y = net.op("MatMul", net.op("Transpose", net.quant("x", 0.25), perm=[1, 0, 2]), net.const(ternary_weights(6, 3)))
    net.op("Transpose", net.quant(y, [0.5, 0.25, 1.0]), perm=[1, 0, 2])
    check(net, images(5, 6))
    net = Net(6)
    y = net.op("Gemm", net.const(ternary_weights(3, 6)), net.quant("x", 0.25), net.const([[0.5], [1], [2]]), transB=1)
    net.op("Transpose", net.quant(y, [[0.5], [0.25], [1.0]]), perm=[1, 0])
    check(net, images(6))


FUNCTIONS: dict[str, dict[str, Any]] = {
    "LeakyRelu": {"alpha": 0.25},
    "ThresholdedRelu": {"alpha": 0.75},
    "HardSigmoid": {"alpha": 0.25, "beta": 0.5},
    "Abs": {},
    "Max": {},
    "PRelu": {},
    "Tanh": {},
    "Pow": {},
}


@pytest.mark.parametrize("op", FUNCTIONS)
@pytest.mark.parametrize("form", ["merged", "elsewhere"])
def test_functions_wherever_the_batch_is(op: str, form: str) -> None:
    net = Net(5, 6)
    q = net.quant("x", 0.25)
    merged, turned = form == "merged", {"perm": [1, 0, 2]}
    rows = net.op("Reshape", q, net.const([-1, 6], np.int64)) if merged else net.op("Transpose", q, **turned)
    y = net.op("MatMul", rows, net.const(ternary_weights(6, 3)))
    constants = {"Max": 0.5, "PRelu": [0.5, 0.25, 0.125], "Pow": 2.0}
    more = [net.const(constants[op])] if op in constants else []
    y = net.quant(net.op(op, y, *more, **FUNCTIONS[op]), 0.25)
    net.op("Reshape", y, net.const([-1, 5, 3], np.int64)) if merged else net.op("Transpose", y, **turned)
    check(net, images(5, 6))


EQUATIONS: tuple[tuple[str, tuple[int, ...], tuple[int, ...] | None], ...] = (
    ("bft,fo->bot", (6, 5), (6, 3)),
    ("btf,of->bto", (5, 6), (3, 6)),
    ("btf,fho->bhto", (5, 6), (6, 2, 3)),
    ("bhtf,hfo->bto", (2, 5, 3), (2, 3, 4)),
    ("bij->bji", (3, 4), None),
    ("bi,io", (4,), (4, 3)),
)


@pytest.mark.parametrize(("equation", "sample", "weights"), EQUATIONS)
def test_einsum(equation: str, sample: Any, weights: Any) -> None:
    net = Net(*sample)
    operands = [net.quant("x", 0.25)] + ([net.const(ternary_weights(*weights))] if weights else [])
    net.op("Einsum", *operands, equation=equation)
    check(net, images(*sample))


def test_einsum_with_the_constant_first() -> None:
    net = Net(6, 5)
    net.op("Einsum", net.const(ternary_weights(3, 6)), net.quant("x", 0.25), equation="of,bft->bot")
    check(net, images(6, 5))


def test_refusals() -> None:
    def refused(equation: str, weights: tuple[int, ...], reason: str) -> None:
        net = Net(5, 6)
        net.op("Einsum", net.quant("x", 0.25), net.const(ternary_weights(*weights)), equation=equation, name="sum")
        failing(net, "Einsum 'sum'", f"its equation is '{equation}', {reason}", "one constant operand")

    refused("btf,tf->btf", (5, 6), "which is no product over dimensions of the samples")
    refused("btf,fo->bo", (6, 3), "which sums over a dimension of one operand")
    refused("btf,fo->bto", (5, 3), "its operands have shapes (5, 6) behind the batch and (5, 3)")
    refused("...f,fo->...o", (6, 3), "which names no dimension of each operand by a letter")
    net = Net(5, 6)
    net.op("Reshape", net.quant("x", 0.25), net.const([-1, 6], np.int64))
    failing(net, "output 'reshape_", "its first dimension is not the batch alone", "puts the batch first")
    net = Net(5, 6)
    net.op("Softmax", net.op("Transpose", net.quant("x", 0.25), perm=[1, 0, 2]), name="soft")
    failing(net, "Softmax 'soft'", "the batch of its input", "is dimension 1", "puts the batch first")
    net = Net(5, 6)
    rows = net.op("Reshape", net.quant("x", 0.25), net.const([-1, 6], np.int64))
    net.op("Softmax", rows, name="soft")
    failing(net, "Softmax 'soft'", "is merged with other dimensions")


@pytest.mark.parametrize("smaller", [(4, 1, 1), (1, 3, 5), (4, 3, 1), (1, 1, 1)])
def test_dimensions_of_one_element_are_repeated(smaller: tuple[int, ...]) -> None:
    """What a global pool or one channel gives is added everywhere, on either side."""
    for order in (0, 1):
        net = Net(4, 3, 5)
        wide = net.quant("x", 0.25)
        axes = [axis + 1 for axis, size in enumerate(smaller) if size == 1]
        few = net.quant(net.op("ReduceMax", wide, net.const(axes, np.int64), keepdims=1), 0.75)
        net.quant(net.op("Add", *((wide, few) if order else (few, wide))), 0.5)
        check(net, images(4, 3, 5))
