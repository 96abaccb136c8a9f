"""Schedules: nothing is used twice at a time, nothing begins too early, and events add up to the report."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_network
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.cli import main
from cam_compiler.compile import compile_file
from cam_compiler.execution import of_module
from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from cam_compiler.validation import edge_inputs
from dialects.machine.target import Target, load_target
from dialects.support.errors import ModelError
from runtime.cost.report import Report, make_report
from runtime.cost.schedule import MODES, Mode, Schedule, Stored, machine_of, schedule, schedule_of
from runtime.cost.scheduled import energy_fj, leakage_fj, power_w
from runtime.cost.scheduler import Machine, Task
from runtime.cost.sizes import buffer_bits
from runtime.cost.technology import load_technology
from runtime.network import Network

CNN = Path(__file__).parents[1] / "cam_compiler" / "bundled" / "digits_cnn_qdq.onnx"
WIDE = Machine(arrays=100, streams=100, bits_per_ns=1e9, overlap=False)


@st.composite
def graphs(draw: st.DrawFn) -> list[Task]:
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, 9))):
        move = float(draw(st.integers(0, 4)))
        waits = tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else ()
        bits = draw(st.integers(0, 50)) if move else 0
        compute = float(draw(st.integers(0, 5)))
        fetched = draw(st.integers(0, 50)) if move or compute else 0
        tasks.append(Task(f"t{number}", compute, move, bits, draw(st.integers(1, 4)), waits, fetched, fetched / 2))
    return tasks


machines = st.builds(
    Machine,
    arrays=st.integers(4, 12),
    streams=st.integers(1, 5),
    bits_per_ns=st.sampled_from([1.0, 7.5, 40.0, float("inf")]),
    overlap=st.booleans(),
    offchip_bits_per_ns=st.sampled_from([0.5, 6.0, float("inf")]),
)


def check(found: Schedule) -> None:
    """Every task runs once for each batch, after what it waits for; arrays, streams and buffer aren't overcommitted."""
    tasks, machine, batches = found.tasks, found.machine, len(found.ends_ns)
    ran = {(event.task, event.batch): event for event in found.events}
    assert len(found.events) == len(ran) == len(tasks) * batches
    for event in found.events:
        alone = tasks[event.task].duration_ns(machine.overlap)
        assert event.end_ns - event.begin_ns >= alone * (1 - 1e-9)
        assert all(ran[other, event.batch].end_ns <= event.begin_ns for other in tasks[event.task].waits_for)
        assert not event.batch or ran[event.task, event.batch - 1].end_ns <= event.begin_ns
    by_stream, by_array = (defaultdict[int, list[tuple[float, float]]](list) for _ in range(2))
    for event in found.events:
        arrays = [number for first, end in event.arrays for number in range(first, end)]
        assert len(arrays) == len({*arrays}) == tasks[event.task].arrays
        for uses in (by_stream[event.stream], *(by_array[number] for number in arrays)):
            uses.append((event.begin_ns, event.end_ns))
    assert max(by_stream) < machine.streams
    assert max(by_array) + 1 == found.arrays <= machine.arrays
    for spans in (*by_stream.values(), *by_array.values()):
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    for moment in {event.begin_ns for event in found.events}:
        busy = [event for event in found.events if event.begin_ns <= moment < event.end_ns]
        assert sum(tasks[event.task].arrays for event in busy) <= found.arrays
        assert len(busy) <= found.streams <= machine.streams
        assert len({event.batch for event in busy}) <= found.in_flight
        check_memories(found, moment)
    for bound in found.bounds_ns.values():
        assert found.ends_ns[-1] >= batches * bound * (1 - 1e-9)


def check_memories(found: Schedule, begin: float) -> None:
    """From a moment on until any other, what runs between the two moves and fetches no more bits than can be."""
    machine, tasks = found.machine, found.tasks
    for end in {event.end_ns for event in found.events}:
        inside = [tasks[event.task] for event in found.events if begin <= event.begin_ns and event.end_ns <= end]
        for bits, most in (("moved_bits", machine.bits_per_ns), ("offchip_bits", machine.offchip_bits_per_ns)):
            asked = sum(getattr(task, bits) for task in inside)
            assert not asked or asked <= (end - begin) * most * (1 + 1e-9)


@given(tasks=graphs(), machine=machines)
def test_random_graphs_keep_the_rules_in_every_mode(tasks: list[Task], machine: Machine) -> None:
    found = {mode: schedule(tasks, machine, mode) for mode in MODES}
    for each in found.values():
        check(each)
    total = sum(task.duration_ns(machine.overlap) for task in tasks)
    if machine.bits_per_ns == machine.offchip_bits_per_ns == float("inf"):
        for event in (event for each in found.values() for event in each.events):
            assert event.end_ns == event.begin_ns + tasks[event.task].duration_ns(machine.overlap)
        assert found["serial"].latency_ns == pytest.approx(total)
        assert found["parts"].latency_ns <= total * (1 + 1e-9)
    # With one stream there is nothing that a batch could overlap with.
    one = schedule(tasks, machine._replace(streams=1), "parts")
    assert one.ends_ns == pytest.approx(found["serial"].ends_ns)


