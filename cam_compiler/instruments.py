"""Options of `camc compile` and `camc opt` that say what is done beside running the passes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cam_compiler.options import at_least_one
from cam_compiler.runner import ALL, Instruments

if TYPE_CHECKING:
    from cam_compiler.terminal.progress import Screen


def add_instruments(command: argparse.ArgumentParser) -> None:
    """Verification, validation, dumps, printed IR, statistics and times."""
    command.add_argument("--dump-ir", type=Path, metavar="DIR", help="write the IR before and after each pass")
    command.add_argument(
        "--verify-each",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="check after each pass that the IR is legal; --no-verify-each does so only after the last",
    )
    command.add_argument(
        "--validate-each", action="store_true", help="execute the IR after each pass and compare what it computes"
    )
    command.add_argument("--stats", action="store_true", help="what each pass did and saved, by layer, on stderr")
    command.add_argument("--timing", action="store_true", help="the time and memory that each pass took, on stderr")
    for when in ("before", "after"):
        command.add_argument(
            f"--print-ir-{when}",
            action="append",
            nargs="?",
            const=ALL[0],
            default=[],
            metavar="PASS",
            help=f"print the IR {when} a pass, or {when} all, on stderr; with `=`, as in --print-ir-{when}=apv-share",
        )
    command.add_argument("--print-ir-after-change", action="store_true", help="the same after passes that changed it")
    command.add_argument(
        "--elide", type=at_least_one, metavar="N", help="print N lines of each packed attribute; for reading only"
    )


def instruments_of(options: argparse.Namespace) -> Instruments:
    """What the options ask for."""
    validator = None
    if options.validate_each:
        from cam_compiler.validation import Validator

        validator = Validator()
    return Instruments(
        verify_each=options.verify_each,
        dump_to=options.dump_ir,
        validator=validator,
        print_before=options.print_ir_before,
        print_after=options.print_ir_after,
        print_after_change=options.print_ir_after_change,
        elide=options.elide,
    )


def finish(options: argparse.Namespace, instruments: Instruments, screen: Screen) -> None:
    """Say what was validated, and show statistics and times where they are asked for; all on stderr."""
    if instruments.validator:
        print(f"the same outputs after each of: {', '.join(instruments.validator.checked)}", file=sys.stderr)
    if options.stats:
        from cam_compiler.terminal.render import print_deeds

        print_deeds(screen.deeds)
    if options.timing:
        total = sum(timing.seconds for timing in instruments.timings)
        print(f"{'pass':<28} {'seconds':>9} {'share':>7} {'peak MiB':>9} {'grown':>7}", file=sys.stderr)
        for number, name, seconds, peak, grown in instruments.timings:
            share = seconds / total if total else 0
            print(f"{number:>2} {name:<25} {seconds:>9.3f} {share:>7.1%} {peak:>9.0f} {grown:>7.0f}", file=sys.stderr)
        print(f"{'total':<28} {total:>9.3f}", file=sys.stderr)
