"""Writes quantised networks as ONNX, in QDQ or QONNX form, and evaluates them in float64 on sample images as it goes.

Both forms hold the same numbers. zoo.py writes random networks with it, train_digits_cnn.py a trained one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper

QONNX_DOMAIN = "qonnx.custom_op.general"
# 21 is the first opset with 4-bit types.
OPSETS = {"qdq": {"": 21}, "qonnx": {"": 17, QONNX_DOMAIN: 2}}
# onnx 1.23 would stamp 14, which onnxruntime 1.31 refuses.
IR_VERSION = 10
# Torch's default, as the float32 that the attribute of a node holds.
EPSILON = float(np.float32(1e-5))

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]


class Levels(NamedTuple):
    """The codes of a uniform quantiser."""

    bits: int
    signed: bool = False

    @property
    def lowest(self) -> int:
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        return 2 ** (self.bits - self.signed) - 1


class Norm(NamedTuple):
    """A batch normalisation; the fields are the node's operands, in order."""

    weight: Floats
    bias: Floats
    running_mean: Floats
    running_var: Floats

    def __call__(self, data: Doubles) -> Doubles:
        shape = (-1, *[1] * (data.ndim - 2))
        weight, bias, mean, var = (operand.astype(np.float64).reshape(shape) for operand in self)
        return (data - mean) / np.sqrt(var + EPSILON) * weight + bias


@dataclass(frozen=True)
class Weights:
    """Integer weights (outputs x ...) of so many bits, narrow, times a positive scale.

    The scale has a number per output, or is 0-dimensional. QONNX holds floats that the quantiser
    rounds to these codes: `raw` if given, else the products of codes and scale.
    """

    codes: Codes
    scale: Floats
    bits: int = 2
    raw: Floats | None = None

    @property
    def column(self) -> Floats:
        """The scale, shaped to be multiplied with the codes."""
        return self.scale.reshape(-1, *[1] * (self.codes.ndim - 1)) if self.scale.ndim else self.scale

    @property
    def values(self) -> Floats:
        return self.codes * self.column


class Value(NamedTuple):
    """A tensor of the graph, what it holds for the sample images, and its scale if quantised."""

    name: str
    data: Doubles
    scale: float = 0.0


class Spread(NamedTuple):
    """How a quantiser's codes are distributed over the sample images."""

    name: str
    levels: Levels
    zeros: float
    saturated: float
    used: int
    mean: float


