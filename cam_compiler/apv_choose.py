"""apv-choose: for each stage the way that costs least, by what a report will say of it.

Stands behind convert-ternary-to-apv. Each stage is lowered by itself, to machine code, in every way there is, by the
passes and options of the pipeline that follows, and is priced by the formulas of reports (runtime/cost/prices.py), for
a batch of `samples` (default 1): rows fill arrays or leave them idle, and code that is fetched serves all samples. What
depends on the data is counted on a few random samples (cam_compiler/stage_trials.py). The ways are

    tracks   values along tracks, split (apv-split) and shared (apv-share) as in the default pipeline
    aimed    the same, split and shared for the objective
    across   accumulators stand still (apv-across): the stage is marked
    pairs    the same, and inputs are added to them two at a time
    count    weights as data (apv-count), with the option `count`, on a target with counters
    apart    layers that follow one another in stages of their own, for each of which these ways are tried

    %r = apv.stage : tensor<?x64x!ternary.int<0, 15>> { ... apv.linear ... }
  becomes, for one,
    %r = apv.stage across : tensor<?x64x!ternary.int<0, 15>> { ... apv.linear ... }

A way other than `tracks` has to save something: a hundredth of the energy, as that rests on random data; for the
latency, it may not lengthen the chain of programs that wait for each other either. Where the choices together would
cost more than `tracks` everywhere, that is taken. Stages that are alike share what was found for one of them. A stage
that can't be lowered in any way stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal, NamedTuple, cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from cam_compiler.objective import Objective
from cam_compiler.pipeline import EFFORTS, LOWERING, parse_passes
from cam_compiler.stage_trials import Cost, Machine, Trial, Way, alone, stage_inputs, stages_of, trial
from dialects import apv, ternary
from dialects.rtm.target import target_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, Watcher, did, progress, watched_by
from dialects.support.window import Rows
from passes.apv_across import ApvAcross, isolate_layers, standing_layer
from passes.apv_count import ApvCount
from passes.apv_share import ApvShare
from passes.apv_split import ApvSplit, layers_of
from runtime.cost.technology import load_technology

DEFAULT = "tracks"
_WORTH = 0.99
"""what a way may cost of the default one's energy"""
_FAR = 0.75
"""what `across` may cost of the default one's energy so that nothing else is tried along tracks"""
_LITTLE = 1
"""bytes of code that lie on the chip whatever the technology"""
_ROUNDS = 4
"""how often ways are chosen anew for the size that the program then has"""


class Choice(NamedTuple):
    """The way of a stage, or of each of its layers in a stage of its own."""

    way: str
    cost: Cost
    bits: int
    apart: Sequence[Choice] = ()


@dataclass
class Plan:
    """The ways that were tried for a stage; those of its layers apart, where there are several."""

    stage: apv.StageOp
    trials: Mapping[str, Trial]
    apart: Sequence[Plan] = ()

    def default(self, machine: Machine, size: int) -> Choice:
        """Along tracks, as in the default pipeline; what there is where that is impossible."""
        way = DEFAULT if DEFAULT in self.trials else next(iter(self.trials), "")
        return self._choice(way, machine, size) if way else Choice("", Cost(), 0)

    def best(self, objective: str, machine: Machine, size: int) -> Choice:
        """The way that costs least where all code takes `size` bytes."""
        found = self.default(machine, size)
        limit, chain = found.cost.of(objective), found.cost.chain
        if objective in ("energy", "product"):
            limit *= _WORTH
        others = [self._choice(way, machine, size) for way in self.trials if way != found.way]
        if self.apart:
            layers = [plan.best(objective, machine, size) for plan in self.apart]
            cost = sum((layer.cost for layer in layers), Cost())
            others.append(Choice("apart", cost, sum(layer.bits for layer in layers), layers))
        for other in others:
            cost = other.cost.of(objective)
            if cost < limit and (objective != "latency" or other.cost.chain <= chain):
                found, limit = other, cost
        return found

    def _choice(self, way: str, machine: Machine, size: int) -> Choice:
        return Choice(way, self.trials[way].cost(machine, size), self.trials[way].bits)


