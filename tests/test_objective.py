"""Objectives: what they ask of the passes, from the numbers of technology files, and on the command line."""

from __future__ import annotations

from functools import cache
from math import prod, sqrt
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from cam_compiler.apv_choose import ApvChoose, Chooser
from cam_compiler.cli import main
from cam_compiler.commands.demo import BUNDLED
from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module
from cam_compiler.objective import NAMES, Objective, cycle_fj
from cam_compiler.pipeline import LOWERING, parse_passes, run_passes
from cam_compiler.stage_trials import Cost
from dialects.support.errors import CrashError
from passes.apv_share import ApvShare
from passes.convert_apv_to_rtm import ConvertApvToRtm
from passes.placing.shift_cost import DEFAULT_STEP
from passes.rtm_bundle import RtmBundle
from runtime.cost.layers import Layer
from runtime.cost.report import make_report
from runtime.cost.technology import bundled_technologies, load_technology
from runtime.executor import Executor

MODEL = BUNDLED / "digits_mlp_qonnx.onnx"


def passes_of(pipeline: str, objective: Objective | None) -> tuple[ApvShare, ConvertApvToRtm | RtmBundle]:
    """Of the passes that share and that make bit loops, the last ones."""
    found = {item.name: item for item in parse_passes(pipeline, objective=objective)}
    share, bundle = found["apv-share"], found.get("rtm-bundle", found["convert-apv-to-rtm"])
    assert isinstance(share, ApvShare) and isinstance(bundle, ConvertApvToRtm | RtmBundle)
    return share, bundle


def test_steps_and_moved_bits_count_as_the_technology_has_them() -> None:
    # 4 passes with 3 bits per key and 6 written bits, in an eighth of the rows; two nanowires per cell.
    cycle = (12 * 4.7 + 6 / 8 * 2 * 3405.65625) / 8
    technology = load_technology("rtsim")
    assert cycle_fj(technology, 2) == pytest.approx(cycle)
    objective = Objective.of("energy", "rtsim", 2)
    assert objective.step == pytest.approx(2 * 609.375 / cycle, abs=0.01)
    assert objective.moved == pytest.approx(161 / cycle, abs=0.01)
    # Without a technology their mean counts.
    steps = [objective.step, Objective.of("energy", "dwm", 2).step]
    assert sqrt(prod(steps)) == pytest.approx(DEFAULT_STEP, abs=1)


@pytest.mark.parametrize("name", NAMES)
def test_an_objective_sets_what_the_pipeline_leaves_open(name: str) -> None:
    share, bundle = passes_of("tracks", Objective.of(name, "rtsim", 2))  # pyright: ignore[reportArgumentType]
    assert (share.step > 0) == (name in ("energy", "product"))
    assert bundle.objective == ("energy" if name == "cycles" else name)
    stated = "convert-ternary-to-apv,apv-share{step=7},convert-apv-to-rtm,rtm-bundle{objective=product}"
    share, bundle = passes_of(stated, Objective.of("energy", "rtsim", 2))
    assert (share.step, bundle.objective) == (7, "product")


def test_every_objective_computes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.load(BUNDLED / "digits_mlp_test.npz")["image"][:20])
    found = []
    for name in NAMES:
        to = str(tmp_path / f"{name}.npz")
        given = ["--input", str(tmp_path / "x.npy"), "-o", to, "--quiet", "-O0", "--objective", name, "--tech", "dwm"]
        assert main(["run", str(BUNDLED / "digits_mlp_qdq.onnx"), *given]) == 0
        found.append(np.load(to)["logits"])
    assert np.load(BUNDLED / "digits_mlp_test.npz")["logits_exact"][:20] == pytest.approx(found[0], rel=1e-6)
    assert all(np.array_equal(logits, found[0]) for logits in found)


def test_graphs_are_proved_whatever_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    class Proved(Exception):
        pass

    def prove(*_: object) -> None:
        raise Proved

    monkeypatch.setattr("passes.adder_graphs.kernel_groups.prove", prove)
    for step in (0, DEFAULT_STEP):
        with pytest.raises(CrashError) as caught:
            compile_file(
                BUNDLED / "digits_mlp_qdq.onnx", pipeline=f"convert-ternary-to-apv,apv-share{{effort=0 step={step}}}"
            )
        assert isinstance(caught.value.__cause__, Proved)


@pytest.mark.parametrize("name", bundled_technologies())
def test_the_least_energy_is_not_more_than_that_of_the_default_pipeline(name: str) -> None:
    energies = [total(aim, name, 1).total_fj for aim in (Objective.of("energy", name, 2), None)]
    assert energies[0] <= energies[1]
    # Where a search costs as much as a read, sums along tracks in plain instructions search least.
    assert (energies[0] < 0.6 * energies[1]) == (not name.endswith("-read"))


def test_rows_that_are_full_take_no_more_energy_either() -> None:
    """Where writes count most, what pays for one sample need not pay for as many as there are rows."""
    energies = [total(aim, "rtsim", 256).total_fj for aim in (Objective.of("energy", "rtsim", 2, 256), None)]
    assert energies[0] <= energies[1]


@pytest.mark.parametrize("name", ["cycles", "latency"])
def test_an_objective_is_never_worse_than_the_default_pipeline(name: Literal["cycles", "latency"]) -> None:
    aimed, plain = total(Objective.of(name, "rtsim", 2), "rtsim", 1), total(None, "rtsim", 1)
    assert aimed.counts.cycles <= plain.counts.cycles if name == "cycles" else aimed.latency_ns <= plain.latency_ns


def test_what_is_minimised_is_what_a_report_says() -> None:
    """All that follows from the code is exact; random data write about as many cells as images of digits do."""
    samples, aim = 64, Objective.of("energy", "dwm", 2, 64)
    module, target = compile_file(MODEL, stop_after="convert-ternary-to-apv")
    chooser = Chooser(ApvChoose("energy", "dwm", samples, effort=0), module)
    choices = chooser.choices()
    for stage, choice in choices.items():
        chooser.bring(stage, choice)
    run_passes(module, parse_passes(",".join(LOWERING), 0, aim), target)
    expected = sum((choice.cost for choice in choices.values()), Cost())
    report = reported(of_module(module, target, "native"), "dwm", samples)
    assert [choice.way for choice in choices.values()] == ["apart"]
    assert expected.cycles == report.counts.cycles
    assert expected.latency == pytest.approx(report.latency_ns, rel=1e-12)
    assert expected.energy == pytest.approx(report.total_fj, rel=0.1)


@cache
def compiled(aim: Objective | None) -> Executor:
    """The network of the digits, ready to run."""
    return of_module(*compile_file(MODEL, objective=aim, effort=0), "native")


def reported(executor: Executor, tech: str, samples: int) -> Layer:
    """What it comes to on some of the images."""
    result = executor.run({"image": np.load(BUNDLED / "digits_mlp_test.npz")["image"][:samples]})
    return make_report(result, executor.network, load_technology(tech)).total


def total(aim: Objective | None, tech: str, samples: int) -> Layer:
    return reported(compiled(aim), tech, samples)
