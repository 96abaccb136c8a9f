"""Inputs and outputs of a network: their declared types, shapes and numbers, and what the function says of them.

An output has the type and the shape that the model declares. An input holds the numbers that the user or the model
declares of it (dialects/support/lattice.py), or any number of its type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    BFloat16Type,
    DictionaryAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FunctionType,
    IntegerType,
    Signedness,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Block, Region, SSAValue

from cam_compiler.importer.arithmetic.exact import IDENTITY, ONE, ZERO, filled
from cam_compiler.importer.arithmetic.float_operations import FloatOperation, cast_operation
from cam_compiler.importer.arithmetic.integers import extent
from cam_compiler.importer.arithmetic.quantizers import Quantiser
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.arithmetic.thresholds import MAX_LEVELS
from cam_compiler.importer.builder import INPUT_OPTIONS, Builder
from cam_compiler.importer.constants import FLOATS, WIDE_RANGES, Constant, integer_range
from cam_compiler.importer.context import Context
from cam_compiler.importer.emitter import hint_of
from cam_compiler.importer.model import Model, Node, Port, UnquantisedError
from cam_compiler.importer.nodes.host import finished
from cam_compiler.importer.validity import type_name
from cam_compiler.importer.values import Activation, Origin, Value, identity_pieces, with_quantiser
from dialects import ternary
from dialects.support.errors import InputError, ModelError
from dialects.support.lattice import Lattice
from dialects.support.ranges import Range

_FLOAT_INPUTS: dict[int, tuple[type[np.floating[Any]], type[Float16Type | Float32Type | Float64Type]]] = {
    TensorProto.FLOAT: (np.float32, Float32Type),
    TensorProto.DOUBLE: (np.float64, Float64Type),
    TensorProto.FLOAT16: (np.float16, Float16Type),
}
MAX_VALUES = 1 << 26
"""Values of a sample."""
_INPUT_HINT = "float16, float32, float64, or integers of at most 32 bits, with all dimensions but the first known"
_EXACT_DOUBLES = 1 << 53


@dataclass(frozen=True)
class Declared:
    """Which numbers an input holds, or to which it is rounded."""

    lattice: Lattice
    rounds: bool


def declarations(
    model: Model, input_types: Mapping[str, str], quantise_inputs: Mapping[str, str]
) -> dict[str, Declared]:
    """What is said of the inputs: by the user, or else by the model's annotations. An empty name is the only input."""
    found: dict[str, Declared] = {}
    names = [port.name for port in model.inputs]
    for port in model.inputs:
        if port.name in model.annotations:
            found[port.name] = Declared(Lattice.parse(model.annotations[port.name], _dtype(port)), rounds=False)
    for stated, rounds in ((input_types, False), (quantise_inputs, True)):
        for name, text in stated.items():
            own = names[0] if not name and len(names) == 1 else name
            if own not in names:
                what = f"there is no input '{own}'" if own else "the network has several inputs"
                raise InputError(what, place=text, hint=f"NAME=TYPE with a name of {', '.join(names)}")
            port = next(port for port in model.inputs if port.name == own)
            if rounds and own in input_types:
                raise InputError("it is declared and rounded", place=f"input '{own}'", hint="one of the two")
            found[own] = Declared(Lattice.parse(text, _dtype(port)), rounds)
    return found


def _dtype(port: Port) -> str:
    return np.dtype(_FLOAT_INPUTS[port.elem_type][0]).name if port.elem_type in _FLOAT_INPUTS else "int64"


