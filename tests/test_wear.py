"""Wear by column: what is predicted is what the golden simulator does, reports say it, and it can be levelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from placed_testing import random_placed
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.commands.demo import BUNDLED
from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module, of_program
from cam_compiler.pipeline import parse_passes, run_passes
from dialects.machine.census import predict_shifts
from dialects.machine.isa import Cell
from dialects.machine.target import Geometry, Target
from runtime.camx import save
from runtime.cost.counts import Counts
from runtime.cost.report import Report, make_report
from runtime.cost.report_files import to_json
from runtime.cost.technology import load_technology
from runtime.cost.wear import total_wear
from runtime.engines.golden import Simulator
from runtime.executor import Executor
from runtime.interpreter import network_of
from runtime.result import Result

Numbers = NDArray[np.int64]


class Worn(Simulator):
    """Counts by column what the simulator does to its ports and planes."""

    def __init__(self, target: Target, samples: int):
        super().__init__(target, samples)
        self.steps: Numbers = np.zeros(target.columns, dtype=np.int64)
        self.writes: Numbers = np.zeros((target.columns, target.domains), dtype=np.int64)

    def _align(self, cells: list[Cell], counts: Counts) -> None:
        before = np.array(self.ports)
        super()._align(cells, counts)
        self.steps += np.abs(np.array(self.ports) - before)

    def _write(self, pattern: list[tuple[str, int]], cells: dict[str, Cell], counts: Counts) -> int:
        written = super()._write(pattern, cells, counts)
        for role, _ in pattern:
            self.writes[cells[role]] += 1
        return written


@pytest.mark.parametrize("seed", range(6))
def test_predicted_wear_is_that_of_the_simulator(seed: int) -> None:
    geometry = Geometry(64, 12, 24)
    segments = random_placed(np.random.default_rng(seed), geometry, 3, 6)
    simulator = Worn(Target("test", rows=64, columns=12, domains=24), 5)
    inputs, outputs = np.zeros((3, 5), dtype=np.int64), np.zeros((6, 5), dtype=np.int64)
    for code in segments:
        simulator.run("s", code.instructions, inputs, outputs)
    shifts = predict_shifts([code.binary for code in segments], 12, 24)
    assert shifts.steps_of_column.sum(axis=0).tolist() == simulator.steps.tolist()
    assert shifts.writes.tolist() == simulator.writes.tolist()
    assert simulator.writes.any()


@pytest.fixture(scope="module")
def placed() -> tuple[ModuleOp, Target]:
    return compile_file(BUNDLED / "digits_cnn_qdq.onnx", None, stop_after="rtm")


def lowered(placed: tuple[ModuleOp, Target], pipeline: str) -> ModuleOp:
    module = placed[0].clone()
    run_passes(module, parse_passes(pipeline), placed[1])
    return module


def reported(executor: Executor, batch: int | None = None) -> tuple[Result, Report]:
    network, result = executor.network, executor.run({"image": np.load(BUNDLED / "digits_cnn_test.npz")["image"][:70]})
    technology = load_technology("rtsim")
    return result, make_report(result, network, technology, batch=batch)


def test_reports_say_what_an_array_goes_through(placed: tuple[ModuleOp, Target], tmp_path: Path) -> None:
    module = lowered(placed, "convert-rtm-to-ap")
    executor = of_module(module, placed[1], "native")
    _, report = reported(executor)
    wear = to_json(report)["wear"]
    total = wear["total"]
    assert sum(total["shift_steps"]["columns"]) == report.total.counts.column_steps
    assert [part["layers"] for part in wear["programs"]] == [
        [segment.layer for segment in program.segments] for program in executor.network.programs
    ]
    assert total["shift_steps"]["columns"][total["shift_steps"]["column"]] == max(total["shift_steps"]["columns"])
    # Each of three batches goes through the programs again.
    _, thrice = reported(executor, 30)
    assert to_json(thrice)["wear"]["total"]["writes_of_a_cell"] == 3 * total["writes_of_a_cell"]
    save(network_of(module, placed[1]), tmp_path / "n.camx")
    assert to_json(reported(of_program(tmp_path / "n.camx", "native"))[1])["wear"] == wear


def test_levelling_lowers_the_greatest_wear_and_nothing_else(placed: tuple[ModuleOp, Target]) -> None:
    modules = [lowered(placed, prefix + "convert-rtm-to-ap") for prefix in ("", "rtm-level-wear,")]
    (before, plain), (after, levelled) = (reported(of_module(each, placed[1], "native")) for each in modules)
    assert all(np.array_equal(value, after.outputs[name]) for name, value in before.outputs.items())
    assert plain.total.counts == levelled.total.counts
    most, less = (int(total_wear(report.wear).shift_steps.max()) for report in (plain, levelled))
    assert less < 0.7 * most