@dataclass(frozen=True)
class ApvChoose(ModulePass):
    """Lower each stage in the way that costs least."""

    name = "apv-choose"

    objective: Literal["cycles", "energy", "latency", "product"] = "energy"
    tech: str = "rtsim"
    samples: int = 1
    count: bool = False
    effort: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.samples < 1 or not 0 <= self.effort < len(EFFORTS["apv-share"]):
            raise PipelineError(
                f"samples {self.samples}, effort {self.effort}",
                place=self.name,
                hint=f"samples is at least 1, effort 0 to {len(EFFORTS['apv-share']) - 1}",
            )
        chooser = Chooser(self, op)
        for stage, choice in chooser.choices().items():
            chooser.bring(stage, choice)


class Chooser:
    """Tries the ways of a module's stages, and brings each on the way that is best."""

    def __init__(self, options: ApvChoose, module: ModuleOp):
        self.module, self.objective, self.effort = module, options.objective, options.effort
        self.target = target_of(module)
        self.machine = Machine(self.target, load_technology(options.tech), options.samples)
        aim = Objective.of(options.objective, options.tech, self.target.nanowires_per_cell, options.samples)
        self.tail = parse_passes(",".join(LOWERING), options.effort, aim)
        self.aimed = parse_passes("apv-split,apv-share", options.effort, aim)
        self.count = options.count and self.target.counter
        self.across = options.objective in ("energy", "product")
        layers = layers_of(module)
        self.parts = dict(zip(layers, ApvSplit().parts(layers, self.target.geometry), strict=True))
        """of each layer, how many it has in the default pipeline"""
        self.plans: dict[apv.StageOp, Plan] = {}

    def choices(self) -> dict[apv.StageOp, Choice]:
        """The way of each stage that nothing has been chosen for, and what it is expected to come to."""
        for function in (op for op in self.module.ops if isinstance(op, func.FuncOp) and not op.is_declaration):
            self._plan_all(function)
        found = self._settled()
        for stage, choice in found.items():
            trials = self.plans[stage].trials
            costs = {way: tried.cost(self.machine, _LITTLE).of(self.objective) for way, tried in trials.items()}
            costs[choice.way] = choice.cost.of(self.objective)
            figures = [Figure(f"{self.objective} as {way}", None, round(cost)) for way, cost in costs.items()]
            did(ApvChoose.name, _name(stage), *figures, Figure(choice.way, None, 1))
        return found

    def bring(self, stage: apv.StageOp, choice: Choice, plan: Plan | None = None) -> None:
        """Replace a stage by what it is on its way, at the end of the `apv` level."""
        plan = plan or self.plans[stage]
        tried = plan.trials.get(choice.way) if plan.stage is stage else None
        if choice.way and tried:
            _put(stage, tried.module)
        elif choice.way:
            module = alone(stage, self.target)
            if choice.way == "apart":
                isolate_layers(stages_of(module)[0], self.target.geometry)
                for layer, inner, own in zip(stages_of(module), choice.apart, plan.apart, strict=True):
                    self.bring(layer, inner, own)
            else:
                self._ways(stage)[choice.way](module)
            _put(stage, module)

    def _plan_all(self, function: func.FuncOp) -> None:
        stages = [op for op in function.body.block.ops if isinstance(op, apv.StageOp)]
        known: dict[object, Plan] = {}
        for number, (stage, inputs) in enumerate(stage_inputs(function) if stages else ()):
            progress(number, len(stages), _name(stage))
            if stage.across or any(isinstance(op, apv.SumOp) for op in stage.ops):
                continue
            key = _kind(stage)
            if key not in known:
                # What passes do to stages that are only tried is nobody's business.
                with watched_by(Watcher()):
                    known[key] = self._plan(stage, inputs)
            self.plans[stage] = known[key]

    def _ways(self, stage: apv.StageOp) -> dict[str, Way]:
        """How a stage comes to the end of the `apv` level."""
        share, layers = ApvShare(effort=self.effort), [op for op in stage.ops if isinstance(op, apv.LinearOp)]
        # Layers of a stage that is apart aren't known to the default pipeline.
        split = ApvSplit()
        parts = [self.parts[op] for op in layers] if all(op in self.parts for op in layers) else None

        def tracks(module: ModuleOp) -> None:
            own = layers_of(module)
            split.split(own, parts or split.parts(own, self.target.geometry))
            share.apply(Context(), module)

        ways: dict[str, Way] = {DEFAULT: tracks}
        if self.across and standing_layer(stage, self.target.geometry):
            ways["across"] = _way(ApvAcross(pairs="none"))
            ways["pairs"] = _way(ApvAcross(pairs="all"))
        if [*self.aimed] != [split, share]:
            ways["aimed"] = _way(*self.aimed)
        if self.count:
            ways["count"] = _way(ApvCount())
        return ways

    def _plan(self, stage: apv.StageOp, inputs: Mapping[SSAValue, Rows]) -> Plan:
        trials: dict[str, Trial] = {}
        for name, way in self._ways(stage).items():
            if name == "aimed" and _is_far(trials, self.machine):
                continue
            if tried := trial(stage, way, self.tail, inputs, self.machine):
                trials[name] = tried
        apart: list[Plan] = []
        if self.across:
            module = alone(stage, self.target)
            isolate_layers(stages_of(module)[0], self.target.geometry)
            given = [inputs[value] for value in dict.fromkeys(stage.inputs)]
            if len(stages_of(module)) > 1:
                main = cast(func.FuncOp, module.body.block.first_op)
                apart = [self._plan(layer, loaded) for layer, loaded in stage_inputs(main, given)]
        return Plan(stage, trials, apart)

    def _settled(self) -> dict[apv.StageOp, Choice]:
        """The way of each stage; what code off the chip costs depends on the size of all of it."""
        plain = self._for_size(lambda plan, size: plan.default(self.machine, size))
        best = self._for_size(lambda plan, size: plan.best(self.objective, self.machine, size))
        costs = [sum((choice.cost for choice in found.values()), Cost()).of(self.objective) for found in (best, plain)]
        return best if costs[0] < costs[1] else plain

    def _for_size(self, choose: Callable[[Plan, int], Choice]) -> dict[apv.StageOp, Choice]:
        """Choices for the size that the code then has."""
        found: dict[apv.StageOp, Choice] = {}
        size = _LITTLE
        for _ in range(_ROUNDS):
            found = {stage: choose(plan, size) for stage, plan in self.plans.items()}
            before, size = size, sum(choice.bits for choice in found.values()) // 8
            if size == before:
                break
        return found


