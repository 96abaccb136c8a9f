"""What a network asks of any machine: its matrix products, layer by layer, however they are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from dialects import ternary
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of constant weights: `groups` matrices (outputs, inputs), each applied at `positions` of an image."""

    name: str
    inputs: int
    """elements of one window of one group: channels times kernel"""
    outputs: int
    """output channels of one group"""
    positions: int
    """how often an image applies the layer: output pixels"""
    activation_bits: int
    weight_bits: int
    """bits of a weight in two's complement; 2 for ternary ones"""
    groups: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, zero weights included."""
        return self.groups * self.inputs * self.outputs * self.positions


@dataclass(frozen=True)
class Workload:
    """The layers of a network in the order of the data."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, zero weights included."""
        return sum(layer.macs for layer in self.layers)

    @property
    def operations(self) -> int:
        """Two operations per multiply-accumulate, as the field counts them."""
        return 2 * self.macs

    def quantised(self, weight_bits: int, activation_bits: int) -> Workload:
        """The same network with all weights and activations of so many bits."""
        layers = (
            Layer(item.name, item.inputs, item.outputs, item.positions, activation_bits, weight_bits, item.groups)
            for item in self.layers
        )
        return Workload(f"{self.name} w{weight_bits}a{activation_bits}", tuple(layers))


def workload_of(module: ModuleOp, name: str) -> Workload:
    """The products with constant weights of a module at the `ternary` level; sums and pooling are not among them."""
    return Workload(name, tuple(layer_of(op, number) for number, op in enumerate(ternary.products_of(module))))


def layer_of(op: ternary.MatmulOp | ternary.ConvOp, number: int) -> Layer:
    """A product with constant weights; `number` names one whose ONNX node has no name."""
    groups = op.groups if isinstance(op, ternary.ConvOp) else 1
    weights: IntArray = op.weights.data.array
    outputs, inputs = weights.shape
    return Layer(
        ternary.layer_name(op, number),
        inputs,
        outputs // groups,
        ternary.positions_of(op),
        bits_of(ternary.range_of(op.operands[0])),
        bits_of(Range(int(np.min(weights)), int(np.max(weights)))),
        groups,
    )


def bits_of(span: Range) -> int:
    """Bits of the integers of a range, in two's complement where it goes below zero; at least 1, and 2 with a sign."""
    if span.lo >= 0:
        return max(1, span.hi.bit_length())
    return 1 + max(1, (-span.lo - 1).bit_length(), span.hi.bit_length())
