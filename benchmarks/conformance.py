"""Conformance: onnx's own node tests of the operators that camc takes, compiled, run and compared.

    python benchmarks/conformance.py [--all] [--operator NAME ...]

Integers must agree exactly, floats to 1e-6 of the largest. What the importer refuses is out of scope, and its text says
why; all else that is not equal is a failure. Modules run at the `ternary` level, and those that are cheap to lower at
the `ap` level too, which must give the same. Float inputs are declared (--input-type) to hold what the case's data are
multiples of. Where that isn't enough, data and weights are rounded; what works along the first dimension gets a batch
of one; a real function that nothing follows gets a quantiser behind it.

Two kinds of elements are counted apart: ties of quantisers, which may differ by one where a float executor can't tell;
and floats that a Cast takes out of the integer type's range, where ONNX defines no result. --all lists every case; the
exit code is 1 where one fails.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from xdsl.dialects.builtin import ModuleOp

sys.path.insert(0, str(Path(__file__).resolve().parent))

from oracles.conformance_cases import (
    CLAIMED,
    FLOATS,
    FUNCTIONS,
    LIFTED,
    Array,
    Case,
    Network,
    NoBatchError,
    build,
    cases,
    integer_attribute,
    on_integers,
    within,
)

from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from dialects import ternary
from dialects.machine.target import load_target
from dialects.support.errors import CamcError
from runtime.interpreter import Interpreter
from runtime.values import Value

NO_QUANTISER = "float weights/data without quantiser"
NO_BATCH = "no batch dimension"
SHAPE = "it takes "
"""how a refusal of the shape of the data begins"""
REAL = "a real function with no quantiser behind it"
PASSED, OUT_OF_SCOPE, FAILED = "passed", "out of scope", "failed"
AP_ELEMENTS = 256
"""Numbers in the results of cases that are lowered to `ap`, at most."""
AP_THRESHOLDS = 20_000
"""Integer thresholds of such cases, at most: each becomes a search."""
PASSES = parse_passes("default")
RELATIVE, LITERAL = 1e-6, 1e-4


@dataclass(frozen=True)
class Outcome:
    """What became of one case, and how many of its elements are ties or have no defined result."""

    name: str
    operator: str
    status: str
    why: str = ""
    ties: int = 0
    tie_differences: int = 0
    undefined: int = 0
    on_ap: bool = False
    on_integers: bool = False
    """its float data were rounded"""
    lifted: bool = False
    """it got a batch of one"""
    behind: bool = False
    """it got a quantiser behind it"""
    declared: bool = False
    """its float input was declared"""


def run(case: Case) -> Outcome:
    """What became of a case: as it is, else in the first form in which it is in scope."""
    first = attempt(case)
    if first.status != OUT_OF_SCOPE and not (first.status == PASSED and case.node.op_type == "QuantizeLinear"):
        return first
    last = first
    for data, lift, behind in forms(case, first):
        found = attempt(data, lift, behind)
        if found.status != OUT_OF_SCOPE:
            return replace(found, on_integers=data is not case)
        last = found if last.why in (NO_QUANTISER, NO_BATCH, REAL) else last
    return first if first.status == PASSED else last


def forms(case: Case, first: Outcome) -> Iterator[tuple[Case, bool, bool]]:
    """Cases on their data or rounded ones, behind a batch or not, with a quantiser behind or not; all but the first.

    Rounding changes nothing where that is refused for the shape of its data.
    """
    rounded, node = None if first.why.startswith(SHAPE) else on_integers(case), case.node.op_type
    data = [case] if rounded is None else [case, rounded]
    lifts, behinds = (False, True)[: 1 + (node in LIFTED)], (False, True)[: 1 + (node in FUNCTIONS)]
    yield from islice(((form, lift, behind) for behind in behinds for lift in lifts for form in data), 1, None)


def attempt(case: Case, lift: bool = False, behind: bool = False) -> Outcome:
    """Compiles and runs one form of a case."""
    blank = Outcome(case.name, case.node.op_type, OUT_OF_SCOPE)
    try:
        network = build(case, lift, behind)
        blank = replace(blank, lifted=lift, behind=behind, declared=bool(network.declared))
        module = import_model(network.model, network.declared)
        found = Interpreter().run(module, network.feeds).outputs
        outcome = compared(blank, network, found)
        if outcome.status == PASSED and cheap(module, found):
            outcome = lowered(outcome, module, network.feeds, found)
    except NoBatchError as error:
        return Outcome(case.name, case.node.op_type, OUT_OF_SCOPE, str(error))
    except CamcError as error:
        return Outcome(case.name, case.node.op_type, OUT_OF_SCOPE, reason(error))
    except Exception as error:
        # Whatever else is raised is no answer to a user's model.
        return replace(blank, status=FAILED, why=f"{type(error).__name__}: {error}")
    return outcome


def reason(error: CamcError) -> str:
    """The text of a refusal, without what differs from case to case."""
    if "float input" in error.message or "weights are float" in error.message:
        return NO_QUANTISER
    text = error.message.splitlines()[0]
    if text.endswith("a real function") or "takes the real numbers of" in text:
        return REAL
    if text.startswith("its input is ("):
        text = f"{SHAPE}{error.hint}"
    for pattern, blank in ((r"'[^']*'", "'…'"), (r"\([^)]*\)", "(…)"), (r"\[[^]]*\]", "[…]"), (r"-?\d[\d.]*", "…")):
        text = re.sub(pattern, blank, text)
    return text


# ---- comparison


def compared(blank: Outcome, network: Network, found: Mapping[str, Value]) -> Outcome:
    """Passed where all elements agree that must."""
    outcome = replace(blank, status=PASSED)
    for name, expected in network.expected.items():
        if found[name].shape != expected.shape:
            why = f"'{name}' has shape {found[name].shape}, expected {expected.shape}"
            return replace(blank, status=FAILED, why=why)
        undefined, (ties, by_float) = undefined_casts(network, name), quantiser_ties(network)
        if network.near is not None:
            ties = by_float = network.near
        wrong = differences(found[name], expected) & ~undefined
        excused = wrong & by_float & (np.abs(found[name].astype(np.float64) - expected) == 1)
        outcome = replace(
            outcome,
            ties=outcome.ties + int(ties.sum()),
            tie_differences=outcome.tie_differences + int(excused.sum()),
            undefined=outcome.undefined + int(undefined.sum()),
        )
        if (wrong & ~excused).any():
            return replace(outcome, status=FAILED, why=_first_wrong(name, wrong & ~excused, found[name], expected))
    return outcome


def _first_wrong(name: str, wrong: Array, found: Value, expected: Array) -> str:
    index = tuple(int(axis[0]) for axis in np.nonzero(wrong))
    count = f"{int(wrong.sum())} of {wrong.size} elements of '{name}' differ"
    return f"{count}, first at {index}: {found[index]}, expected {expected[index]}"


def differences(found: Value, expected: Array) -> Array:
    """Where integers differ at all, and floats by more than the tolerance."""
    actual, wanted = found.astype(np.float64), expected.astype(np.float64)
    if expected.dtype.kind in "iu":
        return actual != wanted
    room = RELATIVE * float(np.abs(wanted).max(initial=0.0))
    return ~np.isclose(actual, wanted, rtol=0.0, atol=LITERAL if _written(wanted) else room)


def _written(results: Array) -> bool:
    """Are they numbers that somebody wrote down with four digits behind the point?"""
    near = np.isclose(results * 1e4, np.rint(results * 1e4), rtol=0.0, atol=1e-3).all()
    return bool(near and (results * 1024 % 1 != 0).any())


def undefined_casts(network: Network, name: str) -> Array:
    """The elements of a Cast from float to an integer type that lie outside that type."""
    node = network.node
    target = integer_attribute(node, "to", 0)
    source = network.model.graph.input[0].type.tensor_type.elem_type
    shape = network.expected[name].shape
    if node.op_type != "Cast" or source not in FLOATS or network.expected[name].dtype.kind not in "iu":
        return np.zeros(shape, dtype=bool)
    (values,) = network.feeds.values()
    return ~within(np.trunc(values.astype(np.float64)), target)


def quantiser_ties(network: Network) -> tuple[Array, Array]:
    """Which quotients of a QuantizeLinear lie halfway between integers, and which do so only in float arithmetic."""
    if network.node.op_type != "QuantizeLinear":
        return np.zeros((), dtype=bool), np.zeros((), dtype=bool)
    (values,) = network.feeds.values()
    scales = network.spread_scales(values.shape)
    rounded = 2 * (values / scales)
    by_float = (rounded % 2) == 1
    quotients = [2 * Fraction(float(a)) / Fraction(float(b)) for a, b in zip(values.flat, scales.flat, strict=True)]
    exact = np.array([value.denominator == 1 and value % 2 == 1 for value in quotients]).reshape(values.shape)
    return by_float | exact, by_float ^ exact


# ---- the associative processor


def cheap(module: ModuleOp, found: Mapping[str, Value]) -> bool:
    thresholds = sum(op.thresholds.data.array.size for op in module.walk() if isinstance(op, ternary.ThresholdOp))
    return sum(array.size for array in found.values()) <= AP_ELEMENTS and thresholds <= AP_THRESHOLDS


def lowered(outcome: Outcome, module: ModuleOp, feeds: Mapping[str, Array], found: Mapping[str, Value]) -> Outcome:
    """The same at the `ap` level, if there is anything for the arrays to do."""
    target, copy = load_target("default"), module.clone()
    run_passes(copy, PASSES, target)
    if not any(op.name == "ap.program" for op in copy.walk()):
        return outcome
    again = Interpreter(target).run(copy, feeds).outputs
    if any(not np.array_equal(again[name], array) for name, array in found.items()):
        return replace(outcome, status=FAILED, why="the ap level gives other results than the ternary level")
    return replace(outcome, on_ap=True)


# ---- tables


def groups(outcomes: Iterable[Outcome], one_by_one: bool = False) -> dict[tuple[str, ...], list[Outcome]]:
    """Outcomes with the same operator, status and reason; failures always one by one."""
    found: dict[tuple[str, ...], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        alone = one_by_one or outcome.status == FAILED
        key = (outcome.operator, outcome.status, outcome.why, outcome.name if alone else "")
        found[key].append(outcome)
    return found


def _names(members: Sequence[Outcome]) -> str:
    first = members[0].name.removeprefix("test_")
    return first if len(members) == 1 else f"{first}, … ({len(members)})"


def case_table(outcomes: Sequence[Outcome], one_by_one: bool) -> Table:
    table = Table("operator", "tests", "outcome", "why")
    styles = {PASSED: "green", FAILED: "bold red", OUT_OF_SCOPE: "yellow"}
    for (operator, status, why, _), members in sorted(groups(outcomes, one_by_one).items()):
        table.add_row(operator, _names(members), f"[{styles[status]}]{status}[/]", why.replace("[", r"\["))
    return table


COLUMNS = (
    PASSED,
    "on the AP",
    "on integers",
    "with a batch",
    "declared",
    "quantised",
    OUT_OF_SCOPE,
    FAILED,
    "ties",
    "ties that differ",
    "undefined",
)


def totals(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Numbers of cases by operator and column of the table of totals, and of elements in the last three."""
    found: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        row = found.setdefault(outcome.operator, dict.fromkeys(COLUMNS, 0))
        row[outcome.status] += 1
        row["on the AP"] += outcome.on_ap
        row["on integers"] += outcome.on_integers
        row["with a batch"] += outcome.lifted
        row["declared"] += outcome.declared and outcome.status == PASSED
        row["quantised"] += outcome.behind
        row["ties"] += outcome.ties
        row["ties that differ"] += outcome.tie_differences
        row["undefined"] += outcome.undefined
    return found


def total_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("operator", *COLUMNS)
    rows = totals(outcomes)
    for operator in sorted(rows):
        table.add_row(operator, *(str(rows[operator][column]) for column in COLUMNS))
    table.add_section()
    table.add_row("all", *(str(sum(row[column] for row in rows.values())) for column in COLUMNS), style="bold")
    return table


def reason_table(outcomes: Sequence[Outcome]) -> Table:
    """Why cases are out of scope, and how many."""
    table = Table("out of scope because", "cases", "operators")
    reasons = Counter(outcome.why for outcome in outcomes if outcome.status == OUT_OF_SCOPE)
    for why, count in reasons.most_common():
        names = sorted({outcome.operator for outcome in outcomes if outcome.why == why})
        table.add_row(why.replace("[", r"\["), str(count), ", ".join(names))
    return table


def main() -> int:
    """Prints the tables; 1 where a case fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="a line for every case")
    parser.add_argument("--operator", nargs="+", choices=CLAIMED, default=CLAIMED, help="only these operators")
    options = parser.parse_args()
    outcomes = [run(case) for case in cases(options.operator)]
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(case_table(outcomes, options.all), total_table(outcomes), reason_table(outcomes))
    return int(any(outcome.status == FAILED for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
