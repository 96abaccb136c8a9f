"""What makes an ONNX model invalid whatever it computes: a guess at what it means could be wrong.

Checked of what the outputs need, before any operator is looked at; local functions are bounded before they are inlined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from dialects.support.errors import ModelError
from dialects.support.text import on_one_line

NODES = 1 << 16
"""Nodes that local functions may become."""
MAX_RANK = 32
"""Dimensions of a tensor; numpy has no more of them."""
_NO_NUMBERS = (TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)


def place_of(op: str, name: str) -> str:
    """How errors name a node."""
    return on_one_line(f"{op} '{name}'")


def type_name(elem_type: int) -> str:
    """ONNX's name of a type, or its number where it has none."""
    return (
        TensorProto.DataType.Name(elem_type) if elem_type in TensorProto.DataType.values() else f"unknown ({elem_type})"
    )


def check_graph(graph: GraphProto, place: str) -> None:
    """Raises ModelError for names that stand for two tensors, and for tensors of impossible shapes or types."""
    for what, names in (
        ("inputs", [item.name for item in graph.input]),
        ("initialisers", [item.name for item in graph.initializer]),
        ("outputs", [item.name for item in graph.output]),
    ):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ModelError(f"two of its {what} are called '{twice[0]}'", place=place)
    for port in (*graph.input, *graph.output):
        _check_port(port, place)
    for tensor in graph.initializer:
        check_tensor(tensor, place)


def _check_port(port: ValueInfoProto, place: str) -> None:
    kind = port.type.WhichOneof("value")
    if kind not in (None, "tensor_type"):
        raise ModelError(f"'{port.name}' is a {kind.removesuffix('_type')}", place=place, hint="tensors are supported")
    dims = port.type.tensor_type.shape.dim
    if any(dim.dim_value < 0 for dim in dims):
        raise ModelError(
            f"the shape of '{port.name}' is {[dim.dim_value for dim in dims]}",
            place=place,
            hint="dynamic dimensions have a name, or no size",
        )
    if len(dims) > MAX_RANK:
        raise ModelError(f"'{port.name}' has {len(dims)} dimensions", place=place, hint=f"at most {MAX_RANK}")


def check_tensor(tensor: TensorProto, place: str) -> None:
    """Raises ModelError for a constant that holds no real numbers, or has an impossible shape."""
    if tensor.data_type in _NO_NUMBERS or tensor.data_type not in TensorProto.DataType.values():
        raise ModelError(
            f"the type of the constant '{tensor.name}' is {type_name(tensor.data_type)}",
            place=place,
            hint="constants hold real numbers",
        )
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > MAX_RANK:
        shape = list(tensor.dims)[: MAX_RANK + 1]
        raise ModelError(f"the shape of the constant '{tensor.name}' is {shape}", place=place)


def check_node(proto: NodeProto, opset: int, place: str) -> None:
    """Raises ModelError for attributes that are stated twice, and for what a standard operator doesn't take."""
    names = Counter(attribute.name for attribute in proto.attribute)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ModelError(f"its attribute '{twice[0]}' is stated twice", place=place)
    for attribute in proto.attribute:
        if attribute.ref_attr_name:
            raise ModelError(
                f"its attribute '{attribute.name}' refers to '{attribute.ref_attr_name}'",
                place=place,
                hint="only nodes of local functions have such attributes",
            )
    if proto.domain in ("", "ai.onnx") and onnx.defs.has(proto.op_type, opset, ""):
        _check_schema(proto, onnx.defs.get_schema(proto.op_type, opset, ""), place)


def _check_schema(proto: NodeProto, schema: onnx.defs.OpSchema, place: str) -> None:
    for attribute in proto.attribute:
        known = schema.attributes.get(attribute.name)
        if known is None:
            hint = f"it has {', '.join(sorted(schema.attributes)) or 'none'}"
            raise ModelError(f"it has an attribute '{attribute.name}', which is not its own", place=place, hint=hint)
        found = AttributeProto.AttributeType.Name(attribute.type)
        expected = str(known.type).rpartition(".")[2]
        if found != expected:
            raise ModelError(f"the type of its attribute '{attribute.name}' is {found}", place=place, hint=expected)
    for what, count, least, most in (
        ("inputs", len(proto.input), schema.min_input, schema.max_input),
        ("outputs", len(proto.output), 0, schema.max_output),
    ):
        if not least <= count <= most:
            raise ModelError(
                f"it has {count} {what}", place=place, hint=f"{least}" if least == most else f"{least} to {most}"
            )


def check_expansion(proto: ModelProto, place: str) -> None:
    """Raises ModelError where local functions would become too many nodes, or call themselves."""
    functions = {(item.domain, item.name): item for item in proto.functions}
    counts: dict[tuple[str, str], int] = {}
    under_way: set[tuple[str, str]] = set()

    def count(nodes: Iterable[NodeProto]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            total += of(key) if key in functions else 1
            for attribute in node.attribute:
                total += sum(count(graph.node) for graph in (attribute.g, *attribute.graphs))
            if total > NODES + len(proto.graph.node):
                raise ModelError(f"its local functions become more than {NODES} nodes", place=place)
        return total

    def of(key: tuple[str, str]) -> int:
        if key in under_way:
            raise ModelError(f"its local function '{key[1]}' calls itself", place=place)
        if key not in counts:
            under_way.add(key)
            counts[key] = count(functions[key].node)
            under_way.remove(key)
        return counts[key]

    count(proto.graph.node)
