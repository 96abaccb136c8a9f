"""`camc tech`: a list of the bundled technologies."""

from __future__ import annotations

import argparse

from cam_compiler.terminal.render import print_listing
from runtime.cost.technology import bundled_technologies, load_technology


def add_options(_: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def run(_: argparse.Namespace) -> None:
    """List the bundled technologies."""
    print_listing([(name, load_technology(name).description) for name in bundled_technologies()])
