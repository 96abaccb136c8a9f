"""What a stage would come to in one way of lowering it: what a report says of its programs, before the network has run.

The stage is lowered by itself, to machine code. All counts that follow from the code are those that a report will have;
the written cells, which depend on the data, are those of a few samples drawn at random, run through the network up to
the stage (`stage_inputs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from cam_compiler.validation import draw
from dialects import ap, apv, ternary
from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.target import Target
from dialects.rtm.target import set_target
from dialects.support.errors import CapacityError, PipelineError
from dialects.support.threads import thread_count
from dialects.support.window import Ints, Rows
from runtime.cost.counts import Traced, program_bits
from runtime.cost.layers import Pricing
from runtime.cost.technology import Technology
from runtime.engines import counting, native
from runtime.host_actions import Action
from runtime.interpreter import action_of, float_type
from runtime.network import InputSpec
from runtime.result import SegmentRun, expected_of
from runtime.values import AnyValue, raw

_ROWS = 1 << 11
_SAMPLES = 64
"""Of the data that written cells are counted on: so many samples, and rows of a stage, at most; at least one sample."""


class Machine(NamedTuple):
    """What a stage is lowered for, and what prices it."""

    target: Target
    technology: Technology
    samples: int
    """of a batch"""


class Cost(NamedTuple):
    """What programs come to for a batch, one after another."""

    energy: float = 0.0
    """fJ"""
    latency: float = 0.0
    """ns"""
    cycles: float = 0.0
    chain: float = 0.0
    """ns; the latency where all that doesn't wait for each other runs at the same time"""

    def __add__(self, other: object) -> Cost:
        assert isinstance(other, Cost)
        return Cost(*(one + two for one, two in zip(self, other, strict=True)))

    def of(self, objective: str) -> float:
        """What the objective counts."""
        return self.energy * self.latency if objective == "product" else getattr(self, objective)


class Ran(NamedTuple):
    """A program as it is expected to run, and the programs of the same stage that it waits for."""

    runs: Sequence[SegmentRun]
    waits_for: frozenset[int]


class Trial(NamedTuple):
    """A stage, lowered in one way."""

    ran: Sequence[Ran]
    bits: int
    """of its code"""
    module: ModuleOp
    """the stage at the end of the `apv` level"""

    def cost(self, machine: Machine, program_bytes: int) -> Cost:
        """What a report says of it in a network whose code takes so many bytes."""
        pricing = Pricing(machine.target, machine.technology, program_bytes)
        whole, ends = Cost(), list[float]()
        for runs, waits_for in self.ran:
            layers = [pricing.layer([run]) for run in runs]
            latency = sum(layer.latency_ns for layer in layers)
            cycles = sum(run.counts.cycles for run in runs)
            whole += Cost(sum(layer.total_fj for layer in layers), latency, cycles)
            ends.append(latency + max((ends[number] for number in waits_for), default=0.0))
        return whole._replace(chain=max(ends, default=0.0))


def alone(stage: apv.StageOp, target: Target) -> ModuleOp:
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


def stages_of(module: ModuleOp) -> list[apv.StageOp]:
    """The stages of a module, in their order."""
    return [op for op in module.walk() if isinstance(op, apv.StageOp)]


Way = Callable[[ModuleOp], None]
"""Brings a stage that is alone in its module on its way, up to the end of the `apv` level."""


def trial(
    stage: apv.StageOp, way: Way, tail: Sequence[ModulePass], inputs: Mapping[SSAValue, Rows], machine: Machine
) -> Trial | None:
    """A stage, lowered by itself; None where it can't be. `inputs` are a few samples of what it loads."""
    module = alone(stage, machine.target)
    try:
        way(module)
        kept = module.clone()
        for item in tail:
            item.apply(Context(), module)
    except (CapacityError, PipelineError):
        return None
    main = cast(func.FuncOp, module.body.block.first_op)
    taken = [inputs[value] for value in dict.fromkeys(stage.inputs)]
    values: dict[SSAValue, Rows] = dict(zip(main.body.block.args, taken, strict=True))
    makers: dict[SSAValue, frozenset[int]] = {}
    ran: list[Ran] = []
    bits = 0
    for op in main.body.block.ops:
        waits = frozenset[int]().union(*(makers.get(value, frozenset()) for value in op.operands))
        if isinstance(op, ap.ProgramOp | ap.CountedOp):
            outputs, traced = _ran(op.program, [values[value] for value in op.operands], machine.target)
            ran.append(Ran(_scaled(op.program, traced, machine), waits))
            waits = frozenset([len(ran) - 1])
            bits += program_bits(op.program, machine.target)
            values.update(zip(op.results, outputs, strict=True))
        elif isinstance(op, ternary.ConcatOp):
            values[op.result] = np.concatenate([raw(values[value]) for value in op.inputs], axis=1)
        elif not isinstance(op, func.ReturnOp):
            raise PipelineError(f"{op.name} is no part of a stage that is lowered by itself")
        makers.update(dict.fromkeys(op.results, waits))
    return Trial(ran, bits, kept)


