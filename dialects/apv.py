"""The `apv` dialect (AP vectors): layers over column vectors, one value a row; rows are the samples of the batch.

    %x = apv.load %q : tensor<?x64x!ternary.int<0, 15>> -> !apv.columns<64, 0, 15>
    %a = apv.linear %x : !apv.columns<64, 0, 15> -> !apv.columns<10, -90, 75> graph <{ ... }>
    %r = apv.store %a : !apv.columns<10, -90, 75> -> tensor<?x10x!ternary.int<-90, 75>>

A linear layer is an adder graph with exact widths: weights have become instructions.
"""

from __future__ import annotations

from xdsl.dialects.builtin import DYNAMIC_INDEX, IntAttr, StringAttr
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.adder_graph import AdderGraph
from dialects.packed import PackedAttr
from dialects.ranges import Range
from dialects.tensors import Thresholds
from dialects.ternary import IntTensor, ThresholdsAttr, int_tensor, range_of, shape_of, verify_reachable, verify_steps


@irdl_attr_definition
class ColumnsType(ParametrizedAttribute, TypeAttribute):
    """`count` column vectors of integers from `low` to `high`: `!apv.columns<64, 0, 15>`."""

    name = "apv.columns"
    count: IntAttr
    low: IntAttr
    high: IntAttr

    @classmethod
    def of(cls, count: int, span: Range) -> ColumnsType:
        return cls(IntAttr(count), IntAttr(span.lo), IntAttr(span.hi))

    @property
    def range(self) -> Range:
        return Range(self.low.data, self.high.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            values = [parser.parse_integer(allow_boolean=False)]
            for _ in range(2):
                parser.parse_punctuation(",")
                values.append(parser.parse_integer(allow_boolean=False))
        return [IntAttr(value) for value in values]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.count.data}, {self.low.data}, {self.high.data}")

    def verify(self) -> None:
        if self.count.data < 1:
            raise VerifyException(f"expected at least one column vector, found {self.count.data}")
        if self.low.data > self.high.data:
            raise VerifyException(f"the range {self.low.data} to {self.high.data} is empty")


@irdl_attr_definition
class GraphAttr(PackedAttr[AdderGraph]):
    """An adder graph, a line a node: `#apv.graph<{ ... }>`."""

    name = "apv.graph"
    value_class = AdderGraph


def columns_of(value: SSAValue) -> ColumnsType:
    """The type of a value that is known to be column vectors."""
    assert isinstance(value.type, ColumnsType)
    return value.type


def _verify_transfer(tensor: SSAValue, columns: SSAValue) -> None:
    shape, kind = shape_of(tensor), columns_of(columns)
    if len(shape) != 2 or DYNAMIC_INDEX in shape[1:] or shape[1] != kind.count.data:
        raise VerifyException(f"expected a tensor (batch, {kind.count.data}), found {shape}")
    if range_of(tensor) != kind.range:
        raise VerifyException(f"the tensor ranges over {range_of(tensor)}, the columns over {kind.range}")


@irdl_op_definition
class LoadOp(IRDLOperation):
    """Brings a tensor (batch, features) from the host into the array: a feature a column vector, a sample a row.

    `apv.load %q : tensor<?x64x!ternary.int<0, 15>> -> !apv.columns<64, 0, 15>`
    """

    name = "apv.load"
    input = operand_def(IntTensor)
    result = result_def(ColumnsType)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value], result_types=[ColumnsType.of(shape_of(value)[1], range_of(value))])

    def verify_(self) -> None:
        _verify_transfer(self.input, self.result)


@irdl_op_definition
class StoreOp(IRDLOperation):
    """Brings column vectors back to the host as a tensor (batch, features).

    `apv.store %a : !apv.columns<10, -90, 75> -> tensor<?x10x!ternary.int<-90, 75>>`
    """

    name = "apv.store"
    input = operand_def(ColumnsType)
    result = result_def(IntTensor)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue):
        kind = columns_of(value)
        super().__init__(operands=[value], result_types=[int_tensor((DYNAMIC_INDEX, kind.count.data), kind.range)])

    def verify_(self) -> None:
        _verify_transfer(self.result, self.input)


@irdl_op_definition
class LinearOp(IRDLOperation):
    """Constant weighted sums of column vectors, as an adder graph.

    `apv.linear %x : !apv.columns<2, 0, 1> -> !apv.columns<1, 0, 2> graph <{ ... }>`
    """

    name = "apv.linear"
    input = operand_def(ColumnsType)
    result = result_def(ColumnsType)
    graph = prop_def(GraphAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `graph` $graph attr-dict"

    def __init__(self, value: SSAValue, graph: AdderGraph, result: Range, layer: StringAttr | None = None):
        super().__init__(
            operands=[value],
            result_types=[ColumnsType.of(len(graph.output_table), result)],
            properties={"graph": GraphAttr(graph), "layer": layer},
        )

    def verify_(self) -> None:
        graph, source, result = self.graph.data, columns_of(self.input), columns_of(self.result)
        if problem := graph.problem():
            raise VerifyException(problem)
        if len(graph.inputs) != source.count.data or len(graph.output_table) != result.count.data:
            raise VerifyException(
                f"the graph has {len(graph.inputs)} inputs and {len(graph.output_table)} outputs, "
                f"its types say {source.count.data} and {result.count.data}"
            )
        for number, span in enumerate(graph.inputs):
            if not span.covers(source.range):
                raise VerifyException(
                    f"input %{number} of the graph ranges over {span}, its column over {source.range}"
                )
        if all(result.range.covers(span) for span in graph.output_ranges):
            return
        # Interval arithmetic is sound but loses cancellations (4x - x); coefficients are exact, and dear.
        for number, span in enumerate(graph.exact_output_ranges()):
            if not result.range.covers(span):
                raise VerifyException(f"output {number} of the graph reaches {span}, the result has {result.range}")


@irdl_op_definition
class ThresholdOp(IRDLOperation):
    """Requantisation of column vectors by integer thresholds, as `ternary.threshold`.

    `apv.threshold %a : !apv.columns<2, -9, 9> -> !apv.columns<2, -1, 1> thresholds <{ up -3 4 }>`
    """

    name = "apv.threshold"
    input = operand_def(ColumnsType)
    result = result_def(ColumnsType)
    thresholds = prop_def(ThresholdsAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `thresholds` $thresholds attr-dict"

    def __init__(self, value: SSAValue, thresholds: Thresholds, result: Range, layer: StringAttr | None = None):
        super().__init__(
            operands=[value],
            result_types=[ColumnsType.of(columns_of(value).count.data, result)],
            properties={"thresholds": ThresholdsAttr(thresholds), "layer": layer},
        )

    def verify_(self) -> None:
        source, result = columns_of(self.input), columns_of(self.result)
        if source.count != result.count:
            raise VerifyException(f"{source.count.data} columns can't become {result.count.data}")
        verify_steps(self.thresholds.data, result.range, source.count.data)
        verify_reachable(self.thresholds.data, source.range)


Apv = Dialect("apv", [LoadOp, StoreOp, LinearOp, ThresholdOp], [ColumnsType, GraphAttr])
