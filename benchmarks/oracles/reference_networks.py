"""Networks of the literature as shapes, for models of machines that are validated without a network file."""

from __future__ import annotations

from runtime.rivals.dataflow import Node
from runtime.rivals.workload import Layer, Workload


def resnet18(side: int = 224, classes: int = 1000) -> Workload:
    """ResNet-18 on images of `side` pixels, with 2-bit weights and 4-bit activations."""
    size = side // 2
    layers = [Layer("conv1", 3 * 49, 64, size * size, 4, 2)]
    size, channels = size // 2, 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            shrinks = stage > 1 and block == 0
            size = size // 2 if shrinks else size
            name = f"layer{stage}.{block}"
            layers.append(Layer(f"{name}.conv1", channels * 9, width, size * size, 4, 2))
            layers.append(Layer(f"{name}.conv2", width * 9, width, size * size, 4, 2))
            if shrinks:
                layers.append(Layer(f"{name}.downsample", channels, width, size * size, 4, 2))
            channels = width
    layers.append(Layer("fc", 512, classes, 1, 4, 2))
    return Workload(f"ResNet-18 {side}x{side}", tuple(layers))


def vgg9() -> Workload:
    """VGG-9 of CIFAR-10 (64-64-P-128-128-P-256-256-P, 4096-512-512-10), with 2-bit weights and 4-bit activations."""
    layers: list[Layer] = []
    size, channels = 32, 3
    for width in (64, 128, 256):
        for _ in range(2):
            layers.append(Layer(f"conv{len(layers) + 1}", channels * 9, width, size * size, 4, 2))
            channels = width
        size //= 2
    for inputs, outputs in ((4096, 512), (512, 512), (512, 10)):
        layers.append(Layer(f"fc{outputs}", inputs, outputs, 1, 4, 2))
    return Workload("VGG-9", tuple(layers))


def resnet18_nodes(side: int = 256, classes: int = 1000) -> tuple[Node, ...]:
    """ResNet-18 with its pooling and residual sums, as rows of images flow through it."""
    layers = {layer.name: layer for layer in resnet18(side, classes).layers}
    size, nodes = side // 2, list[Node]()

    def add(name: str, channels: int, sources: tuple[int, ...], kernel: int = 1, stride: int = 1, pad: int = 0) -> int:
        nodes.append(Node(name, size, size, channels, sources, layers.get(name), kernel, stride, pad))
        return len(nodes) - 1

    add("conv1", 64, (), 7, 2, 3)
    size //= 2
    last, shortcut = add("maxpool", 64, (0,), 3, 2, 1), 0
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            stride = 2 if stage > 1 and block == 0 else 1
            size //= stride
            name, shortcut = f"layer{stage}.{block}", last
            first = add(f"{name}.conv1", width, (last,), 3, stride, 1)
            second = add(f"{name}.conv2", width, (first,), 3, 1, 1)
            if stride == 2:
                shortcut = add(f"{name}.downsample", width, (last,), 1, 2)
            last = add(f"{name}.add", width, (second, shortcut))
    height, size = size, 1
    add("fc", classes, (add("avgpool", 512, (last,), height),))
    return tuple(nodes)
