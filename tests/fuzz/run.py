"""Fuzzes every surface of camc: `python tests/fuzz/run.py --minutes 30`; prints tries and findings by surface.

Each try is made from its number alone, so a finding repeats: `--surface ir --try 123456`. A try may take 10 s and 1 GB;
what takes more, ends in an internal error, kills the process or fails a check is a finding.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.surfaces import EXPECTED, SURFACES

SECONDS, MEMORY = 10, 1 << 30
"""What one try may take."""
_BATCH = 200
"""Tries between two reports of a process."""


class TooLongError(Exception):
    """A try that takes more than its seconds."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises TooLongError in what takes longer."""

    def ring(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def changed(surface: str, number: int) -> bytes:
    """The input of a try."""
    source = random.Random(f"{surface} {number}")
    seeds = _seeds(surface)
    data = source.choice(seeds)
    for _ in range(source.choice((1, 1, 1, 2))):
        # What was changed once may have lost the structure by which it is changed.
        with suppress(Exception):
            data = SURFACES[surface].change(source, data)
    return data


_SEEDS: dict[str, list[bytes]] = {}


def _seeds(surface: str) -> list[bytes]:
    if surface not in _SEEDS:
        _SEEDS[surface] = SURFACES[surface].seeds()
    return _SEEDS[surface]


def attempt(surface: str, number: int) -> str | None:
    """Makes a try; what was found, if it isn't an error for the user or a right result."""
    data = changed(surface, number)
    try:
        with tempfile.TemporaryDirectory() as folder, limited(SECONDS):
            SURFACES[surface].run(data, Path(folder))
    except EXPECTED:
        return None
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "site-packages" not in frame.filename and "/fuzz/" not in frame.filename]
        where = (own or frames)[-1]
        return f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:150]}"
    return None


def _work(surface: str, begin: int, end: int, pipe: Any) -> None:
    """Tries of one surface in a process of its own, which tells the number of each try before it is made."""
    os.chdir(tempfile.mkdtemp())
    warnings.simplefilter("ignore")
    _seeds(surface)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if os.name == "posix" else 0
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(begin, end):
        pipe.send((number, None))
        pipe.send((number, attempt(surface, number) or ""))
    pipe.send(None)


def fuzz(surface: str, first: int, until: float, most: int | None) -> tuple[int, dict[str, int]]:
    """Tries from number `first` on until a time; how many, and the first try of each finding."""
    findings: dict[str, int] = {}
    number = first
    while time.monotonic() < until and (most is None or number < first + most):
        end = number + _BATCH if most is None else min(number + _BATCH, first + most)
        here, there = mp.Pipe(duplex=False)
        process = mp.get_context("fork").Process(target=_work, args=(surface, number, end, there))
        process.start()
        there.close()
        try:
            while here.poll(6 * SECONDS) and (told := here.recv()) is not None:
                number, found = told
                if found is not None:
                    number += 1
                if found:
                    findings.setdefault(found, number - 1)
            else:
                told = None if number == end else ()
        except EOFError:
            told = ()
        if told is not None:
            findings.setdefault(f"the process was lost: {process.exitcode}", number)
            number += 1
        process.kill() if process.is_alive() and told is not None else None
        process.join()
    return number - first, findings


def main() -> int:
    """Fuzz for some time; 1 where something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--surface", choices=list(SURFACES), action="append")
    parser.add_argument("--first", type=int, default=0, help="the number of the first try")
    parser.add_argument("--most", type=int, help="tries of each surface")
    parser.add_argument("--try", dest="only", type=int, help="make one try, with its traceback")
    options = parser.parse_args()
    surfaces: list[str] = options.surface or list(SURFACES)
    if options.only is not None:
        data = changed(surfaces[0], options.only)
        print(data[:3000])
        with tempfile.TemporaryDirectory() as folder:
            SURFACES[surfaces[0]].run(data, Path(folder))
        return 0
    tries, failed = 0, False
    for surface in surfaces:
        until = time.monotonic() + 60 * options.minutes / len(surfaces)
        count, findings = fuzz(surface, options.first, until, options.most)
        tries, failed = tries + count, failed or bool(findings)
        print(f"{surface}: {count:,} tries, {len(findings)} findings", flush=True)
        for finding, number in findings.items():
            print(f"  --surface {surface} --try {number}: {finding}", flush=True)
    print(f"{tries:,} tries")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
