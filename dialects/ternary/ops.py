"""Operations of the `ternary` dialect on tensors of any rank: quantisers, products, thresholds, shapes, scales."""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, DenseArrayBase, Float32Type, Float64Type, StringAttr, TensorType, f64
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.support.ranges import Range
from dialects.support.tensors import FloatArray, FloatThresholds, IntMatrix, Thresholds
from dialects.ternary.types import (
    AnyTensor,
    FloatTensor,
    FloatThresholdsAttr,
    IntTensor,
    MatrixAttr,
    ThresholdsAttr,
    channels_of,
    element_of,
    int_tensor,
    range_of,
    shape_of,
    shape_text,
    verify_reachable,
    verify_steps,
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
                f"weights with {weights.columns} columns need an input (batch, {weights.columns}), "
                f"found {shape_text(shape)}"
            )
        if shape_of(self.result) != (shape[0], weights.rows):
            raise VerifyException(
                f"expected a result (batch, {weights.rows}), found {shape_text(shape_of(self.result))}"
            )
        lows, highs = weights.output_ranges(range_of(self.input))
        exact, stated = Range(int(lows.min()), int(highs.max())), range_of(self.result)
        if not stated.covers(exact):
            raise VerifyException(f"the sums reach {exact}, which the result's range {stated} does not cover")


@irdl_op_definition
class ThresholdOp(IRDLOperation):
    """Requantisation by thresholds: scale, bias, BatchNorm, activation and rounding as one integer step function.

    `ternary.threshold %a : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x2x!ternary.int<-1, 1>> thresholds
    <{...}>` with one line for all channels or one line per channel.
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
    input = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue | Operation, shape: tuple[int, ...]):
        value = SSAValue.get(value)
        super().__init__(operands=[value], result_types=[TensorType(element_of(value), shape)])

    def verify_(self) -> None:
        before, after = shape_of(self.input), shape_of(self.result)
        if not before or not after or before[0] != after[0]:
            raise VerifyException(f"the batch dimension can't change: {shape_text(before)} -> {shape_text(after)}")
        if DYNAMIC_INDEX in before[1:] + after[1:] or prod(before[1:]) != prod(after[1:]):
            raise VerifyException(
                f"the shapes hold different numbers of values per sample: {shape_text(before)} -> {shape_text(after)}"
            )
        if element_of(self.input) != element_of(self.result):
            raise VerifyException("a reshape keeps the element type")


@irdl_op_definition
class DequantizeOp(IRDLOperation):
    """The host's output scale: result = input * scale + offset in double precision, then the result's float type.

    `ternary.dequantize %a {scale = array<f64: 0.5>, offset = array<f64: 0.0>} : tensor<?x2x!ternary.int<-9, 9>> ->
    tensor<?x2xf32>`; one entry for all channels or one per channel.
    """

    name = "ternary.dequantize"
    input = operand_def(IntTensor)
    result = result_def(FloatTensor)
    scale_attr = prop_def(DenseArrayBase[Float64Type], prop_name="scale")
    offset_attr = prop_def(DenseArrayBase[Float64Type], prop_name="offset")
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
    def scale(self) -> FloatArray:
        """One entry, or one per channel."""
        return np.array(self.scale_attr.get_values())

    @property
    def offset(self) -> FloatArray:
        """One entry, or one per channel."""
        return np.array(self.offset_attr.get_values())

    def verify_(self) -> None:
        if shape_of(self.input) != shape_of(self.result):
            raise VerifyException("input and result differ in shape")
        channels = channels_of(self.input)
        for name, values in (("scale", self.scale_attr), ("offset", self.offset_attr)):
            if len(values) not in (1, channels):
                raise VerifyException(f"expected 1 or {channels} f64 values of {name}, found {len(values)}")
