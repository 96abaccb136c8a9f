"""Schedules: nothing is used twice at a time, nothing begins too early, and events add up to the report."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cam_compiler.cli import main
from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module
from cam_compiler.validation import edge_inputs
from dialects.machine.target import Target
from runtime.cost.report import make_report
from runtime.cost.schedule import MODES, Mode, Schedule, Task, schedule, schedule_of
from runtime.cost.technology import load_technology

CNN = Path(__file__).parents[1] / "cam_compiler" / "bundled" / "digits_cnn_qdq.onnx"


@st.composite
def graphs(draw: st.DrawFn) -> list[Task]:
    size = draw(st.integers(1, 9))
    return [
        Task(
            f"t{number}",
            float(draw(st.integers(0, 5))),
            draw(st.integers(1, 4)),
            tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else (),
        )
        for number in range(size)
    ]


def check(found: Schedule, tasks: list[Task], target: Target, batches: int) -> None:
    """Every task runs once for each batch, after what it waits for, and no array or stream is used twice."""
    ran = {(event.task, event.batch): event for event in found.events}
    assert len(found.events) == len(ran) == len(tasks) * batches
    for event in found.events:
        task = tasks[event.task]
        assert event.end_ns == event.begin_ns + task.duration_ns
        assert all(ran[other, event.batch].end_ns <= event.begin_ns for other in task.waits_for)
        assert not event.batch or ran[event.task, event.batch - 1].end_ns <= event.begin_ns
    by_stream: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for event in found.events:
        by_stream[event.stream].append((event.begin_ns, event.end_ns))
    for spans in by_stream.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    for moment in {event.begin_ns for event in found.events}:
        busy = [event for event in found.events if event.begin_ns <= moment < event.end_ns]
        assert sum(tasks[event.task].arrays for event in busy) <= found.arrays <= target.arrays
        assert len(busy) <= found.streams <= target.instruction_streams


@given(tasks=graphs(), arrays=st.integers(4, 12), streams=st.integers(1, 5), batches=st.integers(1, 4))
def test_random_graphs_keep_the_rules_in_every_mode(tasks: list[Task], arrays: int, streams: int, batches: int) -> None:
    target = Target("t", arrays=arrays, instruction_streams=streams)
    total = sum(task.duration_ns for task in tasks)
    found = {mode: schedule(tasks, target, mode, batches) for mode in MODES}
    for mode in MODES:
        check(found[mode], tasks, target, batches)
    assert found["serial"].ends_ns == pytest.approx([total * (batch + 1) for batch in range(batches)])
    assert found["parts"].latency_ns <= total
    # With one stream there is nothing that a batch could overlap with.
    one = schedule(tasks, replace(target, instruction_streams=1), "parts", batches)
    assert one.ends_ns == pytest.approx(found["serial"].ends_ns)


def test_a_full_pipeline_takes_as_long_as_its_slowest_task() -> None:
    chain = [Task("a", 3.0, 1, ()), Task("b", 7.0, 2, (0,)), Task("c", 2.0, 1, (1,))]
    wide = schedule(chain, Target("t", arrays=8, instruction_streams=8), "pipeline", 8)
    assert (wide.latency_ns, wide.interval_ns, wide.arrays, wide.streams) == (12.0, 7.0, 4, 3)
    narrow = schedule(chain, Target("t", arrays=2, instruction_streams=8), "pipeline", 8)
    # `b` takes both arrays, so that `a` and `c` run beside each other at best.
    assert narrow.interval_ns == 7.0 + 3.0


@pytest.mark.parametrize("mode", MODES)
def test_a_schedule_of_a_network_adds_up_to_its_report(mode: Mode) -> None:
    module, target = compile_file(CNN)
    executor = of_module(module, target, "native")
    report = make_report(
        executor.run(edge_inputs(module, samples=4)), executor.network, load_technology("rtsim"), batch=2
    )
    found = schedule_of(executor.network, report, mode)
    first = [event for event in found.events if event.batch == 0]
    assert sum(event.end_ns - event.begin_ns for event in first) == pytest.approx(
        report.total.latency_ns / report.batches
    )
    assert len(first) == len(executor.network.programs)
    assert found.samples == 2
    if mode == "serial":
        assert found.latency_ns == pytest.approx(report.total.latency_ns / report.batches)
    else:
        assert found.interval_ns < report.total.latency_ns / report.batches
    check(found, list(found.tasks), target, len(found.ends_ns))


def test_run_prints_and_writes_a_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    np.save(tmp_path / "x.npy", np.zeros((1, 1, 8, 8), dtype=np.float32))
    given_ = ["run", str(CNN), "--input", str(tmp_path / "x.npy"), "-q"]
    trace, report = tmp_path / "t.json", tmp_path / "r.json"
    assert main([*given_, "--schedule", "parts", "--trace", str(trace), "--report", str(report)]) == 0
    assert "schedule parts: a sample in " in capsys.readouterr().out
    events = json.loads(trace.read_text())["traceEvents"]
    written = json.loads(report.read_text())
    assert max(event["ts"] + event["dur"] for event in events) == pytest.approx(
        written["schedule"]["latency_ns"] / 1000
    )
    assert main([*given_, "--trace", str(trace)]) == 1
    assert "add --schedule" in capsys.readouterr().err
