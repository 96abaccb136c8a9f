"""convert-rtm-to-ap: from placed statements to the machine code of the associative processor.

The last lowering. A placed statement says what happens to values; here it becomes the instruction whose look-up-table
passes do that to the bits. Bit loops stay as they are. With `lean`, instructions search for the cells that a write
would change before they write them: a search costs a hundredth of a write or less with most technologies. With the
energies `search` and `write` of a cell in one row, a program is lean only where half of what it writes in all rows
costs more than the searches that are added, in the rows of `samples` samples.

    rtm.segment "fc" code <{ %2 : c2[0:2] = %0 + %1 carry c255[0] }>
  becomes
    ap.segment "fc" code <{ add c2.0:2, c0.0:1, c1.0:1, c255.0 }>
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import ap, rtm
from dialects.ap.assembly import AssemblyCode
from dialects.machine.census import predict_shifts
from dialects.machine.code import BYTES_PER_INSTRUCTION, Fields
from dialects.support.instrumentation import Figure, did
from dialects.ternary import rows_of
from passes.counting.lowering import select_counted


@dataclass(frozen=True)
class ConvertRtmToAp(ModulePass):
    """Select the instructions of placed statements."""

    name = "convert-rtm-to-ap"

    lean: bool = False
    search: int | float = 0
    write: int | float = 0
    samples: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for program in [item for item in op.walk() if isinstance(item, rtm.ProgramOp)]:
            segments = [
                ap.SegmentOp(segment.layer.data, AssemblyCode(code))
                for segment, code in zip(program.segments, self._codes(program), strict=True)
            ]
            for segment in segments:
                count = len(segment.code.binary) // BYTES_PER_INSTRUCTION
                did(self.name, segment.layer.data, Figure("instructions", None, count))
            new = ap.ProgramOp(
                list(program.inputs),
                [output.type for output in program.outputs],
                program.geometry.geometry,
                segments,
                program.part,
            )
            Rewriter.insert_op(new, InsertPoint.before(program))
            for old, result in zip(program.outputs, new.outputs, strict=True):
                result.name_hint = old.name_hint
                old.replace_all_uses_with(result)
            Rewriter.erase_op(program)
        select_counted(op, self.name)

    def _codes(self, program: rtm.ProgramOp) -> list[bytes]:
        """The code of each segment, in lean instructions where that pays."""
        plain = [segment.code.binary for segment in program.segments]
        if not self.lean:
            return plain
        lean = [_lean(code) for code in plain]
        if not (self.search or self.write):
            return lean
        geometry = program.geometry.geometry
        before, after = (predict_shifts(codes, geometry.columns, geometry.domains) for codes in (plain, lean))
        rows = max((rows_of(value) for value in program.inputs), default=1) * self.samples
        searched = int((after.searched_cells - before.searched_cells).sum()) * -(-rows // geometry.rows) * geometry.rows
        written = int(before.unkeyed_cells.sum()) * rows / 2
        return lean if searched * self.search < written * self.write else plain


def _lean(binary: bytes) -> bytes:
    fields = Fields.unpack(binary)
    fields["lean"] = np.ones(len(fields.table), dtype=np.int64)
    return fields.pack()
