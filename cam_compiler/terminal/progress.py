"""What the user sees of long work: a bar with the remaining time on stderr, and what the passes did.

The bar is there only where stderr is a terminal; nothing of it stays behind.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cam_compiler.terminal.streams import console
from dialects.support.instrumentation import Figure, Watcher, watched_by
from dialects.support.text import on_one_line

if TYPE_CHECKING:
    from rich.progress import Progress

Deeds = dict[str, list[tuple[str, tuple[Figure, ...]]]]
"""By pass: layers and their figures."""


class Screen(Watcher):
    """Shows progress if it has a bar, and keeps what passes say that they did."""

    def __init__(self, bar: Progress | None = None):
        self.bar = bar
        self.task = bar.add_task("", total=1.0) if bar else None
        self.deeds: Deeds = {}

    def progress(self, fraction: float, what: str) -> None:
        if self.bar and self.task is not None:
            self.bar.update(self.task, completed=fraction, description=on_one_line(what))

    def did(self, stage: str, layer: str, figures: tuple[Figure, ...]) -> None:
        self.deeds.setdefault(stage, []).append((layer, figures))


@contextmanager
def watching(quiet: bool = False) -> Generator[Screen]:
    """Watch the work inside."""
    if quiet or not sys.stderr.isatty():
        screen = Screen()
        with watched_by(screen):
            yield screen
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    what = TextColumn("{task.description}", markup=False)
    bar = Progress(*columns, what, console=console(stderr=True), transient=True)
    with bar:
        screen = Screen(bar)
        with watched_by(screen):
            yield screen
