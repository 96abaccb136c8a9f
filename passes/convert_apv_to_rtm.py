"""convert-apv-to-rtm: a place in racetrack memory for every value.

Stands after the passes on adder graphs. Every stage becomes one placed program for one array geometry: the pass's
`rows`, `columns` and `domains` if given, else those of the module's target. Weights that aren't an adder graph yet
become a running sum for each output. `accumulators` is "exact", where a sum that is computed in place grows with its
range, or "full", where it has its final width from the start (as in the paper's flow). `placement` is "loops"
(statements that share operands come into one bit loop, then values go where little shifting brings them under their
ports), or, with every instruction a bit loop of its own, "spread" (near the ports, in empty columns), "columns" (in the
emptiest column) or "packed" (one after another); see passes/placing/placement.py. Where an array is too small for that,
values are packed tightly, then outputs are computed and stored one after the other, then inputs are dropped and loaded
again for their next use, by another `in`. With "loops", `effort` (0 to 3) says how many ways are tried; the best one by
`objective` is kept: "energy" (steps of all columns), "latency" (steps in time) or "product".

Counted layers get places for their weights and tables: `count_parts` is the most parts that outputs are dealt to (0: as
many as keep all weights under their ports), `count_searches` the searches of a layer, one after another for one sample,
above which it is dealt to more (0: any number), `count_copies` the same above which it gets copies of all its arrays,
which share the sample's rows.

    %b = apv.sum %x : ... graph <{ ... %2 = %0 + %1 : u2 ... }>
  becomes
    rtm.segment "fc" code <{ %2 : c2[0:2] = %0 + %1 carry c255[0] }>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv, rtm
from dialects.apv.adder_graph import AdderGraph
from dialects.apv.spatial import ConcatOp, MaxOp
from dialects.apv.types import ranges_of
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.rtm.target import set_target, target_of
from dialects.support.errors import CapacityError, PipelineError, TargetError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.threads import thread_count, thread_pool
from passes.adder_graphs.sums import signed_digits, unshared
from passes.apv_across import StandingLayer, standing_layer
from passes.counting.lowering import place_counted
from passes.counting.planning import CountOptions
from passes.placing.placement import (
    COLUMNS,
    LOOPS,
    PACKED,
    SPREAD,
    THRIFT,
    TIGHT,
    TIGHT_LOOPS,
    Objective,
    in_loops,
    loops,
    place,
    place_across,
)
from passes.placing.standing import Standing, carries, order_of
from passes.placing.vector_code import VectorCode, View

_Segments = list[tuple[str, PlacedCode]]
"""placed statements by segment"""


@dataclass(frozen=True)
class ConvertApvToRtm(ModulePass):
    """Place column vectors in an array of racetrack memory."""

    name = "convert-apv-to-rtm"

    rows: int | None = None
    columns: int | None = None
    domains: int | None = None
    accumulators: Literal["exact", "full"] = "exact"
    placement: Literal["loops", "spread", "columns", "packed"] = "spread"
    effort: int = 1
    objective: Objective = "energy"
    count_parts: int = 0
    count_searches: int = 8_000_000
    count_copies: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not 0 <= self.effort < len(LOOPS):
            raise PipelineError(f"effort {self.effort}", place=self.name, hint=f"effort is 0 to {len(LOOPS) - 1}")
        geometry = self._geometry(op)
        stages = [item for item in op.walk() if isinstance(item, apv.StageOp)]
        for item in (item for stage in stages for item in stage.ops if isinstance(item, apv.LinearOp)):
            digits = signed_digits(item.weights.data.array).rows
            count = len(digits) - len(np.unique(digits))
            did(self.name, item.layer.data if item.layer else "linear", Figure("additions", None, count))
        for stage, code in zip(stages, self._placed(stages, geometry), strict=True):
            _replace(stage, code, geometry)
        place_counted(
            op, target_of(op), CountOptions(self.count_parts, self.count_searches, self.count_copies), self.name
        )

    def _geometry(self, module: ModuleOp) -> Geometry:
        """The arrays that programs are placed for, of which the module's target says the same."""
        sizes = {"rows": self.rows, "columns": self.columns, "domains": self.domains}
        target = replace(target_of(module), **{name: size for name, size in sizes.items() if size is not None})
        if problem := target.geometry.problem():
            raise TargetError(f"impossible geometry: {problem}", place=self.name)
        set_target(module, target)
        return target.geometry

    def _placed(self, stages: Sequence[apv.StageOp], geometry: Geometry) -> list[_Segments]:
        """The code of every stage, several at a time."""

        # A lone stage's methods share the threads.
        each = max(1, thread_count() // max(1, len(stages)))

        def placed(stage: apv.StageOp) -> _Segments:
            if across := _across(stage, geometry):
                return across
            code = _Code(stage, geometry.domains).code
            placed = self._in_loops(code, geometry, each) if self.placement == "loops" else self._place(code, geometry)
            return list(zip(code.segments, placed, strict=True))

        found: list[_Segments] = []
        with thread_pool() as pool:
            for index, (stage, code) in enumerate(zip(stages, pool.map(placed, stages), strict=True)):
                progress(index, len(stages), _layer_name(stage))
                found.append(code)
        return found

    def _in_loops(self, code: VectorCode, geometry: Geometry, threads: int) -> Sequence[PlacedCode]:
        """Bit loops are made before anything has a place, or, where memory is short, of what found one without."""
        full, statements = self.accumulators == "full", len(code.operations) + 2 * len(code.table)
        for methods in (loops(self.effort, statements), TIGHT_LOOPS):
            try:
                return place(code, geometry, methods, self.objective, threads, full=full)
            except CapacityError:
                continue
        return in_loops(self._place(code, geometry), geometry, self.effort, self.objective, threads)

    def _place(self, code: VectorCode, geometry: Geometry) -> list[PlacedCode]:
        """An instruction a loop, with as little saving of memory as there must be."""
        method = {"packed": PACKED, "spread": SPREAD}.get(self.placement, COLUMNS)
        full = self.accumulators == "full"
        problems: list[CapacityError] = []
        for one, thrift in ((method, None), (TIGHT, None), *((TIGHT, thrift) for thrift in THRIFT)):
            try:
                return place(code, geometry, [one], full=full, thrift=thrift)
            except CapacityError as error:
                problems.append(error)
                if error.needs and error.needs.domains > geometry.domains:
                    break
        raise min(problems, key=lambda error: error.needs.columns if error.needs else inf)


def _replace(stage: apv.StageOp, code: _Segments, geometry: Geometry) -> None:
    """Put a placed program in the place of its stage."""
    segments = [rtm.SegmentOp(layer, placed) for layer, placed in code if len(placed)]
    program = rtm.ProgramOp(stage.inputs, [output.type for output in stage.outputs], geometry, segments, stage.part)
    Rewriter.insert_op(program, InsertPoint.before(stage))
    for old, new in zip(stage.outputs, program.outputs, strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    Rewriter.erase_op(stage)


def _layer_name(stage: apv.StageOp) -> str:
    """The layer that a stage is known by: its largest linear one."""
    layers = [op for op in stage.ops if isinstance(op, apv.LinearOp | apv.SumOp) and op.layer]
    largest = max(layers, key=_size, default=None)
    return largest.layer.data if largest and largest.layer else "stage"


def _size(op: apv.LinearOp | apv.SumOp) -> int:
    """Additions of a layer, about."""
    return len(op.graph.data.node_table) if isinstance(op, apv.SumOp) else int(np.count_nonzero(op.weights.data.array))


def _graph(op: apv.LinearOp | apv.SumOp) -> AdderGraph:
    """The adder graph of sums; of weights that nothing has made one of yet, the one that shares nothing."""
    return op.graph.data if isinstance(op, apv.SumOp) else unshared(op.weights.data.array, ranges_of(op.inputs))


def _across(stage: apv.StageOp, geometry: Geometry) -> _Segments | None:
    """The code of a stage whose values are to lie across columns, if they find room there."""
    standing = standing_layer(stage, geometry) if stage.across else None
    if standing is None:
        return None
    made = _Code(stage, geometry.domains, standing)
    sums, code = made.sums, made.code
    assert sums is not None
    code.reorder(order_of(code, sums, made.first_after), made.segment)
    # The second cell of a carry has the last column.
    columns = replace(geometry, columns=geometry.columns - carries(standing.shape.pairs) + 1)
    try:
        placed = place_across(code, sums.places(), made.standing, standing.shape.first_input, columns)
    except CapacityError:
        return None
    return list(zip(code.segments, placed, strict=True))


class _Code:
    """A stage as straight-line code; with the sums of one layer as accumulators that stand still, if asked for."""

    def __init__(self, stage: apv.StageOp, domains: int, standing: StandingLayer | None = None):
        self.code = VectorCode(domains)
        self.columns: dict[SSAValue, list[View]] = {}
        self.read = self.written = 0
        self.layer = standing
        self.sums: Standing | None = None
        self.segment = self.first_after = self.standing = 0
        """of the layer: its segment, the first operation after it, the first value that it hasn't made"""
        for number, op in enumerate(stage.ops):
            self._add(op, number)

    def _add(self, op: Operation, number: int) -> None:
        code, columns = self.code, self.columns
        match op:
            case apv.LoadOp():
                code.begin_segment(f"load {op.input.name_hint or number}")
                kind = apv.columns_of(op.result)
                columns[op.result] = code.load(self.read, kind.count.data, kind.range)
                self.read += kind.count.data
            case apv.LinearOp() if self.layer and op is self.layer.op:
                code.begin_segment(op.layer.data if op.layer else "linear")
                columns[op.result] = self._stand(self.layer)
            case apv.LinearOp() | apv.SumOp():
                code.begin_segment(op.layer.data if op.layer else "linear")
                views = [view for value in op.inputs for view in columns[value]]
                columns[op.result] = code.linear(views, _graph(op))
            case apv.ThresholdOp():
                code.begin_segment(op.layer.data if op.layer else "threshold")
                span = apv.columns_of(op.result).range
                columns[op.result] = code.threshold(columns[op.input], op.thresholds.data, span)
            case apv.RescaleOp():
                code.begin_segment(op.layer.data if op.layer else "rescale")
                columns[op.result] = code.rescale(columns[op.input], op.lines.data)
            case MaxOp():
                code.begin_segment(op.layer.data if op.layer else "max")
                columns[op.result] = code.maximum(columns[op.input], op.size)
            case ConcatOp():
                columns[op.result] = [view for value in op.inputs for view in columns[value]]
            case apv.StoreOp():
                code.begin_segment(f"store {op.result.name_hint or number}")
                code.store(columns[op.input], self.written)
                self.written += apv.columns_of(op.input).count.data
            case _:
                raise PipelineError(f"{op.name} can't be placed")

    def _stand(self, layer: StandingLayer) -> list[View]:
        code, op = self.code, layer.op
        views = [view for value in op.inputs for view in self.columns[value]]
        self.sums = Standing(code, views, layer.weights, layer.shape, layer.offset)
        self.sums.emit()
        self.segment = len(code.segments) - 1
        self.first_after, self.standing = len(code.operations), len(code.spans)
        return self.sums.views()
