"""Placed code: text and arrays agree, and what the verifier accepts computes what the names say, bundled or not."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from engine_fuzz import run_code
from hypothesis import given, settings
from hypothesis import strategies as st
from placed_testing import checked, named_outputs, random_placed

from dialects.machine.census import predict_shifts
from dialects.machine.check import vectors as vectors_of
from dialects.machine.isa import Op
from dialects.machine.target import Geometry, Target
from dialects.rtm.placed import PlacedCode
from dialects.rtm.placed_text import read_plain, read_text
from dialects.support.errors import ProgramError, TextError
from dialects.support.tensors import IntArray
from runtime.cost.counts import Counts
from runtime.engines.golden import Simulator
from runtime.placed_machine import PlacedMachine

INPUTS, OUTPUTS, ROWS, SEEDS = 3, 6, 70, 24
GEOMETRIES = [Geometry(64, 12, 24), Geometry(64, 40, 12), Geometry(64, 8, 9)]


def vectors(rng: np.random.Generator) -> IntArray:
    return rng.integers(-200, 200, size=(INPUTS, ROWS))


@cache
def program(seed: int) -> tuple[list[PlacedCode], Geometry]:
    geometry = GEOMETRIES[seed % len(GEOMETRIES)]
    return random_placed(np.random.default_rng(seed), geometry, INPUTS, OUTPUTS), geometry


def simulated(segments: list[PlacedCode], geometry: Geometry, inputs: IntArray) -> tuple[IntArray, list[Counts]]:
    """Outputs and counts of the golden simulator, which interleaves the members of bit loops."""
    simulator = Simulator(Target("test", rows=64, columns=geometry.columns, domains=geometry.domains), ROWS)
    outputs = np.zeros((OUTPUTS, ROWS), dtype=np.int64)
    return outputs, [simulator.run("s", code.instructions, inputs, outputs) for code in segments]


def in_order(segments: list[PlacedCode], geometry: Geometry, inputs: IntArray) -> IntArray:
    """Outputs of the statements one after another on the values of places."""
    machine = PlacedMachine(geometry, ROWS)
    outputs = np.zeros((OUTPUTS, ROWS), dtype=np.int64)
    for code in segments:
        machine.run(code.instructions, inputs, outputs)
    return outputs


@pytest.mark.parametrize("seed", range(SEEDS))
def test_places_and_loops_compute_what_the_names_say(seed: int) -> None:
    segments, geometry = program(seed)
    inputs = vectors(np.random.default_rng(seed))
    expected = named_outputs(segments, inputs, OUTPUTS)
    outputs, counts = simulated(segments, geometry, inputs)
    np.testing.assert_array_equal(in_order(segments, geometry, inputs), expected)
    np.testing.assert_array_equal(outputs, expected)
    predicted = predict_shifts([code.binary for code in segments], geometry.columns, geometry.domains)
    assert predicted.bit_loops.tolist() == [item.bit_loops for item in counts]
    assert predicted.shift_steps.tolist() == [item.shift_steps for item in counts]
    assert predicted.column_steps.tolist() == [item.column_steps for item in counts]
    assert predicted.steps_of_column.sum(axis=1).tolist() == predicted.column_steps.tolist()
    target = Target("test", rows=64, columns=geometry.columns, domains=geometry.domains)
    results, native = run_code(target, [code.binary for code in segments], [inputs.T], OUTPUTS, 1)
    np.testing.assert_array_equal(results.T, expected)
    assert [item.shift_steps for item in native] == predicted.shift_steps.tolist()
    assert [item.column_steps for item in native] == predicted.column_steps.tolist()


def test_random_programs_use_what_placed_code_can_say() -> None:
    texts = [code.to_text() for seed in range(SEEDS) for code in program(seed)[0]]
    text = "\n".join(texts)
    for piece in (
        " live",
        "zext",
        "sext",
        "+=",
        "-=",
        " >= -",
        r" >= %\d",
        "loop {",
        "@1",
        r"\] set",
        r"set %",
        "<<",
        "zero",
        "out",
    ):
        assert re.search(piece.replace("+", r"\+"), text), piece


@pytest.mark.parametrize("seed", range(20))
def test_text_round_trip(seed: int) -> None:
    for code in program(seed)[0]:
        text = code.to_text()
        plain = read_plain(text)
        assert plain == [item._replace(offset=0) for item in read_text(text)]
        assert PlacedCode.from_text(text) == code
        assert PlacedCode.of(read_text(text)) == code
        assert PlacedCode.from_text(text).to_text() == text


def mutants(rng: np.random.Generator, text: str) -> list[str]:
    """The text with one number changed, one sign turned, or one loop opened up."""
    found: list[str] = []
    for match in re.finditer(r"\d+", text):
        number = int(match[0])
        for other in {max(number - 1, 0), number + 1, int(rng.integers(20))} - {number}:
            found.append(text[: match.start()] + str(other) + text[match.end() :])
    for piece, other in (("loop {\n", ""), ("}\n", ""), (" + ", " - "), ("]s", "]"), (" = ", " = sext "), (" @1", "")):
        for match in re.finditer(re.escape(piece), text):
            found.append(text[: match.start()] + other + text[match.end() :])
    return found


@pytest.mark.parametrize("seed", range(10))
def test_a_mutant_is_refused_or_still_computes_what_its_names_say(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    (segments, geometry), inputs = program(seed), vectors(rng)
    tried = refused = 0
    for index, code in enumerate(segments):
        texts = mutants(rng, code.to_text())
        for text in rng.choice(texts, size=min(30, len(texts)), replace=False):
            tried += 1
            changed = list(segments)
            try:
                changed[index] = PlacedCode.from_text(str(text))
                checked(changed, geometry)
                # Which vectors there are is checked with the program's types.
                named = named_outputs(changed, inputs, OUTPUTS)
            except (ProgramError, TextError, IndexError):
                refused += 1
                continue
            np.testing.assert_array_equal(in_order(changed, geometry, inputs), named)
            np.testing.assert_array_equal(simulated(changed, geometry, inputs)[0], named)
    assert refused > tried // 4


@settings(max_examples=200)
@given(st.text(alphabet="%c012:[]s=+-<@ \n;", max_size=60))
def test_the_fast_reader_takes_nothing_that_the_grammar_does_not(text: str) -> None:
    plain = read_plain(text)
    if plain is not None:
        assert plain == [item._replace(offset=0) for item in read_text(text)]


SPACED = """
%0 : c0[0:2] = in 0   ; a comment
loop { %1 : c1[0:3] = %0 << 1
  %2 : c2[0] = %0 >= 1 }
