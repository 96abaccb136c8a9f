"""What an adder graph costs on the array: AP cycles besides shifting, and live bits of a row.

    %3 = %0 + %1     u4 + u4: 44 cycles, in place 34, if %0 or %1 dies here

The rules are those of the lowering (passes/native/placing/lowering.hpp), applied natively. The cycles of a bit are
read off the instruction table: four operations, at the first bit or a later one, with each operand present or known to
be zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from dialects.apv.adder_graph import AdderGraph, bounds_of
from dialects.machine.isa import NO_CELL, ZERO, Instruction, Op, Operand, passes_count
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from passes import _adder_graphs

_RANGE_LIMIT = 1 << 31


@cache
def cost_table() -> IntArray:
    """Cycles [operation][first bit][a present][b present] of a bit; of a bit set; of EXT's sign and further bits."""
    bits = [
        _bit_cycles(op, first, a, b)
        for op in (Op.ADD_IP, Op.SUB_IP, Op.ADD, Op.SUB)
        for first in (False, True)
        for a in (False, True)
        for b in (False, True)
    ]
    sign = _cycles(Op.EXT, 1)
    table = np.array([*bits, _cycles(Op.SET, 1), sign, _cycles(Op.EXT, 2) - sign], dtype=np.int64)
    table.flags.writeable = False
    return table


def _bit_cycles(op: Op, first: bool, a: bool, b: bool) -> int:
    operands = [Operand(width=2) if present else ZERO for present in (a, b)]
    return _cycles(op, 1, *operands) if first else _cycles(op, 2, *operands) - _cycles(op, 1, *operands)


def _cycles(op: Op, width: int, a: Operand = ZERO, b: Operand = ZERO) -> int:
    return sum(passes_count(Instruction(op, NO_CELL, width, a, b)))


def range_table(inputs: Sequence[Range]) -> IntArray:
    """(inputs, 2): lowest and highest values; ValueError where one is out of reach."""
    return _checked(bounds_of(inputs))


def graph_cost(graph: AdderGraph, resident: bool = False) -> tuple[int, int]:
    """AP cycles, and the most bits of a row alive at a time; inputs come when needed, or are there from the start."""
    ranges = _checked(graph.input_bounds)
    return _adder_graphs.evaluate(ranges, graph.node_table, graph.output_table, cost_table(), resident=resident)


def _checked(bounds: IntArray) -> IntArray:
    if bounds.size and np.abs(bounds).max() > _RANGE_LIMIT:
        raise ValueError(f"expected input ranges within {-_RANGE_LIMIT}..{_RANGE_LIMIT}")
    return bounds
