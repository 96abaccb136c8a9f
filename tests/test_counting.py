"""Counted layers: searches of ternary cells, tables of thresholds, and whole networks at every level."""

from __future__ import annotations

import random
import zipfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from camc_testing import SMALL_NETWORK, parse_module
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from random_networks import random_network

from cam_compiler.importer import import_model
from cam_compiler.objective import Objective
from cam_compiler.pipeline import counting, parse_passes, run_passes
from cam_compiler.validation import Validator
from cam_compiler.verification.counting_instructions import check_counting_table
from dialects.ap.counting import CountingCode
from dialects.apv.count import Terms
from dialects.machine.cells import Cells
from dialects.machine.counted import CountedPart, CountedProgram
from dialects.machine.counting import COUNTING, CountInstruction, CountOp, decode_counting, encode_counting
from dialects.machine.isa import Cell, Operand, Pass
from dialects.machine.target import Target, load_target
from dialects.support.errors import CapacityError, MismatchError, ModelError, PipelineError, ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import Thresholds
from passes.counting.planning import CountOptions, plan_counts, plan_terms, with_copies, with_tables
from passes.counting.selection import select
from passes.counting.tables import patterns
from passes.counting.terms import terms_of
from runtime.camx import load, save
from runtime.cost.report import make_report
from runtime.cost.technology import load_technology
from runtime.engines import counting as fast
from runtime.engines import counting_golden as golden
from runtime.engines.native import INSTRUCTION_SETS
from runtime.executor import Executor
from runtime.interpreter import Interpreter, network_of

SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
TINY = Target("tiny", rows=4, columns=9, domains=3, counter=True, accumulators=64, accumulator_bits=16)


def both(target: Target, program: CountedProgram, rows: np.ndarray) -> np.ndarray:
    """The outputs of both engines, the fast one with each instruction set, whose counts must be the same."""
    expected, counts = golden.run(target, program, rows)
    for name in INSTRUCTION_SETS:
        found, counted = fast.run(target, program, [rows], instruction_set=name)
        np.testing.assert_array_equal(found, expected)
        assert counted == counts
    return expected


def program_of(
    weights: np.ndarray, span: Range, target: Target, samples_rows: int = 1, parts: int = 0
) -> CountedProgram:
    inputs = [span] * weights.shape[1]
    places = plan_counts(weights, inputs, samples_rows, target, CountOptions(parts))
    assert places.problem(len(inputs), len(weights)) is None
    found = select(places, samples_rows, Range(-(1 << 15), (1 << 15) - 1))
    code = encode_counting(found.code)
    return CountedProgram(
        "fc", code, found.memory, found.parts, found.tables, (len(inputs),), (len(weights),), samples_rows
    )


def test_all_ternary_columns_of_three_rows_against_all_activations() -> None:
    # 27 columns of weights and all activations of two bits in three rows, unsigned and signed.
    weights = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.int64)
    for span in (Range(0, 3), Range(-2, 1)):
        rows = np.array(list(product(range(span.lo, span.hi + 1), repeat=3)), dtype=np.int64)
        for parts in (0, 1, 2):
            target = TINY if parts != 1 else Target("wide", rows=4, columns=9, domains=4, counter=True)
            found = both(target, program_of(weights, span, target, parts=parts), rows)
            np.testing.assert_array_equal(found, rows @ weights.T)


def test_cells_are_ternary() -> None:
    # Rows hold 1, 0, don't-care and nothing: a don't-care matches both searches, nothing matches neither.
    memory = Cells.from_text("a0.c1.0 10x-\na1.c0.0 10x-")
    code = CountingCode.from_text(
        "repeat #1 { load c0.0:1 count q0:1, c1.0, c0.0:1 take q1:1, #3:1 match q1:1, t0.c0.0:1, #5 store q0:2, #0:5s }"
        "clear c0.0:1"
    )
    parts = (CountedPart((0, 2), ((0, 4),)),)
    program = CountedProgram("cells", code.binary, memory, parts, 1, (4,), (2,), 1)
    target = Target("four", rows=4, columns=4, domains=1, counter=True)
    rows = np.array(list(product((0, 1), repeat=4)), dtype=np.int64)
    found = both(target, program, rows)
    np.testing.assert_array_equal(found[:, 0], rows[:, 0] - rows[:, 1])
    # Of the table, one row holds the value and the don't-care matches every value.
    np.testing.assert_array_equal(found[:, 1], np.full(16, 5 + 2))


