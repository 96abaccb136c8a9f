"""What long work tells whoever watches it: how far it is, and what a pass did to a layer.

Passes and runtimes call `progress` and `did`; the command line watches. Where nobody does, nothing is said.

    for index, layer in enumerate(layers):
        progress(index, len(layers), layer.name)
        ...
        did("apv-share", layer.name, Figure("additions", before, after))
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from dialects.support.text import on_one_line


class Figure(NamedTuple):
    """A number of a layer: after a pass, and before it where the pass changes it rather than makes it."""

    name: str
    before: int | None
    after: int
    peak: bool = False
    """over several layers the greatest counts, not the sum"""

    def __str__(self) -> str:
        return f"{self.name} {self.after}" if self.before is None else f"{self.name} {self.before} -> {self.after}"


class Watcher:
    """Hears of progress, as a fraction of all the work, and of what passes do; this one ignores both."""

    def progress(self, fraction: float, what: str) -> None:
        pass

    def did(self, stage: str, layer: str, figures: tuple[Figure, ...]) -> None:
        pass


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=Watcher())  # noqa: B039  (it has no state)


@contextmanager
def watched_by(watcher: Watcher) -> Generator[None]:
    """Let `watcher` hear of the work inside."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


class _Part(Watcher):
    def __init__(self, whole: Watcher, begin: float, end: float, what: str):
        self.whole = whole
        self.begin, self.end, self.what = begin, end, what
        self.did = whole.did

    def progress(self, fraction: float, what: str) -> None:
        text = ": ".join(filter(None, (self.what, what)))
        self.whole.progress(self.begin + fraction * (self.end - self.begin), text)


class _Again(Watcher):
    def __init__(self, whole: Watcher, times: int):
        self.progress = whole.progress
        self.whole, self.times = whole, times

    def did(self, stage: str, layer: str, figures: tuple[Figure, ...]) -> None:
        self.whole.did(f"{stage} ({self.times})", layer, figures)


@contextmanager
def again(times: int) -> Generator[None]:
    """What passes do inside is done for the second, third or further time, and has figures of its own."""
    with watched_by(_Again(_watcher.get(), times)):
        yield


@contextmanager
def part(begin: float, end: float, total: float, what: str = "") -> Generator[None]:
    """What is said of progress inside is progress from `begin` to `end` of `total`, in `what`."""
    with watched_by(_Part(_watcher.get(), begin / total, end / total, what)):
        yield


def progress(done: int, total: int, what: str) -> None:
    """`done` of `total` equal pieces of the present work are done; `what` comes next."""
    _watcher.get().progress(done / max(1, total), what)


def did(stage: str, layer: str, *figures: Figure, show: bool = False) -> None:
    """What a pass did to a layer; with `show`, the pass's option `stats`, it is also a line on stderr."""
    if show:
        print(f"{on_one_line(layer)}: {', '.join(map(str, figures))}", file=sys.stderr)
    _watcher.get().did(stage, layer, figures)
