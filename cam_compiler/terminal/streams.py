"""The standard streams while a command runs: what is printed is safe to show (dialects/support/text.py).

Tables and progress bars write to the terminal themselves, as they move its cursor; `console` makes their texts safe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from dialects.support.text import printable

if TYPE_CHECKING:
    from rich.console import Console


class _Safe:
    """A stream that shows hidden characters as escapes; everything else is that of the stream behind it."""

    def __init__(self, stream: TextIO):
        self.rich_proxied_file = stream
        """where rich writes, which names it so"""

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def safe_streams() -> Generator[None]:
    """Let everything that is printed inside be safe to show."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, TextIOWrapper):
            # What the stream's encoding doesn't know is shown as an escape, too.
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (cast(TextIO, _Safe(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def open_streams() -> None:
    """Give a process that was started without one of the standard streams an empty one.

    Else the next file that is opened would take its place, and messages would go there.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115  (it stays open)


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console for tables, whose texts are shown as they are: nothing in them is markup."""
    from rich.console import Console
    from rich.text import Text

    class SafeConsole(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

    made = SafeConsole(highlight=False, markup=False, emoji=False, stderr=stderr)
    if width is not None and not made.is_terminal:
        made.width = width
    return made
