"""Train the bundled residual network and write it, with reference results, into the package.

A ternary-weight convolutional network for scikit-learn's 8x8 digits, with two residual blocks:

    image -> 4 bits -> conv 16 -> block 16 -> max pool -> block 32, stride 2 -> average pool -> 4 bits -> linear

Every convolution is followed by batch norm and a 4-bit quantiser, unsigned behind a ReLU. What a
block adds, the end of its branch and a downsampled shortcut, is quantised without ReLU, signed, and
with the scale of the other side, so that the addition is one of integers.

Training, split, forms and files are those of train_digits_mlp.py; onnx_writer.py writes the graphs.

    python benchmarks/models/train_digits_cnn.py [--out DIR] [--seed N] [--validate]

Needs the extra `train`. The same seed gives the same bytes, on one machine and one set of versions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from digits_mlp_forms import BITS, CLASSES, INPUT_SCALE, Doubles, Floats, qdq_logits, qonnx_logits
from onnx_writer import Levels, Network, Norm, Value, Weights, report
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn
from train_digits_mlp import (
    LEARNING_RATE,
    OUT,
    Quantiser,
    Samples,
    TernaryLinear,
    check_agreement,
    digits,
    straight_through,
    to_numpy,
)

NAME = "digits_cnn"

CHANNELS = (16, 32)
UNSIGNED, SIGNED = Levels(BITS), Levels(BITS, signed=True)
# Batch norm learns the range. Powers of two make ties in sums and averages, as real networks have.
SCALE = 1 / 4
BLOCK_SCALE = 1 / 2
POOL_SCALE = 1 / 4
# Weights below this many times their channel's mean magnitude become zero.
ZERO_BELOW = 0.9
EPOCHS = 40
BATCH = 32
# A slope and its channel's weights can both change sign: starting with every fourth slope at -1
# costs nothing, and gives the negative slopes that other networks have.
NEGATIVE_EVERY = 4
FOLDS = 4


# Training


class SignedQuantiser(Quantiser):
    """From -8 to 7 times the scale; outside the gradient is zero."""

    def forward(self, value: Tensor) -> Tensor:
        clipped = value.clamp(SIGNED.lowest * self.scale, SIGNED.highest * self.scale)
        return straight_through(clipped, torch.round(clipped / self.scale) * self.scale)


class TernaryConv(nn.Conv2d):
    """Convolution whose weights are {-1, 0, 1} times a scale per output channel."""

    def scale(self) -> Tensor:
        # Rounding to nearest turns zero below half the scale.
        return 2 * ZERO_BELOW * self.weight.detach().abs().mean(dim=(1, 2, 3), keepdim=True)

    def forward(self, input: Tensor) -> Tensor:
        scale = self.scale()
        ternary = torch.round((self.weight / scale).clamp(-1, 1)) * scale
        return self._conv_forward(input, straight_through(self.weight, ternary), None)


class ConvNorm(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = TernaryConv(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        with torch.no_grad():
            self.norm.weight[::NEGATIVE_EVERY] = -1

    def forward(self, value: Tensor) -> Tensor:
        return self.norm(self.conv(value))


class Block(nn.Module):
    """A basic block; its input has the scale `scale`, its output BLOCK_SCALE."""

    def __init__(self, inputs: int, outputs: int, stride: int, scale: float) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, stride=stride)
        self.conv2 = ConvNorm(outputs, outputs)
        self.downsample = ConvNorm(inputs, outputs, 1, stride) if stride > 1 else None
        self.inner = Quantiser(SCALE)
        self.shared = SignedQuantiser(SCALE if self.downsample else scale)
        self.outer = Quantiser(BLOCK_SCALE)

    def forward(self, value: Tensor) -> Tensor:
        branch = self.shared(self.conv2(self.inner(self.conv1(value).relu())))
        shortcut = value if self.downsample is None else self.shared(self.downsample(value))
        return self.outer((branch + shortcut).relu())


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        narrow, wide = CHANNELS
        self.conv1 = ConvNorm(1, narrow)
        self.layer1 = Block(narrow, narrow, 1, SCALE)
        self.layer2 = Block(narrow, wide, 2, BLOCK_SCALE)
        self.fc = TernaryLinear(wide, CLASSES)
        self.input, self.first, self.pooled = Quantiser(INPUT_SCALE), Quantiser(SCALE), Quantiser(POOL_SCALE)

    def forward(self, image: Tensor) -> Tensor:
        value = self.first(self.conv1(self.input(image)).relu())
        value = nn.functional.max_pool2d(self.layer1(value), 2)
        return self.fc(self.pooled(self.layer2(value).mean((2, 3))))


def train(samples: Samples, seed: int) -> Cnn:
    torch.manual_seed(seed)
    # Sums in several threads have no fixed order.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    image, label = torch.from_numpy(samples.image), torch.from_numpy(samples.label).long()
    model = Cnn().train()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(image)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(image[batch]), label[batch]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def validate(samples: Samples, seed: int) -> list[float]:
    """Accuracies in cross-validation within the training images, a number a fold."""
    accuracies: list[float] = []
    for kept, held in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(samples.image, samples.label):
        model = train(Samples(samples.image[kept], samples.label[kept]), seed)
        with torch.no_grad():
            classes = model(torch.from_numpy(samples.image[held])).argmax(1).numpy()
        accuracies.append(float(np.mean(classes == samples.label[held])))
    return accuracies


# ONNX


def weights_of(module: TernaryConv | TernaryLinear) -> Weights:
    """By the same float32 steps as `Quant`, which gets the raw floats, as brevitas writes it."""
    raw, scale = to_numpy(module.weight), to_numpy(module.scale())
    codes = np.rint(np.clip(raw / scale, -1, 1)).astype(np.int8)
    return Weights(codes, scale.reshape(-1), raw=raw)


def write_conv_norm(network: Network, value: Value, name: str, module: ConvNorm) -> Value:
    conv, norm = module.conv, module.norm
    value = network.conv(value, name, weights_of(conv), conv.stride[0], int(conv.padding[0]))
    operands = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return network.norm(value, f"{name}_bn", Norm(*(to_numpy(operand) for operand in operands)))


def rectify(network: Network, value: Value, name: str, scale: float) -> Value:
    return network.quantise(network.relu(value, f"{name}_relu"), f"{name}_quant", UNSIGNED, scale)


def write_block(network: Network, value: Value, name: str, block: Block) -> Value:
    def addend(value: Value, part: str, module: ConvNorm) -> Value:
        value = write_conv_norm(network, value, f"{name}.{part}", module)
        return network.quantise(value, f"{name}.{part}_quant", SIGNED, block.shared.scale)

    branch = write_conv_norm(network, value, f"{name}.conv1", block.conv1)
    branch = rectify(network, branch, f"{name}.conv1", block.inner.scale)
    branch = addend(branch, "conv2", block.conv2)
    shortcut = value if block.downsample is None else addend(value, "downsample", block.downsample)
    return rectify(network, network.add(branch, shortcut, f"{name}.add"), name, block.outer.scale)


def write(model: Cnn, form: str, image: Floats) -> tuple[onnx.ModelProto, Network, Doubles]:
    """The model in a form, what is known of it, and its logits in float64."""
    network = Network(form)
    pixels = Value("image", image.astype(np.float64))
    value = network.quantise(pixels, "image_quant", UNSIGNED, model.input.scale)
    value = rectify(network, write_conv_norm(network, value, "conv1", model.conv1), "conv1", model.first.scale)
    value = network.max_pool(write_block(network, value, "layer1", model.layer1), "maxpool", 2, 2)
    value = network.average_pool(write_block(network, value, "layer2", model.layer2), "avgpool")
    value = network.flatten(network.quantise(value, "avgpool_quant", UNSIGNED, model.pooled.scale))
    logits = network.linear(value, "fc", weights_of(model.fc), to_numpy(model.fc.bias))
    return network.model(NAME, pixels, logits), network, logits.data


# All of it


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and write the bundled residual network.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the files")
    parser.add_argument("--seed", type=int, default=0, help="seed of the training")
    parser.add_argument("--validate", action="store_true", help="cross-validate on the training images, write nothing")
    arguments = parser.parse_args()

    samples, test = digits()
    if arguments.validate:
        accuracies = validate(samples, arguments.seed)
        print(f"validation accuracy: {np.mean(accuracies):.2%}, folds {', '.join(f'{a:.2%}' for a in accuracies)}")
        return
    model = train(samples, arguments.seed)
    qonnx_model, *_ = write(model, "qonnx", test.image)
    qdq_model, network, exact = write(model, "qdq", test.image)
    logits = {
        "logits_qdq": qdq_logits(qdq_model, test.image),
        "logits_qonnx": qonnx_logits(qonnx_model, test.image),
        "logits_exact": exact,
    }
    check_agreement(logits)
    report(network)
    right = int(np.sum(exact.argmax(1) == test.label))
    print(f"test accuracy: {right} of {len(test.label)}, {right / len(test.label):.2%}")
    for name, values in logits.items():
        print(f"{name}: at most {np.abs(values - exact).max():.1e} from exact")

    arguments.out.mkdir(parents=True, exist_ok=True)
    onnx.save(qonnx_model, arguments.out / f"{NAME}_qonnx.onnx")
    onnx.save(qdq_model, arguments.out / f"{NAME}_qdq.onnx")
    np.savez_compressed(arguments.out / f"{NAME}_test.npz", **test._asdict(), **logits)


if __name__ == "__main__":
    main()
