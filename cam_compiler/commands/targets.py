"""`camc targets`: a list of the bundled targets."""

from __future__ import annotations

import argparse

from cam_compiler.terminal.render import print_listing
from dialects.machine.target import bundled_targets, load_target


def add_options(_: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def run(_: argparse.Namespace) -> None:
    """List the bundled targets."""
    print_listing([(name, load_target(name).description) for name in bundled_targets()])
