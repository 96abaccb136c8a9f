"""Reads an ONNX file into plain records: the nodes that the outputs need, in an order that can be walked.

Comes first in the importer. Knows the container (files, opsets, initialisers, attributes), nothing of operators.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from cam_compiler.importer.validity import check_expansion, check_graph, check_node, check_tensor, place_of
from dialects.support.errors import FileError, ModelError
from dialects.support.files import check_file
from dialects.support.lattice import annotated

OLDEST_OPSET = 9
_STANDARD = ("", "ai.onnx")
_MOST = 1 << 31
"""bytes of a protobuf"""
_EXPECTED = "an ONNX model (.onnx), written by onnx.save or an exporter, is expected"

AttributeValue = int | float | bytes | list[int] | list[float] | list[bytes] | TensorProto


class UnquantisedError(ModelError):
    """The float input, or float weights, reach a product or an output as they are."""


@dataclass(frozen=True)
class Node:
    """One operator of the graph; an absent optional input is an empty name."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, AttributeValue]
    proto: NodeProto

    @property
    def place(self) -> str:
        """How errors name the node."""
        return place_of(self.op, self.name)

    def input(self, index: int) -> str:
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.error(f"attribute '{name}' is not an integer")
        return value

    def real(self, name: str, default: float) -> float:
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise self.error(f"attribute '{name}' is not a number")
        return value

    def text(self, name: str, default: str) -> str:
        value = self.attributes.get(name)
        if value is None:
            return default
        if not isinstance(value, bytes):
            raise self.error(f"attribute '{name}' is not a string")
        return value.decode(errors="replace")

    def integers(self, name: str) -> list[int] | None:
        value = self.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise self.error(f"attribute '{name}' is not a list of integers")
        return [int(item) for item in value]

    def error(self, message: str, hint: str | None = None) -> ModelError:
        return ModelError(message, place=self.place, hint=hint)


@dataclass(frozen=True)
class Port:
    """An input or output of the graph; None where a dimension is dynamic, no shape where the model states none."""

    name: str
    elem_type: int
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Model:
    """What the importer works on: `nodes` are those that the outputs need, producers before consumers."""

    opset: int
    inputs: list[Port]
    outputs: list[Port]
    initialisers: dict[str, TensorProto]
    nodes: list[Node]
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    """the types that FINN's annotations state of the inputs, in the form of dialects/support/lattice.py"""
    place: str = field(default="model")


def load_model(source: str | Path | ModelProto) -> Model:
    """The model of a file or of a proto; raises ModelError where it can't be read."""
    proto, place = (source, "model") if isinstance(source, ModelProto) else (read_proto(Path(source)), str(source))
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise ModelError("there is no graph in it", place=place, hint=_EXPECTED)
    if proto.functions:
        from onnx import inliner

        check_expansion(proto, place)
        try:
            proto = inliner.inline_local_functions(proto)
        except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"its local functions can't be inlined: {first}", place=place) from error
        calls = {(function.domain, function.name) for function in proto.functions}
        if left := [node for node in proto.graph.node if (node.domain, node.op_type) in calls]:
            raise ModelError(
                f"its local function {left[0].op_type} is for another opset than the model",
                place=place,
                hint="functions and the model with the same versions of operators; onnx.version_converter converts",
            )
    return _model(proto, place)


def read_proto(path: Path) -> ModelProto:
    if not os.path.lexists(path):
        raise FileError("there is no such file", place=str(path), hint=_EXPECTED)
    check_file(path)
    try:
        with path.open("rb") as file:
            # No protobuf begins so; a file of zeros takes no room on the disk, and memory when it is read.
            if file.read(1) == b"\0" or path.stat().st_size >= _MOST:
                raise ModelError("not a readable ONNX file", place=str(path), hint=_EXPECTED)
        return onnx.load(str(path), format="protobuf")  # pyright: ignore[reportUnknownMemberType]
    except DecodeError as error:
        raise ModelError("not a readable ONNX file; it may be truncated", place=str(path), hint=_EXPECTED) from error
    except (OSError, ValueError, TypeError, RuntimeError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"can't be loaded: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            place=str(path),
            hint="files of external data must lie beside the model",
        ) from error


def _opset(proto: ModelProto, place: str) -> int:
    newest = onnx.defs.onnx_opset_version()
    versions = [entry.version for entry in proto.opset_import if entry.domain in _STANDARD]
    if not versions:
        raise ModelError("it states no version of the standard operators", place=place, hint=_EXPECTED)
    if not OLDEST_OPSET <= versions[0] <= newest:
        raise ModelError(
            f"opset {versions[0]} is not supported",
            place=place,
            hint=f"opsets {OLDEST_OPSET} to {newest}; onnx.version_converter converts others",
        )
    return versions[0]


def _model(proto: ModelProto, place: str) -> Model:
    graph = proto.graph
    check_names(graph, place)
    check_graph(graph, place)
    if graph.sparse_initializer:
        raise ModelError("sparse initialisers are not supported", place=place, hint="store them as dense tensors")
    initialisers = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [_port(info) for info in graph.input if info.name not in initialisers]
    if not graph.output:
        raise ModelError("the graph has no outputs", place=place)
    opset = _opset(proto, place)
    nodes = ordered(graph, {port.name for port in inputs} | set(initialisers), opset, place)
    outputs, types = [_port(info) for info in graph.output], _annotations(graph, inputs, initialisers, place)
    return Model(opset, inputs, outputs, initialisers, nodes, types, place)