def _way(*passes: ModulePass) -> Way:
    def go(module: ModuleOp) -> None:
        for item in passes:
            item.apply(Context(), module)

    return go


def _is_far(trials: Mapping[str, Trial], machine: Machine) -> bool:
    energies = [trials[way].cost(machine, _LITTLE).energy for way in ("across", DEFAULT) if way in trials]
    return len(energies) > 1 and energies[0] < _FAR * energies[1]


def _put(stage: apv.StageOp, module: ModuleOp) -> None:
    """The only function of a module in the place of the stage that it was made of."""
    block = cast(func.FuncOp, module.body.block.first_op).body.block
    taken = list(dict.fromkeys(stage.inputs))
    end = cast(func.ReturnOp, block.last_op)
    for old, new in zip(stage.outputs, list(end.arguments), strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    Rewriter.erase_op(end)
    Rewriter.inline_block(block, InsertPoint.before(stage), taken)
    Rewriter.erase_op(stage)


def _name(stage: apv.StageOp) -> str:
    layers = [op.layer.data for op in stage.ops if isinstance(op, apv.LinearOp) and op.layer]
    return layers[0] if layers else "stage"


def _kind(stage: apv.StageOp) -> object:
    """What stages that are alike have in common: types, and about as many weights."""
    ops: list[object] = [str(value.type) for value in stage.inputs]
    for op in stage.ops:
        counts: tuple[int, ...] = ()
        if isinstance(op, apv.LinearOp):
            weights = op.weights.data.array
            counts = (*weights.shape, round(8 * log2(1 + np.count_nonzero(weights))))
        ops.append((op.name, counts, *(str(value.type) for value in op.results)))
    return tuple(ops), tuple(ternary.rows_of(value) for value in stage.inputs)
