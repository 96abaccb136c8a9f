"""Runs a module at whatever level it is: one function an operation of our dialects.

Host operations (the input quantiser, the output scale, reshapes) are the same at every level; a function may mix
levels. `apv` works on column vectors (vectors, samples), `rtm` on a memory of placed values, `ap` on the bits of
modelled arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, Float32Type, Float64Type, ModuleOp, StringAttr, TensorType
from xdsl.ir import Attribute, Operation, SSAValue

from dialects import ap, apv, rtm, ternary
from dialects.errors import InputError, PipelineError
from dialects.program import ProgramBase, features
from dialects.target import Target
from dialects.tensors import FloatArray, IntArray
from runtime.counts import Counts
from runtime.placed_machine import PlacedMachine
from runtime.simulator import Segment, Simulator

Value = NDArray[np.generic]


@dataclass
class Result:
    """Outputs by ONNX name, and the counts of each segment where a program ran on the simulator."""

    outputs: dict[str, Value]
    segments: list[tuple[str, Counts]] = field(default_factory=list[tuple[str, Counts]])
    arrays: int = 0
    samples: int = 0


def main_function(module: ModuleOp) -> func.FuncOp:
    """The function that a module runs: its only one, or the one named main; raises PipelineError if there is none."""
    functions = [op for op in module.ops if isinstance(op, func.FuncOp) and not op.is_declaration]
    named = [op for op in functions if op.sym_name.data == "main"]
    if len(functions) != 1 and len(named) != 1:
        names = ", ".join(op.sym_name.data for op in functions) or "none"
        raise PipelineError(f"expected a single function, or one named @main; found {names}")
    return named[0] if named else functions[0]


def onnx_names(attributes: ArrayAttr[DictionaryAttr] | None, count: int, default: str) -> list[str]:
    """The ONNX names of a function's arguments or results; numbered defaults where it has none."""
    names = [f"{default}{index}" for index in range(count)]
    for index, entry in enumerate(attributes or ()):
        stated = entry.data.get("onnx.name")
        if isinstance(stated, StringAttr):
            names[index] = stated.data
    return names


def input_names(function: func.FuncOp) -> list[str]:
    return onnx_names(function.arg_attrs, len(function.body.block.args), "input")


def output_names(function: func.FuncOp) -> list[str]:
    return onnx_names(function.res_attrs, len(function.function_type.outputs), "output")


def check_input(name: str, value: Value, kind: Attribute) -> Value:
    """The value in the type that the function takes; raises InputError where shape, type or range don't fit."""
    assert isinstance(kind, TensorType)
    shape: tuple[int, ...] = kind.get_shape()
    shown = "x".join("N" if size < 0 else str(size) for size in shape)
    if value.ndim != len(shape) or any(s >= 0 and s != v for s, v in zip(shape, value.shape, strict=True)):
        raise InputError(f"shape {value.shape} given", place=f"input '{name}'", hint=f"expected {shown}")
    if len(value) == 0:
        raise InputError("no samples given", place=f"input '{name}'", hint=f"expected {shown} with N at least 1")
    element: Attribute = kind.get_element_type()
    if isinstance(element, ternary.IntType):
        if value.dtype.kind not in "iub":
            raise InputError(f"type {value.dtype} given", place=f"input '{name}'", hint="expected integers")
        span = element.range
        if int(value.min()) < span.lo or int(value.max()) > span.hi:
            raise InputError(
                f"values from {value.min()} to {value.max()} given", place=f"input '{name}'", hint=f"expected {span}"
            )
        return value.astype(np.int64)
    if value.dtype.kind not in "fiub":
        raise InputError(f"type {value.dtype} given", place=f"input '{name}'", hint="expected real numbers")
    wide = value.astype(np.float64)
    narrow = wide.astype(np.float32) if isinstance(element, Float32Type) else wide
    if np.isnan(wide).any():
        raise InputError("not-a-number given", place=f"input '{name}'", hint="expected finite numbers")
    if not np.array_equal(narrow.astype(np.float64), wide) and value.dtype.kind != "f":
        raise InputError(f"numbers beyond {element}", place=f"input '{name}'")
    return narrow


