"""Products, and the greater or lesser, of two tensors that both depend on the input: squeeze and excitation, gates."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import MICROSOFT, RANDOM, Net, check, evaluate, failing, images, ops, reference, ternary_weights

from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from dialects import ternary
from dialects.machine.target import load_target
from runtime.interpreter import Interpreter


def qlinear(net: Net, op: str, left: str, right: str) -> None:
    """`op` of two uint8 tensors, whose zero points and the result's are odd, so that ties show what is rounded."""
    a, b, c = ((net.const(scale), net.const(zero, np.uint8)) for scale, zero in ((0.125, 127), (0.25, 131), (0.5, 99)))
    first, second = net.op("QuantizeLinear", left, *a), net.op("QuantizeLinear", right, *b)
    net.op("DequantizeLinear", net.op(op, first, *a, second, *b, *c, domain=MICROSOFT), *c)


def excited(net: Net, gate: str) -> str:
    """The product of the input and a tensor made of it, of which the elements of a channel or of a position are one."""
    q = net.qdq("x", 0.25, 3, np.int8)
    s = net.op("GlobalMaxPool", q) if gate == "channel" else q
    weights = net.weights(ternary_weights(1 if gate == "position" else 3, 3, 1, 1))
    s = net.qdq(net.op("Conv", s, weights, net.const([0.5] * (1 if gate == "position" else 3))), 0.5, 7, np.uint8)
    return net.op("Mul", s, q)


@pytest.mark.parametrize("gate", ["channel", "position", "element"])
@pytest.mark.parametrize("after", ["quantiser", "Conv", "Add", "output"])
def test_product_of_two_tensors(gate: str, after: str):
    net = Net(3, 4, 4)
    y = excited(net, gate)
    if after == "Conv":
        y = net.op("Conv", y, net.weights(ternary_weights(2, 3, 3, 3)), pads=[1, 1, 1, 1])
    if after == "Add":
        y = net.op("Add", y, net.quant("x", 0.5))
    if after != "output":
        net.qdq(y, 2.0, 5, np.int8)
    check(net, images(3, 4, 4, count=8))


def test_channels_of_their_own_scales_and_offsets():
    """(s n + o) (t m + p), where o is no multiple of s."""
    net = Net(2, 3, 3)
    q = net.qdq("x", 0.25, 3, np.int8)
    weights = net.weights(ternary_weights(2, 2, 1, 1), [0.5, 0.125])
    biased = net.op("Conv", q, weights, net.const([0.3125, -1.0]))
    gate = net.op("Add", net.qdq(net.op("Neg", "x"), 0.5, 1, np.uint8), net.const(0.75))
    net.quant(net.op("Mul", biased, gate), 0.5, 0.0, 5)
    check(net, images(2, 3, 3, count=20))


def test_tensors_of_a_product_have_names_of_their_own():
    """The levels are compared by those: x * HardSigmoid of its average is a sum of several products."""
    net = Net(2, 2, 2)
    q = net.qdq("x", 0.25, 3, np.int8)
    net.op("Mul", net.op("HardSigmoid", net.op("GlobalAveragePool", q)), q)
    module = import_model(net.model())
    made = [*ops(module, ternary.CombineOp), *ops(module, ternary.ThresholdOp), *ops(module, ternary.RescaleOp)]
    hints = [op.result.name_hint for op in made]
    assert len(set(hints)) == len(hints) > 30


def test_every_pair_of_integers_at_all_levels():
    """Of 4 and 3 bits, signed and not, on the associative processor as well."""
    left, right = np.meshgrid(np.arange(-8, 8), np.arange(8))
    feeds = {"x": left.reshape(-1, 1).astype(np.float32), "w": right.reshape(-1, 1).astype(np.float32)}
    net = Net(1)
    net.inputs.append(helper.make_tensor_value_info("w", T.FLOAT, ["N", 1]))
    net.op("Mul", "x", "w")
    module = import_model(net.model(), {"x": "INT4", "w": "UINT3"})
    run_passes(module, parse_passes("default"), target := load_target("default"))
    (result,) = Interpreter(target).run(module, feeds).outputs.values()
    np.testing.assert_array_equal(result, feeds["x"] * feeds["w"])


