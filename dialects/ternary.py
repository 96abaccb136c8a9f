"""The `ternary` dialect: a network as integer tensors with exact ranges; nothing is float between its host ends.

    %q = ternary.quantize %image : tensor<?x64xf32> -> tensor<?x64x!ternary.int<0, 15>> thresholds ...
    %a = ternary.matmul %q : tensor<?x64x!ternary.int<0, 15>> -> tensor<?x10x!ternary.int<-90, 75>> weights ...
    %y = ternary.dequantize %a {scale = ..., offset = ...} : tensor<?x10x!ternary.int<-90, 75>> -> tensor<?x10xf32>

The first dimension of every tensor is the batch; the second is the channel.
"""

from __future__ import annotations

from math import prod
from typing import TypeAlias, cast

import numpy as np
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    DenseArrayBase,
    Float32Type,
    Float64Type,
    IntAttr,
    StringAttr,
    TensorType,
    f64,
)
from xdsl.ir import Attribute, Dialect, Operation, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
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

from dialects.packed import PackedAttr
from dialects.ranges import Range
from dialects.tensors import FloatArray, FloatThresholds, IntMatrix, Thresholds


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


IntTensor: TypeAlias = TensorType[IntType]
FloatTensor: TypeAlias = TensorType[AnyFloat]


@irdl_attr_definition
class MatrixAttr(PackedAttr[IntMatrix]):
    """Weights, a line an output: `<{ +0- }>`."""

    name = "ternary.matrix"
    value_class = IntMatrix


@irdl_attr_definition
class ThresholdsAttr(PackedAttr[Thresholds]):
    """Integer thresholds, a line a channel: `<{ up -3 5 }>`."""

    name = "ternary.thresholds"
    value_class = Thresholds


@irdl_attr_definition
class FloatThresholdsAttr(PackedAttr[FloatThresholds]):
    """Real thresholds, a line a channel: `<{ up 0.25 0.75 }>`."""

    name = "ternary.float_thresholds"
    value_class = FloatThresholds


def int_tensor(shape: tuple[int, ...], span: Range) -> IntTensor:
    """A tensor type of integers in `span`; the batch dimension is `DYNAMIC_INDEX`."""
    return TensorType(IntType.of(span), shape)


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


def channels_of(value: SSAValue) -> int:
    shape = shape_of(value)
    return shape[1] if len(shape) > 1 else 1


