"""rtm-verify: prove that a placed program is legal, and say what it takes.

May stand anywhere between convert-apv-to-rtm and convert-rtm-to-ap; it changes nothing. The same proof is part of the
IR's verification after every pass: values are made before they are read, no two live values share a place, carries are
distinct, no column is needed at two domains at once, bit loops compute what their members compute one after another,
and everything lies inside the array.

With `stats`, a line a program and a line a segment go to stderr. Shifts are predicted from the code alone and equal
what the simulators count. A track of which domain d is brought under its port needs d spare domains at its end.

    program 0: 120 values, 812 live bits of 16384, 96 bit loops of up to 40 columns, overhead 17 domains
    program 0, fc1: 90 bit loops, 812 steps in time, 3120 column steps, ports at 0..9 -> 0..12
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import rtm
from dialects.machine.census import predict_shifts


@dataclass(frozen=True)
class RtmVerify(ModulePass):
    """Prove that every value has a place of its own while it lives."""

    name = "rtm-verify"

    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for number, program in enumerate(item for item in op.walk() if isinstance(item, rtm.ProgramOp)):
            lines = list(facts(program))
            if self.stats:
                for line in lines:
                    print(f"program {number}{line}", file=sys.stderr)


def facts(program: rtm.ProgramOp) -> Iterator[str]:
    """What is proved of a program and of each of its segments; raises ProgramError where it is illegal."""
    placed, geometry = program.check_places(), program.geometry.geometry
    shifts = predict_shifts([item.packed.binary for item in program.segments], geometry.columns, geometry.domains)
    yield (
        f": {placed.values} values, {placed.peak_bits} live bits of {geometry.bits_per_row}, "
        f"{shifts.bit_loops.sum()} bit loops of up to {shifts.widest_loop.max()} columns, "
        f"overhead {shifts.furthest.max()} domains"
    )
    before = np.zeros(geometry.columns, dtype=np.int64)
    for index, segment in enumerate(program.segments):
        after = shifts.ports[index]
        yield (
            f", {segment.layer.data}: {shifts.bit_loops[index]} bit loops, {shifts.shift_steps[index]} steps in time, "
            f"{shifts.column_steps[index]} column steps, ports at {before.min()}..{before.max()} -> "
            f"{after.min()}..{after.max()}"
        )
        before = after
