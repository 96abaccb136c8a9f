"""The text of counting code: one instruction per line (grammar: counting.lark).

    repeat #3136 {                          ; for each row of a sample
      load c0.0:4                           ; four bits of every input, bit k in column k
      count q0:64, c4.0, c0.0:4             ; q0 to q63, with weights in c4.0, c5.0, ...
      count.add q0:64, c68.0, c0.0:4<<1     ; a second digit of the weights
      match q0:25, t0.c0.0:10, #0           ; tables of ten columns each, in table array 0 of the part
      match q25:39, t0.c250.0:5*0, #0       ; one table for all
      take.max q0:64, #3:4*9                ; vectors 3, 12, 21, ... of the input, of four bits
      store q0:64, #0:4
    }
    clear c0.0:4

`q0:64` is 64 accumulators from q0 on. Tables lie side by side unless a stride is stated, vectors follow one another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dialects.machine.code import BYTES_PER_INSTRUCTION
from dialects.machine.counting import (
    COUNT_MNEMONICS,
    COUNTING,
    CountInstruction,
    CountOp,
    decode_counting,
    encode_counting,
)
from dialects.machine.isa import Cell, Operand
from dialects.support.errors import TextError
from dialects.support.grammar import parse

_GRAMMAR = Path(__file__).with_name("counting.lark")


@dataclass(frozen=True, slots=True)
class CountingCode:
    """Counting instructions as their binary form, with their assembly as text."""

    binary: bytes

    @classmethod
    def of(cls, code: Sequence[CountInstruction]) -> Self:
        return cls(encode_counting(code))

    def __len__(self) -> int:
        return len(self.binary) // BYTES_PER_INSTRUCTION

    def to_text(self) -> str:
        lines: list[str] = []
        inside = False
        for item in decode_counting(self.binary):
            if item.op is CountOp.END:
                inside = False
            lines.append(("  " if inside else "") + counting_line(item))
            inside |= item.op is CountOp.REPEAT
        return "\n".join(lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        return cls.of(parse(_GRAMMAR, _ToInstructions, text))


def counting_line(item: CountInstruction) -> str:
    """One instruction as text."""
    if item.op is CountOp.END:
        return "}"
    if item.op is CountOp.REPEAT:
        return f"repeat #{item.imm} {{"
    a = item.a
    bits, shift = f"{a.width}{'s' if a.signed else ''}", f"<<{a.shift}" if a.shift else ""
    texts = {
        "Q": f"q{item.q}:{item.n}",
        "B": f"c{item.b.column}.{item.b.domain}",
        "A": f"c{a.column}.{a.domain}:{bits}{shift}",
        "D": f"c{a.column}.{a.domain}:{bits}",
        "T": f"t{item.table}.c{a.column}.{a.domain}:{a.width}" + (f"*{item.stride}" if item.stride != a.width else ""),
        "V": f"#{item.imm}:{bits}" + (f"*{item.stride}" if item.stride != 1 else "") + shift,
        "I": f"#{item.imm}",
    }
    row = COUNTING[item.op]
    return f"{row.mnemonic} {', '.join(texts[role] for role in row.operands)}"


_FORMS = {
    "Q": (re.compile(r"q(\d+):(\d+)"), "accumulators q0:64"),
    "B": (re.compile(r"c(\d+)\.(\d+)"), "the first weights c4.0"),
    "A": (re.compile(r"c(\d+)\.(\d+):(\d+)(s?)"), "a value c0.0:4"),
    "D": (re.compile(r"c(\d+)\.(\d+):(\d+)(s?)"), "a place c0.0:4"),
    "T": (re.compile(r"t(\d+)\.c(\d+)\.(\d+):(\d+)"), "a table t0.c0.0:10"),
    "V": (re.compile(r"#(\d+):(\d+)(s?)"), "vectors #0:4"),
    "I": (re.compile(r"#(-?\d+)"), "an immediate #1"),
}
_STRIDED, _SHIFTED = "TV", "AV"


class _ToInstructions:
    """Builds instructions from the parse tree as lark reads it."""

    def start(self, items: list[Any]) -> list[CountInstruction]:
        return [one for item in items for one in ([item] if isinstance(item, CountInstruction) else item)]

    def repeat(self, parts: list[Any]) -> list[CountInstruction]:
        return [CountInstruction(CountOp.REPEAT, imm=int(parts[0][1:])), *parts[1:], CountInstruction(CountOp.END)]

    def operand(self, parts: list[Any]) -> tuple[Any, int | None, int | None]:
        token, stride, shift = parts
        return token, int(stride[1:]) if stride else None, int(shift[2:]) if shift else None

    def instruction(self, parts: list[Any]) -> CountInstruction:
        mnemonic, *operands = parts
        row, at = COUNT_MNEMONICS.get(str(mnemonic)), mnemonic.start_pos
        if row is None:
            raise TextError(f"unknown instruction '{mnemonic}'; known are {', '.join(sorted(COUNT_MNEMONICS))}", at)
        item = CountInstruction(row.op)
        fits = len(operands) == len(row.operands)
        for role, (token, stride, shift) in zip(row.operands, operands, strict=False):
            match = _FORMS[role][0].fullmatch(str(token))
            fits &= match is not None and (stride is None or role in _STRIDED) and (shift is None or role in _SHIFTED)
            if match is not None:
                item = _with_operand(item, role, match.groups(), stride, shift or 0)
        if not fits:
            raise TextError(f"{mnemonic} takes {', '.join(_FORMS[role][1] for role in row.operands)}", at)
        return item


def _with_operand(
    item: CountInstruction, role: str, groups: tuple[str, ...], stride: int | None, shift: int
) -> CountInstruction:
    """The instruction with what one of its operands says."""
    numbers = [int(group) for group in groups if group not in ("", "s")]
    signed = "s" in groups
    match role:
        case "Q":
            return item._replace(q=numbers[0], n=numbers[1])
        case "B":
            return item._replace(b=Cell(*numbers))
        case "A" | "D":
            column, domain, width = numbers
            return item._replace(a=Operand(column, domain, width, signed, shift))
        case "T":
            table, column, domain, width = numbers
            step = width if stride is None else stride
            return item._replace(table=table, a=Operand(column, domain, width), b=Cell(step, 0))
        case "V":
            step = 1 if stride is None else stride
            return item._replace(imm=numbers[0], a=Operand(0, 0, numbers[1], signed, shift), b=Cell(step, 0))
        case _:
            return item._replace(imm=numbers[0])
