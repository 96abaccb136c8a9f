"""Plants a bug in every pass of the default pipeline: does `camc bisect` name it, does `camc reduce` make it small?

    python benchmarks/planted_bugs.py [--networks mlp,cnn,digits] [--seconds S] [--json FILE]

Each pass is wrapped in turn, so that its result is changed in one place: the sign of a weight, a threshold, an operand,
a term of a sum, a place, an instruction. The last row of each network is a wrong row of the instruction table. A bug
counts where `camc bisect` names the pass and the layer, and `camc reduce` leaves fewer than 30 lines of a network that
`camc bisect` finds the same bug in.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest import mock

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import ParseError, VerifyException

from cam_compiler import universe
from cam_compiler.cli import main as camc
from cam_compiler.importer import import_model
from cam_compiler.ir_text import parse_module
from cam_compiler.pipeline import PIPELINES, make_context
from cam_compiler.verification import instructions
from dialects.machine import isa
from dialects.machine.isa import OPCODES, Op, lut
from dialects.support.errors import CamcError
from dialects.support.verify import verify_module

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from camc_testing import TWO_PRODUCTS
from mutations import CNN

LINES = 30
BUNDLED = Path(__file__).parents[1] / "cam_compiler" / "bundled" / "digits_cnn_qdq.onnx"
NETWORKS: dict[str, str | Path] = {"mlp": TWO_PRODUCTS, "cnn": CNN, "digits": BUNDLED}

Change = Callable[[re.Match[str]], str]


def _plus_one(match: re.Match[str]) -> str:
    return str(int(match[0]) + 1)


WEIGHT = (
    "a weight's sign",
    r"(?m)(?<=^    )[+\-](?=[+\-0]*$)|(?<=^      )[+\-](?=[+\-0]*$)|(?<=^        )[+\-](?=[+\-0]*$)",
    lambda m: "-" if m[0] == "+" else "+",
)
THRESHOLD = ("a threshold", r"(?<=up )-?\d+|(?<=down )-?\d+", _plus_one)
TERM = ("a sum's sign", r"(?<= )[-+](?= %\d)", lambda m: "-" if m[0] == "+" else "+")
SIGN = ("an output's sign", r"(?<=out )-?(?=%)", lambda m: "" if m[0] else "-")
STEP = ("a comparison", r"(?<=>= )-?\d+", _plus_one)
OPERAND = ("an operand", r"(?<=[+-] %)\d+", lambda m: str(int(m[0]) - 1 if int(m[0]) else 1))
VECTOR = ("an input vector", r"(?<=in )\d+", lambda m: str(int(m[0]) ^ 1))
MISSING = ("a missing one", r"\n[^\n]*\bset\.if [^\n]*", lambda _: "")
IMMEDIATE = ("an immediate", r"(?<=#)-?\d+", _plus_one)
INSTRUCTION = ("an instruction", r"\b(?:add|sub)\b", lambda m: "sub" if m[0] == "add" else "add")
COLUMN = ("a column", r"(?<=set\.if c)\d+", _plus_one)

BUGS: dict[str, tuple[tuple[str, str, Change], ...]] = {
    "ternary-canonicalize": (WEIGHT, THRESHOLD),
    "ternary-pool-rows": (WEIGHT, THRESHOLD),
    "ternary-rescale": (WEIGHT, THRESHOLD),
    "convert-ternary-to-apv": (WEIGHT, THRESHOLD),
    "apv-split": (WEIGHT, THRESHOLD),
    "apv-share": (SIGN, OPERAND, THRESHOLD),
    "convert-apv-to-rtm": (TERM, STEP, OPERAND, VECTOR),
    "convert-rtm-to-ap": (INSTRUCTION, IMMEDIATE, COLUMN, MISSING),
}
"""By pass, what is changed in its result."""


def changed(text: str, pattern: str, change: Change) -> ModuleOp | None:
    """The module of a text with the first change that leaves it legal."""
    begin = text.index("func.func")
    for match in re.compile(pattern).finditer(text, text.index("\n", begin)):
        with contextlib.suppress(ParseError, VerifyException, CamcError):
            module = parse_module(text[: match.start()] + change(match) + text[match.end() :], "bug", make_context())
            verify_module(module)
            return module
    return None


@contextmanager
def planted(name: str, pattern: str, change: Change) -> Generator[None]:
    """Let a pass change its result in one place, wherever it is run."""
    original = universe.PASSES[name]

    def make() -> type[ModulePass]:
        real = original()

        class Wrong(real):  # pyright: ignore[reportUntypedBaseClass,reportGeneralTypeIssues]
            def apply(self, ctx: Context, op: ModuleOp) -> None:
                super().apply(ctx, op)
                if other := changed(str(op), pattern, change):
                    while op.body.block.last_op:
                        op.body.block.last_op.detach()
                    for inner in list(other.body.block.ops):
                        inner.detach()
                        op.body.block.add_op(inner)

        return Wrong

    with mock.patch.dict(universe.PASSES, {name: make}):
        yield


@contextmanager
def wrong_table(op: Op) -> Generator[None]:
    """Let the comparison's row of the instruction table forget what it sets first."""
    rows = {**OPCODES, op: replace(OPCODES[op], prologue=lut(">D0"))}
    with mock.patch.object(isa, "OPCODES", rows), mock.patch.object(instructions, "OPCODES", rows):
        isa._bit_passes.cache_clear()
        try:
            yield
        finally:
            isa._bit_passes.cache_clear()


