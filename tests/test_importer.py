"""The ONNX importer against exact evaluation of the graph in fractions, and against onnx's own evaluator.

Models are built here, small enough that every reachable accumulator is tried.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor, prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx_testing import canonical
from xdsl.context import Context
from xdsl.dialects import builtin, func
from xdsl.dialects.builtin import Float64Type, ModuleOp

from cam_compiler.importer import import_model
from cam_compiler.importer.arithmetic.exact import Piece
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep, TableStep
from cam_compiler.importer.arithmetic.thresholds import Channel, Reach, float_table, integer_table
from cam_compiler.ir_text import parse_module
from dialects import ternary
from dialects.support.errors import FileError, ModelError
from dialects.support.ranges import Range
from runtime.interpreter import Interpreter, input_specs, main_function

QUANT = "qonnx.custom_op.general"


# ---- building models


class Net:
    """A graph under construction; constants become initialisers."""

    def __init__(self, features: int = 3, elem_type: int = T.FLOAT, shape: list[Any] | None = None, opset: int = 17):
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("x", elem_type, shape or ["N", features])]
        self.opset = opset
        self.last = "x"

    def const(self, value: Any, kind: Any = np.float32) -> str:
        name = f"c{len(self.initialisers)}"
        if isinstance(kind, int):
            array = np.asarray(value)
            self.initialisers.append(helper.make_tensor(name, kind, array.shape, array.reshape(-1).tolist()))
        else:
            self.initialisers.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def op(self, op: str, *inputs: str, name: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Adds a node and makes its result the current tensor."""
        label = name or f"{op.lower()}_{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [f"{label}_out"], name=label, domain=domain, **attributes)
        self.nodes.append(node)
        self.last = f"{label}_out"
        return self.last

    def quant(self, x: str, scale: Any, zero: float, bits: int, signed: int = 1, narrow: int = 0, **more: Any) -> str:
        inputs = [x, self.const(scale), self.const(zero), self.const(bits)]
        return self.op("Quant", *inputs, domain=QUANT, signed=signed, narrow=narrow, **more)

    def qdq(self, x: str, scale: Any, zero: Any, kind: int, clip: tuple[int, int] | None = None, **axis: int) -> str:
        s, z = self.const(scale), self.const(zero, kind)
        code = self.op("QuantizeLinear", x, s, z, **axis)
        if clip:
            code = self.op("Clip", code, self.const(clip[0], kind), self.const(clip[1], kind))
        return self.op("DequantizeLinear", code, s, z, **axis)

    def weights(self, integers: Any, scale: Any = 0.5, axis: int = 1) -> str:
        """int8 weights (inputs, outputs) through DequantizeLinear."""
        values = np.asarray(integers)
        return self.op("DequantizeLinear", self.const(values, np.int8), self.const(scale), axis=axis)

    def batch_norm(self, x: str, scale: Any, bias: Any, mean: Any, variance: Any, **more: Any) -> str:
        return self.op("BatchNormalization", x, *map(self.const, (scale, bias, mean, variance)), **more)

    def model(self, *outputs: str, elem_type: int = T.DOUBLE, listed: bool = False) -> onnx.ModelProto:
        names = outputs or (self.last,)
        results = [helper.make_tensor_value_info(name, elem_type, None) for name in names]
        inputs = list(self.inputs)
        if listed:
            inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self.initialisers]
        graph = helper.make_graph(self.nodes, "net", inputs, results, self.initialisers)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QUANT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


MIX = [[1, -1, 0, 1], [0, 1, -1, 1], [-1, 1, 1, 1]]
"""Ternary weights, three inputs and four outputs."""


# ---- exact evaluation, independent of the importer


def exact(values: Any) -> Any:
    array = np.asarray(values)
    kind = int if array.dtype.kind in "iub" or array.dtype.name in ("int4", "uint4", "int2", "uint2") else float
    return np.frompyfunc(lambda v: Fraction(kind(v)) if not isinstance(v, Fraction) else v, 1, 1)(array.astype(object))


def each(function: Callable[..., Any], *arrays: Any) -> Any:
    return np.frompyfunc(function, len(arrays), 1)(*arrays)


def _sign(v: Fraction) -> int:
    return (v > 0) - (v < 0)


ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,
    "HALF_EVEN": round,
    "CEIL": ceil,
    "FLOOR": floor,
    "UP": lambda v: _sign(v) * ceil(abs(v)),
    "DOWN": lambda v: _sign(v) * floor(abs(v)),
    "HALF_UP": lambda v: _sign(v) * floor(abs(v) + Fraction(1, 2)),
    "HALF_DOWN": lambda v: _sign(v) * ceil(abs(v) - Fraction(1, 2)),
}
BITS = {T.UINT8: (0, 255), T.INT8: (-128, 127), T.UINT4: (0, 15), T.INT4: (-8, 7), T.INT2: (-2, 1), T.UINT2: (0, 3)}
BITS |= {T.INT16: (-32768, 32767), T.UINT16: (0, 65535), T.INT32: (-(2**31), 2**31 - 1)}


def square_root(value: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 120
        found = Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())
    near = found.limit_denominator(1 << 40)
    return near if near * near == value else found