def argument_of(builder: Builder, port: Port, declared: Declared | None) -> Activation:
    """A graph input as an argument of the function."""
    place = f"input '{port.name}'"
    if not port.shape or None in port.shape[1:]:
        raise ModelError(f"its shape is {port.shape or 'not stated'}", place=place, hint=_INPUT_HINT)
    sample = tuple(size for size in port.shape[1:] if size is not None)
    if prod(sample) > MAX_VALUES:
        raise ModelError(
            f"its samples have {prod(sample)} values", place=place, hint=f"at most {MAX_VALUES} are possible"
        )
    span = integer_range(port.elem_type)
    if span is None and port.elem_type not in _FLOAT_INPUTS:
        name = type_name(port.elem_type)
        raise ModelError(f"its type is {name}", place=place, hint=_INPUT_HINT)
    lattice = declared.lattice if declared and not declared.rounds else None
    if lattice:
        span = lattice.span
    element: Attribute = ternary.IntType.of(span) if span else _FLOAT_INPUTS[port.elem_type][1]()
    argument = builder.block.insert_arg(TensorType(element, (DYNAMIC_INDEX, *sample)), len(builder.block.args))
    argument.name_hint = hint_of(port.name)
    ends = (None, None) if span is None else (np.full((1,) * len(sample), end, dtype=np.int64) for end in _ends(span))
    lows, highs = ends
    value = Activation(
        argument,
        sample,
        identity_pieces(len(sample)),
        Origin(port.name, port.name),
        port.elem_type,
        lows=lows,
        highs=highs,
        kind=None if span else _FLOAT_INPUTS[port.elem_type][0],
        executed=(),
    )
    if lattice:
        return _on(value, lattice, _dtype(port))
    return _rounded(builder, port, value, declared.lattice) if declared else value


def _ends(span: Range) -> tuple[int, int]:
    return span.lo, span.hi


def _on(value: Activation, lattice: Lattice, dtype: str) -> Activation:
    """Integers of a lattice as its numbers, which executors hold in the input's own type."""
    operations = (
        () if lattice.plain else (FloatOperation(name, (np.array(number),)) for name, number in lattice.arithmetic)
    )
    chain = (cast_operation(np.float64), *operations, cast_operation(dtype))
    return replace(value.affine(lattice.scale, lattice.offset), executed=chain)


def _rounded(builder: Builder, port: Port, value: Activation, lattice: Lattice) -> Activation:
    """The input rounded half to even to the numbers of a lattice, beyond which it saturates; exactly."""
    place, most = f"input '{port.name}'", f"at most {MAX_LEVELS} are possible; --input-type declares more"
    if lattice.span.hi - lattice.span.lo >= MAX_LEVELS:
        raise InputError(f"{lattice.text} has {lattice.span.hi - lattice.span.lo + 1} numbers", place=place, hint=most)
    one, scale, shift = (filled((), part) for part in (ONE, lattice.scale, -lattice.offset / lattice.scale))
    step = filled((), RoundStep(lattice.span.lo, lattice.span.hi, Rounding.HALF_EVEN))
    node = Node("input", "", port.name, (), (), {}, NodeProto())
    quantiser = Quantiser(scale, shift, step, one, filled((), ZERO), value.elem_type)
    # What the user asks for is not an executor's arithmetic.
    rounded = with_quantiser(node, replace(value, executed=None), quantiser)
    return _on(builder.materialise(rounded, node), lattice, _dtype(port))


# ---- outputs


def result_of(context: Context, port: Port, producer: Node | None) -> SSAValue:
    """The value of an output; raises ModelError where it isn't what the model declares."""
    node = producer or Node("output", "", port.name, (), (), {}, NodeProto())
    value = context.values.get(port.name) or context.value(port.name, node)
    place = f"output '{port.name}'"
    if isinstance(value, Constant):
        raise ModelError("it is constant", place=place, hint="results that depend on the input")
    if not value.regular:
        hint = "a Reshape or Transpose that puts the batch first"
        raise ModelError("its first dimension is not the batch alone", place=place, hint=hint)
    value = finished(context.builder, value, node)
    _check_shape(value, port)
    if value.host and value.kind is not None and value.steps is None:
        return value.base
    if value.kind is not None and value.steps is None:
        raise UnquantisedError(
            "it is computed from the float input without a quantiser",
            place=place,
            hint=f"a quantiser, or {INPUT_OPTIONS}",
        )
    declared = port.elem_type or value.elem_type
    if declared in FLOATS:
        element = Float64Type() if declared in (TensorProto.DOUBLE, TensorProto.FLOAT16) else Float32Type()
        return context.builder.dequantize(value, element, port.name, node)
    ready = context.builder.materialise(value, node)
    _check_integers(ready, declared, place)
    if all(piece == IDENTITY for piece in ready.outer.flat):
        return ready.base
    return context.builder.dequantize(ready, Float64Type(), port.name, node)


