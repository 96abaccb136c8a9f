"""convert-rtm-to-ap: from placed statements to the machine code of the associative processor.

The last lowering. A placed statement says what happens to values; here it becomes the instruction whose look-up-table
passes do that to the bits. Bit loops stay as they are. With `lean`, instructions search for the cells that a write
would change before they write them: a search costs a hundredth of a write or less with most technologies.

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
from dialects.machine.code import BYTES_PER_INSTRUCTION, Fields
from dialects.support.instrumentation import Figure, did
from passes.counting.lowering import select_counted


@dataclass(frozen=True)
class ConvertRtmToAp(ModulePass):
    """Select the instructions of placed statements."""

    name = "convert-rtm-to-ap"

    lean: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for program in [item for item in op.walk() if isinstance(item, rtm.ProgramOp)]:
            segments = [
                ap.SegmentOp(segment.layer.data, AssemblyCode(self._code(segment.code.binary)))
                for segment in program.segments
            ]
            for segment in segments:
                count = len(segment.code.binary) // BYTES_PER_INSTRUCTION
                did(self.name, segment.layer.data, Figure("instructions", None, count))
            new = ap.ProgramOp(
                list(program.inputs),
                [output.type for output in program.outputs],
                program.geometry.geometry,
                segments,
            )
            Rewriter.insert_op(new, InsertPoint.before(program))
            for old, result in zip(program.outputs, new.outputs, strict=True):
                result.name_hint = old.name_hint
                old.replace_all_uses_with(result)
            Rewriter.erase_op(program)
        select_counted(op, self.name)

    def _code(self, binary: bytes) -> bytes:
        if not self.lean:
            return binary
        fields = Fields.unpack(binary)
        fields["lean"] = np.ones(len(fields.table), dtype=np.int64)
        return fields.pack()