class ExactGraph:
    """Evaluates a model node by node in fractions."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.types = {t.name: t.data_type for t in model.graph.initializer}

    def run(self, **inputs: Any) -> dict[str, Any]:
        values: dict[str, Any] = {name: exact(value) for name, value in inputs.items()}
        for tensor in self.model.graph.initializer:
            values[tensor.name] = exact(numpy_helper.to_array(tensor))
        for node in self.model.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            operands = [values[name] if name else None for name in node.input]
            values[node.output[0]] = self.apply(node, operands, attributes)
        return {output.name: values[output.name] for output in self.model.graph.output}

    def apply(self, node: onnx.NodeProto, args: list[Any], at: dict[str, Any]) -> Any:
        a = args[0] if args else None
        b = args[1] if len(args) > 1 else None
        match node.op_type:
            case "Quant":
                return self.quant(*args, **at)
            case "BipolarQuant":
                return each(lambda v, s: s if v >= 0 else -s, a, b)
            case "QuantizeLinear":
                low, high = BITS[self.types[node.input[2]] if len(args) > 2 else T.UINT8]
                scale, zero = self.along(a, args, at)
                return each(lambda v, s, z: Fraction(min(max(round(v / s) + z, low), high)), a, scale, zero)
            case "DequantizeLinear":
                scale, zero = self.along(a, args, at)
                return (a - zero) * scale
            case "MatMul":
                return a.dot(b)
            case "Gemm":
                product = a.dot(b.T if at.get("transB") else b) * Fraction(at.get("alpha", 1.0))
                return product + args[2] * Fraction(at.get("beta", 1.0)) if len(args) > 2 else product
            case "MatMulInteger":
                return (a - (args[2] if len(args) > 2 else 0)).dot(b - (args[3] if len(args) > 3 else 0))
            case "QLinearMatMul":
                real = (a - args[2]).dot(args[3] - args[5]) * b * args[4]
                low, high = BITS[self.types[node.input[7]]]
                return each(lambda v, s, z: Fraction(min(max(round(v / s) + z, low), high)), real, args[6], args[7])
            case "BatchNormalization":
                return self.batch_norm(*args, epsilon=Fraction(at.get("epsilon", float(np.float32(1e-5)))))
            case _:
                return self.simple(node.op_type, args, at)

    @staticmethod
    def along(a: Any, args: list[Any], at: dict[str, Any]) -> tuple[Any, Any]:
        scale, zero = args[1], args[2] if len(args) > 2 else exact(0)
        if np.ndim(scale) == 1:
            shape = [1] * np.ndim(a)
            shape[at.get("axis", 1)] = -1
            scale, zero = scale.reshape(shape), np.reshape(zero, shape) if np.ndim(zero) else zero
        return scale, zero

    @staticmethod
    def quant(x: Any, scale: Any, zero: Any, bits: Any, signed: int, narrow: int, rounding_mode: bytes = b"ROUND"):
        width, mode = int(np.asarray(bits).item()), ROUNDINGS[rounding_mode.decode().upper()]
        low = -(2 ** (width - 1)) + narrow if signed else 0
        high = 2 ** (width - 1) - 1 if signed else 2**width - 1 - narrow

        def one(v: Fraction, s: Fraction, z: Fraction) -> Fraction:
            y = v / s + z
            if width == 1 and signed:
                return ((1 if y >= 0 else -1) - z) * s
            return (mode(min(max(y, Fraction(low)), Fraction(high))) - z) * s

        return each(one, x, scale, zero)

    @staticmethod
    def batch_norm(x: Any, scale: Any, bias: Any, mean: Any, variance: Any, epsilon: Fraction) -> Any:
        shape = (1, -1, *[1] * (x.ndim - 2))
        root = each(lambda v: square_root(v + epsilon), variance)
        return (x - mean.reshape(shape)) * (scale / root).reshape(shape) + bias.reshape(shape)

    @staticmethod
    def simple(op: str, args: list[Any], at: dict[str, Any]) -> Any:
        a = args[0] if args else None
        b = args[1] if len(args) > 1 else None
        match op:
            case "Add" | "Sub" | "Mul" | "Div":
                return {"Add": lambda: a + b, "Sub": lambda: a - b, "Mul": lambda: a * b, "Div": lambda: a / b}[op]()
            case "Pow":
                return each(lambda v, p: square_root(v) if p == Fraction(1, 2) else v ** int(p), a, b)
            case "Sqrt":
                return each(square_root, a)
            case "Neg":
                return -a
            case "Relu":
                return each(lambda v: max(v, Fraction(0)), a)
            case "Clip":
                low = b if b is not None else at.get("min")
                high = args[2] if len(args) > 2 else at.get("max")
                a = a if low is None else each(max, a, exact(low))
                return a if high is None else each(min, a, exact(high))
            case "Max" | "Min":
                return each(max if op == "Max" else min, a, b)
            case "Round" | "Floor" | "Ceil":
                return each(lambda v: Fraction({"Round": round, "Floor": floor, "Ceil": ceil}[op](v)), a)
            case "Sign":
                return each(lambda v: Fraction(_sign(v)), a)
            case "Cast":
                return each(lambda v: Fraction(int(v)), a) if at["to"] in (T.INT32, T.INT8, T.INT64) else a
            case "Identity" | "Dropout":
                return a
            case "Flatten":
                return a.reshape(prod(a.shape[: at.get("axis", 1)]), -1)
            case "Reshape":
                return a.reshape([int(v) for v in b])
            case "Transpose":
                return np.transpose(a, at.get("perm"))
            case "Shape":
                return exact(np.array(a.shape))
            case "Gather":
                return np.asarray(np.take(a, np.asarray(b).astype(int), axis=at.get("axis", 0)))
            case "Unsqueeze":
                return np.expand_dims(a, tuple(int(v) for v in (at["axes"] if b is None else b)))
            case "Squeeze":
                return np.squeeze(a, tuple(int(v) for v in (at["axes"] if b is None else b)))
            case "Concat":
                return np.concatenate(args, axis=at["axis"])
            case _:
                raise AssertionError(f"the test evaluates no {op}")


# ---- running what was imported


def parsed(text: str) -> ModuleOp:
    context = Context()
    for dialect in (builtin.Builtin, func.Func, ternary.Ternary):
        context.load_dialect(dialect)
    return parse_module(text, "text", context)


def main_of(module: ModuleOp) -> func.FuncOp:
    (function,) = module.ops
    assert isinstance(function, func.FuncOp)
    return function


def execute(module: ModuleOp, **inputs: Any) -> dict[str, Any]:
    """A tiny interpreter of the ternary dialect; also checks that every integer is in its type's range."""
    function = main_of(module)
    names = [entry.data["onnx.name"].data for entry in function.arg_attrs or ()]  # type: ignore[attr-defined]
    values: dict[Any, Any] = dict(zip(function.body.block.args, (inputs[name] for name in names), strict=True))
    results: dict[str, Any] = {}
    for op in function.body.block.ops:
        match op:
            case ternary.QuantizeOp() | ternary.ThresholdOp():
                values[op.result] = op.thresholds.data.apply(values[op.input], ternary.range_of(op.result))
            case ternary.MatmulOp():
                values[op.result] = values[op.input].astype(np.int64) @ op.weights.data.array.T
            case ternary.ReshapeOp():
                values[op.result] = values[op.input].reshape(-1, *ternary.shape_of(op.result)[1:])
            case ternary.TransposeOp():
                values[op.result] = values[op.input].transpose(0, *(axis + 1 for axis in op.order))
            case ternary.DequantizeOp():
                shape = (1, -1, *[1] * (values[op.input].ndim - 2))
                scale, offset = op.scale.reshape(shape), op.offset.reshape(shape)
                wide = op.result.type.get_element_type() == Float64Type()  # type: ignore[attr-defined]
                values[op.result] = (values[op.input] * scale + offset).astype(np.float64 if wide else np.float32)
            case func.ReturnOp():
                outputs = [entry.data["onnx.name"].data for entry in function.res_attrs or ()]  # type: ignore[attr-defined]
                results = {name: values[value] for name, value in zip(outputs, op.arguments, strict=True)}
            case _:
                raise AssertionError(op.name)
        for result in op.results:
            if values[result].dtype == np.int64:
                span = ternary.range_of(result)
                assert span.lo <= values[result].min() and values[result].max() <= span.hi
    return results