def _annotations(
    graph: GraphProto, inputs: list[Port], initialisers: dict[str, TensorProto], place: str
) -> dict[str, str]:
    """What `finn_datatype` says of the graph's inputs, with the scale and zero point that ONNX annotates beside it.

    On inner tensors it says nothing reliable.
    """
    found: dict[str, str] = {}
    for item in graph.quantization_annotation:
        facts = {entry.key: entry.value for entry in item.quant_parameter_tensor_names}
        if item.tensor_name not in {port.name for port in inputs} or "finn_datatype" not in facts:
            continue
        scale, zero = (
            float(array_of(initialisers[name], place).reshape(-1)[0]) if name in initialisers else None
            for name in (facts.get("SCALE_TENSOR", ""), facts.get("ZERO_POINT_TENSOR", ""))
        )
        offset = None if scale is None or zero is None else -scale * zero
        stated = annotated(facts["finn_datatype"], scale, offset)
        if stated:
            found[item.tensor_name] = stated
    return found


def check_names(graph: GraphProto, place: str) -> None:
    """protobuf hands out names that aren't UTF-8 as bytes; raises ModelError for those."""
    names: list[object] = [part.name for parts in (graph.input, graph.output, graph.initializer) for part in parts]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    if wrong := next((name for name in names if not isinstance(name, str)), None):
        raise ModelError(f"the name {wrong!r} is not UTF-8 text", place=place, hint=_EXPECTED)


def _port(info: ValueInfoProto) -> Port:
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return Port(info.name, tensor.elem_type, None)
    sizes = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim]
    return Port(info.name, tensor.elem_type, tuple(sizes))


def _node(proto: NodeProto, opset: int) -> Node:
    name = proto.name or next((output for output in proto.output if output), proto.op_type)
    check_node(proto, opset, place_of(proto.op_type, name))
    attributes: dict[str, AttributeValue] = {}
    for attribute in proto.attribute:
        if attribute.type == AttributeProto.GRAPH and proto.op_type == "If":
            continue
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            raise ModelError(
                "operators with a subgraph are not supported",
                place=place_of(proto.op_type, name),
                hint="export with fixed control flow",
            )
        attributes[attribute.name] = onnx.helper.get_attribute_value(attribute)
    domain = "" if proto.domain in _STANDARD else proto.domain
    return Node(proto.op_type, domain, name, tuple(proto.input), tuple(proto.output), attributes, proto)


def ordered(graph: GraphProto, known: set[str], opset: int, place: str) -> list[Node]:
    """The nodes that the outputs need, each after its producers, else in the file's order."""
    producers: dict[str, NodeProto] = {}
    for proto in graph.node:
        for output in filter(None, proto.output):
            if output in producers or output in known:
                raise ModelError(f"the tensor '{output}' has two producers", place=place)
            producers[output] = proto
    wanted = _needed(graph, producers, known, place)
    protos = [proto for proto in graph.node if any(output in wanted for output in proto.output)]
    readers: dict[str, list[int]] = {}
    missing: list[int] = []
    for index, proto in enumerate(protos):
        reads = _reads(proto) - known
        missing.append(len(reads))
        for name in reads:
            readers.setdefault(name, []).append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    nodes: list[Node] = []
    while ready:
        proto = protos[heappop(ready)]
        nodes.append(_node(proto, opset))
        for index in (index for output in proto.output for index in readers.get(output, ())):
            missing[index] -= 1
            if not missing[index]:
                heappush(ready, index)
    if len(nodes) < len(protos):
        stuck = next(proto for proto, count in zip(protos, missing, strict=True) if count)
        raise ModelError("the graph has a cycle", place=place_of(stuck.op_type, stuck.name or stuck.output[0]))
    return nodes


def _reads(proto: NodeProto) -> set[str]:
    """The tensors that a node needs, those that its subgraphs take from around them among them."""
    found = {name for name in proto.input if name}
    for graph in (attribute.g for attribute in proto.attribute if attribute.type == AttributeProto.GRAPH):
        inner = {part.name for parts in (graph.input, graph.initializer) for part in parts}
        inner.update(name for node in graph.node for name in node.output)
        found |= {name for node in graph.node for name in _reads(node)} - inner
        found |= {port.name for port in graph.output if port.name} - inner
    return found


def _needed(graph: GraphProto, producers: dict[str, NodeProto], known: Iterable[str], place: str) -> set[str]:
    """The names of all tensors that the outputs depend on."""
    wanted: set[str] = set()
    todo = [(info.name, place) for info in graph.output]
    while todo:
        name, reader = todo.pop()
        if name in wanted:
            continue
        wanted.add(name)
        if name in producers:
            proto = producers[name]
            where = place_of(proto.op_type, proto.name or name)
            todo += [(source, where) for source in sorted(_reads(proto))]
        elif name not in known:
            raise ModelError(f"the tensor '{name}' is used, but nothing produces it", place=reader)
    return wanted


def array_of(tensor: TensorProto, place: str) -> NDArray[Any]:
    """The values of a tensor, low-bit integers as int64; raises ModelError where they can't be read."""
    check_tensor(tensor, place)
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"the data of tensor '{tensor.name}' can't be read: {error}", place=place, hint="is a data file missing?"
        ) from error
    if tensor.data_type in LOW_BIT:
        return array.astype(np.int64)
    return array.astype(np.float32) if tensor.data_type == TensorProto.BFLOAT16 else array


LOW_BIT = (TensorProto.UINT4, TensorProto.INT4, TensorProto.UINT2, TensorProto.INT2)
