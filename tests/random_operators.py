"""Random networks of all operators in the importer's table, on inputs of every kind, with what onnxruntime is to run.

They grow as those of random_networks.py do. An operator that onnxruntime doesn't have is written out in those that it
has. Functions that no dyadic number stays dyadic under are rounded at once, and that quotient is noted: where it lies
within float32's error of a tie, the executor's choice says nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import MICROSOFT, QUANT, Net
from random_networks import RandomNet

LAST = "qonnx.custom_op.channels_last"
DOMAINS = (QUANT, "finn.custom_op.general", "onnx.brevitas", "")
"""Where QONNX's operators are found."""
LATTICES = ("BIPOLAR", "BINARY", "TERNARY", "UINT4", "INT5*0.25", "FIXED<6,3>", "SCALEDINT<4>*0.5", "UINT8*1/128-1")


@dataclass(frozen=True)
class Graph:
    """A model, the same in onnxruntime's operators, inputs, and what is said of those."""

    model: onnx.ModelProto
    written: onnx.ModelProto
    x: Any
    declared: dict[str, str]
    rounded: dict[str, str]
    curves: dict[str, float]
    """tensors that are rounded as soon as they are computed, and the quantisers' scales"""

    @property
    def operators(self) -> set[tuple[str, str]]:
        return {(node.domain, node.op_type) for node in self.model.graph.node}


