"""Threads to work with: as many as are asked for, or one per processor. Results never depend on their number.

The number is one for the whole process: that of `--threads`, or else of the environment variable CAMC_THREADS.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from dialects.support.errors import InputError
from dialects.support.numbers import whole_number

_VARIABLE = "CAMC_THREADS"
MOST_THREADS = 1 << 10
"""that can be asked for"""
_MOST = 16
"""Beyond it memory grows more than time shrinks, where nobody asks for more."""

_stated: list[int] = []
"""What was asked for, innermost last."""


@contextmanager
def use_threads(count: int | None) -> Generator[None]:
    """Let the work inside take `count` threads, at least 1; None changes nothing."""
    if count is None:
        yield
        return
    _stated.append(count)
    try:
        yield
    finally:
        _stated.pop()


def thread_count() -> int:
    """The number of threads to work with; raises InputError where the environment variable isn't such a number."""
    if _stated:
        return _stated[-1]
    if text := os.environ.get(_VARIABLE):
        number = whole_number(text, MOST_THREADS)
        if number is None:
            expected = f"expected a whole number from 1 to {MOST_THREADS}"
            raise InputError(f"{expected}, found {text!r}", place=_VARIABLE)
        return number
    return min(_processors(), _MOST)


def thread_pool() -> ThreadPoolExecutor:
    """A pool of `thread_count` threads."""
    return ThreadPoolExecutor(thread_count())


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
