"""The native engine gives the golden simulator's outputs and counts, and survives any bytes it is given as code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from camc_testing import random_loop, random_target, whole_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.code import BYTES_PER_INSTRUCTION, check_code, decode, encode
from dialects.errors import ProgramError
from dialects.grammar import in_loop
from dialects.isa import Cell, Instruction, Op, Operand
from dialects.target import Target
from dialects.tensors import IntArray
from runtime import _engine, engine
from runtime.counts import Counts
from runtime.simulator import Simulator

INPUTS = 3
ROWS = (1, 63, 64, 65, 511, 512, 513, 1025)


class Case(NamedTuple):
    """A program of several segments, its inputs (vectors, rows) and the number of its outputs."""

    target: Target
    segments: list[list[Instruction]]
    inputs: IntArray
    outputs: int


def random_inputs(rng: np.random.Generator, rows: int) -> IntArray:
    limit = int(rng.choice([4, 1 << 12, 1 << 62]))
    return rng.integers(-limit, limit, size=(INPUTS, rows))


def random_case(rng: np.random.Generator, rows: int, loops: int = 20) -> Case:
    """Random segments, some of them empty; the last one reads out every bit of the memory."""
    target = random_target(rng)
    segments: list[list[Instruction]] = []
    for _ in range(int(rng.integers(1, 4))):
        code: list[Instruction] = []
        for _ in range(int(rng.integers(0, loops))):
            code += random_loop(rng, target.geometry, INPUTS, 2)
        segments.append(code)
    segments.append(whole_memory(target.geometry, 2))
    return Case(target, segments, random_inputs(rng, rows), 2 + len(segments[-1]))


def run_golden(case: Case) -> tuple[IntArray, list[Counts]]:
    rows = case.inputs.shape[1]
    outputs = np.zeros((case.outputs, rows), dtype=np.int64)
    simulator = Simulator(case.target, rows)
    return outputs, [simulator.run("test", code, case.inputs, outputs) for code in case.segments]


def run_native(case: Case, threads: int = 1) -> tuple[IntArray, list[Counts]]:
    segments = [encode(code) for code in case.segments]
    outputs, counts = engine.run(case.target, segments, case.inputs.T, case.outputs, threads)
    return outputs.T, counts


def check_equal(case: Case, threads: Sequence[int] = (1, 2)) -> None:
    outputs, counts = run_golden(case)
    for number in threads:
        found, native = run_native(case, number)
        assert np.array_equal(found, outputs)
        assert native == counts


@pytest.mark.parametrize("rows", ROWS)
@given(seed=st.integers(0, 1 << 30))
@settings(max_examples=60)
def test_random_programs(rows: int, seed: int) -> None:
    case = random_case(np.random.default_rng(seed), rows)
    for code in case.segments:
        check_code(code, case.target.columns, case.target.domains)
    check_equal(case)


def test_random_programs_have_everything() -> None:
    """The programs above hold every instruction, in bit loops of several and with starts, signs, shifts and zeros."""
    items: list[Instruction] = []
    for seed in range(100):
        items += [item for code in random_case(np.random.default_rng(seed), 1).segments for item in code]
    assert {item.op for item in items} == set(Op)
    for op in set(Op) - {Op.OUT}:
        assert {item.width for item in items if item.op is op} >= set(range(1, 13)), op
    for op in (Op.ADD, Op.SUB, Op.ADD_IP, Op.SUB_IP, Op.COPY, Op.COPY_IF):
        sources = [item.a for item in items if item.op is op]
        assert {source.shift for source in sources} >= {0, 1, 2, 3}, op
        assert {source.signed for source in sources} == {False, True}, op
        assert any(source.width == 0 for source in sources), op
    assert any(item.start for item in items)
    assert sum(not item.last for item in items) > 100


@pytest.mark.parametrize("domains", [1, 2, 63, 64, 256])
def test_wide_places_and_wide_immediates(domains: int) -> None:
    """The widest place that fits is set, copied, moved in and out, and compared."""
    width, rows = min(domains, 63), 66
    place = Operand(1, domains - width, width, True)
    code = [
        Instruction(Op.IN, Cell(1, domains - width), width, imm=0),
        Instruction(Op.SET, Cell(2, 0), width, imm=-(1 << 31)),
        Instruction(Op.CMP_GEV, Cell(3, 0), width, place, Operand(2, 0, width, True)),
        Instruction(Op.COPY_IF, Cell(2, 0), width, place, carry=Cell(3, 0)),
        Instruction(Op.OUT, Cell(0, 0), width, Operand(2, 0, width, True), imm=0),
        Instruction(Op.OUT, Cell(0, 0), width, place._replace(signed=False), imm=1),
    ]
    inputs = np.random.default_rng(domains).integers(-(1 << 62), 1 << 62, size=(1, rows))
    check_equal(Case(Target("t", rows=64, columns=4, domains=domains), [code], inputs, 2))


def test_outputs_that_are_sent_twice_in_a_loop() -> None:
    """Bits of several members add up in one vector; beyond 64 bits they wrap, as the golden simulator's do."""
    places = [Operand(column, 0, 63, signed) for column, signed in ((0, True), (1, True), (2, True), (3, False))]
    code = [Instruction(Op.SET, Cell(column, 0), 63, imm=-1) for column in range(4)]
    loop = in_loop([Instruction(Op.OUT, Cell(0, 0), 63, place, imm=0) for place in places[:3]])
    wide = in_loop([Instruction(Op.OUT, Cell(0, 0), 63, place._replace(signed=False), imm=1) for place in places])
    inputs = np.zeros((0, 5), dtype=np.int64)
    check_equal(Case(Target("t", rows=64, columns=4, domains=64), [code, loop, wide], inputs, 2))


