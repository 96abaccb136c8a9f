"""The text of `rtm` code: statements over placed values, one a line (grammar: placed.lark).

    c12[4:11] += c3[0:2]s carry c255[0]
    c7[0:5] = c3[0:4] + c5[2:4]s<<1 carry c255[0]
    c9[0] = c12[4:11]s >= -3
    c14[0:2] = 1 if c9[0]

`c12[4:11]s` is the value in domains 4 to 10 of column 12, signed; a single domain is written `c9[0]`.
The statements are the AP's instructions, seen as what they do to values rather than to bits.
"""

from __future__ import annotations

from typing import Any, Self

from dialects.code import Code, write_text
from dialects.errors import TextError
from dialects.grammar import in_loop, parse
from dialects.isa import NO_CELL, ZERO, Cell, Instruction, Op, Operand, compared_width


class PlacedCode(Code):
    """AP code with its placed statements as text."""

    __slots__ = ()

    def to_text(self) -> str:
        return write_text(self.instructions, statement)

    @classmethod
    def from_text(cls, text: str) -> Self:
        return cls.of(parse("placed", _ToInstructions, text))


_FORMS = {
    Op.SET: "{D} = {I}",
    Op.SET_IF: "{D} = {I} if {a}",
    Op.COPY: "{D} = {A}",
    Op.EXT: "{D} = sext {d} carry {c}",
    Op.ADD_IP: "{D} += {A} carry {c}",
    Op.SUB_IP: "{D} -= {A} carry {c}",
    Op.ADD: "{D} = {A} + {B} carry {c}",
    Op.SUB: "{D} = {A} - {B} carry {c}",
    Op.CMP_GE: "{d} = {A} >= {I}",
    Op.CMP_GEV: "{d} = {A} >= {B}",
    Op.COPY_IF: "{D} = {A} if {c}",
    Op.IN: "{D} = in {I}",
    Op.OUT: "out {I} = {A}",
}


def place(column: int, domain: int, width: int = 1, signed: bool = False) -> str:
    """A place as text: `c12[4:11]s`, or `c9[0]` for a single domain."""
    span = f"{domain}:{domain + width}" if width > 1 else f"{domain}"
    return f"c{column}[{span}]{'s' if signed else ''}"


def statement(item: Instruction) -> str:
    """One instruction as a placed statement."""
    text = _FORMS[item.op].format(
        D=place(*item.dst, item.width),
        d=place(*item.dst),
        A=_source(item.a),
        B=_source(item.b),
        a=place(*item.a[:2]),
        c=place(*item.carry),
        I=item.imm,
    )
    return f"{text} @{item.start}" if item.start else text


def _source(operand: Operand) -> str:
    if operand.width == 0:
        return "zero"
    shift = f"<<{operand.shift}" if operand.shift else ""
    return place(*operand[:4]) + shift


def _operand(token: Any) -> Operand:
    """`c12[4:11]s` as an operand; raises TextError for an empty span."""
    column, _, rest = str(token)[1:].partition("[")
    span, _, suffix = rest.partition("]")
    first, colon, end = span.partition(":")
    width = int(end) - int(first) if colon else 1
    if width < 1:
        raise TextError(f"'{token}' spans no domain", token.start_pos)
    return Operand(int(column), int(first), width, suffix == "s")


class _ToInstructions:
    """Builds instructions from the parse tree as lark reads it."""

    def start(self, items: list[Any]) -> list[Instruction]:
        return [item for group in items for item in group]

    def loop(self, members: list[list[Instruction]]) -> list[Instruction]:
        return in_loop([item for group in members for item in group])

    def statement(self, parts: list[Any]) -> list[Instruction]:
        item, step = parts
        return [item._replace(start=int(str(step)[1:])) if step else item]

    def source(self, parts: list[Any]) -> Operand:
        token, shift = parts
        operand = _operand(token)
        return operand._replace(shift=int(str(shift)[2:])) if shift else operand

    def zero(self, _: list[Any]) -> Operand:
        return ZERO

    def carry(self, parts: list[Any]) -> Cell:
        return _cell(parts[0])

    def set(self, parts: list[Any]) -> Instruction:
        return _make(Op.SET, parts[0], imm=int(parts[1]))

    def set_if(self, parts: list[Any]) -> Instruction:
        flag = _cell(parts[2])
        return _make(Op.SET_IF, parts[0], Operand(*flag, 1), imm=int(parts[1]))

    def copy(self, parts: list[Any]) -> Instruction:
        return _make(Op.COPY, parts[0], parts[1])

    def ext(self, parts: list[Any]) -> Instruction:
        target, sign, carry = parts
        if _operand(target)[:2] != _cell(sign):
            raise TextError(
                f"a sign extension starts at its sign bit: '{target}' and '{sign}' differ", target.start_pos
            )
        return _make(Op.EXT, target, carry=carry)

    def add_ip(self, parts: list[Any]) -> Instruction:
        return _make(Op.ADD_IP, parts[0], parts[1], carry=parts[2])

    def sub_ip(self, parts: list[Any]) -> Instruction:
        return _make(Op.SUB_IP, parts[0], parts[1], carry=parts[2])

    def add(self, parts: list[Any]) -> Instruction:
        return _make(Op.ADD, *parts[:3], carry=parts[3])

    def sub(self, parts: list[Any]) -> Instruction:
        return _make(Op.SUB, *parts[:3], carry=parts[3])

    def cmp_ge(self, parts: list[Any]) -> Instruction:
        target, source, bound = parts
        return Instruction(Op.CMP_GE, _cell(target), source.width, source, imm=int(bound))

    def cmp_gev(self, parts: list[Any]) -> Instruction:
        target, left, right = parts
        return Instruction(Op.CMP_GEV, _cell(target), compared_width(left, right), left, right)

    def copy_if(self, parts: list[Any]) -> Instruction:
        return _make(Op.COPY_IF, parts[0], parts[1], carry=_cell(parts[2]))

    def in_(self, parts: list[Any]) -> Instruction:
        return _make(Op.IN, parts[0], imm=int(parts[1]))

    def out(self, parts: list[Any]) -> Instruction:
        return Instruction(Op.OUT, NO_CELL, parts[1].width, parts[1], imm=int(parts[0]))


def _cell(token: Any) -> Cell:
    operand = _operand(token)
    if operand.width != 1:
        raise TextError(f"expected a single domain such as c1[0], found '{token}'", token.start_pos)
    return Cell(*operand[:2])


def _make(
    op: Op, target: Any, a: Operand = ZERO, b: Operand = ZERO, *, imm: int = 0, carry: Cell = NO_CELL
) -> Instruction:
    dst = _operand(target)
    if dst.signed:
        raise TextError(f"'{target}' is written to, which takes no sign mark", target.start_pos)
    return Instruction(op, Cell(*dst[:2]), dst.width, a, b, imm, carry)
