"""Parts of layers: which outputs of a layer a stage computes, where `apv-split` has cut it."""

from __future__ import annotations

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from dialects.machine.program import Part


@irdl_attr_definition
class PartAttr(Data[Part]):
    """Outputs from the first to the one before the last, of all: `<outputs 16 to 32 of 64>`.

    A part that adds up some of the inputs only names them as well: `<outputs 0 to 64 of 64, inputs 0 to 9 of 18>`.
    """

    name = "apv.part"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Part:
        found: dict[str, tuple[int, int, int]] = {}

        def numbers() -> None:
            name = parser.parse_identifier(" of a part: outputs or inputs")
            if name not in Part._fields or name in found:
                parser.raise_error(f"expected outputs and inputs, each once at most, found '{name}'")
            begin = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_keyword("to")
            end = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_keyword("of")
            count = parser.parse_integer(allow_boolean=False, allow_negative=False)
            if not begin < end <= count:
                parser.raise_error(f"{name} {begin} to {end} of {count} are no part of them")
            found[name] = (begin, end, count)

        parser.parse_comma_separated_list(parser.Delimiter.ANGLE, numbers)
        if "outputs" not in found:
            parser.raise_error("a part needs its outputs, such as <outputs 16 to 32 of 64>")
        return Part(**found)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.data))
