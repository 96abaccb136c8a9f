"""Operations of the `rtm` dialect: placed programs and their segments."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import StringAttr
from xdsl.irdl import irdl_attr_definition, irdl_op_definition, prop_def
from xdsl.utils.exceptions import VerifyException

from dialects.rtm.placed import PlacedCode
from dialects.rtm.placed_check import Placed, check_placed
from dialects.rtm.program import ProgramBase, SegmentBase
from dialects.support.errors import ProgramError
from dialects.support.packed import PackedAttr


@irdl_attr_definition
class CodeAttr(PackedAttr[PlacedCode]):
    """Placed statements, one per line: `#rtm.code<{ ... }>`."""

    name = "rtm.code"
    value_class = PlacedCode


@irdl_op_definition
class SegmentOp(SegmentBase):
    """The placed statements of one layer: `rtm.segment "fc" code <{ ... }>`."""

    name = "rtm.segment"
    code_attr = prop_def(CodeAttr, prop_name="code")

    def __init__(self, layer: str, code: PlacedCode):
        super().__init__(properties={"layer": StringAttr(layer), "code": CodeAttr(code)})

    @property
    def code(self) -> PlacedCode:
        return self.code_attr.data

    def place_of(self, number: int) -> str:
        line, statement = self.code.line(number)
        return f"line {line}: `{statement}`"


@irdl_op_definition
class ProgramOp(ProgramBase):
    """A placed program: `rtm.program %q : (tensor<...>) -> tensor<...> geometry <256x256x64> { segments }`."""

    name = "rtm.program"
    SEGMENT: ClassVar[type[SegmentBase]] = SegmentOp

    def _verify_code(self) -> None:
        try:
            self.check_places()
        except ProgramError as error:
            raise VerifyException(str(error)) from error
        self._verify_segments(loops=False)

    def check_places(self) -> Placed:
        """Prove that the placement is legal; raises ProgramError with the line and the values that break a rule."""
        segments = [segment for segment in self.segments if isinstance(segment, SegmentOp)]
        layers, codes = [segment.layer.data for segment in segments], [segment.code for segment in segments]
        geometry = self.geometry.geometry
        return check_placed(layers, codes, geometry.columns, geometry.domains)
