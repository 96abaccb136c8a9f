"""The trained digits network: its numbers, their exact evaluation, and the two ONNX forms with their executors.

train_digits_mlp.py trains it. QONNX holds floats that the graph quantises, QDQ the integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unittest import mock

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.infer_shapes import InferShapes

NAME = "digits_mlp"

PIXEL_MAX = 16
IMAGE_SHAPE = (1, 8, 8)
PIXELS = 64
HIDDEN = (64, 64)
CLASSES = 10

BITS = 4
LEVELS = 2**BITS - 1
# A code for every grey but the brightest, 16, which is clipped to 15.
INPUT_SCALE = 1 / PIXEL_MAX
# Batch norm learns the range, so one power of two does for all layers, and dividing by it is exact.
ACTIVATION_SCALE = 1 / 4
QONNX_DOMAIN = "qonnx.custom_op.general"
QONNX_OPSETS = {"": 17, QONNX_DOMAIN: 2}
# The first opset with 4-bit types.
QDQ_OPSETS = {"": 21}
# onnx 1.23 would stamp 14, which onnxruntime 1.31 refuses.
IR_VERSION = 10
# Torch's default, as the float32 that the attribute of a node holds.
EPSILON = float(np.float32(1e-5))

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class Norm(NamedTuple):
    """A batch normalisation; the fields are the node's operands, in order."""

    weight: Floats
    bias: Floats
    running_mean: Floats
    running_var: Floats

    def __call__(self, value: Doubles) -> Doubles:
        weight, bias, mean, var = (field.astype(np.float64) for field in self)
        return (value - mean) / np.sqrt(var + EPSILON) * weight + bias


@dataclass(frozen=True)
class Layer:
    """A linear layer: raw weights (outputs x inputs), their scales (outputs x 1)."""

    weight: Floats
    scale: Floats
    bias: Floats | None
    norm: Norm | None

    @property
    def codes(self) -> npt.NDArray[np.int8]:
        """The ternary weights, by the same float32 steps as `Quant`."""
        return np.rint(np.clip(self.weight / self.scale, -1, 1)).astype(np.int8)

    @property
    def zeros(self) -> float:
        return float(np.mean(self.codes == 0))


def quantise(value: Doubles, scale: float) -> Doubles:
    """Round half to even, as ONNX does."""
    return np.rint(np.clip(value / scale, 0, LEVELS)) * scale


def exact_logits(layers: Sequence[Layer], image: Floats) -> Doubles:
    """The quantised network in float64."""
    value = quantise(image.reshape(len(image), -1).astype(np.float64), INPUT_SCALE)
    for layer in layers:
        value = value @ layer.codes.T.astype(np.float64) * layer.scale[:, 0].astype(np.float64)
        if layer.bias is not None:
            value = value + layer.bias
        if layer.norm is not None:
            value = quantise(np.maximum(layer.norm(value), 0), ACTIVATION_SCALE)
    return value


class Graph:
    """Collects the nodes and initialisers of a model from `image` to `logits`."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """An initialiser; constants of one name are shared."""
        self.initialisers[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def uint4_zero(self) -> str:
        name = "uint4_zero"
        self.initialisers[name] = helper.make_tensor(name, TensorProto.UINT4, [], [0])
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], f"{op}_{output}", **attributes))
        return output

    def norm(self, value: str, norm: Norm, index: int) -> str:
        fields = [self.constant(f"bn{index}.{name}", field) for name, field in norm._asdict().items()]
        value = self.node("BatchNormalization", [value, *fields], f"normalised{index}", epsilon=EPSILON)
        return self.node("Relu", [value], f"rectified{index}")

    def model(self, opsets: dict[str, int]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            NAME,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *IMAGE_SHAPE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
            list(self.initialisers.values()),
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name=NAME)


def flatten_by_shape(graph: Graph, value: str) -> str:
    """The chain that torch's exporter writes for `x.view(x.shape[0], -1)`."""
    shape = graph.node("Shape", [value], "shape")
    batch = graph.node("Gather", [shape, graph.constant("first", 0, np.int64)], "batch", axis=0)
    axes = graph.constant("axes", [0], np.int64)
    batch = graph.node("Unsqueeze", [batch, axes], "batch_as_list")
    rest = graph.constant("rest", [-1], np.int64)
    target = graph.node("Concat", [batch, rest], "target_shape", axis=0)
    return graph.node("Reshape", [value, target], "pixels")


