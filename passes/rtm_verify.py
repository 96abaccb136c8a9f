"""rtm-verify: prove that a placed program is legal, and say what it takes.

May stand anywhere between convert-apv-to-rtm and convert-rtm-to-ap; it changes nothing. The same proof is part of the
IR's verification after every pass: values are made before they are read, no two live values share a place, carries are
distinct, no column is needed at two domains at once, bit loops compute what their members compute one after another,
and everything lies inside the array.

What it finds is counted per program and per segment (`camc compile --stats`); `stats` prints it to stderr as well.
Shifts are predicted from the code alone and equal what the simulators count. A track whose domain d is brought under
its port needs d spare domains at its end: that is the overhead.

    program 0: values 120, live bits 812, bits of a row 16384, bit loops 96, widest loop 40, overhead 17
    program 0, fc1: bit loops 90, steps in time 812, column steps 3120, lowest port 0 -> 0, highest port 9 -> 12
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import rtm
from dialects.machine.census import predict_shifts
from dialects.support.instrumentation import Figure, did


@dataclass(frozen=True)
class RtmVerify(ModulePass):
    """Prove that every value has a place of its own while it lives."""

    name = "rtm-verify"

    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for number, program in enumerate(item for item in op.walk() if isinstance(item, rtm.ProgramOp)):
            for segment, figures in facts(program):
                did(self.name, f"program {number}{segment}", *figures, show=self.stats)


def facts(program: rtm.ProgramOp) -> Iterator[tuple[str, list[Figure]]]:
    """What is proved of a program, then of each of its segments; raises ProgramError where it is illegal."""
    placed, geometry = program.check_places(), program.geometry.geometry
    shifts = predict_shifts([item.code.binary for item in program.segments], geometry.columns, geometry.domains)
    whole = {
        "values": placed.values,
        "live bits": placed.peak_bits,
        "bits of a row": geometry.bits_per_row,
        "bit loops": int(shifts.bit_loops.sum()),
        "widest loop": int(shifts.widest_loop.max(initial=0)),
        "overhead": int(shifts.furthest.max(initial=0)),
    }
    yield "", [Figure(name, None, count, peak=name not in ("values", "bit loops")) for name, count in whole.items()]
    before = np.zeros(geometry.columns, dtype=np.int64)
    for index, segment in enumerate(program.segments):
        after = shifts.ports[index]
        yield (
            f", {segment.layer.data}",
            [
                Figure("bit loops", None, int(shifts.bit_loops[index])),
                Figure("steps in time", None, int(shifts.shift_steps[index])),
                Figure("column steps", None, int(shifts.column_steps[index])),
                Figure("lowest port", int(before.min()), int(after.min()), peak=True),
                Figure("highest port", int(before.max()), int(after.max()), peak=True),
            ],
        )
        before = after
