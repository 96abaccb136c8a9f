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

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, cast

from dialects.machine.code import Code, encode, write_text
from dialects.machine.isa import MNEMONICS, NO_CELL, OPCODES, ZERO, Cell, Instruction, Operand, compared_width, in_loop
from dialects.support.errors import TextError
from dialects.support.grammar import parse, refuse_long_numbers

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
        refuse_long_numbers(text)
        with suppress(TextError):
            if (plain := _read_plain(text)) is not None:
                return cls.of(plain)
        # What is wrong, the grammar's reader says with its place.
        return cls.of(parse(_GRAMMAR, _ToInstructions, text))


def assembly_line(item: Instruction) -> str:
    """One instruction as assembly."""
    row = OPCODES[item.op]
    step = f" @{item.start}" if item.start else ""
    values = ", ".join([_ROLES[role](item) for role in row.operands])
    return f"{'lean ' if item.lean else ''}{row.mnemonic} {values}{step}"


@lru_cache(1 << 16)
def _operand(operand: Operand, across: bool) -> str:
    if operand.width == 0:
        return "zero"
    shift = f"<<{operand.shift}" if operand.shift else ""
    width = f":{operand.width}"
    place = f"c{operand.column}{width if across else ''}.{operand.domain}{'' if across else width}"
    return f"{place}{'s' if operand.signed else ''}{shift}"


_ROLES: dict[str, Callable[[Instruction], str]] = {
    "D": lambda item: _operand(Operand(*item.dst, item.width), item.across),
    "d": lambda item: f"c{item.dst.column}.{item.dst.domain}",
    "r": lambda item: _operand(Operand(*item.dst, item.carry.domain), item.across),
    "A": lambda item: _operand(item.a, item.across),
    "B": lambda item: _operand(item.b, item.across),
    "a": lambda item: f"c{item.a.column}.{item.a.domain}",
    **dict.fromkeys("ce", lambda item: f"c{item.carry.column}.{item.carry.domain}"),
    "I": lambda item: f"#{item.imm}",
    "J": lambda item: f"#{item.carry.column}",
}
"""How the value of each role is written."""


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
    if not operand.width:
        raise TextError(f"'{token}' has no bits; a value without any is written zero", getattr(token, "start_pos", 0))
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
        at: int = mnemonic.start_pos
        found = [value for value in values if value is not None]
        return _instruction(str(mnemonic), found, int(str(step)[1:]) if step else 0, lean=bool(lean), at=at)


def _instruction(
    mnemonic: str, values: Sequence[_Place | int], start: int, *, lean: bool, at: int, last: bool = True
) -> Instruction:
    """The instruction of a line; raises TextError at the character `at` where it has none."""
    row = MNEMONICS.get(mnemonic)
    if row is None:
        raise TextError(f"unknown instruction '{mnemonic}'; known are {', '.join(sorted(MNEMONICS))}", at)
    operands, bits = row.operands, "cell"
    if len(values) != len(operands):
        raise TextError(f"{mnemonic} takes {_signature(operands)}", at)
    dst = a = b = carry = ZERO
    imm = number = 0
    for role, value in zip(operands, values, strict=True):
        if (role in "IJ") != isinstance(value, int):
            raise TextError(f"{mnemonic} takes {_signature(operands)}", at)
        if isinstance(value, int):
            imm, number = (value, number) if role == "I" else (imm, value)
            continue
        place, lies = value
        if lies != "cell":
            if bits not in ("cell", lies):
                raise TextError(f"{mnemonic}: its values lie across columns or along tracks, not both", at)
            bits = lies
        if role in "Ddrcea" and (place.shift or place.width == 0):
            raise TextError(f"{mnemonic}: operand {role} is a plain place, not shifted or zero", at)
        match role:
            case "D" | "d" | "r":
                dst = place
            case "c" | "e":
                carry = place
            case "B":
                b = place
            case _:
                a = place
    width = dst.width if "D" in operands else compared_width(a, b) if "B" in operands else a.width
    cell = Cell(carry.column, carry.domain) if {"c", "e"} & set(operands) else NO_CELL
    cell = Cell(number, dst.width) if "J" in operands else cell
    across = bits == "across"
    target = Cell(dst.column, dst.domain)
    return Instruction(row.op, target, width, a, b, imm, cell, start, last, across=across, lean=lean)


_VALUE = re.compile(r"#(-?\d+)|(zero)|(c\d+(?:\.\d+(?::\d+s?)?|:\d+\.\d+s?))(?:<<(\d+))?")


@lru_cache(1 << 16)
def _value(text: str) -> _Place | int | None:
    """A value as `assembly_line` writes it; None for any other text."""
    found = _VALUE.fullmatch(text)
    if found is None:
        return None
    immediate, zero, place, shift = found.groups()
    if immediate is not None:
        return int(immediate)
    if zero:
        return _Place(ZERO, "cell")
    operand, bits = _place(place)
    return _Place(operand._replace(shift=int(shift)) if shift else operand, bits)


def _read_plain(text: str) -> list[Instruction] | None:
    """The instructions of a text in which every line is as `to_text` writes it; None for any other text.

    Errors don't say where they are in the text.
    """
    found: list[Instruction] = []
    first = -1
    for line in text.split("\n"):
        line = line.strip()
        if line == "loop {" and first < 0:
            first = len(found)
        elif line == "}" and 0 <= first < len(found):
            found[-1] = found[-1]._replace(last=True)
            first = -1
        elif line:
            lean = line.startswith("lean ")
            mnemonic, _, rest = (line[5:] if lean else line).partition(" ")
            rest, _, step = rest.partition(" @")
            values = [_value(word) for word in rest.split(", ")]
            if None in values or mnemonic not in MNEMONICS or (step and not step.isdecimal()):
                return None
            known = cast(list[_Place | int], values)
            found.append(_instruction(mnemonic, known, int(step or 0), lean=lean, at=0, last=first < 0))
    return found if first < 0 else None


_KINDS = {
    "D": "destination c1.0:4",
    "d": "cell c1.0",
    "r": "destination c1:4.0",
    "A": "source c2.0:4s",
    "B": "source c3.0:4s",
    "a": "flag c4.0",
    "c": "carry c5.0",
    "e": "carry c5.0",
    "I": "immediate #1",
    "J": "number #1",
}


def _signature(operands: str) -> str:
    return ", ".join(_KINDS[role] for role in operands)
