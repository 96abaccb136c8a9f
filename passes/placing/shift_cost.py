"""What the shifts of an adder graph count beside its AP cycles: it is scheduled and placed, as rtm-bundle does it."""

from __future__ import annotations

from itertools import groupby
from math import inf
from typing import NamedTuple

from dialects.apv.adder_graph import AdderGraph
from dialects.machine.target import Geometry
from dialects.support.errors import CapacityError
from passes.placing.placement import LOOPS, place, shifts_of
from passes.placing.vector_code import VectorCode, View

DEFAULT_STEP = 6
"""AP cycles that have the energy of a step of a column: the mean of 1.9 with RTSim's numbers and 23 with
DWMsimulator's (runtime/cost/technologies)."""


class ShiftCost(NamedTuple):
    """AP cycles that a step of one column counts, and the array that graphs are placed in."""

    step: float
    geometry: Geometry

    def of(self, graph: AdderGraph) -> float:
        """What the graph's shifts count, in AP cycles, with loads and stores; infinite where it doesn't fit."""
        code = VectorCode()
        code.begin_segment("")
        columns: list[View] = []
        for span, run in groupby(graph.inputs):
            columns += code.load(len(columns), len(list(run)), span)
        code.store(code.linear(columns, graph), 0)
        try:
            placed = place(code, self.geometry, LOOPS[0])
        except CapacityError:
            return inf
        return self.step * float(shifts_of(placed, self.geometry).column_steps.sum())
