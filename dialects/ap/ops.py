"""Operations of the `ap` dialect: machine programs and their segments."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import StringAttr
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, prop_def

from dialects.ap.assembly import AssemblyCode
from dialects.machine.program import Program, Segment
from dialects.rtm.program import ProgramBase, SegmentBase, features
from dialects.support.packed import PackedAttr
from dialects.ternary import rows_of


@irdl_attr_definition
class CodeAttr(PackedAttr[AssemblyCode]):
    """Machine code as assembly, one instruction per line: `#ap.code<{ ... }>`."""

    name = "ap.code"
    value_class = AssemblyCode


@irdl_op_definition
class SegmentOp(SegmentBase):
    """The instructions of one layer: `ap.segment "fc" code <{ ... }>`."""

    name = "ap.segment"
    code_attr = prop_def(CodeAttr, prop_name="code")

    def __init__(self, layer: str, code: AssemblyCode):
        super().__init__(properties={"layer": StringAttr(layer), "code": CodeAttr(code)})

    @property
    def code(self) -> AssemblyCode:
        return self.code_attr.data


@irdl_op_definition
class ProgramOp(ProgramBase):
    """A machine program: `ap.program %q : (tensor<...>) -> tensor<...> geometry <256x256x64> { segments }`."""

    name = "ap.program"
    SEGMENT: ClassVar[type[SegmentBase]] = SegmentOp

    @property
    def program(self) -> Program:
        """The program as a value, which runs without the IR."""
        segments = tuple(Segment(segment.layer.data, segment.code.binary) for segment in self.segments)
        rows = max((rows_of(value) for value in (*self.inputs, *self.outputs)), default=1)
        part = str(self.part.data) if self.part else ""
        return Program(segments, tuple(map(features, self.inputs)), tuple(map(features, self.outputs)), rows, part)
