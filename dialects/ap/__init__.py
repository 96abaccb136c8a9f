"""The `ap` dialect: the machine code of the associative processor, as the controller executes it.

    %r = ap.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> geometry <256x256x64> {
      ap.segment "fc" code <{
        in c0.0:1, #0
        in c1.0:1, #1
        add c2.0:2, c0.0:1, c1.0:1, c255.0
        out c2.0:2, #0
      }>
    }

Every instruction is a sequence of look-up-table passes (dialects/machine/isa.py); its binary form
is dialects/machine/code.py.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.ap.counted import CellsAttr, CountedOp, CountingAttr, PartsAttr
from dialects.ap.ops import CodeAttr, ProgramOp, SegmentOp

Ap = Dialect("ap", [ProgramOp, SegmentOp, CountedOp], [CodeAttr, CellsAttr, CountingAttr, PartsAttr])

__all__ = [
    "Ap",
    "CodeAttr",
    "CountedOp",
    "ProgramOp",
    "SegmentOp",
]
