"""A module at whatever level it is as a network that is ready to run.

Host operations are the same at every level and become the actions of runtime/host_actions.py; `ap.program` gives its
machine code; operations of the levels between are evaluated as they stand (runtime/upper_levels.py). A function may mix
levels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import cast

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DictionaryAttr,
    Float16Type,
    Float64Type,
    IntegerType,
    ModuleOp,
    Signedness,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Operation, SSAValue

from dialects import ap, apv, ternary
from dialects.apv import spatial as apv_spatial
from dialects.machine.counted import AnyProgram
from dialects.machine.target import Target
from dialects.support.errors import PipelineError
from runtime.executor import Executor
from runtime.host_actions import (
    Action,
    Activation,
    ArgMax,
    Concat,
    Dequantize,
    DequantizeSum,
    Gather,
    Quantize,
    Reshape,
    Scatter,
    Take,
    Transpose,
)
from runtime.network import Call, InputSpec, Network, OutputSpec
from runtime.result import Result
from runtime.sample_memory import sample_bytes
from runtime.upper_levels import Evaluate
from runtime.values import Value


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
    types, declared = (
        _facts(function.arg_attrs, len(arguments), "onnx.type"),
        _facts(function.arg_attrs, len(arguments), "onnx.values"),
    )
    single = not all(spec.batched for spec in output_specs(function))
    specs: list[InputSpec] = []
    for name, argument, kind, values in zip(names, arguments, types, declared, strict=True):
        if ternary.rows_of(argument) > 1:
            raise PipelineError(f"input '{name}' has several rows per sample", hint="an input has one row per sample")
        shape = tuple(max(size, -1) for size in ternary.shape_of(argument))
        shape = (1, *shape[1:]) if single else shape
        element = ternary.element_of(argument)
        if isinstance(values, StringAttr):
            dtype = _numpy_type(kind)
            spec = InputSpec(name, shape, dtype if np.dtype(dtype).kind == "f" else "int64", None, values.data)
            _check_declared(spec, element)
            specs.append(spec)
        elif isinstance(element, ternary.IntType):
            specs.append(InputSpec(name, shape, "int64", element.range))
        else:
            specs.append(InputSpec(name, shape, float_type(argument)))
    return specs


def _facts(attributes: ArrayAttr[DictionaryAttr] | None, count: int, name: str) -> list[Attribute | None]:
    """One attribute of a function's arguments or results; None where it isn't stated."""
    return [entry.data.get(name) for entry in attributes] if attributes else [None] * count


def _numpy_type(stated: Attribute | None) -> str:
    """The numpy type for the elements of a stated ONNX type; empty where none is stated.

    Integers of few bits come in 8, and bfloat16 as float32, as numpy has none.
    """
    match cast(TensorType[Attribute], stated).element_type if isinstance(stated, TensorType) else None:
        case IntegerType() as element if element.width.data == 1:
            return "bool"
        case IntegerType() as element:
            width = max(8, element.width.data)
            return f"{'u' if element.signedness.data is Signedness.UNSIGNED else ''}int{width}"
        case Float16Type():
            return "float16"
        case Float64Type():
            return "float64"
        case None:
            return ""
        case _:
            return "float32"


def _check_declared(spec: InputSpec, element: Attribute) -> None:
    lattice = spec.lattice
    if not isinstance(element, ternary.IntType) or lattice is None or element.range != lattice.span:
        raise PipelineError(
            f"input '{spec.name}' is declared as {spec.declared}, and its type is {element}",
            hint=f"!ternary.int<{lattice.span.lo}, {lattice.span.hi}>" if lattice else None,
        )


def output_specs(function: func.FuncOp) -> list[OutputSpec]:
    """ONNX names and declared types of a function's results; the values have no names yet."""
    count = len(function.function_type.outputs)
    names = _onnx_names(function.res_attrs, count, "output")
    types = _facts(function.res_attrs, count, "onnx.type")
    return [
        OutputSpec(
            name, "", _numpy_type(kind), not isinstance(kind, TensorType) or kind.get_shape()[:1] == (DYNAMIC_INDEX,)
        )
        for name, kind in zip(names, types, strict=True)
    ]


def float_type(value: SSAValue) -> str:
    """The numpy type of a float tensor."""
    match ternary.element_of(value):
        case Float16Type():
            return "float16"
        case Float64Type():
            return "float64"
        case _:
            return "float32"


