"""qonnx's channels_last domain and what FINN's streamlining leaves, against qonnx's executor; any form of product."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx_testing import QUANT, RANDOM, Net, canonical, check, evaluate, failing, images, ops, ternary_weights

from cam_compiler.importer import import_model
from dialects import ternary
from dialects.support.errors import ModelError

LAST = "qonnx.custom_op.channels_last"


def single(op: str, x: Any, *constants: Any, domain: str = QUANT, **more: Any) -> onnx.ModelProto:
    """A model of that one operator on integers."""
    names = [f"c{index}" for index in range(len(constants))]
    parts = [
        numpy_helper.from_array(np.asarray(value, np.float32), n) for n, value in zip(names, constants, strict=True)
    ]
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=T.FLOAT),
        helper.make_node(op, ["real", *names], ["y"], name="it", domain=domain, **more),
    ]
    inputs = [helper.make_tensor_value_info("x", T.INT8 if x.dtype == np.int8 else T.UINT8, ["N", *x.shape[1:]])]
    outputs = [helper.make_tensor_value_info("y", T.FLOAT, None)]
    graph = helper.make_graph(nodes, "net", inputs, outputs, parts)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(domain, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def by_qonnx(model: onnx.ModelProto, x: Any, shape: tuple[int, ...]) -> Any:
    """What qonnx's code for the operator computes."""
    registry = pytest.importorskip("qonnx.custom_op.registry")
    node = model.graph.node[1]
    context = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    note = model.graph.quantization_annotation.add(tensor_name="real")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="INT8")
    results: list[Any] = []
    for sample in x.astype(np.float32):
        # Its im2col takes one sample at a time.
        context |= {"real": sample[np.newaxis], "y": np.zeros((1, *shape[1:]), np.float32)}
        registry.getCustomOp(node).execute_node(context, model.graph)
        results.append(context["y"])
    return np.concatenate(results)


def whole(*shape: int, low: int = -8, high: int = 8, kind: Any = np.int8) -> Any:
    return RANDOM.integers(low, high, size=shape).astype(kind)


X = whole(3, 6, 7, 4)
BATCH_NORM = (RANDOM.normal(size=4), RANDOM.normal(size=4), RANDOM.normal(size=4), RANDOM.uniform(0.5, 2, size=4))
CASES: dict[str, tuple[Any, ...]] = {
    "thresholds": ("MultiThreshold", X, np.sort(whole(4, 3), axis=1), {"data_layout": "NHWC", "out_scale": 2.0}),
    "thresholds of rows": ("MultiThreshold", whole(3, 4), np.sort(whole(4, 3), axis=1), {"data_layout": "NC"}),
    "im2col": (
        "Im2Col",
        X,
        {"kernel_size": [3, 2], "stride": [2, 1], "pad_amount": [1, 0, 2, 1], "input_shape": "(1,6,7,4)"},
    ),
    "dilated im2col": (
        "Im2Col",
        X,
        {"kernel_size": [2, 3], "stride": [1, 2], "dilations": [3, 1], "input_shape": "(1,6,7,4)"},
    ),
    "max pool": ("MaxPoolNHWC", X, {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}),
    "average pool": (
        "QuantAvgPool2d",
        whole(3, 4, 6, 6, low=0, high=16, kind=np.uint8),
        {"kernel": 3, "stride": 2, "ibits": 4, "obits": 4, "signed": 0},
    ),
    "average pool of channels last": (
        "QuantAvgPool2d",
        whole(3, 6, 6, 4, low=0, high=16, kind=np.uint8),
        {"kernel": 2, "stride": 2, "ibits": 4, "obits": 3, "signed": 0, "data_layout": "NHWC"},
    ),
    "bits": ("XnorPopcountMatMul", whole(3, 9, low=0, high=2, kind=np.uint8), whole(9, 5, low=0, high=2), {}),
    "Conv": (
        "Conv",
        X,
        whole(6, 3, 3, 4, low=-1, high=2),
        {"domain": LAST, "kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 1], "group": 1},
    ),
    "MaxPool": ("MaxPool", X, {"domain": LAST, "kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}),
    "BatchNormalization": ("BatchNormalization", X, *BATCH_NORM, {"domain": LAST}),
}


@pytest.mark.parametrize("name", CASES)
def test_against_qonnx(name: str) -> None:
    op, x, *constants, more = CASES[name]
    model = single(op, x, *constants, **more)
    module = import_model(model)
    (got,) = evaluate(module, x)
    wanted = by_qonnx(model, x, got.shape)
    assert got.shape == wanted.shape
    if name == "BatchNormalization":
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_array_equal(got, wanted)
    canonical(module, x)


def test_layers_of_channels_last_keep_one_transposition() -> None:
    """Between two convolutions nothing is turned."""
    x = whole(2, 6, 6, 3)
    weights = [whole(4, 3, 3, 3, low=-1, high=2), whole(2, 3, 3, 4, low=-1, high=2)]
    model = single("Conv", x, weights[0], domain=LAST, kernel_shape=[3, 3])
    more = [
        helper.make_node("MultiThreshold", ["y", "t"], ["q"], domain=QUANT, data_layout="NHWC"),
        helper.make_node("Conv", ["q", "w"], ["z"], domain=LAST, kernel_shape=[3, 3]),
    ]
    model.graph.node.extend(more)
    model.graph.output[0].name = "z"
    model.opset_import.append(helper.make_opsetid(QUANT, 1))
    for label, value in (("t", np.sort(whole(4, 3), axis=1)), ("w", weights[1])):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), label))
    assert len(ops(canonical(import_model(model), x), ternary.TransposeOp)) == 2