def test_a_full_pipeline_takes_as_long_as_its_slowest_task() -> None:
    chain = [Task("a", 3.0, 0.0, 0, 1, ()), Task("b", 7.0, 0.0, 0, 2, (0,)), Task("c", 2.0, 0.0, 0, 1, (1,))]
    wide = schedule(chain, WIDE, "pipeline")
    assert (wide.latency_ns, wide.interval_ns, wide.arrays, wide.streams) == (12.0, 7.0, 3, 2)
    # Two batches under way: one more would only wait for `b`.
    assert (wide.in_flight, wide.full_latency_ns, wide.resident_arrays, wide.bound) == (2, 14.0, 4, "slowest program")
    narrow = schedule(chain, WIDE._replace(arrays=2), "pipeline")
    # `b` takes both arrays, so that `a` and `c` run beside each other at best.
    assert narrow.interval_ns == 7.0 + 3.0
    assert narrow.bound == "arrays"


def test_moves_share_the_buffer() -> None:
    """Two programs of 10 ns computing and 10 ns moving 100 bits each."""
    two = [Task(name, 10.0, 10.0, 100, 1, ()) for name in "ab"]

    def latency(bits_per_ns: float, overlap: bool) -> float:
        return schedule(two, WIDE._replace(bits_per_ns=bits_per_ns, overlap=overlap), "parts").latency_ns

    # One after another each moves 5 bits per ns on average, at the same time 10.
    assert (latency(20, False), latency(20, True)) == (20.0, 10.0)
    assert (latency(10, False), latency(10, True)) == (20.0, pytest.approx(20.0))
    # 200 bits at 4 per ns take 50 ns, however they are spread.
    assert (latency(4, False), latency(4, True)) == (pytest.approx(50.0), pytest.approx(50.0))


def test_who_is_left_moves_faster_again() -> None:
    """`a` moves 100 bits and `b` 200, at 10 bits per ns each alone; the buffer moves 10 in all."""
    tasks = [Task("a", 0.0, 10.0, 100, 1, ()), Task("b", 0.0, 20.0, 200, 1, ())]
    found = schedule(tasks, WIDE._replace(bits_per_ns=10.0), "parts")
    # Both at half the rate until `a` ends; the last 100 bits of `b` at the whole one.
    assert sorted(event.end_ns for event in found.events) == pytest.approx([20.0, 30.0])


def test_streams_share_the_memory_off_the_chip() -> None:
    """`a` and `b` fetch 100 and 300 bits in 10 ns each, `c` none; the memory gives 20 bits per ns."""
    tasks = [Task(name, 10.0, 0.0, 0, 1, (), 400, bits) for name, bits in (("a", 100), ("b", 300), ("c", 0))]
    machine = WIDE._replace(offchip_bits_per_ns=20.0)
    found = schedule(tasks, machine, "parts")
    # Both that fetch take twice as long.
    assert [event.end_ns for event in found.events] == [pytest.approx(20.0), pytest.approx(20.0), 10.0]
    # One after another, `b` alone asks for more than there is.
    assert schedule(tasks, machine, "serial").latency_ns == pytest.approx(10 + 15 + 10)
    pipeline = schedule(tasks, machine, "pipeline")
    assert (pipeline.bound, pipeline.interval_ns) == ("memory off the chip", pytest.approx(20.0))
    assert pipeline.offchip_bits_per_ns == pytest.approx(20.0)


def reported(module: ModuleOp, target: Target) -> tuple[Network, Report]:
    """Two batches of two samples."""
    executor = of_module(module, target, "native")
    result = executor.run(edge_inputs(module, samples=4))
    return executor.network, make_report(result, executor.network, load_technology("rtsim"), batch=2)


def check_network(network: Network, report: Report, mode: Mode) -> Schedule:
    """The events of a schedule are the programs of the report, with its times and bits."""
    found, target = schedule_of(network, report, mode), report.target
    check(found)
    first = [event for event in found.events if event.batch == 0]
    assert len(first) == len(network.programs)
    assert found.samples == report.batches == 2
    times = sum(event.end_ns - event.begin_ns for event in first)
    assert times == pytest.approx(report.total.latency_ns / 2)
    assert sum(task.moved_bits for task in found.tasks) == report.total.counts.moved_row_bits / 2
    assert max(task.arrays for task in found.tasks) == min(report.total.arrays, target.arrays)
    fetched = report.total.priced["offchip_bits"] / 2
    assert sum(task.offchip_bits for task in found.tasks) == pytest.approx(fetched)
    if mode == "serial":
        assert found.latency_ns == pytest.approx(report.total.latency_ns / 2)
    check_leakage(found, report)
    assert found.buffer_bits >= max(item.bits for item in found.stored)
    return found


