"""Whether the passes of the counting instructions do what the instructions mean, for all that a network uses.

Each width, sign and shift of a count is executed by the golden simulator on an array of random cells of all four
kinds, with random inputs: what it counts is compared with a product, what a load and a clear leave in the cells with
the inputs and with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from dialects.ap.counting import counting_line
from dialects.machine.cells import ONE, ZERO, Cells
from dialects.machine.counted import AnyProgram, CountedPart, CountedProgram
from dialects.machine.counting import COUNTING, COUNTS, CountInstruction, CountOp, CountOpcode, across, encode_counting
from dialects.machine.isa import Cell, Operand
from dialects.machine.target import Target
from dialects.support.errors import MismatchError
from dialects.support.ranges import Range
from runtime.engines.counting_golden import CountingSimulator

_INPUTS, _OUTPUTS, _ROWS = 24, 5, 6
_BITS = 63
"""of accumulators and what is stored"""


def check_counting_table(programs: Iterable[AnyProgram]) -> int:
    """How many kinds were executed; raises MismatchError where passes do something else than is meant."""
    counted = (program for program in programs if isinstance(program, CountedProgram))
    items = (item for program in counted for item in program.body if item.op in COUNTS)
    kinds = {item._replace(q=0, n=_OUTPUTS, a=_moved(item.a), b=Cell(item.a.width, 0)) for item in items}
    rows = tuple(COUNTING.values())
    for item in sorted(kinds):
        if wrong := _wrong(item, rows):
            raise MismatchError(
                f"its passes leave something else than '{COUNTING[wrong].meaning}'",
                place=f"instruction table, {COUNTING[wrong].mnemonic}, as with `{counting_line(item)}`",
                hint="the row is in dialects/machine/counting.py",
            )
    return len(kinds)


def _moved(a: Operand) -> Operand:
    return a._replace(column=0, domain=0)


@lru_cache(1 << 10)
def _wrong(item: CountInstruction, _: tuple[CountOpcode, ...]) -> CountOp | None:
    """The instruction that does something else than it means, where that of its kind and its load and clear run."""
    rng = np.random.default_rng(0)
    a, span = item.a, Range.of_width(item.a.width, item.a.signed)
    cells = rng.integers(0, 4, (_OUTPUTS, _INPUTS)).astype(np.uint8)
    load = CountInstruction(CountOp.LOAD, a=Operand(0, 0, a.width))
    store = CountInstruction(CountOp.STORE, 0, _OUTPUTS, Operand(0, 0, _BITS, True), Cell(1, 0))
    first = item._replace(op=CountOp.COUNT)
    body = [load, first, *([item] if item.op is not CountOp.COUNT else []), store]
    loop = [CountInstruction(CountOp.REPEAT, imm=_ROWS), *body, CountInstruction(CountOp.END)]
    program = CountedProgram(
        "check",
        encode_counting([*loop, load._replace(op=CountOp.CLEAR)]),
        Cells.of([(0, a.width + lane, 0, line) for lane, line in enumerate(cells)]),
        (CountedPart((0, _OUTPUTS), ((0, _INPUTS),)),),
        0,
        (_INPUTS,),
        (_OUTPUTS,),
        _ROWS,
    )
    target = Target(
        "check", rows=_INPUTS, columns=max(4, a.width + _OUTPUTS), domains=1, counter=True, accumulator_bits=_BITS
    )
    simulator = CountingSimulator(target, program)
    inputs = rng.integers(span.lo, span.hi + 1, (_ROWS, _INPUTS))
    found = simulator.run(inputs[:-1])
    held = [simulator.held(0, cell) for cell in across(load)]
    if any((line != np.where(inputs[-2] >> bit & 1, ONE, ZERO)).any() for bit, line in enumerate(held)):
        return CountOp.LOAD
    weights = (cells == ONE).astype(np.int64) - (cells == ZERO)
    if (found != (inputs[:-1] @ weights.T << a.shift) * (len(body) - 2)).any():
        return item.op
    simulator.run(inputs)
    return CountOp.CLEAR if any((simulator.held(0, cell) != ZERO).any() for cell in across(load)) else None
