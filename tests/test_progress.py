"""What long work says of itself: progress, statistics of passes, effort; and how it is interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cam_compiler.cli import main
from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module
from cam_compiler.pipeline import EFFORTS, parse_passes
from cam_compiler.terminal.progress import watching
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, Watcher, did, part, progress, watched_by
from runtime.camx import load
from runtime.executor import Executor

BUNDLED = Path(__file__).parents[1] / "cam_compiler" / "bundled"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


class Ears(Watcher):
    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []

    def progress(self, fraction: float, what: str) -> None:
        self.heard.append((round(fraction, 6), what))


def test_parts_of_progress() -> None:
    ears = Ears()
    progress(1, 2, "nobody listens")
    with watched_by(ears):
        progress(0, 2, "a")
        with part(1, 2, 4, "b"):
            progress(1, 2, "c")
            with part(1, 2, 2):
                progress(0, 0, "")
        progress(2, 2, "")
    assert ears.heard == [(0.0, "a"), (0.375, "b: c"), (0.375, "b"), (1.0, "")]


def test_compiling_and_running_say_how_far_they_are() -> None:
    ears = Ears()
    with watched_by(ears):
        module, target = compile_file(BUNDLED / "digits_mlp_qdq.onnx")
        compiled = len(ears.heard)
        of_module(module, target, "native").run({"image": np.full((1, 1, 8, 8), 0.5)})
    fractions = [fraction for fraction, _ in ears.heard]
    assert fractions[:compiled] == sorted(fractions[:compiled])
    assert fractions[compiled:] == sorted(fractions[compiled:])
    assert max(fractions) <= 1
    said = [what for _, what in ears.heard]
    assert {"import", "convert-apv-to-rtm"} <= {what.partition(":")[0] for what in said}
    assert any(what.startswith("apv-share: ") for what in said)
    assert len(said) > compiled + 2


def test_a_bar_only_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as screen:
        progress(1, 2, "work")
        did("a-pass", "fc", Figure("additions", 4, 3), Figure("width", None, 2, peak=True))
    assert screen.bar is None
    assert screen.deeds == {"a-pass": [("fc", (Figure("additions", 4, 3), Figure("width", None, 2, True)))]}
    assert capsys.readouterr() == ("", "")


def test_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with watching() as screen:
        progress(1, 2, "conv[3x3]")
        assert screen.bar is not None
        assert screen.bar.tasks[0].completed == 0.5
    assert "conv[3x3]" in capsys.readouterr().err
    with watching(quiet=True) as screen:
        assert screen.bar is None


def test_stats(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(BUNDLED / "digits_mlp_qdq.onnx")
    assert main(["compile", model, "--stop-after", "apv-share", "--stats"]) == 0
    out, err = capsys.readouterr()
    assert "apv.sum" in out
    assert "group" not in out
    rows = [line.split() for line in err.splitlines()]
    total = next(row for row in rows[rows.index(["apv-share"]) :] if row[:1] == ["total"])
    before, after = (int(total[at].replace(",", "")) for at in (1, 3))
    assert total[2] == "→"
    assert total[4] == f"{1 - after / before:.1%}"
    capsys.readouterr()
    assert main(["opt", str(_apv(model)), "-p", "apv-share{stats=true}"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == out.count("apv.sum")
    assert sum(int(line.split("additions ")[1].split(" -> ")[1].split(",")[0]) for line in lines) == after


def test_stats_of_a_whole_program_say_what_a_sample_takes(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(BUNDLED / "digits_mlp_qdq.onnx")
    assert main(["compile", model, "-o", "mlp.camx", "--stats"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("one sample: ")]
    network = load(Path("mlp.camx"))
    result = Executor(network).run({"image": np.full((1, 1, 8, 8), 0.5)})
    cycles = sum(run.counts.cycles for run in result.segments)
    size = sum(len(code) for program in network.programs for code in program.codes)
    assert f"{size // 16:,} instructions ({size:,} bytes), {cycles:,} cycles" in line


def _apv(model: str) -> Path:
    path = Path("apv.mlir")
    assert main(["compile", model, "--stop-after", "apv-split", "-o", str(path)]) == 0
    return path


def test_effort() -> None:
    """-O sets the options of passes that the pipeline doesn't set itself."""
    for level in range(4):
        assert [item.effort for item in parse_passes("default", level) if item.name == "apv-share"] == [level]  # type: ignore[attr-defined]
    assert [item.effort for item in parse_passes("apv-share{effort=1}", 3)] == [1]  # type: ignore[attr-defined]
    without = "convert-ternary-to-apv,rtm-order-tracks,convert-rtm-to-ap"
    assert parse_passes(without, 3) == parse_passes(without)
    assert all(len(levels) == 4 for levels in EFFORTS.values())
    with pytest.raises(PipelineError, match="apv-share"):
        parse_passes("apv-share{effort=x}", 1)


