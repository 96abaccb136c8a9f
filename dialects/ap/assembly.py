"""The text of AP code: assembly, one instruction per line (grammar: assembly.lark).

    add.ip c12.4:7, c3.0:2s, c255.0     ; c12[4:11] += c3[0:2], carry in c255[0]
    add c7.0:5, c3.0:4, c5.2:2s<<1, c255.0
    cmp.ge c9.0, c12.4:7s, #-3
    loop {                              ; one bit loop of two instructions
      add.ip c12.4:7, c3.0:2s, c255.0
      sub.ip c13.4:7, c3.0:2s, c254.0
    }

`c12.4:7s` is seven bits of column 12 from domain 4 on, signed; `c9.0` is a single cell; `#5` an immediate; `@2` after
an instruction starts it at step 2 of its bit loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from dialects.machine.code import Code, encode, write_text
from dialects.machine.isa import MNEMONICS, NO_CELL, OPCODES, ZERO, Cell, Instruction, Operand, compared_width, in_loop
from dialects.support.errors import TextError
from dialects.support.grammar import parse

_GRAMMAR = Path(__file__).with_name("assembly.lark")


class AssemblyCode(Code):
    """AP machine code with its assembly as text."""

    __slots__ = ()

    @classmethod
    def of(cls, instructions: Sequence[Instruction]) -> Self:
        return cls(encode(instructions))

    def to_text(self) -> str:
        return write_text(self.instructions, assembly_line)

    @classmethod
    def from_text(cls, text: str) -> Self:
        return cls.of(parse(_GRAMMAR, _ToInstructions, text))


def assembly_line(item: Instruction) -> str:
    """One instruction as assembly."""
    row = OPCODES[item.op]
    texts = {
        "D": f"c{item.dst.column}.{item.dst.domain}:{item.width}",
        "d": f"c{item.dst.column}.{item.dst.domain}",
        "A": _operand(item.a),
        "B": _operand(item.b),
        "a": f"c{item.a.column}.{item.a.domain}",
        "c": f"c{item.carry.column}.{item.carry.domain}",
        "I": f"#{item.imm}",
    }
    step = f" @{item.start}" if item.start else ""
    return f"{row.mnemonic} {', '.join(texts[role] for role in row.operands)}{step}"


def _operand(operand: Operand) -> str:
    if operand.width == 0:
        return "zero"
    shift = f"<<{operand.shift}" if operand.shift else ""
    return f"c{operand.column}.{operand.domain}:{operand.width}{'s' if operand.signed else ''}{shift}"


def _place(token: Any) -> Operand:
    """`c12.4:7s` as an operand; a single cell has width 1."""
    column, _, rest = str(token)[1:].partition(".")
    domain, colon, width = rest.partition(":")
    return Operand(int(column), int(domain), int(width.rstrip("s")) if colon else 1, width.endswith("s"))


class _ToInstructions:
    """Builds instructions from the parse tree as lark reads it."""

    def start(self, items: list[Any]) -> list[Instruction]:
        flat: list[Instruction] = []
        for item in items:
            if isinstance(item, Instruction):
                flat.append(item)
            else:
                flat += item
        return flat

    def loop(self, members: list[Instruction]) -> list[Instruction]:
        return in_loop(members)

    def operand(self, parts: list[Any]) -> Operand:
        place, shift = parts
        operand = _place(place)
        return operand._replace(shift=int(str(shift)[2:])) if shift else operand

    def zero(self, _: list[Any]) -> Operand:
        return ZERO

    def immediate(self, parts: list[Any]) -> int:
        return int(str(parts[0])[1:])

    def instruction(self, parts: list[Any]) -> Instruction:
        mnemonic, *values, step = parts
        row = MNEMONICS.get(str(mnemonic))
        at: int = mnemonic.start_pos
        if row is None:
            raise TextError(f"unknown instruction '{mnemonic}'; known are {', '.join(sorted(MNEMONICS))}", at)
        kinds = "".join("I" if isinstance(value, int) else "P" for value in values if value is not None)
        if kinds != "".join("I" if role == "I" else "P" for role in row.operands):
            raise TextError(f"{mnemonic} takes {_signature(row.operands)}", at)
        given: dict[str, Any] = dict(zip(row.operands, values, strict=True))
        for role in given.keys() & {"D", "d", "c", "a"}:
            if given[role].shift or given[role].width == 0:
                raise TextError(f"{mnemonic}: operand {role} is a plain place, not shifted or zero", at)
        dst: Operand = given.get("D") or given.get("d") or ZERO
        a: Operand = given.get("A") or given.get("a") or ZERO
        carry: Operand = given.get("c") or ZERO
        return Instruction(
            row.op,
            Cell(*dst[:2]),
            dst.width if "D" in given else compared_width(a, given["B"]) if "B" in given else a.width,
            a,
            given.get("B", ZERO),
            given.get("I", 0),
            Cell(*carry[:2]) if "c" in given else NO_CELL,
            int(str(step)[1:]) if step else 0,
        )


_KINDS = {
    "D": "destination c1.0:4",
    "d": "cell c1.0",
    "A": "source c2.0:4s",
    "B": "source c3.0:4s",
    "a": "flag c4.0",
    "c": "carry c5.0",
    "I": "immediate #1",
}


def _signature(operands: str) -> str:
    return ", ".join(_KINDS[role] for role in operands)
