"""The `ap` dialect: the machine code of the associative processor, as the controller executes it.

    %r = ap.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> geometry <256x256x64> {
      ap.segment "fc" code <{
        in c0.0:1, #0
        in c1.0:1, #1
        add c2.0:2, c0.0:1, c1.0:1, c255.0
        out c2.0:2, #0
      }>
    }

Every instruction is a sequence of look-up-table passes (dialects/isa.py); its binary form is dialects/code.py.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Dialect
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, prop_def

from dialects.assembly import AssemblyCode
from dialects.code import Code
from dialects.packed import PackedAttr
from dialects.program import ProgramBase, SegmentBase


@irdl_attr_definition
class CodeAttr(PackedAttr[AssemblyCode]):
    """Machine code as assembly, one instruction a line: `#ap.code<{ ... }>`."""

    name = "ap.code"
    value_class = AssemblyCode


@irdl_op_definition
class SegmentOp(SegmentBase):
    """The instructions of one layer: `ap.segment "fc" code <{ ... }>`."""

    name = "ap.segment"
    code = prop_def(CodeAttr)

    def __init__(self, layer: str, code: AssemblyCode):
        super().__init__(properties={"layer": StringAttr(layer), "code": CodeAttr(code)})

    @property
    def packed(self) -> Code:
        return self.code.data


@irdl_op_definition
class ProgramOp(ProgramBase):
    """A machine program: `ap.program %q : (tensor<...>) -> tensor<...> geometry <256x256x64> { segments }`."""

    name = "ap.program"
    SEGMENT: ClassVar[type[SegmentBase]] = SegmentOp


Ap = Dialect("ap", [ProgramOp, SegmentOp], [CodeAttr])
