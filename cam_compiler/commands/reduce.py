"""`camc reduce`: a smaller file of which a command still fails, or a pass still computes something else."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from cam_compiler.debug.jobs import Job, Test, Wrong, model_job, module_job
from cam_compiler.debug.predicates import Command, failure, miscompilation
from cam_compiler.files import check_output
from cam_compiler.interrupt import EXIT_CODE
from dialects.support.errors import CamcError, UsageError
from runtime.files import write_whole

T = TypeVar("T")
_SECONDS = 300.0


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc reduce` takes."""
    command.add_argument("file", type=Path, help="an .mlir file of any level, or an .onnx model")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--test", metavar="COMMAND", help="a shell command with the file as {}; interesting while it exits with not 0"
    )
    which.add_argument(
        "--miscompiled", action="store_true", help="interesting while the network after the passes computes others"
    )
    which.add_argument("--pass-fails", action="store_true", help="interesting while a pass fails as it does now")
    command.add_argument("--expect-exit", type=int, metavar="N", help="with --test: the exit code that is interesting")
    command.add_argument("--expect-text", metavar="REGEX", help="with --test: what the command's output must hold")
    command.add_argument(
        "-p", "--pipeline", metavar="P", help="the passes; that in the file's first line, or 'default', if absent"
    )
    command.add_argument(
        "--seconds", type=float, default=_SECONDS, help=f"how long it may take (default: {_SECONDS:.0f})"
    )
    command.add_argument("-o", "--output", type=Path, help="the smaller file; of IR, standard output if absent")
    command.add_argument("-q", "--quiet", action="store_true", help="say nothing of the progress")


def run(options: argparse.Namespace) -> int | None:
    """Reduce a file; Ctrl-C ends it with the smallest one so far."""
    path: Path = options.file
    check_output(options.output, (path.suffix,), options)
    _check_options(options)
    if path.suffix == ".onnx":
        return _reduce(model_job(path, _test(options)), options)
    return _reduce(module_job(path, _test(options)), options)


def _reduce(job: Job[T], options: argparse.Namespace) -> int | None:
    search = job.search(options.seconds, _said(options))
    if not search.interesting(search.best):
        raise CamcError("it isn't interesting as it is", place=str(options.file), hint=_hint(options))
    before = search.size[0]
    ended = ""
    try:
        if not search.run(job.reductions):
            ended = f"; the {options.seconds:g} seconds are over"
    except KeyboardInterrupt:
        ended = "; interrupted"
    content = job.content(search.best)
    if options.output:
        write_whole(options.output, content)
    else:
        print(content.decode(), end="")
    print(f"{before:,} {job.unit} became {search.size[0]:,} in {search.tries:,} tries{ended}", file=sys.stderr)
    return EXIT_CODE if ended == "; interrupted" else None


def _test(options: argparse.Namespace) -> Test:
    """What makes a case interesting."""
    if not options.test:
        finds = (miscompilation, partial(miscompilation, by_pieces=True)) if options.miscompiled else (failure,)
        return Wrong(finds, options.pipeline)
    try:
        said = re.compile(options.expect_text) if options.expect_text else None
    except re.error as error:
        raise UsageError(f"no regular expression: {error}", place="--expect-text") from error
    return Command(options.test, options.file.suffix, options.expect_exit, said)


def _check_options(options: argparse.Namespace) -> None:
    if not options.test and (options.expect_exit is not None or options.expect_text):
        raise UsageError("it says what --test gives", place="--expect-exit, --expect-text", hint="add --test")
    if options.test and options.pipeline:
        raise UsageError("a command runs what it wants", place="--pipeline", hint="leave it out")
    if options.test and "{}" not in options.test:
        raise UsageError("it doesn't name the file", place="--test", hint="write {} where the file's path belongs")
    if options.file.suffix == ".onnx" and not options.output:
        raise UsageError("a model isn't printed", hint="name a file with -o", place=str(options.file))
    if options.seconds <= 0:
        raise UsageError("expected more than no seconds", place="--seconds")


def _hint(options: argparse.Namespace) -> str:
    if options.test:
        return "the command must fail on the file itself, as --expect-exit and --expect-text have it"
    return "camc bisect says whether a pass computes something else" if options.miscompiled else "no pass fails on it"


def _said(options: argparse.Namespace) -> Callable[[str], None]:
    """Progress, on one line of a terminal."""
    if options.quiet or not sys.stderr.isatty():
        return lambda _: None
    return lambda text: print(f"\r{text}\x1b[K\r", end="", file=sys.stderr)
