"""Runs camc and kills it at a step of writing: `killed_inside.py STEP arguments of camc`; used by kills.py.

Steps are counted before and after each call that opens an output, writes half a piece of it, sets its mode or puts it
in its place.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cam_compiler.__main__ import main
from runtime import files

left = int(sys.argv.pop(1))


def step(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call with a step before it and one behind it."""

    def made(*arguments: Any, **more: Any) -> Any:
        _count()
        result = call(*arguments, **more)
        _count()
        return result

    return made


def _count() -> None:
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class Halved:
    """A file that writes each half of a piece by itself."""

    def __init__(self, file: Any):
        self.file = file

    def __enter__(self) -> Halved:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        """Both halves, each on the disk when its step is over."""
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):
            step(self._write)(part)

    def _write(self, part: bytes) -> None:
        self.file.write(part)
        self.file.flush()


really = os.fdopen
files.os.fdopen = lambda *given, **more: Halved(really(*given, **more))  # type: ignore[assignment]
files.os.open = step(os.open)
Path.replace, Path.chmod = step(Path.replace), step(Path.chmod)  # type: ignore[method-assign]
raise SystemExit(main())
