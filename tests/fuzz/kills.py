"""Disturbs commands while they work: `python tests/fuzz/kills.py --count 200`; outputs must be whole, old or not there.

Each command that writes is killed at a random moment or in the very moment of writing, meets a full disk or a reader
that is gone, or works beside a second one on the same outputs. Then it is given again, undisturbed, and all its outputs
must have the bytes that it always writes. The exit code is 1 where one hadn't, or something else was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from camc_testing import SMALL_NETWORK
from fuzz.killed_inside import kill_at
from fuzz.processes import Forked

from cam_compiler.cli import main as camc

OUTPUTS = {
    "compile": "compile net.mlir -o out.camx -q",
    "dump": "compile net.mlir -o out.camx --dump-ir dump --validate-each -q",
    "to text": "compile net.mlir -o out.mlir --stop-after rtm -q",
    "run": "run net.camx --input x.npz -o out.npz --report out.json --schedule parts --trace trace.json -q",
    "table": "run net.camx --input x.npz --report out.csv --tech dwm,rtsim --labels labels.npy -q",
    "evaluate": "evaluate net.camx data.npz -o out.json -q",
    "compare": "compare net.mlir --flow none -o out.json -q",
    "sensitivity": "sensitivity net.camx -o out.csv -q",
    "opt": "opt net.mlir -o out.mlir -p default",
    "in place": "opt same.mlir -o same.mlir -p canonicalize",
    "asm": "asm code.s -o out.bin",
    "disasm": "disasm net.camx -o out.s",
}
"""Commands that write."""
_OLD = b"what was there before"
_LIMIT = 120
"""seconds after which an undisturbed command hangs"""


@dataclass
class Case:
    """A command with what it writes when nobody disturbs it."""

    words: list[str]
    outputs: dict[str, bytes]
    seconds: float


def make_inputs(folder: Path) -> None:
    """The files that the commands take."""
    (folder / "net.mlir").write_text(SMALL_NETWORK)
    (folder / "same.mlir").write_text(SMALL_NETWORK)
    (folder / "code.s").write_text("in c0.0:4, #0\nadd c1.0:4, c0.0:4, c0.0:4, c2.0\n" * 400)
    numbers = np.random.default_rng(1).random((3000, 1, 3)).astype(np.float32)
    np.savez(folder / "x.npz", x=numbers)
    np.savez(folder / "data.npz", image=numbers, label=np.arange(3000) % 2)
    np.save(folder / "labels.npy", np.arange(3000) % 2)
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        assert camc(["compile", "net.mlir", "-o", "net.camx", "-q"]) == 0


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Trials:
    """Commands in a folder of their own, each trial from the same files on."""

    def __init__(self, folder: Path):
        self.folder, self.inputs = folder, folder / "inputs"
        self.inputs.mkdir(parents=True)
        make_inputs(self.inputs)
        self.given = contents(self.inputs)
        self.found, self.left = Counter[str](), 0
        self.problems: list[str] = []
        self.cases = {name: self._undisturbed(line.split()) for name, line in OUTPUTS.items()}

    def fresh(self, name: str = "here") -> Path:
        """A folder with the inputs only."""
        here = self.folder / name
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(self.inputs, here)
        return here

    def _undisturbed(self, words: list[str]) -> Case:
        here, begin = self.fresh(), time.monotonic()
        code = Forked(words, here).wait(_LIMIT)
        assert code == 0, (words, code)
        found = {name: data for name, data in contents(here).items() if self.given.get(name) != data}
        return Case(words, found, time.monotonic() - begin)

    def trial(self, name: str, kind: str, source: random.Random) -> None:
        """Disturbs a command, looks at what is there, and gives the command again."""
        case, here = self.cases[name], self.fresh()
        if source.random() < 0.5:
            for output in case.outputs:
                if output not in self.given:
                    (here / output).parent.mkdir(exist_ok=True)
                    (here / output).write_bytes(_OLD)
        before = contents(here)
        code = DISTURBED[kind](self, here, case, source)
        if code is None:
            self.problems.append(f"{name}, {kind}: no end")
        else:
            self.found[f"{kind}: {f'ended with {code}' if code >= 0 else signal.Signals(-code).name}"] += 1
        self._check(f"{name}, {kind}", case, before, here)
        again = Forked(case.words, here).wait(_LIMIT)
        after = contents(here)
        wrong = [output for output, data in case.outputs.items() if after.get(output) != data]
        if again or wrong:
            self.problems.append(f"{name}, {kind}: the rerun ended with {again}, others than ever are {wrong}")

    def _check(self, called: str, case: Case, before: dict[str, bytes], here: Path) -> None:
        """Whether each file is as it was or as it should be, but for a state to go on from and partial files."""
        after = contents(here)
        for name in {*before, *after}:
            whole = {before.get(name), case.outputs.get(name)} | ({None} if "dump/" in name else set())
            if name.endswith(".partial"):
                self.left += 1
            elif not name.endswith(".state") and after.get(name) not in whole:
                self.problems.append(f"{called}: {name} is neither old nor whole")


def _signalled(number: int) -> Callable[[Trials, Path, Case, random.Random], int | None]:
    """A signal at a random moment, more often near the end, where outputs are written."""

    def disturb(trials: Trials, here: Path, case: Case, source: random.Random) -> int | None:
        share = source.uniform(0.7, 1.05) if source.random() < 0.6 else source.random()
        process = Forked(case.words, here)
        process.wait(case.seconds * share)
        process.signal(number)
        return process.wait(_LIMIT)

    return disturb


def _inside(trials: Trials, here: Path, case: Case, source: random.Random) -> int | None:
    """Killed at a step of writing: before or after a file is opened, written by halves, moded, put in its place."""
    steps = source.randrange(1, 14)
    return Forked(case.words, here, prepare=lambda: kill_at(steps)).wait(_LIMIT)


def _full(trials: Trials, here: Path, case: Case, source: random.Random) -> int | None:
    """No file may grow beyond some bytes, as on a disk that is full."""
    most = source.randrange(max(map(len, case.outputs.values())) + 2)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return Forked(case.words, here, prepare=limit).wait(_LIMIT)


def _gone(trials: Trials, here: Path, case: Case, source: random.Random) -> int | None:
    """The reader of the output takes a line at most, as `| head -1` does."""
    read, write = os.pipe()
    process = Forked(case.words, here, write)
    os.close(write)
    if source.random() < 0.5:
        os.read(read, 1)
    os.close(read)
    return process.wait(_LIMIT)


def _twice(trials: Trials, here: Path, case: Case, source: random.Random) -> int | None:
    """A second process works on the same outputs, and one of them may be killed."""
    first = Forked(case.words, here)
    time.sleep(source.random() * case.seconds / 2)
    second = Forked(case.words, here)
    killed = source.random() < 0.5
    if killed:
        time.sleep(source.random() * case.seconds)
        first.kill()
    codes = first.wait(_LIMIT), second.wait(_LIMIT)
    return codes[0] if killed or None in codes else max(codes)  # type: ignore[type-var]


DISTURBED: dict[str, Callable[[Trials, Path, Case, random.Random], int | None]] = {
    "SIGKILL": _signalled(signal.SIGKILL),
    "while it writes": _inside,
    "SIGTERM": _signalled(signal.SIGTERM),
    "SIGINT": _signalled(signal.SIGINT),
    "full disk": _full,
    "closed pipe": _gone,
    "two at once": _twice,
}


def main() -> int:
    """Disturb commands; 1 where something was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=list(OUTPUTS), action="append")
    options = parser.parse_args()
    source, names = random.Random(options.seed), options.command or list(OUTPUTS)
    kinds = list(DISTURBED)
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder) / "trials")
        for number in range(options.count):
            # All pairs come in turn.
            trials.trial(names[number % len(names)], kinds[(number // len(names) + number) % len(kinds)], source)
    for how, count in sorted(trials.found.items()):
        print(f"{count:4}  {how}")
    print(*trials.problems, sep="\n", end="\n" if trials.problems else "")
    print(f"{options.count} disturbed, {len(trials.problems)} lost something; {trials.left} partial files left behind")
    return int(bool(trials.problems))


if __name__ == "__main__":
    raise SystemExit(main())
