"""An If whose condition is constant: the nodes of the branch that is taken, with names of their own."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from onnx import AttributeProto, GraphProto, NodeProto

from cam_compiler.importer.constants import Constant
from cam_compiler.importer.model import Node, check_names, ordered
from cam_compiler.importer.validity import check_graph
from cam_compiler.importer.values import Value


def taken(node: Node, condition: Value, known: Container[str]) -> GraphProto:
    """A copy of the branch of an If, where its own tensors have the If's result before their names.

    `known` are the names of the tensors around it, which none of them may get. Raises ModelError where the condition is
    not constant, and where the branch has inputs or another number of results.
    """
    if not isinstance(condition, Constant):
        hint = (
            "export with fixed control flow; of operators with a subgraph, an If with a constant condition is supported"
        )
        raise node.error("its condition is not constant", hint=hint)
    name = "then_branch" if condition.scalar(node) else "else_branch"
    graph = next((item.g for item in node.proto.attribute if item.name == name), GraphProto())
    if len(graph.output) != len(node.proto.output) or graph.input or graph.sparse_initializer:
        raise node.error(f"its {name} has {len(graph.output)} results", hint="as many as the If, and no inputs")
    check_names(graph, node.place)
    check_graph(graph, node.place)
    branch = GraphProto()
    branch.CopyFrom(graph)
    own = {tensor.name for tensor in graph.initializer}
    own |= {output for inner in graph.node for output in inner.output if output}
    prefix = next(filter(None, node.outputs)) + "/"
    while any(prefix + inner in known for inner in own):
        prefix += "/"
    _rename(branch, {inner: prefix + inner for inner in own})
    return branch


def nodes_of(node: Node, branch: GraphProto, known: Iterable[str], opset: int) -> list[Node]:
    """The nodes that the branch's results need, in order; `known` are the names of the tensors around it."""
    return ordered(branch, {*known, *(tensor.name for tensor in branch.initializer)}, opset, node.place)


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """New names of tensors, in the graphs inside as well: ONNX lets no inner name hide an outer one."""
    for part in (*graph.initializer, *graph.output):
        part.name = names.get(part.name, part.name)
    for node in graph.node:
        _rename_node(node, names)


def _rename_node(node: NodeProto, names: Mapping[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            _rename(attribute.g, names)