def grid(features: int, points: Any, dtype: Any = np.float32) -> Any:
    return np.array(list(itertools.product(points, repeat=features)), dtype=dtype)


POINTS = [-2.0, -0.75, -0.5, -0.25, 0.0, 0.125, 0.25, 0.5, 1.25, 3.0]


def check(model: onnx.ModelProto, x: Any = None) -> ModuleOp:
    """Imports the model and compares it with exact evaluation over all points of a grid."""
    module = import_model(model)
    module.verify()
    text = str(module)
    assert text == str(parsed(text)) == str(import_model(model))
    if x is None:
        dims = model.graph.input[0].type.tensor_type.shape.dim
        sample = [d.dim_value for d in dims[1:]]
        x = grid(prod(sample), POINTS).reshape(-1, *sample)
    got, wanted = execute(module, x=x), ExactGraph(model).run(x=x)
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        expected = each(float, value).astype(np.float64)
        assert got[name].shape == expected.shape
        np.testing.assert_allclose(got[name], expected, rtol=1e-12, atol=1e-12)
    return canonical(module, x)


def ops(module: ModuleOp, kind: type) -> list[Any]:
    return [op for op in main_of(module).body.block.ops if isinstance(op, kind)]


# ---- networks


def qonnx_net(rounding: str = "ROUND", **options: Any) -> Net:
    net = Net(**options)
    q = net.quant("x", 0.25, 0.0, 3, signed=1, rounding_mode=rounding)
    w = net.quant(net.const(np.array(MIX) * 0.7), 0.5, 0.0, 2, narrow=1)
    y = net.op("MatMul", q, w)
    y = net.batch_norm(
        y, [1.0, -0.5, 0.0, 1e-7], [0.125, 0.25, 0.6, -3.0], [0.5, -0.25, 1, 0], [0.25, 1, 2, 3], epsilon=0.0
    )
    q = net.quant(y, 0.25, 0.0, 3, rounding_mode=rounding)
    net.op("MatMul", q, net.weights(np.array(MIX).T, [0.5, 0.25, 0.3]))
    return net


@pytest.mark.parametrize("mode", ["ROUND", "round", "HALF_EVEN", "HALF_UP", "HALF_DOWN", "CEIL", "FLOOR", "UP", "DOWN"])
def test_qonnx_with_all_roundings(mode: str):
    module = check(qonnx_net(mode).model())
    (table,) = ops(module, ternary.ThresholdOp)
    assert list(table.thresholds.data.down) == [False, True, False, False]


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general", QUANT])
def test_quant_domains(domain: str):
    model = qonnx_net().model()
    for node in model.graph.node:
        node.domain = domain if node.op_type == "Quant" else node.domain
        if node.op_type == "Quant" and domain == "onnx.brevitas":
            node.op_type = "IntQuant"
    text = str(import_model(model)).replace('"IntQuant ', '"Quant ')
    assert text == str(import_model(qonnx_net().model()))


@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize(
    ("signed", "bits", "zero"), [(0, 2, 1.0), (1, 2, 0.0), (1, 4, -1.0), (0, 1, 0.0), (0, 3, 0.5), (1, 1, 0.0)]
)
def test_quant_ranges_and_zero_points(signed: int, bits: int, zero: float, narrow: int):
    net = Net()
    q = net.quant("x", 0.25, zero, bits, signed=signed, narrow=narrow)
    y = net.op("MatMul", q, net.weights(MIX))
    net.quant(y, 0.125, zero, bits, signed=signed, narrow=narrow)
    if (signed, bits, narrow) == (0, 1, 1):
        assert "ternary.int<0, 0>" in str(import_model(net.model()))
    check(net.model())


def test_irrational_batch_norm():
    net = Net()
    y = net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.weights(MIX))
    y = net.batch_norm(
        y, [0.7, -1.3, 2.1, 0.9], [0.25, 0.75, -0.25, 0.1], [0.5, 0.25, 0.125, 0.0], [0.3, 2.7, 5.1, 2.0]
    )
    net.quant(y, 0.5, 0.0, 4)
    check(net.model())


@pytest.mark.parametrize(
    ("kind", "zero"), [(T.UINT4, 7), (T.INT4, 0), (T.UINT8, 131), (T.INT8, -3), (T.INT2, 0), (T.UINT2, 1)]
)
def test_qdq(kind: int, zero: int):
    net = Net(opset=25)
    y = net.op("MatMul", net.qdq("x", 0.25, zero, kind), net.weights(MIX, [0.5, 0.25, 1.0, 0.75]))
    y = net.op("Add", y, net.const([0.125, -0.3, 0.0, 1.0]))
    y = net.qdq(net.op("Relu", y), 0.125, zero, kind)
    net.op("MatMul", y, net.weights(np.array(MIX).T))
    check(net.model())


def test_clip_after_quantize_linear_narrows_the_result():
    net = Net(opset=21)
    y = net.op("MatMul", net.qdq("x", 0.25, 0, T.INT8, clip=(-1, 1)), net.weights(MIX))
    net.qdq(y, 0.5, 0, T.UINT8, clip=(0, 3))
    module = check(net.model())
    assert "ternary.int<-128" not in str(module)
    assert len(ops(module, ternary.QuantizeOp)) == 1 and len(ops(module, ternary.ThresholdOp)) == 1


def test_per_channel_activation_quantiser_with_different_zero_points():
    net = Net(opset=21)
    y = net.op("MatMul", net.qdq("x", 0.25, 0, T.INT4), net.weights(MIX))
    net.qdq(y, [0.25, 0.5, 0.125, 0.3], [0, 1, -1, 2], T.INT4, axis=1)
    check(net.model())