def action_of(op: Operation) -> Action | AnyProgram:
    """What an operation does when its turn comes."""
    match op:
        case ap.ProgramOp() | ap.CountedOp():
            return op.program
        case ternary.QuantizeOp():
            return Quantize(op.thresholds.data, ternary.range_of(op.result))
        case ternary.ReshapeOp():
            return Reshape(ternary.shape_of(op.result)[1:])
        case ternary.TransposeOp():
            return Transpose(op.order)
        case ternary.TakeOp():
            return Take(op.axis, op.indices)
        case ternary.ConcatOp():
            return Concat()
        case apv_spatial.GatherOp():
            return Gather(op.window.data, op.pad)
        case apv_spatial.ScatterOp():
            down, across = ternary.shape_of(op.result)[2:]
            return Scatter((down, across))
        case ternary.DequantizeOp():
            return Dequantize(tuple(op.scale.tolist()), tuple(op.offset.tolist()), float_type(op.result))
        case ternary.DequantizeSumOp():
            return DequantizeSum(op.lines.data, float_type(op.result))
        case ternary.ArgMaxOp():
            scores = op.scores.data if op.scores else None
            return ArgMax(op.count, op.last is not None, scores, op.layer.data if op.layer else "")
        case ternary.ActivationOp():
            return Activation(op.function.data, float_type(op.result), op.layer.data if op.layer else "")
        case _:
            return Evaluate(op)


def value_names(function: func.FuncOp) -> dict[SSAValue, str]:
    """The name of every value of a function in the network, each another one.

    Inputs have their ONNX names. Others keep their names in the module; the second of a name is followed by `#2`, and
    one that has none in the module is `#` and its number.
    """
    specs, block = input_specs(function), function.body.block
    names: dict[SSAValue, str] = {argument: spec.name for spec, argument in zip(specs, block.args, strict=True)}
    taken = set(names.values())
    times: Counter[str] = Counter()
    for value in (result for op in block.ops for result in op.results):
        stem = value.name_hint or ""
        name = stem
        while name in taken or not name:
            times[stem] += 1
            name = f"{stem}#{times[stem] + bool(stem)}"
        names[value] = name
        taken.add(name)
    return names


def network_of(module: ModuleOp, target: Target) -> Network:
    """The network of a module; its arrays are those that its programs are placed for, all else is the target's."""
    function = main_function(module)
    names = value_names(function)
    calls: list[Call] = []
    outputs: tuple[OutputSpec, ...] = ()
    for op in function.body.block.ops:
        if isinstance(op, func.ReturnOp):
            pairs = zip(output_specs(function), op.arguments, strict=True)
            outputs = tuple(replace(spec, value=names[value]) for spec, value in pairs)
            break
        inputs = op.inputs if isinstance(op, apv.StageOp) else op.operands
        taken, given = (tuple(names[value] for value in values) for values in (inputs, op.results))
        calls.append(Call(taken, given, action_of(op)))
    specs, placed_for = tuple(input_specs(function)), _placed_for(function, target)
    return Network(
        placed_for,
        specs,
        tuple(calls),
        outputs,
        sample_bytes(function),
        ternary.macs_of(module),
        ternary.nodes_of(module),
    )


def _placed_for(function: func.FuncOp, target: Target) -> Target:
    programs = (op for op in function.body.block.ops if isinstance(op, ap.ProgramOp | ap.CountedOp))
    geometries = {op.geometry.geometry: op for op in programs}
    if len(geometries) > 1:
        several = " and of ".join(map(str, geometries))
        raise PipelineError(
            f"its programs are placed for arrays of {several}", hint="lower all layers for the same target"
        )
    return replace(target, **asdict(next(iter(geometries)))) if geometries else target


class Interpreter:
    """Runs modules at any level, all samples at once."""

    def __init__(self, target: Target | None = None, engine: str = "native", *, trace: bool = True):
        self.target = target or Target("default")
        self.engine = engine
        self.trace = trace

    def run(self, module: ModuleOp, inputs: Mapping[str, Value]) -> Result:
        """The function's outputs by ONNX name; raises InputError where the inputs don't fit."""
        return Executor(network_of(module, self.target), self.engine, trace=self.trace).run_part(inputs)
