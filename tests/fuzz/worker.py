"""Tries of one surface: inputs are changed, given to a reader, and how that ended is looked at.

An input whose try ended in a way that was not seen before is changed further, so that tries get deeper; so are a few of
those that were accepted.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import random
import re
import resource
import shutil
import signal
import struct
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.surfaces import EXPECTED, SURFACES

SECONDS, MEMORY = 10, 1 << 30
"""What one try may take, in time of the processor."""
LARGEST = 1 << 16
"""bytes of an input that is kept to be changed further"""
_CORPUS, _ACCEPTED = 400, 40
"""inputs that are kept: for their ends, and of those that were accepted"""


_BLANK = re.compile(r"'[^']*'|[^a-z ]+")
"""what messages of the same kind differ in"""


class TooLongError(BaseException):
    """A try that takes more than its seconds; no reader's `except Exception` may catch it."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TooLongError in what computes longer."""

    def ring(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass
class End:
    """How a try ended: `place` is the same for tries that ended alike, `finding` says what is wrong, if anything."""

    place: str
    finding: str | None = None


def attempt(surface: str, data: bytes, folder: Path) -> End:
    """Gives an input to a surface, in a folder in which it may write."""
    try:
        with limited(SECONDS):
            SURFACES[surface].run(data, folder)
    except EXPECTED as error:
        return End(f"{type(error).__name__} {_places(error)} {_BLANK.sub('', str(error))[:60]}")
    except (Exception, TooLongError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename and "/fuzz/" not in frame.filename]
        where = (own or frames)[-1]
        place = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
        return End(place, f"{place}: {str(error)[:200]}")
    return End("accepted")


def _places(error: BaseException) -> str:
    """Where an error came from: the last line of ours, and the last one of all."""
    step, own, last = error.__traceback__, "", ""
    while step:
        code = step.tb_frame.f_code
        last = f"{code.co_name}:{step.tb_lineno}"
        if "site-packages" not in code.co_filename:
            own = last
        step = step.tb_next
    return f"{own} {last}"


class Explorer:
    """The inputs of a surface that are worth changing, and how tries ended."""

    def __init__(self, surface: str):
        self.surface = surface
        self.seeds = SURFACES[surface].seeds()
        self.kept: list[bytes] = []
        self.accepted: list[bytes] = []
        self.ends: set[str] = set()

    def changed(self, source: random.Random) -> bytes:
        """A new input."""
        pools = [pool for pool in (self.seeds, self.kept, self.accepted) if pool]
        data = source.choice(source.choice(pools))
        for _ in range(source.choice((1, 1, 1, 2))):
            # What was changed once may have lost the structure by which it is changed.
            with contextlib.suppress(Exception):
                data = SURFACES[self.surface].change(source, data)
        return data

    def learn(self, source: random.Random, data: bytes, end: End) -> None:
        """Keep the input of a try if it may lead further."""
        if len(data) > LARGEST:
            return
        if end.place not in self.ends:
            self.ends.add(end.place)
            if len(self.kept) < _CORPUS and not end.finding:
                self.kept.append(data)
        elif end.place == "accepted" and source.random() < 0.05:
            if len(self.accepted) < _ACCEPTED:
                self.accepted.append(data)
            else:
                self.accepted[source.randrange(_ACCEPTED)] = data


class Board:
    """Memory that a worker shares with its parent: the try that it makes, since when, and its input."""

    _HEAD = struct.Struct("=QdQ")

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, LARGEST * 4)

    def write(self, number: int, data: bytes) -> None:
        """Say which try begins; of a longer input its begin."""
        data = data[: len(self.memory) - self._HEAD.size]
        self.memory[: self._HEAD.size] = self._HEAD.pack(number, time.monotonic(), len(data))
        self.memory[self._HEAD.size : self._HEAD.size + len(data)] = data

    def read(self) -> tuple[int, float, bytes]:
        """The number of the try, the time at which it began, and its input."""
        number, began, size = self._HEAD.unpack(self.memory[: self._HEAD.size])
        return number, began, self.memory[self._HEAD.size : self._HEAD.size + size]


@dataclass
class Told:
    """What a worker says at its end."""

    tries: int = 0
    seconds: float = 0.0
    """of the processor"""
    slowest: float = 0.0
    findings: dict[str, bytes] = field(default_factory=dict[str, bytes])


def scratch() -> Path:
    """A folder for the files of tries, in memory where that can be had."""
    return Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None, prefix="camc-fuzz-"))


def work(explorer: Explorer, number: int, seconds: float, most: int | None, board: Board, pipe: Any) -> None:
    """Makes tries from `number` on, in a process of its own; sends what it found and the explorer's inputs."""
    gc.freeze()
    folder = scratch()
    os.chdir(folder)
    warnings.simplefilter("ignore")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    told, until = Told(), time.monotonic() + seconds
    begin = time.process_time()
    try:
        while time.monotonic() < until and (most is None or told.tries < most):
            source = random.Random(f"{explorer.surface} {number + told.tries}")
            data = explorer.changed(source)
            board.write(number + told.tries, data)
            before = time.process_time()
            end = attempt(explorer.surface, data, folder)
            told.slowest = max(told.slowest, time.process_time() - before)
            if end.finding:
                told.findings.setdefault(end.finding, data)
            explorer.learn(source, data, end)
            told.tries += 1
        told.seconds = time.process_time() - begin
        pipe.send((told, explorer.kept, explorer.accepted, explorer.ends))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
