"""Commands as processes that are forked, so that what they import is loaded once: they cost what their work costs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from resource import struct_rusage

# Everything that commands import.
from fuzz import surfaces as _  # noqa: F401

from cam_compiler import __main__ as camc
from cam_compiler.cli import make_parser
from cam_compiler.commands import COMMANDS

for name in COMMANDS:
    make_parser([name])


class Forked:
    """A command that runs in a folder; `prepare` is called in its process before it begins."""

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        stdout: int | None = None,
        prepare: Callable[[], object] = lambda: None,
    ):
        self.code: int | None = None
        self.used: struct_rusage | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._become(words, folder, stdout, prepare)

    def _become(self, words: Sequence[str], folder: Path, stdout: int | None, prepare: Callable[[], object]) -> None:
        code: object = 1
        try:
            os.chdir(folder)
            null = os.open(os.devnull, os.O_RDWR)
            out = null if stdout is None else stdout
            for number, target in ((0, null), (1, out), (2, null if stdout is None else out)):
                os.dup2(target, number)
            os.closerange(3, 64)
            sys.argv = ["camc", *words]
            prepare()
            code = camc.main()
            sys.stdout.flush()
        except SystemExit as error:
            code = error.code
        except BaseException as error:
            os.write(2, f"Traceback: {error!r}\n".encode())
        finally:
            os._exit(code if isinstance(code, int) else 1)

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal; None where it doesn't end in so many seconds."""
        until = time.monotonic() + seconds
        while self.code is None:
            done, status, used = os.wait4(self.pid, os.WNOHANG)
            if done:
                self.code, self.used = os.waitstatus_to_exitcode(status), used
            elif time.monotonic() > until:
                return None
            else:
                time.sleep(0.001)
        return self.code

    def signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.signal(signal.SIGKILL)
        self.wait(60)
