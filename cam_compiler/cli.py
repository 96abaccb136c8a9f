"""The `camc` command. Commands import what they need when they run, so that `camc --help` is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from cam_compiler.interrupt import EXIT_CODE, interruptible, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors of the user are one message, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["opt"]:
            with interruptible():
                from cam_compiler.commands import opt

                return opt(given[1:])
        options = make_parser().parse_args(given)
        with interruptible():
            if options.command == "evaluate":
                from cam_compiler.evaluation.evaluate import evaluate

                evaluate(options)
                return 0
            from cam_compiler import commands

            return int(getattr(commands, options.command)(options) or 0)
    except BrokenPipeError:
        # The reader of our output is gone, as in `camc passes | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        say()
        return EXIT_CODE
    except Exception as error:
        if os.environ.get("CAMC_TRACEBACK"):
            raise
        print(f"camc: {explain(error)}", file=sys.stderr)
        return 1


def explain(error: Exception) -> str:
    """The message of an error for the user."""
    from xdsl.utils.exceptions import DiagnosticException, ParseError

    from dialects.support.errors import CamcError

    if isinstance(error, CamcError | ParseError | DiagnosticException):
        return f"error: {error}"
    if isinstance(error, MemoryError):
        return "error: out of memory"
    if isinstance(error, OSError):
        return f"error: {error.filename or 'a file'}: {error.strerror or error}"
    name = type(error).__name__
    return f"internal error: {name}: {error}\n  hint: please report it; CAMC_TRACEBACK=1 shows where it happened"


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        # It takes a third of the start-up time to import.
        from importlib.metadata import version

        print(f"camc {version('cam-compiler')}")
        parser.exit()


class _Commands(Protocol):
    """Where a command's parser is added."""

    def add_parser(self, name: str, *, help: str, add_help: bool = True) -> argparse.ArgumentParser: ...


def make_parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    parser = argparse.ArgumentParser(
        prog="camc",
        description="Compile quantised ONNX networks with ternary weights for associative processors of racetrack "
        "memory, run them bit by bit, and report energy and latency.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_demo,
        _add_compile,
        _add_run,
        _add_evaluate,
        _add_verify,
        _add_opt,
        _add_asm,
        _add_disasm,
        _add_listings,
    ):
        add(commands)
    return parser


def _add_demo(commands: _Commands) -> None:
    command = commands.add_parser("demo", help="the bundled network on the bundled images, with its report")
    command.add_argument("--network", choices=("mlp", "cnn"), default="mlp", help="fully connected, or residual")
    command.add_argument("--form", choices=("qonnx", "qdq"), default="qonnx", help="which of its two ONNX exports")
    _add_engine(command)
    _add_machine(command)
    _add_effort(command)
    _add_energy(command)
    _add_quiet(command)


def _add_compile(commands: _Commands) -> None:
    command = commands.add_parser("compile", help="compile a model, or go on with textual IR")
    command.add_argument("model", type=Path, help="an .onnx model or an .mlir file")
    command.add_argument(
        "-o", "--output", type=Path, help="OUT.camx, or OUT.mlir for the IR; standard output if absent"
    )
    _add_machine(command)
    _add_pipeline(command)
    _add_tech(command)
    command.add_argument("--stop-after", metavar="STAGE", help="a level (ternary, apv, rtm, ap) or a pass")
    command.add_argument("--dump-ir", type=Path, metavar="DIR", help="write the IR after import and after each pass")
    command.add_argument(
        "--verify-each", action="store_true", help="run the IR after each pass and compare what it computes"
    )
    command.add_argument("--stats", action="store_true", help="what each pass did and saved, by layer, on stderr")
    _add_quiet(command)


def _add_run(commands: _Commands) -> None:
    command = commands.add_parser("run", help="run a model, textual IR of any level, or a compiled program")
    command.add_argument("model", type=Path, help="an .onnx model, an .mlir file or a compiled .camx program")
    command.add_argument("--input", type=Path, required=True, metavar="X", help=".npy, or .npz with an array an input")
    command.add_argument("-o", "--output", type=Path, metavar="Y.npz", help="an array for each output of the network")
    command.add_argument("--level", choices=("ternary", "apv", "rtm", "ap"), help="lower to this level (default: ap)")
    command.add_argument(
        "--check",
        action="store_true",
        help="compare every tensor that is stored between layers with the golden integers",
    )
    command.add_argument("--labels", type=Path, metavar="L.npy", help="class of each sample; prints the accuracy")
    command.add_argument("--expect", type=Path, metavar="Y.npz", help="outputs to compare with, by name")
    _add_engine(command)
    _add_trace(command)
    command.add_argument("--report", type=Path, metavar="R.json", help="write all counts, energies and their sources")
    _add_batch(command)
    _add_machine(command)
    _add_pipeline(command)
    _add_energy(command)
    _add_quiet(command)


