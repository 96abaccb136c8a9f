"""Runs passes on a module, for every command: verified, timed, printed, dumped and validated as the user wants it.

A pass that fails with an error that is no error of the user leaves a reproducer: a file with the IR before the pass,
and the pass in its first line, which `camc opt FILE --run-reproducer` runs again.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException

from dialects.rtm.program import prove_programs
from dialects.support.errors import CamcError, CrashError, FileError, IRError
from dialects.support.instrumentation import again, part, progress
from dialects.support.packed import elided
from dialects.support.verify import verify_module
from runtime.files import write_whole

if TYPE_CHECKING:
    from cam_compiler.validation import Validator

REPRODUCER = "// camc opt -p "
"""what a reproducer begins with, before its pipeline in quotes"""
_KIB_PER_MIB = 1 << 10
ALL: tuple[str, ...] = ("",)
"""before or after all passes"""


class Timing(NamedTuple):
    """One pass as it ran."""

    number: int
    name: str
    seconds: float
    peak_mib: float
    """the most memory that the process has held so far"""
    grown_mib: float
    """by how much this pass raised that"""


@dataclass
class Instruments:
    """What is done beside running the passes."""

    verify_each: bool = True
    """after each pass, not only before the first and after the last"""
    verify: bool = True
    dump_to: Path | None = None
    """a folder for the IR before the first pass and after each"""
    validator: Validator | None = None
    print_before: Sequence[str] = ()
    print_after: Sequence[str] = ()
    """names of passes, or `ALL`; the IR goes to stderr"""
    print_after_change: bool = False
    elide: int | None = None
    """lines that are printed of a packed attribute"""
    timings: list[Timing] = field(default_factory=list[Timing])

    def prepare(self) -> None:
        """Make the folder for dumps, and remove those of an earlier run from it; raises FileError."""
        if self.dump_to is None:
            return
        try:
            self.dump_to.mkdir(parents=True, exist_ok=True)
            for old in self.dump_to.glob("[0-9][0-9]-*.mlir"):
                old.unlink()
        except OSError as error:
            raise FileError(f"can't make the folder: {error.strerror}", place=str(self.dump_to)) from error


def run(module: ModuleOp, passes: Sequence[ModulePass], ctx: Context, instruments: Instruments) -> None:
    """Run passes on a module in place; raises IRError where the IR is invalid, CrashError where a pass fails."""
    _verify(module, "import", instruments)
    _show(module, 0, "import", instruments)
    times: Counter[str] = Counter()
    for number, item in enumerate(passes, start=1):
        times[item.name] += 1
        with part(number - 1, number, len(passes), item.name), _numbered(times[item.name]):
            progress(0, 1, "")
            if _wanted(item.name, instruments.print_before):
                _print(module, f"before {item.name}", instruments)
            before = module.clone()
            _apply(item, ctx, module, before, instruments)
            if instruments.verify_each or number == len(passes):
                _verify(module, item.name, instruments)
            if _wanted(item.name, instruments.print_after) or (
                instruments.print_after_change and not module.is_structurally_equivalent(before)
            ):
                _print(module, f"after {item.name}", instruments)
            _show(module, number, item.name, instruments)


def _numbered(times: int) -> AbstractContextManager[None]:
    """A pass that runs again has figures of its own."""
    return again(times) if times > 1 else nullcontext()


def _apply(item: ModulePass, ctx: Context, module: ModuleOp, before: ModuleOp, instruments: Instruments) -> None:
    began, peak = time.perf_counter(), _peak_mib()
    try:
        item.apply(ctx, module)
    except (CamcError, DiagnosticException, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise _crash(item, before, error) from error
    now = _peak_mib()
    instruments.timings.append(
        Timing(len(instruments.timings) + 1, item.name, time.perf_counter() - began, now, now - peak)
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB


def _crash(item: ModulePass, before: ModuleOp, error: Exception) -> CrashError:
    """The error for the user, after writing what shows it again."""
    path = Path(f"camc-crash-{item.name}.mlir")
    pipeline = str(item.spec())
    try:
        write_reproducer(path, pipeline, before)
        hint = f"camc opt {path} --run-reproducer shows it again; please report it with this file"
    except (OSError, FileError):
        hint = "please report it; CAMC_TRACEBACK=1 shows where it happened"
    return CrashError(f"internal error: {type(error).__name__}: {error}", place=f"pass {pipeline}", hint=hint)


def write_reproducer(path: Path, pipeline: str, before: ModuleOp) -> None:
    """Write a module with a pipeline in the first line, which `camc opt FILE --run-reproducer` runs on it."""
    write_whole(path, reproducer(pipeline, before))


def reproducer(pipeline: str | None, before: ModuleOp) -> bytes:
    """The text of a module, with the pipeline in the first line if there is one."""
    first = f'{REPRODUCER}"{pipeline}"\n' if pipeline else ""
    return f"{first}{text_of(before)}\n".encode()


def pipeline_of(text: str) -> str | None:
    """The pipeline in the first line of a reproducer; None where the text is none."""
    first = text.partition("\n")[0]
    return first.removeprefix(REPRODUCER).strip().strip('"') if first.startswith(REPRODUCER) else None


def _verify(module: ModuleOp, name: str, instruments: Instruments) -> None:
    if not instruments.verify:
        return
    prove_programs(module)
    try:
        verify_module(module)
    except DiagnosticException as error:
        raise IRError(f"the IR is invalid: {error}", place=f"after {name}") from error


def _wanted(name: str, names: Sequence[str]) -> bool:
    return name in names or "" in names


def _print(module: ModuleOp, when: str, instruments: Instruments) -> None:
    print(f"// -----// IR {when} //----- //\n{text_of(module, instruments.elide)}", file=sys.stderr)


def text_of(module: ModuleOp, elide: int | None = None) -> str:
    """A module as text; with `elide`, for reading only."""
    with elided(elide):
        return str(module)


def _show(module: ModuleOp, number: int, name: str, instruments: Instruments) -> None:
    if instruments.dump_to:
        text = text_of(module, instruments.elide)
        write_whole(instruments.dump_to / f"{number:02}-{name}.mlir", f"{text}\n".encode())
    if instruments.validator:
        instruments.validator.check(module, name)