"""


def test_text_of_another_shape_goes_to_the_grammar() -> None:
    assert read_plain(SPACED) is None
    lines = ["%0 : c0[0:2] = in 0", "loop {", "  %1 : c1[0:3] = %0<<1", "  %2 : c2[0] = %0 >= 1", "}"]
    assert PlacedCode.from_text(SPACED).to_text() == "\n".join(lines)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_arrays_are_refused_or_still_mean_what_they_say(seed: int) -> None:
    rng = np.random.default_rng(2000 + seed)
    segments, geometry = program(seed % SEEDS)
    index = int(rng.integers(len(segments)))
    for _ in range(20):
        parts = [bytearray(part) for part in (segments[index].binary, segments[index].names, segments[index].values)]
        for _ in range(int(rng.integers(1, 4))):
            part = parts[int(rng.integers(3))]
            if part:
                part[int(rng.integers(len(part)))] ^= 1 << int(rng.integers(8))
        damaged = [*segments[:index], PlacedCode(*map(bytes, parts)), *segments[index + 1 :]]
        try:
            checked(damaged, geometry)
        except ProgramError as error:
            assert error.message
            continue
        # Which vectors there are is checked with the program's types.
        binary = b"".join(code.binary for code in damaged)
        if (vectors_of(binary, Op.IN) < INPUTS).all() and (vectors_of(binary, Op.OUT) < OUTPUTS).all():
            inputs = vectors(rng)
            outputs = named_outputs(damaged, inputs, OUTPUTS)
            np.testing.assert_array_equal(simulated(damaged, geometry, inputs)[0], outputs)


def test_arrays_of_another_length_are_refused() -> None:
    code = PlacedCode.from_text("%0 : c0[0] = in 0")
    for torn in (PlacedCode(code.binary, b"", code.values), PlacedCode(code.binary, code.names, code.values[:-1])):
        with pytest.raises(ProgramError, match="don't fit together"):
            checked([torn], Geometry(64, 16, 32))
    with pytest.raises(ProgramError, match="has no place"):
        checked([PlacedCode(code.binary, code.names, b"")], Geometry(64, 16, 32))


def test_values_stand_in_ascending_order() -> None:
    code = PlacedCode.from_text("%0 : c0[0] = in 0\n%1 : c1[0] = in 1")
    turned = PlacedCode.of_arrays(np.frombuffer(code.binary, dtype="<u8"), code.names_array, code.values_array[::-1])
    with pytest.raises(ProgramError, match="not ascending at %0"):
        checked([turned], Geometry(64, 16, 32))
    assert PlacedCode.of_arrays(code.binary, code.names_array, code.values_array) == code
