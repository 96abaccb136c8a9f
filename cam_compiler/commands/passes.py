"""`camc passes`: a list of passes and named pipelines."""

from __future__ import annotations

import argparse

from cam_compiler.pipeline import PIPELINES
from cam_compiler.terminal.render import print_listing
from cam_compiler.universe import PASSES


def add_options(_: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def run(_: argparse.Namespace) -> None:
    """List passes and named pipelines."""
    rows = [(name, (make().__doc__ or "").splitlines()[0]) for name, make in PASSES.items()]
    rows += [(f"pipeline {name}", ",".join(items)) for name, items in PIPELINES.items()]
    print_listing(rows)
