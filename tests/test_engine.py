"""The native engine gives the golden simulator's outputs and counts, and survives any bytes it is given as code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from camc_testing import random_bundle, whole_memory
from engine_fuzz import (
    INPUTS,
    ROWS,
    Case,
    check_equal,
    fuzz_damaged,
    fuzz_random,
    program_of,
    random_case,
    run_code,
    run_golden,
    run_native,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.machine.code import WORDS, encode
from dialects.machine.isa import Cell, Instruction, Op, Operand, in_loop
from dialects.machine.program import Program
from dialects.machine.tables import pass_table
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.window import Rows, Window, Windows
from runtime.cost.counts import Counts
from runtime.engines import _engine
from runtime.engines import native as engine

WINDOWS = [
    Window((1, 1)),
    Window((1, 1), strides=(2, 3)),
    Window((3, 3), pads=(1, 1, 1, 1)),
    Window((3, 2), strides=(2, 2), pads=(0, 1, 2, 0), dilations=(2, 3)),
    Window((2, 5), strides=(1, 3), dilations=(4, 2)),
    Window((9, 11)),
    Window((9, 11), strides=(9, 11)),
]


@pytest.mark.parametrize("rows", ROWS)
@given(seed=st.integers(0, 1 << 30))
@settings(max_examples=20)
def test_random_programs(rows: int, seed: int) -> None:
    check_equal(random_case(np.random.default_rng(seed), rows))


def test_random_programs_have_everything() -> None:
    """The programs above hold every instruction, in bit loops of several and with starts, signs, shifts and zeros."""
    items: list[Instruction] = []
    for seed in range(200):
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


def test_bit_loops_that_are_not_their_members_one_after_another() -> None:
    """The programs above hold loops in which the order of the bits matters."""
    rng, differ = np.random.default_rng(0), 0
    target = Target("t", rows=64, columns=10, domains=12)
    fill = [Instruction(Op.IN, Cell(column, 0), 12, imm=column % INPUTS) for column in range(target.columns)]
    for _ in range(100):
        loop = random_bundle(rng, target.geometry, INPUTS, 2)
        read = whole_memory(target.geometry, 2)
        inputs = rng.integers(-(1 << 12), 1 << 12, size=(INPUTS, 70))
        together = Case(target, [fill, loop, read], inputs, 2 + len(read))
        check_equal(together, (1,))
        apart = together._replace(segments=[[item._replace(last=True) for item in code] for code in together.segments])
        differ += not np.array_equal(run_golden(together)[0], run_golden(apart)[0])
    assert 10 < differ < 90


@given(st.integers(0, 1 << 30))
@settings(max_examples=60)
def test_sums(seed: int) -> None:
    """Values that many additions and subtractions go to, as compiled code has them: carries that nothing reads, values
    that grow by zeros above them, sources that are used several times and overwritten."""
    rng = np.random.default_rng(seed)
    target = Target("t", rows=64, columns=12, domains=12)
    # Columns 0 to 7 hold values, the others carries; some values lie within others' places.
    width = [5] * 8
    code = [Instruction(Op.IN, Cell(column, 0), 12, imm=int(rng.integers(INPUTS))) for column in range(8)]
    for _ in range(80):
        d, a, b = (int(column) for column in rng.permutation(8)[:3])
        source = [Operand(c, int(rng.integers(2)), int(rng.integers(width[c] + 1)), rng.random() < 0.2) for c in (a, b)]
        grown = min(11, width[d] + int(rng.integers(3)))
        carry, place = Cell(8 + int(rng.integers(4)), int(rng.integers(12))), Cell(d, int(rng.random() < 0.1))
        kind = rng.random()
        if kind < 0.5:
            if grown > width[d]:
                code.append(Instruction(Op.SET, Cell(d, width[d]), grown - width[d], imm=-(rng.random() < 0.1)))
            width[d] = grown
            op = Op.ADD_IP if rng.random() < 0.8 else Op.SUB_IP
            code.append(Instruction(op, place, int(rng.integers(1, width[d] + 1)), source[0], carry=carry))
        elif kind < 0.9:
            width[d] = int(rng.integers(1, 8))
            code.append(Instruction(Op.ADD if rng.random() < 0.7 else Op.SUB, place, width[d], *source, carry=carry))
        else:
            code.append(Instruction(Op.IN, Cell(d, 0), width[d], imm=int(rng.integers(INPUTS))))
    read = whole_memory(replace(target.geometry, columns=8), 0)
    inputs = rng.integers(-128, 128, size=(INPUTS, 70))
    check_equal(Case(target, [code[:40], code[40:], read], inputs, len(read)), (1,))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int64])
@pytest.mark.parametrize("pad", [0, -3, 300])
def test_windows_of_images(window: Window, kind: type[np.signedinteger], pad: int) -> None:
    """The engine reads the windows that `gather` would copy out, whatever the images' strides are."""
    rng = np.random.default_rng(0)
    images = rng.integers(-128, 128, size=(9, 11, 3, 2)).astype(kind).transpose(3, 2, 0, 1)
    dense = rng.integers(-128, 128, size=(2 * np.prod(window.positions(9, 11)), 2)).astype(np.int8)
    windows = Windows(images, window, pad)
    rows = np.concatenate([dense, windows.array()], axis=1)
    assert len(windows) == len(rows)
    count = rows.shape[1]
    code = [
        item
        for n in range(count)
        for item in (
            Instruction(Op.IN, Cell(0, 0), 12, imm=n),
            Instruction(Op.OUT, Cell(0, 0), 12, Operand(0, 0, 12, True), imm=n),
        )
    ]
    for name in engine.INSTRUCTION_SETS:
        target = Target("t", columns=4, domains=16)
        outputs, _ = run_code(target, [encode(code)], [dense, windows], count, 2, instruction_set=name)
        assert outputs.dtype == np.int16
        assert np.array_equal(outputs, rows)


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), pads=(1, 1, 1, 1)),
        Window((3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
        Window((1, 1), strides=(2, 2)),
        Window((7, 7), strides=(2, 2), pads=(3, 3, 3, 3)),
        Window((2, 2), strides=(2, 2)),
        Window((3, 5), pads=(4, 8, 4, 8), dilations=(4, 4)),
        Window((2, 3), strides=(2, 1), pads=(5, 3, 1, 5), dilations=(7, 4)),
    ],
)
def test_windows_at_every_place_of_an_image(window: Window) -> None:
    """Windows with as many positions as the image has, several blocks of them, in a single image and in many."""
    rng, target = np.random.default_rng(0), Target("t", columns=4, domains=16)
    for shape in ((3, 2, 8, 6), (1, 3, 40, 66), (40, 1, 2, 2)):
        images = rng.integers(-8, 8, size=shape, dtype=np.int8)
        windows = Windows(images, window, -3)
        rows = windows.array()
        code = [
            item
            for n in range(rows.shape[1])
            for item in (
                Instruction(Op.IN, Cell(0, 0), 5, imm=n),
                Instruction(Op.OUT, Cell(0, 0), 5, Operand(0, 0, 5, True), imm=n),
            )
        ]
        for name, threads in product(engine.INSTRUCTION_SETS, (1, 2)):
            outputs, _ = run_code(target, [encode(code)], [windows], rows.shape[1], threads, instruction_set=name)
            assert np.array_equal(outputs, rows)


