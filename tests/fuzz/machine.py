"""Surfaces of machine code: binary programs of both instruction sets, and the engine beside the golden simulator."""

from __future__ import annotations

import random
from pathlib import Path

import engine_fuzz
import numpy as np
from fuzz import mutations
from fuzz.surface import COUNTING, Surface
from fuzz.texts import ASSEMBLY, COUNTING_ASSEMBLY

from dialects.ap.assembly import AssemblyCode
from dialects.ap.counting import CountingCode
from dialects.machine.cells import Cells
from dialects.machine.check import check_binary
from dialects.machine.code import check_code, decode
from dialects.machine.counted import CountedPart, CountedProgram
from dialects.support.errors import CamcError, ProgramError
from runtime.engines import counting as fast
from runtime.engines import counting_golden as golden

COLUMNS, DOMAINS, ROWS = 16, 32, 65


def _binary(data: bytes, folder: Path) -> None:
    code = AssemblyCode(data)
    text = code.to_text()
    native = python = None
    try:
        check_binary(data, COLUMNS, DOMAINS)
    except CamcError as error:
        native = str(error)
    try:
        check_code(code.instructions, COLUMNS, DOMAINS)
    except CamcError as error:
        python = str(error)
    assert (native is None) == (python is None), (native, python)
    if native is None:
        # Fields that an instruction doesn't use are not in its text.
        assert AssemblyCode.from_text(text).to_text() == text


def _counting(data: bytes, folder: Path) -> None:
    text = CountingCode(data).to_text()
    assert CountingCode.from_text(text).to_text() == text


# ---- engines


def _run(data: bytes, folder: Path) -> None:
    """The native engine refuses what the golden simulator refuses, else outputs and counts are the same."""
    target = engine_fuzz.Target("fuzz", rows=64, columns=COLUMNS, domains=DOMAINS)
    inputs = engine_fuzz.random_inputs(np.random.default_rng(len(data)), ROWS)
    case = engine_fuzz.Case(target, [], inputs, 2)
    try:
        outputs, counts = engine_fuzz.run_code(target, [data], [inputs.T], 2, 1)
    except ProgramError:
        try:
            engine_fuzz.run_golden(case._replace(segments=[list(decode(data))]))
        except ProgramError:
            raise
        raise AssertionError("only the engine refuses the program") from None
    expected, golden_counts = engine_fuzz.run_golden(case._replace(segments=[list(decode(data))]))
    np.testing.assert_array_equal(outputs.T, expected)
    assert counts == golden_counts


def _programs() -> list[bytes]:
    """The bytes of random programs that such an array takes."""
    rng = np.random.default_rng(1)
    geometry = engine_fuzz.Target("fuzz", columns=COLUMNS, domains=DOMAINS).geometry
    makers = (engine_fuzz.random_loop, engine_fuzz.random_bundle)
    codes = [maker(rng, geometry, engine_fuzz.INPUTS, 2) for maker in makers for _ in range(40)]
    texts = AssemblyCode.from_text(ASSEMBLY).binary
    return [texts, *(engine_fuzz.encode(code) for code in codes)]


def _counted(data: bytes, folder: Path) -> None:
    memory = Cells.from_text("a0.c1.0 10x-\na1.c0.0 10x-")
    program = CountedProgram("cells", data, memory, (CountedPart((0, 2), ((0, 4),)),), 1, (4,), (2,), 1)
    rows = np.random.default_rng(len(data)).integers(0, 2, (5, 4))
    found = wanted = None
    try:
        found, counts = fast.run(COUNTING, program, [rows])
    except CamcError as error:
        failed = error
    try:
        wanted, expected = golden.run(COUNTING, program, rows)
    except CamcError:
        assert found is None, "only the golden simulator refuses the program"
        raise
    assert found is not None, f"only the engine refuses the program: {failed}"
    np.testing.assert_array_equal(found, wanted)
    assert counts == expected


def _counted_programs() -> list[bytes]:
    texts = (
        COUNTING_ASSEMBLY,
        "repeat #1 { load c0.0:1 count q0:2, c1.0, c0.0:1 count.add q0:2, c1.0, c0.0:1<<1 store q0:2, #0:6s }"
        "clear c0.0:1",
        "repeat #1 { take q0:2, #0:1*2 take.add q0:2, #1:1s take.sub q0:1, #2:1<<3 take.max q1:1, #0:1 "
        "store q0:2, #0:7s }",
    )
    return [CountingCode.from_text(text).binary for text in texts]


def _change_code(random_: random.Random, data: bytes) -> bytes:
    return mutations.of_code(random_, data)


SURFACES = {
    "binary": Surface(_programs, _change_code, _binary),
    "counts": Surface(_counted_programs, _change_code, _counting),
    "engine": Surface(_programs, _change_code, _run),
    "counted": Surface(_counted_programs, _change_code, _counted),
}
