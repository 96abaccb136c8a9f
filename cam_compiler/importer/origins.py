"""Which nodes of a model each layer stands for: its own, and those folded into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cam_compiler.importer.model import Node

_MOST = 64
"""nodes that are listed of a layer"""


def folded_nodes(nodes: Sequence[Node], layers: Iterable[str]) -> dict[str, list[str]]:
    """For each layer, the operators and names of its node and of those before it, up to the layers that it reads."""
    position = {name: number for number, node in enumerate(nodes) for name in node.outputs}
    own = {node.name: number for number, node in enumerate(nodes)}
    ends = {own[layer] for layer in layers if layer in own}
    return {
        nodes[end].name: [f"{nodes[number].op} {nodes[number].name}" for number in _before(nodes, position, ends, end)]
        for end in sorted(ends)
    }


def _before(nodes: Sequence[Node], position: Mapping[str, int], ends: set[int], end: int) -> list[int]:
    """A node, and those that lead to it from other layers, from inputs and from constants; `_MOST` at most."""
    found, waiting = {end}, [end]
    while waiting:
        for name in nodes[waiting.pop()].inputs:
            before = position.get(name)
            if before is None or before in ends or before in found or nodes[before].op == "Constant":
                continue
            if len(found) == _MOST:
                return sorted(found)
            found.add(before)
            waiting.append(before)
    return sorted(found)