def _add_evaluate(commands: _Commands) -> None:
    command = commands.add_parser("evaluate", help="accuracy, agreement and energy on a labelled data set")
    command.add_argument("model", type=Path, help="an .onnx model, an .mlir file or a compiled .camx program")
    command.add_argument("data", type=Path, help=".npz, .npy or IDX (.gz) file, or a folder with a subfolder a class")
    _add_data(command)
    command.add_argument("-o", "--output", type=Path, metavar="R.json", help="write the result with its full report")
    command.add_argument(
        "--resume", type=Path, metavar="STATE", help="where the state is kept from which it goes on (R.json.state)"
    )
    command.add_argument("--reference", choices=("onnxruntime", "qonnx", "none"), help="executor to compare with")
    command.add_argument("--reference-model", type=Path, metavar="M.onnx", help="what it runs, if not the model itself")
    _add_batch(command)
    _add_engine(command)
    _add_trace(command)
    _add_machine(command)
    _add_pipeline(command)
    _add_energy(command)
    _add_quiet(command)


def _add_verify(commands: _Commands) -> None:
    command = commands.add_parser("verify", help="check that models, IR files and programs compute the same")
    command.add_argument("models", type=Path, nargs="+", help=".onnx, .mlir or .camx files; the first sets the outputs")
    command.add_argument(
        "--input", type=Path, metavar="X", help="inputs as for run; drawn at the quantiser's edges if absent"
    )
    _add_quiet(command)


def _add_opt(commands: _Commands) -> None:
    commands.add_parser("opt", help="run passes on textual IR, with all options of xdsl-opt", add_help=False)


def _add_asm(commands: _Commands) -> None:
    command = commands.add_parser("asm", help="assemble AP code to its binary form")
    command.add_argument("source", help="assembly text, or - for standard input")
    command.add_argument("-o", "--output", type=Path, required=True, help="the binary program")
    _add_machine(command)


def _add_disasm(commands: _Commands) -> None:
    command = commands.add_parser("disasm", help="show the assembly of a binary program")
    command.add_argument("program", type=Path, help="a binary program, or the code of a .camx file")
    command.add_argument("-o", "--output", type=Path, help="standard output if absent")


def _add_listings(commands: _Commands) -> None:
    commands.add_parser("targets", help="list the bundled targets")
    commands.add_parser("passes", help="list passes and pipelines")
    commands.add_parser("tech", help="list the bundled technologies")


def _add_machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--target", help="a bundled target (camc targets) or a .toml file (default: default)")


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--engine",
        choices=("native", "golden"),
        default="native",
        help="the native engine, or the reference simulator, which goes through every pass; they agree",
    )


def _add_trace(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-trace",
        action="store_true",
        help="run faster, without the counts that depend on the data, and so without energy",
    )


def _add_pipeline(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pipeline", help='a named pipeline (camc passes) or "pass{option=value},..."')
    _add_effort(command)


def _add_effort(command: argparse.ArgumentParser) -> None:
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
        choices=("cycles", "energy", "latency", "product"),
        help="what passes aim at, where the pipeline doesn't state it: AP cycles alone; energy, latency or their "
        "product as --tech has them (default: energy, between the bundled technologies)",
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--images", metavar="NAME", help="array of the images in an .npz, if several may be")
    command.add_argument("--labels", metavar="NAME", help="array of the classes in an .npz, or a file of them")
    command.add_argument("--limit", type=_at_least_one, metavar="N", help="the first N images only")
    command.add_argument("--layout", choices=("chw", "hwc", "hw"), help="axes of a stored image")
    command.add_argument("--scale", type=_number, default=_number("1"), metavar="S", help="factor, such as 1/255")
    numbers = "number, or one a channel"
    command.add_argument(
        "--mean", type=_numbers, default=_numbers("0"), metavar="M,..", help=f"is subtracted; {numbers}"
    )
    command.add_argument(
        "--std", type=_divisors, default=_numbers("1"), metavar="D,..", help=f"is divided by; {numbers}"
    )
    command.add_argument("--resize", type=_size, metavar="S", help="shorter side, or HxW, of a folder's images")
    command.add_argument("--crop", type=_size, metavar="S", help="side, or HxW, to cut out of their centre")
    command.add_argument("--output-name", metavar="NAME", help="output with a score a class, if not the first")


def _number(text: str) -> Fraction:
    try:
        value = Fraction(text)
        float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected a number such as 0.5 or 1/255, found {text!r}") from None
    return value


def _numbers(text: str) -> tuple[Fraction, ...]:
    return tuple(_number(part) for part in text.split(","))


def _divisors(text: str) -> tuple[Fraction, ...]:
    values = _numbers(text)
    if min(values) <= 0:
        raise argparse.ArgumentTypeError(f"expected numbers above 0, found {text!r}")
    return values


def _size(text: str) -> tuple[int, int] | int:
    sizes = [_at_least_one(part) for part in text.split("x")]
    if len(sizes) > 2:
        raise argparse.ArgumentTypeError(f"expected a size such as 224 or 224x256, found {text!r}")
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def _add_batch(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--batch",
        type=_at_least_one,
        metavar="N",
        help="samples that the machine works on at once, for the report (default: all); no matter of the simulator's "
        "memory, which is bounded at any number",
    )


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def _add_quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def _add_tech(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tech", default="rtsim", help="a bundled technology (camc tech) or a .toml file")


def _add_energy(command: argparse.ArgumentParser) -> None:
    _add_tech(command)
    command.add_argument(
        "--ignore-instruction-fetch",
        action="store_true",
        help="leave the instruction stream's energy out of the report",
    )
