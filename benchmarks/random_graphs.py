"""Random graphs of all operators that the importer takes, with inputs of every kind, against onnxruntime.

    python benchmarks/random_graphs.py [--count N] [--seed S] [--ap N] [--json FILE]

The graphs are those of tests/random_layers.py. All their numbers are dyadic and few enough for float32, so that the
integers must be onnxruntime's, ties included. Real functions, such as Tanh, are rounded at once; a graph in which such
a quotient comes near a tie is counted apart, as float32 decides nothing there. Every N-th graph (--ap) is lowered and
run on the simulated processor, too. The exit code is 1 where a graph gives another result, ends in anything but an
error of ours, or is refused for a reason that docs/onnx.md doesn't give; or where an operator never occurred.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from random_layers import random_graph
from random_operators import Graph

from cam_compiler.importer import import_model
from cam_compiler.importer.context import operators
from cam_compiler.pipeline import parse_passes, run_passes
from dialects.machine.target import load_target
from dialects.support.errors import CamcError
from dialects.support.lattice import Lattice
from runtime.interpreter import Interpreter

EQUAL, NEAR, REFUSED, DIFFERENT, CRASHED = "equal", "near a tie", "refused", "different", "crashed"
STATED = ("its input has scales or offsets that differ within a channel",)
"""Refusals of networks that docs/onnx.md excludes."""
ROOM = 3e-5
"""What float32 may be off of a real function's quotient."""
RELATIVE = 1e-5
"""What it may be off of a function at the end."""
NEVER = {("", "Size")}
"""Refused in any network, as the number of values depends on the batch."""


@dataclass(frozen=True)
class Outcome:
    """What became of the graph of a seed."""

    seed: int
    status: str
    why: str
    operators: frozenset[tuple[str, str]]


def outcome(seed: int, ap: bool = False) -> Outcome:
    """Import, run and compare the graph of a seed; at the `ap` level, too, if that is asked for."""
    graph = random_graph(seed)
    found = frozenset(graph.operators)
    try:
        return Outcome(seed, *_compared(graph, ap), found)
    except CamcError as error:
        return Outcome(seed, REFUSED, _reason(error), found)
    except Exception as error:
        return Outcome(seed, CRASHED, f"{type(error).__name__}: {error}", found)


def _compared(graph: Graph, ap: bool) -> tuple[str, str]:
    expected, near = reference(graph)
    if near:
        return NEAR, ""
    module = import_model(graph.model, graph.declared, graph.rounded)
    results = [("ternary", Interpreter().run(module, {"x": graph.x}).outputs)]
    if ap:
        target = load_target("default")
        run_passes(module, parse_passes("default"), target)
        results.append(("ap", Interpreter(target).run(module, {"x": graph.x}).outputs))
    for level, outputs in results:
        for (name, value), wanted in zip(outputs.items(), expected, strict=True):
            if problem := _difference(value, wanted):
                return DIFFERENT, f"'{name}' at the {level} level: {problem}"
    return EQUAL, ""


def reference(graph: Graph) -> tuple[list[Any], bool]:
    """What onnxruntime computes, and whether a quotient that it rounds is too near a tie to tell."""
    ort: Any = __import__("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(graph.written.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = graph.x
    for text in graph.rounded.values():
        lattice = Lattice.parse(text, "float32")
        scale, offset = float(lattice.scale), float(lattice.offset)
        integers = np.clip(np.rint((x - offset) / scale), lattice.span.lo, lattice.span.hi)
        x = (integers * scale + offset).astype(np.float32)
    names = [port.name for port in graph.written.graph.output]
    results = dict(zip(names, session.run(names, {"x": x}), strict=True))
    quotients = [results[name].astype(np.float64) / scale for name, scale in graph.curves.items()]
    near = any((np.abs(part - np.floor(part) - 0.5) < ROOM).any() for part in quotients)
    return [results[port.name] for port in graph.model.graph.output], near


def _difference(value: Any, wanted: Any) -> str:
    if value.shape != wanted.shape or value.dtype != wanted.dtype:
        return f"{value.shape} {value.dtype} instead of {wanted.shape} {wanted.dtype}"
    room = RELATIVE if wanted.dtype.kind == "f" else 0
    wrong = np.abs(value.astype(np.float64) - wanted) > room * np.maximum(1, np.abs(wanted.astype(np.float64)))
    if not wrong.any():
        return ""
    at = tuple(int(index) for index in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} differ, first at {list(at)}: {value[at]} instead of {wanted[at]}"


def _reason(error: CamcError) -> str:
    """The text of a refusal, without what differs from graph to graph."""
    text = error.message.splitlines()[0]
    for pattern, blank in ((r"'[^']*'", "'…'"), (r"\([^)]*\)", "(…)"), (r"-?\d[\d.]*", "…")):
        text = re.sub(pattern, blank, text)
    return text


def failed(found: Outcome) -> bool:
    """Is it an outcome that no graph may have?"""
    return found.status in (DIFFERENT, CRASHED) or (found.status == REFUSED and found.why not in STATED)


def missing(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    """Operators of the importer's table that are in none of the graphs."""
    seen = {item for found in outcomes for item in found.operators}
    return sorted(set(operators()) - seen - NEVER)


def main() -> int:
    """Prints what became of the graphs; 1 where one failed or an operator never occurred."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=5000, help="how many graphs")
    parser.add_argument("--seed", type=int, default=0, help="of the first graph; the others follow")
    parser.add_argument("--ap", type=int, default=50, metavar="N", help="every N-th graph runs at the ap level, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for index, seed in enumerate(range(options.seed, options.seed + options.count)):
        found = outcome(seed, ap=options.ap > 0 and index % options.ap == 0)
        outcomes.append(found)
        if failed(found):
            print(f"seed {seed}: {found.status}: {found.why}", flush=True)
    totals = Counter(found.status for found in outcomes)
    reasons = Counter(found.why for found in outcomes if found.status == REFUSED)
    absent = missing(outcomes)
    for status in (EQUAL, NEAR, REFUSED, DIFFERENT, CRASHED):
        print(f"{status:12}{totals[status]:7}")
    for why, count in reasons.most_common():
        print(f"{'':4}{count:6}  {why}")
    print(f"operators: {len(set(operators())) - len(absent)} of {len(set(operators()))}")
    for domain, op in absent:
        print(f"    none has {op}{f' of {domain}' if domain else ''}")
    if options.json:
        written = {"seed": options.seed, "count": options.count, **totals, "reasons": reasons}
        options.json.write_text(json.dumps(written | {"without": absent}, indent=1) + "\n")
    return int(any(map(failed, outcomes)) or bool(absent))


if __name__ == "__main__":
    raise SystemExit(main())
