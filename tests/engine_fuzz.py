"""Random and damaged AP programs for the native engine, compared with the golden simulator.

The tests run a short version. A long one, also with a sanitized build of the engine (CMake option CAMC_SANITIZE):

    python tests/engine_fuzz.py --instructions 1000000 --damaged 100000
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from time import monotonic
from typing import NamedTuple

import numpy as np
import pytest
from camc_testing import random_bundle, random_loop, random_target, whole_memory

from dialects.machine.code import BYTES_PER_INSTRUCTION, decode, encode
from dialects.machine.isa import Cell, Instruction, Op
from dialects.machine.program import Program, Segment
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.tensors import IntArray
from dialects.support.window import Ints, Rows
from runtime.cost.counts import Counts
from runtime.engines import native as engine
from runtime.engines.golden import Simulator

INPUTS = 3
ROWS = (1, 63, 64, 65, 128, 200, 256, 257, 511, 512, 513, 1025)


class Case(NamedTuple):
    """A program of several segments, its inputs (vectors, rows) and the number of its outputs."""

    target: Target
    segments: list[list[Instruction]]
    inputs: Ints
    outputs: int


def random_inputs(rng: np.random.Generator, rows: int) -> Ints:
    kind = np.dtype(rng.choice(["i1", "i2", "i4", "i8"]))
    limit = int(rng.choice([4, 1 << 8 * kind.itemsize - 1]))
    return rng.integers(-limit, limit, size=(INPUTS, rows), dtype=np.int64).astype(kind)


def random_case(rng: np.random.Generator, rows: int, loops: int = 20) -> Case:
    """Random segments, some of them empty; the last one reads out every bit of the memory."""
    target = random_target(rng)
    fill = [
        Instruction(Op.IN, Cell(column, 0), min(target.domains, 20), imm=int(rng.integers(INPUTS)))
        for column in range(target.columns)
    ]
    segments = [fill] if rng.random() < 0.5 else []
    known: list[list[Instruction]] = []
    for _ in range(int(rng.integers(1, 4))):
        code: list[Instruction] = []
        for _ in range(int(rng.integers(0, loops))):
            if not known or rng.random() < 0.5:
                make = random_bundle if rng.random() < 0.3 else random_loop
                known.append(make(rng, target.geometry, INPUTS, 2))
            # Loops come again on other data, which is quicker than drawing new ones.
            code += known[int(rng.integers(len(known)))]
        segments.append(code)
    segments.append(whole_memory(target.geometry, 2))
    return Case(target, segments, random_inputs(rng, rows), 2 + len(segments[-1]))


def run_golden(case: Case) -> tuple[IntArray, list[Counts]]:
    rows = case.inputs.shape[1]
    outputs = np.zeros((case.outputs, rows), dtype=np.int64)
    simulator = Simulator(case.target, rows)
    return outputs, [simulator.run("test", code, case.inputs.astype(np.int64), outputs) for code in case.segments]


def program_of(segments: Sequence[bytes], outputs: int) -> Program:
    """Binary code as a program."""
    return Program(tuple(Segment("test", code) for code in segments), (INPUTS,), (outputs,), 1)


def run_code(
    target: Target,
    segments: Sequence[bytes],
    inputs: Sequence[Rows],
    outputs: int,
    threads: int,
    *,
    trace: bool = True,
    instruction_set: str = engine.INSTRUCTION_SETS[0],
) -> tuple[Ints, list[Counts]]:
    """Run a single program."""
    programs = [(program_of(segments, outputs), inputs)]
    [found] = engine.run(target, programs, threads, trace=trace, instruction_set=instruction_set)
    return found


def run_native(case: Case) -> tuple[Ints, list[Counts]]:
    segments = [encode(code) for code in case.segments]
    outputs, counts = run_code(case.target, segments, [case.inputs.T], case.outputs, 1)
    return outputs.T, counts


def untraced(counts: Sequence[Counts]) -> list[Counts]:
    return [each.with_traced(None) for each in counts]


def check_equal(case: Case, threads: Sequence[int] = (1, 2)) -> None:
    """All instruction sets, traced or not, on any number of threads."""
    outputs, counts = run_golden(case)
    segments = [encode(code) for code in case.segments]
    for number, name, trace in product(threads, engine.INSTRUCTION_SETS, (False, True)):
        found, native = run_code(
            case.target, segments, [case.inputs.T], case.outputs, number, trace=trace, instruction_set=name
        )
        assert np.array_equal(found.T, outputs)
        assert native == (counts if trace else untraced(counts))


def _quiet(done: int) -> None:
    pass


# Damaged code.


def damaged(rng: np.random.Generator, whole: bytes) -> list[bytes]:
    """Code with bits flipped, bytes or fields replaced, instructions dropped, ends or bounds moved."""
    code = bytearray(whole)
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


def try_damaged(rng: np.random.Generator, case: Case, whole: bytes, compare: bool) -> str:
    """What became of a case when its code was damaged; the golden simulator must refuse the same ones, or agree."""
    segments, threads, trace = damaged(rng, whole), int(rng.integers(1, 3)), bool(rng.integers(2))
    name = str(rng.choice(engine.INSTRUCTION_SETS))
    try:
        outputs, counts = run_code(
            case.target, segments, [case.inputs.T], case.outputs, threads, trace=trace, instruction_set=name
        )
    except ProgramError as error:
        assert error.message
        if compare:
            with pytest.raises(ProgramError):
                run_golden(case._replace(segments=[list(decode(segment)) for segment in segments]))
        return "refused"
    assert outputs.shape == (case.inputs.shape[1], case.outputs)
    if not compare:
        return "ran"
    golden, expected = run_golden(case._replace(segments=[list(decode(segment)) for segment in segments]))
    assert np.array_equal(outputs.T, golden)
    assert counts == (expected if trace else untraced(expected))
    return "equal"


def fuzz_damaged(seed: int, tries: int, show: Callable[[int], None] = _quiet) -> Counter[str]:
    """How many damaged programs were refused, ran, or ran as in the golden simulator; shows how many were tried."""
    rng = np.random.default_rng(seed)
    found = Counter[str]()
    for number in range(tries):
        show(number)
        if number % 25 == 0:
            case = random_case(rng, int(rng.choice([1, 2, 65, 513], p=[0.5, 0.3, 0.15, 0.05])), loops=4)
            whole = b"".join(encode(part) for part in case.segments)
        found[try_damaged(rng, case, whole, compare=number % 10 == 0)] += 1
    return found


def fuzz_random(seed: int, instructions: int, show: Callable[[int], None] = _quiet) -> Counter[str]:
    """Runs random programs of at least that many instructions; raises AssertionError at the first difference."""
    rng = np.random.default_rng(seed)
    found = Counter[str]()
    while found["instructions"] < instructions:
        show(found["instructions"])
        case = random_case(rng, int(rng.choice(ROWS)), loops=40)
        check_equal(case, (int(rng.integers(1, 4)),))
        for item in (item for code in case.segments for item in code):
            found[item.op.name.lower()] += 1
            found["instructions"] += 1
            found["members of longer loops"] += not item.last
        found["programs"] += 1
    return found


def shown(what: str, total: int) -> Callable[[int], None]:
    """Prints each tenth of what is done, with the seconds since the start."""
    begin, next_line = monotonic(), total // 10

    def show(done: int) -> None:
        nonlocal next_line
        if done >= next_line:
            print(f"{done:,} of {total:,} {what}, {monotonic() - begin:.0f} s", flush=True)
            next_line += max(1, total // 10)

    return show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instructions", type=int, default=1_000_000, help="instructions of random programs")
    parser.add_argument("--damaged", type=int, default=100_000, help="damaged programs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("instruction sets:", ", ".join(engine.INSTRUCTION_SETS), flush=True)
    begin = monotonic()
    found = fuzz_random(options.seed, options.instructions, shown("instructions", options.instructions))
    totals = ", ".join(f"{number:,} {name}" for name, number in found.items())
    print(f"no difference in {monotonic() - begin:.0f} s: {totals}", flush=True)
    begin = monotonic()
    found = fuzz_damaged(options.seed, options.damaged, shown("damaged programs", options.damaged))
    totals = ", ".join(f"{number:,} {name}" for name, number in sorted(found.items()))
    print(f"damaged, {monotonic() - begin:.0f} s: {totals}")


if __name__ == "__main__":
    main()
