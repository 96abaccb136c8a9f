"""Quantisers of inputs and of weights against onnxruntime and qonnx, a few units in the last place from their levels.

`python benchmarks/roundings.py` draws 100 scales for each kind of network and prints how many numbers the executor and
camc round differently (it must be none), and how many of them real arithmetic would round differently.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from oracles.executors import IR_VERSION
from oracles.rounding_cases import CASES, Rounding

from cam_compiler.importer import builder, import_model
from cam_compiler.importer.arithmetic.thresholds import Table as Thresholds
from runtime.interpreter import Interpreter

Array = NDArray[Any]


@dataclass(frozen=True)
class Row:
    """Of one kind: the numbers that were rounded, how many of them differently, and how many so in real arithmetic."""

    name: str
    executor: str
    numbers: int
    differing: int
    by_real_arithmetic: int | None


def executed(case: Rounding) -> Array:
    """The output by the executor of the model's form."""
    if case.executor == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run(None, {"x": case.x})[0]
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    with mock.patch.object(onnx, "IR_VERSION", IR_VERSION):
        wrapper = ModelWrapper(case.model).transform(InferShapes())
        return execute_onnx(wrapper, {"x": case.x})[case.model.graph.output[0].name]


def ours(model: ModelProto, x: Array) -> Array:
    (found,) = Interpreter().run(import_model(model), {"x": x}).outputs.values()
    return found


def exactly(model: ModelProto, x: Array) -> Array:
    """The output with thresholds of real arithmetic."""

    def unmoved(table: Thresholds, *_: object) -> Thresholds:
        return table

    with mock.patch.object(builder, "as_executed", unmoved):
        return ours(model, x)


def compared(name: str, draw: Callable[[np.random.Generator], Rounding], scales: int, seed: int) -> Row:
    """One kind of network over a number of drawn scales."""
    rng = np.random.default_rng(seed)
    numbers, differing, real, executor = 0, 0, 0, ""
    for _ in range(scales):
        case = draw(rng)
        wanted, executor = _levels(executed(case), case.step), case.executor
        numbers += wanted.size
        differing += int((_levels(ours(case.model, case.x), case.step) != wanted).sum())
        real += int((_levels(exactly(case.model, case.x), case.step) != wanted).sum())
    return Row(name, executor, numbers, differing, None if name.startswith("weights") else real)


def _levels(values: Array, step: float) -> Array:
    return np.rint(values.astype(np.float64) / step)


def main() -> int:
    """Prints the table; 1 where a number is rounded differently."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scales", type=int, default=100, metavar="N", help="scales of each kind (100)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = [compared(name, draw, options.scales, options.seed) for name, draw in CASES.items()]
    table = Table("quantiser", "executor", "numbers", "differ", "would differ in real arithmetic")
    for row in rows:
        real = "" if row.by_real_arithmetic is None else f"{row.by_real_arithmetic:,}"
        table.add_row(row.name, row.executor, f"{row.numbers:,}", f"{row.differing:,}", real)
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    return int(any(row.differing for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
