"""What the native code knows of instructions, against the Python table that is the reference.

dialects/native/code.hpp and rules.hpp are read by the checkers, the placer and the engine; here every opcode's
operands, every field and every rule is compared with dialects/machine/isa.py and code.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from camc_testing import random_instruction
from hypothesis import given
from hypothesis import strategies as st

from dialects import _placed_check
from dialects.machine.census import predict_shifts
from dialects.machine.code import WORDS, check_code, decode, encode
from dialects.machine.isa import OPCODES, ZERO, Cell, Instruction, Op, Operand, passes_of
from dialects.machine.rules import check
from dialects.machine.tables import OPCODE_VALUES, operand_table, pass_table
from dialects.machine.target import Geometry
from dialects.support.errors import ProgramError

COLUMNS, DOMAINS = 4, 8


def test_operands_of_every_opcode() -> None:
    for op in range(OPCODE_VALUES):
        found = _placed_check.operands(op)
        assert found[:-1] == operand_table()[op].astype(bool).tolist()
        assert found[-1] == (
            op in set(OPCODES) and bool({"c", "e"} & set(OPCODES[Op(op)].operands)) and op != Op.COPY_IF
        )


words = st.integers(0, (1 << 64) - 1)


@given(st.tuples(st.integers(0, (1 << 58) - 1), words))
def test_any_words_are_unpacked_and_packed_as_in_python(pair: tuple[int, int]) -> None:
    binary = np.array(pair, dtype="<u8").tobytes()
    found = _placed_check.unpack(*pair)
    try:
        [item] = decode(binary)
    except ProgramError:
        assert found is None
        return
    flags = (item.across, item.lean)
    expected = (item.op, item.last, item.start, item.width, *item.dst, *item.carry, *flags, *item.a, *item.b, item.imm)
    assert found == list(expected)
    assert np.array(_placed_check.repack(*pair), dtype="<u8").tobytes() == encode([item]) == binary


def test_bits_without_a_meaning_make_words_no_instruction() -> None:
    first, second = WORDS.unpack(encode([Instruction(Op.SET, Cell(0, 0), 1)]))[0].tolist()
    for bit in range(58, 64):
        assert _placed_check.unpack(first | 1 << bit, second) is None


def problem_of(item: Instruction, columns: int, domains: int) -> str | None:
    """What `check` says, without the mnemonic."""
    try:
        check(item, columns, domains)
    except ProgramError as error:
        return error.message.removeprefix(OPCODES[item.op].mnemonic + ": ")
    return None


def native_problem_of(item: Instruction, columns: int, domains: int) -> str | None:
    found = _placed_check.broken(WORDS.unpack(encode([item])), pass_table(), columns, domains, False)
    assert found is None or found[:2] == (False, 0)
    return found and found[2]


def sources(column: int) -> Iterator[Operand]:
    yield ZERO
    for domain, width, signed, shift in product((0, 6), (1, 2, 3), (False, True), (0, 1)):
        yield Operand(column, domain, width, signed, shift)


def neighbours(op: Op) -> Iterator[Instruction]:
    """Instructions of an opcode, legal ones and those that break each of the rules, in all combinations."""
    roles = OPCODES[op].operands
    some = list(sources(1))
    firsts = [*some, Operand(0, 0, 2), Operand(4, 0, 1)] if {"A", "a"} & set(roles) else [ZERO]
    seconds = [*sources(2), some[1], Operand(1, 0, 1, False, 1)] if "B" in roles else [ZERO]
    carries = (
        [Cell(2 if "e" in roles else 3, 0), Cell(0, 0), Cell(1, 1), Cell(3, 8)]
        if {"c", "e"} & set(roles)
        else [Cell(0, 0)]
    )
    if "J" in roles:
        carries = [Cell(number, bits) for number, bits in ((1, 1), (2, 2), (3, 2), (0, 1), (4, 2), (1, 0), (1, 9))]
    immediates = [0, 1, 3, 4, 7, 8, -1, -2, -4, -5, (1 << 31) - 1, -(1 << 31)] if "I" in roles else [0]
    destinations = [Cell(0, 0), Cell(0, 7), Cell(1, 0), Cell(4, 0)] if {"D", "d", "r"} & set(roles) else [Cell(0, 0)]
    if "J" in roles:
        # Few of so many are legal.
        firsts = [*some[1:3], *(a for a in some[1:] if not (a.shift or a.domain)), Operand(4, 0, 1), some[-1]]
        immediates = [0, 1, 3, 8, -1, -5]
    for dst, width, a, b, imm, carry in product(destinations, (0, 1, 2, 3, 9), firsts, seconds, immediates, carries):
        for across in (False, True):
            yield Instruction(op, dst, width, a, b, imm, carry, across=across)


@pytest.mark.parametrize("op", Op)
def test_every_rule_of_an_instruction(op: Op) -> None:
    verdicts: set[str | None] = set()
    rng = np.random.default_rng(op)
    items = list(neighbours(op))
    for number in rng.permutation(len(items))[:3000]:
        item = items[number]
        problem = problem_of(item, COLUMNS, DOMAINS)
        assert native_problem_of(item, COLUMNS, DOMAINS) == problem, item
        verdicts.add(problem and " ".join(word for word in problem.split() if word.isalpha()))
    # Legal ones were among them, and at least: the width and the array's limits.
    assert None in verdicts and len(verdicts) >= 3


@given(st.sampled_from(Op), st.integers(0, (1 << 58) - 1), words, st.integers(1, 2048), st.integers(1, 256))
def test_rules_of_any_fields(op: Op, first: int, second: int, columns: int, domains: int) -> None:
    [item] = decode(np.array([first >> 5 << 5 | op, second], dtype="<u8").tobytes())
    item = item._replace(last=True)
    assert native_problem_of(item, columns, domains) == problem_of(item, columns, domains)


@given(st.integers(0, 1 << 32))
def test_cells_and_passes_of_every_bit(seed: int) -> None:
    """The cells that move under their ports, the passes and what they write, on programs of single instructions."""
    rng = np.random.default_rng(seed)
    geometry = Geometry(64, 6, 8)
    drawn = [random_instruction(rng, geometry, 4, 4) for _ in range(12)]
    items = [item for item in drawn if problem_of(item, geometry.columns, geometry.domains) is None]
    census = predict_shifts([encode([item]) for item in items], geometry.columns, geometry.domains)
    writes = np.zeros((geometry.columns, geometry.domains), dtype=np.int64)
    ports = [0] * geometry.columns
    for number, item in enumerate(items):
        searches = written = steps = 0
        for bit in range(item.width):
            passes, cells = passes_of(item, bit)
            searches += sum(bool(key) and key[0][0] != "T" for key, _ in passes)
            written += sum(write[0][0] != "T" for _, write in passes)
            for role, cell in cells.items():
                steps += abs(ports[cell.column] - cell.domain)
                ports[cell.column] = cell.domain
                writes[cell] += sum(role in dict(write) for _, write in passes)
        found = (census.search_passes, census.write_passes, census.column_steps)
        assert [int(counts[number]) for counts in found] == [searches, written, steps]
        assert census.ports[number].tolist() == ports
    assert (census.writes == writes).all()


@given(st.integers(0, 1 << 32))
def test_legality_of_bit_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    geometry = Geometry(64, 6, 8)
    for _ in range(10):
        count = int(rng.integers(1, 4))
        items = [random_instruction(rng, geometry, 4, 4)._replace(start=int(rng.integers(3))) for _ in range(count)]
        code = bytearray(encode([item._replace(last=False) for item in items[:-1]] + items[-1:]))
        code[int(rng.integers(len(code)))] ^= int(rng.choice([0, 0, 1, 2, 64]))
        try:
            check_code(decode(bytes(code)), geometry.columns, geometry.domains)
            legal = True
        except ProgramError:
            legal = False
        found = _placed_check.broken(WORDS.unpack(bytes(code)), pass_table(), geometry.columns, geometry.domains, True)
        assert (found is None) == legal