@dataclass
class Row:
    """What became of one bug."""

    network: str
    planted_in: str
    bug: str
    named: str = ""
    layer: str = ""
    where: str = ""
    before: int = 0
    """lines"""
    lines: int = 0
    tries: int = 0
    seconds: float = 0.0
    found: bool = False


def said(*arguments: str) -> tuple[int, dict[str, str], str]:
    """The exit code of a command, what it said by title, and its messages."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = camc(list(arguments))
    lines = [line.partition("  ") for line in out.getvalue().splitlines()]
    return code, {title: text.strip() for title, _, text in lines}, err.getvalue()


def tried(row: Row, folder: Path, seconds: float) -> Row:
    """Bisect, reduce, and bisect again."""
    source, small = folder / "net.mlir", folder / "small.mlir"
    network = NETWORKS[row.network]
    source.write_text(network if isinstance(network, str) else str(import_model(network)))
    began = time.process_time()
    code, told, _ = said("bisect", str(source))
    table = row.planted_in == "instruction table"
    key = "instruction table" if table else "pass"
    row.before = len(source.read_text().splitlines())
    row.named, row.layer = told.get(key, ""), told.get("layer", "")
    row.where = told.get("made by") or told.get("first at", "")
    pipeline = PIPELINES["default"]
    names = [text.partition("{")[0] for text in pipeline]
    if not table:
        pipeline = pipeline[: names.index(row.planted_in) + 1]
    arguments = ("--miscompiled", "-p", ",".join(pipeline), "-o", str(small), "--seconds", str(seconds))
    reduced, _, messages = said("reduce", str(source), *arguments)
    if reduced == 0:
        row.lines = len(small.read_text().splitlines())
        row.tries = int(re.search(r"in ([\d,]+) tries", messages)[1].replace(",", ""))  # type: ignore[index]
        _, again, _ = said("bisect", str(small))
        same = again.get(key, "").split("{")[0] == row.named.split("{")[0]
        expected = "cmp.ge" if table else row.planted_in
        row.found = code == 1 and same and expected in row.named and bool(row.layer) and row.lines < LINES
    row.seconds = time.process_time() - began
    return row


def rows(networks: Sequence[str], seconds: float) -> Iterator[Row]:
    """All bugs in some networks."""
    with tempfile.TemporaryDirectory() as name:
        for network in networks:
            for pass_name, bugs in BUGS.items():
                for bug, pattern, change in bugs:
                    with planted(pass_name, pattern, change):
                        yield tried(Row(network, pass_name, bug), Path(name), seconds)
            with wrong_table(Op.CMP_GE):
                yield tried(Row(network, "instruction table", "row cmp.ge"), Path(name), seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS), help=f"some of {', '.join(NETWORKS)}")
    parser.add_argument("--seconds", type=float, default=120, help="how long a reduction may take (default: 120)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows")
    options = parser.parse_args()
    found: list[Row] = []
    print(
        f"{'network':<8} {'planted in':<23} {'bug':<18} {'named':<55} {'layer':<6} {'lines':>5} {'tries':>6} {'s':>6}"
    )
    for row in rows(options.networks.split(","), options.seconds):
        found.append(row)
        print(
            f"{row.network:<8} {row.planted_in:<23} {row.bug:<18} {row.named[:55]:<55} {row.layer:<6} {row.lines:>5} "
            f"{row.tries:>6} {row.seconds:>6.1f}{'' if row.found else '  NOT FOUND'}\n{'':<32} {row.where}",
            flush=True,
        )
    print(f"{sum(row.found for row in found)} of {len(found)} found, named, and reduced to fewer than {LINES} lines")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")
    return int(not all(row.found for row in found))


if __name__ == "__main__":
    sys.exit(main())
