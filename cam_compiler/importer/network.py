"""The importer's main loop: walks the nodes of a model and builds one function in the `ternary` dialect.

First stage of the compiler. A quantised ONNX graph comes in; out goes a module whose golden semantics are that graph
in exact arithmetic.

    Quant -> MatMul -> BatchNormalization -> Quant
  becomes
    %q = ternary.quantize %image ... thresholds <{ up -0.25 0.25 }>
    %a = ternary.matmul %q ... weights <{ +0- }>
    %b = ternary.threshold %a ... thresholds <{ up -3 5 }>
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DictionaryAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FunctionType,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Block, Region, SSAValue

from cam_compiler.importer.arithmetic.exact import IDENTITY
from cam_compiler.importer.builder import Builder, hint_of
from cam_compiler.importer.constants import Constant, attribute_constant, constant_of, integer_range
from cam_compiler.importer.context import Call, Context, handler_of, supported
from cam_compiler.importer.float_paths import followed
from cam_compiler.importer.folding import fold
from cam_compiler.importer.model import Model, Node, Port, load_model
from cam_compiler.importer.nodes import activations as nodes_activations
from cam_compiler.importer.nodes import channels_last as nodes_channels_last
from cam_compiler.importer.nodes import conv as nodes_conv
from cam_compiler.importer.nodes import einsum as nodes_einsum
from cam_compiler.importer.nodes import host as nodes_host
from cam_compiler.importer.nodes import pad as nodes_pad
from cam_compiler.importer.nodes import pool as nodes_pool
from cam_compiler.importer.nodes import product as nodes_product
from cam_compiler.importer.nodes import quantizers as nodes_quantizers
from cam_compiler.importer.nodes import real as nodes_real
from cam_compiler.importer.nodes import rearrange as nodes_rearrange
from cam_compiler.importer.nodes import shape as nodes_shape
from cam_compiler.importer.nodes import sums as nodes_sums
from cam_compiler.importer.values import Activation, Origin, identity_pieces
from dialects import ternary
from dialects.support.errors import ModelError

HANDLER_MODULES = (
    nodes_activations,
    nodes_channels_last,
    nodes_conv,
    nodes_einsum,
    nodes_host,
    nodes_pad,
    nodes_pool,
    nodes_product,
    nodes_quantizers,
    nodes_real,
    nodes_rearrange,
    nodes_shape,
    nodes_sums,
)
"""Imported for the handlers that they register."""

_FLOAT_INPUTS: dict[int, tuple[type[np.floating[Any]], type[Float16Type | Float32Type | Float64Type]]] = {
    TensorProto.FLOAT: (np.float32, Float32Type),
    TensorProto.DOUBLE: (np.float64, Float64Type),
    TensorProto.FLOAT16: (np.float16, Float16Type),
}
EXACT_ON_CONSTANTS = (
    *("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear"),
    *("Round", "Floor", "Ceil", "Sign", "Clip", "Relu"),
)
MAX_VALUES = 1 << 26
"""Values of a sample."""
_INPUT_HINT = "float16, float32, float64, or integers of at most 32 bits, with all dimensions but the first known"


def import_network(source: str | Path | ModelProto) -> ModuleOp:
    """The model as one function @main in the `ternary` dialect; raises ModelError where it can't be."""
    model = load_model(source)
    block = Block()
    context = Context(Builder(block), model.opset)
    context.values.update({name: constant_of(tensor, model.place) for name, tensor in model.initialisers.items()})
    for port in model.inputs:
        context.values[port.name] = _argument(block, port)
        if port.shape:
            # Models are exported with a batch of one, and made dynamic afterwards.
            context.batches.add(1 if port.shape[0] is None else port.shape[0])
    context.single = all(port.shape and port.shape[0] == 1 for port in model.inputs)
    producers = {name: node for node in model.nodes for name in node.outputs}
    for node in model.nodes:
        _run(context, node)
    results = [_output(context, port, producers.get(port.name)) for port in model.outputs]
    block.add_op(func.ReturnOp(*results))
    module = ModuleOp([_function(model, block, results)])
    module.verify()
    return module


def _function(model: Model, block: Block, results: list[SSAValue]) -> func.FuncOp:
    kind = FunctionType.from_lists([argument.type for argument in block.args], [result.type for result in results])
    return func.FuncOp("main", kind, Region(block), arg_attrs=_names(model.inputs), res_attrs=_names(model.outputs))


