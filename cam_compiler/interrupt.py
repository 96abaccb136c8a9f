"""Ctrl-C ends a command also while native code runs, which Python can't interrupt.

Python's own handler only acts once the main thread is back in Python. The signal's number also arrives in a pipe; a
thread that waits there ends the process if the main thread hasn't come back within a moment.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

_MOMENT_S = 0.5
EXIT_CODE = 130
_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def interruptible() -> Generator[None]:
    """Let Ctrl-C end the work inside, wherever it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    over = threading.Event()
    waiting = threading.Thread(target=_wait, args=(read, over), daemon=True)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(write)
        waiting.join()
        os.close(read)


def say() -> None:
    """Tell the user, below whatever the terminal shows."""
    before = _SHOW_CURSOR + "\n" if sys.stderr.isatty() else ""
    os.write(2, f"{before}camc: interrupted\n".encode())


def _wait(read: int, over: threading.Event) -> None:
    while number := os.read(read, 1):
        if number[0] == signal.SIGINT and not over.wait(_MOMENT_S):
            say()
            os._exit(EXIT_CODE)
