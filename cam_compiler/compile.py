"""From files to modules, from modules to networks: what the commands of camc have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeAlias

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException, ParseError

from cam_compiler.capacity import explained
from cam_compiler.ir_text import described, parse_module
from cam_compiler.objective import Objective
from cam_compiler.pipeline import LEVELS, cut, make_context, parse_passes, run_passes
from cam_compiler.runner import Instruments
from dialects import ap, rtm
from dialects.machine.target import Target, load_target
from dialects.rtm.program import ProgramBase
from dialects.rtm.target import stated_target, target_of
from dialects.support.errors import CapacityError, IRError, PipelineError, UsageError
from dialects.support.files import read_text
from dialects.support.instrumentation import part, progress
from dialects.support.verify import verify_module
from runtime.host_actions import Action
from runtime.interpreter import action_of

InputTypes: TypeAlias = tuple[Mapping[str, str], Mapping[str, str]]
"""The types that inputs are declared to have, and those that they are rounded to, by name."""


def read_module(path: Path, input_types: InputTypes = ({}, {})) -> ModuleOp:
    """A module from an ONNX model or from textual IR, perhaps of standard input, `-`; raises CamcError."""
    if path.suffix == ".onnx":
        from cam_compiler.importer import import_model

        return import_model(path, *input_types)
    refuse_types(path, input_types)
    if path.suffix != ".mlir" and str(path) != "-":
        raise UsageError(f"'{path}' is no model", hint="give an .onnx model, an .mlir file or a compiled .camx program")
    text = read_text(str(path))
    try:
        module = parse_module(text, str(path), make_context())
        verify_module(module)
    except ParseError as error:
        raise IRError(f"the text is malformed\n{described(error)}") from error
    except DiagnosticException as error:
        raise IRError(f"the IR is invalid: {error}", place=str(path)) from error
    return module


def refuse_types(path: Path, input_types: InputTypes) -> None:
    """Raise UsageError for types of inputs that come too late: IR and programs hold them already."""
    for option, stated in zip(("--input-type", "--quantise-input"), input_types, strict=True):
        if stated:
            raise UsageError(f"{path} holds the types of its inputs already", place=option, hint="give it to the model")


def level_of(module: ModuleOp) -> str:
    """The lowest level that a module has reached."""
    names = {op.name.partition(".")[0] for op in module.walk()}
    return next((level for level in reversed(LEVELS) if level in names), LEVELS[0])


def target_for(module: ModuleOp, name: str | None) -> Target:
    """The target that is asked for, else the module's own; raises PipelineError where placed code contradicts it."""
    stated, placed = (
        stated_target(module),
        [op.geometry.geometry for op in module.walk() if isinstance(op, ProgramBase | ap.CountedOp | rtm.CountedOp)],
    )
    own = stated or load_target("default")
    if placed and placed[0] != own.geometry:
        own = replace(own, name=f"{placed[0]}, else {own.name}", **asdict(placed[0]))
    if name is None:
        return own
    target = load_target(name)
    if placed:
        # Of a module that states no machine, nothing but the arrays is known.
        compared = asdict(own if stated else own.geometry)
        for field in (field for field in compared if field not in ("name", "description")):
            if (wanted := getattr(target, field)) != compared[field]:
                raise PipelineError(
                    f"the program is placed for {field} = {compared[field]}, target {target.name} has {wanted}",
                    hint="leave --target out, or go back to a stage before convert-apv-to-rtm",
                )
    return target


def compile_file(
    path: Path,
    target_name: str | None = None,
    *,
    pipeline: str = "default",
    effort: int | None = None,
    objective: Objective | None = None,
    stop_after: str | None = None,
    instruments: Instruments | None = None,
    input_types: InputTypes = ({}, {}),
) -> tuple[ModuleOp, Target]:
    """Read a model or IR and run the pipeline on it."""
    if target_name is not None:
        load_target(target_name)
    parse_passes(pipeline, effort, objective)
    with part(0, 1, 10, "import"):
        progress(0, 1, "")
        module = read_module(path, input_types)
    with part(1, 10, 10):
        target = compile_module(
            module,
            target_name,
            pipeline=pipeline,
            effort=effort,
            objective=objective,
            stop_after=stop_after,
            instruments=instruments,
        )
    return module, target


def compile_module(
    module: ModuleOp,
    target_name: str | None = None,
    *,
    pipeline: str = "default",
    effort: int | None = None,
    objective: Objective | None = None,
    stop_after: str | None = None,
    instruments: Instruments | None = None,
) -> Target:
    """Run the pipeline in place, from the level that the module is at; gives the target that it is compiled for."""
    passes = passes_left(module, parse_passes(pipeline, effort, objective))
    target = target_for(module, target_name)
    if instruments:
        instruments.prepare()
    whole = module.clone()
    try:
        run_passes(
            module,
            cut(passes, stop_after),
            target,
            instruments=instruments,
        )
    except CapacityError as error:
        raise explained(error, whole, passes, target) from error
    # A pass's own options may have set other arrays.
    return target_of(module)


def passes_left(module: ModuleOp, passes: Sequence[ModulePass]) -> tuple[ModulePass, ...]:
    """The passes of a pipeline from the level on that a module is at."""
    done = LEVELS[: LEVELS.index(level_of(module))]
    left = tuple(prefix for level in done for prefix in (f"{level}-", f"convert-{level}-"))
    return tuple(item for item in passes if not item.name.startswith(left))


def on_the_host(module: ModuleOp) -> list[str]:
    """Functions that a network ends with and that the host computes, with their ONNX nodes."""
    actions = (action_of(op) for op in module.walk())
    return [what for action in actions if isinstance(action, Action) and (what := action.on_host)]