def test_jobs_run_together() -> None:
    """Programs of different sizes that read the same and different rows give what each gives alone."""
    cases = [random_case(np.random.default_rng(seed), rows) for seed, rows in ((1, 700), (2, 3), (3, 129))]
    shared = np.random.default_rng(4).integers(-8, 8, size=(700, INPUTS)).astype(np.int8)
    target = cases[0].target
    jobs = [(program_of([*map(encode, case.segments)], case.outputs), [shared]) for case in cases[:1] * 2]
    for trace in (False, True):
        [alone] = engine.run(target, jobs[:1], 1, trace=trace)
        for outputs, counts in engine.run(target, jobs, 2, trace=trace):
            assert np.array_equal(outputs, alone[0])
            assert counts == alone[1]
    for case in cases:
        jobs = [(program_of([*map(encode, case.segments)], case.outputs), [case.inputs.T])]
        jobs.append((program_of([b""], 2), [shared]))
        (outputs, counts), (empty, _) = engine.run(case.target, jobs, 2)
        expected = run_golden(case)
        assert np.array_equal(outputs.T, expected[0])
        assert counts == expected[1]
        assert empty.shape == (700, 2)
        assert not empty.any()


def test_jobs_that_receive_the_same_vectors() -> None:
    """What several programs receive is received once for all of them, or for each where they read different vectors."""
    rng = np.random.default_rng(0)
    inputs = [rng.integers(-8, 8, size=(1100, features)).astype(np.int8) for features in (24, 40)]
    vectors = np.concatenate(inputs, axis=1).T
    target = Target("t", rows=64, columns=5, domains=12)

    def doubled(numbers: Sequence[int], width: int) -> tuple[Program, Sequence[Rows]]:
        """Sends each of the vectors, and twice its value, from the place where it was received."""
        code: list[Instruction] = []
        for out, number in enumerate(numbers):
            value = Operand(0, 0, width, signed=True)
            code.append(Instruction(Op.IN, Cell(0, 0), width, imm=number))
            code.append(Instruction(Op.ADD, Cell(1, 0), width + 1, a=value, b=value, carry=Cell(2, 0)))
            code.append(
                Instruction(Op.OUT, Cell(0, 0), width + 1, a=Operand(1, 0, width + 1, signed=True), imm=2 * out)
            )
            code.append(Instruction(Op.ADD_IP, Cell(0, 0), width, a=Operand(3, 0, 1), carry=Cell(2, 0)))
            code.append(Instruction(Op.OUT, Cell(0, 0), width, a=value, imm=2 * out + 1))
        return program_of([encode(code)], 2 * len(numbers)), inputs

    everything = [[int(number) for number in rng.permutation(64)] for _ in range(3)]
    parts = [[3, 60], [7, 40, 41], [5]]
    for numbers, widths in ((everything, (4, 4, 4)), (parts, (4, 4, 4)), (everything + parts, (4, 6, 4, 5, 5, 4))):
        jobs = [doubled(part, width) for part, width in zip(numbers, widths, strict=True)]
        for threads, name, trace in product((1, 2), engine.INSTRUCTION_SETS, (False, True)):
            results = engine.run(target, jobs, threads, trace=trace, instruction_set=name)
            for part, (outputs, _) in zip(numbers, results, strict=True):
                assert np.array_equal(outputs.T[::2], 2 * vectors[part])
                assert np.array_equal(outputs.T[1::2], vectors[part])


