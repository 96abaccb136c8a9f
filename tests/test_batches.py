"""A run in parts: the outputs and, to the unit, the counts of a run of all samples at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cam_compiler.cli import main
from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module, of_program
from dialects.support.errors import InputError
from runtime.camx import save
from runtime.cost.counts import total
from runtime.cost.report import make_report
from runtime.cost.report_files import to_json
from runtime.cost.technology import load_technology
from runtime.executor import PART_BYTES, Executor, part_size, run_in_parts
from runtime.interpreter import network_of
from runtime.result import Result, SegmentRun, expected_runs

BUNDLED = Path(__file__).parents[1] / "cam_compiler" / "bundled"
IMAGES = np.load(BUNDLED / "digits_cnn_test.npz")["image"][:11]
TARGET = """
rows = 48
columns = 128
domains = 32
arrays = 3
buffer_bits_per_cycle = 7
"""
"""Rows that the images' positions don't fill, and fewer arrays than the images need."""


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    folder = tmp_path_factory.mktemp("batches")
    (folder / "t.toml").write_text(TARGET)
    module, target = compile_file(BUNDLED / "digits_cnn_qdq.onnx", str(folder / "t.toml"))
    return of_module(module, target, "native")


def untraced(run: SegmentRun) -> SegmentRun:
    return run._replace(counts=run.counts.with_traced(None))


@pytest.mark.parametrize("size", [1, 3, 5, 11])
def test_parts_give_what_the_whole_gives(executor: Executor, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = executor.run_part({"image": IMAGES})
    monkeypatch.setattr("runtime.executor.part_size", lambda _: size)
    parted = executor.run({"image": IMAGES})
    assert parted.segments == whole.segments
    assert [untraced(run) for run in whole.segments] == expected_runs(executor.network, 11)
    assert parted.samples == 11
    assert np.array_equal(parted.outputs["logits"], whole.outputs["logits"])
    technology = load_technology("rtsim")
    reports = [
        json.dumps(to_json(make_report(one, executor.network, technology, operations=True))) for one in (whole, parted)
    ]
    assert reports[0] == reports[1]


def test_parts_give_what_the_golden_simulator_gives(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    module, target = compile_file(BUNDLED / "digits_mlp_qdq.onnx", "small")
    images = IMAGES[:5]
    golden = of_module(module, target, "golden")
    whole = golden.run_part({"image": images})
    assert [untraced(run) for run in whole.segments] == expected_runs(golden.network, 5)
    monkeypatch.setattr("runtime.executor.part_size", lambda _: 2)
    assert of_module(module, target, "native").run({"image": images}).segments == whole.segments


def test_check_works_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", IMAGES[:5])
    monkeypatch.setattr("runtime.executor.part_size", lambda _: 2)
    model = str(BUNDLED / "digits_mlp_qdq.onnx")
    assert main(["run", model, "--input", str(tmp_path / "x.npy"), "--check", "-q"]) == 0
    assert "50 values equal" in capsys.readouterr().out


def test_wrong_samples_at_the_end_are_refused_before_anything_runs(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.executor.part_size", lambda _: 2)
    images = IMAGES.copy()
    images[-1, 0, 0, 0] = np.nan

    def run(_: object) -> Result:
        raise AssertionError("it ran")

    with pytest.raises(InputError, match="not finite"):
        run_in_parts(executor.network, {"image": images}, run)


def test_a_fixed_batch_stays_whole(executor: Executor) -> None:
    network = executor.network
    fixed = tuple(replace(spec, shape=(4, *spec.shape[1:])) for spec in network.inputs)
    assert part_size(replace(network, inputs=fixed)) is None
    assert part_size(network) == PART_BYTES // network.sample_bytes > 1
    assert part_size(replace(network, sample_bytes=2 * PART_BYTES)) == 1


def test_memory_of_a_sample(tmp_path: Path) -> None:
    """The largest operation of the CNN: windows of 3x3 over 32 channels at 4x4 positions, or 16 channels at 8x8."""
    path = BUNDLED / "digits_cnn_qdq.onnx"
    for stage in ("ternary", "apv", "ap"):
        module, target = compile_file(path, stop_after=stage)
        network = network_of(module, target)
        assert 64 * 144 * 8 <= network.sample_bytes <= 3 * 64 * 144 * 8
    save(network, tmp_path / "a.camx")
    assert of_program(tmp_path / "a.camx", "native").network.sample_bytes == network.sample_bytes


@pytest.mark.parametrize("batch", [1, 4, 11, 100])
def test_a_report_in_batches_is_the_sum_of_theirs(executor: Executor, batch: int) -> None:
    technology = load_technology("rtsim")
    whole = make_report(executor.run({"image": IMAGES}), executor.network, technology, batch=batch)
    apart = [
        make_report(executor.run({"image": IMAGES[begin : begin + batch]}), executor.network, technology)
        for begin in range(0, 11, batch)
    ]
    assert whole.batches == len(apart)
    for index, layer in enumerate([*whole.layers, whole.total]):
        parts = [[*one.layers, one.total][index] for one in apart]
        assert layer.counts == total([part.counts for part in parts])
        assert layer.total_fj == pytest.approx(sum(part.total_fj for part in parts), rel=1e-12)
        assert layer.latency_ns == pytest.approx(sum(part.latency_ns for part in parts), rel=1e-12)
        assert layer.arrays == max(part.arrays for part in parts)
        assert layer.row_utilisation > 0
