"""The `rtm` dialect: a place (column, first domain, width) for every value of the network in racetrack memory.

    %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> geometry <256x256x64> {
      rtm.segment "fc" code <{
        %0 : c0[0] = in 0
        %1 : c1[0] = in 1
        %2 : c2[0:2] = %0 + %1 carry c255[0]
        out 0 = %2
      }>
    }

Statements make values and read them by name; `loop { ... }` marks the statements that share one bit loop. A value lives
from the loop that makes it to the loop of its last reader. The verifier proves that no two values that live at the same
time share a place, so a wrong placement is told from a right one without running it (dialects/rtm/placed_check.py).
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.rtm.counted import CountedOp, PlacesAttr
from dialects.rtm.ops import CodeAttr, ProgramOp, SegmentOp
from dialects.rtm.program import GeometryAttr
from dialects.rtm.target import TargetAttr

Rtm = Dialect("rtm", [ProgramOp, SegmentOp, CountedOp], [GeometryAttr, TargetAttr, CodeAttr, PlacesAttr])

__all__ = [
    "CodeAttr",
    "CountedOp",
    "GeometryAttr",
    "ProgramOp",
    "Rtm",
    "SegmentOp",
    "TargetAttr",
]