def test_memory_and_ports_persist_from_segment_to_segment() -> None:
    first = [Instruction(Op.IN, Cell(0, 3), 4, imm=0)]
    second = [Instruction(Op.COPY, Cell(1, 0), 4, Operand(0, 3, 4))]
    last = [Instruction(Op.OUT, Cell(0, 0), 4, Operand(1, 0, 4), imm=0)]
    case = Case(Target("t", rows=8, columns=4, domains=8), [first, [], second, last], np.arange(9)[None], 1)
    check_equal(case)
    outputs, counts = run_native(case)
    assert np.array_equal(outputs[0], np.arange(9))
    assert counts[1] == Counts()
    # The port of c0 stands at domain 6 after the first segment and goes back to 3.
    assert counts[2].shift_steps == 3 + 3


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
def test_any_number_of_threads(threads: int) -> None:
    check_equal(random_case(np.random.default_rng(7), 1600), (threads,))


@pytest.mark.parametrize("rows", [1, 99, 100, 101, 300, 613])
def test_parts_of_the_rows(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(engine, "_ROWS_A_PART", 100)
    check_equal(random_case(np.random.default_rng(rows), rows))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
def test_inputs_of_any_type(kind: type[np.signedinteger]) -> None:
    values = np.random.default_rng(0).integers(-128, 128, size=(70, 2)).astype(kind)
    code = [Instruction(Op.IN, Cell(n, 0), 40, imm=n) for n in range(2)]
    code += [Instruction(Op.OUT, Cell(0, 0), 40, Operand(n, 0, 40, True), imm=n) for n in range(2)]
    target = Target("t", columns=4, domains=40)
    for part in (values, values[::-1], np.asfortranarray(values)):
        outputs, _ = engine.run(target, [encode(code)], part, 2, 1)
        assert np.array_equal(outputs, part)


def test_a_program_without_code() -> None:
    case = Case(Target("t", columns=4, domains=4), [[]], np.zeros((1, 5), dtype=np.int64), 2)
    outputs, counts = run_native(case)
    assert not outputs.any()
    assert counts == [Counts()]


# Rules.


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Instruction(Op.SET, Cell(8, 0), 1), "instruction 1: .*lies outside"),
        (Instruction(Op.SET, Cell(0, 14), 3), "instruction 1: .*lies outside"),
        (Instruction(Op.COPY, Cell(0, 0), 3, Operand(1, 14, 3)), "instruction 1: .*lies outside"),
        (Instruction(Op.ADD_IP, Cell(0, 0), 3, Operand(1, 0, 3), carry=Cell(2, 16)), "instruction 1: .*lies outside"),
        (Instruction(Op.SET, Cell(0, 0), 0), "instruction 1: its width is zero"),
        (Instruction(Op.COPY, Cell(0, 0), 3, Operand(0, 8, 3)), "instruction 1: two bits .* meet in column c0"),
        (Instruction(Op.IN, Cell(0, 0), 1, imm=3), "instruction 1: there is no vector 3"),
        (Instruction(Op.IN, Cell(0, 0), 1, imm=-1), "instruction 1: there is no vector -1"),
        (Instruction(Op.OUT, Cell(0, 0), 1, Operand(0, 0, 1), imm=1), "instruction 1: there is no vector 1"),
        (Instruction(Op.SET, Cell(0, 0), 1, last=False), "instruction 1: the last bit loop .* is never ended"),
    ],
)
def test_what_breaks_a_rule_is_refused(item: Instruction, message: str) -> None:
    target = Target("t", rows=8, columns=8, domains=16)
    code = encode([Instruction(Op.SET, Cell(0, 0), 1), item])
    with pytest.raises(ProgramError, match=message):
        engine.run(target, [code], np.zeros((4, INPUTS), dtype=np.int64), 1, 1)