def qonnx_quant(graph: Graph, value: str, scale: str, bits: int, output: str, *, weights: bool = False) -> str:
    """Ternary weights are signed narrow 2-bit, activations unsigned."""
    operands = [graph.constant("zero_point", 0), graph.constant(f"bits{bits}", bits)]
    return graph.node(
        "Quant",
        [value, scale, *operands],
        output,
        domain=QONNX_DOMAIN,
        narrow=int(weights),
        signed=int(weights),
        rounding_mode="ROUND",
    )


def qonnx_form(layers: Sequence[Layer]) -> onnx.ModelProto:
    """Raw float weights, which `Quant` clips and rounds, as brevitas writes it."""
    graph = Graph()
    scale = graph.constant("input_scale", INPUT_SCALE)
    value = qonnx_quant(graph, flatten_by_shape(graph, "image"), scale, BITS, "quantised0")
    for index, layer in enumerate(layers, 1):
        weight = graph.constant(f"fc{index}.weight", layer.weight)
        scale = graph.constant(f"fc{index}.scale", layer.scale)
        weight = qonnx_quant(graph, weight, scale, 2, f"ternary{index}", weights=True)
        if layer.bias is not None:
            bias = graph.constant(f"fc{index}.bias", layer.bias)
            value = graph.node("Gemm", [value, weight, bias], "logits", transB=1)
        else:
            weight = graph.node("Transpose", [weight], f"transposed{index}", perm=[1, 0])
            value = graph.node("MatMul", [value, weight], f"sum{index}")
        if layer.norm is not None:
            value = graph.norm(value, layer.norm, index)
            scale = graph.constant("activation_scale", ACTIVATION_SCALE)
            value = qonnx_quant(graph, value, scale, BITS, f"quantised{index}")
    return graph.model(QONNX_OPSETS)


def qdq(graph: Graph, value: str, scale: str, index: int) -> str:
    operands = [scale, graph.uint4_zero()]
    codes = graph.node("QuantizeLinear", [value, *operands], f"codes{index}")
    return graph.node("DequantizeLinear", [codes, *operands], f"quantised{index}")


def qdq_form(layers: Sequence[Layer]) -> onnx.ModelProto:
    """Ternary weights in int8, activations in uint4."""
    graph = Graph()
    pixels = graph.node("Flatten", ["image"], "pixels", axis=1)
    value = qdq(graph, pixels, graph.constant("input_scale", INPUT_SCALE), 0)
    for index, layer in enumerate(layers, 1):
        scale = layer.scale[:, 0]
        operands = [
            graph.constant(f"fc{index}.weight", layer.codes, np.int8),
            graph.constant(f"fc{index}.scale", scale),
            graph.constant(f"fc{index}.zero_point", np.zeros(scale.shape), np.int8),
        ]
        weight = graph.node("DequantizeLinear", operands, f"ternary{index}", axis=0)
        bias = [] if layer.bias is None else [graph.constant(f"fc{index}.bias", layer.bias)]
        output = "logits" if layer.norm is None else f"sum{index}"
        value = graph.node("Gemm", [value, weight, *bias], output, transB=1)
        if layer.norm is not None:
            value = graph.norm(value, layer.norm, index)
            value = qdq(graph, value, graph.constant("activation_scale", ACTIVATION_SCALE), index)
    model = graph.model(QDQ_OPSETS)
    onnx.checker.check_model(model, full_check=True)
    return model


def qonnx_logits(model: onnx.ModelProto, image: Floats) -> Floats:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    # The executor takes no dynamic dimension.
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = len(image)
    # It makes a model of every node, stamped with onnx's own version, too new for onnxruntime.
    with mock.patch.object(onnx, "IR_VERSION", IR_VERSION):
        # Shapes are inferred past the Reshape only once its target is a constant.
        wrapper = ModelWrapper(fixed).transform(InferShapes()).transform(FoldConstants())
        wrapper = wrapper.transform(InferShapes())
        return execute_onnx(wrapper, {"image": image})["logits"]


def qdq_logits(model: onnx.ModelProto, image: Floats) -> Floats:
    options = onnxruntime.SessionOptions()
    # By default it rewrites the products into inexact integer kernels.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": image})[0]
