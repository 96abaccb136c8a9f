"""`camc debug`: steps through a program on the golden simulator, by commands from standard input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from cam_compiler.debug.debugger import Debugger, run_script
from cam_compiler.debug.stepper import Stepper
from cam_compiler.execution import drawn, named
from cam_compiler.files import read_arrays
from cam_compiler.loading import load_network
from cam_compiler.options import add_input_types, add_machine, add_pipeline, add_tech, add_work
from cam_compiler.terminal.progress import watching
from cam_compiler.terminal.render import console
from dialects.support.errors import CamcError

_PROMPT = "(camc) "


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc debug` takes."""
    command.add_argument("model", type=Path, help="a .camx program, or an .mlir file or .onnx model, which is compiled")
    command.add_argument(
        "--input", type=Path, metavar="X", help="samples as for run; one drawn at the quantiser's edges if absent"
    )
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_tech(command)
    add_work(command)
    command.set_defaults(engine="golden", no_trace=False)


def run(options: argparse.Namespace) -> int:
    """Obey commands until `quit` or the end of standard input; 1 where one couldn't be done in a script."""
    given = read_arrays(options.input) if options.input else None
    with watching(options.quiet):
        network = load_network(options).network
    stepper = Stepper(network, drawn(network) if given is None else named(given, network.inputs))
    debugger = Debugger(stepper, console())
    debugger.greet()
    talking = sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
    well = run_script(debugger, _asked() if talking else sys.stdin or (), _failed)
    return int(not well and not talking)


def _asked() -> Iterator[str]:
    while True:
        try:
            yield input(_PROMPT)
        except EOFError:
            print()
            return


def _failed(error: CamcError) -> None:
    print(f"camc: error: {error}", file=sys.stderr)
