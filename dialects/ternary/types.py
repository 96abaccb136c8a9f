"""Types, constant attributes and helpers of the `ternary` dialect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias, cast

from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyFloat, IntAttr, NoneAttr, TensorType
from xdsl.ir import Attribute, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import AnyAttr, EqAttrConstraint, MessageConstraint, ParamAttrConstraint, irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from dialects.support.packed import PackedAttr
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntMatrix, Thresholds


@irdl_attr_definition
class IntType(ParametrizedAttribute, TypeAttribute):
    """Integers from `low` to `high`, both included: `!ternary.int<-1, 1>`."""

    name = "ternary.int"
    low: IntAttr
    high: IntAttr

    @classmethod
    def of(cls, span: Range) -> IntType:
        return cls(IntAttr(span.lo), IntAttr(span.hi))

    @property
    def range(self) -> Range:
        return Range(self.low.data, self.high.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            low = parser.parse_integer(allow_boolean=False)
            parser.parse_punctuation(",")
            high = parser.parse_integer(allow_boolean=False)
        return [IntAttr(low), IntAttr(high)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.low.data}, {self.high.data}")

    def verify(self) -> None:
        if self.low.data > self.high.data:
            raise VerifyException(
                f"an integer range goes from the lower to the higher end, found {self.low.data}, {self.high.data}"
            )


@irdl_attr_definition
class RowsAttr(ParametrizedAttribute):
    """The encoding of a tensor (batch, features) that has several rows for each sample: `#ternary.rows<36>`.

    The rows are the positions of an image, from a gather to a scatter; a tensor of one row per sample has no encoding.
    """

    name = "ternary.rows"
    count: IntAttr

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            return [IntAttr(parser.parse_integer(allow_boolean=False))]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.count.data))

    def verify(self) -> None:
        if self.count.data < 2:
            raise VerifyException(f"expected at least two rows per sample, found {self.count.data}")


_ONE_ROW = MessageConstraint(
    ParamAttrConstraint(TensorType, (AnyAttr(), AnyAttr(), EqAttrConstraint(NoneAttr()))),
    "expected a tensor of one row per sample",
)
RowsTensor: TypeAlias = TensorType[IntType]
"""A tensor of integers that may have several rows per sample."""
IntTensor: TypeAlias = Annotated[RowsTensor, _ONE_ROW]
AnyTensor: TypeAlias = Annotated[TensorType[Attribute], _ONE_ROW]
FloatTensor: TypeAlias = TensorType[AnyFloat]


@irdl_attr_definition
class MatrixAttr(PackedAttr[IntMatrix]):
    """Weights, one line per output: `<{ +0- }>`."""

    name = "ternary.matrix"
    value_class = IntMatrix


@irdl_attr_definition
class ThresholdsAttr(PackedAttr[Thresholds]):
    """Integer thresholds, one line per channel: `<{ up -3 5 }>`."""

    name = "ternary.thresholds"
    value_class = Thresholds


@irdl_attr_definition
class FloatThresholdsAttr(PackedAttr[FloatThresholds]):
    """Real thresholds, one line per channel: `<{ up 0.25 0.75 }>`."""

    name = "ternary.float_thresholds"
    value_class = FloatThresholds


def int_tensor(shape: tuple[int, ...], span: Range, rows: int = 1) -> IntTensor:
    """A tensor type of integers in `span`, with `rows` rows per sample; the batch dimension is `DYNAMIC_INDEX`."""
    return TensorType(IntType.of(span), shape, RowsAttr(IntAttr(rows)) if rows > 1 else NoneAttr())


def range_of(value: SSAValue) -> Range:
    """The range of an integer tensor; the value's type is known to be one."""
    element = element_of(value)
    assert isinstance(element, IntType)
    return element.range


def _tensor_type(value: SSAValue) -> TensorType[Attribute]:
    kind: Attribute = value.type
    assert isinstance(kind, TensorType)
    return cast(TensorType[Attribute], kind)


def element_of(value: SSAValue) -> Attribute:
    """The element type of a tensor."""
    return _tensor_type(value).element_type


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The shape of a tensor; a dynamic dimension is `DYNAMIC_INDEX`."""
    return _tensor_type(value).get_shape()


def rows_of(value: SSAValue) -> int:
    """The rows that a tensor has for each sample."""
    encoding = _tensor_type(value).encoding
    return encoding.count.data if isinstance(encoding, RowsAttr) else 1


def verify_rows(rows: Iterable[int]) -> None:
    """Raises VerifyException where the values of one operation have different numbers of rows per sample."""
    if len(found := sorted(set(rows))) > 1:
        raise VerifyException(f"values of {' and '.join(map(str, found))} rows per sample don't fit together")


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as types print it, for messages: `?x64`."""
    return "x".join("?" if size == DYNAMIC_INDEX else str(size) for size in shape) or "no dimension"


def channels_of(value: SSAValue) -> int:
    shape = shape_of(value)
    return shape[1] if len(shape) > 1 else 1


def verify_steps(table: Thresholds, result: Range, channels: int) -> None:
    """Common rules of all threshold tables; raises VerifyException."""
    if table.channels not in (1, channels):
        raise VerifyException(f"expected thresholds for 1 or {channels} channels, found {table.channels}")
    if table.levels != result.hi - result.lo:
        raise VerifyException(
            f"a result from {result.lo} to {result.hi} needs {result.hi - result.lo} thresholds per channel, "
            f"found {table.levels}"
        )
    if problem := table.problem():
        raise VerifyException(problem)


def verify_reachable(table: Thresholds, span: Range) -> None:
    """Integer thresholds lie in the range of their input or one above it; raises VerifyException."""
    values = table.array
    if values.size and (values.min() < span.lo or values.max() > span.hi + 1):
        raise VerifyException(
            f"thresholds of an input {span} lie in {span.lo}..{span.hi + 1}, found {values.min()}..{values.max()}"
        )
