"""Step functions by prefixes give what comparisons give: at all values of narrow sums, at random ones of wide sums."""

from __future__ import annotations

import numpy as np
import pytest
from camc_testing import parse_module
from xdsl.context import Context

from dialects import ap
from dialects.ap.assembly import AssemblyCode
from dialects.machine.code import encode
from dialects.machine.isa import Cell, Instruction, Op, Operand
from dialects.machine.target import Target
from dialects.support.ranges import Range
from passes.ap_prefix import ApPrefix
from runtime.engines import golden

ROWS = 64


def program_of(code: list[Instruction], width: int, signed: bool, bits: int) -> ap.ProgramOp:
    """A program that receives a value, and sends a number of it."""
    span = Range.of_width(width, signed)
    taken, given = f"tensor<?x1x!ternary.int<{span.lo}, {span.hi}>, #ternary.rows<{ROWS}>>", f"0, {(1 << bits) - 1}"
    made = f"tensor<?x1x!ternary.int<{given}>, #ternary.rows<{ROWS}>>"
    module = parse_module(f"""
func.func @main(%x: {taken}) -> {made} {{
  %y = ap.program %x : ({taken}) -> {made} geometry <{ROWS}x64x2> {{
    ap.segment "steps" code <{{ {AssemblyCode(encode(code)).to_text()} }}>
  }}
  func.return %y : {made}
}}""")
    before = next(op for op in module.walk() if isinstance(op, ap.ProgramOp))
    before_text = before.segments[0].code.to_text()
    ApPrefix().apply(Context(), module)
    assert (before.segments[0].code.to_text() != before_text) and "cmp.ge" not in before.segments[0].code.to_text()
    return before


@pytest.mark.parametrize("seed", range(24))
def test_prefixes_are_the_function(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, bits, signed, falls = int(rng.integers(2, 22)), int(rng.integers(1, 5)), bool(seed % 2), bool(seed % 4 > 1)
    span = Range.of_width(width, signed)
    every = np.arange(span.lo, span.hi + 1) if width < 12 else rng.integers(span.lo, span.hi + 1, 4000)
    count = int(min(rng.integers(1, 1 << bits), span.hi - span.lo))
    bounds = sorted({int(bound) for bound in rng.choice(every[every > span.lo], size=count)})
    numbers = np.sort(rng.choice(np.arange(1, 1 << bits), size=len(bounds), replace=False)).tolist()
    numbers = [*numbers[::-1], 0] if falls else [0, *numbers]
    source, lean = Operand(0, 0, width, signed), bool(rng.integers(2))
    code = [
        Instruction(Op.IN, Cell(0, 0), width, imm=0, across=True),
        Instruction(Op.SET, Cell(30, 0), bits, imm=numbers[0], across=True, lean=lean),
    ]
    for bound, number in zip(bounds, numbers[1:], strict=True):
        code += [
            Instruction(Op.CMP_GE, Cell(40, 1), width, source, imm=bound, across=True, lean=lean),
            Instruction(Op.SET_IF, Cell(30, 0), bits, Operand(40, 1, 1), imm=number, across=True, lean=lean),
        ]
    code.append(Instruction(Op.OUT, Cell(0, 0), bits, Operand(30, 0, bits), across=True))
    program = program_of(code, width, signed, bits).program
    [(found, _)] = golden.run(Target("test", rows=ROWS, columns=64, domains=2), [(program, [every[:, None]])])
    expected = np.array(numbers)[np.searchsorted(bounds, every, side="right")]
    assert found[:, 0].tolist() == expected.tolist()
