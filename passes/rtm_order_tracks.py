"""rtm-order-tracks: the values of each column in ShiftsReduce's order, a baseline for placement.

May stand between convert-apv-to-rtm and convert-rtm-to-ap. Columns, instructions and bit loops stay as they are; what
changes is at which domains of its column a value lies. The values of a column, by the sequence in which its port visits
them, get the order that ShiftsReduce finds for one track (passes/placing/track_order.py). In this order, from the
lowest domain on, each takes the first domains that are free as long as it lives: of values that live at the same time
none overlap, others may. Carries, which live in one bit loop only, go to the free domain nearest to the port. A column
where this doesn't fit, or where it takes more steps than before, stays as it is.

    %2 : c0[4:6] = in 2                        %2 : c0[2:4] = in 2

ShiftsReduce itself knows objects of one domain that are there from beginning to end; these get its very order. Widths
and lifetimes are added here. `stats` prints one line per segment to stderr, with the shifts before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import rtm
from dialects.machine.code import Fields
from dialects.machine.isa import Op
from dialects.machine.tables import operands_along
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.tensors import IntArray
from passes.placing.column_traces import Traces, traces
from passes.placing.placement import shifts_of
from passes.placing.track_order import Order, shifts_reduce


@dataclass(frozen=True)
class RtmOrderTracks(ModulePass):
    """Order the values of each column by ShiftsReduce."""

    name = "rtm-order-tracks"

    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        programs = [item for item in op.walk() if isinstance(item, rtm.ProgramOp)]
        for index, program in enumerate(programs):
            segments = [item for item in program.segments if isinstance(item, rtm.SegmentOp)]
            progress(index, len(programs), segments[0].layer.data if segments else "")
            codes, geometry = [segment.code for segment in segments], program.geometry.geometry
            if not any(map(len, codes)):
                continue
            ordered = in_order(codes, geometry)
            before, after = shifts_of(codes, geometry), shifts_of(ordered, geometry)
            for number, (segment, code) in enumerate(zip(segments, ordered, strict=True)):
                segment.code_attr = rtm.CodeAttr(code)
                figures = [
                    Figure("steps in time", int(before.shift_steps[number]), int(after.shift_steps[number])),
                    Figure("column steps", int(before.column_steps[number]), int(after.column_steps[number])),
                ]
                did(self.name, segment.layer.data, *figures, show=self.stats)


def in_order(codes: Sequence[PlacedCode], geometry: Geometry) -> list[PlacedCode]:
    """The code with the values of each column in order, where that takes fewer steps; as it is with values across."""
    if any(code.across for code in codes):
        return list(codes)
    found = traces(codes, geometry.columns)
    domains = found.objects[:, 1].copy()
    carries = found.objects[found.visits[:, 0], 1]
    for column, visits in found.by_column():
        begin = int(found.column_ends[column]) - len(visits)
        places = _places(found.objects, visits, geometry.domains)
        if places is not None:
            numbers, firsts, carry_domains = places
            domains[numbers] = firsts
            carries[begin : begin + len(visits)] = carry_domains
    moved = _moved(codes, found, domains, carries)
    is_better = _column_steps(moved, geometry) < _column_steps(codes, geometry)
    if is_better.all():
        return moved
    own = found.objects[:, 1]
    of_visits = found.objects[found.visits[:, 0], 0]
    carries = np.where(is_better[of_visits], carries, own[found.visits[:, 0]])
    return _moved(codes, found, np.where(is_better[found.objects[:, 0]], domains, own), carries)


def _column_steps(codes: Sequence[PlacedCode], geometry: Geometry) -> IntArray:
    return shifts_of(codes, geometry).steps_of_column.sum(axis=0)


def _places(objects: IntArray, visits: IntArray, domains: int) -> tuple[IntArray, IntArray, IntArray] | None:
    """The objects of a column that hold values, their new first domains, and the domain of the carry of each visit."""
    numbers, indices = np.unique(visits[:, 0], return_inverse=True)
    holds_values = objects[numbers, 5] == 0
    rank = np.cumsum(holds_values) - 1
    numbers = numbers[holds_values]
    of_values = holds_values[indices]
    items = np.where(of_values, rank[indices], -1)
    order = shifts_reduce(items[of_values].tolist(), len(numbers))
    firsts = first_fits(order, objects[numbers, 2], objects[numbers, 3:5])
    if len(numbers) and int((firsts + objects[numbers, 2]).max()) > domains:
        return None
    carries = _carry_domains(firsts, objects[numbers], np.column_stack([items, visits[:, 1:]]), domains)
    return None if carries is None else (numbers, firsts, carries)


def first_fits(order: Order, widths: IntArray, lives: IntArray) -> IntArray:
    """The first domain of each object: the lowest at which it fits between those before it that live with it."""
    firsts, ends = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
    for item in order:
        born, dies = lives[item]
        beside = np.flatnonzero((ends > 0) & (lives[:, 0] <= dies) & (lives[:, 1] >= born))
        first = 0
        for other in beside[np.argsort(firsts[beside])].tolist():
            if firsts[other] - first >= widths[item]:
                break
            first = max(first, int(ends[other]))
        firsts[item], ends[item] = first, first + widths[item]
    return firsts


def _carry_domains(firsts: IntArray, objects: IntArray, visits: IntArray, domains: int) -> IntArray | None:
    """The free domain nearest to the port for each visit to a carry; none where there is no free one."""
    masks = [((1 << width) - 1) << first for first, width in zip(firsts.tolist(), objects[:, 2].tolist(), strict=True)]
    births, deaths = (_by_loop(objects[:, field]) for field in (3, 4))
    free, port, now, carries = (1 << domains) - 1, 0, -1, 0
    found = np.full(len(visits), -1)
    for number, (item, loop, _, last) in enumerate(visits.tolist()):
        if loop != now:
            now, carries = loop, 0
            while deaths and deaths[-1][0] < loop:
                free |= masks[deaths.pop()[1]]
            while births and births[-1][0] <= loop:
                free &= ~masks[births.pop()[1]]
        if item >= 0:
            port = int(firsts[item]) + last
        elif free & ~carries:
            port = found[number] = _nearest(free & ~carries, port)
            carries |= 1 << port
        else:
            return None
    return found


def _by_loop(loops: IntArray) -> list[tuple[int, int]]:
    """Loops and the objects that they belong to, the earliest last."""
    return sorted(zip(loops.tolist(), range(len(loops)), strict=True), reverse=True)


def _nearest(free: int, port: int) -> int:
    """The bit nearest to the port."""
    above, below = free >> port, free & ((1 << port) - 1)
    up = port + (above & -above).bit_length() - 1
    down = below.bit_length() - 1
    return down if not above or (below and port - down < up - port) else up


def _moved(codes: Sequence[PlacedCode], found: Traces, domains: IntArray, carries: IntArray) -> list[PlacedCode]:
    """The same code with its objects at these first domains, and the carries of visits at those."""
    further = np.append(domains - found.objects[:, 1], 0)
    by_value = np.append(further[found.object_of], 0)
    moved: list[PlacedCode] = []
    begin = 0
    for code in codes:
        table, names = Fields.unpack(code.binary), code.names_array
        visit = found.carry_visit[begin : begin + len(code)]
        begin += len(code)
        dst, dst_cell, a, flag, b, carry = operands_along(table["op"])
        table["dd"] += (dst | dst_cell) * by_value[np.where(names[:, 0] >= 0, names[:, 0], names[:, 1])]
        table["a.d"] += ((a & (table["a.w"] > 0)) | flag) * by_value[names[:, 2]]
        table["b.d"] += (b & (table["b.w"] > 0)) * by_value[names[:, 3]]
        table["cd"] += (table["op"] == Op.COPY_IF) * by_value[names[:, 3]]
        table["cd"] = np.where(carry & (visit >= 0), carries[visit], table["cd"])
        values = code.values_array.copy()
        values[:, 2] += by_value[values[:, 0]].astype(values.dtype)
        moved.append(PlacedCode.of_arrays(table.pack(), names, values))
    return moved
