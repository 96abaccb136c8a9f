"""Layers of the random networks whose operators are integer, and those on images with their channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto as T
from onnx_testing import MICROSOFT
from random_operators import DOMAINS, LAST, OperatorNet


def _number(net: OperatorNet, *values: int) -> str:
    return net.const(net.rng.choice(values), np.int32)


ARITHMETIC: dict[str, Callable[[OperatorNet, str], str]] = {
    "Add": lambda net, x: net.op("Add", x, _number(net, -7, 3, 100)),
    "Sub": lambda net, x: net.op("Sub", _number(net, -1, 12), x),
    "Mul": lambda net, x: net.op("Mul", x, _number(net, -3, 2, 17)),
    "Div": lambda net, x: net.op("Div", x, _number(net, -3, 2, 7)),
    "Mod": lambda net, x: net.op("Mod", x, _number(net, -3, 2, 7), fmod=net.rng.randint(0, 1)),
    "Neg": lambda net, x: net.op("Neg", x),
    "Abs": lambda net, x: net.op("Abs", x),
    "square": lambda net, x: net.op("Mul", x, x),
    "Max": lambda net, x: net.op("Max", x, net.op("Neg", x)),
    "BitShift": lambda net, x: net.op(
        "Cast",
        net.op(
            "BitShift",
            net.op("Cast", x, to=T.UINT8),
            net.const(net.rng.randint(0, 7), np.uint8),
            direction=net.rng.choice(["LEFT", "RIGHT"]),
        ),
        to=T.INT32,
    ),
}


class IntegerLayers(OperatorNet):
    """Integer operators between a quantiser and a dequantiser."""

    def integer(self, value: str) -> str:
        rng, kind = self.rng, self.rng.choice([np.uint8, np.int8])
        s, z = self.const(self.power(-2, 1)), self.const(rng.randint(0, 5), kind)
        q = self.op("QuantizeLinear", value, s, z)
        choices = ["add", "mul", "concat", "leaky", "sigmoid"]
        if self.rank == 0:
            choices += ["matmul", "integers", "gemm"]
        if self.rank == 2:
            choices += ["conv", "convolved", "average", "global"]
        return getattr(self, f"integer_{rng.choice(choices)}")(q, s, z, kind)

    def arithmetic(self, value: str) -> str:
        """Some operators on int32, then the bits that a smaller type has."""
        x = self.op("Cast", value, to=T.INT32)
        for _ in range(self.rng.randint(1, 3)):
            name = self.rng.choice(list(ARITHMETIC))
            x = ARITHMETIC[name](self, x)
        low, high = (self.const(end, np.int32) for end in (-3000, 3000))
        x = self.op("Min", self.op("Max", x, low), high)
        if self.rng.random() < 0.6:
            x = self.op("Cast", x, to=self.rng.choice([T.INT8, T.UINT8]))
            if self.rng.random() < 0.5:
                x = self.op("Cast", self.op("MaxPool", x, kernel_shape=[1] * self.rank) if self.rank else x, to=T.INT32)
        return self.op("Cast", x, to=T.FLOAT)

    def result(self, kind: Any) -> tuple[str, str]:
        return self.const(self.power(0, 3)), self.const(self.rng.randint(0, 9), kind)

    def back(self, q: str, scale: str, zero: str) -> str:
        return self.op("DequantizeLinear", q, scale, zero)

    def _codes(self, *shape: int) -> str:
        return self.const(self.numbers.integers(-9, 10, shape), np.int8)

    def integer_matmul(self, q: str, s: str, z: str, kind: Any) -> str:
        outputs, end = self.rng.randint(1, 4), self.result(kind)
        weights, size, zero = self._codes(self.shape[0], outputs), self.const(0.25), self.const(1, np.int8)
        self.shape = [outputs]
        return self.back(self.op("QLinearMatMul", q, s, z, weights, size, zero, *end), *end)

    def integer_gemm(self, q: str, s: str, z: str, kind: Any) -> str:
        outputs, end = self.rng.randint(1, 4), self.result(kind)
        weights, size, zero = self._codes(self.shape[0], outputs), self.const(0.25), self.const(0, np.int8)
        bias = self.const(self.numbers.integers(-99, 100, outputs), np.int32)
        self.shape = [outputs]
        return self.back(self.op("QGemm", q, s, z, weights, size, zero, bias, *end, domain=MICROSOFT), *end)

    def integer_integers(self, q: str, s: str, z: str, kind: Any) -> str:
        outputs = self.rng.randint(1, 4)
        product = self.op("MatMulInteger", q, self._codes(self.shape[0], outputs), z, self.const(2, np.int8))
        self.shape = [outputs]
        return self.op("Mul", self.op("Cast", product, to=T.FLOAT), self.const(0.125))

    def integer_conv(self, q: str, s: str, z: str, kind: Any) -> str:
        outputs, end = self.rng.randint(1, 3), self.result(kind)
        weights, size, zero = self._codes(outputs, self.shape[0], 2, 2), self.const(0.25), self.const(0, np.int8)
        bias = self.const(self.numbers.integers(-99, 100, outputs), np.int32)
        self.shape = [outputs, self.shape[1] - 1, self.shape[2] - 1]
        return self.back(self.op("QLinearConv", q, s, z, weights, size, zero, *end, bias), *end)

    def integer_convolved(self, q: str, s: str, z: str, kind: Any) -> str:
        """ConvInteger, which is a Conv of the same numbers."""
        outputs = self.rng.randint(1, 3)
        codes = self.numbers.integers(-9, 10, (outputs, self.shape[0], 2, 2))
        self.shape = [outputs, self.shape[1] - 1, self.shape[2] - 1]

        def written() -> str:
            plain = self.op("Sub", self.op("Cast", q, to=T.FLOAT), self.op("Cast", z, to=T.FLOAT))
            return self.op("Cast", self.op("Conv", plain, self.const(codes)), to=T.INT32)

        product = self.custom("ConvInteger", q, self.const(codes, np.int8), z, written=written)
        return self.op("Mul", self.op("Cast", product, to=T.FLOAT), self.const(0.125))

    def _by_reals(
        self, op: str, q: str, s: str, z: str, kind: Any, real: Callable[[str], str], *between: str, **more: Any
    ) -> str:
        """An operator that is a dequantiser, a real function and a quantiser."""
        end = self.result(kind)

        def written() -> str:
            return self.op("QuantizeLinear", real(self.back(q, s, z)), *end)

        return self.back(self.custom(op, q, s, z, *between, *end, written=written, domain=MICROSOFT, **more), *end)

    def _by_its_kernel(self, op: str, q: str, s: str, z: str, kind: Any, *between: str, **more: Any) -> str:
        """An operator that onnxruntime computes exactly."""
        end = self.result(kind)
        return self.back(self.op(op, q, s, z, *between, *end, domain=MICROSOFT, **more), *end)

    def integer_add(self, q: str, s: str, z: str, kind: Any) -> str:
        other = self.const(self.numbers.integers(0, 99, self.shape[-1:]), kind)
        return self._by_its_kernel("QLinearAdd", q, s, z, kind, other, s, z)

    def integer_mul(self, q: str, s: str, z: str, kind: Any) -> str:
        other = self.const(self.numbers.integers(0, 9, self.shape[-1:]), kind)
        return self._by_its_kernel("QLinearMul", q, s, z, kind, other, s, z)

    def integer_leaky(self, q: str, s: str, z: str, kind: Any) -> str:
        return self._by_reals(
            "QLinearLeakyRelu", q, s, z, kind, lambda x: self.op("LeakyRelu", x, alpha=0.25), alpha=0.25
        )

    def integer_average(self, q: str, s: str, z: str, kind: Any) -> str:
        more = {"kernel_shape": [2, 2], "strides": [2, 1]}
        self.shape = [self.shape[0], self.shape[1] // 2, self.shape[2] - 1]
        return self._by_its_kernel("QLinearAveragePool", q, s, z, kind, **more)

    def integer_global(self, q: str, s: str, z: str, kind: Any) -> str:
        """Of four by four elements, so that the average is exact."""
        q = self.op(
            "Slice", q, self.const([0, 0], np.int64), self.const([4, 4], np.int64), self.const([2, 3], np.int64)
        )
        self.shape = [self.shape[0], 1, 1]
        return self._by_reals("QLinearGlobalAveragePool", q, s, z, kind, lambda x: self.op("GlobalAveragePool", x))

    def integer_concat(self, q: str, s: str, z: str, kind: Any) -> str:
        end, axis = self.result(kind), self.rng.randrange(len(self.shape))
        self.shape[axis] *= 2

        def written() -> str:
            parts = self.op("Concat", self.back(q, s, z), self.back(q, s, z), axis=axis + 1)
            return self.op("QuantizeLinear", parts, *end)

        y = self.custom("QLinearConcat", *end, q, s, z, q, s, z, written=written, domain=MICROSOFT, axis=axis + 1)
        return self.back(y, *end)

    def integer_sigmoid(self, q: str, s: str, z: str, kind: Any) -> str:
        end = self.const(1 / 64), self.const(1, kind)

        def written() -> str:
            real = self.op("Sigmoid", self.back(q, s, z))
            self.curves[real] = 1 / 64
            return self.op("QuantizeLinear", real, *end)

        y = self.custom("QLinearSigmoid", q, s, z, *end, written=written, domain=MICROSOFT)
        return self.back(y, *end)


class LastLayers(IntegerLayers):
    """Operators on images with their channels last, between two transpositions."""

    def _last(self, value: str, inner: Callable[[str], str]) -> str:
        return self.op("Transpose", inner(self.op("Transpose", value, perm=[0, 2, 3, 1])), perm=[0, 3, 1, 2])

    def channels_last(self, value: str) -> str:
        return self._last(
            value, getattr(self, self.rng.choice(["last_conv", "last_pool", "last_norm", "nhwc", "columns_of"]))
        )

    def _written_last(self, value: str, inner: Callable[[str], str]) -> Callable[[], str]:
        return lambda: self.op("Transpose", inner(self.op("Transpose", value, perm=[0, 3, 1, 2])), perm=[0, 2, 3, 1])

    def last_conv(self, value: str) -> str:
        outputs = self.rng.randint(1, 3)
        codes = self.numbers.integers(-1, 2, (outputs, self.shape[0], 2, 2))
        self.shape = [outputs, self.shape[1], self.shape[2]]
        more = {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1]}
        written = self._written_last(value, lambda x: self.op("Conv", x, self.const(codes), **more))
        return self.custom("Conv", value, self.const(codes.transpose(0, 2, 3, 1)), written=written, domain=LAST, **more)

    def _pooled(self, value: str, op: str, domain: str) -> str:
        more = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
        self.shape = [self.shape[0], self.shape[1] // 2, self.shape[2] // 2]
        written = self._written_last(value, lambda x: self.op("MaxPool", x, **more))
        return self.custom(op, value, written=written, domain=domain, **more)

    def last_pool(self, value: str) -> str:
        return self._pooled(value, "MaxPool", LAST)

    def nhwc(self, value: str) -> str:
        return self._pooled(value, "MaxPoolNHWC", self.rng.choice(DOMAINS))

    def last_norm(self, value: str) -> str:
        operands = [self.const(self.numbers.integers(-3, 4, self.shape[0]) / 2) for _ in range(3)]
        operands.append(self.const(4.0 ** self.numbers.integers(-1, 2, self.shape[0])))
        written = self._written_last(value, lambda x: self.op("BatchNormalization", x, *operands, epsilon=0.0))
        return self.custom("BatchNormalization", value, *operands, written=written, domain=LAST, epsilon=0.0)

    def columns_of(self, value: str) -> str:
        """Im2Col and a product, as FINN lowers a convolution."""
        channels, rows, columns = self.shape
        kernel, stride, outputs = [2, 2], [self.rng.randint(1, 2)] * 2, self.rng.randint(1, 3)
        count = channels * 4
        kernels = np.eye(count).reshape(count, 2, 2, channels).transpose(0, 3, 1, 2)
        written = self._written_last(
            value, lambda x: self.op("Conv", x, self.const(kernels), strides=stride, pads=[1, 0, 0, 1])
        )
        more = {"kernel_size": kernel, "stride": stride, "pad_amount": [1, 0, 0, 1], "dilations": [1, 1]}
        more["input_shape"] = f"(1,{rows},{columns},{channels})"
        y = self.custom("Im2Col", value, written=written, domain=self.rng.choice(DOMAINS), **more)
        self.shape = [outputs, *((size - 1) // stride[0] + 1 for size in (rows, columns))]
        return self.op("MatMul", y, self.const(self.numbers.integers(-1, 2, (count, outputs))))

    def quantised_pool(self, value: str) -> str:
        """QuantAvgPool2d of unsigned integers."""
        value, last = self.small(value, 4, signed=False), self.rng.random() < 0.5
        self.shape = [self.shape[0], self.shape[1] // 2, self.shape[2] // 2]

        def pooled(x: str) -> str:
            sums = self.op("Mul", self.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), self.const(4.0))
            return self.op("Floor", self.op("Div", sums, self.const(4.0)))

        more = {"kernel": 2, "stride": 2, "ibits": 4, "obits": 4, "signed": 0, "domain": self.rng.choice(DOMAINS)}

        def layer(x: str) -> str:
            written = self._written_last(x, pooled) if last else lambda: pooled(x)
            return self.custom("QuantAvgPool2d", x, written=written, data_layout="NHWC" if last else "NCHW", **more)

        return self._last(value, layer) if last else layer(value)
