"""Requantisation to many levels in the `ternary` dialect: a product, a sum and a shift in the place of thresholds.

%r = ternary.rescale %a : tensor<?x1x!ternary.int<0, 9000>> -> tensor<?x1x!ternary.int<0, 255>> lines <{
  * 3713 + 65536 >> 17 in 0..255
}>
"""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import SSAValue
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
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.support.packed import PackedAttr
from dialects.support.ranges import Range
from dialects.support.rescales import Rescales
from dialects.ternary.types import IntTensor, channels_of, int_tensor, range_of, shape_of


@irdl_attr_definition
class RescalesAttr(PackedAttr[Rescales]):
    """What each channel is multiplied with, one line per channel: `<{ * 3713 + 65536 >> 17 in 0..255 }>`."""

    name = "ternary.rescales"
    value_class = Rescales


@irdl_op_definition
class RescaleOp(IRDLOperation):
    """Requantisation: result = clamp((input * multiplier + addend) >> shift) for each channel, rounded down; with
    `ties`, results of one parity are lowered where almost nothing was shifted out (dialects/support/rescales.py).

    `ternary.rescale %a : tensor<?x1x!ternary.int<0, 90>> -> tensor<?x1x!ternary.int<0, 15>> lines <{...}>` with one
    line for all channels or one line per channel.
    """

    name = "ternary.rescale"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    lines = prop_def(RescalesAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `:` type($input) `->` type($result) (`layer` $layer^)? `lines` $lines attr-dict"

    def __init__(self, value: SSAValue, lines: Rescales, result: Range, layer: StringAttr | None = None):
        super().__init__(
            operands=[value],
            result_types=[int_tensor(shape_of(value), result)],
            properties={"lines": RescalesAttr(lines), "layer": layer},
        )

    def verify_(self) -> None:
        if shape_of(self.input) != shape_of(self.result):
            raise VerifyException("input and result differ in shape")
        verify_lines(self.lines.data, channels_of(self.input), range_of(self.input), range_of(self.result))


def verify_lines(lines: Rescales, channels: int, source: Range, result: Range) -> None:
    """Common rules of all rescalings; raises VerifyException."""
    if lines.channels not in (1, channels):
        raise VerifyException(f"expected lines for 1 or {channels} channels, found {lines.channels}")
    if problem := lines.problem(source, result):
        raise VerifyException(problem)
