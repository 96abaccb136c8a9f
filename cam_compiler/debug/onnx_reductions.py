"""How ONNX models are made smaller: outputs, nodes and sizes of tensors, as long as the model stays legal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto, numpy_helper
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.debug.search import Reduction, Search, Size
from cam_compiler.importer import import_model
from dialects.support.errors import CamcError

_LARGEST = 1 << 12
"""Sizes of dimensions that are tried one after another."""


def measure(model: ModelProto) -> tuple[Size, bytes]:
    """Nodes of a model, the sum of all dimensions of its inputs, outputs and initialisers, bytes; and the bytes."""
    content = model.SerializeToString(deterministic=True)
    ports = (*model.graph.input, *model.graph.output)
    sizes = sum(dim.dim_value for item in ports for dim in item.type.tensor_type.shape.dim)
    sizes += sum(size for item in model.graph.initializer for size in item.dims)
    return (len(model.graph.node), sizes, len(content)), content


def is_valid(model: ModelProto) -> bool:
    """Whether onnx's checker takes a model, whose shapes fit together."""
    try:
        onnx.checker.check_model(  # pyright: ignore[reportUnknownMemberType]
            onnx.shape_inference.infer_shapes(model, strict_mode=True), full_check=True
        )
    except Exception:
        return False
    return True


def imported(model: ModelProto) -> ModuleOp | None:
    """The module of a model; None where it holds what can't be compiled."""
    try:
        return import_model(model)
    except CamcError:
        return None


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _known(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Types and shapes of all tensors that shape inference finds."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:
        graph = model.graph
    return {info.name: info for info in (*graph.value_info, *graph.input, *graph.output)}


def _tidied(model: ModelProto) -> ModelProto:
    """Without nodes, initialisers and inputs that nothing reads; shapes between are for the reader to infer."""
    graph = model.graph
    wanted = {output.name for output in graph.output}
    kept: list[Any] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
            wanted.update(name for attribute in node.attribute for name in _inner(attribute))
    _set(graph.node, reversed(kept))
    _set(graph.initializer, [item for item in graph.initializer if item.name in wanted])
    names = {item.name for item in graph.initializer}
    used = [item for item in graph.input if item.name in wanted]
    real = [item for item in used if item.name not in names]
    _set(graph.input, used if real else list(graph.input))
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    return model


def _inner(attribute: Any) -> Iterator[str]:
    """Names that a subgraph takes from around it."""
    for graph in (attribute.g, *attribute.graphs):
        for node in graph.node:
            yield from node.input


def _set(field: Any, items: Iterable[Any]) -> None:
    # Copies, as the items may be of the field itself.
    chosen = [deepcopy(item) for item in items]
    del field[:]
    field.extend(chosen)


def _outputs(search: Search[ModelProto]) -> None:
    def build(base: ModelProto, gone: Sequence[str]) -> ModelProto | None:
        copy = _copy(base)
        _set(copy.graph.output, [item for item in copy.graph.output if item.name not in gone])
        return _tidied(copy) if copy.graph.output else None

    search.without([item.name for item in search.best.graph.output], build)


def _ends(search: Search[ModelProto]) -> None:
    """End with a node: its first output is the model's."""
    known = _known(search.best)

    def build(base: ModelProto, number: int) -> ModelProto | None:
        name = base.graph.node[number].output[0]
        if name not in known:
            return None
        copy = _copy(base)
        _set(copy.graph.output, [known[name]])
        return _tidied(copy)

    search.least(len(search.best.graph.node) - 1, build)


def _begins(search: Search[ModelProto]) -> None:
    """Begin behind a node: its outputs are inputs."""
    for number in reversed(range(len(search.best.graph.node))):
        if number >= len(search.best.graph.node):
            continue
        known, copy = _known(search.best), _copy(search.best)
        node = copy.graph.node[number]
        names = [name for name in node.output if name]
        if all(name in known for name in names):
            copy.graph.input.extend(known[name] for name in names)
            del copy.graph.node[number]
            search.attempt(_tidied(copy))


def _bypasses(search: Search[ModelProto]) -> None:
    """Let a node's readers read one of its inputs."""
    for number in reversed(range(len(search.best.graph.node))):
        if number >= len(search.best.graph.node):
            continue
        for name in list(search.best.graph.node[number].input):
            copy = _copy(search.best)
            gone = copy.graph.node[number].output[0]
            del copy.graph.node[number]
            for node in copy.graph.node:
                _set_names(node.input, [name if item == gone else item for item in node.input])
            if name and search.attempt(_tidied(copy)):
                break


def _set_names(field: Any, names: Sequence[str]) -> None:
    del field[:]
    field.extend(names)


def _sizes(search: Search[ModelProto]) -> None:
    """Let dimensions of one size, in all initialisers, inputs and outputs, be of a smaller one."""
    found = {size for item in search.best.graph.initializer for size in item.dims}
    found |= {dim.dim_value for item in search.best.graph.input for dim in item.type.tensor_type.shape.dim}
    for size in sorted((size for size in found if 1 < size <= _LARGEST), reverse=True):
        for smaller in (1, 2, size // 2, size - 1):
            if smaller < size and search.attempt(_resized(search.best, size, smaller)):
                break


def _resized(model: ModelProto, size: int, smaller: int) -> ModelProto:
    copy = _copy(model)
    for item in copy.graph.initializer:
        if size in item.dims:
            array = numpy_helper.to_array(item)
            cut = array[tuple(slice(smaller) if extent == size else slice(None) for extent in array.shape)]
            item.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(cut), item.name))
    for item in (*copy.graph.input, *copy.graph.output):
        for dim in item.type.tensor_type.shape.dim:
            if dim.dim_value == size:
                dim.dim_value = smaller
    return _tidied(copy)


def _zeros(search: Search[ModelProto]) -> None:
    """Let large initialisers be zero, which takes fewer bytes once they are constants of a shape."""
    for number in range(len(search.best.graph.initializer)):
        if number >= len(search.best.graph.initializer):
            break
        item = search.best.graph.initializer[number]
        if numpy_helper.to_array(item).size > 1:
            copy = _copy(search.best)
            array = numpy_helper.to_array(item)
            one = array.reshape(-1)[:1].reshape([1] * array.ndim)
            copy.graph.initializer[number].CopyFrom(numpy_helper.from_array(one.copy(), item.name))
            search.attempt(_tidied(copy))


def _texts(search: Search[ModelProto]) -> None:
    """Without documentation and metadata."""
    copy = _copy(search.best)
    copy.doc_string = ""
    del copy.metadata_props[:]
    for node in copy.graph.node:
        node.doc_string = ""
    search.attempt(_tidied(copy))


REDUCTIONS: Sequence[Reduction[ModelProto]] = (_texts, _outputs, _ends, _begins, _bypasses, _sizes, _zeros)
"""Large steps first."""
