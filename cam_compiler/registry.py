"""The dialects that textual IR may hold: those of camc, xDSL's, and those of installed plug-ins."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects import get_all_dialects

from cam_compiler.universe import DIALECTS, plug_ins


def register_all(ctx: Context) -> None:
    """Register every dialect; each is loaded when the text first names it."""
    for name, make in (get_all_dialects() | DIALECTS).items():
        ctx.register_dialect(name, make)
    ctx.load_registered_dialect("builtin")


def register_plug_ins(ctx: Context) -> None:
    """The same for dialects of other packages, which takes longer to find."""
    known = set(ctx.registered_dialect_names)
    for name, make in plug_ins().all_dialects.items():
        if name not in known:
            ctx.register_dialect(name, make)