def test_gemm_with_alpha_beta_and_int32_bias():
    net = Net()
    q = net.qdq("x", 0.25, 3, T.UINT8, clip=(0, 7))
    weight = net.op("DequantizeLinear", net.const(np.array(MIX).T, np.int8), net.const([0.5, 1, 0.25, 2]), axis=0)
    bias = net.op(
        "DequantizeLinear", net.const([5, -3, 0, 100], np.int32), net.const([0.125, 0.25, 0.0625, 0.5]), axis=0
    )
    y = net.op("Gemm", q, weight, bias, alpha=0.5, beta=2.0, transB=1)
    net.op("MatMul", net.quant(y, 0.25, 0.0, 4), net.weights(np.array(MIX).T))
    check(net.model())


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 21, 28])
def test_shape_chain_and_opsets(opset: int):
    net = Net(shape=[1, 1, 1, 3], opset=opset)
    batch = net.op("Gather", net.op("Shape", "x"), net.const(0, np.int64), axis=0)
    batch = (
        net.op("Unsqueeze", batch, **{"axes": [0]})
        if opset < 13
        else net.op("Unsqueeze", batch, net.const([0], np.int64))
    )
    flat = net.op("Reshape", "x", net.op("Concat", batch, net.const([-1], np.int64), axis=0))
    w = net.op("Transpose", net.quant(net.const(np.array(MIX).T), 1.0, 0.0, 2), perm=[1, 0])
    y = net.op(
        "MatMul", net.quant(net.op("Sub", net.op("Mul", flat, net.const(2.0)), net.const([1.0])), 1.0, 0.0, 2), w
    )
    bounds = {"min": -1.0, "max": 1.5}
    inputs = [net.const(bound) for bound in bounds.values()] if opset >= 11 else []
    y = net.op("Clip", y, *inputs, **({} if inputs else bounds))
    net.quant(y, 0.5, 0.0, 3)
    check(net.model())


@pytest.mark.parametrize("listed", [False, True])
def test_batch_norm_in_pieces_with_listed_initialisers(listed: bool):
    net = Net()
    y = net.op("MatMul", net.quant("x", 1.0, 0.0, 2), net.quant(net.const(MIX), 1.0, 0.0, 2))
    root = net.op("Pow", net.const([346.1243]), net.const(0.5))
    y = net.op("Div", net.op("Sub", y, net.const([1.207])), root)
    net.op("Add", net.op("Mul", y, net.const([-0.8196])), net.const([-1.2115]))
    module = check(net.model(listed=listed))
    assert len(main_of(module).function_type.inputs) == 1


@pytest.mark.parametrize("form", ["relu6", "hardtanh", "max_min", "hard_sigmoid"])
def test_clamps_before_a_quantiser(form: str):
    net = Net()
    y = net.op("MatMul", net.quant("x", 0.5, 0.0, 4), net.weights(MIX, 1.0))
    low, high = (-1.0, 1.0) if form == "hardtanh" else (0.0, 2.5)
    if form == "max_min":
        y = net.op("Min", net.const(high), net.op("Max", y, net.const(low)))
    else:
        y = net.op("Clip", y, net.const(low), net.const(high))
    net.quant(net.op("Neg", y), 0.25, 0.0, 5)
    check(net.model())


def test_relu_between_quantiser_and_product_narrows():
    net = Net()
    q = net.op("Relu", net.quant("x", 0.25, 0.0, 3))
    y = net.op("MatMul", q, net.weights(MIX))
    net.op("MatMul", net.op("Relu", net.quant(y, 0.25, 0.0, 4)), net.weights(np.array(MIX).T))
    module = check(net.model())
    spans = [ternary.range_of(op.result) for op in ops(module, ternary.QuantizeOp)]
    assert spans == [Range(0, 3)]


def test_relu_without_quantiser_before_a_product():
    net = Net()
    y = net.op("Relu", net.op("MatMul", net.quant("x", 0.5, 0.0, 2), net.weights(MIX)))
    y = net.op("Clip", y, net.const(0.125), net.const(0.625))
    net.op("MatMul", y, net.weights(np.array(MIX).T))
    check(net.model())


@pytest.mark.parametrize("factor", [1.0, 2.0, -0.5])
def test_requantise(factor: float):
    net = Net()
    q = net.quant("x", 0.25, 0.0, 3)
    q = net.quant(net.op("Mul", q, net.const(factor)), 0.25, 0.0, 3)
    net.op("MatMul", q, net.weights(MIX))
    module = check(net.model())
    assert len(ops(module, ternary.ThresholdOp)) == 0 and len(ops(module, ternary.QuantizeOp)) == 1


def test_bipolar():
    net = Net()
    q = net.op("BipolarQuant", "x", net.const(0.5), domain=QUANT)
    y = net.op("MatMul", q, net.op("BipolarQuant", net.const(MIX), net.const(1.0), domain=QUANT))
    y = net.op(
        "BipolarQuant",
        net.batch_norm(y, [1, -1, 1, 1], [0.5] * 4, [0] * 4, [1] * 4, epsilon=0.0),
        net.const(1.0),
        domain=QUANT,
    )
    net.op("MatMul", y, net.weights(np.array(MIX).T))
    check(net.model())


def test_several_outputs_and_consumers():
    net = Net()
    q = net.quant("x", 0.25, 0.0, 3)
    first = net.op("MatMul", q, net.weights(MIX))
    second = net.op("MatMul", net.op("Relu", q), net.weights(np.array(MIX) * 3, 0.1))
    third = net.quant(first, 0.5, 0.0, 2)
    check(net.model(first, second, third, q))


def test_integer_input_and_output():
    net = Net(elem_type=T.UINT8)
    real = net.op("Div", net.op("Cast", "x", to=T.FLOAT), net.const(255.0))
    y = net.op("MatMul", net.quant(real, 0.125, 0.0, 3, signed=0), net.weights(MIX))
    net.op("QuantizeLinear", y, net.const(0.25), net.const(0, np.int8))
    module = check(net.model(elem_type=T.INT8), grid(3, [0, 1, 31, 47, 48, 100, 127, 128, 255], np.uint8))
    assert "tensor<?x3x!ternary.int<0, 255>>" in str(main_of(module).function_type)
    assert not ops(module, ternary.DequantizeOp)


def test_integer_input_straight_into_a_product():
    net = Net(elem_type=T.INT8)
    y = net.op(
        "MatMulInteger",
        "x",
        net.const(np.array(MIX) + 2, np.uint8),
        net.const(3, np.int8),
        net.const([2, 2, 2, 2], np.uint8),
    )
    y = net.op("Mul", net.op("Cast", y, to=T.FLOAT), net.const(0.0625))
    net.quant(y, 0.5, 0.0, 4)
    check(net.model(), grid(3, [-128, -7, -1, 0, 2, 3, 5, 127], np.int8))


def test_qlinear_matmul():
    net = Net()
    scale, zero = net.const(0.25), net.const(120, np.uint8)
    code = net.op("QuantizeLinear", "x", scale, zero)
    weights = [net.const(MIX, np.int8), net.const(0.5), net.const(0, np.int8)]
    result = [net.const(0.375), net.const(128, np.uint8)]
    code = net.op("QLinearMatMul", code, scale, zero, *weights, *result)
    net.op("DequantizeLinear", code, *result)
    check(net.model())


