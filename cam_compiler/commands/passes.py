"""`camc passes`: a list of passes and named pipelines, or what a pass does and takes."""

from __future__ import annotations

import argparse
import sys
from dataclasses import MISSING, fields
from inspect import cleandoc

from xdsl.passes import ModulePass

from cam_compiler.pipeline import PIPELINES
from cam_compiler.terminal.render import print_listing
from cam_compiler.universe import GENERAL_PASSES, PASSES, find_pass, plug_ins
from dialects.support.errors import PipelineError


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc passes` takes."""
    command.add_argument("names", nargs="*", metavar="NAME", help="passes or pipelines to describe; a list if absent")


def run(options: argparse.Namespace) -> None:
    """List passes and named pipelines, or describe some."""
    if not options.names:
        makers = {**PASSES, **GENERAL_PASSES, **plug_ins().all_passes}
        rows = [(name, _first_line(make())) for name, make in makers.items()]
        rows += [(f"pipeline {name}", ",".join(items)) for name, items in PIPELINES.items()]
        print_listing(rows)
        return
    print("\n\n".join(description_of(name) for name in options.names))


def _first_line(found: type[ModulePass]) -> str:
    return (found.__doc__ or "").strip().partition("\n")[0]


def description_of(name: str) -> str:
    """What a pass or a pipeline is; raises PipelineError where there is none of that name."""
    if name in PIPELINES:
        return f"pipeline {name}\n\n" + "\n".join(f"    {item}" for item in PIPELINES[name])
    make = find_pass(name)
    if make is None:
        raise PipelineError(f"there is no pass '{name}'", hint="camc passes lists them")
    found = make()
    # The docstring of a pass's file says where it stands, and what comes in and goes out.
    text = cleandoc(sys.modules[found.__module__].__doc__ or found.__doc__ or "")
    return f"{text}\n\noptions of {name}:\n{_options(found)}"


def _options(found: type[ModulePass]) -> str:
    lines: list[str] = []
    for field in fields(found):
        if field.name == "name":
            continue
        default = "required" if field.default is MISSING else f"default {str(field.default).lower()}"
        kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        lines.append(f"    {field.name.replace('_', '-')}: {kind}, {default}")
    return "\n".join(lines) or "    none"
