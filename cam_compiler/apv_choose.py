"""apv-choose: for each stage the mapping that costs less, weights as code or weights as data.

Stands behind convert-ternary-to-apv in pipelines with `--mapping auto`. Each stage is lowered by itself in both ways,
to machine code, which is run on `samples` (default 1) of random integers; the objective (energy, latency or their
product, as `tech` has them) is what a report says of these runs. Its loads and stores are part of a stage, so that what
a mapping needs of the buffer counts. Code fills its rows with samples, counting goes through them one after another, so
the number of samples can decide.
Stages that cost less when they are counted become counted layers, as with apv-count; all others stay. On a target
without counters, all do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from dialects import ap, apv, ternary
from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.target import Target
from dialects.rtm.target import set_target, target_of
from dialects.support.errors import CapacityError, PipelineError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.threads import thread_count
from dialects.support.window import Ints
from passes.apv_count import ApvCount, count_stage
from passes.apv_share import ApvShare
from passes.apv_split import ApvSplit
from passes.convert_apv_to_rtm import ConvertApvToRtm
from passes.convert_rtm_to_ap import ConvertRtmToAp
from runtime.cost.layers import Pricing
from runtime.cost.technology import Technology, load_technology
from runtime.engines import counting, native
from runtime.result import SegmentRun, counted_run, runs_of

_LOWERING = (ConvertApvToRtm(placement="loops", effort=0), ConvertRtmToAp())
_WAYS: Mapping[str, Sequence[ModulePass]] = {
    "code": (ApvSplit(), ApvShare(effort=0), *_LOWERING),
    "count": (ApvCount(), *_LOWERING),
}


@dataclass(frozen=True)
class ApvChoose(ModulePass):
    """Count the stages that cost less so."""

    name = "apv-choose"

    objective: Literal["cycles", "energy", "latency", "product"] = "energy"
    tech: str = "rtsim"
    samples: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target, technology = target_of(op), load_technology(self.tech)
        if self.samples < 1:
            raise PipelineError(f"samples {self.samples}", place=self.name, hint="samples is at least 1")
        if not target.counter:
            return
        stages = [item for item in op.walk() if isinstance(item, apv.StageOp)]
        for number, stage in enumerate(stages):
            progress(number, len(stages), "")
            costs = {way: self._cost(ctx, stage, way, target, technology) for way in _WAYS}
            if not costs["count"] and not costs["code"]:
                continue
            counted = costs["count"] is not None and (costs["code"] is None or costs["count"] < costs["code"])
            figures = [Figure(f"{self.objective} as {way}", None, round(cost)) for way, cost in costs.items() if cost]
            did(self.name, _name(stage, number), *figures, Figure("counted", None, int(counted), peak=True))
            if counted:
                count_stage(stage, target)

    def _cost(self, ctx: Context, stage: apv.StageOp, way: str, target: Target, technology: Technology) -> float | None:
        """What a stage costs in one way for the samples; None where it can't be lowered so."""
        module = _alone(stage, target)
        try:
            for item in _WAYS[way]:
                item.apply(ctx, module)
        except (CapacityError, PipelineError):
            return None
        runs, size = _runs(module, target, self.samples)
        layers = [Pricing(target, technology, size).layer([run]) for run in runs]
        energy, latency = sum(layer.total_fj for layer in layers), sum(layer.latency_ns for layer in layers)
        costs = {"energy": energy, "latency": latency, "cycles": latency, "product": energy * latency}
        return costs[self.objective]


def _name(stage: apv.StageOp, number: int) -> str:
    layers = [op.layer.data for op in stage.ops if isinstance(op, apv.LinearOp) and op.layer]
    return layers[0] if layers else f"stage {number}"


def _alone(stage: apv.StageOp, target: Target) -> ModuleOp:
    """A module of a copy of one stage, which takes what it loads."""
    taken = list(dict.fromkeys(stage.inputs))
    block = Block(arg_types=[value.type for value in taken])
    values: dict[SSAValue, SSAValue] = dict(zip(taken, block.args, strict=True))
    copy = stage.clone(value_mapper=values)
    block.add_ops([copy, func.ReturnOp(*copy.outputs)])
    kind = ([value.type for value in taken], [value.type for value in copy.outputs])
    module = ModuleOp([func.FuncOp("main", kind, Region(block))])
    set_target(module, target)
    return module


def _runs(module: ModuleOp, target: Target, samples: int) -> tuple[list[SegmentRun], int]:
    """How all programs of a module run on samples of random integers, and the bytes of their code."""
    rng, values = np.random.default_rng(0), dict[SSAValue, Ints]()
    runs: list[SegmentRun] = []
    size = 0
    for op in module.walk():
        for value in (value for value in op.operands if value not in values and isinstance(value.owner, Block)):
            span, shape = ternary.range_of(value), (samples * ternary.rows_of(value), ternary.shape_of(value)[1])
            values[value] = rng.integers(span.lo, span.hi + 1, shape)
        if isinstance(op, ap.ProgramOp | ap.CountedOp):
            size += sum(len(code) for code in op.program.codes)
            outputs, found = _ran(op.program, [values[value] for value in op.operands], target)
            runs += found
            values.update(zip(op.results, outputs, strict=True))
        elif isinstance(op, ternary.ConcatOp):
            values[op.result] = np.concatenate([values[value] for value in op.inputs], axis=1)
        else:
            _check_known(op)
    return runs, size


def _check_known(op: Operation) -> None:
    if not isinstance(op, ModuleOp | func.FuncOp | func.ReturnOp | ap.SegmentOp):
        raise PipelineError(f"{op.name} is no part of a stage that is lowered by itself")


def _ran(program: AnyProgram, inputs: Sequence[Ints], target: Target) -> tuple[list[Ints], list[SegmentRun]]:
    if isinstance(program, CountedProgram):
        outputs, counts = counting.run(target, program, inputs)
        return [outputs], [counted_run(program, counts, target)]
    [(rows, by_segment)] = native.run(target, [(program, inputs)], thread_count())
    parts: list[Ints] = np.split(rows, np.cumsum(program.outputs)[:-1], axis=1)
    return parts, runs_of(program, by_segment, len(rows), target)