def test_hand_written_fake_quantiser():
    net = Net()
    code = net.op("Clip", net.op("Round", net.op("Div", "x", net.const(0.25))), net.const(-3.0), net.const(3.0))
    y = net.op("MatMul", net.op("Mul", code, net.const(0.25)), net.weights(MIX))
    y = net.op("Floor", net.op("Div", net.op("Add", net.op("Mul", y, net.const(5.0)), net.const(4.0)), net.const(8.0)))
    y = net.op("Clip", net.op("Cast", y, to=T.INT32), net.const(-1, np.int32), net.const(1, np.int32))
    net.op("MatMul", net.op("Cast", y, to=T.FLOAT), net.weights(np.array(MIX).T))
    check(net.model())


@pytest.mark.parametrize("scale", [1.0, [0.3, 0.7, 1.1, 0.0]])
def test_float_ternary_weights(scale: Any):
    net = Net()
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.const(np.array(MIX) * np.array(scale)))
    module = check(net.model())
    (product,) = ops(module, ternary.MatmulOp)
    assert product.weights.data.ternary


def test_scale_of_127_is_divided_out():
    net = Net()
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.weights(np.array(MIX) * 127, 0.01))
    (product,) = ops(check(net.model()), ternary.MatmulOp)
    assert product.weights.data.ternary


def test_weights_of_several_bits():
    net = Net()
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.quant(net.const(np.array(MIX) * 0.83 + 0.11), 0.07, 0.0, 8))
    check(net.model())


def test_zero_points_of_weights_and_constant_arithmetic():
    net = Net()
    w = net.op("Cast", net.const(np.array(MIX) + 1, np.uint8), to=T.FLOAT)
    w = net.op("Mul", net.op("Sub", w, net.const(1.0)), net.const([0.3, 0.5, 0.7, 0.9]))
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), w)
    check(net.model())


def test_scales_by_feature_fold_into_weights():
    net = Net()
    q = net.op("Mul", net.quant("x", 0.25, 0.0, 3), net.const([1.0, 2.0, -0.5]))
    net.op("MatMul", net.op("Add", q, net.const([0.5, 0.0, 0.1])), net.weights(MIX))
    check(net.model())


def test_constants_of_every_pixel_and_channel():
    net = Net(shape=["N", 2, 1, 2])
    x = net.op("Sub", "x", net.const(np.array([0.1, -0.2]).reshape(2, 1, 1)))
    x = net.op("Mul", x, net.const(np.array([1.0, -2.0, 0.5, 0.0]).reshape(1, 2, 1, 2)))
    q = net.op("Flatten", net.quant(x, 0.25, 0.0, 3))
    net.op("MatMul", q, net.weights([[1, -1], [0, 1], [1, 1], [-1, 0]]))
    check(net.model(), grid(4, [-1.0, -0.2, 0.0, 0.1, 0.35, 2.0]).reshape(-1, 2, 1, 2))


def test_reshapes_that_keep_the_order():
    net = Net(shape=[1, 3, 1, 1])
    q = net.quant("x", 0.25, 0.0, 3)
    q = net.op("Squeeze", net.op("Transpose", q, perm=[0, 2, 3, 1]), net.const([1, 2], np.int64))
    y = net.op("MatMul", net.op("Unsqueeze", q, net.const([1], np.int64)), net.weights(MIX))
    y = net.op("Reshape", net.op("Dropout", net.op("Identity", y)), net.const([1, -1], np.int64))
    net.op("Mul", y, net.const(1.0))
    module = import_model(net.model())
    x = grid(3, POINTS).reshape(-1, 3, 1, 1)
    got = execute(module, x=x)[net.last]
    codes = np.clip(np.rint(x.reshape(-1, 3) * 4), -4, 3) * 0.25
    np.testing.assert_allclose(got, codes @ np.array(MIX) * 0.5)


def test_weights_on_the_left():
    net = Net(shape=["N", 3, 1])
    q = net.quant("x", 0.25, 0.0, 3)
    y = net.op("MatMul", net.const(np.array(MIX).T), q)
    net.op("Add", y, net.const(np.array([[1.0], [2], [3], [4]])))
    x = grid(3, POINTS).reshape(-1, 3, 1)
    got = execute(import_model(net.model()), x=x)[net.last]
    codes = np.clip(np.rint(x * 4), -4, 3) * 0.25
    np.testing.assert_allclose(got, np.array(MIX).T @ codes + np.array([[1.0], [2], [3], [4]]))


def test_multi_threshold():
    net = Net()
    q = net.op("MultiThreshold", "x", net.const([[-0.5, 0.0, 0.3]]), domain=QUANT, out_dtype="INT2", out_bias=-2.0)
    y = net.op("MatMul", q, net.weights(MIX, 1.0))
    edges = np.array([[-1.0, 0, 1], [-2, -1, 3], [0, 0, 0], [0.5, 1.5, 9]])
    net.op("MultiThreshold", y, net.const(edges), domain=QUANT, out_dtype="UINT2", out_scale=0.5)
    x = grid(3, POINTS)
    code = (x[..., None] >= np.float32([-0.5, 0.0, 0.3])).sum(-1) - 2
    wanted = ((code @ np.array(MIX))[..., None] >= edges).sum(-1) * 0.5
    np.testing.assert_array_equal(execute(import_model(net.model()), x=x)[net.last], wanted)


@pytest.mark.parametrize(
    ("elem_type", "dtype"), [(T.FLOAT, np.float32), (T.DOUBLE, np.float64), (T.FLOAT16, np.float16)]
)
def test_input_thresholds_are_the_first_floats(elem_type: int, dtype: Any):
    """The first numbers of the input's type for which float arithmetic, as qonnx does it, reaches each level."""
    mean, deviation, scale = np.array([0.13], dtype), np.array([0.3], dtype), np.array(0.7, dtype)
    net = Net(1, elem_type=elem_type)
    y = net.op("Div", net.op("Sub", "x", net.const(mean, dtype)), net.const(deviation, dtype))
    net.op("Quant", y, net.const(scale, dtype), net.const(0, dtype), net.const(3), domain=QUANT, signed=1, narrow=0)
    (op,) = ops(import_model(net.model()), ternary.QuantizeOp)
    edges = op.thresholds.data.array[0].astype(dtype)
    below = np.nextafter(edges, dtype(-9))
    codes = [np.rint((points - mean) / deviation / scale) for points in (edges, below)]
    assert codes[0].dtype == dtype
    np.testing.assert_array_equal(codes, [np.arange(-3, 4), np.arange(-4, 3)])


