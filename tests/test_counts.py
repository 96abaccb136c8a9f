"""Counts: what follows from code alone is what the simulators count; each parameter changes what it prices."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
from camc_testing import random_loop, random_target, whole_memory
from engine_fuzz import INPUTS, ROWS, random_inputs

from dialects.machine.code import decode, encode
from dialects.machine.isa import Instruction, Op
from dialects.machine.program import Program, Segment
from dialects.machine.target import Target
from dialects.support.errors import InputError
from runtime.cost.counts import (
    OPERATIONS,
    Counts,
    Traced,
    counts_on,
    operation_counts,
    operation_of,
    static_counts,
)
from runtime.cost.prices import COMPONENTS, active_rows, price
from runtime.cost.report import make_report
from runtime.cost.technology import Parameter, Technology, kinds, load_technology
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
        for counts in counted:
            written, _, *by_operation = counts.traced or Traced(-1, -1)
            assert sum(by_operation) == written


@pytest.mark.parametrize("seed", range(6))
def test_operations_sum_to_segments_and_hold_what_their_instructions_take(seed: int) -> None:
    """Shares of a bit loop add up; an instruction that is a loop, alone in its segment, has all counts of that."""
    rng = np.random.default_rng(seed)
    target = random_target(rng)
    program = random_program(rng, target, rows=1)
    size = (target.columns, target.domains)
    for whole, shares in zip(static_counts(program, *size), operation_counts(program, *size), strict=True):
        assert [sum(numbers) for numbers in zip(*shares.values(), strict=True)] == list(whole if shares else [])
        assert shares or not any(whole)
    single = [item._replace(last=True, start=0) for segment in program.segments for item in decode(segment.code)]
    parts = Program(tuple(Segment("", encode([item])) for item in single), (INPUTS,), program.outputs, 1)
    expected: dict[str, Counter[str]] = {}
    for item, counts in zip(single, static_counts(parts, *size), strict=True):
        expected.setdefault(operation_of(item.op), Counter()).update(counts._asdict())
    joined = replace(parts, segments=(Segment("", encode(single)),))
    [found] = operation_counts(joined, *size)
    assert {name: Counter(counts._asdict()) for name, counts in found.items()} == expected


def test_every_instruction_is_for_something() -> None:
    assert {operation_of(op) for op in Op} == OPERATIONS.keys()
    assert {f"written_by_{name}" for name in OPERATIONS if name != "stores"} | {"written_by_others"} == {
        *Traced._fields[2:]
    }


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
    report = make_report(traced_result(network, 12), network, priced_everywhere(), batch=batch)
    assert len(report.layers) == sum(len(program.segments) for program in network.programs)
    for name in COMPONENTS:
        assert report.total.energy_fj[name] == pytest.approx(sum(layer.energy_fj[name] for layer in report.layers))
        # This machine has no counter of tags.
        assert (report.total.energy_fj[name] > 0) == (name != "count")
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


CHANGES = {
    "search": "search_fj_per_bit masked_fj_per_bit match_fj_per_row",
    "write": "write_fj_per_bit idle_write_fj_per_bit drive_fj_per_row",
    "shift": "shift_fj_per_bit",
    "move": "move_fj_per_bit",
    "move fetch": "tile_fj_per_bit bank_fj_per_bit chip_fj_per_bit",
    "fetch": "fetch_fj_per_bit broadcast_fj_per_bit",
    "program": "sram_fj_per_bit offchip_fj_per_bit",
    "tag": "tag_fj_per_row",
    "latch": "input_latch_fj_per_bit output_latch_fj_per_bit",
    "control": "decode_fj_per_instruction sequence_fj_per_cycle",
    "leakage": "array_leakage_uw controller_leakage_uw buffer_leakage_uw instruction_memory_leakage_uw",
    "latency leakage": "search_ps write_ps shift_ps move_ps",
    "area_cells": "domain_um2 cell_um2",
    "area_array_periphery": "array_um2",
    "area_controllers": "controller_um2",
    "area_buffer": "buffer_bytes buffer_um2_per_byte",
    "area_instruction_memory": "instruction_memory_um2_per_byte",
}
"""what twice a parameter changes, by as much as the parameter alone comes to"""
BENDS = {
    "search write shift tag": "row_segments",
    "fetch": "arrays_per_tile tiles_per_bank",
    "program": "sram_exponent",
    "program area_instruction_memory": "instruction_memory_bytes",
    "": "count_fj_per_row add_fj_per_bit accumulator_fj_per_bit count_ps offchip_bits_per_ns",
}
"""what else changes with a parameter, in proportion to nothing; counters cost nothing where there are none
(tests/test_counting.py has some), and only schedules share a memory (tests/test_schedule.py)"""
LINEAR, OTHERS = (
    {name: set(parts.split()) for parts, names in table.items() for name in names.split()} for table in (CHANGES, BENDS)
)


def priced_everywhere() -> Technology:
    """A technology that prices all that can be priced, and whose program doesn't fit on the chip."""
    technology = load_technology("rtsim")
    parameters = {name: replace(entry, value=entry.value or 0.5) for name, entry in technology.parameters.items()}
    stated = {"arrays_per_tile": 2, "tiles_per_bank": 2, "instruction_memory_bytes": 64}
    parameters |= {name: replace(parameters[name], value=value) for name, value in stated.items()}
    return replace(technology, parameters=parameters)


