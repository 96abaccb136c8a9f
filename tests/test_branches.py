"""An If with a constant condition is its branch, in place: onnxruntime's results, whatever the names inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx_testing import Net, ternary_weights

from cam_compiler.importer import import_model
from runtime.interpreter import Interpreter

ort = pytest.importorskip("onnxruntime")
RANDOM = np.random.default_rng(6)


def graph(nodes: list[onnx.NodeProto], result: str, **constants: Any) -> onnx.GraphProto:
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return helper.make_graph(nodes, "body", [], [helper.make_tensor_value_info(result, T.FLOAT, None)], held)


def dense(source: str, *, relu: bool) -> onnx.GraphProto:
    """A branch with weights of its own, whose inner names are those of the other one."""
    weights = ternary_weights(4, 4).astype(np.float32)
    nodes = [helper.make_node("MatMul", [source, "w"], ["y"], name="fc")]
    nodes.append(helper.make_node("Relu" if relu else "Neg", ["y"], ["z"], name="last"))
    return graph(nodes, "z", w=weights)


def check(model: onnx.ModelProto) -> None:
    x = RANDOM.integers(-16, 16, size=(9, 4)).astype(np.float32) / 4
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = Interpreter().run(import_model(model), {"x": x}).outputs.values()
    np.testing.assert_array_equal(found, session.run(None, {"x": x})[0])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_branches_with_the_same_names(first: bool, second: bool) -> None:
    net = Net(4)
    y = net.qdq("x", 0.25, 8)
    net.const([1.0, 2.0, 3.0, 4.0])
    # As it could be called after the first If, too.
    net.initialisers[-1].name = "if_2_out/w"
    for condition in (first, second):
        branches = {"then_branch": dense(y, relu=True), "else_branch": dense(y, relu=False)}
        y = net.qdq(net.op("If", net.const(condition, np.bool_), **branches), 0.5, 8)
    net.op("Add", y, "if_2_out/w")
    check(net.model())


def test_a_branch_within_a_branch() -> None:
    """The inner one reads what is the outer one's own, under a name that the other If has, too."""
    net = Net(4)
    q = net.qdq("x", 0.25, 8)
    inner = {"then_branch": graph([helper.make_node("Add", ["a", "c"], ["b"])], "b", c=np.float32([1, 2, 3, 4]))}
    inner["else_branch"] = graph([helper.make_node("Neg", ["a"], ["d"])], "d")
    nodes = [
        helper.make_node("Mul", [q, "two"], ["a"]),
        helper.make_node("Equal", ["one", "two"], ["never"]),
        helper.make_node("Not", ["never"], ["always"]),
        helper.make_node("If", ["always"], ["e"], **inner),
    ]
    body = graph(nodes, "e", one=np.float32(1), two=np.float32(2))
    net.op("If", net.const(True, np.bool_), then_branch=body, else_branch=dense(q, relu=True))
    check(net.model())


@pytest.mark.parametrize("size", [1, 3])
def test_a_condition_of_the_shape(size: int) -> None:
    """As PyTorch exports a squeeze: whether the dimension has one element is known from the shape."""
    net = Net(4, size)
    q = net.qdq("x", 0.25, 8)
    extent = net.op("Gather", net.op("Shape", q), net.const(2, np.int64))
    squeeze = graph([helper.make_node("Squeeze", [q, "axis"], ["s"])], "s", axis=np.int64([2]))
    same = graph([helper.make_node("Identity", [q], ["s"])], "s")
    y = net.op("If", net.op("Equal", extent, net.const(1, np.int64)), then_branch=squeeze, else_branch=same)
    model = net.model(y)
    x = RANDOM.integers(-16, 16, size=(9, 4, size)).astype(np.float32) / 4
    (found,) = Interpreter().run(import_model(model), {"x": x}).outputs.values()
    wanted = np.clip(x / 0.25 + 8, 0, 255) * 0.25 - 2
    np.testing.assert_array_equal(found, wanted.reshape((9, 4)) if size == 1 else wanted)


def test_a_choice_between_tensors_that_are_there() -> None:
    net = Net(4)
    q, r = net.qdq("x", 0.25, 8), net.qdq("x", 0.5, 8)
    net.op("If", net.const([False], np.bool_), then_branch=graph([], q), else_branch=graph([], r))
    x = RANDOM.normal(size=(5, 4)).astype(np.float32)
    (found,) = Interpreter().run(import_model(net.model()), {"x": x}).outputs.values()
    np.testing.assert_array_equal(found, (np.clip(np.rint(x / 0.5) + 8, 0, 255) - 8) * 0.5)


def test_a_branch_that_ends_on_the_host() -> None:
    net = Net(4)
    q = net.qdq("x", 0.25, 8)
    body = graph([helper.make_node("Softmax", [q], ["s"])], "s")
    net.op("If", net.const(True, np.bool_), then_branch=body, else_branch=dense(q, relu=True))
    x = RANDOM.integers(-8, 8, size=(5, 4)).astype(np.float32) / 4
    (found,) = Interpreter().run(import_model(net.model()), {"x": x}).outputs.values()
    np.testing.assert_allclose(found, np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), rtol=1e-6)
