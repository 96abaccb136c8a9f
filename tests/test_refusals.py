"""Malformed and unsupported networks: each is refused with its place and its reason, at once, in little memory."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx_testing import QUANT, Net, ternary_weights

from cam_compiler.importer import import_model
from dialects.support.errors import ModelError

Build = Callable[[], onnx.ModelProto]
CASES: dict[str, tuple[Build, tuple[str, ...]]] = {}
MEGABYTES = 300
"""What all of them together may add to the process."""


def refused(*parts: str) -> Callable[[Build], Build]:
    """Registers a network with what its error says."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = (build, parts)
        return build

    return register


def image(*more: int, **options: Any) -> tuple[Net, str]:
    net = Net(*(more or (2, 5, 5)), **options)
    return net, net.qdq("x", 0.25, 128)


def one(op: str, *parts: str, shape: tuple[int, ...] = (2, 5, 5), constants: tuple[Any, ...] = (), **more: Any) -> None:
    """A network of a quantiser and one node on it."""

    def build() -> onnx.ModelProto:
        net, q = image(*shape)
        kinds = (np.int64 if isinstance(item, list) else np.float32 for item in constants)
        names = [net.const(item, kind) for item, kind in zip(constants, kinds, strict=True)]
        net.op(op, q, *names, name="node", **more)
        return net.model()

    build.__name__ = f"{op}_{len(CASES)}"
    refused("'node'", *parts)(build)


RANDOM = np.random.default_rng(0)

# Weights.
one("Conv", "weights are float", constants=(RANDOM.normal(size=(3, 2, 3, 3)),))
one("Gemm", "weights are float", shape=(4,), constants=(RANDOM.normal(size=(4, 3)),))
one("Conv", "infinite or not a number", constants=(np.full((3, 2, 3, 3), np.nan),))
one("Conv", "3 channels", shape=(3, 5, 5), constants=(ternary_weights(4, 2, 3, 3),))
one("Conv", "2 channels in 3 groups", constants=(ternary_weights(6, 1, 3, 3),), group=3)
one("Conv", "2 spatial dimensions", constants=(ternary_weights(4, 2, 3),))
one("Conv", "(batch, 7)", shape=(7,), constants=(ternary_weights(4, 7, 1, 1),))
one("Conv", "kernel_shape", constants=(ternary_weights(4, 2, 3, 3),), kernel_shape=[2, 2])
one("MatMul", "weights have shape", shape=(4,), constants=(ternary_weights(5, 3),))
one("Gemm", "transA", shape=(4,), constants=(ternary_weights(4, 3),), transA=1)

# Windows.
one("Conv", "does not fit", constants=(ternary_weights(1, 2, 7, 7),))
one("Conv", "strides", constants=(ternary_weights(1, 2, 3, 3),), strides=[0, 1])
one("Conv", "pads", constants=(ternary_weights(1, 2, 3, 3),), pads=[-1, 0, 0, 0])
one("Conv", "auto_pad", constants=(ternary_weights(1, 2, 3, 3),), auto_pad="SOME")
one("Conv", "dilations", constants=(ternary_weights(1, 2, 3, 3),), dilations=[1, 1, 1])
one("MaxPool", "kernel_shape is missing")
one("MaxPool", "samples of", kernel_shape=[1, 1], pads=[0, 0, 10**6, 10**6])
one("AveragePool", "(batch, 2, 3, 3, 3)", shape=(2, 3, 3, 3), kernel_shape=[2, 2, 2])

# Functions that are no steps, and operators that there are none of.
one("Sqrt", "a real function", "a quantiser after it")
one("Sin", "a real function")
one("Tan", "not supported")
one("LRN", "not supported", size=3)
one("Resize", "neither scales nor sizes")
one("Erfc", "not supported", "docs/onnx.md", "similar in name: Erf")
one("Div", "division by zero", constants=(0.0,))
one("Mul", "not a number", constants=(float("nan"),))
one("Pow", "exponent", constants=(1.5,))

# Shapes.
one("Reshape", "the batch stays", constants=([3, -1],))
one("Transpose", "permutation", perm=[0, 1, 1, 3])
one("Squeeze", "axes", constants=([7],))
one("Concat", "along axis 0", axis=0)
one("Slice", "nothing is left", constants=([9], [9], [2]))
one("Gather", "indices", constants=([99],), axis=1)
one("Pad", "leave nothing", constants=([0, 0, -3, 0, 0, 0, -3, 0],))
one("Pad", "samples of", constants=([0, 0, 10**9, 0, 0, 0, 0, 0],), mode="edge")
one("Add", "does not fit", constants=(np.ones((4, 1, 1)),))
one("BatchNormalization", "channels", constants=tuple(np.ones(3) for _ in range(4)))
one("BatchNormalization", "not positive", constants=(*(np.ones(2) for _ in range(3)), -np.ones(2)))


