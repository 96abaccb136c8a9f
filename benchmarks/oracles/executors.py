"""What float executors compute at every quantiser of a network: onnxruntime, and qonnx's executor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cam_compiler.evaluation.reference import in_qonnx_domain

Array = NDArray[Any]
IR_VERSION = 10
"""Of models that onnxruntime takes."""
QUANTISERS = ("QuantizeLinear", "Quant", "IntQuant", "BipolarQuant")


@dataclass(frozen=True)
class Graph:
    """A model's nodes by what they produce, its constants, and the quantisers of tensors that depend on its input."""

    model: ModelProto
    producers: dict[str, NodeProto]
    constants: dict[str, Array]
    quantisers: list[NodeProto]

    @staticmethod
    def of(model: ModelProto) -> Graph:
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        dynamic = {port.name for port in model.graph.input if port.name not in constants}
        quantisers: list[NodeProto] = []
        for node in model.graph.node:
            if node.op_type == "Constant":
                constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            if dynamic & set(node.input):
                dynamic |= set(node.output)
                if node.op_type in QUANTISERS:
                    quantisers.append(node)
        producers = {name: node for node in model.graph.node for name in node.output}
        return Graph(model, producers, constants, quantisers)

    @property
    def opset(self) -> int:
        return next(entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx"))

    @property
    def inputs(self) -> list[str]:
        return [port.name for port in self.model.graph.input if port.name not in self.constants]

    def zero(self, quantiser: NodeProto) -> Array:
        """The zero point in the shape that the scale has."""
        given = len(quantiser.input) > 2 and quantiser.input[2] and quantiser.op_type != "BipolarQuant"
        return self.constants[quantiser.input[2]].astype(np.float64) if given else np.zeros(())

    def spread(self, quantiser: NodeProto, values: Array, rank: int) -> Array:
        """A scale or zero point of a QuantizeLinear in a shape that broadcasts to its tensor."""
        if values.ndim != 1 or values.size == 1 or quantiser.op_type != "QuantizeLinear":
            return values.reshape(()) if values.size == 1 else values
        axis = next((item.i for item in quantiser.attribute if item.name == "axis"), 1)
        return values.reshape([-1 if index == axis % rank else 1 for index in range(rank)])

    def before(self, name: str, known: set[str]) -> tuple[list[NodeProto], list[str]]:
        """The nodes between the `known` tensors and one, in order, and which of the known ones they read."""
        found: list[NodeProto] = []
        read: list[str] = []

        def visit(tensor: str) -> None:
            if tensor in known:
                if tensor not in read:
                    read.append(tensor)
            elif tensor in self.producers and self.producers[tensor] not in found:
                for source in filter(None, self.producers[tensor].input):
                    visit(source)
                found.append(self.producers[tensor])

        visit(name)
        return found, read


# ---- the reference


def reference(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The integers of all quantisers and the outputs, by the executor of the model's form."""
    qonnx = any(node.op_type in QUANTISERS[1:] for node in graph.model.graph.node)
    values = _by_qonnx(graph, feeds) if qonnx else _by_onnxruntime(graph, feeds)
    for node in graph.quantisers:
        if node.op_type != "QuantizeLinear":
            name = node.output[0]
            values[name] = integers(graph, node, values[name])
    return values


def integers(graph: Graph, node: NodeProto, reals: Array) -> Array:
    """The integers of a Quant from the real numbers that it gives."""
    scale = graph.constants[node.input[1]].astype(np.float64)
    return np.rint(reals / scale + graph.zero(node)).astype(np.int64)


def _parts(graph: Graph, feeds: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """All samples at once, or, for a model of a fixed batch of one, one by one."""
    fixed = any(
        port.type.tensor_type.shape.dim[0].dim_value == 1 for port in graph.model.graph.input if port.name in feeds
    )
    samples = len(next(iter(feeds.values())))
    for begin in range(samples) if fixed else [0]:
        part = slice(begin, begin + 1) if fixed else slice(None)
        yield {name: value[part] for name, value in feeds.items()}


def _by_onnxruntime(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    import onnxruntime

    model = ModelProto()
    model.CopyFrom(graph.model)
    one = numpy_helper.from_array(np.array(1, dtype=np.float32), "ties/one")
    model.graph.initializer.append(one)
    outputs = [port.name for port in model.graph.output]
    exposed: dict[str, str] = {}
    for node in graph.quantisers:
        # Integers of four bits can't be outputs; as real numbers they can.
        codes = node.output[0]
        exposed[codes] = f"ties/{codes}"
        kind = kind_of(graph, node)
        zero = helper.make_tensor(f"ties/zero/{codes}", kind, (), [0])
        model.graph.initializer.append(zero)
        inputs = [codes, one.name, zero.name]
        model.graph.node.append(helper.make_node("DequantizeLinear", inputs, [exposed[codes]]))
        model.graph.output.append(helper.make_tensor_value_info(exposed[codes], TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    parts = [session.run([*outputs, *exposed.values()], part) for part in _parts(graph, feeds)]
    found = [np.concatenate(results) for results in zip(*parts, strict=True)]
    values = dict(zip([*outputs, *exposed], found, strict=True))
    return values | {name: np.rint(values[name]).astype(np.int64) for name in exposed}


def kind_of(graph: Graph, node: NodeProto) -> int:
    """The integer type of a QuantizeLinear's result."""
    if len(node.input) > 2:
        tensors = [*graph.model.graph.initializer]
        tensors += [item.attribute[0].t for item in graph.model.graph.node if item.output[0] == node.input[2]]
        return next(t.data_type for t in tensors if t.name == node.input[2] or t is tensors[-1])
    return next((item.i for item in node.attribute if item.name == "output_dtype"), TensorProto.UINT8)


def _by_qonnx(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    wanted = [*(node.output[0] for node in graph.quantisers), *(port.name for port in graph.model.graph.output)]
    model = ModelProto()
    model.CopyFrom(graph.model)
    for port in [*model.graph.input, *model.graph.output]:
        if port.name not in graph.constants and port.type.tensor_type.shape.dim:
            port.type.tensor_type.shape.dim[0].dim_value = 1
    wrapper = ModelWrapper(in_qonnx_domain(model)).transform(InferShapes())
    parts: list[dict[str, Array]] = []
    # The executor stamps the version of the installed onnx on the models that it hands to onnxruntime.
    with mock.patch.object(onnx, "IR_VERSION", IR_VERSION):
        for index in range(len(next(iter(feeds.values())))):
            one = {name: value[index : index + 1] for name, value in feeds.items()}
            context = execute_onnx(wrapper, one, return_full_exec_context=True)
            parts.append({name: context[name] for name in wanted})
    return {name: np.concatenate([part[name] for part in parts]) for name in wanted}
