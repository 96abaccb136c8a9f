"""Threads to work with: as many as are asked for, or one a processor. Results never depend on their number."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

_MOST = 16
"""Beyond it memory grows more than time shrinks."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(stated: int) -> int:
    """The number of threads that is stated; 0 is one a processor."""
    return stated or min(cores(), _MOST)


def thread_pool(stated: int = 0) -> ThreadPoolExecutor:
    """A pool of `thread_count` threads."""
    return ThreadPoolExecutor(thread_count(stated))
