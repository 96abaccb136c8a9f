"""Runs a module at whatever level it is: one function an operation of our dialects.

Host operations (the input quantiser, the output scale, reshapes) are the same at every level (runtime/host_ops.py); a
function may mix levels. `apv` works on column vectors (vectors, samples), `rtm` on a memory of placed values, `ap` on
the bits of modelled arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import cast

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType
from xdsl.ir import Operation, SSAValue

from dialects import ap, apv, rtm, ternary
from dialects.apv import spatial as apv_spatial
from dialects.machine.target import Target
from dialects.rtm.program import ProgramBase, features
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import progress
from dialects.support.tensors import IntArray
from dialects.support.window import Ints, Windows, scatter
from dialects.ternary import spatial as ternary_spatial
from runtime.host import InputSpec, Result, Value, check_inputs, run_programs
from runtime.host_actions import Action, array, narrow
from runtime.host_ops import action_of, execution_of, float_type
from runtime.placed_machine import PlacedMachine

_ROWS_A_PART = 1 << 16


def main_function(module: ModuleOp) -> func.FuncOp:
    """The function that a module runs: its only one, or the one named main; raises PipelineError if there is none."""
    functions = [op for op in module.ops if isinstance(op, func.FuncOp) and not op.is_declaration]
    named = [op for op in functions if op.sym_name.data == "main"]
    if len(functions) != 1 and len(named) != 1:
        names = ", ".join(op.sym_name.data for op in functions) or "none"
        raise PipelineError(f"expected a single function, or one named @main; found {names}")
    return named[0] if named else functions[0]


def _onnx_names(attributes: ArrayAttr[DictionaryAttr] | None, count: int, default: str) -> list[str]:
    """The ONNX names of a function's arguments or results; numbered defaults where it has none."""
    names = [f"{default}{index}" for index in range(count)]
    for index, entry in enumerate(attributes or ()):
        stated = entry.data.get("onnx.name")
        if isinstance(stated, StringAttr):
            names[index] = stated.data
    return names


def input_specs(function: func.FuncOp) -> list[InputSpec]:
    """Names, shapes and types of a function's inputs."""
    arguments = function.body.block.args
    names = _onnx_names(function.arg_attrs, len(arguments), "input")
    specs: list[InputSpec] = []
    for name, argument in zip(names, arguments, strict=True):
        if ternary.rows_of(argument) > 1:
            raise PipelineError(f"input '{name}' has several rows per sample", hint="an input has one row per sample")
        shape = tuple(max(size, -1) for size in ternary.shape_of(argument))
        element = ternary.element_of(argument)
        if isinstance(element, ternary.IntType):
            specs.append(InputSpec(name, shape, "int64", element.range))
        else:
            specs.append(InputSpec(name, shape, float_type(argument)))
    return specs


def output_names(function: func.FuncOp) -> list[str]:
    """ONNX names of a function's results."""
    return _onnx_names(function.res_attrs, len(function.function_type.outputs), "output")


