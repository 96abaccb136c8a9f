"""rtm-level-wear: spread the wear of a network's programs over the columns of an array.

May stand anywhere between convert-apv-to-rtm and convert-rtm-to-ap, most effectively as the last pass there. Columns
are alike when a program begins, so each program may have them in any order: the columns that it wears most become those
that the other programs wear least. Results, shifts and cycles stay as they are.

    %2 : c0[0:2] = %0 + %1 carry c2[0]    becomes    %2 : c4[0:2] = %0 + %1 carry c1[0]

`by` is what is levelled: "shifts" (column steps) or "writes" (passes that write the column). Within a program values
stay where the placement has put them; how even that is shows in the report of a run. `stats` prints the greatest wear
of a column before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import rtm
from dialects.machine.census import predict_shifts
from dialects.machine.code import Fields
from dialects.machine.tables import operands_along
from dialects.rtm.placed import PlacedCode
from dialects.support.instrumentation import Figure, did
from dialects.support.tensors import IntArray


@dataclass(frozen=True)
class RtmLevelWear(ModulePass):
    """Give each program the columns in an order that levels their wear."""

    name = "rtm-level-wear"

    by: Literal["shifts", "writes"] = "shifts"
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        loads: dict[int, IntArray] = {}
        before: dict[int, IntArray] = {}
        programs = [(item, self._wear(item)) for item in op.walk() if isinstance(item, rtm.ProgramOp)]
        # What is worn most finds the most even ground.
        for program, worn in sorted(programs, key=lambda pair: -int(pair[1].max())):
            load = loads.setdefault(len(worn), np.zeros_like(worn))
            before[len(worn)] = before.get(len(worn), 0) + worn
            # Values across columns need them side by side.
            fixed = any(isinstance(segment, rtm.SegmentOp) and segment.code.across for segment in program.segments)
            column = np.arange(len(worn)) if fixed else levelled(worn, load)
            load[column] += worn
            for segment in program.segments:
                if isinstance(segment, rtm.SegmentOp):
                    segment.code_attr = rtm.CodeAttr(in_columns(segment.code, column))
        for columns, load in loads.items():
            name, old = f"greatest {self.by} of a column", int(before[columns].max())
            did(self.name, f"{columns} columns", Figure(name, old, int(load.max()), peak=True), show=self.stats)

    def _wear(self, program: rtm.ProgramOp) -> IntArray:
        geometry = program.geometry.geometry
        binaries = [segment.code.binary for segment in program.segments]
        shifts = predict_shifts(binaries, geometry.columns, geometry.domains)
        return shifts.steps_of_column.sum(axis=0) if self.by == "shifts" else shifts.writes.sum(axis=1)


def levelled(worn: IntArray, load: IntArray) -> IntArray:
    """The new column of each column: those that are worn most go where the load is least; ties go by number."""
    column = np.empty(len(worn), dtype=np.int64)
    column[np.argsort(-worn, kind="stable")] = np.argsort(load, kind="stable")
    return column


def in_columns(code: PlacedCode, column: IntArray) -> PlacedCode:
    """The same code with its values and carries in other columns."""
    table = Fields.unpack(code.binary)
    dst, dst_cell, a, flag, b, carry = operands_along(table["op"])
    used = {
        "dc": dst | dst_cell,
        "cc": carry,
        "a.c": (a & (table["a.w"] > 0)) | flag,
        "b.c": b & (table["b.w"] > 0),
    }
    for name, where in used.items():
        table[name] = np.where(where, column[table[name] * where], table[name])
    values = code.values_array.copy()
    values[:, 1] = column[values[:, 1]]
    return PlacedCode.of_arrays(table.pack(), code.names_array, values)