class Interpreter:
    """Runs one function on one set of inputs."""

    def __init__(self, target: Target | None = None):
        self.target = target or Target("default")
        self.values: dict[SSAValue, Value] = {}
        self.result = Result({})

    def run(self, module: ModuleOp, inputs: Mapping[str, Value]) -> Result:
        """The function's outputs by ONNX name; raises InputError where the inputs don't fit."""
        function = main_function(module)
        names = input_names(function)
        if missing := [name for name in names if name not in inputs]:
            raise InputError(
                f"input '{missing[0]}' is missing", hint=f"the network's inputs are {', '.join(map(repr, names))}"
            )
        if unknown := [name for name in inputs if name not in names]:
            raise InputError(
                f"there is no input '{unknown[0]}'", hint=f"the network's inputs are {', '.join(map(repr, names))}"
            )
        for name, argument in zip(names, function.body.block.args, strict=True):
            self.values[argument] = check_input(name, np.asarray(inputs[name]), argument.type)
        counts = {len(self.values[argument]) for argument in function.body.block.args}
        if len(counts) > 1:
            raise InputError(f"the inputs have different numbers of samples: {sorted(counts)}")
        for op in function.body.block.ops:
            if isinstance(op, func.ReturnOp):
                outputs = [self.values[value] for value in op.arguments]
                self.result.outputs = dict(zip(output_names(function), outputs, strict=True))
            else:
                self._apply(op)
        return self.result

    def _apply(self, op: Operation) -> None:
        match op:
            case ternary.QuantizeOp():
                table, span = op.thresholds.data, ternary.range_of(op.result)
                self.values[op.result] = table.apply(self.values[op.input].astype(np.float64), span)
            case ternary.DequantizeOp():
                self.values[op.result] = self._dequantize(op)
            case ternary.ReshapeOp():
                shape = ternary.shape_of(op.result)[1:]
                self.values[op.result] = self.values[op.input].reshape(-1, *shape)
            case ternary.MatmulOp():
                weights = op.weights.data.array
                # int64 products run without BLAS; sums below 2^53 are exact in double precision.
                product = self.values[op.input].astype(np.float64) @ weights.T.astype(np.float64)
                self.values[op.result] = product.astype(np.int64)
            case ternary.ThresholdOp():
                span = ternary.range_of(op.result)
                self.values[op.result] = op.thresholds.data.apply(self._ints(op.input), span)
            case apv.LoadOp():
                self.values[op.result] = self._ints(op.input).T
            case apv.StoreOp():
                self.values[op.result] = self._ints(op.input).T
            case apv.LinearOp():
                self.values[op.result] = op.graph.data.propagate(self._ints(op.input))
            case apv.ThresholdOp():
                span = apv.columns_of(op.result).range
                self.values[op.result] = op.thresholds.data.apply(self._ints(op.input).T, span).T
            case rtm.ProgramOp() | ap.ProgramOp():
                self._program(op)
            case _:
                raise PipelineError(f"there is no way to run '{op.name}'", hint="lower it to ternary, apv, rtm or ap")

    def _ints(self, value: SSAValue) -> IntArray:
        return self.values[value].astype(np.int64, copy=False)

    def _dequantize(self, op: ternary.DequantizeOp) -> Value:
        scale: FloatArray = np.array(op.scale.get_values(), dtype=np.float64)
        offset: FloatArray = np.array(op.offset.get_values(), dtype=np.float64)
        return dequantize(self._ints(op.input), scale, offset, element_dtype(op.result))

    def _program(self, op: ProgramBase) -> None:
        vectors = np.concatenate([self._ints(value) for value in op.inputs], axis=1).T
        outputs = np.zeros((sum(map(features, op.outputs)), vectors.shape[1]), dtype=np.int64)
        geometry = op.geometry.geometry
        if isinstance(op, rtm.ProgramOp):
            machine = PlacedMachine(geometry, vectors.shape[1])
            for segment in op.segments:
                machine.run(segment.packed.instructions, vectors, outputs)
        else:
            target = replace(
                self.target, rows=geometry.rows, columns=geometry.columns, domains=geometry.domains
            )
            simulator = Simulator(target, vectors.shape[1])
            for segment in op.segments:
                piece = Segment(segment.layer.data, segment.packed.instructions)
                self.result.segments.append((piece.layer, simulator.run(piece, vectors, outputs)))
            self.result.arrays, self.result.samples = simulator.arrays, simulator.samples
        first = 0
        for value in op.outputs:
            self.values[value] = outputs[first : first + features(value)].T
            first += features(value)


def element_dtype(value: SSAValue) -> type[np.floating]:
    """The numpy type of a float tensor."""
    assert isinstance(value.type, TensorType)
    element: Attribute = value.type.get_element_type()
    return np.float64 if isinstance(element, Float64Type) else np.float32


def dequantize(values: IntArray, scale: FloatArray, offset: FloatArray, dtype: type[np.floating]) -> Value:
    """values * scale + offset along axis 1, in double precision, then rounded to `dtype`."""
    shape = (1, -1, *[1] * (values.ndim - 2)) if values.ndim > 1 else (-1,)
    return (values * scale.reshape(shape) + offset.reshape(shape)).astype(dtype)
