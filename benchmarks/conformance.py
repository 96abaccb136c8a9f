"""Conformance: onnx's own node tests of the operators that camc takes, compiled, run and compared.

    python benchmarks/conformance.py [--all] [--operator NAME ...]

Integers must agree exactly, floats to 1e-6 of the largest. What the importer refuses is out of scope, and its text says
why; all else that is not equal is a failure. Modules run at the `ternary` level, and those that are cheap to lower at
the `ap` level too, which must give the same. Cases without a quantiser are tried on rounded data, those that work along
the first dimension behind a batch of one.

Two kinds of elements are counted apart: ties of QuantizeLinear, which may differ by one where only the reference's
float arithmetic meets the tie; and floats that a Cast takes out of the integer type's range, where ONNX defines no
result. --all lists every case; the exit code is 1 where one fails.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from xdsl.dialects.builtin import ModuleOp

sys.path.insert(0, str(Path(__file__).resolve().parent))

from oracles.conformance_cases import (
    CLAIMED,
    FLOATS,
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
from dialects.support.errors import CamcError, ModelError
from runtime.interpreter import Interpreter
from runtime.values import Value

NO_QUANTISER = "float weights/data without quantiser"
NO_BATCH = "no batch dimension"
PASSED, OUT_OF_SCOPE, FAILED = "passed", "out of scope", "failed"
AP_ELEMENTS = 256
"""Numbers in the results of cases that are lowered to `ap`, at most."""
AP_THRESHOLDS = 20_000
"""Integer thresholds of such cases, at most: each becomes a search."""
RELATIVE = 1e-6


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


def run(case: Case) -> Outcome:
    """What became of a case: as it is, else in the first form in which it is in scope."""
    first = attempt(case)
    if first.status != OUT_OF_SCOPE and not (first.status == PASSED and case.node.op_type == "QuantizeLinear"):
        return first
    rounded, rewritten = on_integers(case), case.node.op_type in LIFTED
    forms = [(rounded, False), (case, True), (rounded, True)] if rewritten else [(rounded, False)]
    last = first
    for form, lift in forms:
        if form is None:
            continue
        found = replace(attempt(form, lift, form is rounded), on_integers=form is rounded, lifted=lift)
        if found.status != OUT_OF_SCOPE:
            return found
        last = found if last.why in (NO_QUANTISER, NO_BATCH) else last
    return first if first.status == PASSED else replace(last, on_integers=False, lifted=False)


def attempt(case: Case, lift: bool = False, quantised: bool = False) -> Outcome:
    """Compiles and runs one form of a case."""
    blank = Outcome(case.name, case.node.op_type, OUT_OF_SCOPE)
    try:
        network = build(case, lift, quantised)
        module = import_model(network.model)
        found = Interpreter().run(module, network.feeds).outputs
        outcome = compared(blank, network, found)
        if outcome.status == PASSED and cheap(module, found):
            outcome = lowered(outcome, module, network.feeds, found)
    except NoBatchError as error:
        return replace(blank, why=str(error))
    except ModelError as error:
        return replace(blank, why=reason(error))
    except Exception as error:
        # Whatever else is raised is no answer to a user's model.
        return replace(blank, status=FAILED, why=f"{type(error).__name__}: {error}")
    return outcome


def reason(error: CamcError) -> str:
    """The text of a refusal, without what differs from case to case."""
    if "float input" in error.message or "weights are float" in error.message:
        return NO_QUANTISER
    text = error.message.splitlines()[0]
    if text.startswith("its input is ("):
        text = f"it takes {error.hint}"
    for pattern, blank in ((r"'[^']*'", "'…'"), (r"\([^)]*\)", "(…)"), (r"\[[^]]*\]", "[…]")):
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
    return ~np.isclose(actual, wanted, rtol=0.0, atol=RELATIVE * float(np.abs(wanted).max(initial=0.0)))


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
    run_passes(copy, parse_passes("default"), target)
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


def main() -> int:
    """Prints both tables; 1 where a case fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="a line for every case")
    parser.add_argument("--operator", nargs="+", choices=CLAIMED, default=CLAIMED, help="only these operators")
    options = parser.parse_args()
    outcomes = [run(case) for case in cases(options.operator)]
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(case_table(outcomes, options.all), total_table(outcomes))
    return int(any(outcome.status == FAILED for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
