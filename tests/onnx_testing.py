"""Networks built node by node, and their results by onnxruntime or the reference evaluator, for tests of the importer.

Scales are powers of two wherever a float executor is the reference, so that its arithmetic is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.importer import import_model
from cam_compiler.pipeline import make_context
from dialects.support.errors import ModelError
from passes.ternary_canonicalize import TernaryCanonicalize
from runtime.interpreter import Interpreter

QUANT = "qonnx.custom_op.general"
MICROSOFT = "com.microsoft"
RANDOM = np.random.default_rng(7)


class Net:
    """A graph under construction; constants become initialisers."""

    def __init__(self, *shape: int, opset: int = 19, elem_type: int = T.FLOAT):
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("x", elem_type, ["N", *shape])]
        self.opset = opset
        self.last = "x"

    def const(self, value: Any, kind: Any = np.float32) -> str:
        name = f"c{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def op(
        self, op: str, *inputs: str, name: str | None = None, domain: str = "", outputs: int = 1, **more: Any
    ) -> str:
        label = name or f"{op.lower()}_{len(self.nodes)}"
        results = [f"{label}_out{index or ''}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), results, name=label, domain=domain, **more))
        self.last = results[0]
        return self.last

    def quant(self, x: str, scale: Any, zero: float = 0.0, bits: int = 4, signed: int = 1, narrow: int = 0) -> str:
        inputs = [x, self.const(scale), self.const(zero), self.const(bits)]
        return self.op("Quant", *inputs, domain=QUANT, signed=signed, narrow=narrow)

    def qdq(self, x: str, scale: Any, zero: Any = 0, kind: Any = np.uint8) -> str:
        s, z = self.const(scale), self.const(zero, kind)
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, s, z), s, z)

    def weights(self, integers: Any, scale: Any = 0.5) -> str:
        """int8 weights through DequantizeLinear, a scale for all or one per output (axis 0)."""
        zeros = np.zeros(np.shape(scale), dtype=np.int8)
        inputs = [self.const(integers, np.int8), self.const(scale), self.const(zeros, np.int8)]
        return self.op("DequantizeLinear", *inputs, axis=0)

    def model(self, *outputs: str, elem_type: int = T.FLOAT) -> onnx.ModelProto:
        results = [helper.make_tensor_value_info(name, elem_type, None) for name in outputs or (self.last,)]
        graph = helper.make_graph(self.nodes, "net", self.inputs, results, self.initialisers)
        domains = [("", self.opset), (QUANT, 1), (MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=[helper.make_opsetid(*d) for d in domains], ir_version=10)


class Quant(OpRun):
    op_domain = QUANT

    def _run(self, x, scale, zero, bits, signed=1, narrow=0):  # type: ignore[no-untyped-def]
        low = -(2 ** (bits - 1)) + narrow if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        return (((np.rint(np.clip(x / scale + zero, low, high)) - zero) * scale).astype(np.float32),)


class BipolarQuant(OpRun):
    op_domain = QUANT

    def _run(self, x, scale):  # type: ignore[no-untyped-def]
        return (np.where(x >= 0, scale, -scale).astype(np.float32),)


def standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its Quant and BipolarQuant nodes written out in standard operators."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    written = onnx.ModelProto()
    written.CopyFrom(model)
    del written.graph.node[:]

    def emit(op: str, output: str, *inputs: str | float) -> str:
        names = [item if isinstance(item, str) else f"{output}/{place}" for place, item in enumerate(inputs)]
        for name, item in zip(names, inputs, strict=True):
            if not isinstance(item, str):
                written.graph.initializer.append(numpy_helper.from_array(np.float32(item), name))
        written.graph.node.append(helper.make_node(op, names, [output]))
        return output

    for node in model.graph.node:
        (name, *_), options = node.output, {item.name: item.i for item in node.attribute}
        if node.op_type == "Quant":
            x, scale, zero, bits = node.input
            signed, narrow, width = options.get("signed", 1), options.get("narrow", 0), int(constants[bits])
            low = -(2 ** (width - 1)) + narrow if signed else 0
            high = 2 ** (width - 1) - 1 if signed else 2**width - 1 - narrow
            codes = emit("Add", f"{name}/sum", emit("Div", f"{name}/quotient", x, scale), zero)
            codes = emit("Round", f"{name}/codes", emit("Clip", f"{name}/clipped", codes, float(low), float(high)))
            emit("Mul", name, emit("Sub", f"{name}/centred", codes, zero), scale)
        elif node.op_type == "BipolarQuant":
            x, scale = node.input
            emit(
                "Where", name, emit("GreaterOrEqual", f"{name}/rises", x, 0.0), scale, emit("Neg", f"{name}/low", scale)
            )
        else:
            written.graph.node.append(node)
    return written


def reference(model: onnx.ModelProto, x: Any) -> Any:
    # onnxruntime has no ConvInteger of int8, and what Quant is written out in is newer than opset 11.
    quants = any(node.domain == QUANT for node in model.graph.node)
    if any(node.op_type == "ConvInteger" for node in model.graph.node) or (
        quants and model.opset_import[0].version < 12
    ):
        return ReferenceEvaluator(model, new_ops=[Quant, BipolarQuant]).run(None, {"x": x})  # type: ignore[list-item]
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return runtime.InferenceSession(standard(model).SerializeToString(), options).run(None, {"x": x})


def evaluate(module: ModuleOp, x: Any) -> list[Any]:
    return list(Interpreter().run(module, {"x": x}).outputs.values())


def images(*shape: int, count: int = 4) -> Any:
    """Multiples of 1/8, ties of a quantiser among them."""
    return (RANDOM.integers(-24, 25, size=(count, *shape)) / 8).astype(np.float32)


def canonical(module: ModuleOp, x: Any) -> ModuleOp:
    """What `ternary-canonicalize` makes of the module, once it computes the same."""
    found = module.clone()
    TernaryCanonicalize().apply(make_context(), found)
    found.verify()
    for got, wanted in zip(evaluate(found, x), evaluate(module, x), strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype
    return found


def check(net: Net, x: Any, *outputs: str) -> ModuleOp:
    """The canonical form of the network, imported and compared with the reference."""
    model = net.model(*outputs)
    module = import_model(model)
    assert str(module) == str(import_model(model))
    for got, wanted in zip(evaluate(module, x), reference(model, x), strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_array_equal(got, wanted.astype(np.float32))
    return canonical(module, x)


def ops(module: ModuleOp, kind: type) -> list[Any]:
    (function,) = module.ops
    assert isinstance(function, func.FuncOp)
    return [op for op in function.body.block.ops if isinstance(op, kind)]


def failing(net: Net, *parts: str) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(net.model())
    text = f"{caught.value} {caught.value.hint}"
    assert all(part in text for part in parts), text


def ternary_weights(*shape: int) -> Any:
    return RANDOM.integers(-1, 2, size=shape)