@refused("'gate'", "both its inputs")
def a_quotient_of_two_tensors() -> onnx.ModelProto:
    net, q = image()
    net.op("Div", q, net.op("Relu", net.qdq("x", 0.5, 3)), name="gate")
    return net.model()


@refused("'attention'", "not constant")
def weights_that_are_no_constant() -> onnx.ModelProto:
    net, q = image(4)
    net.op("MatMul", q, net.qdq("x", 0.5, 3), name="attention")
    return net.model()


@refused("'sum'", "(2, 5, 5) and (2, 4, 4)")
def a_sum_of_different_shapes() -> onnx.ModelProto:
    net, q = image()
    net.op("Add", q, net.op("MaxPool", q, kernel_shape=[2, 2]), name="sum")
    return net.model()


@refused("'cat'", "samples of shapes")
def a_concatenation_of_different_shapes() -> onnx.ModelProto:
    net, q = image()
    net.op("Concat", q, net.op("GlobalAveragePool", q), axis=1, name="cat")
    return net.model()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("op", ["Quant", "QuantizeLinear", "BipolarQuant"])
def test_scales(op: str, scale: float) -> None:
    net = Net(4)
    constants = {"Quant": [0.0, 4.0], "QuantizeLinear": [], "BipolarQuant": []}[op]
    domain = "" if op == "QuantizeLinear" else QUANT
    net.op(op, "x", net.const(scale), *(net.const(item) for item in constants), name="q", domain=domain)
    with pytest.raises(ModelError, match=r"'q'.*scale"):
        import_model(net.model())


