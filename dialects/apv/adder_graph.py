"""Adder graphs: a constant integer matrix as sums and differences of two terms over column vectors.

    inputs 3 in 0..1
    %3 = %0 + %1 : u2
    %4 = %3 - %2<<1 : i3
    out -%4

Inputs are %0, %1, ...; a node is (a << s) + (b << t) or (a << s) - (b << t) of earlier values, with one shift zero;
an output is a value, shifted or negated, or zero. Every node states its machine type, which follows from the exact
ranges of the inputs by interval arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dialects import _graph
from dialects.support.errors import TextError
from dialects.support.grammar import parse
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray

_GRAMMAR = Path(__file__).with_name("adder_graph.lark")

WEIGHT_LIMIT = 1 << 30
"""Weights lie within plus and minus this, so that shifts of their digits fit the tables with room to spare."""

_BLOCK = 1 << 22
"""Entries of the working matrix while values are propagated, to bound memory."""


class Node(NamedTuple):
    """(a << a_shift) + (b << b_shift), or minus if `subtract`; a and b are numbers of earlier values."""

    a: int
    a_shift: int
    b: int
    b_shift: int
    subtract: int


class Output(NamedTuple):
    """The value `ref` << shift, negated if `negate`; ref -1 is the constant zero."""

    ref: int
    shift: int = 0
    negate: int = 0


ZERO_OUTPUT = Output(-1)


@dataclass(frozen=True)
class AdderGraph:
    """Inputs with their ranges, nodes in order of computation, outputs; packed, as a layer may have a million nodes."""

    inputs: tuple[Range, ...]
    node_bytes: bytes
    """little-endian int32 (nodes, 5), columns as in `Node`"""
    output_bytes: bytes
    """little-endian int32 (outputs, 3), columns as in `Output`"""

    @classmethod
    def of(
        cls, inputs: Sequence[Range], nodes: Sequence[Node] | NDArray[Any], outputs: Sequence[Output] | NDArray[Any]
    ) -> Self:
        """From rows in the order of `Node` and `Output`."""
        return cls(tuple(inputs), np.asarray(nodes, "<i4").tobytes(), np.asarray(outputs, "<i4").tobytes())

    @property
    def node_table(self) -> NDArray[np.int32]:
        return np.frombuffer(self.node_bytes, "<i4").reshape(-1, 5)

    @property
    def output_table(self) -> NDArray[np.int32]:
        return np.frombuffer(self.output_bytes, "<i4").reshape(-1, 3)

    @cached_property
    def nodes(self) -> list[Node]:
        return [Node(*row) for row in self.node_table.tolist()]

    @cached_property
    def outputs(self) -> list[Output]:
        return [Output(*row) for row in self.output_table.tolist()]

    @cached_property
    def input_bounds(self) -> IntArray:
        """The lowest and the highest number (inputs, 2) of every input."""
        return bounds_of(self.inputs)

    @cached_property
    def bounds(self) -> IntArray:
        """The lowest and the highest number (values, 2) of every value, inputs first, by interval arithmetic."""
        return _graph.bounds(self.input_bounds, self.node_table)

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """The range of every value, inputs first, by interval arithmetic."""
        return _to_ranges(self.bounds)

    @cached_property
    def output_ranges(self) -> tuple[Range, ...]:
        """The range of every output."""
        used = self.output_table[:, 0] >= 0
        spans = iter(_to_ranges(self.bounds[self.output_table[used, 0]]))

        def of(output: Output) -> Range:
            if output.ref < 0:
                return Range(0, 0)
            span = next(spans) << output.shift
            return -span if output.negate else span

        return tuple(of(output) for output in self.outputs)

    def problem(self) -> str | None:
        """What is malformed, if anything: a reference to a later value, a shift on both sides, a value too wide."""
        nodes, outputs = self.node_table, self.output_table
        numbers = np.arange(len(nodes)) + len(self.inputs)
        later = (nodes[:, (0, 2)] >= numbers[:, None]) | (nodes[:, (0, 2)] < 0)
        if later.any():
            return f"%{numbers[later.any(axis=1)][0]} uses a value that is not computed before it"
        shifted = (nodes[:, 1] > 0) & (nodes[:, 3] > 0)
        if shifted.any():
            return f"%{numbers[shifted][0]} shifts both of its terms"
        missing = np.flatnonzero(outputs[:, 0] >= len(self.inputs) + len(nodes))
        if len(missing):
            return f"output {missing[0]} uses a value that does not exist"
        try:
            _ = self.bounds
        except (ValueError, OverflowError) as error:
            return str(error)
        return None

    def propagate(self, inputs: IntArray) -> IntArray:
        """The outputs for values (inputs, samples) of the inputs; int64 (outputs, samples)."""
        nodes, outputs = self.node_table.tolist(), self.output_table
        count = len(self.inputs) + len(nodes)
        step = max(1, _BLOCK // max(1, count))
        result = np.zeros((len(outputs), inputs.shape[1]), dtype=np.int64)
        used = outputs[:, 0] >= 0
        for begin in range(0, inputs.shape[1], step):
            block = inputs[:, begin : begin + step]
            values = np.empty((count, block.shape[1]), dtype=np.int64)
            values[: len(block)] = block
            for number, (a, a_shift, b, b_shift, subtract) in enumerate(nodes, start=len(block)):
                left = values[a] << a_shift if a_shift else values[a]
                right = values[b] << b_shift if b_shift else values[b]
                (np.subtract if subtract else np.add)(left, right, out=values[number])
            ref, shift, negate = outputs[used].T.astype(np.int64)
            result[used, begin : begin + step] = (values[ref] << shift[:, None]) * (1 - 2 * negate[:, None])
        return result

    def coefficients(self) -> IntArray:
        """The matrix (outputs, inputs) that the graph computes, by propagating coefficient vectors: a proof."""
        return _graph.coefficients(len(self.inputs), self.node_table, self.output_table)

    def exact_output_ranges(self) -> list[Range]:
        """The range of every output from its coefficients; within that of interval arithmetic."""
        weights = self.coefficients()
        low, high = (weights * ends for ends in self.input_bounds.T)
        ends = np.stack((np.minimum(low, high).sum(axis=1), np.maximum(low, high).sum(axis=1)), axis=1)
        return list(_to_ranges(ends))

    def to_text(self) -> str:
        lines = [f"inputs {count} in {span}" for span, count in _runs(self.inputs)]
        first = len(self.inputs)
        for number, (a, a_shift, b, b_shift, subtract) in enumerate(self.node_table.tolist(), start=first):
            sign = "-" if subtract else "+"
            kind = self.ranges[number].tag
            lines.append(f"%{number} = {_term(a, a_shift)} {sign} {_term(b, b_shift)} : {kind}")
        for ref, shift, negate in self.output_table.tolist():
            lines.append("out zero" if ref < 0 else f"out {'-' if negate else ''}{_term(ref, shift)}")
        return "\n".join(lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        return cls.of(*parse(_GRAMMAR, _ToGraph, text))


def bounds_of(ranges: Sequence[Range]) -> IntArray:
    """The lowest and the highest number (ranges, 2) of each range."""
    # Most columns have the range of the one before: few numbers need to be converted.
    begins = [at for at, span in enumerate(ranges) if at == 0 or span is not ranges[at - 1]]
    ends = np.array([(ranges[at].lo, ranges[at].hi) for at in begins], dtype=np.int64).reshape(-1, 2)
    return np.repeat(ends, np.diff([*begins, len(ranges)]), axis=0)


def _to_ranges(bounds: IntArray) -> tuple[Range, ...]:
    lows, highs = bounds.T.tolist()
    return tuple(map(Range, lows, highs))


def _runs(ranges: Sequence[Range]) -> Iterable[tuple[Range, int]]:
    """Equal neighbours with their count."""
    begin = 0
    for end in range(1, len(ranges) + 1):
        if end == len(ranges) or ranges[end] != ranges[begin]:
            yield ranges[begin], end - begin
            begin = end


def _term(ref: int, shift: int) -> str:
    return f"%{ref}<<{shift}" if shift else f"%{ref}"


MAX_INPUTS = 1 << 20
"""Inputs that one line of text may state."""
MAX_SHIFT = 63


class _ToGraph:
    """Builds the parts of a graph as lark reads it; names may be any, numbers are given in order."""

    def start(self, parts: list[Any]) -> tuple[Any, ...]:
        inputs: list[Range] = []
        nodes: list[Node] = []
        outputs: list[Output] = []
        numbers: dict[str, int] = {}
        ranges: list[Range] = []

        def find(term: tuple[Any, int]) -> tuple[int, int]:
            token, shift = term
            if str(token) not in numbers:
                raise TextError(f"{token} is not computed before it is used", token.start_pos)
            return numbers[str(token)], shift

        for part in parts:
            if part[0] == "inputs":
                for _ in range(part[1]):
                    numbers[f"%{len(inputs)}"] = len(inputs)
                    inputs.append(part[2])
                    ranges.append(part[2])
            elif part[0] == "node":
                _, name, left, subtract, right, kind = part
                node = Node(*find(left), *find(right), int(subtract))
                if node.a_shift and node.b_shift:
                    raise TextError(f"{name} shifts both of its terms", name.start_pos)
                first, second = ranges[node.a] << node.a_shift, ranges[node.b] << node.b_shift
                span = first - second if subtract else first + second
                if span.tag != str(kind):
                    raise TextError(f"{name} ranges over {span}, which is {span.tag}, not {kind}", kind.start_pos)
                if str(name) in numbers:
                    raise TextError(f"{name} is computed twice", name.start_pos)
                numbers[str(name)] = len(ranges)
                ranges.append(span)
                nodes.append(node)
            else:
                outputs.append(Output(*find(part[1]), int(part[2])) if part[1] else ZERO_OUTPUT)
        return tuple(inputs), tuple(nodes), tuple(outputs)

    def inputs(self, parts: list[Any]) -> tuple[Any, ...]:
        count, span = parts
        low, _, high = str(span).partition("..")
        if int(low) > int(high):
            raise TextError(f"the range {span} is empty", span.start_pos)
        if int(count) > MAX_INPUTS:
            raise TextError(f"a graph has at most {MAX_INPUTS} inputs, found {count}", count.start_pos)
        return "inputs", int(count), Range(int(low), int(high))

    def node(self, parts: list[Any]) -> tuple[Any, ...]:
        name, left, sign, right, kind = parts
        return "node", name, left, str(sign) == "-", right, kind

    def output(self, parts: list[Any]) -> tuple[Any, ...]:
        if len(parts) == 1:
            return "out", None, False
        negate, term = parts
        return "out", term, negate is not None

    def term(self, parts: list[Any]) -> tuple[Any, int]:
        name, shift = parts
        places = int(str(shift)[2:]) if shift else 0
        if places > MAX_SHIFT:
            raise TextError(f"a shift is at most {MAX_SHIFT}, found {places}", shift.start_pos)
        return name, places
