"""How much arithmetic a network asks for, as an attribute of the module.

    builtin.module attributes {ternary.multiply_accumulates = {conv1 = 118013952 : i64, fc = 512000 : i64}} { ... }

Only products with constant weights count, by layer, for one sample, zero weights included. No level below `ternary` has
these products, so the pass that replaces them writes their number down.
"""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import DictionaryAttr, IndexType, IntegerAttr, IntegerType, ModuleOp, i64
from xdsl.ir import Attribute
from xdsl.utils.hints import isa

from dialects.support.errors import InputError
from dialects.ternary.ops import MatmulOp
from dialects.ternary.spatial import ConvOp
from dialects.ternary.types import shape_of

_NAME = "ternary.multiply_accumulates"


def products_of(module: ModuleOp) -> list[MatmulOp | ConvOp]:
    """The products with constant weights of a module."""
    return [op for op in module.walk() if isinstance(op, MatmulOp | ConvOp)]


def layer_name(op: MatmulOp | ConvOp, number: int) -> str:
    """The layer that a product belongs to, or its number where its ONNX node has no name."""
    return op.layer.data if op.layer and op.layer.data else f"layer {number}"


def positions_of(op: MatmulOp | ConvOp) -> int:
    """How often a sample applies the weights of a product: output pixels, or 1."""
    return prod(shape_of(op.results[0])[2:])


def state_macs(module: ModuleOp) -> None:
    """Write down the multiply-accumulates of a module that is about to lose its products."""
    if macs := _counted(module):
        module.attributes[_NAME] = DictionaryAttr({name: IntegerAttr(count, i64) for name, count in macs.items()})


def macs_of(module: ModuleOp) -> dict[str, int] | None:
    """Multiply-accumulates of one sample by layer; None where no layer has constant weights.

    Raises InputError where the module states something else under that name.
    """
    stated = module.attributes.get(_NAME)
    if stated is None:
        return _counted(module) or None
    counts = dict(stated.data) if isinstance(stated, DictionaryAttr) else dict[str, Attribute]()
    macs = {
        name: count.value.data for name, count in counts.items() if isa(count, IntegerAttr[IntegerType | IndexType])
    }
    if not macs or len(macs) < len(counts) or min(macs.values()) < 0:
        raise InputError(
            f"the module's {_NAME} is {stated}", hint="expected {layer = COUNT : i64, ...}, or no such attribute"
        )
    return macs


def _counted(module: ModuleOp) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, op in enumerate(products_of(module)):
        name = layer_name(op, number)
        found[name] = found.get(name, 0) + op.weights.data.array.size * positions_of(op)
    return found