def test_a_value_that_was_received_but_for_its_last_bit() -> None:
    for vector in range(INPUTS):
        code = [Instruction(Op.IN, Cell(0, 0), 4, imm=vector), Instruction(Op.SET, Cell(0, 4), 1, imm=1)]
        code.append(Instruction(Op.COPY, Cell(1, 0), 5, Operand(0, 0, 5)))
        code.append(Instruction(Op.OUT, Cell(0, 0), 5, Operand(1, 0, 5), imm=0))
        inputs = np.arange(3 * INPUTS).reshape(INPUTS, 3)
        check_equal(Case(Target("t", rows=64, columns=5, domains=8), [code], inputs, 1))


def test_vectors_with_great_numbers() -> None:
    """Vectors that are too many to be received ahead of the program are received in their turn."""
    most = (1 << 20) // 8
    items = np.random.default_rng(0).integers(-64, 64, size=(2, most + 1)).astype(np.int8)
    numbers = [5, most, most - 1]
    places = [Operand(column, 0, 8, signed=True) for column in range(3)]
    code = [Instruction(Op.IN, Cell(column, 0), 8, imm=vector) for column, vector in enumerate(numbers)]
    code.append(Instruction(Op.ADD, Cell(3, 0), 9, a=places[0], b=places[1], carry=Cell(4, 0)))
    code.append(Instruction(Op.ADD_IP, Cell(3, 0), 9, a=places[2], carry=Cell(4, 0)))
    code.append(Instruction(Op.OUT, Cell(0, 0), 9, a=Operand(3, 0, 9, signed=True), imm=0))
    target = Target("t", rows=64, columns=5, domains=12)
    for trace in (False, True):
        outputs, _ = run_code(target, [encode(code)], [items], 1, 1, trace=trace)
        assert np.array_equal(outputs[:, 0], items[:, numbers].astype(np.int64).sum(axis=1))