def _names(ports: list[Port]) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr([DictionaryAttr({"onnx.name": StringAttr(port.name)}) for port in ports])


def _argument(block: Block, port: Port) -> Activation:
    """A graph input as an argument of the function."""
    place = f"input '{port.name}'"
    if not port.shape or None in port.shape[1:]:
        raise ModelError(f"its shape is {port.shape or 'not stated'}", place=place, hint=_INPUT_HINT)
    sample = tuple(size for size in port.shape[1:] if size is not None)
    if prod(sample) > MAX_VALUES:
        raise ModelError(
            f"its samples have {prod(sample)} values", place=place, hint=f"at most {MAX_VALUES} are possible"
        )
    shape = (DYNAMIC_INDEX, *sample)
    outer, origin = identity_pieces(len(sample)), Origin(port.name, port.name)
    span = integer_range(port.elem_type)
    element: Attribute
    if span is not None:
        element, kind = ternary.IntType.of(span), None
        lows, highs = (np.full((1,) * len(sample), end, dtype=np.int64) for end in (span.lo, span.hi))
    elif port.elem_type in _FLOAT_INPUTS:
        kind, float_type = _FLOAT_INPUTS[port.elem_type]
        element, lows, highs = float_type(), None, None
    else:
        name = TensorProto.DataType.Name(port.elem_type)
        raise ModelError(f"its type is {name}", place=place, hint=_INPUT_HINT)
    argument = block.insert_arg(TensorType(element, shape), len(block.args))
    argument.name_hint = hint_of(port.name)
    return Activation(argument, sample, outer, origin, port.elem_type, lows=lows, highs=highs, kind=kind, executed=())


def _run(context: Context, node: Node) -> None:
    """Evaluates one node and notes its results."""
    operands = [context.value(name, node) if name else None for name in node.inputs]
    constants = [value for value in operands if not isinstance(value, Activation)]
    handler = handler_of(node)
    try:
        if node.op == "Constant" and not node.domain:
            context.values[node.outputs[0]] = attribute_constant(node)
        elif len(constants) == len(operands) and not node.domain and not _exactly_handled(node):
            context.values.update(zip(node.outputs, fold(node, context.opset, constants), strict=False))
        elif handler is None:
            domain = f" of domain '{node.domain}'" if node.domain else ""
            hint = supported(node.domain, node.op)
            raise node.error(f"the operator {node.op}{domain} is not supported", hint=hint)
        else:
            call = Call(context, node)
            result = handler(call)
            if result is not None:
                context.values[node.outputs[0]] = followed(call, result)
    except (ValueError, IndexError, OverflowError) as error:
        # Shapes and numbers that no valid model has surface here, whatever the operator.
        raise node.error(f"its inputs or attributes don't fit: {error}") from error


def _exactly_handled(node: Node) -> bool:
    """Operators whose handlers evaluate constants, too."""
    return node.op in EXACT_ON_CONSTANTS


def _output(context: Context, port: Port, producer: Node | None) -> SSAValue:
    node = producer or Node("output", "", port.name, (), (), {}, NodeProto())
    value = context.values.get(port.name) or context.value(port.name, node)
    if isinstance(value, Constant):
        raise ModelError("it is constant", place=f"output '{port.name}'", hint="results that depend on the input")
    if not value.regular:
        raise ModelError(
            "its first dimension is not the batch alone",
            place=f"output '{port.name}'",
            hint="a Reshape or Transpose that puts the batch first",
        )
    value = nodes_host.finished(context.builder, value, node)
    if value.host and value.kind is not None and value.steps is None:
        return value.base
    if value.kind is not None and value.steps is None:
        raise ModelError(
            "it is computed from the float input without a quantiser",
            place=f"output '{port.name}'",
            hint="Quant, BipolarQuant or QuantizeLinear on the network's input",
        )
    if value.integral:
        ready = context.builder.materialise(value, node)
        if all(piece == IDENTITY for piece in ready.outer.flat):
            return ready.base
        return context.builder.dequantize(ready, Float64Type(), port.name, node)
    element = Float64Type() if port.elem_type == TensorProto.DOUBLE else Float32Type()
    return context.builder.dequantize(value, element, port.name, node)
