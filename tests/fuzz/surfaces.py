"""What takes input from outside, by name: models, texts, machine code, files, commands."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import commands, containers, machine, models, texts
from fuzz.surface import EXPECTED, Surface

SURFACES: dict[str, Surface] = {
    **models.SURFACES,
    **texts.SURFACES,
    **machine.SURFACES,
    **containers.SURFACES,
    **commands.SURFACES,
}

__all__ = ["EXPECTED", "SURFACES"]
