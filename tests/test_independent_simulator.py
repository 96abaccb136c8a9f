"""The simulator that was written from docs/isa.md alone has camc's values and all of its counts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camc_testing import random_target
from independent_simulator import PAGE, Page, Processor
from random_networks import random_network
from test_counts import random_program
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from cam_compiler.validation import edge_inputs
from dialects.ap.assembly import AssemblyCode
from dialects.machine.program import Program, Segment
from dialects.machine.target import Target, load_target
from dialects.support.errors import ModelError
from dialects.support.window import Ints, Rows, Windows
from runtime.cost.counts import Counts, program_bits
from runtime.engines import golden, native
from runtime.executor import Executor
from runtime.interpreter import network_of

BUNDLED = Path(__file__).parents[1] / "cam_compiler" / "bundled"
SMALL = Target("small", rows=16, columns=32, domains=24, search_cycles=2, write_cycles=3, buffer_bits_per_cycle=5)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(PAGE.read_text(encoding="utf-8"))


def simulate(page: Page, target: Target, program: Program, inputs: Sequence[Rows]) -> tuple[Ints, list[Counter[str]]]:
    """What the independent simulator makes of a program's text: outputs (rows, features), counts of each segment."""
    parts = [part.array() if isinstance(part, Windows) else part for part in inputs]
    vectors: list[list[int]] = np.concatenate(parts, axis=1).T.tolist()
    cycles = (target.search_cycles, target.write_cycles)
    processor = Processor(page, len(vectors[0]), target.rows, cycles, target.buffer_bits_per_cycle)
    counts = [processor.run(AssemblyCode(code).to_text(), vectors) for code in program.codes]
    nothing = [0] * len(vectors[0])
    outputs = [processor.out.get(number, nothing) for number in range(sum(program.outputs))]
    return np.array(outputs).T, counts


def check(page: Page, target: Target, program: Program, inputs: Sequence[Rows], *, with_golden: bool = True) -> int:
    """Compare one program with the native engine and the golden simulator; returns its instructions."""
    values, counts = simulate(page, target, program, inputs)
    ran = native.run(target, [(program, inputs)], 1) + (golden.run(target, [(program, inputs)]) if with_golden else [])
    for expected, counted in ran:
        np.testing.assert_array_equal(values, expected)
        assert [{item.name: found[item.name] for item in fields(Counts)} for found in counts] == [
            asdict(each) for each in counted
        ]
    return sum(each["instructions"] for each in counts)


def check_network(page: Page, module: ModuleOp, target: Target, pipeline: str, samples: int, **how: bool) -> list[int]:
    """Compare all programs of a network on the values that reach them; returns the instructions of each."""
    given = edge_inputs(module, samples)
    run_passes(module, parse_passes(pipeline), target)
    ran: list[tuple[Program, Sequence[Rows]]] = []

    class Watched(Executor):
        def _execute(self, programs: Sequence[tuple[Program, Sequence[Rows]]], samples: int) -> Any:
            ran.extend(programs)
            return super()._execute(programs, samples)

    Watched(network_of(module, target)).run(given)
    return [check(page, target, *each, **how) for each in ran]


@pytest.mark.parametrize(
    ("name", "target", "pipeline", "samples", "programs"),
    [
        ("digits_mlp_qdq", load_target("default"), "default", 300, 3),
        ("digits_cnn_qdq", load_target("default"), "default", 2, 12),
        ("digits_mlp_qdq", load_target("default"), "across", 2, 3),
        ("digits_mlp_qonnx", replace(SMALL, columns=64), "date24", 5, 1),
    ],
)
def test_bundled_networks(page: Page, name: str, target: Target, pipeline: str, samples: int, programs: int) -> None:
    """Thresholds, pooling and residual sums; rows of two arrays; values across columns; a program for each stage."""
    module = import_model(BUNDLED / f"{name}.onnx")
    instructions = check_network(page, module, target, pipeline, samples, with_golden=False)
    assert len(instructions) == programs
    assert sum(instructions) > 7000


def test_random_networks_on_small_arrays(page: Page) -> None:
    """All operators that the importer takes; layers in several parts."""
    checked: list[list[int]] = []
    for seed in range(30):
        try:
            module = import_model(random_network(random.Random(seed))[0])
        except ModelError:
            continue
        checked.append(check_network(page, module, replace(SMALL, domains=40), "default", 3))
    assert len(checked) > 20 and sum(map(len, checked)) > 4 * len(checked)


@pytest.mark.parametrize("seed", range(2))
def test_short_instructions(page: Page, seed: int) -> None:
    """Additions one after another on accumulators that stand still: 63 short ones at most, and what breaks a run."""
    rng = np.random.default_rng(seed)
    lines = [f"in c{column}.0:1, #{column}" for column in range(8)]
    column = 0
    for _ in range(200):
        column = (column + int(rng.choice([0, 2, 4, 6], p=[0.96, 0.02, 0.01, 0.01]))) % 8
        width, lean = rng.choice([7, 8], p=[0.99, 0.01]), rng.choice(["", "lean "], p=[0.99, 0.01])
        mnemonic = rng.choice(["add.ip", "sub.ip", "copy"], p=[0.6, 0.39, 0.01])
        carry = "" if mnemonic == "copy" else ", c31.0"
        lines.append(f"{lean}{mnemonic} c{rng.integers(8, 23)}:{width}.0, c{column}:2.0s{carry}")
    lines += [f"out c{column}.0:1, #{column - 8}" for column in range(8, 31)]
    code = AssemblyCode.from_text("\n".join(lines))
    program = Program((Segment("sums", code.binary),), (8,), (23,), 1)
    stream = program_bits(program, SMALL)
    assert 16 * len(lines) < stream < 60 * len(lines)
    assert check(page, SMALL, program, [rng.integers(0, 2, (20, 8))]) == len(lines)


@pytest.mark.parametrize("seed", range(20))
def test_random_code(page: Page, seed: int) -> None:
    """Every instruction with any operands, loops with starts of their own, cells that nothing has written."""
    rng = np.random.default_rng(seed)
    target = replace(random_target(rng), rows=int(rng.choice([1, 8, 70])))
    program = random_program(rng, target, rows=1)
    inputs = rng.integers(-(1 << 12), 1 << 12, (int(rng.integers(1, 90)), *program.inputs))
    assert check(page, target, program, [inputs])