def windows(data: Doubles, kernel: int, stride: int, pad: int, fill: float) -> Doubles:
    """All windows of an image: N x C x rows x columns x kernel x kernel."""
    margin = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    padded = np.pad(data, margin, constant_values=fill)
    return sliding_window_view(padded, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def convolve(data: Doubles, weight: Doubles, stride: int, pad: int) -> Doubles:
    views = windows(data, weight.shape[2], stride, pad, 0.0)
    images, _, rows, columns, *_ = views.shape
    patches = views.transpose(0, 2, 3, 1, 4, 5).reshape(images * rows * columns, -1)
    sums = patches @ weight.reshape(len(weight), -1).T
    return sums.reshape(images, rows, columns, -1).transpose(0, 3, 1, 2)


@dataclass
class Network:
    """Writes a graph in one form, and evaluates it in float64 on sample images as it goes."""

    form: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initialisers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    spreads: list[Spread] = field(default_factory=list)
    weights: dict[str, Weights] = field(default_factory=dict)

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """An initialiser; constants of one name are shared."""
        self.initialisers[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        """A node named after its only output."""
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def quantise(self, value: Value, name: str, levels: Levels, scale: float) -> Value:
        """Divide by a float32 scale, clamp, round half to even."""
        scale = float(np.float32(scale))
        write = self._qdq if self.form == "qdq" else self._quant
        write(value.name, name, levels, scale)
        codes = np.rint(np.clip(value.data / scale, levels.lowest, levels.highest))
        ends = (codes == levels.highest) | (levels.signed & (codes == levels.lowest))
        shares = float(np.mean(codes == 0)), float(np.mean(ends))
        self.spreads.append(Spread(name, levels, *shares, len(np.unique(codes)), float(codes.mean())))
        return Value(name, codes * scale, scale)

    def _qdq(self, value: str, name: str, levels: Levels, scale: float) -> None:
        """Other widths than 4 and 8 are clipped 8-bit codes."""
        stored = levels.bits if levels.bits in (4, 8) else 8
        kind = f"{'INT' if levels.signed else 'UINT'}{stored}"
        zero = f"{kind.lower()}_zero"
        self.initialisers[zero] = helper.make_tensor(zero, getattr(TensorProto, kind), [], [0])
        operands = [self.constant(f"{name}_scale", scale), zero]
        codes = self.node("QuantizeLinear", [value, *operands], f"{name}_codes")
        if stored != levels.bits:
            dtype = np.int8 if levels.signed else np.uint8
            ends = [self.constant(f"{kind.lower()}_{end}", end, dtype) for end in (levels.lowest, levels.highest)]
            codes = self.node("Clip", [codes, *ends], f"{name}_clipped")
        self.node("DequantizeLinear", [codes, *operands], name)

    def _quant(self, value: str, name: str, levels: Levels, scale: npt.ArrayLike, narrow: bool = False) -> None:
        operands = [self.constant(f"{name}_scale", scale)]
        operands += [self.constant("zero_point", 0), self.constant(f"bits{levels.bits}", levels.bits)]
        attributes = {"signed": int(levels.signed), "narrow": int(narrow), "rounding_mode": "ROUND"}
        self.node("Quant", [value, *operands], name, domain=QONNX_DOMAIN, **attributes)

    def weight(self, name: str, weights: Weights) -> str:
        self.weights[name] = weights
        stored, output = f"{name}.weight", f"{name}.weight_quant"
        if self.form == "qonnx":
            raw = weights.values if weights.raw is None else weights.raw
            self._quant(self.constant(stored, raw), output, Levels(weights.bits, True), weights.column, True)
            return output
        operands = [
            self.constant(stored, weights.codes, np.int8),
            self.constant(f"{output}_scale", weights.scale),
            self.constant(f"{output}_zero", np.zeros(weights.scale.shape), np.int8),
        ]
        return self.node("DequantizeLinear", operands, output, **({"axis": 0} if weights.scale.ndim else {}))

    def conv(self, value: Value, name: str, weights: Weights, stride: int, pad: int) -> Value:
        operands = [value.name, self.weight(name, weights)]
        shape = {"kernel_shape": weights.codes.shape[2:], "strides": [stride] * 2, "pads": [pad] * 4}
        self.node("Conv", operands, name, **shape)
        return Value(name, convolve(value.data, weights.values.astype(np.float64), stride, pad))

    def linear(self, value: Value, name: str, weights: Weights, bias: Floats | None = None) -> Value:
        operands = [value.name, self.weight(name, weights)]
        data = value.data @ weights.values.astype(np.float64).T
        if bias is not None:
            operands.append(self.constant(f"{name}.bias", bias))
            data = data + bias
        return Value(self.node("Gemm", operands, name, transB=1), data)

    def norm(self, value: Value, name: str, norm: Norm) -> Value:
        fields = [self.constant(f"{name}.{key}", operand) for key, operand in norm._asdict().items()]
        self.node("BatchNormalization", [value.name, *fields], name, epsilon=EPSILON)
        return Value(name, norm(value.data))

    def relu(self, value: Value, name: str) -> Value:
        return Value(self.node("Relu", [value.name], name), np.maximum(value.data, 0))

    def add(self, left: Value, right: Value, name: str) -> Value:
        return Value(self.node("Add", [left.name, right.name], name), left.data + right.data)

    def max_pool(self, value: Value, name: str, kernel: int, stride: int, pad: int = 0) -> Value:
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        self.node("MaxPool", [value.name], name, **shape)
        return Value(name, windows(value.data, kernel, stride, pad, -np.inf).max((4, 5)), value.scale)

    def average_pool(self, value: Value, name: str) -> Value:
        self.node("GlobalAveragePool", [value.name], name)
        return Value(name, value.data.mean((2, 3), keepdims=True))

    def flatten(self, value: Value) -> Value:
        self.node("Flatten", [value.name], "flatten", axis=1)
        return Value("flatten", value.data.reshape(len(value.data), -1), value.scale)

    def model(self, name: str, image: Value, logits: Value) -> onnx.ModelProto:
        """Checked; the batch is dynamic. The last node writes `logits`."""
        self.nodes[-1].output[0] = "logits"
        shape, classes = ["N", *image.data.shape[1:]], logits.data.shape[1]
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(image.name, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
            list(self.initialisers.values()),
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in OPSETS[self.form].items()]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="camc-zoo")
        # It knows nothing of QONNX's operators, so it can't check shapes behind them.
        onnx.checker.check_model(model, full_check=self.form == "qdq")
        return model


def report(network: Network) -> None:
    """Print the layers' weights, then how the activations' codes are spread."""
    for name, weights in network.weights.items():
        shape = "x".join(map(str, weights.codes.shape))
        print(f"{name:24} {shape:>14}  {weights.bits} bits, {np.mean(weights.codes == 0):6.1%} zeros")
    for name, levels, zeros, saturated, used, mean in network.spreads:
        kind = f"{'' if levels.signed else 'u'}int{levels.bits}"
        counts = f"{used:3} codes used, mean {mean:6.2f}"
        print(f"{name:30} {kind:>5}: {zeros:6.1%} zeros, {saturated:5.1%} saturated, {counts}")
