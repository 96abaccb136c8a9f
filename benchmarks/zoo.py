"""Write the benchmark networks: random ternary weights, calibrated batch norms and quantisers.

Costs depend on shapes, zero weights and value ranges, not on what a network has learnt, so the
benchmarks take networks of known shape with random weights. What makes their values behave as in
a trained network is calibrated on a few random images: batch norms hold the statistics that their
layer really has, and quantisers the scale that spreads their values over all levels.

    python benchmarks/zoo.py NAME [--form qdq|qonnx] [--zeros 0.8] [--seed 0] ... -o model.onnx

The same options give the same bytes, on one machine and one set of versions; calibrated numbers
are rounded to 12 bits, so others should mostly agree. Every layer draws its own random numbers, so
no option changes those of other layers, and the two forms hold the same numbers.

`Network` writes any such network, also from trained numbers: train_digits_cnn.py uses it.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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

INPUT_BITS = 8
# A rectified activation's mean plus this many standard deviations goes to the top level.
TOP_SIGMAS = 2.5
# Which of a rectified normal distribution is this many deviations of the normal one.
RECTIFIED_TOP = 1.86
# Batch norm's slopes have mean 1 and offsets mean 0, both with this deviation, ...
NORM_SPREAD = 0.2
# ... and this share of the slopes is negative, as in trained networks.
NEGATIVE_SLOPES = 0.1
CIFAR, IMAGENET = (3, 32, 10), (3, 224, 1000)

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


# Writing


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


# Random layers


@dataclass(frozen=True)
class Options:
    """`width` multiplies channel counts and `side` replaces the image's, to make small variants."""

    form: str = "qdq"
    zeros: float = 0.8
    activation_bits: int = 4
    first_last_bits: int = 2
    weight_scale: str = "channel"
    residual: str = "shared"
    input_range: str = "unit"
    seed: int = 0
    images: int | None = None
    width: float = 1.0
    side: int | None = None

    def random(self, name: str) -> np.random.Generator:
        """Of every name its own, so that no option moves another layer's numbers."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


def random_images(count: int, shape: tuple[int, int, int], generator: np.random.Generator) -> Floats:
    """Images (0 to 1) with large and small structure, each with its own brightness and contrast."""
    channels, rows, columns = shape
    total = np.zeros((count, *shape))
    for cells in (2, 4, 16):
        coarse = generator.normal(size=(count, channels, cells, cells))
        total += coarse[:, :, np.arange(rows) * cells // rows][..., np.arange(columns) * cells // columns]
    total += 0.5 * generator.normal(size=total.shape)
    contrast, brightness = generator.uniform([0.08, 0.35], [0.16, 0.65], (count, 2)).T[..., None, None, None]
    return np.clip(brightness + contrast * total, 0, 1).astype(np.float32)


def rounded(value: npt.ArrayLike) -> Floats:
    """To 12 bits, so that the last bits of a sum, which differ by machine, rarely show.

    Not to decimal digits: the sum of a residual block could then be a tie of the next quantiser but
    for the rounding of its scale to float32, where float32 and exact arithmetic disagree. With short
    binary scales such a tie is exact in both.
    """
    mantissa, exponent = np.frexp(np.asarray(value, np.float64))
    return np.ldexp(np.rint(mantissa * 2**12), exponent - 12).astype(np.float32)


def random_weights(shape: tuple[int, ...], bits: int, options: Options, generator: np.random.Generator) -> Weights:
    """Two bits: exactly the wanted share of zeros, signs at random; more bits: normal."""
    per_tensor = options.weight_scale == "tensor"
    fan_in = int(np.prod(shape[1:]))
    spread = generator.uniform(0.7, 1.4, () if per_tensor else shape[:1])
    if bits == 2:
        codes = generator.choice(np.array([-1, 1], np.int8), shape)
        codes.reshape(-1)[: round(options.zeros * codes.size)] = 0
        generator.shuffle(codes.reshape(-1))
        step = 1 / np.sqrt(max(1 - options.zeros, 1e-3) * fan_in)
    else:
        highest = 2 ** (bits - 1) - 1
        codes = np.rint(generator.normal(size=shape).clip(-4, 4) * highest / 4).astype(np.int8)
        step = 4 / highest / np.sqrt(fan_in)
    return Weights(codes, rounded(spread * step), bits)


class RandomNetwork(Network):
    """Layers whose numbers are drawn by the layer's name and calibrated on random images."""

    def __init__(self, options: Options, default: tuple[int, int, int], images: int) -> None:
        super().__init__(options.form)
        self.options = options
        channels, side, self.classes = default
        shape = (channels, options.side or side, options.side or side)
        data = random_images(options.images or images, shape, options.random("image"))
        unit = options.input_range == "unit"
        self.image = Value("image", data.astype(np.float64) if unit else (data.astype(np.float64) - 0.5) / 0.25)
        levels = Levels(INPUT_BITS, not unit)
        self.input = self.quantise(self.image, "image_quant", levels, 1 / 255 if unit else 1 / 63)

    def channels(self, count: int) -> int:
        return max(4, round(count * self.options.width))

    def bits(self, name: str) -> int:
        """Of a layer's weights; the first and the last layer may have more."""
        return self.options.first_last_bits if name in ("conv1", "fc") else 2

    def draw(self, name: str, *shape: int) -> Weights:
        return random_weights(shape, self.bits(name), self.options, self.options.random(name))

    def calibrate(self, value: Value, name: str, spread: float = 1.0) -> Value:
        """A batch norm that gives all channels a standard deviation of about `spread`."""
        generator = self.options.random(name)
        axes = (0, *range(2, value.data.ndim))
        count = value.data.shape[1]
        slope = generator.normal(1, NORM_SPREAD, count) * np.where(generator.random(count) < NEGATIVE_SLOPES, -1, 1)
        offset = generator.normal(0, NORM_SPREAD, count)
        statistics = value.data.mean(axes), value.data.var(axes)
        return self.norm(value, name, Norm(*(rounded(row) for row in (slope * spread, offset * spread, *statistics))))

    def activation(self, value: Value, name: str, signed: bool = False, scale: float | None = None) -> Value:
        """Quantise, by default with the scale that spreads the values over all levels."""
        levels = Levels(self.options.activation_bits, signed)
        if scale is None:
            top = TOP_SIGMAS * value.data.std() + (0 if signed else value.data.mean())
            scale = float(rounded(top / levels.highest))
        return self.quantise(value, name, levels, scale)

    def rectify(self, value: Value, name: str, scale: float | None = None) -> Value:
        return self.activation(self.relu(value, f"{name}_relu"), f"{name}_quant", scale=scale)

    def conv_norm(
        self, value: Value, name: str, outputs: int, kernel: int, stride: int = 1, spread: float = 1.0
    ) -> Value:
        weights = self.draw(name, outputs, value.data.shape[1], kernel, kernel)
        return self.calibrate(self.conv(value, name, weights, stride, kernel // 2), f"{name}_bn", spread)

    def conv_act(self, value: Value, name: str, outputs: int, kernel: int = 3, stride: int = 1) -> Value:
        return self.rectify(self.conv_norm(value, name, outputs, kernel, stride), name)

    def block(self, value: Value, name: str, outputs: int, stride: int) -> Value:
        """A basic block; by form of the addition (`--residual`):

        shared: as brevitas' networks for FINN, both sides are rectified and quantised, unsigned,
        with one scale, so the sum is one of integers. signed: the same, but the branch and a
        downsampled shortcut aren't rectified. free: the branch isn't quantised before the sum.
        """
        form, downsampled = self.options.residual, value.data.shape[1] != outputs or stride != 1
        close = self.rectify if form == "shared" else self._signed
        branch = self.conv_act(value, f"{name}.conv1", outputs, stride=stride)
        if downsampled:
            value = close(self.conv_norm(value, f"{name}.downsample", outputs, 1, stride), f"{name}.downsample")
        # As wide as the shortcut, or, signed, as wide as its scale has room for.
        levels = Levels(self.options.activation_bits, form == "signed" or (form == "free" and downsampled))
        spread = value.scale * levels.highest / (TOP_SIGMAS if levels.signed else RECTIFIED_TOP)
        branch = self.conv_norm(branch, f"{name}.conv2", outputs, 3, spread=spread)
        if form != "free":
            branch = close(branch, f"{name}.conv2", value.scale)
        return self.rectify(self.add(branch, value, f"{name}.add"), name)

    def _signed(self, value: Value, name: str, scale: float | None = None) -> Value:
        return self.activation(value, f"{name}_quant", True, scale)

    def hidden(self, value: Value, name: str, outputs: int) -> Value:
        """A linear layer with batch norm and activation."""
        sums = self.linear(value, name, self.draw(name, outputs, value.data.shape[1]))
        return self.rectify(self.calibrate(sums, f"{name}_bn"), name)

    def finish(self, value: Value) -> RandomNetwork:
        """The last layer, with bias."""
        bias = rounded(self.options.random("fc.bias").normal(0, NORM_SPREAD, self.classes))
        logits = self.linear(value, "fc", self.draw("fc", self.classes, value.data.shape[1]), bias)
        self.logits = logits
        return self


# The networks


def vgg(options: Options, plan: Sequence[int], hidden: Sequence[int]) -> RandomNetwork:
    """3x3 convolutions of so many channels, 0 for a pooling; then linear layers."""
    network = RandomNetwork(options, CIFAR, 32)
    value, convs, pools = network.input, 0, 0
    for channels in plan:
        if channels:
            convs += 1
            value = network.conv_act(value, f"conv{convs}", network.channels(channels))
        else:
            pools += 1
            value = network.max_pool(value, f"pool{pools}", 2, 2)
    value = network.flatten(value)
    for index, units in enumerate(hidden, 1):
        value = network.hidden(value, f"fc{index}", network.channels(units))
    return network.finish(value)


def resnet(network: RandomNetwork, value: Value, blocks: int, stages: Sequence[int]) -> RandomNetwork:
    """Stages of so many channels; all but the first halve the image."""
    for stage, channels in enumerate(stages, 1):
        for index in range(blocks):
            stride = 2 if stage > 1 and index == 0 else 1
            value = network.block(value, f"layer{stage}.{index}", network.channels(channels), stride)
    value = network.activation(network.average_pool(value, "avgpool"), "avgpool_quant")
    return network.finish(network.flatten(value))


def vgg9(options: Options) -> RandomNetwork:
    return vgg(options, (64, 64, 0, 128, 128, 0, 256, 256, 0), (512, 512))


def vgg11(options: Options) -> RandomNetwork:
    return vgg(options, (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0), ())


def resnet20(options: Options) -> RandomNetwork:
    """He et al.'s for CIFAR, with 1x1 convolutions as downsampling shortcuts (option B)."""
    network = RandomNetwork(options, CIFAR, 16)
    value = network.conv_act(network.input, "conv1", network.channels(16))
    return resnet(network, value, 3, (16, 32, 64))


def resnet18(options: Options) -> RandomNetwork:
    network = RandomNetwork(options, IMAGENET, 2)
    value = network.conv_act(network.input, "conv1", network.channels(64), 7, 2)
    return resnet(network, network.max_pool(value, "maxpool", 3, 2, 1), 2, (64, 128, 256, 512))


NETWORKS: dict[str, Callable[[Options], RandomNetwork]] = {
    builder.__name__: builder for builder in (vgg9, vgg11, resnet20, resnet18)
}


def generate(name: str, options: Options) -> tuple[onnx.ModelProto, RandomNetwork]:
    """The model, and what is known of it."""
    network = NETWORKS[name](options)
    return network.model(name, network.image, network.logits), network


def report(network: Network) -> None:
    """Print the layers' weights, then how the activations' codes are spread."""
    for name, weights in network.weights.items():
        shape = "x".join(map(str, weights.codes.shape))
        print(f"{name:24} {shape:>14}  {weights.bits} bits, {np.mean(weights.codes == 0):6.1%} zeros")
    for name, levels, zeros, saturated, used, mean in network.spreads:
        kind = f"{'' if levels.signed else 'u'}int{levels.bits}"
        counts = f"{used:3} codes used, mean {mean:6.2f}"
        print(f"{name:30} {kind:>5}: {zeros:6.1%} zeros, {saturated:5.1%} saturated, {counts}")


def parse() -> argparse.Namespace:
    default = Options()
    parser = argparse.ArgumentParser(description="Write a benchmark network with random ternary weights.")
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the model, .onnx")
    parser.add_argument("--form", choices=OPSETS, default=default.form)
    parser.add_argument("--zeros", type=float, default=default.zeros, help="share of zeros in ternary weights")
    parser.add_argument("--activation-bits", type=int, choices=range(2, 9), default=default.activation_bits)
    parser.add_argument("--first-last-bits", type=int, choices=(2, 8), default=default.first_last_bits)
    parser.add_argument("--weight-scale", choices=("channel", "tensor"), default=default.weight_scale)
    parser.add_argument("--residual", choices=("shared", "signed", "free"), default=default.residual)
    parser.add_argument("--input-range", choices=("unit", "normalised"), default=default.input_range)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--images", type=int, help="how many to calibrate on")
    parser.add_argument("--width", type=float, default=default.width, help="multiplies channel counts")
    parser.add_argument("--side", type=int, help="replaces the image's")
    parser.add_argument("--stats", action="store_true", help="print the spread of weights and activations")
    return parser.parse_args()


def main() -> None:
    arguments = vars(parse())
    name, output, stats = (arguments.pop(key) for key in ("name", "output", "stats"))
    model, network = generate(name, Options(**arguments))
    onnx.save(model, output)
    if stats:
        report(network)


if __name__ == "__main__":
    main()
