"""Nothing is lost between counts, layers, components and schedules, and data changes nothing but what it writes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network
from xdsl.dialects.builtin import ModuleOp

from cam_compiler.execution import of_module
from cam_compiler.importer import import_model
from cam_compiler.pipeline import counting, parse_passes, run_passes
from cam_compiler.validation import edge_inputs
from dialects.machine.target import Target, load_target
from dialects.support.errors import ModelError
from runtime.cost.counts import Traced
from runtime.cost.report import COMPONENTS, Report, make_report
from runtime.cost.schedule import MODES, schedule_of, tasks_of
from runtime.cost.technology import load_technology
from runtime.network import Network
from runtime.result import Result, SegmentRun, expected_runs
from runtime.values import Value

CNN = Path(__file__).parents[1] / "cam_compiler" / "bundled" / "digits_cnn_qdq.onnx"
MLP = CNN.with_name("digits_mlp_qonnx.onnx")
SMALL = replace(load_target("small"), rows=16, domains=48, arrays=5)
SAMPLES, BATCH = 5, 2


def networks() -> list[tuple[ModuleOp, Target]]:
    """The bundled network with residual sums and pooling, one that is counted, random ones that use arrays in turn."""
    found = [(import_model(CNN), load_target("default")), (import_model(MLP), load_target("counting"))]
    for seed in range(40, 50):
        try:
            found.append((import_model(random_network(random.Random(seed))[0]), SMALL))
        except ModelError:
            continue
    assert len(found) > 5
    return found


def compiled(module: ModuleOp, target: Target) -> ModuleOp:
    run_passes(module, parse_passes(counting("default", "count" if target.counter else "code")), target)
    return module


def other_data(given: Mapping[str, Value]) -> dict[str, Value]:
    """Inputs of the same types, zero everywhere."""
    return {name: np.zeros_like(value) for name, value in given.items()}


def reported(result: Result, network: Network) -> Report:
    return make_report(result, network, load_technology("rtsim"), batch=BATCH, operations=True)


def check_sums(report: Report) -> None:
    """Components sum to totals, operations to layers, and layers, in their order or by name, to the network."""
    for layers in (report.layers, report.by_layer):
        for name in COMPONENTS:
            assert report.total.energy_fj[name] == pytest.approx(sum(layer.energy_fj[name] for layer in layers))
        for name, count in asdict(report.total.counts).items():
            assert count == sum(asdict(layer.counts)[name] for layer in layers), name
        assert report.total.total_fj == pytest.approx(sum(layer.total_fj for layer in layers))
        assert report.total.latency_ns == pytest.approx(sum(layer.latency_ns for layer in layers))
    for layer in (*report.layers, report.total):
        assert layer.total_fj == pytest.approx(sum(layer.energy_fj.values()))
    for layer, shares in zip(report.layers, report.operations, strict=True):
        for name in COMPONENTS:
            assert layer.energy_fj[name] == pytest.approx(sum(share.energy_fj[name] for share in shares.values()))
        for name, count in layer.priced.items():
            assert count == pytest.approx(sum(share.priced[name] for share in shares.values())), name
        assert layer.latency_ns == pytest.approx(sum(share.latency_ns for share in shares.values()))


def check_data(report: Report, other: Report) -> None:
    """What another run on as many samples may change."""
    for layer, changed in zip(report.layers, other.layers, strict=True):
        assert changed.counts.with_traced(None) == layer.counts.with_traced(None)
        assert changed.latency_ns == layer.latency_ns
        assert {name for name in COMPONENTS if changed.energy_fj[name] != layer.energy_fj[name]} <= {"write"}


def check_schedules(report: Report, network: Network) -> None:
    """Whole batches of any mode move, fetch and take what the report says that one batch does."""
    tasks = tasks_of(network, report.technology, BATCH, report.pricing.program_bytes)
    whole = reported(Result(segments=traced(network, BATCH), samples=BATCH), network)
    assert sum(task.moved_bits for task in tasks) == whole.total.counts.moved_row_bits
    assert sum(task.fetched_bits for task in tasks) == whole.total.priced["streamed_bits"]
    assert sum(task.duration_ns(False) for task in tasks) == pytest.approx(whole.total.latency_ns)
    for mode in MODES:
        found = schedule_of(network, report, mode)
        assert found.tasks == tuple(tasks)
        spent = sum(event.end_ns - event.begin_ns for event in found.events)
        assert spent == pytest.approx(len(found.ends_ns) * whole.total.latency_ns)
        if mode == "serial":
            assert found.latency_ns == pytest.approx(whole.total.latency_ns)


def traced(network: Network, samples: int) -> list[SegmentRun]:
    """The runs of so many samples, as if nothing had been written."""
    runs = expected_runs(network, samples)
    return [run._replace(counts=run.counts.with_traced(Traced(0, 0))) for run in runs]


def test_counts_energies_times_and_schedules_add_up() -> None:
    programs = 0
    for module, target in networks():
        given = edge_inputs(module, SAMPLES)
        executor = of_module(compiled(module, target), target, "native")
        network = executor.network
        if not network.programs:
            continue
        result, other = executor.run(given), executor.run(other_data(given))
        untraced = of_module(module, target, "native", trace=False).run(given)
        static = [run.counts.with_traced(None) for run in result.segments]
        assert static == [run.counts for run in expected_runs(network, SAMPLES)]
        assert static == [run.counts for run in untraced.segments]
        report = reported(result, network)
        check_sums(report)
        check_data(report, reported(other, network))
        check_schedules(report, network)
        programs += len(network.programs)
    assert programs > 40