def test_inputs_are_rounded_to_the_type_of_the_network():
    """In half precision 0.74995 is 0.75, where the next level begins."""
    net = Net(1, elem_type=T.FLOAT16)
    net.quant("x", 0.5, 0.0, 3)
    module = import_model(net.model())
    (spec,) = input_specs(main_function(module))
    assert spec.dtype == "float16"
    points = np.array([[0.74995], [0.75], [0.7], [0.7497]], dtype=np.float32)
    (found,) = Interpreter().run(module, {"x": points}).outputs.values()
    assert found[:, 0].tolist() == [1.0, 1.0, 0.5, 0.5]


def test_casts_of_constants():
    """To BOOL whatever isn't zero is one; integers wrap round."""
    for given, kind, to, wanted in (
        ([[0.5, -0.25], [0.0, 3.0]], np.float32, T.BOOL, [[1, 1], [0, 1]]),
        ([[5, -3], [0, 1]], np.int32, T.BOOL, [[1, 1], [0, 1]]),
        ([[255, 257], [-256, 128]], np.int32, T.INT8, [[-1, 1], [0, -128]]),
        ([[-1, 1], [0, -128]], np.int8, T.UINT8, [[255, 1], [0, 128]]),
        ([[1.9, -1.9], [0.0, -0.5]], np.float32, T.INT8, [[1, -1], [0, 0]]),
    ):
        net = Net(2)
        weights = net.op("Cast", net.op("Cast", net.const(given, kind), to=to), to=T.FLOAT)
        net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.op("Mul", weights, net.const(0.5)))
        (op,) = ops(import_model(net.model()), ternary.MatmulOp)
        found = op.weights.data.array.T
        np.testing.assert_array_equal(found * max(1, np.abs(wanted).max()), np.array(wanted) * np.abs(found).max())


def test_a_batch_that_is_stated_is_the_batch():
    """A dynamic model may have been exported with a batch of one."""
    for batch, accepted in ((None, True), (1, True), (4, False)):
        net = Net(3)
        net.op("Reshape", net.quant("x", 0.25, 0.0, 3), net.const([1, 3], np.int64), name="r")
        net.op("MatMul", net.last, net.weights(np.ones((3, 2))))
        model = net.model()
        if batch:
            model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
        if accepted:
            import_model(model)
        else:
            with pytest.raises(ModelError, match="'r'"):
                import_model(model)


def test_names_and_attributes():
    net = Net()
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.weights(MIX), name="/fc1/MatMul_7")
    text = str(import_model(net.model(elem_type=T.FLOAT)))
    assert "%fc1_MatMul7 = ternary.matmul" in text and 'layer "/fc1/MatMul_7"' in text
    assert '%x: tensor<?x3xf32> {onnx.name = "x"}' in text
    assert '(tensor<?x4xf32> {onnx.name = "/fc1/MatMul_7_out"})' in text


def test_nodes_in_any_order_and_unused_nodes():
    net = qonnx_net()
    wanted = str(import_model(net.model()))
    net.nodes.append(helper.make_node("Softmax", ["x"], ["unused"]))
    net.last = net.nodes[-2].output[0]
    model = net.model()
    shuffled = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(shuffled)
    assert str(import_model(model)).count("ternary.matmul") == wanted.count("ternary.matmul")


def test_many_channels_import_in_seconds():
    rng = np.random.default_rng(0)
    net = Net(512)
    y = net.op(
        "MatMul", net.quant("x", 0.25, 0.0, 4), net.quant(net.const(rng.normal(size=(512, 512))), 0.7, 0.0, 2, narrow=1)
    )
    pieces = [rng.normal(size=512) for _ in range(3)]
    y = net.batch_norm(y, *pieces, rng.uniform(0.5, 90, 512))
    net.quant(y, 0.1, 0.0, 4, signed=0)
    (op,) = ops(import_model(net.model()), ternary.ThresholdOp)
    assert op.thresholds.data.channels == 512 and op.thresholds.data.levels == 15


@pytest.mark.parametrize("zero", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("mode", sorted(ROUNDINGS))
def test_weights_at_ties_of_every_rounding(mode: str, zero: float):
    net = Net(81)
    weights = net.const(np.arange(-40, 41).reshape(81, 1) / 8)
    w = net.quant(weights, 0.5, zero, 4, rounding_mode=mode)
    net.op("MatMul", net.quant("x", 1.0, 0.0, 2), w)
    check(net.model(), np.random.default_rng(0).integers(-2, 2, (20, 81)).astype(np.float32))


def test_weights_through_operators_of_a_fake_quantiser():
    net = Net()
    scale = net.const(0.3)
    w = net.op("Round", net.op("Div", net.const(np.array(MIX) * 0.15), scale))
    w = net.op("Mul", net.op("Clip", w, net.const(-1.0), net.const(1.0)), scale)
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), w)
    check(net.model())


@pytest.mark.parametrize("kind", [T.INT8, T.INT4, T.INT2])
def test_float_weights_through_quantize_linear(kind: int):
    net = Net(opset=25)
    scale, zero = net.const([0.3, 0.4, 0.5, 0.6]), net.const([0] * 4, kind)
    code = net.op("QuantizeLinear", net.const(np.array(MIX) * 0.9), scale, zero, axis=1)
    code = net.op("Clip", code, net.const(-1, kind), net.const(1, kind))
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.op("DequantizeLinear", code, scale, zero, axis=1))
    module = check(net.model())
    assert ops(module, ternary.MatmulOp)[0].weights.data.ternary


def test_weights_with_blocks_of_scales():
    net = Net(4, opset=21)
    table = np.array([[1, 0], [-1, 1], [1, 1], [0, -1]])
    scale = [[0.5, 0.25], [1.0, 0.5]]
    w = net.op("DequantizeLinear", net.const(table, np.int8), net.const(scale), axis=0, block_size=2)
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), w)
    x = grid(4, POINTS[::2])
    codes = np.clip(np.rint(x * 4), -4, 3) * 0.25
    wanted = codes @ (table * np.repeat(scale, 2, axis=0))
    np.testing.assert_array_equal(execute(import_model(net.model()), x=x)[net.last], wanted)


def test_names_that_need_quoting():
    net = Net()
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.weights(MIX), name='a"b\\c é/ü_1')
    check(net.model())


# ---- random networks