def test_bytes_that_are_no_program() -> None:
    target, inputs = Target("t", columns=8, domains=16), np.zeros((4, INPUTS), dtype=np.int64)
    good = encode([Instruction(Op.SET, Cell(0, 0), 1)] * 2)
    no_opcode, used_top = bytes(16), bytearray(good)
    used_top[7] = 1
    for segments in (
        [good[:-1]],
        [good[:8]],
        [good[:24], good[:8]],
        [good[:24], good[24:]],
        [no_opcode],
        [bytes(used_top)],
        [encode([Instruction(Op.SET, Cell(0, 0), 1, last=False)]), good],
    ):
        with pytest.raises(ProgramError):
            engine.run(target, segments, inputs, 1, 1)
    with pytest.raises(ProgramError):
        engine.run(target, [good], inputs[:0], 1, 1)
    with pytest.raises(ProgramError):
        engine.run(target, [], inputs, 1, 1)


def test_the_engine_checks_its_own_arguments() -> None:
    """What runtime/engine.py never passes is refused as well."""
    code = np.frombuffer(encode([Instruction(Op.SET, Cell(0, 0), 1)] * 3), dtype="<u8").reshape(-1, 2)
    bounds, table = np.array([0, 1, 3], dtype=np.int32), engine._table()
    inputs, outputs = np.zeros((1, 5), dtype=np.int64), np.zeros((1, 5), dtype=np.int64)
    good = (code, bounds, table.data, table.starts, 8, 16)
    assert len(_engine.run(*good, inputs, outputs, 1)) == 2
    unsorted = table.starts.copy()
    unsorted[5], unsorted[6] = 10_000, -5
    changes: list[dict[int, object]] = [
        *(
            {1: np.array(wrong, dtype=np.int32)}
            for wrong in ([], [0], [0, 2], [0, 4], [0, 2, 1, 3], [0, -1, 3], [1, 3])
        ),
        *({2: table.data[:size]} for size in (0, 8, 287, 288, len(table.data) - 1)),
        {2: np.where(np.arange(len(table.data)) >= 288, 9, table.data).astype(np.uint8)},
        *({3: wrong} for wrong in (table.starts[:-1], table.starts[:0], table.starts + 1, unsorted)),
        *({4: columns} for columns in (0, -1, 2049)),
        *({5: domains} for domains in (0, -1, 257)),
    ]
    for change in changes:
        arguments = [change.get(index, value) for index, value in enumerate(good)]
        with pytest.raises(ValueError):
            _engine.run(*arguments, inputs, outputs, 1)  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError):
            _engine.static_counts(*arguments)  # pyright: ignore[reportArgumentType]
    for wrong in ((inputs, outputs[:, :4].copy(), 1), (inputs, outputs, 0), (inputs[:, :0].copy(), outputs, 1)):
        with pytest.raises(ValueError):
            _engine.run(*good, *wrong)
    for wrong in ((inputs.astype(np.int32), outputs, 1), (inputs, outputs[:, ::-1], 1), (inputs[0], outputs, 1)):
        with pytest.raises(TypeError):
            _engine.run(*good, *wrong)


