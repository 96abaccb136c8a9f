"""Delta debugging: smaller and smaller candidates, as long as each is still interesting."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741

Size = tuple[int, int, int]
"""lines, or nodes; elements of tensors; characters, or bytes"""
Reduction = Callable[["Search[T]"], None]
"""Tries candidates of one kind, from the best one so far."""


class OutOfTime(Exception):
    """The search has taken as long as it may."""


class Search(Generic[T]):
    """The smallest interesting candidate so far, and how it was found."""

    def __init__(
        self,
        start: T,
        interesting: Callable[[T], bool],
        measure: Callable[[T], tuple[Size, bytes]],
        seconds: float,
        said: Callable[[str], None] = lambda _: None,
    ):
        """`measure` gives the size of a candidate and its whole content, by which equal ones are known."""
        self.best = start
        self.interesting, self._measure, self._said = interesting, measure, said
        self.size, content = measure(start)
        self._tried = {hash(content)}
        self.tries = 0
        self._end = time.monotonic() + seconds

    def attempt(self, candidate: T | None) -> bool:
        """Take a candidate that is smaller and still interesting; None is none. Raises OutOfTime."""
        if candidate is None:
            return False
        if time.monotonic() > self._end:
            raise OutOfTime
        size, content = self._measure(candidate)
        if size >= self.size or hash(content) in self._tried:
            return False
        self._tried.add(hash(content))
        self.tries += 1
        if not self.interesting(candidate):
            return False
        self.best, self.size = candidate, size
        self._said(f"{size[0]:,} left after {self.tries:,} tries")
        return True

    def without(self, items: Sequence[I], build: Callable[[T, Sequence[I]], T | None]) -> None:
        """Do without as many items as possible: first in large runs, then one by one.

        `build` makes of the best candidate at the begin one that lacks some items.
        """
        base, gone = self.best, list[I]()
        size = len(items)
        while size >= 1:
            left = [item for item in items if item not in gone]
            for begin in range(0, len(left), size):
                run = left[begin : begin + size]
                if self.attempt(build(base, [*gone, *run])):
                    gone += run
            size //= 2

    def least(self, count: int, build: Callable[[T, int], T | None]) -> None:
        """Take the candidate of the lowest of `count` numbers that works, as if all above it worked as well."""
        base, low, high = self.best, 0, count
        while low < high:
            middle = (low + high) // 2
            if self.attempt(build(base, middle)):
                high = middle
            else:
                low = middle + 1

    def run(self, reductions: Sequence[Reduction[T]]) -> bool:
        """Try all reductions again and again until none helps; False where the time was over before."""
        try:
            before = None
            while before != self.size:
                before = self.size
                for reduction in reductions:
                    reduction(self)
        except OutOfTime:
            return False
        return True
