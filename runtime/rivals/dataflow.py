"""A network as rows of images that flow from layer to layer: what a machine that pipelines layers has to schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from dialects import ternary
from runtime.rivals.workload import Layer, layer_of


@dataclass(frozen=True, slots=True)
class Node:
    """Work on images: a product with constant weights where `layer` is given, else what digital cores do."""

    name: str
    rows: int
    """output rows of an image"""
    columns: int
    """output pixels in a row"""
    channels: int
    sources: tuple[int, ...]
    """nodes that it reads, by their number; none where it reads the network's input"""
    layer: Layer | None = None
    kernel: int = 1
    """height of the window"""
    stride: int = 1
    pad: int = 0
    """rows above the image"""

    def last_row(self, row: int, rows: int) -> int:
        """The last row of a source of `rows` rows that output row `row` needs."""
        if self.kernel > rows:
            return rows - 1
        return min(max(0, row * self.stride + self.kernel - 1 - self.pad), rows - 1)


def dataflow_of(module: ModuleOp) -> tuple[Node, ...]:
    """The nodes of a module at the `ternary` level in the order of its operations; views of tensors take no work."""
    nodes: list[Node] = []
    made: dict[SSAValue, int] = {}
    """the node that a tensor comes from; views and thresholds belong to the node before"""
    for op in module.walk():
        sources = sorted({made[value] for value in op.operands if value in made})
        if _works(op):
            nodes.append(_node(op, tuple(sources), len(nodes)))
            made[op.results[0]] = len(nodes) - 1
        elif sources:
            made.update(dict.fromkeys(op.results, sources[-1]))
    return tuple(nodes)


_PRODUCTS = (ternary.MatmulOp, ternary.ConvOp)
_DIGITAL = (ternary.SumPoolOp, ternary.MaxPoolOp, ternary.CombineOp)


def _works(op: Operation) -> bool:
    return isinstance(op, _PRODUCTS + _DIGITAL)


def _node(op: Operation, sources: tuple[int, ...], number: int) -> Node:
    shape = ternary.shape_of(op.results[0])
    layer = layer_of(op, number) if isinstance(op, _PRODUCTS) else None
    name = layer.name if layer else f"{op.name.partition('.')[2]} {number}"
    sizes = [*shape[2:], 1, 1]
    if not isinstance(op, ternary.ConvOp | ternary.SumPoolOp | ternary.MaxPoolOp):
        return Node(name, max(1, sizes[0]), max(1, prod(sizes[1:])), shape[1], sources, layer)
    window = op.window.data
    kernel, stride, pad = window.kernel[0], window.strides[0], window.pads[0]
    return Node(name, sizes[0], sizes[1], shape[1], sources, layer, kernel, stride, pad)


def products(nodes: Sequence[Node]) -> list[Layer]:
    """The layers with constant weights."""
    return [node.layer for node in nodes if node.layer]
