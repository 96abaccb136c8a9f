"""Which ONNX nodes each layer stands for, as an attribute of the module.

    builtin.module attributes {ternary.nodes = {act = ["BatchNormalization bn", "Relu relu", "Quant act"]}} { ... }

An operation's `layer` names one node. What was folded into it (biases, scales, batch norms, activations, the quantisers
of weights) is listed here, each node with its operator and its name, in the order of the model. No pass touches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute
from xdsl.utils.hints import isa

from dialects.support.errors import InputError

_NAME = "ternary.nodes"


def state_nodes(module: ModuleOp, nodes: Mapping[str, Sequence[str]]) -> None:
    """Write down the nodes of each layer, as operator and name."""
    if nodes:
        module.attributes[_NAME] = DictionaryAttr(
            {layer: ArrayAttr(StringAttr(node) for node in some) for layer, some in nodes.items()}
        )


def nodes_of(module: ModuleOp) -> dict[str, tuple[str, ...]]:
    """The nodes of each layer; empty where the module doesn't say. Raises InputError where it says nonsense."""
    stated = module.attributes.get(_NAME)
    if stated is None:
        return {}
    layers = stated.data if isinstance(stated, DictionaryAttr) else dict[str, Attribute]()
    found = {
        layer: tuple(node.data for node in some) for layer, some in layers.items() if isa(some, ArrayAttr[StringAttr])
    }
    if not found or len(found) < len(layers):
        raise InputError(f"the module's {_NAME} is {stated}", hint='expected {layer = ["Relu name", ...], ...}')
    return found
