"""The network that a command line names, ready to run."""

from __future__ import annotations

import argparse
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import compile_file, compile_module, level_of, read_module, refuse_types
from cam_compiler.execution import of_module, of_program
from cam_compiler.options import objective_of, stated_types
from cam_compiler.pipeline import LEVELS, counting
from dialects.machine.target import Target
from dialects.support.errors import UsageError
from runtime.cost.report import Report, make_report
from runtime.cost.technology import Technology
from runtime.executor import Executor
from runtime.network import Network
from runtime.result import Result

_WITH_GOLDEN = "name the model that it was compiled from, as in --golden model.onnx"


def load_network(options: argparse.Namespace) -> Executor:
    """A compiled program, or a model or IR that is compiled now."""
    model: Path = options.model
    if model.suffix == ".camx":
        refuse_compiling(options)
        return of_program(model, options.engine, trace=not options.no_trace)
    module, target = compiled(options)
    return of_module(module, target, options.engine, trace=not options.no_trace)


def compiled(options: argparse.Namespace) -> tuple[ModuleOp, Target]:
    """The model or IR, lowered to the level that is asked for, and its target."""
    return compile_file(
        options.model,
        options.target,
        pipeline=pipeline_of(options),
        effort=options.effort,
        objective=objective_of(options),
        stop_after=getattr(options, "level", None),
        input_types=stated_types(options),
    )


def compiled_with_golden(
    options: argparse.Namespace, source: ModuleOp | None = None
) -> tuple[ModuleOp, ModuleOp, Target]:
    """The same after the network at the `ternary` level, which it is compared with; the model is read once.

    `source` is the model as it is read, where that has been done; it stays as it is.
    """
    golden = golden_of(options, source or read_module(options.model, stated_types(options)))
    module = golden.clone()
    target = compile_module(
        module,
        options.target,
        pipeline=pipeline_of(options),
        effort=options.effort,
        objective=objective_of(options),
        stop_after=getattr(options, "level", None),
    )
    return golden, module, target


def golden_of(options: argparse.Namespace, source: ModuleOp) -> ModuleOp:
    """The network at the `ternary` level, as the pipeline that is asked for leaves it."""
    golden = source.clone()
    compile_module(
        golden,
        options.target,
        pipeline=pipeline_of(options),
        effort=options.effort,
        objective=objective_of(options),
        stop_after="ternary",
    )
    return golden


def refuse_unchecked(options: argparse.Namespace) -> None:
    """Raise UsageError where `--check` has no golden network to compare with: a program, or IR below `ternary`."""
    if options.model.suffix == ".camx":
        refuse_compiling(options)
    if options.model.suffix == ".mlir" and (level := level_of(read_module(options.model))) != LEVELS[0]:
        raise UsageError(f"IR of the {level} level has no golden integers", hint=_WITH_GOLDEN, place="--check")


def pipeline_of(options: argparse.Namespace) -> str:
    """The pipeline that is stated, or the default one, with the mapping that is asked for."""
    pipeline = "default" if options.pipeline is None else options.pipeline
    return counting(pipeline, options.mapping or "code")


def report_of(options: argparse.Namespace, result: Result, network: Network, technology: Technology) -> Report:
    """Counts, energy and latency of a run, as the command's options want them."""
    return make_report(
        result,
        network,
        technology,
        batch=getattr(options, "batch", None),
        ignore_instruction_fetch=options.ignore_instruction_fetch,
        operations=True,
    )


def refuse_compiling(options: argparse.Namespace) -> None:
    """Raise UsageError for options that come too late for a compiled program."""
    place = str(options.model)
    refuse_types(options.model, stated_types(options))
    if getattr(options, "level", None) not in (None, "ap"):
        raise UsageError(f"a compiled program runs at the ap level, not at {options.level}", place=place)
    if getattr(options, "check", False) and not options.golden:
        raise UsageError("a compiled program has no golden integers", hint=_WITH_GOLDEN, place="--check")
    refuse_pipeline(options)


def refuse_pipeline(options: argparse.Namespace) -> None:
    """Raise UsageError for options of the pipeline, beside a program that is compiled already."""
    given = {
        "--target": options.target,
        "--pipeline": options.pipeline,
        "-O": options.effort,
        "--objective": options.objective,
    }
    if late := [name for name, value in given.items() if value is not None]:
        raise UsageError("the program is compiled already", place=late[0], hint="compile the model again with it")
