"""Counted programs of the `ap` dialect: ternary memory and the code that searches it.

%r = ap.counted %q : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<-1, 2>> layer "fc"
  geometry <256x256x64> parts <{
    outputs 0:1 inputs 0:3
  }> memory <{
    a0.c1.0 10x
  }> code <{
    repeat #1 {
      load c0.0:1
      count q0:1, c1.0, c0.0:1
      store q0:1, #0:3s
    }
    clear c0.0:1
  }>
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.ap.counting import CountingCode
from dialects.machine.cells import Cells
from dialects.machine.counted import CountedPart, CountedProgram
from dialects.machine.target import Geometry
from dialects.rtm.program import GeometryAttr, features
from dialects.support.errors import ProgramError, TextError
from dialects.support.grammar import refuse_long_numbers
from dialects.support.packed import PackedAttr
from dialects.ternary import RowsTensor, rows_of, verify_rows

_LINE = re.compile(r"outputs (\d+):(\d+)(?: inputs((?: \d+:\d+)+))?(?: tables (\d+))?")


_COPIES = re.compile(r"copies (\d+)")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a counted program, one per line: its outputs, and the inputs of each of its counting arrays."""

    parts: tuple[CountedPart, ...]
    tables: int
    """table arrays, as many in each part"""
    copies: int = 1
    """copies of all of that"""

    def to_text(self) -> str:
        lines = [part_line(part, self.tables) for part in self.parts]
        return "\n".join([*lines, f"copies {self.copies}"] if self.copies > 1 else lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        refuse_long_numbers(text)
        parts: list[CountedPart] = []
        tables: set[int] = set()
        copies, offset = 1, 0
        for line in text.splitlines(keepends=True):
            if (stripped := line.strip()) and (found := _COPIES.fullmatch(stripped)):
                copies = int(found[1])
            elif stripped:
                match = _LINE.fullmatch(stripped)
                if match is None:
                    at = offset + line.index(stripped)
                    raise TextError(f"expected a part such as `outputs 0:64 inputs 0:256 tables 1`: {stripped}", at)
                parts.append(_part(match))
                tables.add(int(match[4] or 0))
            offset += len(line)
        if len(tables) != 1:
            raise TextError("expected one or more parts, with as many tables each", 0)
        return cls(tuple(parts), tables.pop(), copies)


def part_line(part: CountedPart, tables: int) -> str:
    """A part as text."""
    inputs = f" inputs {' '.join(f'{begin}:{end}' for begin, end in part.inputs)}" if part.inputs else ""
    return f"outputs {part.outputs[0]}:{part.outputs[1]}{inputs}" + (f" tables {tables}" if tables else "")


def _part(match: re.Match[str]) -> CountedPart:
    spans = [span.partition(":") for span in (match[3] or "").split()]
    return CountedPart((int(match[1]), int(match[2])), tuple((int(first), int(last)) for first, _, last in spans))


@irdl_attr_definition
class PartsAttr(PackedAttr[Parts]):
    """Parts of a counted program: `#ap.parts<{ outputs 0:64 inputs 0:256 }>`."""

    name = "ap.parts"
    value_class = Parts


@irdl_attr_definition
class CellsAttr(PackedAttr[Cells]):
    """Ternary cells, a column at one domain per line: `#ap.cells<{ a0.c4.0 10x }>`."""

    name = "ap.cells"
    value_class = Cells


@irdl_attr_definition
class CountingAttr(PackedAttr[CountingCode]):
    """Counting code, one instruction per line: `#ap.counting<{ ... }>`."""

    name = "ap.counting"
    value_class = CountingCode


@irdl_op_definition
class CountedOp(IRDLOperation):
    """A counted program: `ap.counted %x : (T) -> T layer "fc" geometry <...> parts <{ }> memory <{ }> code <{ }>`."""

    name = "ap.counted"
    inputs = var_operand_def(RowsTensor)
    result = result_def(RowsTensor)
    layer = prop_def(StringAttr)
    geometry = prop_def(GeometryAttr)
    parts = prop_def(PartsAttr)
    memory = prop_def(CellsAttr)
    code = prop_def(CountingAttr)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `:` functional-type($inputs, $result) `layer` $layer `geometry` $geometry `parts` $parts "
        "`memory` $memory `code` $code attr-dict"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        result: Attribute,
        layer: str,
        geometry: Geometry,
        parts: Parts,
        memory: Cells,
        code: CountingCode,
    ):
        super().__init__(
            operands=[inputs],
            result_types=[result],
            properties={
                "layer": StringAttr(layer),
                "geometry": GeometryAttr.of(geometry),
                "parts": PartsAttr(parts),
                "memory": CellsAttr(memory),
                "code": CountingAttr(code),
            },
        )

    @property
    def program(self) -> CountedProgram:
        """The program as a value, which runs without the IR."""
        return CountedProgram(
            self.layer.data,
            self.code.data.binary,
            self.memory.data,
            self.parts.data.parts,
            self.parts.data.tables,
            tuple(map(features, self.inputs)),
            (features(self.result),),
            rows_of(self.result),
            self.parts.data.copies,
        )

    def verify_(self) -> None:
        verify_rows(map(rows_of, (*self.inputs, self.result)))
        try:
            self.program.check(self.geometry.geometry)
        except ProgramError as error:
            raise VerifyException(str(error)) from error