def check_leakage(found: Schedule, report: Report) -> None:
    """One program after another leaks what the report says; arrays and controllers leak the same in every schedule,
    and what is on all the time leaks less the sooner the next batch follows."""
    leaking = {name: replace(entry, value=7.0) for name, entry in report.technology.parameters.items() if "_uw" in name}
    technology = replace(report.technology, parameters={**report.technology.parameters, **leaking})
    leaky = replace(report, pricing=replace(report.pricing, technology=technology))
    by_block, serial = leakage_fj(found, technology), report.total.latency_ns / 2
    arrays = 7 * report.total.priced["array_ns"] / 2
    # A program holds its arrays in its last round, too, in which it uses some of them.
    assert by_block["arrays"] == pytest.approx(arrays) if report.total.rounds == 1 else by_block["arrays"] >= arrays
    assert by_block["controllers"] == pytest.approx(7 * serial)
    assert by_block["buffer"] == by_block["instruction memory"] == pytest.approx(7 * found.interval_ns)
    assert (by_block["buffer"] < 7 * serial * (1 - 1e-9)) == (found.interval_ns < serial * (1 - 1e-9))
    energy = energy_fj(found, leaky)
    assert energy["leakage"] == pytest.approx(sum(by_block.values()) / 2)
    assert energy["write"] == report.total.energy_fj["write"] / 4
    assert power_w(found, leaky) == pytest.approx(sum(energy.values()) * 2 / found.interval_ns * 1e-6)


def test_a_schedule_of_a_network_adds_up_to_its_report() -> None:
    network, report = reported(*compile_file(CNN))
    for mode in MODES:
        found = check_network(network, report, mode)
        serial = sum(task.duration_ns(False) for task in found.tasks)
        assert found.interval_ns < serial or mode == "serial"
        # One program after another holds what the report says; several batches hold more.
        held = buffer_bits(network) * 2
        assert found.buffer_bits == held if mode == "serial" else found.buffer_bits >= held


def test_schedules_of_random_networks_add_up_to_their_reports() -> None:
    """On few small arrays, so that programs wait for arrays and arrays are used in turn."""
    target = replace(load_target("small"), rows=16, domains=48, arrays=5, instruction_streams=3)
    scheduled = 0
    for seed in range(12):
        try:
            module = import_model(random_network(random.Random(seed))[0])
        except ModelError:
            continue
        run_passes(module, parse_passes("default"), target)
        scheduled += len(check_network(*reported(module, target), MODES[seed % 3]).tasks)
    assert scheduled > 30


def test_tensors_lie_in_the_buffer_until_they_are_read() -> None:
    """An input of 5 bits for `a`, which stores 7 for `b` and `c`; `b` stores 11 for `c`."""
    tasks = [Task("a", 3.0, 0.0, 0, 1), Task("b", 4.0, 0.0, 0, 1, (0,)), Task("c", 2.0, 0.0, 0, 1, (0, 1))]
    stored = (Stored(5, None, (0,)), Stored(7, 0, (1, 2)), Stored(11, 1, (2,)), Stored(1, 2, ()))
    serial, pipeline = (replace(schedule(tasks, WIDE, mode), stored=stored) for mode in ("serial", "pipeline"))
    assert serial.buffer_bits == 7 + 11 + 1
    # While `c` works on a batch, `b` does on the next one, and before `b` begins with it `a` has ended.
    assert (pipeline.in_flight, pipeline.interval_ns) == (3, 4.0)
    assert pipeline.buffer_bits == (7 + 11 + 1) + (7 + 11) + (5 + 7)


def test_a_targets_machine_has_its_arrays_streams_and_buffer() -> None:
    target = Target("t", arrays=3, instruction_streams=2, shared_buffer_bits_per_cycle=64, moves_overlap=True)
    # The buffer's port is clocked at 1 GHz.
    assert machine_of(target, load_technology("rtsim")) == Machine(3, 2, 64.0, True, offchip_bits_per_ns=2048)


def test_run_prints_and_writes_a_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    np.save(tmp_path / "x.npy", np.zeros((1, 1, 8, 8), dtype=np.float32))
    given_ = ["run", str(CNN), "--input", str(tmp_path / "x.npy"), "-q"]
    trace, report = tmp_path / "t.json", tmp_path / "r.json"
    assert main([*given_, "--schedule", "parts", "--trace", str(trace), "--report", str(report)]) == 0
    shown = capsys.readouterr().out
    assert "schedule parts, rtsim: a sample in " in shown and "bound by the longest chain of programs" in shown
    assert "from off the chip: 0 GB/s on average, of 256 at most" in shown and "leakage not priced" in shown
    events = json.loads(trace.read_text())["traceEvents"]
    written = json.loads(report.read_text())["schedule"]
    programs, counts, names = ([event for event in events if event["ph"] == kind] for kind in "XCM")
    assert max(event["ts"] + event["dur"] for event in programs) == pytest.approx(written["latency_ns"] / 1000)
    assert max(event["args"]["in use"] for event in counts) == written["arrays"]
    assert counts[-1]["args"]["in use"] == 0 and counts == sorted(counts, key=lambda event: event["ts"])
    assert len(names) == 1 + written["instruction_streams"]
    assert main([*given_, "--trace", str(trace)]) == 1
    assert "add --schedule" in capsys.readouterr().err