def _check_shape(value: Activation, port: Port) -> None:
    """Raises ModelError where the shape that the model declares is another one than that of the value."""
    found = value.shape if value.unbatched else (None, *value.shape)
    if port.shape is None:
        return
    fits = len(found) == len(port.shape) and all(
        stated in (None, size) or size is None for stated, size in zip(port.shape, found, strict=True)
    )
    if not fits:
        stated, actual = (
            "(" + ", ".join("batch" if size is None else str(size) for size in shape) + ")"
            for shape in (port.shape, found)
        )
        raise ModelError(
            f"the model declares the shape {stated}, and the graph gives {actual}",
            place=f"output '{port.name}'",
            hint="declare the shape that the graph gives, or none",
        )


def _check_integers(value: Activation, declared: int, place: str) -> None:
    """Raises ModelError where numbers may lie outside the integer type that the model declares."""
    name = type_name(declared)
    span = WIDE_RANGES.get(declared) or integer_range(declared)
    low, high = extent(value)
    if span is None or not (value.whole or value.integral):
        raise ModelError(f"the model declares {name}, and the graph gives real numbers", place=place, hint="FLOAT")
    if declared != value.elem_type and not span.covers(Range(int(low), int(high))):
        raise ModelError(
            f"the model declares {name}, and the graph gives integers from {int(low)} to {int(high)}",
            place=place,
            hint="declare the type that the graph gives",
        )
    if max(abs(low), abs(high)) >= _EXACT_DOUBLES and any(piece != IDENTITY for piece in value.outer.flat):
        raise ModelError(f"its integers go up to {int(max(abs(low), abs(high)))}", place=place, hint="below 2^53")


# ---- the function


_ELEMENTS: dict[int, Attribute] = {
    TensorProto.FLOAT: Float32Type(),
    TensorProto.DOUBLE: Float64Type(),
    TensorProto.FLOAT16: Float16Type(),
    TensorProto.BFLOAT16: BFloat16Type(),
    TensorProto.BOOL: IntegerType(1),
    TensorProto.INT64: IntegerType(64),
    TensorProto.UINT64: IntegerType(64, Signedness.UNSIGNED),
}


def _element(elem_type: int) -> Attribute:
    """An ONNX type as an element type: `i8`, `ui8`, `f16`."""
    if elem_type in _ELEMENTS:
        return _ELEMENTS[elem_type]
    span = integer_range(elem_type)
    assert span is not None
    return IntegerType(span.width) if span.signed else IntegerType(span.width, Signedness.UNSIGNED)


def function_of(
    model: Model,
    declared: Mapping[str, Declared],
    block: Block,
    results: Sequence[SSAValue],
    values: Mapping[str, Value],
) -> func.FuncOp:
    """@main, with the ONNX names of its inputs and outputs, and the declared types that its own don't say."""
    kind = FunctionType.from_lists([argument.type for argument in block.args], [result.type for result in results])
    arguments = [_input_facts(port, declared.get(port.name)) for port in model.inputs]
    outputs = [
        _output_facts(port, values[port.name], result) for port, result in zip(model.outputs, results, strict=True)
    ]
    return func.FuncOp("main", kind, Region(block), arg_attrs=ArrayAttr(arguments), res_attrs=ArrayAttr(outputs))


def _input_facts(port: Port, declared: Declared | None) -> DictionaryAttr:
    facts: dict[str, Attribute] = {"onnx.name": StringAttr(port.name)}
    if declared and not declared.rounds:
        assert port.shape is not None
        sizes = (DYNAMIC_INDEX, *(size or DYNAMIC_INDEX for size in port.shape[1:]))
        facts["onnx.type"] = TensorType(_element(port.elem_type), sizes)
        facts["onnx.values"] = StringAttr(declared.lattice.text)
    return DictionaryAttr(facts)


def _output_facts(port: Port, value: Value, result: SSAValue) -> DictionaryAttr:
    facts: dict[str, Attribute] = {"onnx.name": StringAttr(port.name)}
    assert isinstance(value, Activation)
    element = _element(port.elem_type or value.elem_type)
    if value.unbatched or element != ternary.element_of(result):
        sizes = value.shape if value.unbatched else (DYNAMIC_INDEX, *value.shape)
        facts["onnx.type"] = TensorType(element, sizes)
    return DictionaryAttr(facts)