def verify_steps(table: Thresholds, result: Range, channels: int) -> None:
    """Common rules of all threshold tables; raises VerifyException."""
    if table.channels not in (1, channels):
        raise VerifyException(f"expected thresholds for 1 or {channels} channels, found {table.channels}")
    if table.levels != result.hi - result.lo:
        raise VerifyException(
            f"a result from {result.lo} to {result.hi} needs {result.hi - result.lo} thresholds a channel, "
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


@irdl_op_definition
class QuantizeOp(IRDLOperation):
    """The host's input quantiser: real numbers to integers, by thresholds; exact, no rounding is left to chance.

    `ternary.quantize %x : tensor<?x4xf32> -> tensor<?x4x!ternary.int<0, 2>> thresholds <{...}>`
    """

    name = "ternary.quantize"
    input = operand_def(FloatTensor)
    result = result_def(IntTensor)
    thresholds = prop_def(FloatThresholdsAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `thresholds` $thresholds attr-dict"

    def __init__(self, value: SSAValue, thresholds: FloatThresholds, result: Range, layer: str = ""):
        super().__init__(
            operands=[value],
            result_types=[int_tensor(shape_of(value), result)],
            properties={
                "thresholds": FloatThresholdsAttr(thresholds),
                "layer": StringAttr(layer) if layer else None,
            },
        )

    def verify_(self) -> None:
        if shape_of(self.input) != shape_of(self.result):
            raise VerifyException("input and result differ in shape")
        verify_steps(self.thresholds.data, range_of(self.result), channels_of(self.input))


@irdl_op_definition
class MatmulOp(IRDLOperation):
    """Weighted sums of the features of each sample: result[n, o] = sum over i of weights[o, i] * input[n, i].

    `ternary.matmul %x : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{ +0- }>`
    """

    name = "ternary.matmul"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    weights = prop_def(MatrixAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `weights` $weights attr-dict"

    def __init__(self, value: SSAValue, weights: IntMatrix, layer: str = ""):
        lows, highs = weights.output_ranges(range_of(value))
        span = Range(int(lows.min()), int(highs.max()))
        super().__init__(
            operands=[value],
            result_types=[int_tensor((shape_of(value)[0], weights.rows), span)],
            properties={"weights": MatrixAttr(weights), "layer": StringAttr(layer) if layer else None},
        )

    def verify_(self) -> None:
        weights, shape = self.weights.data, shape_of(self.input)
        if len(shape) != 2 or shape[1] != weights.columns:
            raise VerifyException(
                f"weights with {weights.columns} columns need an input (batch, {weights.columns}), found {shape}"
            )
        if shape_of(self.result) != (shape[0], weights.rows):
            raise VerifyException(
                f"expected a result of shape ({shape[0]}, {weights.rows}), found {shape_of(self.result)}"
            )
        lows, highs = weights.output_ranges(range_of(self.input))
        exact, stated = Range(int(lows.min()), int(highs.max())), range_of(self.result)
        if not stated.covers(exact):
            raise VerifyException(f"the sums reach {exact}, which the result's range {stated} does not cover")


@irdl_op_definition
class ThresholdOp(IRDLOperation):
    """Requantisation by thresholds: scale, bias, BatchNorm, activation and rounding as one integer step function.

    `ternary.threshold %a : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x2x!ternary.int<-1, 1>> thresholds
    <{...}>` with one line for all channels or a line a channel.
    """

    name = "ternary.threshold"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    thresholds = prop_def(ThresholdsAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `thresholds` $thresholds attr-dict"

    def __init__(self, value: SSAValue, thresholds: Thresholds, result: Range, layer: str = ""):
        super().__init__(
            operands=[value],
            result_types=[int_tensor(shape_of(value), result)],
            properties={"thresholds": ThresholdsAttr(thresholds), "layer": StringAttr(layer) if layer else None},
        )

    def verify_(self) -> None:
        if shape_of(self.input) != shape_of(self.result):
            raise VerifyException("input and result differ in shape")
        verify_steps(self.thresholds.data, range_of(self.result), channels_of(self.input))
        verify_reachable(self.thresholds.data, range_of(self.input))


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """The same values in another shape, in row-major order; the batch dimension stays.

    `ternary.reshape %x : tensor<?x1x8x8x!ternary.int<0, 15>> -> tensor<?x64x!ternary.int<0, 15>>`
    """

    name = "ternary.reshape"
    input = operand_def(TensorType)
    result = result_def(TensorType)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue | Operation, shape: tuple[int, ...]):
        value = SSAValue.get(value)
        super().__init__(operands=[value], result_types=[TensorType(element_of(value), shape)])

    def verify_(self) -> None:
        before, after = shape_of(self.input), shape_of(self.result)
        if not before or not after or before[0] != after[0]:
            raise VerifyException(f"the batch dimension can't change: {before} -> {after}")
        if DYNAMIC_INDEX in before[1:] + after[1:] or prod(before[1:]) != prod(after[1:]):
            raise VerifyException(f"the shapes hold different numbers of values a sample: {before} -> {after}")
        if element_of(self.input) != element_of(self.result):
            raise VerifyException("a reshape keeps the element type")


@irdl_op_definition
class DequantizeOp(IRDLOperation):
    """The host's output scale: result = input * scale + offset in double precision, then the result's float type.

    `ternary.dequantize %a {scale = array<f64: 0.5>, offset = array<f64: 0.0>} : tensor<?x2x!ternary.int<-9, 9>> ->
    tensor<?x2xf32>`; one entry for all channels or one a channel.
    """

    name = "ternary.dequantize"
    input = operand_def(IntTensor)
    result = result_def(FloatTensor)
    scale = prop_def(DenseArrayBase[Float64Type])
    offset = prop_def(DenseArrayBase[Float64Type])
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input (`layer` $layer^)? attr-dict `:` type($input) `->` type($result)"

    def __init__(
        self,
        value: SSAValue,
        scale: FloatArray,
        offset: FloatArray,
        element: Float32Type | Float64Type,
        layer: str = "",
    ):
        super().__init__(
            operands=[value],
            result_types=[TensorType(element, shape_of(value))],
            properties={
                "scale": DenseArrayBase.from_list(f64, [float(s) for s in scale]),
                "offset": DenseArrayBase.from_list(f64, [float(o) for o in offset]),
                "layer": StringAttr(layer) if layer else None,
            },
        )

    @property
    def factors(self) -> tuple[FloatArray, FloatArray]:
        """Scale and offset, each of one entry or one a channel."""
        return np.array(self.scale.get_values()), np.array(self.offset.get_values())

    def verify_(self) -> None:
        if shape_of(self.input) != shape_of(self.result):
            raise VerifyException("input and result differ in shape")
        channels = channels_of(self.input)
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            if len(values) not in (1, channels):
                raise VerifyException(f"expected 1 or {channels} f64 values of {name}, found {len(values)}")


Ternary = Dialect(
    "ternary",
    [QuantizeOp, MatmulOp, ThresholdOp, ReshapeOp, DequantizeOp],
    [IntType, MatrixAttr, ThresholdsAttr, FloatThresholdsAttr],
)
