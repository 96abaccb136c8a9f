"""Random networks of all operators that the importer takes, with scales such that float executors are exact.

All scales are powers of two, averages are over two or four elements, and sums stay below 2^24: the reference's float32
arithmetic rounds nothing but at the quantisers, so that its integers must be ours, ties included.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import QUANT, Net

TYPES = {
    (2, False): T.UINT2,
    (2, True): T.INT2,
    (4, False): T.UINT4,
    (4, True): T.INT4,
    (8, False): T.UINT8,
    (8, True): T.INT8,
}
OPSETS = {T.UINT4: 21, T.INT4: 21, T.UINT2: 25, T.INT2: 25}


class RandomNet(Net):
    """A network that grows by random layers; `shape` is that of a sample at its end, `step` its scale there."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.numbers = np.random.default_rng(rng.randrange(1 << 30))
        self.rank = rng.choice([1, 2, 2])
        channels = rng.choice([1, 2, 3, 4])
        super().__init__(channels, *(rng.randint(4, 7) for _ in range(self.rank)), opset=19)
        self.shape = [item.dim_value for item in self.inputs[0].type.tensor_type.shape.dim][1:]
        self.qonnx = rng.random() < 0.35
        self.quantised(self.last, first=True)

    # ---- quantisers

    def power(self, low: int, high: int) -> float:
        return 2.0 ** self.rng.randint(low, high)

    def quantised(self, value: str, first: bool = False) -> str:
        """A quantiser of one to eight bits, for all channels or each with its own scale and zero point."""
        bits, signed = self.rng.randint(3 if first else 1, 8), self.rng.random() < 0.5
        scale = self.power(-4, -1) if first else self.power(-2, 3) * 2.0 ** max(0, 4 - bits)
        if self.qonnx:
            return self._quant(value, scale, bits, signed)
        own = self.rng.random() < 0.3
        count = (self.shape[0],) if own else ()
        scales = scale * 2.0 ** self.numbers.integers(0, 2 if own else 1, count)
        stored = min(size for size in ((2, 4, 8) if self.rng.random() < 0.5 else (8,)) if size >= bits)
        kind = TYPES[stored, signed]
        self.opset = max(self.opset, OPSETS.get(kind, 19))
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        zeros = self.numbers.integers(low, high + 1, count) if self.rng.random() < 0.4 else np.zeros(count, dtype=int)
        s, z = self.const(scales), self._typed(kind, zeros)
        q = self.op("QuantizeLinear", value, s, z, axis=1)
        if stored != bits:
            if stored != 8:
                return self.op("DequantizeLinear", q, s, z, axis=1)
            q = self.op("Clip", q, *(self._typed(kind, np.array(end)) for end in (low, high)))
        return self.op("DequantizeLinear", q, s, z, axis=1)

    def _typed(self, kind: int, values: Any) -> str:
        name = f"c{len(self.initialisers)}"
        self.initialisers.append(helper.make_tensor(name, kind, np.shape(values), np.ravel(values).tolist()))
        return name

    def _quant(self, value: str, scale: float, bits: int, signed: bool) -> str:
        if bits == 1 and signed:
            return self.op("BipolarQuant", value, self.const(scale), domain=QUANT)
        zero = self.rng.choice([0.0, 0.0, 1.0])
        return self.quant(value, scale, zero, bits, int(signed), int(self.rng.random() < 0.3 and bits > 2))

    def weighted(self, *shape: int) -> str:
        """Weights of one to eight bits, with a scale for all or one per output."""
        bits = self.rng.choice([1, 2, 2, 2, 3, 4, 8])
        codes = self.numbers.integers(-(1 << (bits - 1)) + 1, 1 << (bits - 1), shape)
        if bits == 1:
            codes = self.numbers.choice([-1, 1], shape)
        scale = 2.0 ** self.numbers.integers(-3, 1, shape[0] if self.rng.random() < 0.5 else ())
        column = scale.reshape(-1, *[1] * (len(shape) - 1)) if scale.ndim else scale
        form = self.rng.randrange(3)
        if form == 0 and bits <= 2:
            return self.const(codes * column)
        if form == 1 and self.qonnx:
            return self.quant(self.const(codes * column), column, 0.0, max(bits, 2), 1, 1)
        return self.weights(codes, scale)

    # ---- layers; each takes and leaves real numbers

    def window(self, kernel: list[int]) -> dict[str, Any]:
        """Strides, dilations and pads that fit."""
        rng, options = self.rng, {}
        dilations = [rng.choice([1, 1, 2]) for _ in kernel]
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        options["strides"] = [rng.choice([1, 1, 2, 3]) for _ in kernel]
        mode = rng.choice(["none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"])
        if mode == "pads":
            options["pads"] = [rng.randint(0, min(2, span - 1)) for span in (*spans, *spans)]
        elif mode != "none":
            options["auto_pad"] = mode
        if not mode.startswith("SAME"):
            options["dilations"] = dilations
        pads = options.get("pads", [0] * 2 * len(kernel))
        room = [size + a + b for size, a, b in zip(self.shape[1:], pads, pads[len(kernel) :], strict=False)]
        if not mode.startswith("SAME") and any(n < span for n, span in zip(room, spans, strict=True)):
            return {"auto_pad": "SAME_UPPER", "strides": options["strides"]}
        return options

    def placed(self, options: dict[str, Any], kernel: list[int], channels: int) -> None:
        """Takes note of the shape after a window."""
        rank = len(kernel)
        strides, dilations = options.get("strides", [1] * rank), options.get("dilations", [1] * rank)
        pads = options.get("pads", [0] * 2 * rank)
        sizes: list[int] = []
        for axis, size in enumerate(self.shape[1:]):
            if str(options.get("auto_pad", "")).startswith("SAME"):
                sizes.append(-(-size // strides[axis]))
            else:
                room = size + pads[axis] + pads[axis + rank] - (kernel[axis] - 1) * dilations[axis] - 1
                sizes.append(room // strides[axis] + 1)
        self.shape = [channels, *sizes]

    def conv(self, value: str) -> str:
        rng, channels = self.rng, self.shape[0]
        groups = rng.choice([count for count in (1, 1, 2, 3, 4) if channels % count == 0])
        outputs = groups * rng.randint(1, 3)
        kernel = [rng.randint(1, min(3, size)) for size in self.shape[1:]]
        options = self.window(kernel)
        bias = [self.const(self.numbers.integers(-8, 9, outputs) / 8)] if rng.random() < 0.4 else []
        y = self.op("Conv", value, self.weighted(outputs, channels // groups, *kernel), *bias, group=groups, **options)
        self.placed(options, kernel, outputs)
        return y

    def norm(self, value: str) -> str:
        """A slope and an offset per channel, some of them falling."""
        shape = (self.shape[0], *[1] * (len(self.shape) - 1))
        slopes = 2.0 ** self.numbers.integers(-2, 2, shape) * self.numbers.choice([1, 1, -1], shape)
        y = self.op("Mul", value, self.const(slopes))
        return self.op("Add", y, self.const(self.numbers.integers(-8, 9, shape) / 4))

    def clamp(self, value: str) -> str:
        low = self.rng.choice([-1.0, 0.0])
        bounds = self.const(low), self.const(low + self.rng.choice([1.5, 4.0]))
        return self.op("Relu", value) if self.rng.random() < 0.6 else self.op("Clip", value, *bounds)

    def pool(self, value: str) -> str:
        rng, greatest = self.rng, self.rng.random() < 0.5
        kernel = [rng.choice([1, 2, 3] if greatest else [1, 2]) for _ in self.shape[1:]]
        kernel = [min(k, size) for k, size in zip(kernel, self.shape[1:], strict=True)]
        kernel = kernel if greatest else [1 if k == 3 else k for k in kernel]
        options = self.window(kernel)
        options["strides"] = [min(pair) for pair in zip(options["strides"], kernel, strict=True)]
        if "pads" in options:
            options["pads"] = [min(pad, k - 1) for pad, k in zip(options["pads"], [*kernel, *kernel], strict=True)]
        if not greatest:
            options.pop("dilations", None)
            if "auto_pad" in options:
                options = {"strides": options["strides"]}
            options["count_include_pad"] = 1
        y = self.op("MaxPool" if greatest else "AveragePool", value, kernel_shape=kernel, **options)
        self.placed(options, kernel, self.shape[0])
        return y

    def residual(self, value: str) -> str:
        """The sum, or difference, of two branches with quantisers of their own."""
        before = list(self.shape)
        left = self.quantised(self.same(value, before))
        self.shape = before
        right = value if self.rng.random() < 0.5 else self.quantised(self.same(value, before))
        self.shape = before
        return self.op(self.rng.choice(["Add", "Add", "Sub"]), left, right)

    def same(self, value: str, shape: list[int]) -> str:
        """A convolution that keeps the shape."""
        kernel = [self.rng.choice([1, 3]) for _ in shape[1:]]
        pads = [k // 2 for k in kernel] * 2
        return self.op("Conv", value, self.weighted(shape[0], shape[0], *kernel), pads=pads)

    def join(self, value: str) -> str:
        axis = self.rng.randrange(len(self.shape))
        before = list(self.shape)
        parts = [value, self.quantised(self.same(value, before))]
        self.rng.shuffle(parts)
        self.shape = before
        self.shape[axis] *= 2
        return self.op("Concat", *parts, axis=axis + 1)

    def turned(self, value: str) -> str:
        """Channels last and back, with something elementwise between; or for good where that is square."""
        rank = len(self.shape)
        y = self.op("Transpose", value, perm=[0, *range(2, rank + 1), 1])
        y = self.op("Add", y, self.const(self.numbers.integers(-4, 5, self.shape[0]) / 4))
        self.shape = [*self.shape[1:], self.shape[0]]
        y = self.quantised(y) if self.rng.random() < 0.5 else self.clamp(y)
        self.shape = [self.shape[-1], *self.shape[:-1]]
        return self.op("Transpose", y, perm=[0, rank, *range(1, rank)])

    def bordered(self, value: str) -> str:
        mode = self.rng.choice(["reflect", "edge", "constant"])
        sides = [[self.rng.randint(0, min(2, size - 1)) for size in self.shape[1:]] for _ in range(2)]
        pads = [0, 0, *sides[0], 0, 0, *sides[1]]
        self.shape = [self.shape[0], *(n + a + b for n, a, b in zip(self.shape[1:], *sides, strict=True))]
        return self.op("Pad", value, self.const(pads, np.int64), mode=mode)

    def cut(self, value: str) -> str:
        axis = self.rng.randrange(len(self.shape))
        if self.shape[axis] < 2:
            return value
        start, step = self.rng.randint(0, 1), self.rng.choice([1, 1, 2])
        self.shape[axis] = len(range(self.shape[axis])[start::step])
        bounds = ([start], [2**31 - 1], [axis + 1], [step])
        return self.op("Slice", value, *(self.const(item, np.int64) for item in bounds))

    def reduced(self, value: str) -> str:
        axis = self.rng.randrange(1, len(self.shape))
        op = "ReduceMax" if self.shape[axis] not in (1, 2, 4) else self.rng.choice(["ReduceMax", "ReduceMean"])
        self.shape[axis] = 1
        return self.op(op, value, self.const([axis + 1], np.int64), keepdims=1)

    def grow(self, layers: int) -> None:
        """Layers, each between two quantisers, then a product over all features."""
        y = self.last
        for _ in range(layers):
            kinds = ["conv", "conv", "conv", "pool", "residual", "join", "turned", "bordered", "cut", "reduced"]
            kind = self.rng.choice(kinds)
            y = getattr(self, kind)(y)
            if kind in ("conv", "residual") and self.rng.random() < 0.6:
                y = self.norm(y)
            if self.rng.random() < 0.5:
                y = self.clamp(y)
            if np.prod(self.shape) > 400:
                y = self.op("MaxPool", y, kernel_shape=[2] * self.rank, strides=[2] * self.rank)
                self.shape = [self.shape[0], *(size // 2 for size in self.shape[1:])]
            y = self.quantised(y)
        features = int(np.prod(self.shape))
        if self.rng.random() < 0.8:
            y = self.op("MatMul", self.op("Flatten", y), self.columns(features))
            if self.rng.random() < 0.3:
                y = self.op("ArgMax", y, axis=1, keepdims=self.rng.randint(0, 1))
        self.last = y

    def columns(self, features: int) -> str:
        return self.const(self.numbers.integers(-1, 2, (features, self.rng.randint(1, 4))) * 0.5)


def random_network(rng: random.Random) -> tuple[Any, Any]:
    """A model and inputs for it, with ties of its first quantiser among them."""
    net = RandomNet(rng)
    net.grow(rng.randint(1, 5))
    classes = net.nodes[-1].op_type == "ArgMax"
    sample = [item.dim_value for item in net.inputs[0].type.tensor_type.shape.dim][1:]
    x = net.numbers.integers(-64, 65, (3, *sample)) / 32
    return net.model(elem_type=T.INT64 if classes else T.FLOAT), x.astype(np.float32)
