"""The whole compiler in one list, and how a pipeline is parsed, cut where the user wants it, and run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects import builtin, func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from cam_compiler.objective import Objective
from cam_compiler.runner import Instruments, run
from cam_compiler.universe import DIALECTS, GENERAL_PASSES, PASSES, find_pass
from dialects.machine.target import Target
from dialects.rtm.target import set_target
from dialects.support.errors import CamcError, PipelineError

if TYPE_CHECKING:
    from cam_compiler.validation import Validator

LEVELS = ("ternary", "apv", "rtm", "ap")

LOWERING = ("convert-apv-to-rtm{placement=loops objective=energy}", "convert-rtm-to-ap", "ap-pair", "ap-prefix")
"""The end of a pipeline that chooses, which apv-choose tries ways with; fewer steps in time can take more cycles."""

PIPELINES: dict[str, tuple[str, ...]] = {
    "default": (
        # ternary: integer tensors, weights and thresholds
        "ternary-canonicalize",
        "ternary-pool-rows",
        "ternary-rescale",
        "convert-ternary-to-apv",
        # apv: adder graphs over column vectors
        "apv-split",
        "apv-share",
        # rtm: instructions in bit loops, and a place for every value
        "convert-apv-to-rtm{placement=loops}",
        "convert-rtm-to-ap",
        # ap: machine code
    ),
    # The same where nothing else costs less by an objective: what --objective takes for the default pipeline.
    "chosen": (
        "ternary-canonicalize",
        "ternary-pool-rows",
        "ternary-rescale",
        "convert-ternary-to-apv",
        "apv-choose",
        "apv-split{step=6 moved=1}",
        "apv-share{step=6}",
        *LOWERING,
    ),
    # Accumulators that stand still wherever a layer allows it, and writes of what changes only.
    "across": (
        "ternary-canonicalize",
        "ternary-pool-rows",
        "ternary-rescale",
        "convert-ternary-to-apv",
        "apv-across",
        "apv-split",
        "apv-share",
        "convert-apv-to-rtm{placement=loops}",
        "convert-rtm-to-ap{lean=true}",
        "ap-pair",
        "ap-prefix",
    ),
    # All values along their tracks, in bit loops of shared sums: the fewest cycles; what energy is measured against.
    "tracks": (
        "ternary-canonicalize",
        "ternary-rescale",
        "convert-ternary-to-apv",
        "apv-split",
        "apv-share",
        "convert-apv-to-rtm{placement=loops}",
        "convert-rtm-to-ap",
    ),
    # Every output a running sum of its own: what sharing is measured against.
    "unshared": ("ternary-canonicalize", "convert-ternary-to-apv", "convert-apv-to-rtm", "convert-rtm-to-ap"),
    # Values one after another, in the emptiest column, or there in ShiftsReduce's order; one instruction per loop: what
    # bit loops are measured against.
    "packed": (
        "ternary-canonicalize",
        "ternary-pool-rows",
        "ternary-rescale",
        "convert-ternary-to-apv",
        "apv-split",
        "apv-share",
        "convert-apv-to-rtm{placement=packed}",
        "convert-rtm-to-ap",
    ),
    "columns": (
        "ternary-canonicalize",
        "ternary-pool-rows",
        "ternary-rescale",
        "convert-ternary-to-apv",
        "apv-split",
        "apv-share",
        "convert-apv-to-rtm{placement=columns}",
        "convert-rtm-to-ap",
    ),
    "shiftsreduce": (
        "ternary-canonicalize",
        "ternary-pool-rows",
        "ternary-rescale",
        "convert-ternary-to-apv",
        "apv-split",
        "apv-share",
        "convert-apv-to-rtm{placement=columns}",
        "rtm-order-tracks",
        "convert-rtm-to-ap",
    ),
    # The flow of the DATE 2024 paper: one kernel per input channel, accumulation in place at the accumulator's width.
    "date24": (
        "ternary-canonicalize",
        "convert-ternary-to-apv",
        "apv-share{group-by=channel}",
        "convert-apv-to-rtm{accumulators=full placement=columns}",
        "convert-rtm-to-ap",
    ),
}

EFFORTS: dict[str, tuple[dict[str, int], ...]] = {
    # pass           -O0              -O1              -O2              -O3
    "apv-choose": ({"effort": 0}, {"effort": 1}, {"effort": 2}, {"effort": 3}),
    "apv-share": ({"effort": 0}, {"effort": 1}, {"effort": 2}, {"effort": 3}),
    "convert-apv-to-rtm": ({"effort": 0}, {"effort": 1}, {"effort": 2}, {"effort": 3}),
    "rtm-bundle": ({"effort": 0}, {"effort": 1}, {"effort": 2}, {"effort": 3}),
}
"""What -O0 to -O3 mean: options of passes, where the pipeline doesn't state them itself."""


