"""Write the benchmark networks: random ternary weights, calibrated batch norms and quantisers.

Costs depend on shapes, zero weights and value ranges, not on what a network has learnt, so the
benchmarks take networks of known shape with random weights. What makes their values behave as in
a trained network is calibrated on a few random images: batch norms hold the statistics that their
layer really has, and quantisers the scale that spreads their values over all levels.

    python benchmarks/models/zoo.py NAME [--form qdq|qonnx] [--zeros 0.8] [--seed 0] ... -o model.onnx

The same options give the same bytes, on one machine and one set of versions; calibrated numbers
are rounded to 12 bits, so others should mostly agree. Every layer draws its own random numbers, so
no option changes those of other layers, and the two forms hold the same numbers.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent))

from onnx_writer import OPSETS, Floats, Levels, Network, Norm, Value, Weights, report

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