class OperatorNet(RandomNet):
    """A network that grows by random layers of any operator."""

    def __init__(self, rng: random.Random):
        self.rng, self.numbers = rng, np.random.default_rng(rng.randrange(1 << 30))
        self.qonnx, self.count = rng.random() < 0.5, 0
        self.replaced: dict[str, list[onnx.NodeProto]] = {}
        self.curves: dict[str, float] = {}
        self.declared: dict[str, str] = {}
        self.rounded: dict[str, str] = {}
        self.note = ""
        self.rank = rng.choice([0, 1, 2, 2])
        self.shape = [rng.choice([1, 2, 3, 4]), *(rng.randint(4, 7) for _ in range(self.rank))]
        if not self.rank:
            self.shape = [rng.randint(3, 16)]
        self.kind = rng.choice(["float", "float", "declared", "declared", "annotated", "rounded", "integer"])
        elem_type = rng.choice([T.INT8, T.UINT8]) if self.kind == "integer" else T.FLOAT
        Net.__init__(self, *self.shape, opset=21, elem_type=elem_type)
        self.begin()

    # ---- the input

    def begin(self) -> None:
        rng, lattice = self.rng, self.rng.choice(LATTICES)
        if self.kind == "float":
            self.quantised("x", first=True)
        elif self.kind == "declared":
            self.declared[rng.choice(["x", ""])] = lattice
        elif self.kind == "rounded":
            self.rounded["x"] = lattice
        elif self.kind == "annotated":
            self.note = "INT4" if "*" in lattice else lattice
        elif rng.random() < 0.5:
            self.op("Cast", "x", to=T.FLOAT)
        else:
            zero = self.const(
                rng.randint(0, 9), np.int8 if self.inputs[0].type.tensor_type.elem_type == T.INT8 else np.uint8
            )
            self.op("DequantizeLinear", "x", self.const(self.power(-4, -1)), zero)

    # ---- nodes

    def op(self, op: str, *inputs: str, name: str | None = None, **more: Any) -> str:
        self.count += 1
        return super().op(op, *inputs, name=name or f"{op.lower()}_{self.count}", **more)

    def custom(self, op: str, *inputs: str, written: Callable[[], str], **more: Any) -> str:
        """An operator that onnxruntime doesn't have, and what it is in those that it has."""
        result = self.op(op, *inputs, **more)
        kept, self.nodes = self.nodes, []
        last = written()
        self.replaced[result] = [*self.nodes, helper.make_node("Identity", [last], [result])]
        self.nodes, self.last = kept, result
        return result

    def number(self, *values: float) -> str:
        return self.const(self.rng.choice(values))

    def per_channel(self, values: Any) -> str:
        return self.const(np.reshape(values, (-1, *[1] * (len(self.shape) - 1))))

    # ---- quantisers

    def quantised(self, value: str, first: bool = False) -> str:
        rng = self.rng
        form = rng.choice(["", "", "", "round", "thresholds", "domain", "shift", "trunc"])
        if first or not form:
            return super().quantised(value, first)
        return getattr(self, f"by_{form}")(value)

    def _quant(self, value: str, scale: float, bits: int, signed: bool) -> str:
        rng = self.rng
        if bits == 1 and signed:
            size, low = self.const(scale), self.const(-scale)
            return self.custom(
                "BipolarQuant",
                *(value, size),
                domain=rng.choice(DOMAINS),
                written=lambda: self.op("Where", self.op("GreaterOrEqual", value, self.const(0.0)), size, low),
            )
        zero, narrow = rng.choice([0.0, 0.0, 1.0]), int(rng.random() < 0.3 and bits > 2)
        return self.quant(value, scale, zero, bits, int(signed), narrow)

    def quant(self, x: str, scale: Any, zero: float = 0.0, bits: int = 4, signed: int = 1, narrow: int = 0) -> str:
        """Of any domain and rounding."""
        rng, mode = self.rng, self.rng.choice(["ROUND", "ROUND", "CEIL", "FLOOR", "half_even"])
        low = -(1 << (bits - 1)) + narrow if signed else 0
        high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow
        operands = [self.const(scale), self.const(zero), self.const(bits)]

        def written() -> str:
            codes = self.op("Add", self.op("Div", x, operands[0]), operands[1])
            clipped = self.op("Clip", codes, self.const(low), self.const(high))
            codes = self.op({"CEIL": "Ceil", "FLOOR": "Floor"}.get(mode, "Round"), clipped)
            return self.op("Mul", self.op("Sub", codes, operands[1]), operands[0])

        more = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
        op, domain = rng.choice(["Quant", "Quant", "IntQuant"]), rng.choice(DOMAINS)
        return self.custom(op, x, *operands, written=written, domain=domain, **more)

    def small(self, value: str, bits: int = 4, signed: bool = True, scale: float = 1.0) -> str:
        """Rounded to a few integers times a scale."""
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        codes = self.op("Round", self.op("Div", value, self.const(scale)))
        return self.op("Mul", self.op("Clip", codes, self.const(low), self.const(high)), self.const(scale))

    def by_round(self, value: str) -> str:
        scale = self.power(-1, 3)
        codes = self.op(
            self.rng.choice(["Round", "Floor", "Ceil", "Sign"]), self.op("Mul", value, self.const(1 / scale))
        )
        return self.op("Mul", self.op("Clip", codes, self.number(-8, 0), self.number(1, 7)), self.const(scale))

    def by_thresholds(self, value: str) -> str:
        levels, rows = self.rng.randint(1, 6), self.rng.choice([1, self.shape[0]])
        edges = np.sort(self.numbers.integers(-40, 41, (rows, levels)) / 4, axis=1)
        size, offset = self.power(-2, 1), self.rng.choice([0.0, -1.0])
        last = self.rank == 2 and self.rng.random() < 0.3
        order, back = [0, *range(2, self.rank + 2), 1], [0, self.rank + 1, *range(1, self.rank + 1)]
        value = self.op("Transpose", value, perm=order) if last else value
        at = (1, *[1] * self.rank, rows) if last else (1, rows, *[1] * self.rank)

        def written() -> str:
            spread = self.op("Unsqueeze", value, self.const([-1], np.int64))
            hit = self.op("GreaterOrEqual", spread, self.const(edges.reshape(*at, levels)))
            count = self.op("ReduceSum", self.op("Cast", hit, to=T.FLOAT), self.const([-1], np.int64), keepdims=0)
            return self.op("Add", self.op("Mul", count, self.const(size)), self.const(offset))

        more = {"data_layout": "NHWC"} if last else {"data_layout": "NCHW"[: 2 + self.rank]}
        more |= {"out_scale": size, "out_bias": offset, "domain": self.rng.choice(DOMAINS)}
        y = self.custom("MultiThreshold", value, self.const(edges), written=written, **more)
        return self.op("Transpose", y, perm=back) if last else y

    def by_domain(self, value: str) -> str:
        """onnxruntime's own quantisers."""
        s, z = self.const(self.power(-2, 3)), self.const(self.rng.randint(-4, 4), np.int8)
        return self.op(
            "DequantizeLinear", self.op("QuantizeLinear", value, s, z, domain=MICROSOFT), s, z, domain=MICROSOFT
        )

    def by_shift(self, value: str) -> str:
        """RequantShift of integers; mul and add for all or for each channel."""
        rng, value = self.rng, self.small(value, 6)
        count = self.rng.choice([1, self.shape[0]])
        mul, add = (self.numbers.integers(-span, span + 1, count) for span in (9, 90))
        div, levels, signed = 1 << rng.randint(0, 5), rng.choice([4, 16, 256]), rng.randint(0, 1)
        shape = (-1, *[1] * self.rank) if count > 1 else (1,)
        low, high = (-levels // 2, levels // 2 - 1) if signed else (0, levels - 1)

        def written() -> str:
            total = self.op("Mul", value, self.const(mul.reshape(shape)))
            total = self.op("Add", total, self.const((add + div // 2).reshape(shape)))
            return self.op(
                "Clip", self.op("Floor", self.op("Div", total, self.const(div))), self.const(low), self.const(high)
            )

        operands = [self.const(mul.reshape(shape)), self.const(add.reshape(shape))]
        more = {"div": div, "n_levels": levels, "signed": signed, "domain": rng.choice(["", "PACTOps"])}
        return self.custom("RequantShift", value, *operands, written=written, **more)

    def by_trunc(self, value: str) -> str:
        scale, mode, drop = self.power(-1, 1), self.rng.choice(["FLOOR", "ROUND", "CEIL"]), self.rng.randint(1, 3)
        value = self.small(value, 6, scale=scale)

        def written() -> str:
            codes = self.op("Round", self.op("Div", value, self.const(scale)))
            cut = self.op(
                {"FLOOR": "Floor", "CEIL": "Ceil", "ROUND": "Round"}[mode], self.op("Div", codes, self.const(1 << drop))
            )
            return self.op("Mul", cut, self.const(scale))

        operands = [self.const(scale), self.const(0.0), self.const(6.0), self.const(6.0 - drop)]
        return self.custom(
            "Trunc", value, *operands, written=written, rounding_mode=mode, domain=self.rng.choice(DOMAINS)
        )

    # ---- the end

    def finish(self) -> tuple[list[str], int]:
        """The outputs and their type."""
        rng, y, outputs = (
            self.rng,
            self.last,
            self.rng.choice(["", "", "class", "topk", "softmax", "function", "integer"]),
        )
        if rng.random() < 0.7 or outputs == "integer":
            y = self.op("MatMul", self.op("Flatten", y), self.columns(int(np.prod(self.shape))))
            self.shape = [2]
        if outputs == "class":
            op = rng.choice(["ArgMax", "ArgMin"])
            return [self.op(op, y, axis=1, keepdims=rng.randint(0, 1), select_last_index=rng.randint(0, 1))], T.INT64
        if outputs == "topk":
            self.op("TopK", y, self.const([1], np.int64), axis=1, largest=rng.randint(0, 1), outputs=2)
            return [self.nodes[-1].output[1]], T.INT64
        if outputs == "softmax":
            return self.softmax(y)
        if outputs == "function":
            op = rng.choice(["Sigmoid", "Tanh", "Softplus", "Softsign", "Erf"])
            return [self.op(op, self.small(y, 5, scale=0.25))], T.FLOAT
        if outputs == "integer":
            scale, zero = self.const(0.5), self.const(3, np.uint8)
            return [self.op("QuantizeLinear", y, scale, zero)], T.UINT8
        return [y], T.FLOAT

    def softmax(self, value: str) -> tuple[list[str], int]:
        """At the end, as it is, rounded, or with integers."""
        form, value = self.rng.choice(["real", "rounded", "integers"]), self.small(value, 5, scale=0.25)
        if form == "real":
            return [self.op(self.rng.choice(["Softmax", "LogSoftmax"]), value, axis=1)], T.FLOAT
        end = self.const(1 / 128), self.const(0, np.uint8)

        def rounded(x: str) -> str:
            real = self.op("Softmax", x, axis=1)
            self.curves[real] = 1 / 128
            return self.op("QuantizeLinear", real, *end)

        if form == "rounded":
            return [rounded(value)], T.UINT8
        s, z = self.const(0.25), self.const(99, np.uint8)
        q = self.op("QuantizeLinear", value, s, z)
        more = {"axis": 1, "opset": 13, "domain": MICROSOFT}
        return [self.custom("QLinearSoftmax", q, s, z, *end, written=lambda: rounded(value), **more)], T.UINT8

    def graph(self, outputs: Sequence[str], kind: int) -> Graph:
        model = self.model(*outputs, elem_type=kind)
        model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in (LAST, "PACTOps", *DOMAINS[1:3]))
        if self.note:
            note = model.graph.quantization_annotation.add(tensor_name="x")
            note.quant_parameter_tensor_names.add(key="finn_datatype", value=self.note)
        written = onnx.ModelProto()
        written.CopyFrom(model)
        del written.graph.node[:], written.graph.quantization_annotation[:]
        for node in model.graph.node:
            written.graph.node.extend(self.replaced.get(node.output[0], [node]))
        known = {port.name for port in written.graph.output}
        names = [name for name in self.curves if name not in known]
        written.graph.output.extend(helper.make_tensor_value_info(name, T.FLOAT, None) for name in names)
        return Graph(model, written, self.samples(), self.declared, self.rounded, self.curves)

    def samples(self) -> Any:
        raise NotImplementedError
