"""Mutation testing: what parser, verifier and `camc verify` notice of random single changes of a network's text.

    python benchmarks/mutations.py [--count N] [--seed S] [--json FILE]

After every pass of the default pipeline the text of two small networks is changed in one place: a number, a sign, a
weight, a direction, an instruction, a value or a column, or a line goes or changes places with the next one. A change
is *refused* (by the parser, or because the IR is illegal), *noticed* (it computes something else, as `camc verify`
finds with its defaults), or it survives. A survivor that gives the same outputs for every input there is, is
*equivalent*; all others are *missed*, and shown.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from camc_testing import SMALL_TARGET, TWO_PRODUCTS

from cam_compiler.execution import of_module
from cam_compiler.pipeline import make_context, parse_passes, run_passes
from cam_compiler.validation import difference, edge_inputs
from cam_compiler.verification.against import Golden
from dialects.support.errors import CamcError, MismatchError
from dialects.support.verify import verify_module
from runtime.executor import Executor
from runtime.values import Value

CNN = """
func.func @main(%x: tensor<?x1x3x3x!ternary.int<0, 1>> {onnx.name="x"}) -> (tensor<?x2x!ternary.int<-9, 9>> {onnx.name="y"}) {
  %c = ternary.conv %x window <kernel 2x2> : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x2x2x2x!ternary.int<-2, 3>> layer "c" weights <{
    ++-+
    -+0-
  }>
  %t = ternary.threshold %c : tensor<?x2x2x2x!ternary.int<-2, 3>> -> tensor<?x2x2x2x!ternary.int<0, 2>> layer "t" thresholds <{
    up 0 2
    down -1 1
  }>
  %d = ternary.conv %t window <kernel 1x1> : tensor<?x2x2x2x!ternary.int<0, 2>> -> tensor<?x2x2x2x!ternary.int<-2, 4>> layer "d" weights <{
    +-
    ++
  }>
  %s = ternary.combine %d, %t : (tensor<?x2x2x2x!ternary.int<-2, 4>>, tensor<?x2x2x2x!ternary.int<0, 2>>) -> tensor<?x2x2x2x!ternary.int<-2, 6>> layer "s" multipliers <{
    1 1
  }>
  %v = ternary.threshold %s : tensor<?x2x2x2x!ternary.int<-2, 6>> -> tensor<?x2x2x2x!ternary.int<0, 2>> layer "v" thresholds <{
    up 0 2
    up 2 4
  }>
  %p = ternary.max_pool %v window <kernel 2x1> : tensor<?x2x2x2x!ternary.int<0, 2>> -> tensor<?x2x1x2x!ternary.int<0, 2>> layer "p"
  %f = ternary.reshape %p : tensor<?x2x1x2x!ternary.int<0, 2>> -> tensor<?x4x!ternary.int<0, 2>>
  %y = ternary.matmul %f : tensor<?x4x!ternary.int<0, 2>> -> tensor<?x2x!ternary.int<-9, 9>> layer "fc" weights <{
    +0-+
    -++0
  }>
  func.return %y : tensor<?x2x!ternary.int<-9, 9>>
}
"""  # noqa: E501
"""Convolutions, a sum of branches, a pool and a product, in several programs."""

NETWORKS: Mapping[str, tuple[str, Value]] = {
    "mlp": (TWO_PRODUCTS, np.array(list(product(range(3), repeat=4)))),
    "cnn": (CNN, np.array(list(product(range(2), repeat=9))).reshape(-1, 1, 3, 3)),
}
"""With every input that there is."""

Change = Callable[[re.Match[str], random.Random], str]


def _other(words: str) -> Change:
    choices = words.split()
    return lambda match, rng: rng.choice([word for word in choices if word != match[0]])


CHANGES: tuple[tuple[str, Change], ...] = (
    (r"(?<![\w.])-?\d+", lambda match, rng: str(int(match[0]) + rng.choice((-2, -1, 1, 2)))),
    (r"(?<=[c.:\[@#])\d+", lambda match, rng: str(max(0, int(match[0]) + rng.choice((-1, 1))))),
    (r"(?<=%)\d+", lambda match, rng: str(max(0, int(match[0]) + rng.randint(-6, 6)))),
    (r"(?<=[\s+\-0])[+\-0](?=[\s+\-0])", _other("+ - 0")),
    (r"\bup\b|\bdown\b", _other("up down")),
    (r"(?<= )[-+](?= %)|(?<= )[-+]=", lambda match, _: match[0].translate(str.maketrans("+-", "-+"))),
    (r"\b(?:add|sub)\b(?:\.ip)?", lambda match, _: {"a": "sub", "s": "add"}[match[0][0]] + match[0][3:]),
    (r"<<\d", lambda match, rng: rng.choice(["", "<<1", "<<2", "<<3"])),
    (r"\n[^\n]*\n(?=[^\n]*\n)", lambda *_: "\n"),
    (r"(?<=\n)([^\n]*\n)([^\n]*\n)", lambda match, _: match[2] + match[1]),
)


def mutant(text: str, rng: random.Random) -> str:
    """The text with one change below its first line of a function."""
    begin = text.index("\n", text.index("func.func"))
    while True:
        pattern, change = rng.choice(CHANGES)
        if found := list(re.finditer(pattern, text[begin:])):
            match = rng.choice(found)
            changed = change(match, rng)
            if changed != match[0]:
                return text[: begin + match.start()] + changed + text[begin + match.end() :]


def executor(text: str) -> Executor:
    module = Parser(make_context(), text).parse_module()
    verify_module(module)
    return of_module(module, SMALL_TARGET, "native", trace=False)


@dataclass
class Source:
    """A network, its outputs for every input, and its text after each pass."""

    golden: Golden
    inputs: Mapping[str, Value]
    stages: Mapping[str, str]

    @classmethod
    def of(cls, text: str, inputs: Value) -> Source:
        module = Parser(make_context(), text).parse_module()
        golden = Golden(
            "network", of_module(module, SMALL_TARGET, "native", trace=False), edge_inputs(module), (module,)
        )
        stages: dict[str, str] = {"import": text}
        for item in parse_passes("default"):
            run_passes(module, (item,), SMALL_TARGET)
            stages[item.name] = str(module)
        return cls(golden, {"x": inputs}, stages)

    def verdict(self, text: str) -> str:
        """What becomes of a changed text."""
        try:
            changed = executor(text)
        except (CamcError, ParseError, VerifyException):
            return "refused"
        try:
            self.golden.compare(changed, "mutant")
        except (MismatchError, CamcError):
            return "noticed"
        expected, found = (each.run(self.inputs).outputs for each in (self.golden.executor, changed))
        return "missed" if difference(expected, found) else "equivalent"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="changes of each network after each pass")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the mutants that are missed")
    options = parser.parse_args()
    table: dict[str, Counter[str]] = {}
    missed: list[dict[str, str]] = []
    for name, (text, inputs) in NETWORKS.items():
        source = Source.of(text, inputs)
        for stage, whole in source.stages.items():
            rng = random.Random(f"{options.seed} {name} {stage}")
            for _ in range(options.count):
                changed = mutant(whole, rng)
                verdict = source.verdict(changed)
                table.setdefault(stage, Counter())[verdict] += 1
                if verdict == "missed":
                    missed.append({"network": name, "stage": stage, "change": _line(whole, changed)})
    print(f"{'after':<24} {'changes':>8} {'refused':>8} {'noticed':>8} {'missed':>8} {'equivalent':>11}  of the others")
    for stage, counts in [*table.items(), ("all", sum(table.values(), Counter()))]:
        caught = counts["refused"] + counts["noticed"]
        share = caught / max(1, caught + counts["missed"])
        numbers = " ".join(f"{counts[key]:>8}" for key in ("refused", "noticed", "missed"))
        print(f"{stage:<24} {counts.total():>8} {numbers} {counts['equivalent']:>11}  {share:.2%}")
    for each in missed:
        print(f"missed: {each['network']} after {each['stage']}: {each['change']}")
    if options.json:
        options.json.write_text(json.dumps({"verdicts": table, "missed": missed}, indent=1) + "\n")
    return bool(missed)


def _line(before: str, after: str) -> str:
    """The first line that differs, before and after."""
    pairs = zip(before.splitlines(), [*after.splitlines(), ""], strict=False)
    one, other = next((one, other) for one, other in pairs if one != other)
    return f"{one.strip()}  ->  {other.strip()}"


if __name__ == "__main__":
    sys.exit(main())
