"""Counts: what follows from code alone is what the simulators count; each parameter changes what it prices."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from camc_testing import random_loop, random_target, whole_memory
from engine_fuzz import INPUTS, ROWS, random_inputs

from dialects.machine.code import encode
from dialects.machine.isa import Instruction
from dialects.machine.program import Program, Segment
from dialects.machine.target import Target
from dialects.support.errors import InputError
from runtime.cost.counts import Counts, Traced, counts_on, static_counts
from runtime.cost.report import COMPONENTS, Report, make_report
from runtime.cost.technology import Parameter, Technology, load_technology
from runtime.engines import golden
from runtime.network import Call, Network
from runtime.result import Result, SegmentRun, expected_runs, joined


def random_program(rng: np.random.Generator, target: Target, rows: int) -> Program:
    """Legal loops in several segments, one of which is empty; the last one reads out every bit of the memory."""
    segments: list[list[Instruction]] = [[], whole_memory(target.geometry, 2)]
    for _ in range(int(rng.integers(1, 4))):
        loops = [random_loop(rng, target.geometry, INPUTS, 2) for _ in range(int(rng.integers(1, 8)))]
        segments.insert(0, [item for loop in loops for item in loop])
    named = tuple(Segment(f"layer {number}", encode(code)) for number, code in enumerate(segments))
    return Program(named, (INPUTS,), (2 + len(segments[-1]),), rows)


@pytest.mark.parametrize("seed", range(12))
def test_static_counts_are_those_of_the_golden_simulator(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = random_target(rng)
    program = random_program(rng, target, rows=1)
    static = static_counts(program, target.columns, target.domains)
    for rows in rng.choice(ROWS, size=3).tolist():
        [(_, counted)] = golden.run(target, [(program, [random_inputs(rng, rows).T])])
        assert [counts.with_traced(None) for counts in counted] == [counts_on(each, rows, target) for each in static]


def small_network(seed: int = 3) -> Network:
    """Three programs of several rows per sample, on few small arrays."""
    rng = np.random.default_rng(seed)
    target = replace(random_target(rng), rows=20, columns=9, domains=24, arrays=2)
    programs = [random_program(rng, target, rows) for rows in (1, 7, 30)]
    calls = tuple(Call((), (f"value {number}",), program) for number, program in enumerate(programs))
    return Network(target, (), calls, (), 1)


def retraced(run: SegmentRun, traced: Traced | None) -> SegmentRun:
    return run._replace(counts=run.counts.with_traced(traced))


def traced_result(network: Network, samples: int) -> Result:
    """What a run would give, with made-up counts of what depends on the data."""
    runs = enumerate(expected_runs(network, samples))
    return Result(segments=[retraced(run, Traced(7 * number + 3, number)) for number, run in runs], samples=samples)


def test_parts_of_a_batch_are_joined_exactly() -> None:
    network = small_network()
    parts = [traced_result(network, size).segments for size in (5, 1, 6)]
    whole = enumerate(expected_runs(network, 12))
    expected = [retraced(run, Traced(3 * (7 * number + 3), 3 * number)) for number, run in whole]
    assert joined(network, 12, parts) == expected
    unknown = [retraced(run, None) for run in parts[0]]
    assert all(run.counts.traced is None for run in joined(network, 10, [unknown, parts[0]]))
    with pytest.raises(InputError, match="not traced"):
        make_report(Result(segments=unknown, samples=5), network, load_technology("rtsim"))


@pytest.mark.parametrize("batch", [None, 5])
def test_components_sum_to_totals_and_layers_to_the_network(batch: int | None) -> None:
    network = small_network()
    report = make_report(traced_result(network, 12), network, load_technology("rtsim"), batch=batch)
    assert len(report.layers) == sum(len(program.segments) for program in network.programs)
    for name in COMPONENTS:
        assert report.total.energy_fj[name] == pytest.approx(sum(layer.energy_fj[name] for layer in report.layers))
        assert report.total.energy_fj[name] > 0
    for layer in (*report.layers, report.total):
        assert layer.total_fj == pytest.approx(sum(layer.energy_fj[name] for name in COMPONENTS))
    assert report.total.latency_ns == pytest.approx(sum(layer.latency_ns for layer in report.layers))
    assert [layer.name for layer in report.by_layer] == list(dict.fromkeys(layer.name for layer in report.layers))
    for layer in report.by_layer:
        parts = [part for part in report.layers if part.name == layer.name]
        assert layer.counts == sum((part.counts for part in parts), Counts())
        assert layer.total_fj == pytest.approx(sum(part.total_fj for part in parts))
        assert layer.latency_ns == pytest.approx(sum(part.latency_ns for part in parts))
    assert len(report.by_layer) < len(report.layers)
    sums = {name: sum(asdict(layer.counts)[name] for layer in report.layers) for name in asdict(Counts())}
    assert asdict(report.total.counts) == sums


ENERGY_OF = {
    "search_fj_per_bit": "search",
    "write_fj_per_bit": "write",
    "shift_fj_per_bit": "shift",
    "move_fj_per_bit": "move",
    "fetch_fj_per_bit": "fetch",
    "broadcast_fj_per_bit": "fetch",
}
"""the component that a parameter prices; parameters that aren't here are times"""


@pytest.mark.parametrize("name", load_technology("rtsim").parameters)
def test_doubling_a_parameter_changes_what_it_prices_and_nothing_else(name: str) -> None:
    """Twice the parameter adds what the parameter alone comes to, to one component or to the latency."""
    network = small_network()
    result = traced_result(network, 12)
    technology = load_technology("rtsim")

    def priced(factors: dict[str, float]) -> Report:
        return make_report(result, network, scaled(technology, factors), batch=5)

    once, twice = priced({}), priced({name: 2.0})
    alone = priced(dict.fromkeys(technology.parameters, 0.0) | {name: 1.0})
    for before, after, part in zip(
        [*once.layers, once.total], [*twice.layers, twice.total], [*alone.layers, alone.total], strict=True
    ):
        for field in ("counts", "rows", "arrays", "rounds", "row_utilisation"):
            assert getattr(after, field) == getattr(before, field)
        for component in COMPONENTS:
            share = part.energy_fj[component]
            assert (share > 0) <= (component == ENERGY_OF.get(name))
            assert after.energy_fj[component] == pytest.approx(before.energy_fj[component] + share, rel=1e-12)
        assert (part.latency_ns > 0) <= (name not in ENERGY_OF)
        assert after.latency_ns == pytest.approx(before.latency_ns + part.latency_ns, rel=1e-12)
    assert (alone.total.total_fj > 0) == (name in ENERGY_OF)
    assert (alone.total.latency_ns > 0) == (name not in ENERGY_OF)


def scaled(technology: Technology, factors: dict[str, float]) -> Technology:
    """The technology with some numbers multiplied."""
    parameters: dict[str, Parameter] = {}
    for name, entry in technology.parameters.items():
        parameters[name] = replace(entry, value=entry.value * factors.get(name, 1.0))
    return replace(technology, parameters=parameters)