@pytest.mark.parametrize(
    ("image", "window"),
    [
        ((1, 1, 3, 3), Window((4, 1))),
        ((1, 1, 3, 3), Window((1, 2), dilations=(1, 3))),
        ((1, 1, 3, 3), Window((0, 1))),
        ((1, 1, 3, 3), Window((1, 1), strides=(0, 1))),
        ((1, 1, 3, 3), Window((1, 1), pads=(0, -1, 0, 0))),
        ((1, 1, 3, 3), Window((1, 1), pads=(1 << 40, 0, 0, 0))),
        ((1, 1, 3, 3), Window((1 << 20, 1 << 20), pads=(1 << 19,) * 4)),
    ],
)
def test_windows_that_are_refused(image: tuple[int, ...], window: Window) -> None:
    images = np.zeros(image, dtype=np.int8)
    with pytest.raises(ValueError):
        _engine.Input(
            images, window.kernel, window.strides, window.pads, window.dilations, 0, 8, 1, engine.INSTRUCTION_SETS[0]
        )


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


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
def test_inputs_of_any_type(kind: type[np.signedinteger]) -> None:
    values = np.random.default_rng(0).integers(-128, 128, size=(70, 2)).astype(kind)
    code = [Instruction(Op.IN, Cell(n, 0), 40, imm=n) for n in range(2)]
    code += [Instruction(Op.OUT, Cell(0, 0), 40, Operand(n, 0, 40, True), imm=n) for n in range(2)]
    target = Target("t", columns=4, domains=40)
    for part in (values, values[::-1], np.asfortranarray(values)):
        outputs, _ = run_code(target, [encode(code)], [part], 2, 1)
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
        (Instruction(Op.SET, Cell(0, 0), 0), "instruction 1: a width is 1 to 63 bits, found 0"),
        (Instruction(Op.COPY, Cell(0, 0), 3, Operand(0, 8, 3)), "instruction 1: two bits .* meet in column c0"),
        (Instruction(Op.IN, Cell(0, 0), 1, imm=3), "instruction 1: there is no vector 3"),
        (Instruction(Op.IN, Cell(0, 0), 1, imm=-1), "instruction 1: a vector.s number can.t be negative, found -1"),
        (Instruction(Op.OUT, Cell(0, 0), 1, Operand(0, 0, 1), imm=1), "instruction 1: there is no vector 1"),
        (Instruction(Op.SET, Cell(0, 0), 1, last=False), "instruction 1: the last bit loop .* is never ended"),
    ],
)
def test_what_breaks_a_rule_is_refused(item: Instruction, message: str) -> None:
    target = Target("t", rows=8, columns=8, domains=16)
    code = encode([Instruction(Op.SET, Cell(0, 0), 1), item])
    with pytest.raises(ProgramError, match=message):
        run_code(target, [code], [np.zeros((4, INPUTS), dtype=np.int64)], 1, 1)


