"""Operations of the `apv` dialect that change which rows and columns there are.

    %r = apv.gather %t window <kernel 3x3> : tensor<?x2x8x8x!ternary.int<0, 3>>
        -> tensor<?x18x!ternary.int<0, 3>, #ternary.rows<36>>
    %t = apv.scatter %r : tensor<?x4x!ternary.int<0, 3>, #ternary.rows<36>> -> tensor<?x4x6x6x!ternary.int<0, 3>>

Gather and scatter move nothing themselves: they say in which order the global buffer is read into the array and
written from it. The bits that are moved are counted where they move, at the loads and stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.apv.types import ColumnsType, InStage, column_rows, columns_of, verify_same_rows
from dialects.support.ranges import Range
from dialects.support.window import Window
from dialects.ternary.spatial import WindowAttr, verify_windows, window_range
from dialects.ternary.types import IntTensor, RowsTensor, int_tensor, range_of, rows_of, shape_of, shape_text


@irdl_op_definition
class GatherOp(IRDLOperation):
    """Rows of window elements (im2col): one row per sample and position, one column per channel and window element.

    Elements outside the image are `pad`, default 0.
    `apv.gather %t window <kernel 3x3, pads 1x1x1x1> : tensor<?x2x8x8x...> -> tensor<?x18x..., #ternary.rows<64>>`
    """

    name = "apv.gather"
    input = operand_def(IntTensor)
    result = result_def(RowsTensor)
    window = prop_def(WindowAttr)
    pad_attr = opt_prop_def(IntegerAttr, prop_name="pad")
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `window` $window attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, window: Window, pad: int):
        batch, channels, *size = shape_of(value)
        span, rows = window_range(range_of(value), window, pad), prod(window.positions(*size))
        super().__init__(
            operands=[value],
            result_types=[int_tensor((batch, channels * window.size), span, rows)],
            properties={"window": WindowAttr(window), "pad": IntegerAttr(pad, i64) if pad else None},
        )

    @property
    def pad(self) -> int:
        return self.pad_attr.value.data if self.pad_attr else 0

    def verify_(self) -> None:
        window = self.window.data
        positions = verify_windows(self.input, window)
        shape = shape_of(self.input)
        if shape_of(self.result) != (shape[0], shape[1] * window.size):
            raise VerifyException(
                f"expected rows of {shape[1] * window.size} elements, found {shape_text(shape_of(self.result))}"
            )
        if rows_of(self.result) != prod(positions):
            raise VerifyException(f"the window has {prod(positions)} positions, the result {rows_of(self.result)} rows")
        span = window_range(range_of(self.input), window, self.pad)
        if range_of(self.result) != span:
            raise VerifyException(f"the window's elements range over {span}, the result over {range_of(self.result)}")


@irdl_op_definition
class ScatterOp(IRDLOperation):
    """Rows, one per sample and position, as images (batch, channels, height, width).

    `apv.scatter %r : tensor<?x4x..., #ternary.rows<36>> -> tensor<?x4x6x6x...>`
    """

    name = "apv.scatter"
    input = operand_def(RowsTensor)
    result = result_def(IntTensor)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue, shape: tuple[int, ...]):
        super().__init__(operands=[value], result_types=[int_tensor(shape, range_of(value))])

    def verify_(self) -> None:
        rows, images = shape_of(self.input), shape_of(self.result)
        if len(rows) != 2 or len(images) != 4 or rows[1] != images[1] or range_of(self.input) != range_of(self.result):
            raise VerifyException(f"rows {shape_text(rows)} can't become images {shape_text(images)} of the same range")
        if rows_of(self.input) != prod(images[2:]):
            raise VerifyException(
                f"images of {prod(images[2:])} positions can't be made from {rows_of(self.input)} rows per sample"
            )


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """Column vectors one after another: `apv.concat %a, %b : (!apv.columns<..>, ..) -> !apv.columns<..>`."""

    name = "apv.concat"
    inputs = var_operand_def(ColumnsType)
    result = result_def(ColumnsType)
    traits = traits_def(InStage(), Pure())
    assembly_format = "$inputs `:` functional-type($inputs, $result) attr-dict"

    def __init__(self, values: Sequence[SSAValue], span: Range):
        count = sum(columns_of(value).count.data for value in values)
        super().__init__(operands=[values], result_types=[ColumnsType.of(count, span, column_rows(values[0]))])

    def verify_(self) -> None:
        kinds = [columns_of(value) for value in self.inputs]
        result = columns_of(self.result)
        if sum(kind.count.data for kind in kinds) != result.count.data:
            raise VerifyException(f"expected {sum(kind.count.data for kind in kinds)} columns in the result")
        if not all(result.range.covers(kind.range) for kind in kinds):
            raise VerifyException("the result's range does not cover those of the inputs")
        verify_same_rows(self)


@irdl_op_definition
class MaxOp(IRDLOperation):
    """The greatest of each run of `size` neighbouring column vectors.

    `apv.max %x {size = 4 : i64} : !apv.columns<8, 0, 3> -> !apv.columns<2, 0, 3>`
    """

    name = "apv.max"
    input = operand_def(ColumnsType)
    result = result_def(ColumnsType)
    size_attr = prop_def(IntegerAttr, prop_name="size")
    layer = opt_prop_def(StringAttr)
    traits = traits_def(InStage(), Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result) (`layer` $layer^)?"

    def __init__(self, value: SSAValue, size: int, layer: StringAttr | None = None):
        kind = columns_of(value)
        super().__init__(
            operands=[value],
            result_types=[ColumnsType.of(kind.count.data // size, kind.range, kind.rows.data)],
            properties={"size": IntegerAttr(size, i64), "layer": layer},
        )

    @property
    def size(self) -> int:
        return self.size_attr.value.data

    def verify_(self) -> None:
        before, after = columns_of(self.input), columns_of(self.result)
        if self.size < 1 or before.count.data != after.count.data * self.size or before.range != after.range:
            raise VerifyException(f"{before.count.data} columns in runs of {self.size} can't be {after.count.data}")
        verify_same_rows(self)
