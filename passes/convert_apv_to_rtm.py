"""convert-apv-to-rtm: a place in racetrack memory for every value.

Stands after the passes on adder graphs. All column vectors of the function, from its loads to its stores, become one
placed program for one array geometry: the pass's `rows`, `columns` and `domains` if given, else the module's
attribute `rtm.geometry`, else the default target's.

    %b = apv.linear %x : ... graph <{ ... %2 = %0 + %1 : u2 ... }>
  becomes
    rtm.segment "fc" code <{ c2[0:2] = c0[0] + c1[0] carry c255[0] }>
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv, rtm
from dialects.errors import PipelineError, TargetError
from dialects.placed import PlacedCode
from dialects.program import geometry_of
from dialects.target import Geometry
from passes.placement import place
from passes.vector_code import VectorCode, View


@dataclass(frozen=True)
class ConvertApvToRtm(ModulePass):
    """Place column vectors in an array of racetrack memory."""

    name = "convert-apv-to-rtm"

    rows: int | None = None
    columns: int | None = None
    domains: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        geometry = self._geometry(op)
        for function in op.ops:
            if isinstance(function, func.FuncOp) and not function.is_declaration:
                _place_function(function, geometry)

    def _geometry(self, module: ModuleOp) -> Geometry:
        sizes = {"rows": self.rows, "columns": self.columns, "domains": self.domains}
        geometry = replace(geometry_of(module), **{name: size for name, size in sizes.items() if size is not None})
        if problem := geometry.problem():
            raise TargetError(f"impossible geometry: {problem}", place=self.name)
        return geometry


def _place_function(function: func.FuncOp, geometry: Geometry) -> None:
    ops = [op for op in function.walk() if op.name.startswith("apv.")]
    stores = [op for op in ops if isinstance(op, apv.StoreOp)]
    if not stores:
        return
    _refuse_round_trips(ops)
    code, loads = _vector_code(ops)
    segments = [
        rtm.SegmentOp(layer, PlacedCode.of(statements))
        for layer, statements in zip(code.segments, place(code, geometry), strict=True)
    ]
    program = rtm.ProgramOp([load.input for load in loads], [store.result.type for store in stores], geometry, segments)
    Rewriter.insert_op(program, InsertPoint.before(stores[0]))
    for store, result in zip(stores, program.outputs, strict=True):
        result.name_hint = store.result.name_hint
        store.result.replace_all_uses_with(result)
    for op in reversed(ops):
        Rewriter.erase_op(op)


def _refuse_round_trips(ops: list[Operation]) -> None:
    """All loads must come before all stores: one program runs from the first to the last."""
    stored = False
    for op in ops:
        stored |= isinstance(op, apv.StoreOp)
        if stored and isinstance(op, apv.LoadOp):
            raise PipelineError("values go back to the host and into the array again, which one program can't do")


def _vector_code(ops: list[Operation]) -> tuple[VectorCode, list[apv.LoadOp]]:
    code, loads = VectorCode(), list[apv.LoadOp]()
    columns: dict[SSAValue, list[View]] = {}
    read = written = 0
    for op in ops:
        match op:
            case apv.LoadOp():
                code.begin_segment(f"load {op.input.name_hint or len(loads)}")
                kind = apv.columns_of(op.result)
                columns[op.result] = code.load(read, kind.count.data, kind.range)
                read += kind.count.data
                loads.append(op)
            case apv.LinearOp():
                code.begin_segment(op.layer.data if op.layer else "linear")
                columns[op.result] = code.linear(columns[op.input], op.graph.data)
            case apv.ThresholdOp():
                code.begin_segment(op.layer.data if op.layer else "threshold")
                span = apv.columns_of(op.result).range
                columns[op.result] = code.threshold(columns[op.input], op.thresholds.data, span)
            case apv.StoreOp():
                code.begin_segment(f"store {op.result.name_hint or written}")
                code.store(columns[op.input], written)
                written += apv.columns_of(op.input).count.data
            case _:
                raise PipelineError(f"{op.name} can't be placed")
    return code, loads
