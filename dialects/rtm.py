"""The `rtm` dialect: a place (column, first domain, width) for every value of the network in racetrack memory.

    %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> geometry <256x256x64> {
      rtm.segment "fc" code <{
        c0[0] = in 0
        c1[0] = in 1
        c2[0:2] = c0[0] + c1[0] carry c255[0]
        out 0 = c2[0:2]
      }>
    }

Statements act on values: a read takes all bits of a place, a write replaces them; `loop { ... }` marks the
statements that share one bit loop.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Dialect
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, prop_def

from dialects.code import Code
from dialects.packed import PackedAttr
from dialects.placed import PlacedCode
from dialects.program import GeometryAttr, ProgramBase, SegmentBase


@irdl_attr_definition
class CodeAttr(PackedAttr[PlacedCode]):
    """Placed statements, one a line: `#rtm.code<{ ... }>`."""

    name = "rtm.code"
    value_class = PlacedCode


@irdl_op_definition
class SegmentOp(SegmentBase):
    """The placed statements of one layer: `rtm.segment "fc" code <{ ... }>`."""

    name = "rtm.segment"
    code = prop_def(CodeAttr)

    def __init__(self, layer: str, code: PlacedCode):
        super().__init__(properties={"layer": StringAttr(layer), "code": CodeAttr(code)})

    @property
    def packed(self) -> Code:
        return self.code.data


@irdl_op_definition
class ProgramOp(ProgramBase):
    """A placed program: `rtm.program %q : (tensor<...>) -> tensor<...> geometry <256x256x64> { segments }`."""

    name = "rtm.program"
    SEGMENT: ClassVar[type[SegmentBase]] = SegmentOp


Rtm = Dialect("rtm", [ProgramOp, SegmentOp], [GeometryAttr, CodeAttr])
