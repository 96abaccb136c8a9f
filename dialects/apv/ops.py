"""Operations of the `apv` dialect on column vectors: transfers and thresholds."""

from __future__ import annotations

from xdsl.dialects.builtin import DYNAMIC_INDEX, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.apv.types import ColumnsType, InStage, column_rows, columns_of, verify_same_rows
from dialects.support.ranges import Range
from dialects.support.tensors import Thresholds
from dialects.ternary.types import (
    RowsTensor,
    ThresholdsAttr,
    int_tensor,
    range_of,
    rows_of,
    shape_of,
    shape_text,
    verify_reachable,
    verify_rows,
    verify_steps,
)


def _verify_transfer(tensor: SSAValue, columns: SSAValue) -> None:
    shape, kind = shape_of(tensor), columns_of(columns)
    if len(shape) != 2 or DYNAMIC_INDEX in shape[1:] or shape[1] != kind.count.data:
        raise VerifyException(f"expected a tensor (batch, {kind.count.data}), found {shape_text(shape)}")
    if range_of(tensor) != kind.range:
        raise VerifyException(f"the tensor ranges over {range_of(tensor)}, the columns over {kind.range}")
    verify_rows((rows_of(tensor), kind.rows.data))


@irdl_op_definition
class LoadOp(IRDLOperation):
    """Brings a tensor (batch, features) from the buffer into the array: one column vector per feature.

    `apv.load %q : tensor<?x64x!ternary.int<0, 15>> -> !apv.columns<64, 0, 15>`
    """

    name = "apv.load"
    input = operand_def(RowsTensor)
    result = result_def(ColumnsType)
    traits = traits_def(InStage(), Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue):
        kind = ColumnsType.of(shape_of(value)[1], range_of(value), rows_of(value))
        super().__init__(operands=[value], result_types=[kind])

    def verify_(self) -> None:
        _verify_transfer(self.input, self.result)


@irdl_op_definition
class StoreOp(IRDLOperation):
    """Brings column vectors back to the host as a tensor (batch, features).

    `apv.store %a : !apv.columns<10, -90, 75> -> tensor<?x10x!ternary.int<-90, 75>>`
    """

    name = "apv.store"
    input = operand_def(ColumnsType)
    result = result_def(RowsTensor)
    traits = traits_def(InStage(), Pure())
    assembly_format = "$input `:` type($input) `->` type($result) attr-dict"

    def __init__(self, value: SSAValue):
        kind = columns_of(value)
        result = int_tensor((DYNAMIC_INDEX, kind.count.data), kind.range, kind.rows.data)
        super().__init__(operands=[value], result_types=[result])

    def verify_(self) -> None:
        _verify_transfer(self.result, self.input)


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
    traits = traits_def(InStage(), Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `thresholds` $thresholds attr-dict"

    def __init__(self, value: SSAValue, thresholds: Thresholds, result: Range, layer: StringAttr | None = None):
        super().__init__(
            operands=[value],
            result_types=[ColumnsType.of(columns_of(value).count.data, result, column_rows(value))],
            properties={"thresholds": ThresholdsAttr(thresholds), "layer": layer},
        )

    def verify_(self) -> None:
        source, result = columns_of(self.input), columns_of(self.result)
        if source.count != result.count:
            raise VerifyException(f"{source.count.data} columns can't become {result.count.data}")
        verify_same_rows(self)
        verify_steps(self.thresholds.data, result.range, source.count.data)
        verify_reachable(self.thresholds.data, source.range)
