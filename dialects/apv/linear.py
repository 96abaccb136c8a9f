"""Constant weighted sums of column vectors: as weights, and as the adder graph that computes them.

    %a = apv.linear %x : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -1, 2> weights <{ ++0 0+- }>
    %a = apv.sum %x : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -1, 2> graph <{ ... }>

The inputs are the columns of all operands in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.apv.adder_graph import WEIGHT_LIMIT, AdderGraph, bounds_of
from dialects.apv.types import ColumnsType, GraphAttr, InStage, column_rows, columns_of, ranges_of, verify_same_rows
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray, IntMatrix
from dialects.ternary.types import MatrixAttr

_INPUTS = Range(-(1 << 31), (1 << 31) - 1)


def reach(weights: IntArray, inputs: Sequence[Range]) -> list[Range]:
    """The exact range of each output of a matrix (outputs, inputs) over inputs of the given ranges."""
    entries: NDArray[Any] = weights
    ends: NDArray[Any] = bounds_of(inputs)
    if float(np.abs(weights.astype(np.float64)).sum(axis=1).max()) * float(np.abs(ends).max()) > 1 << 62:
        entries, ends = entries.astype(object), ends.astype(object)
    positive, negative = np.maximum(entries, 0), np.minimum(entries, 0)
    lows = positive @ ends[:, 0] + negative @ ends[:, 1]
    highs = positive @ ends[:, 1] + negative @ ends[:, 0]
    return list(map(Range, lows.tolist(), highs.tolist()))


def linear_problem(weights: IntArray, inputs: Sequence[Range]) -> str | None:
    """Why no adder graph can compute a matrix, if so: its weights or its inputs reach too far."""
    if np.abs(weights).max() > WEIGHT_LIMIT:
        return f"weights lie within {-WEIGHT_LIMIT} and {WEIGHT_LIMIT}"
    if wide := [span for span in inputs if not _INPUTS.covers(span)]:
        return f"its inputs range over {wide[0]}, at most {_INPUTS} can be summed"
    return None


@irdl_op_definition
class LinearOp(IRDLOperation):
    """Weighted sums: one line of weights per output, with one entry per input.

    Each run of `kernel_size` inputs, default 1, is one channel of a convolution.
    `apv.linear %x {kernel_size = 9 : i64} : (!apv.columns<9, 0, 1>) -> !apv.columns<1, 0, 2> weights <{ +000+0000 }>`
    """

    name = "apv.linear"
    inputs = var_operand_def(ColumnsType)
    result = result_def(ColumnsType)
    weights = prop_def(MatrixAttr)
    layer = opt_prop_def(StringAttr)
    kernel_size_attr = opt_prop_def(IntegerAttr, prop_name="kernel_size")
    traits = traits_def(InStage(), Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$inputs attr-dict `:` functional-type($inputs, $result) (`layer` $layer^)? `weights` $weights"

    def __init__(
        self,
        values: Sequence[SSAValue],
        weights: IntArray,
        result: Range,
        layer: StringAttr | None = None,
        kernel_size: int = 1,
    ):
        size = IntegerAttr(kernel_size, i64) if kernel_size > 1 else None
        matrix = MatrixAttr(IntMatrix.from_array(weights))
        super().__init__(
            operands=[values],
            result_types=[ColumnsType.of(len(weights), result, column_rows(values[0]))],
            properties={"weights": matrix, "layer": layer, "kernel_size": size},
        )

    @property
    def kernel_size(self) -> int:
        return self.kernel_size_attr.value.data if self.kernel_size_attr else 1

    def verify_(self) -> None:
        weights, result, ranges = self.weights.data, columns_of(self.result), ranges_of(self.inputs)
        _verify_counts("weights have", weights.columns, weights.rows, self.inputs, result)
        if self.kernel_size < 1 or len(ranges) % self.kernel_size:
            raise VerifyException(f"{len(ranges)} inputs can't be channels of {self.kernel_size}")
        verify_same_rows(self)
        if problem := linear_problem(weights.array, ranges):
            raise VerifyException(problem)
        _verify_reach(reach(weights.array, ranges), result.range)


@irdl_op_definition
class SumOp(IRDLOperation):
    """Sums as an adder graph.

    `apv.sum %x : (!apv.columns<9, 0, 1>) -> !apv.columns<1, 0, 2> graph <{ ... }>`
    """

    name = "apv.sum"
    inputs = var_operand_def(ColumnsType)
    result = result_def(ColumnsType)
    graph = prop_def(GraphAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(InStage(), Pure())
    assembly_format = "$inputs `:` functional-type($inputs, $result) (`layer` $layer^)? `graph` $graph attr-dict"

    def __init__(self, values: Sequence[SSAValue], graph: AdderGraph, result: Range, layer: StringAttr | None = None):
        super().__init__(
            operands=[values],
            result_types=[ColumnsType.of(len(graph.output_table), result, column_rows(values[0]))],
            properties={"graph": GraphAttr(graph), "layer": layer},
        )

    def verify_(self) -> None:
        graph, result = self.graph.data, columns_of(self.result)
        if problem := graph.problem():
            raise VerifyException(problem)
        _verify_counts("the graph has", len(graph.inputs), len(graph.output_table), self.inputs, result)
        verify_same_rows(self)
        self._verify_ranges()
        if all(result.range.covers(span) for span in graph.output_ranges):
            return
        # Interval arithmetic is sound but loses cancellations (4x - x); coefficients are exact, and dear.
        _verify_reach(graph.exact_output_ranges(), result.range)

    def _verify_ranges(self) -> None:
        graph, begin = self.graph.data, 0
        for kind in map(columns_of, self.inputs):
            ends = graph.input_bounds[begin : begin + kind.count.data]
            wrong = np.flatnonzero((ends[:, 0] > kind.range.lo) | (ends[:, 1] < kind.range.hi))
            if len(wrong):
                number = begin + int(wrong[0])
                span = graph.inputs[number]
                raise VerifyException(f"input %{number} of the graph ranges over {span}, its column over {kind.range}")
            begin += kind.count.data


def _verify_counts(what: str, inputs: int, outputs: int, values: Sequence[SSAValue], result: ColumnsType) -> None:
    count = sum(columns_of(value).count.data for value in values)
    if inputs != count or outputs != result.count.data:
        raise VerifyException(
            f"{what} {inputs} inputs and {outputs} outputs, the types say {count} and {result.count.data}"
        )


def _verify_reach(outputs: Sequence[Range], result: Range) -> None:
    for number, span in enumerate(outputs):
        if not result.covers(span):
            raise VerifyException(f"output {number} reaches {span}, the result has {result}")
