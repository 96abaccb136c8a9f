"""`camc where`: from an instruction back to the statement, the value, the tensor and the ONNX node that it is for."""

from __future__ import annotations

import argparse
from pathlib import Path

from cam_compiler.compile import level_of, read_module
from cam_compiler.debug.trail import spot, trail
from cam_compiler.terminal.render import print_listing
from dialects.rtm.target import target_of
from dialects.support.errors import UsageError
from dialects.support.text import on_one_line
from runtime.camx import load
from runtime.interpreter import network_of
from runtime.network import Network


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc where` takes."""
    command.add_argument("program", type=Path, help="a .camx program, or an .mlir file of the ap level")
    command.add_argument(
        "place",
        metavar="[PROGRAM/]LAYER:ADDRESS",
        help="an instruction of a layer's segment, counted from 0, as camc disasm shows them",
    )
    command.add_argument(
        "--dumps", type=Path, metavar="DIR", help="the dumps of the same compilation (camc compile --dump-ir DIR)"
    )


def run(options: argparse.Namespace) -> None:
    """Follow an instruction back through the levels."""
    network = _network(options.program)
    rows = trail(network, spot(network, options.place), options.dumps)
    print_listing([(title, on_one_line(text)) for title, text in rows])


def _network(path: Path) -> Network:
    if path.suffix == ".camx":
        return load(path)
    module = read_module(path)
    if (level := level_of(module)) != "ap":
        raise UsageError(f"it is of the level {level}, which has no instructions", place=str(path))
    return network_of(module, target_of(module))
