"""Layers of the random networks of all operators (random_operators.py): each takes and leaves real numbers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import MICROSOFT
from random_integer_layers import LastLayers
from random_operators import DOMAINS, Graph

from dialects.support.lattice import Lattice

Function = Callable[["LayerNet", str], str]
EXACT: dict[str, Function] = {
    "Abs": lambda net, x: net.op("Abs", x),
    "Neg": lambda net, x: net.op("Neg", x),
    "square": lambda net, x: net.op("Mul", x, x),
    "Pow": lambda net, x: net.op("Pow", x, net.number(1.0, 2.0)),
    "Max": lambda net, x: net.op("Max", x, net.op("Neg", x)),
    "Min": lambda net, x: net.op("Min", x, net.number(0.5, 3.0)),
    "LeakyRelu": lambda net, x: net.op("LeakyRelu", x, alpha=0.25),
    "PRelu": lambda net, x: net.op("PRelu", x, net.per_channel(net.numbers.choice([0.25, -0.5, 2.0], net.shape[0]))),
    "ThresholdedRelu": lambda net, x: net.op("ThresholdedRelu", x, alpha=0.5),
    "HardSigmoid": lambda net, x: net.op("HardSigmoid", x, alpha=0.25, beta=0.5),
    "Sub": lambda net, x: net.op("Sub", net.number(1.0, -2.5), x),
    "Div": lambda net, x: net.op("Div", x, net.number(2.0, -4.0)),
    "Dropout": lambda net, x: net.op("Dropout", x),
    "Cast": lambda net, x: net.op("Cast", net.op("Cast", net.op("Identity", x), to=T.DOUBLE), to=T.FLOAT),
    "truncation": lambda net, x: net.op("Cast", net.op("Cast", x, to=T.INT32), to=T.FLOAT),
    "Sum": lambda net, x: net.op("Sum", x, net.number(0.5, -1.0), x),
    "BatchNormalization": lambda net, x: net.normalised(x),
}
CURVES: dict[str, Function] = {
    **{
        op: lambda net, x, op=op: net.op(op, x)
        for op in ("Exp", "Tanh", "Sigmoid", "Softplus", "Softsign", "Erf", "Sin", "Cos", "HardSwish", "Mish", "Gelu")
    },
    **{op: lambda net, x, op=op: net.op(op, x) for op in ("Elu", "Selu", "Celu")},
    "Swish": lambda net, x: net.custom("Swish", x, written=lambda: net.op("Mul", x, net.op("Sigmoid", x))),
    "tanh Gelu": lambda net, x: net.op("Gelu", x, approximate="tanh"),
    "contrib Gelu": lambda net, x: net.op("Gelu", x, domain=MICROSOFT),
    "QuickGelu": lambda net, x: net.op("QuickGelu", x, domain=MICROSOFT),
    "Sqrt": lambda net, x: net.op("Sqrt", net.op("Relu", x)),
    "Log": lambda net, x: net.op("Log", net.op("Add", net.op("Abs", x), net.const(1.0))),
    "Reciprocal": lambda net, x: net.op("Reciprocal", net.op("Add", net.op("Abs", x), net.const(0.5))),
    "ratio": lambda net, x: net.op("Div", x, net.op("Add", net.op("Abs", x), net.const(1.0))),
    "gate": lambda net, x: net.op("Mul", x, net.op("Sigmoid", x)),
}


class LayerNet(LastLayers):
    """The network with its layers."""

    # ---- element by element

    def normalised(self, value: str) -> str:
        count, draw = self.shape[0], self.numbers
        slopes = 2.0 ** draw.integers(-2, 2, count) * draw.choice([1, -1], count)
        operands = [
            slopes,
            draw.integers(-8, 9, count) / 4,
            draw.integers(-8, 9, count) / 4,
            4.0 ** draw.integers(-1, 2, count),
        ]
        return self.op("BatchNormalization", value, *(self.const(item) for item in operands), epsilon=0.0)

    def exact(self, value: str) -> str:
        return EXACT[self.rng.choice(list(EXACT))](self, value)

    def curve(self, value: str) -> str:
        """A real function of few numbers, rounded at once."""
        value = self.small(value, self.rng.randint(2, 5), scale=0.25)
        name = CURVES[self.rng.choice(list(CURVES))](self, value)
        scale = self.power(-4, -2)
        self.curves[name] = scale
        return self.small(name, 5, scale=scale)

    # ---- products

    def product(self, value: str) -> str:
        """Over the last dimension, in any form; or over the features of a sample."""
        rng, inputs, outputs = self.rng, self.shape[-1], self.rng.randint(1, 4)
        weights = self.numbers.integers(-2, 3, (inputs, outputs)) * 0.5
        if self.rank == 1 and rng.random() < 0.4:
            left = self.numbers.integers(-2, 3, (outputs, self.shape[0]))
            self.shape = [outputs, self.shape[1]]
            return self.op("MatMul", self.const(left), value)
        form = rng.choice(["MatMul", "Einsum"] + ["Gemm", "MatMulNBits"] * (self.rank == 0))
        self.shape = [*self.shape[:-1], outputs]
        if form == "MatMul":
            return self.op("MatMul", value, self.const(weights))
        if form == "Gemm":
            bias = self.const(self.numbers.integers(-8, 9, outputs) / 4)
            return self.op("Gemm", value, self.const(weights.T), bias, transB=1, alpha=0.5, beta=2.0)
        if form == "MatMulNBits":
            return self.nbits(value, inputs, outputs)
        labels = "nabc"[: self.rank + 2]
        return self.op("Einsum", value, self.const(weights), equation=f"{labels},{labels[-1]}z->{labels[:-1]}z")

    def nbits(self, value: str, inputs: int, outputs: int) -> str:
        bits, size = self.rng.choice([2, 4, 8]), 16
        blocks = -(-inputs // size)
        codes = self.numbers.integers(0, 256, (outputs, blocks, size * bits // 8))
        scales = np.repeat(2.0 ** self.numbers.integers(-3, 1, (outputs, 1)), blocks, axis=1)
        more = {"K": inputs, "N": outputs, "bits": bits, "block_size": size, "domain": MICROSOFT}
        return self.op("MatMulNBits", value, self.const(codes, np.uint8), self.const(scales), **more)

    def bits(self, value: str) -> str:
        """XnorPopcountMatMul of rows of bits."""
        features, outputs = int(np.prod(self.shape)), self.rng.randint(1, 4)
        value = self.op("Flatten", self.small(value, 1, signed=False))
        weights = self.numbers.integers(0, 2, (features, outputs))
        self.rank, self.shape = 0, [outputs]

        def written() -> str:
            signs = self.op("Sub", self.op("Mul", value, self.const(2.0)), self.const(1.0))
            total = self.op("MatMul", signs, self.const(weights * 2 - 1))
            return self.op("Add", self.op("Mul", total, self.const(0.5)), self.const(features / 2))

        domain = self.rng.choice(DOMAINS)
        return self.custom("XnorPopcountMatMul", value, self.const(weights), written=written, domain=domain)

    def gated(self, value: str) -> str:
        """The product, or the greater or lesser, of a tensor and one made of it, as in squeeze and excitation."""
        rng, value = self.rng, self.small(value, self.rng.randint(2, 5), signed=self.rng.random() < 0.5)
        gate = self.op("GlobalMaxPool", value) if rng.random() < 0.5 else value
        channels = self.shape[0]
        weights = self.const(self.numbers.integers(-1, 2, (rng.choice([1, channels]), channels, *[1] * self.rank)))
        gate = self.small(self.op("Conv", gate, weights), rng.randint(1, 4), signed=rng.random() < 0.5, scale=0.25)
        operands = [value, gate] if rng.random() < 0.5 else [gate, value]
        return self.op(rng.choice(["Mul", "Mul", "Max", "Min"]), *operands)

    # ---- images and shapes

    def transposed_conv(self, value: str) -> str:
        outputs, stride = self.rng.randint(1, 3), [self.rng.randint(1, 2) for _ in range(self.rank)]
        weights = self.const(self.numbers.integers(-1, 2, (self.shape[0], outputs, *[2] * self.rank)))
        self.shape = [outputs, *((size - 1) * s + 2 for size, s in zip(self.shape[1:], stride, strict=True))]
        return self.op("ConvTranspose", value, weights, strides=stride)

    def resized(self, value: str) -> str:
        scales = [self.rng.randint(1, 2) for _ in range(self.rank)]
        self.shape = [self.shape[0], *(size * scale for size, scale in zip(self.shape[1:], scales, strict=True))]
        more = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.op("Resize", value, "", self.const([1, 1, *scales]), **more)

    def blocks(self, value: str) -> str:
        """Channels to space, or space to channels."""
        channels, rows, columns = self.shape
        if self.rng.random() < 0.5:
            weights = self.const(self.numbers.integers(-1, 2, (4, channels, 1, 1)))
            self.shape = [1, rows * 2, columns * 2]
            mode = self.rng.choice(["DCR", "CRD"])
            return self.op("DepthToSpace", self.op("Conv", value, weights), blocksize=2, mode=mode)
        ends = self.const([rows // 2 * 2, columns // 2 * 2], np.int64)
        value = self.op("Slice", value, self.const([0, 0], np.int64), ends, self.const([2, 3], np.int64))
        self.shape = [channels * 4, rows // 2, columns // 2]
        return self.op("SpaceToDepth", value, blocksize=2)

    def moved(self, value: str) -> str:
        return getattr(self, self.rng.choice(["tiled", "expanded", "gathered", "parted", "squeezed", "swapped"]))(value)

    def tiled(self, value: str) -> str:
        axis, repeats = self.rng.randrange(len(self.shape)), [1] * (len(self.shape) + 1)
        repeats[axis + 1], self.shape[axis] = 2, self.shape[axis] * 2
        return self.op("Tile", value, self.const(repeats, np.int64))

    def expanded(self, value: str) -> str:
        axis = self.rng.randrange(len(self.shape))
        one = self.op("ReduceMax", value, self.const([axis + 1], np.int64))
        return self.op("Expand", one, self.const([1, *self.shape], np.int64))

    def gathered(self, value: str) -> str:
        axis, count = self.rng.randrange(len(self.shape)), self.rng.randint(1, 5)
        indices = self.numbers.integers(-self.shape[axis], self.shape[axis], count)
        self.shape[axis] = count
        return self.op("Gather", value, self.const(indices, np.int64), axis=axis + 1)

    def parted(self, value: str) -> str:
        axis, size = next(((a, n) for a, n in enumerate(self.shape) if n > 1), (0, 1))
        if size == 1:
            return value
        sizes = self.const([1, size - 1], np.int64)
        self.op("Split", value, sizes, axis=axis + 1, outputs=2)
        first, second = self.nodes[-1].output
        return self.op("Concat", second, first, axis=axis + 1)

    def squeezed(self, value: str) -> str:
        axes = self.const([self.rng.randint(1, len(self.shape) + 1)], np.int64)
        return self.op("Squeeze", self.op("Unsqueeze", value, axes), axes)

    def swapped(self, value: str) -> str:
        if self.rank < 1:
            return value
        self.shape = self.shape[::-1]
        return self.op("Transpose", value, perm=[0, *range(len(self.shape), 0, -1)])

    def summed(self, value: str) -> str:
        """A sum, maximum or average over dimensions of a sample."""
        axis = self.rng.randrange(len(self.shape))
        op = self.rng.choice(["ReduceSum", "ReduceMax", *(["ReduceMean"] if self.shape[axis] in (1, 2, 4) else [])])
        self.shape[axis] = 1
        return self.op(op, value, self.const([axis + 1], np.int64))

    def whole(self, value: str) -> str:
        """A global pool; averages are of four or sixteen elements."""
        if self.rng.random() < 0.5:
            ends = [self.const([item] * self.rank, np.int64) for item in (0, 4)]
            value = self.op("Slice", value, *ends, self.const(range(2, self.rank + 2), np.int64))
            fits = all(size >= 4 for size in self.shape[1:])
        else:
            fits = False
        self.shape = [self.shape[0], *[1] * self.rank]
        return self.op("GlobalAveragePool" if fits else "GlobalMaxPool", value)

    def flat(self, value: str) -> str:
        """All features in a row, by Flatten or by the shape arithmetic of exporters."""
        features, rank = int(np.prod(self.shape)), self.rank
        self.rank, self.shape = 0, [features]
        if not rank or self.rng.random() < 0.5:
            return self.op("Flatten", value)
        batch = self.op("Gather", self.op("Shape", value), self.const(0, np.int64), axis=0)
        first = self.op("Unsqueeze", batch, self.const([0], np.int64))
        return self.op("Reshape", value, self.op("Concat", first, self.const([-1], np.int64), axis=0))

    # ---- the network

    def kinds(self) -> list[str]:
        any_rank = [
            "exact",
            "exact",
            "curve",
            "curve",
            "product",
            "product",
            "integer",
            "arithmetic",
            "moved",
            "summed",
            "flat",
            "bits",
        ]
        images = [
            "conv",
            "conv",
            "transposed_conv",
            "resized",
            "whole",
            "pool",
            "residual",
            "join",
            "turned",
            "bordered",
            "cut",
            "reduced",
            "gated",
        ]
        if not self.rank:
            return any_rank
        roomy = all(size >= 4 for size in self.shape[1:])
        square = ["channels_last", "channels_last", "blocks", "quantised_pool"] if self.rank == 2 and roomy else []
        return any_rank + images + square

    def grow(self, layers: int) -> None:
        y = self.last
        for _ in range(layers):
            kind = self.rng.choice(self.kinds())
            if kind == "integer" and self.rank and not all(size >= 4 for size in self.shape[1:]):
                kind = "flat"
            y = getattr(self, kind)(y)
            if self.rng.random() < 0.3:
                y = self.norm(y)
            if self.rng.random() < 0.4:
                y = self.clamp(y)
            if np.prod(self.shape) > 300 and self.rank:
                y = self.op("MaxPool", y, kernel_shape=[2] * self.rank, strides=[2] * self.rank)
                self.shape = [self.shape[0], *(size // 2 for size in self.shape[1:])]
            y = self.quantised(y)
        self.last = y

    def samples(self) -> Any:
        sample = [item.dim_value for item in self.inputs[0].type.tensor_type.shape.dim][1:]
        if self.kind in ("declared", "annotated"):
            text = next(iter(self.declared.values()), None) or self.note
            lattice = Lattice.parse(text, "float32")
            return lattice.numbers(self.numbers.integers(lattice.span.lo, lattice.span.hi + 1, (3, *sample)), "float32")
        if self.kind == "integer":
            kind = helper.tensor_dtype_to_np_dtype(self.inputs[0].type.tensor_type.elem_type)
            limits = np.iinfo(kind)
            return self.numbers.integers(limits.min, limits.max + 1, (3, *sample)).astype(kind)
        return (self.numbers.integers(-64, 65, (3, *sample)) / 32).astype(np.float32)


def upsampled(net: LayerNet) -> Graph:
    """A network of opset 9, the last that has Upsample."""
    y, channels = net.last, net.shape[0]
    y = net._quant(
        net.op("Conv", y, net.const(net.numbers.integers(-1, 2, (2, channels, *[1] * net.rank)))), 1.0, 4, True
    )
    scales = net.const([1, 1, *[2] * net.rank])
    more = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    y = net.custom("Upsample", y, scales, written=lambda: net.op("Resize", y, "", scales, **more), mode="nearest")
    graph = net.graph([net.op("Relu", y)], T.FLOAT)
    next(entry for entry in graph.model.opset_import if not entry.domain).version = 9
    return graph


def random_graph(seed: int) -> Graph:
    """The graph of a seed."""
    rng = random.Random(seed)
    net = LayerNet(rng)
    if net.rank and net.kind == "declared" and rng.random() < 0.2:
        return upsampled(net)
    net.grow(rng.randint(1, 5))
    return net.graph(*net.finish())
