"""Types and packed attributes of the `apv` dialect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Attribute, Operation, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import OpTrait
from xdsl.utils.exceptions import VerifyException

from dialects.apv.adder_graph import AdderGraph
from dialects.support.packed import PackedAttr
from dialects.support.ranges import Range
from dialects.ternary.types import verify_rows


@irdl_attr_definition
class ColumnsType(ParametrizedAttribute, TypeAttribute):
    """`count` column vectors of integers from `low` to `high`, with one row per sample: `!apv.columns<64, 0, 15>`, or
    with several: `!apv.columns<64, 0, 15, rows 36>`."""

    name = "apv.columns"
    count: IntAttr
    low: IntAttr
    high: IntAttr
    rows: IntAttr

    @classmethod
    def of(cls, count: int, span: Range, rows: int = 1) -> ColumnsType:
        return cls(IntAttr(count), IntAttr(span.lo), IntAttr(span.hi), IntAttr(rows))

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
            rows = 1
            if parser.parse_optional_punctuation(","):
                parser.parse_keyword("rows")
                rows = parser.parse_integer(allow_boolean=False)
            values.append(rows)
        return [IntAttr(value) for value in values]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.count.data}, {self.low.data}, {self.high.data}")
            if self.rows.data != 1:
                printer.print_string(f", rows {self.rows.data}")

    def verify(self) -> None:
        if self.count.data < 1:
            raise VerifyException(f"expected at least one column vector, found {self.count.data}")
        if self.low.data > self.high.data:
            raise VerifyException(f"the range {self.low.data} to {self.high.data} is empty")
        if self.rows.data < 1:
            raise VerifyException(f"expected at least one row per sample, found {self.rows.data}")


@dataclass(frozen=True)
class InStage(OpTrait):
    """An operation on column vectors, which stands in a stage."""

    def verify(self, op: Operation) -> None:
        parent = op.parent_op()
        if parent is not None and parent.name != "apv.stage":
            raise VerifyException(f"expected to stand in an apv.stage, found {op.name} in {parent.name}")


@irdl_attr_definition
class GraphAttr(PackedAttr[AdderGraph]):
    """An adder graph, one line per node: `#apv.graph<{ ... }>`."""

    name = "apv.graph"
    value_class = AdderGraph


def columns_of(value: SSAValue) -> ColumnsType:
    """The type of a value that is known to be column vectors."""
    assert isinstance(value.type, ColumnsType)
    return value.type


def column_rows(value: SSAValue) -> int:
    """The rows per sample of a value that is known to be column vectors."""
    return columns_of(value).rows.data


def verify_same_rows(op: Operation) -> None:
    """Raises VerifyException where the column vectors of an operation have different numbers of rows per sample."""
    verify_rows(map(column_rows, (*op.operands, *op.results)))


def ranges_of(values: Iterable[SSAValue]) -> list[Range]:
    """The range of each column of values that are known to be column vectors."""
    kinds = map(columns_of, values)
    return [span for kind in kinds for span in [kind.range] * kind.count.data]