def make_context() -> Context:
    """A context that knows the dialects of camc."""
    ctx = Context()
    for dialect in (builtin.Builtin, func.Func, *(make() for make in DIALECTS.values())):
        ctx.load_dialect(dialect)
    return ctx


def parse_passes(
    pipeline: str, effort: int | None = None, objective: Objective | None = None
) -> tuple[ModulePass, ...]:
    """The passes of a named pipeline, or of a string such as `pass-a,pass-b{option=1}`; raises PipelineError.

    `effort` is the number behind -O, `objective` the aim; without them passes have their own defaults. With an aim the
    default pipeline is the one named "chosen".
    """
    named = "chosen" if pipeline == "default" and objective else pipeline
    text = ",".join(PIPELINES.get(named, (named,)))
    passes = ", ".join((*PASSES, *GENERAL_PASSES))
    known = f"known pipelines are {', '.join(PIPELINES)}; known passes are {passes}"
    try:
        specs = tuple(parse_pipeline(text))
        makers = [find_pass(spec.name) for spec in specs]
        if None in makers:
            unknown = specs[makers.index(None)].name
            raise PipelineError(f"there is no pass '{unknown}'", place=f"pipeline '{pipeline}'", hint=known)
        pairs = zip(filter(None, makers), specs, strict=True)
        return tuple(make().from_spec(_with_defaults(spec, effort, objective)) for make, spec in pairs)
    except CamcError:
        raise
    except ArgSpecParseError as error:
        raise PipelineError(f"malformed: {error}", place=f"pipeline '{pipeline}'", hint=known) from error
    except Exception as error:
        raise PipelineError(str(error), place=f"pipeline '{pipeline}'", hint=known) from error


def counting(pipeline: str, mapping: str) -> str:
    """A pipeline in which layers are counted where the mapping is "count", those that cost less so where "auto".

    For that apv-count stands behind convert-ternary-to-apv, or apv-choose. Raises PipelineError where it can't.
    """
    if mapping == "code":
        return pipeline
    named = "chosen" if pipeline == "default" and mapping == "auto" else pipeline
    text = ",".join(PIPELINES.get(named, (named,)))
    before = "convert-ternary-to-apv"
    if before not in text:
        raise PipelineError(
            f"it has no place for --mapping {mapping}", place=f"pipeline '{pipeline}'", hint=f"a pipeline with {before}"
        )
    if mapping == "count":
        return text.replace(before, f"{before},apv-count")
    if "apv-choose" in text:
        return text.replace("apv-choose", "apv-choose{count=true}")
    return text.replace(before, f"{before},apv-choose{{count=true}}")


def _with_defaults(spec: ArgSpec, effort: int | None, objective: Objective | None) -> ArgSpec:
    options: dict[str, int | float | str] = {}
    if effort is not None and spec.name in EFFORTS:
        options |= EFFORTS[spec.name][effort]
    if objective:
        options |= objective.options.get(spec.name, {})
    return ArgSpec(spec.name, {**{name: (value,) for name, value in options.items()}, **spec.parameters})


def cut(passes: Sequence[ModulePass], stage: str | None) -> tuple[ModulePass, ...]:
    """The passes up to a stage: the last one still at a level, or up to and including a pass."""
    if stage is None or stage == LEVELS[-1]:
        return tuple(passes)
    names = [item.name for item in passes]
    if stage in LEVELS:
        leaving = [index for index, name in enumerate(names) if name.startswith(f"convert-{stage}-to-")]
        return tuple(passes[: leaving[0]]) if leaving else tuple(passes)
    if stage not in names:
        raise PipelineError(
            f"there is no stage '{stage}'", hint=f"stages are {', '.join(LEVELS)} and {', '.join(names) or 'no pass'}"
        )
    return tuple(passes[: names.index(stage) + 1])


def run_passes(
    module: ModuleOp,
    passes: Sequence[ModulePass],
    target: Target,
    *,
    dump_to: Path | None = None,
    verify_each: bool = True,
    validator: Validator | None = None,
    instruments: Instruments | None = None,
) -> None:
    """Run passes on a module in place, and after each verify the IR, dump it and validate it (see `Validator`).

    Without `verify_each` the IR is verified only before the first pass and after the last one; `instruments` say all
    this and more.

    The target goes into the module as its attribute `rtm.target`, so that each dump can be compiled further.
    """
    set_target(module, target)
    wanted = instruments or Instruments(verify_each=verify_each, dump_to=dump_to, validator=validator)
    run(module, passes, make_context(), wanted)