class Interpreter:
    """Runs one function on one set of inputs."""

    def __init__(self, target: Target | None = None, engine: str = "native", *, trace: bool = True, keep: bool = False):
        self.target = target or Target("default")
        self.engine = engine
        self.trace = trace
        """count what depends on the data, see `run_program`"""
        self.keep = keep
        """keep the tensors between layers, for `tensors`"""
        self.values: dict[SSAValue, Value] = {}
        self._windows: dict[SSAValue, Windows] = {}
        """what `ap.program` gathers by itself, instead of in `values`"""
        self.result = Result()

    def run(self, module: ModuleOp, inputs: Mapping[str, Value]) -> Result:
        """The function's outputs by ONNX name; raises InputError where the inputs don't fit."""
        function = main_function(module)
        given = check_inputs(input_specs(function), inputs)
        self.values.update(zip(function.body.block.args, given.values(), strict=True))
        self.result.samples = len(next(iter(given.values())))
        waiting = Counter(operand for op in function.body.block.ops for operand in op.operands)
        for index, op in enumerate(function.body.block.ops):
            progress(index, len(function.body.block.ops), _layer_name(op))
            if isinstance(op, func.ReturnOp):
                outputs = [_widest(self.values[value]) for value in op.arguments]
                self.result.outputs = dict(zip(output_names(function), outputs, strict=True))
                break
            self._apply(op)
            for result in op.results:
                if result in self.values and self.values[result].dtype.kind == "i":
                    self.values[result] = narrow(self._raw(result))
            self._forget(op, waiting)
        return self.result

    def _forget(self, op: Operation, waiting: Counter[SSAValue]) -> None:
        """Drop operands that nothing waits for; windows are large and easily gathered again."""
        waiting.subtract(op.operands)
        for value in set(op.operands):
            if waiting[value] == 0 and (not self.keep or isinstance(value.owner, apv_spatial.GatherOp)):
                self.values.pop(value, None)
                self._windows.pop(value, None)

    def tensors(self) -> dict[tuple[str, tuple[int, ...]], Value]:
        """All integer tensors of the run that have a name, by name and shape; of several, the last one."""
        return {
            (value.name_hint, array.shape): array
            for value, array in self.values.items()
            if value.name_hint and isinstance(value.type, TensorType) and array.dtype.kind == "i"
        }

    def _apply(self, op: Operation) -> None:
        if action := action_of(op):
            self._act(op, action)
            return
        match op:
            case ternary.MatmulOp():
                self.values[op.result] = _product(self._ints(op.input), op.weights.data.array)
            case ternary_spatial.ConvOp():
                self.values[op.result] = self._convolve(op)
            case ternary_spatial.MaxPoolOp() | ternary_spatial.SumPoolOp():
                self.values[op.result] = self._pool(op)
            case ternary_spatial.CombineOp():
                self.values[op.result] = self._combine(op)
            case ternary.ThresholdOp():
                span = ternary.range_of(op.result)
                self.values[op.result] = op.thresholds.data.apply(self._ints(op.input), span)
            case apv.LoadOp():
                self.values[op.result] = self.values[op.input].T
            case apv.StoreOp():
                self.values[op.result] = self.values[op.input].T
            case apv.LinearOp():
                columns = np.concatenate([self._ints(value) for value in op.inputs])
                self.values[op.result] = op.graph.data.propagate(columns)
            case apv_spatial.MaxOp():
                columns = self._ints(op.input)
                self.values[op.result] = columns.reshape(-1, op.run, columns.shape[1]).max(axis=1)
            case apv_spatial.ConcatOp():
                self.values[op.result] = np.concatenate([self._ints(value) for value in op.inputs])
            case apv.ThresholdOp():
                span = apv.columns_of(op.result).range
                self.values[op.result] = op.thresholds.data.apply(self._ints(op.input).T, span).T
            case rtm.ProgramOp() | ap.ProgramOp():
                self._program(op)
            case _:
                raise PipelineError(f"there is no way to run '{op.name}'", hint="lower it to ternary, apv, rtm or ap")

    def _act(self, op: Operation, action: Action) -> None:
        value = action.compute(*(self.values[operand] for operand in op.operands))
        [result] = op.results
        # Programs gather by themselves.
        if isinstance(value, Windows) and all(isinstance(use.operation, ap.ProgramOp) for use in result.uses):
            self._windows[result] = value
        else:
            self.values[result] = array(value)
        self.result.on_host(action.on_host)

    def _raw(self, value: SSAValue) -> Ints:
        """Integers in the width that they are kept in."""
        return cast(Ints, self.values[value])

    def _ints(self, value: SSAValue) -> IntArray:
        return self.values[value].astype(np.int64, copy=False)

    def _convolve(self, op: ternary_spatial.ConvOp) -> IntArray:
        images, weights, groups = self._raw(op.input), op.weights.data.array, op.group_count
        parts: list[IntArray] = []
        for inputs, lines in zip(np.split(images, groups, axis=1), np.split(weights, groups), strict=True):
            parts.append(_product(op.window.data.gather(inputs, op.pad_value), lines))
        return scatter(np.concatenate(parts, axis=1), *ternary.shape_of(op.result)[2:])

    def _pool(self, op: ternary_spatial.MaxPoolOp | ternary_spatial.SumPoolOp) -> IntArray:
        images, window = self._ints(op.input), op.window.data
        largest = isinstance(op, ternary_spatial.MaxPoolOp)
        rows = window.gather(images, ternary.range_of(op.input).lo if largest else op.pad_value)
        elements = rows.reshape(len(rows), images.shape[1], window.size)
        pooled: IntArray = elements.max(axis=2) if largest else elements.sum(axis=2)
        return scatter(pooled, *ternary.shape_of(op.result)[2:])

    def _combine(self, op: ternary_spatial.CombineOp) -> IntArray:
        values = [self._ints(value) for value in op.inputs]
        lines = op.multipliers.data.array
        shape = (-1, *[1] * (values[0].ndim - 2))
        total = np.zeros_like(values[0])
        for index, value in enumerate(values):
            total += value * lines[:, index].reshape(shape)
        return total

    def _program(self, op: ProgramBase) -> None:
        geometry = op.geometry.geometry
        if isinstance(op, ap.ProgramOp):
            program = execution_of(op)
            ready = program.program(self._windows.get(value) or self.values[value] for value in op.inputs)
            target = replace(self.target, **asdict(geometry))
            [(rows, runs)] = run_programs(target, [ready], self.engine, self.trace)
            self.values.update(zip(op.outputs, program.outputs(rows), strict=True))
            self.result.segments += runs
            return
        vectors = np.concatenate([self._raw(value) for value in op.inputs], axis=1).T.astype(np.int64)
        counts = [features(value) for value in op.outputs]
        outputs = np.zeros((sum(counts), vectors.shape[1]), dtype=np.int64)
        machine = PlacedMachine(geometry, vectors.shape[1])
        for segment in op.segments:
            machine.run(segment.packed.instructions, vectors, outputs)
        self.values.update(zip(op.outputs, np.split(outputs.T, np.cumsum(counts)[:-1], axis=1), strict=True))


def _layer_name(op: Operation) -> str:
    """What an operation is known by: its largest segment, or else its result."""
    if isinstance(op, ProgramBase) and op.segments:
        return max(op.segments, key=lambda segment: len(segment.packed.binary)).layer.data
    return op.results[0].name_hint or op.name if op.results else ""


def _widest(value: Value) -> Value:
    return value.astype(np.int64) if value.dtype.kind == "i" else value


def _product(rows: Ints, weights: IntArray) -> IntArray:
    """rows @ weights.T; int64 products run without BLAS, and sums below 2^53 are exact in double precision."""
    largest = max(-int(rows.min(initial=0)), int(rows.max(initial=0)))
    if float(np.abs(weights).sum(axis=1, dtype=np.float64).max()) * largest > 1 << 52:
        return rows.astype(np.int64) @ weights.T
    factor = weights.T.astype(np.float64)
    result = np.empty((len(rows), len(weights)), dtype=np.int64)
    for begin in range(0, len(rows), _ROWS_A_PART):
        part = slice(begin, begin + _ROWS_A_PART)
        result[part] = rows[part].astype(np.float64) @ factor
    return result