def test_every_parameter_has_a_stated_effect() -> None:
    assert LINEAR.keys() | OTHERS.keys() == kinds().keys() and not LINEAR.keys() & OTHERS.keys()


@pytest.mark.parametrize("name", kinds())
def test_doubling_a_parameter_changes_what_it_prices_and_nothing_else(name: str) -> None:
    network = small_network()
    result, technology = traced_result(network, 12), priced_everywhere()
    without, once, twice = (
        make_report(
            result, network, scaled(technology, {name: factor}) if factor else without_price(technology, name), batch=5
        )
        for factor in (0, 1, 2)
    )
    areas = [
        {f"area_{block.replace(' ', '_')}": area or 0.0 for block, area in report.area_mm2.items()}
        for report in (without, once, twice)
    ]
    changed: set[str] = set()
    for none, before, after in zip(
        [*without.layers, without.total], [*once.layers, once.total], [*twice.layers, twice.total], strict=True
    ):
        for field in ("counts", "rows", "arrays", "rounds", "row_utilisation"):
            assert getattr(after, field) == getattr(before, field)
        values = [
            {**layer.energy_fj, "latency": layer.latency_ns, **area}
            for layer, area in zip((none, before, after), areas, strict=True)
        ]
        changed |= {part for part in values[0] if values[2][part] != values[1][part]}
        if name in LINEAR:
            for part, value in values[1].items():
                assert 2 * value == pytest.approx(values[0][part] + values[2][part], rel=1e-12)
    assert changed == (LINEAR | OTHERS)[name]


def without_price(technology: Technology, name: str) -> Technology:
    """The technology with a price of zero, where that is a price."""
    return scaled(technology, {name: 0.0}) if name in LINEAR else technology


def scaled(technology: Technology, factors: dict[str, float]) -> Technology:
    """The technology with some numbers multiplied."""
    parameters: dict[str, Parameter] = {}
    for name, entry in technology.parameters.items():
        parameters[name] = replace(entry, value=entry.value * factors.get(name, 1.0))
    return replace(technology, parameters=parameters)


def test_what_is_priced_beside_cells_adds_up() -> None:
    """Keyed and masked cells are all cells of the searched rows; instruction bits come from the chip or from off it."""
    network = small_network()
    result = traced_result(network, 12)
    report = make_report(result, network, priced_everywhere())
    for layer, run in zip(report.layers, result.segments, strict=True):
        priced, rows = layer.priced, run.arrays * network.target.rows
        cells = priced["searched_rows"] * network.target.columns
        assert priced["searched_row_cells"] + priced["masked_row_cells"] == cells
        assert priced["searched_rows"] == layer.counts.searches * rows
        assert priced["received_row_bits"] + priced["sent_row_bits"] == layer.counts.moved_row_bits
        assert priced["onchip_bits"] + priced["offchip_bits"] == layer.counts.fetched_bits * layer.rounds
        # What a pass without a key writes in all rows, and what of that are rows without data.
        assert priced["idle_row_cells"] * run.rows == layer.counts.keyless_row_cells * (rows - run.rows)
        assert priced["bank_bits"] <= priced["tile_bits"] <= priced["broadcast_bits"]


@pytest.mark.parametrize(("size", "picojoules"), [(8, 10), (32, 20), (1024, 100)])
def test_a_bit_of_the_chips_memory_costs_what_its_source_says(size: int, picojoules: float) -> None:
    """Horowitz, ISSCC 2014: energies of 64 bits from memories of so many KB."""
    technology = scaled(load_technology("rtsim"), {"instruction_memory_bytes": size / 1024})
    fj_per_bit = price("onchip_fj_per_bit", technology, Target("test"))
    assert fj_per_bit == pytest.approx(1000 * picojoules / 64, rel=0.06)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0, 3.0])
def test_what_of_a_program_fits_on_the_chip_is_not_fetched_from_off_it(share: float) -> None:
    network = small_network()
    result, technology = traced_result(network, 12), load_technology("rtsim")
    size = make_report(result, network, technology).program_bytes
    parameters = {**technology.parameters}
    parameters["instruction_memory_bytes"] = replace(parameters["instruction_memory_bytes"], value=share * size)
    priced = make_report(result, network, replace(technology, parameters=parameters)).total.priced
    assert priced["onchip_bits"] == pytest.approx(priced["streamed_bits"] * min(1.0, share))


@pytest.mark.parametrize(
    ("rows", "segments", "expected"), [(1, 1, 20), (1, 4, 5), (6, 4, 10), (21, 3, 27), (41, 7, 43)]
)
def test_segments_of_rows_without_data_are_switched_off(rows: int, segments: int, expected: int) -> None:
    assert active_rows(rows, 20, segments) == expected