@pytest.mark.parametrize("span", [Range(0, 9), Range(-5, 6), Range(-8, 7), Range(0, 1), Range(-1, 0)])
def test_tables_of_all_thresholds(span: Range) -> None:
    values = np.arange(span.lo, span.hi + 1)
    whole = (1 << span.width) - 1
    for first, second in product(range(span.lo, span.hi + 2), repeat=2):
        if first > second:
            continue
        steps = (values >= first).astype(int) + (values >= second)
        for down, expected in ((False, steps), (True, 2 - steps)):
            rows = patterns([first, second], span, down=down)
            matches = sum((values & whole & care) == bits for care, bits in rows)
            np.testing.assert_array_equal(matches + np.zeros_like(values), expected)


def test_layers_of_every_shape() -> None:
    # Several arrays whose counts meet, further domains, digits of weights, groups, empty lines, tables of both kinds.
    rng = np.random.default_rng(5)
    for trial in range(20):
        span = [Range(0, 1), Range(0, 7), Range(-4, 3), Range(-1, 1)][trial % 4]
        outputs, inputs, most = rng.integers(1, 9), rng.integers(1, 14), [1, 1, 5, 100][trial // 5]
        weights = rng.integers(-most, most + 1, (outputs, inputs)) * (rng.random((outputs, inputs)) < 0.7)
        if trial % 3 == 0:
            weights = np.kron(np.eye(outputs, dtype=np.int64), rng.integers(-most, most + 1, (1, 3)))
        rows = rng.integers(span.lo, span.hi + 1, (6, weights.shape[1]))
        sums = rows @ weights.T
        reach = Range(min(int(sums.min()), -1), int(sums.max()) + 1)
        thresholds = np.sort(rng.integers(reach.lo, reach.hi + 2, (1 if trial % 2 else len(weights), 1)), axis=1)
        table = Thresholds.from_array(thresholds, rng.random(len(thresholds)) < 0.5)
        target = Target("t", rows=4, columns=span.width + 7, domains=16, counter=True, counter_segments=1 + trial % 2)
        for parts in (0, 1, 3):
            ranges = [span] * weights.shape[1]
            places = plan_counts(weights, ranges, 3, target, CountOptions(parts))
            places = with_copies(places, 3, target, CountOptions(most_copied=parts * len(weights) * span.width))
            if trial % 5 == 1 and reach.width <= target.columns:
                try:
                    places = with_tables(places, table, reach, Range(-1, 0), target)
                except CapacityError:
                    continue
                expected = table.apply(sums, Range(-1, 0))
            else:
                expected = sums
            assert places.problem(weights.shape[1], len(weights)) is None
            assert type(places).from_text(places.to_text()) == places
            np.testing.assert_array_equal(places.apply(rows, len(weights)), expected)
            found = select(places, 3, Range(-(1 << 15), (1 << 15) - 1))
            sizes = ((weights.shape[1],), (len(weights),))
            program = CountedProgram(
                "t", encode_counting(found.code), found.memory, found.parts, found.tables, *sizes, 3, found.copies
            )
            np.testing.assert_array_equal(both(target, program, rows), expected)


def test_accumulators_add_what_is_evenly_spaced() -> None:
    channels = np.eye(6, dtype=np.int64)
    sums = np.concatenate([3 * channels, -channels], axis=1)
    pool = np.repeat(channels, 4, axis=1)
    rows = np.random.default_rng(3).integers(-2, 6, (8, 24))
    for weights in (sums, pool):
        terms = terms_of(weights)
        assert terms is not None
        ranges = [Range(-2, 5)] * weights.shape[1]
        for most in (0, 12):
            places = plan_terms(terms, ranges, 6, 2, CountOptions(most_searches=most), TINY)
            found = select(places, 2, Range(-64, 63))
            sizes = ((weights.shape[1],), (6,))
            program = CountedProgram("t", encode_counting(found.code), found.memory, found.parts, 0, *sizes, 2)
            given_rows = rows[:, : weights.shape[1]]
            np.testing.assert_array_equal(both(TINY, program, given_rows), given_rows @ weights.T)
            np.testing.assert_array_equal(places.apply(given_rows, 6), terms.apply(given_rows, 6))
    uneven = sums.copy()
    uneven[2, 2] = 1
    assert terms_of(uneven) is None and terms_of(np.ones((1, 4), dtype=np.int64)) is None
    assert Terms.from_text("take 0\nmax 3 step 9 << 2").to_text() == "take 0\nmax 3 step 9 << 2"


def test_instructions_keep_what_they_say() -> None:
    rng = random.Random(7)
    for op in CountOp:
        a = Operand(
            rng.randrange(2048), rng.randrange(256), rng.randrange(1, 64), rng.random() < 0.5, rng.randrange(64)
        )
        item = CountInstruction(op, rng.randrange(4096), rng.randrange(4096), a, Cell(rng.randrange(2048), 3), 9, -5)
        assert decode_counting(encode_counting([item])) == (item,)
    with pytest.raises(ProgramError, match="can't be encoded"):
        encode_counting([CountInstruction(CountOp.COUNT, q=4096)])
    with pytest.raises(ProgramError, match="no valid opcode"):
        decode_counting(bytes(16))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("load c0.0:1", "one `repeat { }`"),
        ("repeat #2 { load c0.0:1 count q0:1, c1.0, c0.0:1 store q0:1, #0:4s } clear c0.0:1", "repeated 2 times"),
        ("repeat #1 { count q0:1, c1.0, c0.0:1 store q0:1, #0:4s }", "counted before it is loaded"),
        ("repeat #1 { load c0.0:1 count q0:1, c1.0, c0.0:1 store q0:1, #0:4s }", "cleared once"),
        (
            "repeat #1 { load c1.0:1 count q0:1, c2.0, c1.0:1 store q0:1, #0:4s } clear c1.0:1",
            "activations are written",
        ),
        (
            "repeat #1 { load c0.0:1 count.add q0:1, c1.0, c0.0:1 store q0:1, #0:4s } clear c0.0:1",
            "used before it is set",
        ),
        ("repeat #1 { load c0.0:1 count q0:1, c0.1, c0.0:1 store q0:1, #0:4s } clear c0.0:1", "meet in a column"),
        ("repeat #1 { load c0.0:1 count q0:1, c4.0, c0.0:1 store q0:1, #0:4s } clear c0.0:1", "lies outside"),
        ("repeat #1 { load c0.0:1 count q0:1, c1.0, c0.0:1 } clear c0.0:1", "is stored once"),
        ("repeat #1 { take q0:1, #0:2 match q0:1, t0.c0.0:2, #0 store q0:1, #0:4 }", "no table array t0"),
        ("repeat #1 { take q0:1, #3:2 store q0:1, #0:4 }", "vector 3 of the input"),
        ("repeat #1 { take q9:1, #0:2 store q9:1, #0:4 }", "accumulators"),
    ],
)
def test_code_that_breaks_a_rule_is_refused(code: str, problem: str) -> None:
    parts = (CountedPart((0, 1), ((0, 3),)),)
    memory = Cells.from_text("a0.c1.0 10x")
    program = CountedProgram("t", CountingCode.from_text(code).binary, memory, parts, 0, (3,), (1,), 1)
    with pytest.raises(ProgramError, match=problem):
        program.check(Target("t", rows=4, columns=4, domains=2).geometry, 8)


