"""The command's own packages, whatever else is on the path: a user's folder may be called `dialects` or `passes`, too.

The four top-level packages of camc lie beside each other. The command looks there for the other three first; all
other names are found as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_NAMES = frozenset({"dialects", "passes", "runtime"})


class _BesideThisPackage(MetaPathFinder):
    """Finds the packages beside `cam_compiler`."""

    folder = str(Path(__file__).resolve().parents[1])

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [self.folder], target) if fullname in _NAMES else None


def prefer_own_packages() -> None:
    """Let `dialects`, `passes` and `runtime` be those of camc in this process."""
    if not any(isinstance(finder, _BesideThisPackage) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BesideThisPackage())
