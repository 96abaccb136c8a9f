"""The text of AP code: assembly, one instruction per line (grammar: assembly.lark).

    add.ip c12.4:7, c3.0:2s, c255.0     ; c12[4:11] += c3[0:2], carry in c255[0]
    add c7.0:5, c3.0:4, c5.2:2s<<1, c255.0
    cmp.ge c9.0, c12.4:7s, #-3
    loop {                              ; one bit loop of two instructions
      add.ip c12.4:7, c3.0:2s, c255.0
      sub.ip c13.4:7, c3.0:2s, c254.0
    }

`c12.4:7s` is seven bits of column 12 from domain 4 on, signed; `c12:7.4s` seven bits across columns, from column 12 on,
in domain 4; `c9.0` is a single cell; `#5` an immediate; `@2` after an instruction starts it at step 2 of its bit loop;
`lean` before it says that it writes only cells that change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

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
        "D": _operand(Operand(*item.dst, item.width), item.across),
        "d": f"c{item.dst.column}.{item.dst.domain}",
        "A": _operand(item.a, item.across),
        "B": _operand(item.b, item.across),
        "a": f"c{item.a.column}.{item.a.domain}",
        "c": f"c{item.carry.column}.{item.carry.domain}",
        "I": f"#{item.imm}",
    }
    step = f" @{item.start}" if item.start else ""
    return f"{'lean ' if item.lean else ''}{row.mnemonic} {', '.join(texts[role] for role in row.operands)}{step}"


def _operand(operand: Operand, across: bool) -> str:
    if operand.width == 0:
        return "zero"
    shift = f"<<{operand.shift}" if operand.shift else ""
    width = f":{operand.width}"
    place = f"c{operand.column}{width if across else ''}.{operand.domain}{'' if across else width}"
    return f"{place}{'s' if operand.signed else ''}{shift}"


class _Place(NamedTuple):
    """A place in the text: as an operand, and whether its bits lie across columns, along a track, or it is a cell."""

    operand: Operand
    bits: Literal["across", "along", "cell"]


def _place(token: Any) -> _Place:
    """`c12.4:7s`, `c12:7.4s` or `c9.0` as an operand; a single cell has width 1."""
    columns, _, rest = str(token)[1:].partition(".")
    (column, across, wide), (domain, along, long) = columns.partition(":"), rest.rstrip("s").partition(":")
    if across and along:
        raise TextError(f"'{token}' spans columns and domains; a value lies along one or the other", token.start_pos)
    operand = Operand(int(column), int(domain), int(wide or long or 1), rest.endswith("s"))
    return _Place(operand, "across" if across else "along" if along else "cell")


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

    def operand(self, parts: list[Any]) -> _Place:
        token, shift = parts
        place = _place(token)
        return place._replace(operand=place.operand._replace(shift=int(str(shift)[2:]))) if shift else place

    def zero(self, _: list[Any]) -> _Place:
        return _Place(ZERO, "cell")

    def immediate(self, parts: list[Any]) -> int:
        return int(str(parts[0])[1:])

    def instruction(self, parts: list[Any]) -> Instruction:
        lean, mnemonic, *values, step = parts
        row = MNEMONICS.get(str(mnemonic))
        at: int = mnemonic.start_pos
        if row is None:
            raise TextError(f"unknown instruction '{mnemonic}'; known are {', '.join(sorted(MNEMONICS))}", at)
        kinds = "".join("I" if isinstance(value, int) else "P" for value in values if value is not None)
        if kinds != "".join("I" if role == "I" else "P" for role in row.operands):
            raise TextError(f"{mnemonic} takes {_signature(row.operands)}", at)
        bits = {value.bits for value in values if isinstance(value, _Place)}
        if {"across", "along"} <= bits:
            raise TextError(f"{mnemonic}: its values lie across columns or along tracks, not both", at)
        plain = (value.operand if isinstance(value, _Place) else value for value in values)
        given: dict[str, Any] = dict(zip(row.operands, plain, strict=True))
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
            across="across" in bits,
            lean=bool(lean),
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