@refused("its local function 'F' calls itself")
def functions_that_call_themselves() -> onnx.ModelProto:
    net = Net(4)
    net.op("F", "x", name="f", domain="loc")
    model = net.model()
    body = [helper.make_node("F", ["a"], ["b"], domain="loc")]
    opsets = [helper.make_opsetid("", net.opset), helper.make_opsetid("loc", 1)]
    model.functions.append(helper.make_function("loc", "F", ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("loc", 1))
    return model


@refused("F is for another opset")
def functions_of_another_opset() -> onnx.ModelProto:
    net = Net(4)
    net.op("F", "x", name="f", domain="loc")
    model = net.model()
    opsets = [helper.make_opsetid("", net.opset - 1)]
    model.functions.append(
        helper.make_function("loc", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)
    )
    model.opset_import.append(helper.make_opsetid("loc", 1))
    return model


@refused("'c'", "min is inf")
def clips_to_infinity() -> onnx.ModelProto:
    net, x = image()
    net.op("Clip", x, net.const(np.inf), name="c")
    return net.model()


@refused("'p'", "axes [6] are outside a tensor of 4 dimensions")
def pads_of_an_axis_that_is_not_there() -> onnx.ModelProto:
    net, x = image()
    net.op("Pad", x, net.const([1, 1], np.int64), "", net.const([6], np.int64), name="p")
    return net.model()


@refused("'q'", "axis")
def scales_that_do_not_fit() -> onnx.ModelProto:
    net = Net(4)
    net.op("QuantizeLinear", "x", net.const([1.0, 1.0, 1.0]), net.const([0, 0, 0], np.uint8), name="q")
    return net.model()


@refused("'q'", "bit width")
def a_bit_width_of_forty() -> onnx.ModelProto:
    net = Net(4)
    net.op("Quant", "x", net.const(1.0), net.const(0.0), net.const(40.0), name="q", domain=QUANT)
    return net.model()


@refused("'q'", "bit width is 2.5")
def half_a_bit() -> onnx.ModelProto:
    net = Net(4)
    net.op("Quant", "x", net.const(1.0), net.const(0.0), net.const(2.5), name="q", domain=QUANT)
    return net.model()


@refused("'fc'", "float input")
def no_quantiser() -> onnx.ModelProto:
    net = Net(4)
    net.op("MatMul", "x", net.weights(ternary_weights(4, 2)), name="fc")
    return net.model()


@refused("'fc'", "this network isn't quantised", "float input", "--input-type", "--quantise-input")
def nothing_quantised() -> onnx.ModelProto:
    net = Net(4)
    net.op("MatMul", "x", net.const(RANDOM.normal(size=(4, 2))), name="fc")
    net.op("Relu", net.last)
    return net.model()


def test_unquantised_weights_of_a_rounded_input() -> None:
    net = Net(4)
    net.op("Gemm", "x", net.const(RANDOM.normal(size=(4, 2))), name="fc")
    with pytest.raises(ModelError, match="'fc': this network isn't quantised: weights are float"):
        import_model(net.model(), quantise_inputs={"x": "INT8*1/64"})
    for weights in (ternary_weights(4, 2), ternary_weights(4, 2) * 0.3, RANDOM.normal(size=(4, 2))):
        # Ternary weights, or a quantiser anywhere: only the input is at fault.
        net = Net(4)
        y = net.op("MatMul", "x", net.const(weights), name="fc")
        if len(np.unique(np.abs(weights))) > 2:
            net.quant(y, 0.5)
        with pytest.raises(ModelError, match="'fc': it takes the float input"):
            import_model(net.model())


@refused("the values of TopK 'top' are not supported", "indices")
def values_of_the_greatest() -> onnx.ModelProto:
    net, q = image(4)
    return net.model(net.op("TopK", q, net.const([2], np.int64), name="top", outputs=2))


@refused("'after'", "the values of TopK 'top' are not supported", "indices")
def values_of_the_greatest_that_are_read() -> onnx.ModelProto:
    net, q = image(4)
    net.op("Relu", net.op("TopK", q, net.const([2], np.int64), name="top", outputs=2), name="after")
    return net.model()


@refused("'top'", "the values of TopK 'top' are not supported")
def nothing_but_values_of_the_greatest() -> onnx.ModelProto:
    net, q = image(4)
    return net.model(net.op("TopK", q, net.const([2], np.int64), name="top"))


@refused("Conv of domain 'my'", "Conv of the standard domain or domain 'qonnx.custom_op.channels_last'")
def a_convolution_of_another_domain() -> onnx.ModelProto:
    net, q = image()
    net.op("Conv", q, net.const(ternary_weights(4, 2, 3, 3)), domain="my")
    return net.model()


@refused("'fc'", "an output sums 77 groups of features whose scales have no common step", "at most 64")
def scales_without_a_common_step() -> onnx.ModelProto:
    net, q = image(80)
    y = net.op("DequantizeLinear", net.const(np.ones((80, 2)), np.int8), net.const(1.0))
    for _ in range(3):
        y = net.op("Mul", y, net.op("Sqrt", net.const(RANDOM.uniform(1, 2, size=(80, 1)))))
    net.op("MatMul", q, y, name="fc")
    return net.model()


def test_a_sum_with_a_quantiser_is_advised_no_quantiser() -> None:
    net = Net(4)
    other = net.quant(net.op("Neg", "x"), 0.0123, bits=8)
    for factor in (0.37, 0.11, 0.77):
        other = net.op("Mul", other, net.const(factor))
    y = net.op("Add", net.quant("x", 0.1, bits=8), other, name="sum")
    net.op("MatMul", net.quant(y, 0.001, bits=16), net.weights(ternary_weights(4, 2)), name="fc")
    with pytest.raises(ModelError, match=r"'fc': .* no common step") as caught:
        import_model(net.model())
    assert caught.value.hint == "quantisers of the summands, or scales in the ratio of small integers"


@refused("'fc'", "'wide'", "no small integer")
def a_quantiser_of_32_bits_between_products() -> onnx.ModelProto:
    net, q = image(4)
    y = net.op("Mul", net.op("MatMul", q, net.weights(ternary_weights(4, 2))), net.const(1e-3))
    scale, zero = net.const(1e-9), net.const(0, np.int32)
    y = net.op("DequantizeLinear", net.op("QuantizeLinear", y, scale, zero, name="wide"), scale, zero)
    net.op("MatMul", y, net.weights(ternary_weights(2, 2)), name="fc")
    return net.model()


@refused("subgraph")
def a_branch() -> onnx.ModelProto:
    net, q = image()
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", T.FLOAT, None)])
    net.op("If", q, then_branch=body, else_branch=body)
    return net.model()


@refused("'loop'", "subgraph")
def a_loop() -> onnx.ModelProto:
    net, q = image()
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", T.FLOAT, None)])
    net.op("Loop", net.const(3, np.int64), "", q, body=body, name="loop")
    return net.model()


@refused("'if'", "then_branch has 0 results", "as many as the If")
def a_branch_without_results() -> onnx.ModelProto:
    net, _ = image()
    body = helper.make_graph([], "body", [], [])
    net.op("If", net.const(True, np.bool_), then_branch=body, else_branch=body, name="if")
    return net.model()


@refused("'gone'", "nothing produces it")
def a_branch_of_what_is_not_there() -> onnx.ModelProto:
    net, _ = image()
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("gone", T.FLOAT, None)])
    net.op("If", net.const(True, np.bool_), then_branch=body, else_branch=body, name="if")
    return net.model()


