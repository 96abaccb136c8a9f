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

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block

from cam_compiler.importer.branches import nodes_of, taken
from cam_compiler.importer.budget import Budget
from cam_compiler.importer.builder import Builder
from cam_compiler.importer.constants import attribute_constant, constant_of
from cam_compiler.importer.context import Call, Context, handler_of, supported
from cam_compiler.importer.float_paths import followed
from cam_compiler.importer.folding import fold
from cam_compiler.importer.model import Model, Node, UnquantisedError, load_model
from cam_compiler.importer.nodes import activations as nodes_activations
from cam_compiler.importer.nodes import channels_last as nodes_channels_last
from cam_compiler.importer.nodes import conv as nodes_conv
from cam_compiler.importer.nodes import conv_transpose as nodes_conv_transpose
from cam_compiler.importer.nodes import einsum as nodes_einsum
from cam_compiler.importer.nodes import host as nodes_host
from cam_compiler.importer.nodes import integer as nodes_integer
from cam_compiler.importer.nodes import matmul_nbits as nodes_matmul_nbits
from cam_compiler.importer.nodes import pad as nodes_pad
from cam_compiler.importer.nodes import pool as nodes_pool
from cam_compiler.importer.nodes import product as nodes_product
from cam_compiler.importer.nodes import quantizers as nodes_quantizers
from cam_compiler.importer.nodes import real as nodes_real
from cam_compiler.importer.nodes import rearrange as nodes_rearrange
from cam_compiler.importer.nodes import requant as nodes_requant
from cam_compiler.importer.nodes import shape as nodes_shape
from cam_compiler.importer.nodes import sums as nodes_sums
from cam_compiler.importer.operand_types import check_operands
from cam_compiler.importer.origins import folded_nodes
from cam_compiler.importer.ports import argument_of, declarations, function_of, result_of
from cam_compiler.importer.quantised import is_quantised
from cam_compiler.importer.values import Activation
from dialects import ternary

HANDLER_MODULES = (
    nodes_activations,
    nodes_channels_last,
    nodes_conv,
    nodes_conv_transpose,
    nodes_einsum,
    nodes_host,
    nodes_integer,
    nodes_matmul_nbits,
    nodes_pad,
    nodes_pool,
    nodes_product,
    nodes_quantizers,
    nodes_real,
    nodes_rearrange,
    nodes_requant,
    nodes_shape,
    nodes_sums,
)
"""Imported for the handlers that they register."""

EXACT_ON_CONSTANTS = (
    *("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear"),
    *("Round", "Floor", "Ceil", "Sign", "Clip", "Relu"),
)


def import_network(
    source: str | Path | ModelProto,
    input_types: Mapping[str, str] | None = None,
    quantise_inputs: Mapping[str, str] | None = None,
) -> ModuleOp:
    """The model as one function @main in the `ternary` dialect; raises ModelError where it can't be.

    `input_types` say of inputs, by name, which numbers they hold; `quantise_inputs`, to which they are rounded.
    """
    model = load_model(source)
    declared = declarations(model, input_types or {}, quantise_inputs or {})
    block = Block()
    stored = {name: constant_of(tensor, model.place) for name, tensor in model.initialisers.items()}
    budget = Budget.of(model.opset, sum(constant.raw.size for constant in stored.values()))
    context = Context(Builder(block), model.opset, budget, readers=_readers(model))
    context.values.update(stored)
    for port in model.inputs:
        context.values[port.name] = argument_of(context.builder, port, declared.get(port.name))
        if port.shape:
            # Models are exported with a batch of one, and made dynamic afterwards.
            context.batches.add(1 if port.shape[0] is None else port.shape[0])
    context.single = bool(model.inputs) and all(port.shape and port.shape[0] == 1 for port in model.inputs)
    producers = {name: node for node in model.nodes for name in node.outputs}
    try:
        for node in model.nodes:
            _run(context, node)
        results = [result_of(context, port, producers.get(port.name)) for port in model.outputs]
    except UnquantisedError as error:
        if is_quantised(model.nodes, context.values.values()):
            raise
        message, hint = f"this network isn't quantised: {error.message}", f"train or export it quantised; {error.hint}"
        raise UnquantisedError(message, place=error.place, hint=hint) from error
    block.add_op(func.ReturnOp(*results))
    module = ModuleOp([function_of(model, declared, block, results, context.values)])
    layers = [layer.data for op in block.ops if isinstance(layer := op.properties.get("layer"), StringAttr)]
    ternary.state_nodes(module, folded_nodes(model.nodes, layers))
    module.verify()
    return module


def _readers(model: Model) -> Counter[str]:
    """How many nodes and outputs read the numbers of each tensor."""
    nodes = (node for node in model.nodes if node.op != "Shape")
    return Counter([*(name for node in nodes for name in node.inputs), *(port.name for port in model.outputs)])


def _run(context: Context, node: Node) -> None:
    """Evaluates one node and notes its results."""
    if node.op == "If" and not node.domain:
        return _run_branch(context, node)
    operands = [context.value(name, node) if name else None for name in node.inputs]
    constants = [value for value in operands if not isinstance(value, Activation)]
    handler = handler_of(node)
    try:
        if node.op == "Constant" and not node.domain:
            context.values[node.outputs[0]] = attribute_constant(node)
            return
        check_operands(node, context.opset, operands)
        context.budget.before(node, operands)
        if len(constants) == len(operands) and not node.domain and not _exactly_handled(node):
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
        context.budget.after(node, [context.values.get(name) for name in node.outputs if name])
    except (ValueError, IndexError, OverflowError) as error:
        # Shapes and numbers that no valid model has surface here, whatever the operator.
        raise node.error(f"its inputs or attributes don't fit: {error}") from error


def _run_branch(context: Context, node: Node) -> None:
    """The branch that an If with a constant condition takes, in place."""
    branch = taken(node, context.value(node.input(0), node), context.values)
    context.values.update({tensor.name: constant_of(tensor, node.place) for tensor in branch.initializer})
    for inner in nodes_of(node, branch, context.values, context.opset):
        _run(context, inner)
    for name, port in zip(node.outputs, branch.output, strict=True):
        # Whoever reads the result is checked, not the If.
        context.values[name] = context.values.get(port.name) or context.value(port.name, node)


def _exactly_handled(node: Node) -> bool:
    """Operators whose handlers evaluate constants, too."""
    return node.op in EXACT_ON_CONSTANTS