def test_more_effort_costs_fewer_cycles(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[int] = []
    for level in ("-O0", "-O2"):
        model = str(BUNDLED / "digits_mlp_qdq.onnx")
        assert main(["compile", model, level, "--stop-after", "apv-share", "--stats"]) == 0
        total = [line.split() for line in capsys.readouterr().err.splitlines() if line.strip().startswith("total")]
        found.append(int(total[-1][7].replace(",", "")))
    assert found[1] < found[0]


def test_date24_computes_the_same_at_more_cost() -> None:
    image = np.load(BUNDLED / "digits_cnn_test.npz")["image"][:2]
    runs = {}
    for name in ("default", "date24"):
        module, target = compile_file(BUNDLED / "digits_cnn_qdq.onnx", pipeline=name)
        runs[name] = of_module(module, target, "native").run({"image": image})
    assert np.array_equal(runs["default"].outputs["logits"], runs["date24"].outputs["logits"])
    cycles = {name: sum(segment.counts.cycles for segment in run.segments) for name, run in runs.items()}
    assert cycles["default"] < 0.9 * cycles["date24"]


def test_the_benchmark_of_pipelines() -> None:
    root = Path(__file__).parents[1]
    script, model = root / "benchmarks" / "pipelines.py", BUNDLED / "digits_mlp_qdq.onnx"
    arguments = [sys.executable, str(script), str(model), "date24", "unshared", "default", "--samples", "2"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert rows["date24"].count("(1.000)") == 7
    additions, steps, cycles = 1, 3, 7
    for column in (additions, steps, cycles):
        assert int(rows["default"][column].replace(",", "")) < int(rows["date24"][column].replace(",", ""))
    assert int(rows["default"][additions].replace(",", "")) < int(rows["unshared"][additions].replace(",", ""))
    assert "the same to the bit" in done.stdout


# Ctrl-C.

NATIVE = """
import signal, sys, time
from pathlib import Path
import numpy as np
import cam_compiler.commands.targets
from passes.adder_graphs.kernel_groups import Options, choose
from dialects.support.ranges import Range

def long(options):
    Path("started").touch()
    matrix = np.random.default_rng(0).integers(-1, 2, size=(256, 4608))
    choose(matrix, [Range(0, 15)] * 4608, Options(10**6, 3))

cam_compiler.commands.targets.run = long
# A job in the background starts with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from cam_compiler.cli import main
sys.exit(main(["targets"]))
"""
PYTHON = NATIVE.replace("    matrix", "    time.sleep(60)\n    matrix")


@pytest.mark.parametrize("script", [NATIVE, PYTHON], ids=["native", "python"])
def test_interrupt(script: str, tmp_path: Path) -> None:
    running = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    while not Path("started").exists() and running.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.strip() == "camc: interrupted"


def test_reports_on_narrow_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut off: counts and energies stand one below the other, in as many tables as it takes."""
    np.save("x.npy", np.load(BUNDLED / "digits_mlp_test.npz")["image"][:2])
    monkeypatch.setattr("cam_compiler.terminal.streams.console", lambda **_: Console(width=80))
    assert main(["run", str(BUNDLED / "digits_mlp_qdq.onnx"), "--input", "x.npy"]) == 0
    out = capsys.readouterr().out
    # Layers and operations in three tables each.
    assert sum(bool(re.match(r" total +\d", line)) for line in out.splitlines()) == 6
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