def _random_stage(net: Net, y: str, rng: random.Random, channels: int) -> str:
    """One real function of each element, of those that fold."""

    def values() -> Any:
        numbers = [rng.choice([-1.5, -1.0, -0.25, 0.0, 0.3, 0.5, 1.0, 2.0]) for _ in range(channels)]
        return numbers if rng.random() < 0.6 else numbers[0]

    match rng.randrange(7):
        case 0:
            return net.op("Mul", *rng.sample([y, net.const(values())], 2))
        case 1:
            return net.op("Add", *rng.sample([y, net.const(values())], 2))
        case 2:
            return net.op("Sub", *rng.sample([y, net.const(values())], 2))
        case 3:
            return net.op("Relu", y)
        case 4:
            low = rng.choice([-1.0, -0.25, 0.0, 0.3])
            return net.op("Clip", y, net.const(low), net.const(low + rng.choice([0.0, 0.5, 1.25])))
        case 5:
            return net.op("Neg", y)
        case _:
            numbers = [[rng.choice([-0.7, 0.0, 0.5, 1.0]) for _ in range(channels)] for _ in range(3)]
            variance = [rng.choice([0.25, 1.0, 4.0, 0.3]) for _ in range(channels)]
            return net.batch_norm(y, *numbers, variance, epsilon=rng.choice([0.0, 1e-5]))


def _random_quantiser(net: Net, y: str, rng: random.Random, channels: int) -> str:
    scale = rng.choice([0.125, 0.25, 0.5, 0.3])
    match rng.randrange(4):
        case 0:
            return net.op("BipolarQuant", y, net.const(scale), domain=QUANT)
        case 1:
            kind, zero = rng.choice([(T.UINT4, 3), (T.INT4, -1), (T.INT8, 0), (T.UINT8, 7)])
            return net.qdq(y, scale, zero, kind, clip=rng.choice([None, (1, 4), (0, 6)]))
        case 2 if channels == 4:
            return net.qdq(y, [0.125, 0.25, 0.5, 0.25], [0, 1, 2, 3], T.UINT4, axis=1)
        case _:
            mode = rng.choice(list(ROUNDINGS))
            return net.quant(y, scale, rng.choice([0.0, 1.0, 0.5]), rng.choice([2, 3, 4]), rounding_mode=mode)


@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed: int):
    rng = random.Random(seed)
    net, y = Net(2, opset=21), "x"
    for _ in range(rng.randrange(3)):
        y = _random_stage(net, y, rng, 2)
    y = _random_quantiser(net, y, rng, 2)
    for inputs, outputs in ((2, 4), (4, 3)):
        matrix = [[rng.choice([-1, 0, 0, 1]) for _ in range(outputs)] for _ in range(inputs)]
        y = net.op("MatMul", y, net.weights(matrix, [rng.choice([0.5, 0.25, 1.0, 0.3]) for _ in range(outputs)]))
        for _ in range(rng.randrange(5)):
            y = _random_stage(net, y, rng, outputs)
        y = _random_quantiser(net, y, rng, outputs)
        if outputs == 4 and rng.random() < 0.3:
            y = net.op("Relu", y)
    check(net.model())


# ---- thresholds against brute force


def _random_piece(rng: random.Random, clamps: bool) -> Piece:
    low = Fraction(rng.randint(-9, 9), 4) if clamps and rng.random() < 0.5 else None
    high = Fraction(rng.randint(-9, 9), 4) if clamps and rng.random() < 0.5 else None
    piece = Piece(Fraction(rng.randint(-8, 8), rng.choice([1, 2, 4, 3])), Fraction(rng.randint(-20, 20), 4))
    return piece.clamped(low, high)


def _random_chain(rng: random.Random) -> Chain:
    """An earlier quantiser, its scale and a clamp, now and then two of them, or nothing."""
    chain = Chain()
    for _ in range(rng.choice([0, 0, 1, 2])):
        step = RoundStep(-rng.randint(1, 9), rng.randint(1, 9), rng.choice([*Rounding][:7]), rng.randint(-2, 2))
        chain = chain.then(_random_piece(rng, True), step, _random_piece(rng, True))
    return chain


@pytest.mark.parametrize("seed", range(40))
def test_integer_tables_equal_brute_force(seed: int):
    rng = random.Random(seed)
    channels: list[Channel] = []
    for _ in range(5):
        kind = rng.choice([*Rounding][:8])
        step = RoundStep(-3, 4, kind, rng.randint(-2, 2)) if kind is not Rounding.SIGN else RoundStep(-1, 1, kind)
        table = TableStep(tuple(sorted(Fraction(rng.randint(-30, 30), 3) for _ in range(4))))
        outer = _random_piece(rng, True) if rng.random() < 0.5 else Piece(Fraction(1, 3))
        channels.append(Channel(_random_piece(rng, True), rng.choice([step, step, table]), outer, _random_chain(rng)))
    reaches = [Reach(-rng.randint(0, 12), rng.randint(0, 12)) for _ in channels]
    span = Range(-12, 12)
    table = integer_table(channels, reaches, span)
    for row, (channel, reach) in enumerate(zip(channels, reaches, strict=True)):
        xs = np.arange(reach.low or 0, (reach.high or 0) + 1)
        got = table.thresholds.apply(np.tile(xs[:, None], (1, 5)), table.result)[:, row]
        for x, level in zip(xs, got, strict=True):
            value = Fraction(int(x))
            for stage in (*channel.before.stages, channel.inner, channel.step, channel.outer):
                value = Fraction(stage(value))  # pyright: ignore[reportCallIssue]
            assert table.levels[row].piece(int(level)) == value


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(10))
def test_float_tables_at_their_own_edges(kind: Any, seed: int):
    rng = random.Random(seed)
    channel = Channel(
        Piece(Fraction(rng.choice([-7, -1, 1, 3, 10]), rng.choice([1, 3, 1000])), Fraction(rng.randint(-20, 20), 7)),
        RoundStep(-3, 4, rng.choice([*Rounding][:7])),
    )
    table = float_table([channel], kind)
    edges = table.thresholds.array[0].astype(kind)
    points = np.concatenate([edges, np.nextafter(edges, kind(-np.inf)), np.nextafter(edges, kind(np.inf))])
    levels = table.thresholds.apply(points[:, None].astype(np.float64), table.result)[:, 0]
    for x, level in zip(points, levels, strict=True):
        assert int(level) == channel.step(channel.inner(Fraction(float(x))))


# ---- other executors


class Quant(OpRun):
    op_domain = QUANT

    def _run(self, x, scale, zero, bits, signed=1, narrow=0, rounding_mode="ROUND"):  # type: ignore[no-untyped-def]
        low = -(2 ** (bits - 1)) + narrow if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        return (((np.rint(np.clip(x / scale + zero, low, high)) - zero) * scale).astype(np.float32),)


def test_reference_evaluator_agrees_where_float_arithmetic_is_exact():
    net = qonnx_net(opset=21)
    model = net.model(elem_type=T.FLOAT)
    x = grid(3, POINTS)
    (wanted,) = ReferenceEvaluator(model, new_ops=[Quant]).run(None, {"x": x})
    np.testing.assert_allclose(execute(import_model(model), x=x)[net.last], wanted, rtol=1e-6)


