"""Parts of adder graphs: some outputs as sums of some inputs, all others of which are zero."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dialects.apv.adder_graph import ZERO_OUTPUT, AdderGraph, Node, Output
from dialects.support.tensors import IntArray


class _Term(NamedTuple):
    """A value of the new graph, shifted and perhaps negated."""

    ref: int
    shift: int
    negated: bool

    def times(self, shift: int, negated: bool) -> _Term:
        return _Term(self.ref, self.shift + shift, self.negated != negated)


def cut_graph(graph: AdderGraph, inputs: IntArray, outputs: IntArray) -> AdderGraph:
    """The graph of some outputs over some inputs."""
    wanted = _needed(graph, outputs)
    terms: dict[int, _Term | None] = {old: _Term(new, 0, False) for new, old in enumerate(inputs.tolist())}
    nodes: list[Node] = []
    for number, node in enumerate(graph.nodes, start=len(graph.inputs)):
        if number not in wanted:
            continue
        left, right = terms.get(node.a), terms.get(node.b)
        left = left and left.times(node.a_shift, False)
        right = right and right.times(node.b_shift, bool(node.subtract))
        terms[number] = _sum(left, right, nodes, len(inputs)) if left and right else left or right
    found: list[Output] = []
    for output in _chosen(graph, outputs):
        term = terms.get(output.ref)
        whole = term and term.times(output.shift, bool(output.negate))
        found.append(Output(whole.ref, whole.shift, int(whole.negated)) if whole else ZERO_OUTPUT)
    kept: list[int] = inputs.tolist()
    return AdderGraph.of([graph.inputs[number] for number in kept], nodes, found)


def _chosen(graph: AdderGraph, outputs: IntArray) -> list[Output]:
    numbers: list[int] = outputs.tolist()
    return [graph.outputs[number] for number in numbers]


def graph_terms(graph: AdderGraph, outputs: IntArray) -> IntArray:
    """The inputs that some outputs are made of."""
    found = sorted(number for number in _needed(graph, outputs) if 0 <= number < len(graph.inputs))
    return np.array(found, dtype=np.int64)


def _sum(left: _Term, right: _Term, nodes: list[Node], inputs: int) -> _Term | None:
    """A new node; what both terms are shifted by, and a sign of both, is left to its readers."""
    if left.ref == right.ref and left.shift == right.shift and left.negated != right.negated:
        return None
    if left.negated and not right.negated:
        left, right = right, left
    common = min(left.shift, right.shift)
    subtract = left.negated != right.negated
    nodes.append(Node(left.ref, left.shift - common, right.ref, right.shift - common, int(subtract)))
    return _Term(inputs + len(nodes) - 1, common, left.negated)


def _needed(graph: AdderGraph, outputs: IntArray) -> set[int]:
    """The values that some outputs are made of."""
    wanted = {output.ref for output in _chosen(graph, outputs)}
    first = len(graph.inputs)
    for number in range(first + len(graph.nodes) - 1, first - 1, -1):
        if number in wanted:
            wanted.update((graph.nodes[number - first].a, graph.nodes[number - first].b))
    return wanted
