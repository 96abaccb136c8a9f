"""rtm-bundle: bit loops of many instructions, so that a column is swept once for all of them.

May stand between convert-apv-to-rtm and convert-rtm-to-ap, for programs that are placed without bit loops or by hand:
with `placement=loops`, convert-apv-to-rtm does the same before it places anything. A placed program is scheduled and
placed anew, each segment by itself: statements that share operands come into one bit loop, terms of a sum are added in
whatever order suits, and new values go where little shifting brings them under their ports
(passes/placing/placement.py).

    %3 : c3[0:5] = %0 + %1 carry c255[0]             loop {
    %4 : c4[0:5] = %0 + %2 carry c255[0]    becomes    %3 : c3[0:5] = %0 + %1 carry c8[0]
                                                       %4 : c4[0:5] = %0 + %2 carry c9[0]
                                                     }

`effort` (0 to 3) says how many ways are tried; the best one by `objective` is kept: "energy" (steps of all
columns), "latency" (steps in time) or "product". `stats` prints one line per segment to stderr, with the
shifts before and after as the simulator counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import rtm
from dialects.machine.census import Census
from dialects.rtm.placed import PlacedCode
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.threads import thread_count, thread_pool
from passes.placing.placement import LOOPS, Objective, in_loops, shifts_of


class _Bundled(NamedTuple):
    """The placed statements of a program's segments, and what they shift."""

    codes: Sequence[PlacedCode]
    before: Census
    after: Census


@dataclass(frozen=True)
class RtmBundle(ModulePass):
    """Schedule placed statements into bit loops and place their values anew."""

    name = "rtm-bundle"

    effort: int = 1
    objective: Objective = "energy"
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 0 <= self.effort < len(LOOPS):
            raise PipelineError(f"effort {self.effort}", place=self.name, hint=f"effort is 0 to {len(LOOPS) - 1}")
        programs = [item for item in op.walk() if isinstance(item, rtm.ProgramOp)]
        # A lone program's methods share the threads.
        each = max(1, thread_count() // max(1, len(programs)))

        def bundled_of(program: rtm.ProgramOp) -> _Bundled:
            return self._bundled(program, each)

        with thread_pool() as pool:
            for index, (program, bundled) in enumerate(zip(programs, pool.map(bundled_of, programs), strict=True)):
                segments = _segments(program)
                progress(index, len(programs), segments[0].layer.data if segments else "")
                self._replace(segments, bundled)

    def _bundled(self, program: rtm.ProgramOp, threads: int) -> _Bundled:
        """A program's segments placed anew, unless that makes the objective worse."""
        codes, geometry = [segment.code for segment in _segments(program)], program.geometry.geometry
        after = in_loops(codes, geometry, self.effort, self.objective, threads) if codes else codes
        return _Bundled(after, shifts_of(codes, geometry), shifts_of(after, geometry))

    def _replace(self, segments: Sequence[rtm.SegmentOp], bundled: _Bundled) -> None:
        before, after = bundled.before, bundled.after
        for index, (segment, code) in enumerate(zip(segments, bundled.codes, strict=True)):
            segment.code_attr = rtm.CodeAttr(code)
            figures = [
                Figure(name, int(old[index]), int(new[index]))
                for name, old, new in (
                    ("bit loops", before.bit_loops, after.bit_loops),
                    ("steps in time", before.shift_steps, after.shift_steps),
                    ("column steps", before.column_steps, after.column_steps),
                )
            ]
            did(self.name, segment.layer.data, *figures, show=self.stats)


def _segments(program: rtm.ProgramOp) -> list[rtm.SegmentOp]:
    return [item for item in program.segments if isinstance(item, rtm.SegmentOp)]