def test_integer_types_wrap_round():
    net = Net(6, opset=14, elem_type=T.INT8)
    q = net.op("Add", net.op("Clip", "x", net.const(-20, np.int8), net.const(20, np.int8)), net.const(1, np.int8))
    net.op("Mul", net.op("Gather", q, net.const([5, 4, 3, 2, 1, 0], np.int64), axis=1), q)
    x = RANDOM.integers(-128, 128, (20, 6)).astype(np.int8)
    (result,) = evaluate(import_model(net.model(elem_type=T.INT8)), x)
    q = np.clip(x, -20, 20) + np.int8(1)
    np.testing.assert_array_equal(result, q[:, ::-1] * q)


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_integers_of_onnxruntime(op: str):
    net = Net(2, 4, 4)
    qlinear(net, op, "x", net.op("Transpose", "x", perm=[0, 1, 3, 2]))
    check(net, images(2, 4, 4, count=30))


def test_gate_of_onnxruntimes_integers():
    """x * HardSigmoid(x) as its quantiser writes it: a table of the same integers, not a product."""
    net = Net(6)
    q = net.qdq("x", 0.25, 127)
    qlinear(net, "QLinearMul", q, net.op("HardSigmoid", q, alpha=0.25))
    assert not ops(check(net, images(6, count=30)), ternary.RescaleOp)


@pytest.mark.parametrize("op", ["Max", "Min"])
@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 1, 1)])
def test_greater_and_lesser_of_two_tensors(op: str, shape: tuple[int, ...]):
    net = Net(2, 3, 3)
    q, r = net.qdq("x", 0.25, 3, np.int8), net.qdq(net.op("Neg", "x"), 0.375, 1, np.uint8)
    r = net.op("GlobalMaxPool", r) if shape[1] == 1 else r
    y = net.op(op, net.op("Conv", q, net.weights(ternary_weights(2, 2, 1, 1), [0.5, 0.25])), r)
    check(net, images(2, 3, 3, count=20), net.quant(y, 0.5, 0.0, 4), y)


def test_bias_that_depends_on_the_input():
    net = Net(4)
    q = net.qdq("x", 0.25, 3, np.int8)
    net.op("Gemm", q, net.weights(ternary_weights(4, 4)), net.op("Relu", q), beta=0.5)
    check(net, images(4, count=20))


def test_what_no_product_takes():
    net = Net(3, 4, 4)
    net.op("Mul", net.op("Transpose", net.quant("x", 0.25), perm=[0, 2, 3, 1]), net.quant(net.op("Neg", "x"), 0.5))
    failing(net, "multiplies samples of shape", "(3, 4, 4)")
    net = Net(3)
    net.op("Mul", net.quant("x", 0.25), net.op("Tanh", "x"))
    failing(net, "a quantiser is needed")
    net = Net(3)
    wide = [net.quant(value, 0.25, bits=20) for value in ("x", net.op("Neg", "x"))]
    net.op("Mul", *(net.op("MatMul", value, net.const(np.ones((3, 3)))) for value in wide))
    failing(net, "MatMul", "levels")


def test_sums_without_a_common_step_are_multiplied_in_pairs():
    net = Net(3)
    left = net.op("Add", net.quant("x", 0.25), net.quant(net.op("Neg", "x"), 0.3))
    right = net.op("Add", net.quant(net.op("Relu", "x"), 0.7), net.quant("x", 0.11))
    net.op("Mul", left, right)
    x = (RANDOM.integers(-24, 25, size=(40, 3)) / 8).astype(np.float32)
    (got,), (wanted,) = evaluate(import_model(net.model()), x), reference(net.model(), x)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_products_of_many_sums_are_refused():
    net = Net(3)
    left, right = (
        net.op("Sum", *(net.quant("x", first + 0.037 * place) for place in range(5))) for first in (0.1, 0.6)
    )
    net.op("Mul", left, right)
    failing(net, "multiplies sums of 5 and 5 tensors", "a quantiser between")


def test_sums_of_many_tensors_without_a_simple_ratio_are_refused():
    net = Net(2)
    net.op("Sum", *(net.quant("x", 0.1 + 0.037 * place) for place in range(66)))
    failing(net, "Sum 'sum_66'", "the sum of 65 tensors", "at most 64")
