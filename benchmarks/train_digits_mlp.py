"""Train the bundled network and write it, with reference results, into the package.

A ternary-weight multilayer perceptron for scikit-learn's 8x8 digits:

    image -> 4 bits -> [linear -> batch norm -> ReLU -> 4 bits] x 2 -> linear with bias -> logits

It is trained with straight-through estimators in plain torch, then written in the two forms in
which low-bit networks come in ONNX: QONNX (`Quant` nodes, floats inside) and QDQ
(`QuantizeLinear` and `DequantizeLinear`, integers inside). The test images go with them, and the
logits that qonnx's executor, onnxruntime and an evaluation in float64 compute for them.

    python benchmarks/train_digits_mlp.py [--out DIR] [--seed N]

Needs the extra `train`. The same seed gives the same bytes, on one machine and one set of versions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.infer_shapes import InferShapes
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

OUT = Path(__file__).resolve().parents[1] / "cam_compiler" / "bundled"
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
# Weights below this many times their channel's mean magnitude become zero. Li et al., "Ternary
# Weight Networks", take 0.7; 0.9 makes about half of them zero, and cross-validation within the
# training images (four folds, two seeds) could not tell the two apart: both 98%.
ZERO_BELOW = 0.9

SPLIT_SEED = 0
TEST_SHARE = 0.25
EPOCHS = 100
BATCH = 64
LEARNING_RATE = 5e-3

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


class Samples(NamedTuple):
    image: Floats
    label: npt.NDArray[np.uint8]


def digits() -> tuple[Samples, Samples]:
    """The training and the test images."""
    pixels, label = load_digits(return_X_y=True)
    image = (pixels / PIXEL_MAX).astype(np.float32).reshape(-1, *IMAGE_SHAPE)
    train_image, test_image, train_label, test_label = train_test_split(
        image, label.astype(np.uint8), test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=label
    )
    return Samples(train_image, train_label), Samples(test_image, test_label)


# Training


def straight_through(value: Tensor, quantised: Tensor) -> Tensor:
    """`quantised` on the way forward, the identity of `value` on the way back."""
    return value + (quantised - value).detach()


class Quantiser(nn.Module):
    """Unsigned quantiser; outside its range the gradient is zero."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, value: Tensor) -> Tensor:
        clipped = value.clamp(0, LEVELS * self.scale)
        return straight_through(clipped, torch.round(clipped / self.scale) * self.scale)


class TernaryLinear(nn.Linear):
    """Linear layer whose weights are {-1, 0, 1} times a scale per output channel."""

    def scale(self) -> Tensor:
        # Rounding to nearest turns zero below half the scale.
        return 2 * ZERO_BELOW * self.weight.detach().abs().mean(dim=1, keepdim=True)

    def forward(self, input: Tensor) -> Tensor:
        scale = self.scale()
        ternary = torch.round((self.weight / scale).clamp(-1, 1)) * scale
        return nn.functional.linear(input, straight_through(self.weight, ternary), self.bias)


def network() -> nn.Sequential:
    modules: list[nn.Module] = [nn.Flatten(), Quantiser(INPUT_SCALE)]
    inputs = PIXELS
    for outputs in HIDDEN:
        # Batch norm brings its own bias.
        modules += [TernaryLinear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs)]
        modules += [nn.ReLU(), Quantiser(ACTIVATION_SCALE)]
        inputs = outputs
    return nn.Sequential(*modules, TernaryLinear(inputs, CLASSES))


def train(samples: Samples, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    # Sums in several threads have no fixed order.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    image, label = torch.from_numpy(samples.image), torch.from_numpy(samples.label).long()
    model = network().train()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(image)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(image[batch]), label[batch]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


# The trained network, free of torch


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


def to_numpy(tensor: Tensor) -> Floats:
    return tensor.detach().numpy().copy()


def layers_of(model: nn.Sequential) -> list[Layer]:
    modules = list(model)
    layers: list[Layer] = []
    for module, after in zip(modules, [*modules[1:], None], strict=True):
        if not isinstance(module, TernaryLinear):
            continue
        norm = None
        if isinstance(after, nn.BatchNorm1d):
            tensors = (after.weight, after.bias, after.running_mean, after.running_var)
            norm = Norm(*(to_numpy(tensor) for tensor in tensors))
        bias = None if module.bias is None else to_numpy(module.bias)
        layers.append(Layer(to_numpy(module.weight), to_numpy(module.scale()), bias, norm))
    return layers


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


# ONNX


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


# All of it


def check_agreement(logits: dict[str, Floats | Doubles]) -> None:
    """The forms must give the same class for every image."""
    exact = logits["logits_exact"]
    for name, values in logits.items():
        images = np.flatnonzero(values.argmax(1) != exact.argmax(1))
        if images.size:
            raise SystemExit(f"{name} gives other classes for the test images {images.tolist()}")


def report(
    layers: Sequence[Layer],
    label: npt.NDArray[np.uint8],
    logits: dict[str, Floats | Doubles],
) -> None:
    for index, layer in enumerate(layers, 1):
        outputs, inputs = layer.weight.shape
        print(f"fc{index}: {inputs} -> {outputs}, {layer.zeros:.1%} zeros")
    exact = logits["logits_exact"]
    right = int(np.sum(exact.argmax(1) == label))
    print(f"test accuracy: {right} of {len(label)}, {right / len(label):.2%}")
    for name, values in logits.items():
        print(f"{name}: at most {np.abs(values - exact).max():.1e} from exact")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and write the bundled network.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the files")
    parser.add_argument("--seed", type=int, default=0, help="seed of the training")
    arguments = parser.parse_args()

    train_samples, test = digits()
    layers = layers_of(train(train_samples, arguments.seed))
    qonnx_model, qdq_model = qonnx_form(layers), qdq_form(layers)
    logits = {
        "logits_qdq": qdq_logits(qdq_model, test.image),
        "logits_qonnx": qonnx_logits(qonnx_model, test.image),
        "logits_exact": exact_logits(layers, test.image),
    }
    check_agreement(logits)
    report(layers, test.label, logits)

    arguments.out.mkdir(parents=True, exist_ok=True)
    onnx.save(qonnx_model, arguments.out / f"{NAME}_qonnx.onnx")
    onnx.save(qdq_model, arguments.out / f"{NAME}_qdq.onnx")
    np.savez_compressed(arguments.out / f"{NAME}_test.npz", **test._asdict(), **logits)


if __name__ == "__main__":
    main()
