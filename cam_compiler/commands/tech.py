"""`camc tech`: a list of the bundled technologies, or one technology's numbers with their sources."""

from __future__ import annotations

import argparse

from cam_compiler.terminal.render import print_listing
from cam_compiler.terminal.technology import print_technology
from runtime.cost.technology import bundled_technologies, load_technology


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc tech` takes."""
    command.add_argument(
        "technology", nargs="?", metavar="NAME|FILE.toml", help="a bundled technology or a file (default: list them)"
    )


def run(options: argparse.Namespace) -> None:
    """List the bundled technologies, or show all parameters of one."""
    if options.technology:
        print_technology(load_technology(options.technology))
    else:
        print_listing([(name, load_technology(name).description) for name in bundled_technologies()])