REFUSED: tuple[tuple[str, Any, tuple[Any, ...], dict[str, Any], tuple[str, ...]], ...] = (
    ("Im2Col", whole(2, 4, 4), (), {"kernel_size": [2, 2]}, ("samples have shape (4, 4)", "height, width, channels")),
    ("Im2Col", X, (), {"kernel_size": [9, 2], "stride": [1, 1]}, ("window of [9, 2] doesn't fit",)),
    ("Im2Col", X, (), {"kernel_size": [2]}, ("its kernel_size are [2]", "2 numbers of at least 0")),
    ("QuantAvgPool2d", X, (), {"kernel": 9, "stride": 1}, ("window of 9 by 9 doesn't fit",)),
    ("XnorPopcountMatMul", whole(2, 4), (whole(4, 2) * 2,), {}, ("weights aren't bits", "of 0 and 1")),
    ("MultiThreshold", X, (whole(5, 2),), {"data_layout": "NHWC"}, ("thresholds of shape (5, 2)",)),
)


@pytest.mark.parametrize(("op", "x", "constants", "more", "parts"), REFUSED)
def test_refusals(op: str, x: Any, constants: Any, more: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(single(op, x, *constants, **more))
    text = f"{caught.value} {caught.value.hint}"
    assert f"{op} 'it'" in text and all(part in text for part in parts), text


# ---- products


def test_constants_on_the_left() -> None:
    for shape in ((3, 6), (1, 3, 6)):
        net = Net(6, 5)
        net.op("MatMul", net.const(ternary_weights(*shape)), net.quant("x", 0.25))
        check(net, images(6, 5))
    net = Net(2, 6, 5)
    net.op("MatMul", net.const(ternary_weights(1, 1, 3, 6)), net.quant("x", 0.25))
    check(net, images(2, 6, 5))


def test_weights_with_leading_dimensions() -> None:
    net = Net(5, 6)
    y = net.op("MatMul", net.quant("x", 0.25), net.const(ternary_weights(1, 6, 3)))
    net.op("MatMul", net.quant(y, 0.5), net.weights(ternary_weights(3, 2)))
    check(net, images(5, 6))


def test_products_that_are_refused() -> None:
    net = Net(5, 6)
    net.op("MatMul", net.const(ternary_weights(3, 6)), net.quant("x", 0.25), name="fc")
    failing(net, "MatMul 'fc'", "left side is constant, of shape (3, 6), its right side (batch, 5, 6)", "on the right")
    net = Net(6)
    net.op("MatMul", net.quant("x", 0.25), net.const(ternary_weights(1, 6, 3)), name="fc")
    failing(net, "MatMul 'fc'", "its weights have shape (1, 6, 3), its input (batch, 6)", "weights (features, outputs)")


def test_flatten_of_the_batch() -> None:
    """At axis 0 a single sample becomes one row; a batch would become one row, too, and is refused."""
    for size in (1, "N"):
        net = Net(2, 3)
        net.inputs = [helper.make_tensor_value_info("x", T.FLOAT, [size, 2, 3])]
        y = net.op("Flatten", net.quant("x", 0.25), axis=0, name="flat")
        net.op("MatMul", y, net.const(ternary_weights(6, 2)))
        if size == 1:
            check(net, images(2, 3, count=1))
        else:
            failing(net, "Flatten 'flat'", "a matrix at axis 0", "the batch stays the first dimension")