# Damaged code.


def damaged(rng: np.random.Generator, case: Case) -> list[bytes]:
    """The case's code with bits flipped, bytes or fields replaced, instructions dropped, ends or bounds moved."""
    code = bytearray(b"".join(encode(part) for part in case.segments))
    for _ in range(int(rng.choice([0, 1, 1, 2, 8, 64]))):
        at = int(rng.integers(len(code)))
        code[at] = int(rng.integers(256)) if rng.random() < 0.3 else code[at] ^ 1 << int(rng.integers(8))
    if rng.random() < 0.1:
        code[:] = rng.bytes(len(code))
    if rng.random() < 0.3:
        # A valid opcode and a clear top let random fields through to the bounds checks.
        for at in range(0, len(code), BYTES_PER_INSTRUCTION):
            code[at] = code[at] & 0xE0 | int(rng.integers(1, 14)) if rng.random() < 0.2 else code[at]
            code[at + 7] = 0
    if rng.random() < 0.1:
        del code[int(rng.integers(len(code))) :]
    if rng.random() < 0.2:
        at = int(rng.integers(len(code) // 16 + 1)) * 16
        del code[at : at + 16 * int(rng.integers(1, 4))]
    grain = 1 if rng.random() < 0.1 else BYTES_PER_INSTRUCTION
    cuts = sorted(int(cut) * grain for cut in rng.integers(0, len(code) // grain + 1, size=int(rng.integers(0, 4))))
    return [bytes(code[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(code)], strict=True)]


def try_damaged(rng: np.random.Generator, case: Case, compare: bool) -> str:
    """What became of a damaged program; where the golden simulator runs it too, both must agree."""
    segments = damaged(rng, case)
    try:
        outputs, counts = engine.run(case.target, segments, case.inputs.T, case.outputs, int(rng.integers(1, 3)))
    except ProgramError as error:
        assert error.message
        return "refused"
    assert outputs.shape == (case.inputs.shape[1], case.outputs)
    if not compare:
        return "ran"
    try:
        golden = run_golden(case._replace(segments=[list(decode(segment)) for segment in segments]))
    except ProgramError:
        return "ran"
    assert np.array_equal(outputs.T, golden[0])
    assert counts == golden[1]
    return "equal"


def fuzz(seed: int, tries: int) -> dict[str, int]:
    """How many damaged programs were refused, ran, or ran as in the golden simulator."""
    rng = np.random.default_rng(seed)
    found = {"refused": 0, "ran": 0, "equal": 0}
    for number in range(tries):
        if number % 25 == 0:
            case = random_case(rng, int(rng.choice([1, 2, 65, 513], p=[0.5, 0.3, 0.15, 0.05])), loops=4)
        found[try_damaged(rng, case, compare=number % 10 == 0)] += 1
    return found


def test_damaged_code_is_refused_or_runs_within_bounds() -> None:
    found = fuzz(0, 4000)
    assert found["refused"] > 500
    assert found["ran"] > 500
    assert found["equal"] > 50


@given(st.binary(max_size=96), st.integers(0, 96))
def test_any_bytes(data: bytes, cut: int) -> None:
    target, inputs = Target("t", columns=2048, domains=16), np.zeros((3, 2), dtype=np.int64)
    try:
        engine.run(target, [data[:cut], data[cut:]], inputs, 2, 1)
    except ProgramError as error:
        assert error.message
