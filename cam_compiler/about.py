"""What the command says of itself."""

from __future__ import annotations

import argparse


class Version(argparse.Action):
    """Shows the version of camc."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        # It takes a third of the start-up time to import.
        from importlib.metadata import version

        print(f"camc {version('cam-compiler')}")
        parser.exit()
