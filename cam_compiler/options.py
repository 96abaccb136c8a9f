"""Options that several commands take, and what they stand for."""

from __future__ import annotations

import argparse

from cam_compiler.objective import NAMES, Objective
from dialects.machine.target import load_target
from dialects.support.errors import InputError
from dialects.support.numbers import whole_number
from dialects.support.text import shortened
from dialects.support.threads import MOST_THREADS

MOST = 10**9
"""of samples, images and whatever else is counted"""


def add_machine(command: argparse.ArgumentParser) -> None:
    """The target."""
    command.add_argument("--target", help="a bundled target (camc targets) or a .toml file (default: default)")


def add_engine(command: argparse.ArgumentParser) -> None:
    """What executes programs."""
    command.add_argument(
        "--engine",
        choices=("native", "golden"),
        default="native",
        help="the native engine, or the reference simulator, which executes every pass; they give the same results",
    )


def add_trace(command: argparse.ArgumentParser) -> None:
    """Whether the counts that depend on the data are counted."""
    command.add_argument(
        "--no-trace",
        action="store_true",
        help="run faster, without the counts that depend on the data, and so without energy",
    )


def add_pipeline(command: argparse.ArgumentParser) -> None:
    """The pipeline, and how its passes work."""
    command.add_argument("--pipeline", help='a named pipeline (camc passes) or "pass{option=value},..."')
    command.add_argument(
        "--mapping",
        choices=("code", "count", "auto"),
        help="weights as code, as data whose matching rows are counted (a target with a counter, docs/counting.md), or "
        "for each layer what costs less (default: code)",
    )
    add_effort(command)


def add_effort(command: argparse.ArgumentParser) -> None:
    """How much the passes try, and what they aim at."""
    command.add_argument(
        "-O",
        dest="effort",
        type=int,
        choices=range(4),
        metavar="N",
        help="effort of the passes, -O0 to -O3, where the pipeline doesn't state it",
    )
    command.add_argument(
        "--objective",
        choices=NAMES,
        help="what passes aim at, where the pipeline doesn't state it: AP cycles alone; energy, latency or their "
        "product as --tech has them (default: energy, between the bundled technologies)",
    )


def objective_of(options: argparse.Namespace) -> Objective | None:
    """What the passes aim at, if that is stated, or something is to be chosen."""
    name = options.objective or ("energy" if getattr(options, "mapping", None) == "auto" else None)
    if name is None:
        return None
    target, tech = load_target(options.target or "default"), (options.tech or "rtsim").partition(",")[0]
    return Objective.of(name, tech, target.nanowires_per_cell, getattr(options, "batch", None) or 1)


def add_batch(command: argparse.ArgumentParser) -> None:
    """The batch that the report is about."""
    command.add_argument(
        "--batch",
        type=at_least_one,
        metavar="N",
        help="samples that the machine works on at once, for the report (default: all) and for --objective (default: "
        "1); the simulator's memory is bounded whatever it is",
    )


def at_least_one(text: str) -> int:
    """A whole number of at least 1."""
    return _up_to(MOST, text)


def few(text: str) -> int:
    """A number of threads."""
    return _up_to(MOST_THREADS, text)


def _up_to(most: int, text: str) -> int:
    number = whole_number(text, most)
    if number is None:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {most}, found {shortened(repr(text), 60)}")
    return number


def add_work(command: argparse.ArgumentParser) -> None:
    """How the work is done and shown, which no result depends on."""
    command.add_argument(
        "--threads",
        type=few,
        metavar="N",
        help="threads to work with (default: $CAMC_THREADS, or one per processor)",
    )
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def add_tech(command: argparse.ArgumentParser, *, several: bool = False) -> None:
    """The technology, or several of them."""
    more = (
        "; several, separated by commas, are reported side by side, and --objective means the first" if several else ""
    )
    command.add_argument("--tech", default="rtsim", help=f"a bundled technology (camc tech) or a .toml file{more}")


def add_energy(command: argparse.ArgumentParser, *, several: bool = False) -> None:
    """The technology, and what of it counts."""
    add_tech(command, several=several)
    command.add_argument(
        "--ignore-instruction-fetch",
        action="store_true",
        help="leave the instruction stream's energy out of the report",
    )


def add_input_types(command: argparse.ArgumentParser) -> None:
    """What the numbers of the network's inputs are."""
    form = "NAME=TYPE[*scale][+offset]"
    command.add_argument(
        "--input-type",
        action="append",
        metavar=form,
        help="the numbers that an input holds, such as x=UINT8*1/255; others are refused. TYPE is BIPOLAR, BINARY, "
        "TERNARY, INTn, UINTn, FIXED<w,i> or SCALEDINT<n>; NAME= may be left out for the only input",
    )
    command.add_argument(
        "--quantise-input", action="append", metavar=form, help="the numbers to which an input is rounded, half to even"
    )


def stated_types(options: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """The types that inputs are declared to have, and those that they are rounded to, by name."""
    return _by_name(options.input_type, "--input-type"), _by_name(options.quantise_input, "--quantise-input")


def _by_name(stated: list[str] | None, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in stated or []:
        # Names may hold any character, and types hold no equals sign.
        name, _, kind = text.rpartition("=")
        if name in found:
            raise InputError("it is stated twice", place=f"{option} {text}")
        found[name] = kind
    return found
