"""Fuzzes every surface of camc: `python tests/fuzz/run.py --minutes 30`; prints tries and findings by surface.

Each surface gets the same share of the time. A try may take 10 s and 1 GB; what takes more, ends in an internal error,
kills the process or fails a check is a finding, whose input is written to a folder: `--surface ir --input FILE` gives
it to the surface again. With `--state FILE`, a later run goes on counting, with other tries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing as mp
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
# Processes are forked, which threads of the parent wouldn't survive.
os.environ["CAMC_THREADS"] = "1"

from fuzz.surfaces import SURFACES
from fuzz.worker import SECONDS, Board, Explorer, attempt, scratch, work

from runtime.files import write_whole

_SLICE = 20.0
"""seconds that a worker goes on with a surface"""
_LOST = 6 * SECONDS
"""seconds after which a try that doesn't end is killed from outside"""


@dataclass
class Total:
    """What is known of a surface."""

    tries: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    share: float = 0.0
    """time that it had, to be shared out fairly"""
    ends: int = 0
    findings: dict[str, str] = field(default_factory=dict[str, str])
    """the file of the input for each"""

    def line(self, name: str) -> str:
        """The total as it is printed."""
        rate = self.tries / self.seconds if self.seconds else 0
        return (
            f"{name:12}{self.tries:11,} tries, {rate:7,.0f}/s of a processor, {self.ends:4} kinds of ends, "
            f"slowest {self.slowest:.2f} s, {len(self.findings)} findings"
        )


class Slot:
    """A process that works on a surface for a while."""

    def __init__(self, name: str, explorer: Explorer, total: Total, seconds: float, most: int | None):
        self.name, self.explorer, self.total = name, explorer, total
        self.board, self.began, self.first = Board(), time.monotonic(), total.tries
        self.board.write(total.tries, b"")
        self.pipe, there = mp.Pipe(duplex=False)
        arguments = (explorer, total.tries, seconds, most, self.board, there)
        self.process = mp.get_context("fork").Process(target=work, args=arguments)
        self.process.start()
        there.close()

    def over(self, folder: Path) -> bool:
        """Whether the process has ended, or was ended; what it found is added to the total then."""
        number, began, data = self.board.read()
        why = None
        if self.pipe.poll(0.02):
            try:
                self._take(self.pipe.recv(), folder)
            except EOFError:
                self.process.join()
                why = f"the process was lost: {self.process.exitcode}"
        elif time.monotonic() - began > _LOST:
            self.process.kill()
            why = f"no end within {_LOST} s"
        else:
            return False
        if why:
            self.total.tries += number - self.first + 1
            self.total.findings.setdefault(why, _saved(folder, self.name, data))
        self.process.join()
        self.total.share += time.monotonic() - self.began
        return True

    def _take(self, sent: Any, folder: Path) -> None:
        told, self.explorer.kept, self.explorer.accepted, self.explorer.ends = sent
        self.total.tries += told.tries
        self.total.seconds += told.seconds
        self.total.slowest = max(self.total.slowest, told.slowest)
        self.total.ends = len(self.explorer.ends)
        for finding, data in told.findings.items():
            if finding not in self.total.findings:
                self.total.findings[finding] = _saved(folder, self.name, data)


def _saved(folder: Path, surface: str, data: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{surface}-{hashlib.blake2b(data, digest_size=6).hexdigest()}"
    path.write_bytes(data)
    return str(path)


def fuzz(options: argparse.Namespace, totals: dict[str, Total]) -> None:
    """Makes tries until the time is over, or each surface had its number of them."""
    until = time.monotonic() + 60 * options.minutes
    goal = {name: total.tries + options.most for name, total in totals.items()} if options.most else None
    explorers = {name: Explorer(name) for name in totals}
    _warm(explorers)
    slots: list[Slot] = []
    while True:
        slots = [slot for slot in slots if not slot.over(options.findings)]
        if options.state:
            stated = json.dumps({name: asdict(total) for name, total in totals.items()}, indent=1)
            write_whole(options.state, stated.encode())
        left = until - time.monotonic()
        busy = {slot.name for slot in slots}
        waiting = [name for name in totals if name not in busy and (goal is None or totals[name].tries < goal[name])]
        if not slots and (left <= 0 or not waiting):
            return
        if left > 0 and waiting and len(slots) < options.workers:
            name = min(waiting, key=lambda name: totals[name].share)
            # At least a few rounds, however short the time is.
            seconds = min(_SLICE, left, 60 * options.minutes * options.workers / len(totals) / 2)
            most = goal[name] - totals[name].tries if goal else None
            slots.append(Slot(name, explorers[name], totals[name], seconds, most))


def _warm(explorers: dict[str, Explorer]) -> None:
    """Let what is loaded at the first use be loaded once, here; not onnxruntime, whose threads no fork survives."""
    here, folder = Path.cwd(), scratch()
    os.chdir(folder)
    for name, explorer in explorers.items():
        for data in explorer.seeds if name != "onnxruntime" else ():
            attempt(name, data, folder)
    os.chdir(here)
    shutil.rmtree(folder)


def main() -> int:
    """Fuzz for some time; 1 where something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--surface", choices=list(SURFACES), action="append")
    parser.add_argument("--most", type=int, help="tries of each surface")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--state", type=Path, metavar="FILE", help="totals of earlier runs, which this one adds to")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), metavar="FOLDER")
    parser.add_argument("--input", type=Path, metavar="FILE", help="give one input to a surface, with its traceback")
    options = parser.parse_args()
    surfaces: list[str] = options.surface or list(SURFACES)
    if options.input:
        data, folder = options.input.read_bytes(), scratch()
        os.chdir(folder)
        SURFACES[surfaces[0]].run(data, folder)
        return 0
    totals = {name: Total() for name in surfaces}
    if options.state and options.state.exists():
        totals |= {name: Total(**known) for name, known in json.loads(options.state.read_text()).items()}
    fuzz(options, totals)
    for name, total in totals.items():
        print(total.line(name))
        for finding, path in total.findings.items():
            print(f"    {path}: {finding}")
    print(f"{sum(total.tries for total in totals.values()):,} tries")
    return int(any(total.findings for total in totals.values()))


if __name__ == "__main__":
    raise SystemExit(main())
