"""`camc bisect`: which pass of a pipeline computes something else, in which layer and on which input."""

from __future__ import annotations

import argparse
from pathlib import Path

from cam_compiler.compile import passes_left, read_module, target_for
from cam_compiler.debug.bisect import Guilty, bisect, reproduce
from cam_compiler.execution import named
from cam_compiler.files import check_output, read_arrays
from cam_compiler.loading import pipeline_of
from cam_compiler.options import (
    add_engine,
    add_input_types,
    add_machine,
    add_pipeline,
    add_tech,
    add_work,
    at_least_one,
    objective_of,
    stated_types,
)
from cam_compiler.pipeline import parse_passes
from cam_compiler.terminal.progress import watching
from cam_compiler.validation import SAMPLES, edge_inputs
from dialects.support.text import on_one_line
from runtime.interpreter import input_specs, main_function


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc bisect` takes."""
    command.add_argument("model", type=Path, help="an .onnx model or an .mlir file of any level")
    command.add_argument(
        "--golden", type=Path, metavar="MODEL", help="compare with this model or .mlir file, not with MODEL itself"
    )
    command.add_argument(
        "--input", type=Path, metavar="X", help="samples as for run; drawn at the quantiser's edges if absent"
    )
    command.add_argument(
        "--samples", type=at_least_one, default=SAMPLES, metavar="N", help=f"samples to draw (default: {SAMPLES})"
    )
    command.add_argument(
        "--reproducer",
        type=Path,
        metavar="FILE.mlir",
        help="write the IR before the guilty pass, with that pass in the first line, as camc reduce takes it",
    )
    add_engine(command)
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_tech(command)
    add_work(command)


def run(options: argparse.Namespace) -> int:
    """Run the pipeline pass by pass; the exit code is 1 where one computes something else."""
    check_output(options.reproducer, (".mlir",), options)
    passes = parse_passes(pipeline_of(options), options.effort, objective_of(options))
    given = read_arrays(options.input) if options.input else None
    with watching(options.quiet):
        module = read_module(options.model, stated_types(options))
        passes = passes_left(module, passes)
        golden = read_module(options.golden) if options.golden else None
        specs = input_specs(main_function(golden or module))
        inputs = edge_inputs(golden or module, options.samples) if given is None else named(given, specs)
        found = bisect(module, passes, target_for(module, options.target), inputs, golden, options.engine)
    if found is None:
        samples = len(next(iter(inputs.values())))
        print(f"the same after each of {len(passes)} passes, on {samples:,} samples")
        return 0
    lines = list(found.lines())
    width = max(len(title) for title, _ in lines)
    for title, text in lines:
        print(f"{title:<{width}}  {on_one_line(text)}")
    if options.reproducer and isinstance(found, Guilty) and found.number:
        reproduce(found, options.reproducer)
    return 1