class _Traced(NamedTuple):
    """What depends on the data, by segment, and of how many samples."""

    by_segment: Sequence[Traced | None]
    samples: int


def _ran(program: AnyProgram, inputs: Sequence[Rows], target: Target) -> tuple[Sequence[Ints], _Traced]:
    samples = len(inputs[0]) // program.rows if inputs else 1
    if isinstance(program, CountedProgram):
        outputs, counts = counting.run(target, program, inputs)
        return [outputs], _Traced([counts.traced], samples)
    [(rows, by_segment)] = native.run(target, [(program, inputs)], thread_count())
    parts: list[Ints] = np.split(rows, np.cumsum(program.outputs)[:-1], axis=1)
    return parts, _Traced([counts.traced for counts in by_segment], samples)


def _scaled(program: AnyProgram, traced: _Traced, machine: Machine) -> list[SegmentRun]:
    """The runs of a program on a batch, which writes as many cells per sample as it did on a few."""
    runs = expected_of(program, machine.target, machine.samples)
    found: list[SegmentRun] = []
    for run, cells in zip(runs, traced.by_segment, strict=True):
        scaled = Traced(*(cell * machine.samples // traced.samples for cell in cells)) if cells else None
        found.append(run._replace(counts=run.counts.with_traced(scaled)))
    return found


def stage_inputs(
    function: func.FuncOp, given: Sequence[AnyValue] | None = None
) -> Iterator[tuple[apv.StageOp, dict[SSAValue, Rows]]]:
    """Each stage of a function, with what it loads where the function takes what is given, or a few random samples."""
    ops = [op for op in function.body.block.ops if not isinstance(op, func.ReturnOp)]
    rows = [ternary.rows_of(value) for op in ops if isinstance(op, apv.StageOp) for value in op.inputs]
    samples = max(1, min(_SAMPLES, _ROWS // max(rows, default=1)))
    rng = np.random.default_rng(0)
    arguments = function.body.block.args
    drawn = given or [_drawn(argument, samples, rng) for argument in arguments]
    values: dict[SSAValue, AnyValue] = dict(zip(arguments, drawn, strict=True))
    last = {value: op for op in ops for value in _taken(op)}
    for op in ops:
        taken = [values[value] for value in _taken(op)]
        if isinstance(op, apv.StageOp):
            yield op, {value: cast(Rows, values[value]) for value in op.inputs}
        action = action_of(op)
        if not isinstance(action, Action):
            raise PipelineError(f"{op.name} is machine code already", hint="choose before anything is lowered")
        values.update(zip(op.results, action.results(*taken), strict=True))
        for value in {value for value in _taken(op) if last[value] is op}:
            del values[value]


def _taken(op: Operation) -> Sequence[SSAValue]:
    return op.inputs if isinstance(op, apv.StageOp) else op.operands


def _drawn(argument: BlockArgument, samples: int, rng: np.random.Generator) -> AnyValue:
    """Random values of an argument: any of its integers, or real numbers among all steps of its quantisers."""
    shape = ternary.shape_of(argument)[1:]
    if isinstance(ternary.element_of(argument), ternary.IntType):
        span = ternary.range_of(argument)
        return rng.integers(span.lo, span.hi + 1, (samples * ternary.rows_of(argument), *shape))
    return draw(InputSpec("", (-1, *shape), float_type(argument)), argument, samples, rng)