def test_onnxruntime_agrees_where_float_arithmetic_is_exact():
    runtime = pytest.importorskip("onnxruntime")
    net = Net()
    y = net.op("MatMul", net.qdq("x", 0.25, 131, T.UINT8), net.weights(MIX, [0.5, 0.25, 1.0, 2.0]))
    y = net.qdq(net.op("Relu", net.op("Add", y, net.const([0.125, -0.5, 0.0, 1.0]))), 0.125, 3, T.UINT8)
    net.op("MatMul", y, net.weights(np.array(MIX).T))
    model = net.model(elem_type=T.FLOAT)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = grid(3, POINTS)
    (wanted,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(execute(import_model(model), x=x)[net.last], wanted)


def test_qgemm_and_qlinear_add_agree_with_onnxruntime():
    runtime = pytest.importorskip("onnxruntime")
    net = Net()
    microsoft = "com.microsoft"
    scale, zero = net.const(0.25), net.const(120, np.uint8)
    code = net.op("QuantizeLinear", "x", scale, zero)
    result = [net.const(0.5), net.const(128, np.uint8)]
    weights = [net.const(np.array(MIX).T * 3, np.int8), net.const(0.5), net.const(0, np.int8)]
    bias = net.const([5, -7, 0, 100], np.int32)
    code = net.op("QGemm", code, scale, zero, *weights, bias, *result, domain=microsoft, transB=1, alpha=1.0)
    amounts = [net.const([1, 200, 128, 130], np.uint8), net.const(0.25), net.const(128, np.uint8)]
    code = net.op("QLinearAdd", code, *result, *amounts, *result, domain=microsoft)
    net.op("DequantizeLinear", code, *result)
    model = net.model(elem_type=T.FLOAT)
    model.opset_import.append(helper.make_opsetid(microsoft, 1))
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = grid(3, POINTS)
    (wanted,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(execute(import_model(model), x=x)[net.last], wanted)


# ---- errors


def failing(net: Net, *parts: str, **options: Any) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(net.model(**options))
    for part in parts:
        assert part in str(caught.value)


def test_unreadable_files(tmp_path: Path):
    with pytest.raises(FileError, match="no such file"):
        import_model(tmp_path / "missing.onnx")
    data = qonnx_net().model().SerializeToString()
    for name, content in (("cut.onnx", data[: len(data) // 2]), ("text.onnx", b"not a model"), ("empty.onnx", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            import_model(tmp_path / name)


def test_missing_external_data(tmp_path: Path):
    model = qonnx_net().model()
    text = str(import_model(model))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert str(import_model(tmp_path / "m.onnx")) == text
    (tmp_path / "m.data").unlink()
    with pytest.raises(ModelError, match=r"m\.onnx"):
        import_model(str(tmp_path / "m.onnx"))


@pytest.mark.parametrize("opset", [8, 99])
def test_opset_out_of_range(opset: int):
    net = qonnx_net(opset=opset)
    failing(net, f"opset {opset} is not supported")


def test_unsupported_operators():
    net = Net(shape=["N", 1, 4, 4])
    net.op("LRN", net.quant("x", 0.25, 0.0, 3), name="norm1", size=1)
    failing(net, "LRN 'norm1'", "LRN is not supported", "docs/onnx.md")
    net = qonnx_net()
    soft = net.op("Softmax", net.last, name="soft")
    net.op("Relu", soft, name="relu")
    failing(net, "Relu 'relu'", "Softmax 'soft'", "host")


def test_float_weights():
    net = Net()
    net.op("MatMul", net.quant("x", 0.25, 0.0, 3), net.const(np.random.default_rng(1).normal(size=(3, 4))), name="fc")
    failing(net, "MatMul 'fc'", "weights are float (12 distinct values); ternary weights or a quantiser is needed")


def test_unquantised_input():
    net = Net()
    net.op("MatMul", "x", net.weights(MIX), name="fc")
    failing(net, "MatMul 'fc'", "a quantiser is needed")
    net = Net()
    net.op("Relu", "x", name="only")
    failing(net, "output 'only_out'", "quantiser")


def test_weights_from_the_input():
    net = Net()
    q = net.quant("x", 0.25, 0.0, 3)
    net.op("MatMul", q, net.op("Transpose", q, perm=[0, 1]), name="attention")
    failing(net, "MatMul 'attention'", "not constant")


@pytest.mark.parametrize("scale", [0.0, -0.5, float("nan"), float("inf")])
def test_bad_scales(scale: float):
    net = Net()
    net.op("Quant", "x", net.const(scale), net.const(0.0), net.const(3), domain=QUANT, name="q1")
    failing(net, "Quant 'q1'", "scale")
    net = Net()
    net.op("QuantizeLinear", "x", net.const(scale), net.const(0, np.int8), name="q2")
    failing(net, "QuantizeLinear 'q2'", "scale")


def test_numbers_that_are_none():
    net = Net()
    net.op("Mul", net.quant("x", 0.25, 0.0, 3), net.const(float("nan")), name="scale")
    failing(net, "Mul 'scale'", "not a number")
    net = Net()
    net.op("Div", net.quant("x", 0.25, 0.0, 3), net.const([1.0, 0.0, 2.0]), name="ratio")
    failing(net, "Div 'ratio'", "division by zero")


def test_other_things_that_cannot_be_compiled():
    net = Net()
    net.quant("x", 0.25, 0.0, 3, rounding_mode="STOCHASTIC", name="q")
    failing(net, "Quant 'q'", "STOCHASTIC")
    net = Net()
    q = net.quant("x", 0.25, 0.0, 3)
    net.op("Div", q, net.quant("x", 0.5, 0.0, 3), name="gate")
    failing(net, "Div 'gate'")
    net = Net()
    net.op("Reshape", net.quant("x", 0.25, 0.0, 3), net.const([3, -1], np.int64), name="fold")
    failing(net, "output 'fold_out'", "its first dimension is not the batch alone", "a Reshape or Transpose")
    net = Net(shape=["N", "M"])
    net.quant("x", 0.25, 0.0, 3)
    failing(net, "input 'x'")


def test_broken_graphs():
    net = Net()
    net.op("Relu", "nowhere", name="r")
    failing(net, "Relu 'r'", "nowhere")
    net = Net()
    net.nodes = [helper.make_node("Relu", ["b"], ["a"], "one"), helper.make_node("Relu", ["a"], ["b"], "two")]
    net.last = "a"
    failing(net, "cycle")
