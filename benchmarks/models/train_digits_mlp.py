"""Train the bundled network and write it, with reference results, into the package.

A ternary-weight multilayer perceptron for scikit-learn's 8x8 digits:

    image -> 4 bits -> [linear -> batch norm -> ReLU -> 4 bits] x 2 -> linear with bias -> logits

It is trained with straight-through estimators in plain torch, then written in the two forms in
which low-bit networks come in ONNX: QONNX (`Quant` nodes, floats inside) and QDQ
(`QuantizeLinear` and `DequantizeLinear`, integers inside). The test images go with them, and the
logits that qonnx's executor, onnxruntime and an evaluation in float64 compute for them.

    python benchmarks/models/train_digits_mlp.py [--out DIR] [--seed N]

Needs the extra `train`. The same seed gives the same bytes, on one machine and one set of versions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import torch
from digits_mlp_forms import (
    ACTIVATION_SCALE,
    CLASSES,
    HIDDEN,
    IMAGE_SHAPE,
    INPUT_SCALE,
    LEVELS,
    NAME,
    PIXEL_MAX,
    PIXELS,
    Doubles,
    Floats,
    Layer,
    Norm,
    exact_logits,
    qdq_form,
    qdq_logits,
    qonnx_form,
    qonnx_logits,
)
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

OUT = Path(__file__).resolve().parents[2] / "cam_compiler" / "bundled"
# Weights below this many times their channel's mean magnitude become zero. Li et al., "Ternary
# Weight Networks", take 0.7; 0.9 makes about half of them zero, and cross-validation within the
# training images (four folds, two seeds) could not tell the two apart: both 98%.
ZERO_BELOW = 0.9

SPLIT_SEED = 0
TEST_SHARE = 0.25
EPOCHS = 100
BATCH = 64
LEARNING_RATE = 5e-3


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
