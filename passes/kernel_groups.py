"""Kernels of a layer's matrix: which inputs share subexpressions, at what cost, in how many live bits.

A matrix is cut into groups of neighbouring inputs. Each group is a kernel whose outputs share subexpressions, and the
kernels' outputs are accumulated one kernel after the other. Large groups share more, small ones need fewer live bits:
the group is chosen by cost under the array's budget of bits a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from dialects.adder_graph import AdderGraph, Node, Output
from dialects.isa import NO_CELL, Instruction, Op, Operand, passes_count
from dialects.ranges import Range
from passes.adder_graph_search import Kernel, prove, share_many
from passes.placement import continues, last_uses, peak_bits, slots_of
from passes.vector_code import Kind, VectorCode


class Candidate(NamedTuple):
    """An adder graph for a layer with its cost: AP cycles besides shifting, and the most live bits of a row."""

    graph: AdderGraph
    group: int
    cycles: int
    live_bits: int


def group_sizes(inputs: int) -> list[int]:
    """Sizes worth trying: all inputs in one kernel, then powers of two down to four."""
    powers = [1 << exponent for exponent in range(inputs.bit_length(), 1, -1)]
    return [inputs, *(size for size in powers if size < inputs)]


def evaluate(graph: AdderGraph, group: int) -> Candidate:
    """The cost of computing a graph, its inputs being in the array and its outputs staying there."""
    code = VectorCode()
    code.begin_segment("layer")
    views = code.linear([view for span in graph.inputs for view in code.load(0, 1, span)], graph)
    code.store(views, 0)
    last = last_uses(code)
    cycles = 0
    for number, step in enumerate(code.steps):
        if step.kind is not Kind.SUM:
            continue
        before = continues(step, number, last)
        a, b = (_source(code, step.a, step.a_shift), _source(code, step.b, step.b_shift))
        op = Op.SUB if step.subtract else Op.ADD
        if before >= 0:
            op = Op.SUB_IP if step.subtract else Op.ADD_IP
            a = b if before == step.a else a
        width = code.ranges[step.result].width
        cycles += sum(passes_count(Instruction(op, NO_CELL, width, a, b if before < 0 else Operand())))
    return Candidate(graph, group, cycles, peak_bits(slots_of(code)[1]))


def _source(code: VectorCode, value: int, shift: int) -> Operand:
    if value < 0:
        return Operand()
    span = code.ranges[value]
    return Operand(0, 0, span.width, span.signed, shift)


def grouped(matrix: NDArray[Any], inputs: Sequence[Range], group: int, effort: int, seed: int) -> AdderGraph:
    """The matrix (outputs, inputs) as kernels of `group` inputs each, accumulated one after the other."""
    count = matrix.shape[1]
    spans = [(begin, min(begin + group, count)) for begin in range(0, count, group)]
    kernels = [Kernel(matrix[:, begin:end], inputs[begin:end]) for begin, end in spans]
    nodes: list[Node] = []
    sums = [Output(-1)] * len(matrix)
    for (begin, end), graph in zip(spans, share_many(kernels, effort=effort, seed=seed), strict=True):
        _append(nodes, sums, graph, begin, end, count)
    result = AdderGraph.of(inputs, nodes, sums)
    prove(result, matrix)
    return result


def _append(nodes: list[Node], sums: list[Output], kernel: AdderGraph, begin: int, end: int, count: int) -> None:
    """Add a kernel over inputs `begin` to `end`: each node when it is first needed, each output to its sum."""
    inner = kernel.nodes
    numbers = {index: begin + index for index in range(end - begin)}

    def emit(value: int) -> None:
        stack = [value]
        while stack:
            at = stack[-1]
            if at in numbers:
                stack.pop()
                continue
            a, a_shift, b, b_shift, subtract = inner[at - (end - begin)]
            missing = [operand for operand in (a, b) if operand not in numbers]
            if missing:
                stack += missing
                continue
            numbers[at] = count + len(nodes)
            nodes.append(Node(numbers[a], a_shift, numbers[b], b_shift, subtract))
            stack.pop()

    for index, (ref, shift, negate) in enumerate(kernel.outputs):
        if ref < 0:
            continue
        emit(ref)
        term = Output(numbers[ref], shift, negate)
        sums[index] = term if sums[index].ref < 0 else _accumulate(nodes, sums[index], term, count)


def _accumulate(nodes: list[Node], total: Output, term: Output, count: int) -> Output:
    """total + term as a node whose result is not shifted where the total isn't."""
    shift = min(total.shift, term.shift)
    subtract = int(total.negate != term.negate)
    first, second = (term, total) if total.negate and not term.negate else (total, term)
    nodes.append(Node(first.ref, first.shift - shift, second.ref, second.shift - shift, subtract))
    return Output(count + len(nodes) - 1, shift, total.negate & term.negate)


def choose(matrix: NDArray[Any], inputs: Sequence[Range], budget_bits: int, effort: int, seed: int) -> list[Candidate]:
    """All group sizes, tried greedily, and the best of those that fit searched with the given effort; best first."""
    tried = [evaluate(grouped(matrix, inputs, size, 0, seed), size) for size in group_sizes(matrix.shape[1])]
    fitting = [candidate for candidate in tried if candidate.live_bits <= budget_bits]
    if not fitting:
        return []
    best = min(fitting, key=lambda candidate: candidate.cycles)
    if effort:
        searched = evaluate(grouped(matrix, inputs, best.group, effort, seed), best.group)
        if searched.live_bits <= budget_bits:
            fitting.append(searched)
    return sorted(fitting, key=lambda candidate: candidate.cycles)
