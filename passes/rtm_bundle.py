"""rtm-bundle: bit loops of many instructions, so that a column is swept once for all of them.

Stands between convert-apv-to-rtm and convert-rtm-to-ap. A placed program is scheduled and placed anew, each segment by
itself: statements that share operands come into one bit loop, terms of a sum are added in whatever order suits, and
new values go where little shifting brings them under their ports (passes/placement.py).

    %3 : c3[0:5] = %0 + %1 carry c255[0]             loop {
    %4 : c4[0:5] = %0 + %2 carry c255[0]    becomes    %3 : c3[0:5] = %0 + %1 carry c8[0]
                                                       %4 : c4[0:5] = %0 + %2 carry c9[0]
                                                     }

`effort` (0 to 3) is how many ways are tried, of which the best one by `objective` is kept: "energy" (steps of all
columns), "latency" (steps in time) or "product". `threads` never change the result; `stats` prints a line a segment to
stderr, with the shifts before and after as the simulator counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import rtm
from dialects.errors import CapacityError, PipelineError
from dialects.placed import PlacedCode
from dialects.shifts import Shifts, predict_shifts
from dialects.target import Geometry
from dialects.watch import Figure, did, progress
from passes.placement import LOOPS, TIGHT_LOOPS, Objective, place_again


@dataclass(frozen=True)
class RtmBundle(ModulePass):
    """Schedule placed statements into bit loops and place their values anew."""

    name = "rtm-bundle"

    effort: int = 1
    objective: Objective = "energy"
    threads: int = 2
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 0 <= self.effort < len(LOOPS) or self.threads < 1:
            raise PipelineError(
                f"effort {self.effort}, threads {self.threads}",
                place=self.name,
                hint=f"effort is 0 to {len(LOOPS) - 1}, threads at least 1",
            )
        programs = [item for item in op.walk() if isinstance(item, rtm.ProgramOp)]
        for index, program in enumerate(programs):
            segments = [item for item in program.segments if isinstance(item, rtm.SegmentOp)]
            progress(index, len(programs), segments[0].layer.data if segments else "")
            self._bundle(segments, program.geometry.geometry)

    def _bundle(self, segments: Sequence[rtm.SegmentOp], geometry: Geometry) -> None:
        codes = [segment.code.data for segment in segments]
        if not codes:
            return
        bundled = self._best(codes, geometry)
        before, after = _shifts(codes, geometry), _shifts(bundled, geometry)
        if before.column_steps.sum() < after.column_steps.sum() and self.objective == "energy":
            bundled, after = codes, before
        for index, (segment, code) in enumerate(zip(segments, bundled, strict=True)):
            segment.code = rtm.CodeAttr(code)
            figures = [
                Figure(name, int(old[index]), int(new[index]))
                for name, old, new in (
                    ("bit loops", before.bit_loops, after.bit_loops),
                    ("steps in time", before.shift_steps, after.shift_steps),
                    ("column steps", before.column_steps, after.column_steps),
                )
            ]
            did(self.name, segment.layer.data, *figures, show=self.stats)

    def _best(self, codes: Sequence[PlacedCode], geometry: Geometry) -> Sequence[PlacedCode]:
        for methods in (LOOPS[self.effort], TIGHT_LOOPS):
            try:
                return place_again(codes, geometry, methods, self.objective, self.threads)
            except CapacityError:
                continue
        return codes


def _shifts(codes: Sequence[PlacedCode], geometry: Geometry) -> Shifts:
    return predict_shifts([code.binary for code in codes], geometry.columns, geometry.domains)
