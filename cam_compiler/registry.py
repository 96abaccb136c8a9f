"""The dialects that textual IR may hold for `camc opt`: those of camc and of xDSL."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects import get_all_dialects

from cam_compiler.universe import DIALECTS


def register_all(ctx: Context) -> None:
    """Register every dialect; each is loaded when the text first names it."""
    for name, make in (get_all_dialects() | DIALECTS).items():
        ctx.register_dialect(name, make)
    ctx.load_registered_dialect("builtin")