def test_bytes_that_are_no_program() -> None:
    target, inputs = Target("t", columns=8, domains=16), np.zeros((4, INPUTS), dtype=np.int64)
    good = encode([Instruction(Op.SET, Cell(0, 0), 1)] * 2)
    no_opcode, used_top = bytes(16), bytearray(good)
    used_top[7] = 4
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
            run_code(target, segments, [inputs], 1, 1)
    with pytest.raises(ProgramError):
        run_code(target, [good], [inputs[:0]], 1, 1)
    with pytest.raises(ProgramError):
        run_code(target, [], [inputs], 1, 1)


def test_the_engine_checks_its_own_arguments() -> None:
    """What runtime/engines/native.py never passes is refused as well."""
    code = WORDS.unpack(encode([Instruction(Op.SET, Cell(0, 0), 1)] * 3))
    bounds, table = np.array([0, 1, 3], dtype=np.int32), pass_table()
    inputs, outputs = np.zeros((5, 1), dtype=np.int64), np.zeros((1, 5), dtype=np.int8)
    good = (code, bounds, table, 8, 16)
    run = (1, True, engine.INSTRUCTION_SETS[0])
    program = _engine.Engine(*good)
    assert [len(part) for part in _engine.run([(program, [_engine.Input(inputs, 8, *run[::2])], outputs)], *run)] == [2]
    assert _engine.run([], *run) == []
    changes: list[dict[int, object]] = [
        *(
            {1: np.array(wrong, dtype=np.int32)}
            for wrong in ([], [0], [0, 2], [0, 4], [0, 2, 1, 3], [0, -1, 3], [1, 3])
        ),
        *({3: columns} for columns in (0, -1, 2049)),
        *({4: domains} for domains in (0, -1, 257)),
    ]
    for change in changes:
        arguments = [change.get(index, value) for index, value in enumerate(good)]
        with pytest.raises(ValueError):
            _engine.Engine(*arguments)  # pyright: ignore[reportArgumentType]
    for wrong in (table[:31], table[:, :8], table[..., :8], table.astype(np.int64), table.ravel()):
        with pytest.raises(TypeError):
            _engine.Engine(code, bounds, wrong, 8, 16)  # pyright: ignore[reportArgumentType]
    given = [_engine.Input(inputs, 8, *run[::2])]
    for wrong in (
        (given, outputs[:, :4].copy(), *run),
        (given, outputs.astype(np.int64), *run),
        (given, outputs[0], *run),
        (given, outputs, 0, *run[1:]),
        (given, outputs, 1, True, "abacus"),
        ([_engine.Input(inputs[:0], 8, *run[::2])], outputs[:, :0].copy(), *run),
    ):
        with pytest.raises(ValueError):
            _engine.run([(program, *wrong[:2])], *wrong[2:])
    with pytest.raises(TypeError):
        _engine.run([(program, given, outputs[:, ::2])], *run)
    with pytest.raises(ValueError):
        program.outputs(1 << 40, 1 << 40)
    for tensor in (inputs[0], inputs.astype(np.uint8), inputs[None]):
        with pytest.raises(ValueError):
            _engine.Input(tensor, 8, *run[::2])  # pyright: ignore[reportArgumentType]


# Damaged code.


def test_damaged_code_is_refused_or_runs_within_bounds() -> None:
    found = fuzz_damaged(0, 4000)
    assert found["refused"] > 500
    assert found["ran"] > 500
    assert found["equal"] > 50


def test_the_long_fuzzer() -> None:
    assert fuzz_random(1, 1000)["instructions"] >= 1000


@given(st.binary(max_size=96), st.integers(0, 96))
def test_any_bytes(data: bytes, cut: int) -> None:
    target, inputs = Target("t", columns=2048, domains=16), np.zeros((3, 2), dtype=np.int64)
    try:
        run_code(target, [data[:cut], data[cut:]], [inputs], 2, 1)
    except ProgramError as error:
        assert error.message