@refused("cycle")
def a_cycle() -> onnx.ModelProto:
    net = Net(4)
    net.nodes = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Add", ["a", "x"], ["b"])]
    return net.model("a")


@refused("two producers")
def two_producers() -> onnx.ModelProto:
    net, q = image()
    net.nodes += [helper.make_node("Relu", [q], ["twice"]), helper.make_node("Neg", [q], ["twice"])]
    return net.model("twice")


@refused("nothing produces it")
def an_unknown_tensor() -> onnx.ModelProto:
    net = Net(4)
    net.op("Relu", "nowhere")
    return net.model()


@refused("no outputs")
def no_outputs() -> onnx.ModelProto:
    net, _ = image()
    model = net.model()
    del model.graph.output[:]
    return model


@refused("no version")
def no_opset() -> onnx.ModelProto:
    net, _ = image()
    model = net.model()
    del model.opset_import[:]
    return model


@refused("constant")
def a_constant_output() -> onnx.ModelProto:
    net, _ = image()
    return net.model(net.op("Neg", net.const([1.0, 2.0])))


@refused("input 'x'", "dimensions")
def images_of_unknown_size() -> onnx.ModelProto:
    net, _ = image()
    net.inputs = [helper.make_tensor_value_info("x", T.FLOAT, ["N", 2, "H", "W"])]
    return net.model()


@refused("input 'x'", "STRING")
def text() -> onnx.ModelProto:
    net = Net(4, elem_type=T.STRING)
    net.op("Identity", "x")
    return net.model()


@refused("input 'x'", "values")
def an_input_of_a_terabyte() -> onnx.ModelProto:
    net, q = image(1, 10**6, 10**6)
    net.op("AveragePool", q, kernel_shape=[2, 2])
    return net.model()


@refused("'c'", "elements")
def a_constant_of_gigabytes() -> onnx.ModelProto:
    net, q = image(4)
    net.op("Add", q, net.op("ConstantOfShape", net.const([1 << 31], np.int64), name="c"))
    return net.model()


@refused("'c'", "elements")
def an_expansion_to_gigabytes() -> onnx.ModelProto:
    net, q = image(4)
    net.op("Add", q, net.op("Expand", net.const(1.0), net.const([1 << 16, 1 << 15], np.int64), name="c"))
    return net.model()


@refused("can't be read")
def an_initialiser_that_is_cut_off() -> onnx.ModelProto:
    net, q = image(4)
    net.op("MatMul", q, net.const(ternary_weights(4, 2)))
    net.initialisers[-1].raw_data = net.initialisers[-1].raw_data[:-3]
    return net.model()


@refused("can't be read")
def an_initialiser_of_a_wrong_size() -> onnx.ModelProto:
    net, q = image(4)
    net.op("MatMul", q, net.const(ternary_weights(4, 2)))
    net.initialisers[-1].dims[:] = [1 << 40, 1 << 20]
    return net.model()


@refused("sparse")
def a_sparse_initialiser() -> onnx.ModelProto:
    net, _ = image(4)
    model = net.model()
    values, indices = (numpy_helper.from_array(np.array(item), name) for item, name in (([1.0], "s"), ([0], "i")))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    return model


@refused("random")
def random_numbers() -> onnx.ModelProto:
    net, q = image(4)
    net.op("Add", q, net.op("RandomUniform", shape=[4]))
    return net.model()


@refused("'product'", "INT32")
def integer_products_that_wrap_round() -> onnx.ModelProto:
    net = Net(1 << 10, elem_type=T.UINT8)
    weights = net.const(np.full((1 << 10, 1), 127), np.int8)
    y = net.op("Cast", net.op("MatMulInteger", "x", weights), to=T.INT32)
    net.op("Mul", y, net.const(1000, np.int32), name="product")
    return net.model(elem_type=T.INT32)


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    build, parts = CASES[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError) as caught:
        import_model(build())
    text = f"{caught.value} {caught.value.hint}"
    missing = [part for part in parts if part not in text]
    assert not missing, text
    assert len(text) < 1500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024