def test_sums_beyond_the_accumulators_are_an_error_of_both_engines() -> None:
    program = program_of(np.ones((2, 8), dtype=np.int64), Range(0, 7), TINY)
    narrow = Target("n", rows=4, columns=9, domains=3, counter=True, accumulators=8, accumulator_bits=4)
    rows = np.full((1, 8), 7)
    for run in (lambda: golden.run(narrow, program, rows), lambda: fast.run(narrow, program, [rows])):
        with pytest.raises(ProgramError, match=r"beyond -8\.\.7"):
            run()


def test_a_machine_without_counters_refuses() -> None:
    with pytest.raises(PipelineError, match="can't count tags"):
        run_passes(parse_module(SMALL_NETWORK), parse_passes(counting("default", "count")), Target("default"))


@settings(SLOW, max_examples=5)
@given(st.integers(0, (1 << 32) - 1))
def test_random_networks_are_counted_at_all_levels(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    model, x = random_network(random.Random(seed))
    try:
        module = import_model(model)
    except ModelError:
        reject()
    target, validator = load_target("counting"), Validator({"x": x})
    auto = module.clone()
    aim = Objective.of("energy", "rtsim", 2, 1 << seed % 9)
    run_passes(auto, parse_passes(counting("default", "auto"), objective=aim), target, validator=validator)
    run_passes(module, parse_passes(counting("default", "count")), target, validator=validator)
    network = network_of(module, target)
    path = tmp_path_factory.mktemp("counted") / "net.camx"
    save(network, path)
    assert load(path) == network
    if sum(len(p.code) for p in network.programs if isinstance(p, CountedProgram)) < 1 << 12:
        few = {"x": x[:1]}
        runs = [Executor(load(path), engine).run(few) for engine in ("native", "golden")]
        validated = Interpreter(target).run(module, few)
        for result in runs:
            assert result.segments == runs[0].segments
            for name, value in validated.outputs.items():
                np.testing.assert_array_equal(result.outputs[name], value)


def mapped(source: str, target: Target, **options: object) -> list[str]:
    """The operations of the main function that are counted or stages, with apv-choose."""
    module = parse_module(source)
    stated = " ".join(f"{name}={value}" for name, value in options.items())
    run_passes(module, parse_passes(f"convert-ternary-to-apv,apv-choose{{count=true {stated}}}"), target)
    names = ("apv.stage", "apv.count", "apv.accumulate")
    return [op.name for op in module.walk() if op.name in names]


def test_auto_takes_what_costs_less() -> None:
    target = load_target("counting")
    assert mapped(SMALL_NETWORK, target) == ["apv.count"]
    # Samples fill the rows of code, which pays for three inputs: a search costs the same for each of them.
    assert mapped(SMALL_NETWORK, target, samples=256, tech="dwm") == ["apv.stage"]
    assert mapped(SMALL_NETWORK, target, samples=256, tech="dwm", objective="latency") == ["apv.stage"]
    # What can't be counted takes code, and so does everything on a machine that doesn't count.
    assert mapped(SMALL_NETWORK, replace(target, accumulator_bits=2)) == ["apv.stage"]
    assert mapped(SMALL_NETWORK, load_target("default")) == ["apv.stage"]
    with pytest.raises(PipelineError, match="accumulators have 2 bits"):
        passes = parse_passes(counting("default", "count"))
        run_passes(parse_module(SMALL_NETWORK), passes, replace(target, accumulator_bits=2))


def test_prices_of_counters_price_what_is_counted() -> None:
    module, target = parse_module(SMALL_NETWORK), load_target("counting")
    run_passes(module, parse_passes(counting("default", "count")), target)
    network = network_of(module, target)
    result = Executor(network).run({"x": np.random.default_rng(2).random((12, 1, 3)).astype(np.float32)})
    technology = load_technology("rtsim")
    before = make_report(result, network, technology, batch=5).total
    counts = before.counts
    expected = {"count_fj_per_row": counts.counted_rows, "add_fj_per_bit": counts.added_bits}
    expected |= {"accumulator_fj_per_bit": counts.accumulator_bits, "count_ps": counts.count_cycles}
    for name, count in expected.items():
        entry = technology.parameters[name]
        other = replace(technology, parameters={**technology.parameters, name: replace(entry, value=2 * entry.value)})
        after = make_report(result, network, other, batch=5).total
        gained = {part: after.energy_fj[part] - energy for part, energy in before.energy_fj.items()}
        assert gained.pop("count") == pytest.approx(count * entry.value if name != "count_ps" else 0.0)
        assert not any(gained.values())
        nanoseconds = count * entry.value / 1000 if name == "count_ps" else 0.0
        assert after.latency_ns - before.latency_ns == pytest.approx(nanoseconds)
    # By hand: 12 samples, 2 outputs of 3 inputs of 2 bits in one array, and a search of each output's table.
    assert counts.searches == 12 * (2 * 2 * 2 + 2 + 2 * 2 + 2)
    # Of the rows, one segment of 16 is searched and counted.
    assert counts.counted_rows == 12 * 16 * (2 * 2 * 2 + 2)
    assert counts.added_bits == 12 * 2 * 2 * 2 * 24 and counts.accumulator_bits == 12 * 24 * (2 + 2 * 2 + 2)


def test_damaged_programs_are_errors_of_the_file(tmp_path: Path) -> None:
    module, target = parse_module(SMALL_NETWORK), load_target("counting")
    run_passes(module, parse_passes(counting("default", "count")), target)
    save(network_of(module, target), tmp_path / "whole.camx")
    with zipfile.ZipFile(tmp_path / "whole.camx") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for suffix, kept in (("code.bin", 32), ("code.bin", 33), ("cells.bin", 1), ("places.bin", 16), ("places.bin", 3)):
        with zipfile.ZipFile(tmp_path / "part.camx", "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data[:kept] if name.endswith(suffix) else data)
        with pytest.raises(ProgramError):
            Executor(load(tmp_path / "part.camx")).run({"x": np.zeros((2, 1, 3), dtype=np.float32)})


def test_a_wrong_row_of_the_counting_instructions_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = (Range(0, 3), Range(-2, 1))
    programs = [program_of(np.array([[5, -1, 0], [1, 1, -1]]), span, TINY) for span in spans]
    assert check_counting_table(programs) == 4
    for op in (CountOp.LOAD, CountOp.COUNT, CountOp.COUNT_ADD, CountOp.CLEAR):
        row = COUNTING[op]
        for name in ("bit", *(("sign",) if row.sign else ())):
            key, write = getattr(row, name)[0]
            flipped = Pass(key, tuple((role, 1 - bit) for role, bit in write))
            monkeypatch.setitem(COUNTING, op, replace(row, **{name: (flipped, *getattr(row, name)[1:])}))  # pyright: ignore
            with pytest.raises(MismatchError, match="instruction table"):
                check_counting_table(programs)
            monkeypatch.undo()
