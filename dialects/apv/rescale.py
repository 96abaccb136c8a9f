"""Requantisation to many levels in the `apv` dialect: each column times a constant, plus one, shifted and clamped.

%r = apv.rescale %a : !apv.columns<1, 0, 9000> -> !apv.columns<1, 0, 255> lines <{
  * 3713 + 65536 >> 17 in 0..255
}>
"""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, opt_prop_def, prop_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.apv.types import ColumnsType, InStage, columns_of, verify_same_rows
from dialects.support.ranges import Range
from dialects.support.rescales import Rescales
from dialects.ternary.rescale import RescalesAttr, verify_lines


@irdl_op_definition
class RescaleOp(IRDLOperation):
    """Requantisation of column vectors by a product, a sum and a shift, as `ternary.rescale`.

    `apv.rescale %a : !apv.columns<1, 0, 90> -> !apv.columns<1, 0, 15> lines <{ * 43 + 128 >> 8 in 0..15 }>`
    """

    name = "apv.rescale"
    input = operand_def(ColumnsType)
    result = result_def(ColumnsType)
    lines = prop_def(RescalesAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(InStage(), Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `lines` $lines attr-dict"

    def __init__(self, value: SSAValue, lines: Rescales, result: Range, layer: StringAttr | None = None):
        kind = columns_of(value)
        super().__init__(
            operands=[value],
            result_types=[ColumnsType.of(kind.count.data, result, kind.rows.data)],
            properties={"lines": RescalesAttr(lines), "layer": layer},
        )

    def verify_(self) -> None:
        source, result = columns_of(self.input), columns_of(self.result)
        verify_same_rows(self)
        if source.count != result.count:
            raise VerifyException(f"{source.count.data} columns can't become {result.count.data}")
        verify_lines(self.lines.data, source.count.data, source.range, result.range)
