"""Reading and writing the lines of placed code: the grammar, and a faster way for lines as they are written.

`read_text` is the reference: the grammar placed.lark, with errors that say where. `read_plain` takes the form that
`write_lines` gives, which is what large programs come in, with one regular expression; anything else is left to the
grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dialects.rtm.statements import Form, Statement
from dialects.support.errors import TextError
from dialects.support.grammar import parse

_GRAMMAR = Path(__file__).with_name("placed.lark")

# Writing.


def place(column: int, domain: int, width: int = 1, signed: int = 0, across: int = 0) -> str:
    """A place as text: `c12[4:11]s`, `c9[0]` for a single domain, or `c12:19[4]` across columns."""
    sign = "s" if signed else ""
    if across:
        return f"c{column}:{column + width}[{domain}]{sign}"
    span = f"{domain}:{domain + width}" if width != 1 else f"{domain}"
    return f"c{column}[{span}]{sign}"


def write_lines(rows: NDArray[np.int64]) -> Iterator[str]:
    """The lines of statements, a row of the fields of `Statement` each."""
    inside = False
    for item in map(Statement._make, rows.tolist()):
        text = _body(item)
        if item.form == Form.OUT:
            text = f"out {item.imm} = {text}"
        else:
            where = place(*item[2:7]) if item.column >= 0 else "nowhere"
            text = f"%{item.result} : {where} {'= ' if item.form != Form.LIVE else ''}{text}"
        if item.start:
            text = f"{text} @{item.start}"
        if not item.last and not inside:
            yield "loop {"
            inside = True
        yield f"  {text}" if inside else text
        if item.last and inside:
            yield "}"
            inside = False


def _body(item: Statement) -> str:
    """What a line says behind the place."""
    left = _read(item.a, item.a_shift)
    carry = f" carry c{item.carry_column}[{item.carry_domain}]"
    match item.form:
        case Form.LIVE:
            return "live"
        case Form.ADD | Form.SUB:
            return f"{left} {'+' if item.form == Form.ADD else '-'} {_read(item.b, item.b_shift)}{carry}"
        case Form.ADD_IP | Form.SUB_IP:
            return f"%{item.old} {'+' if item.form == Form.ADD_IP else '-'}= {left}{carry}"
        case Form.SET:
            return f"{item.imm}"
        case Form.ZEXT:
            return f"zext %{item.old}"
        case Form.SEXT:
            return f"sext %{item.old}{carry}"
        case Form.CMP_GE:
            return f"{left} >= {item.imm}"
        case Form.CMP_GEV:
            return f"{left} >= {_read(item.b, item.b_shift)}"
        case Form.SET_IF:
            bits = f"[{item.low}:{item.high}]" if item.high >= 0 else ""
            return f"%{item.old}{bits} set {item.imm} if %{item.a}"
        case Form.COPY_IF:
            return f"%{item.old} set {left} if %{item.b}"
        case Form.IN:
            return f"in {item.imm}"
        case _:
            return left


def _read(value: int, shift: int) -> str:
    """A source as text."""
    if value < 0:
        return "zero"
    return f"%{value}<<{shift}" if shift > 0 else f"%{value}>>{-shift}" if shift else f"%{value}"


# Reading.


def read_text(text: str) -> list[Statement]:
    """The statements of a text; raises TextError where it is malformed."""
    return parse(_GRAMMAR, _ToStatements, text)


_LONGEST = 9
"""digits of a number that is read; none of the code has more, but for immediates"""


def _number(token: Any, digits: str, most: int = _LONGEST) -> int:
    if len(digits.lstrip("-0")) > most:
        raise TextError(f"the number in '{token}' is too large", token.start_pos)
    return int(digits)


def _value(token: Any) -> int:
    return _number(token, str(token)[1:])


def _place(token: Any) -> tuple[int, int, int, int, int]:
    """Column, first domain, width, sign of `c12[4:11]s`, and if it is across; raises TextError for an empty span."""
    columns, _, rest = str(token)[1:].partition("[")
    span, _, suffix = rest.partition("]")
    (column, across, end_column), (domain, along, end_domain) = columns.partition(":"), span.partition(":")
    if across and along:
        raise TextError(f"'{token}' spans columns and domains; a value lies along one or the other", token.start_pos)
    first, end = (column, end_column) if across else (domain, end_domain)
    width = _number(token, end) - _number(token, first) if end else 1
    if width < 1:
        raise TextError(f"'{token}' spans no {'column' if across else 'domain'}", token.start_pos)
    return _number(token, column), _number(token, domain), width, int(suffix == "s"), int(bool(across))


class _ToStatements:
    """Builds statements from the parse tree as lark reads it."""

    def start(self, items: list[Any]) -> list[Statement]:
        statements: list[Statement] = []
        for item in items:
            if isinstance(item, Statement):
                statements.append(item)
            else:
                statements += item
        return statements

    def live(self, parts: list[Any]) -> Statement:
        value, place = parts
        return Statement(Form.LIVE, _value(value), *_place(place), offset=value.start_pos)

    def loop(self, members: list[Statement]) -> list[Statement]:
        return [*(item._replace(last=0) for item in members[:-1]), members[-1]]

    def made(self, parts: list[Any]) -> Statement:
        value, place, body, step = parts
        column, domain, width, signed, across = _place(place)
        return body._replace(
            result=_value(value),
            column=column,
            domain=domain,
            width=width,
            signed=signed,
            across=across,
            start=_step(step),
            offset=value.start_pos,
        )

    def out(self, parts: list[Any]) -> Statement:
        number, value, step = parts
        imm = _immediate(number)
        return Statement(Form.OUT, a=_value(value), imm=imm, start=_step(step), offset=number.start_pos)

    def source(self, parts: list[Any]) -> tuple[int, int]:
        value, shift = parts
        if not shift:
            return _value(value), 0
        size = _number(shift, str(shift)[2:].strip())
        return _value(value), size if str(shift).startswith("<<") else -size

    def zero(self, _: list[Any]) -> tuple[int, int]:
        return -1, 0

    def carry(self, parts: list[Any]) -> tuple[int, int]:
        column, domain, width, signed, across = _place(parts[0])
        if width != 1 or signed or across:
            raise TextError(f"expected a single domain such as c1[0], found '{parts[0]}'", parts[0].start_pos)
        return column, domain

    def in_(self, parts: list[Any]) -> Statement:
        return Statement(Form.IN, imm=_immediate(parts[0]))

    def set(self, parts: list[Any]) -> Statement:
        return Statement(Form.SET, imm=_immediate(parts[0]))

    def zext(self, parts: list[Any]) -> Statement:
        return Statement(Form.ZEXT, old=_value(parts[0]))

    def sext(self, parts: list[Any]) -> Statement:
        return _with(Form.SEXT, carry=parts[1])._replace(old=_value(parts[0]))

    def copy(self, parts: list[Any]) -> Statement:
        return _with(Form.COPY, parts[0])

    def add(self, parts: list[Any]) -> Statement:
        return _with(Form.ADD, *parts)

    def sub(self, parts: list[Any]) -> Statement:
        return _with(Form.SUB, *parts)

    def add_ip(self, parts: list[Any]) -> Statement:
        return _with(Form.ADD_IP, parts[1], carry=parts[2])._replace(old=_value(parts[0]))

    def sub_ip(self, parts: list[Any]) -> Statement:
        return _with(Form.SUB_IP, parts[1], carry=parts[2])._replace(old=_value(parts[0]))

    def cmp_ge(self, parts: list[Any]) -> Statement:
        return _with(Form.CMP_GE, parts[0])._replace(imm=_immediate(parts[1]))

    def cmp_gev(self, parts: list[Any]) -> Statement:
        return _with(Form.CMP_GEV, *parts)

    def set_if(self, parts: list[Any]) -> Statement:
        value, bits, number, flag = parts
        low, high = (_number(bits, part) for part in str(bits)[1:-1].split(":")) if bits else (0, -1)
        if bits and high <= low:
            raise TextError(f"'{bits}' spans no bit", bits.start_pos)
        imm = _immediate(number)
        return Statement(Form.SET_IF, old=_value(value), a=_value(flag), imm=imm, low=low, high=high)

    def copy_if(self, parts: list[Any]) -> Statement:
        value, source, flag = parts
        return _with(Form.COPY_IF, source)._replace(old=_value(value), b=_value(flag))


_Pair = tuple[int, int]


def _with(form: Form, a: _Pair = (-1, 0), b: _Pair = (-1, 0), carry: _Pair = (0, 0)) -> Statement:
    return Statement(form, a=a[0], a_shift=a[1], b=b[0], b_shift=b[1], carry_column=carry[0], carry_domain=carry[1])


def _step(token: Any) -> int:
    return _number(token, str(token)[1:]) if token else 0


def _immediate(token: Any) -> int:
    return _number(token, str(token), 10)


# Reading of lines as they are written.

_N, _VALUE, _IMM, _SOURCE = r"(\d{1,9})", r"%(\d{1,9})", r"(-?\d{1,9})", r"(?:zero|%(\d{1,9})((?:<<|>>)\d{1,2})?)"
_CARRY, _STEP = rf" carry c{_N}\[{_N}\]", r"(?: @(\d{1,2}))?"
_BODIES = {
    "sum": rf"{_SOURCE} ([+-]) {_SOURCE}{_CARRY}{_STEP}",
    "in_place": rf"{_VALUE} ([+-])= {_SOURCE}{_CARRY}{_STEP}",
    "sext": rf"sext {_VALUE}{_CARRY}{_STEP}",
    "zext": rf"zext {_VALUE}{_STEP}",
    "compare": rf"{_SOURCE} >= (?:{_IMM}|{_SOURCE}){_STEP}",
    "set_if": rf"{_VALUE}(?:\[{_N}:{_N}\])? set {_IMM} if {_VALUE}{_STEP}",
    "load": rf"in {_N}{_STEP}",
    "copy_if": rf"{_VALUE} set {_SOURCE} if {_VALUE}{_STEP}",
    "copy": rf"{_SOURCE}{_STEP}",
    "set": rf"{_IMM}{_STEP}",
}
_LINE = re.compile(
    rf"\s*(?:{_VALUE} : c{_N}(?:\[{_N}(?::{_N})?\]|:{_N}\[{_N}\])(s)? (?:(?P<live>live)|= (?:"
    + "|".join(f"(?P<{name}>{body})" for name, body in _BODIES.items())
    + rf"))|(?P<out>out {_N} = {_VALUE}{_STEP})|(?P<open>loop \{{)|(?P<close>\}}))(?=\s|\Z)"
)


def _groups(name: str) -> tuple[int, ...]:
    """The numbers of the groups inside a named one."""
    count = re.compile(_BODIES[name]).groups
    first = _LINE.groupindex[name] + 1
    return tuple(range(first, first + count))


_INSIDE = {name: _groups(name) for name in _BODIES}
_OUT = tuple(range(_LINE.groupindex["out"] + 1, _LINE.groupindex["out"] + 4))


def read_plain(text: str) -> list[Statement] | None:
    """The statements of a text in which every line is as `write_lines` writes it; None for any other text.

    They don't say where they are in the text.
    """
    statements: list[Statement] = []
    end, first = 0, -1
    for match in _LINE.finditer(text):
        if match.start() != end:
            return None
        end, kind = match.end(), match.lastgroup
        if kind == "open":
            if first >= 0:
                return None
            first = len(statements)
        elif kind == "close":
            if first < 0 or first == len(statements):
                return None
            statements[-1] = statements[-1]._replace(last=1)
            first = -1
        elif kind == "live" and (first >= 0 or (statements and statements[-1].form != Form.LIVE)):
            return None
        else:
            statements.append(_plain(match, str(kind), int(first < 0)))
    return statements if first < 0 and not text[end:].strip() else None


def _plain(match: re.Match[str], kind: str, last: int) -> Statement:
    """The statement of a line."""
    if kind == "out":
        imm, a, start = match.group(*_OUT)
        return Statement(Form.OUT, a=int(a), imm=int(imm), start=int(start or 0), last=last)
    result, column, domain, end, end_column, domain_across, signed = match.group(1, 2, 3, 4, 5, 6, 7)
    across = end_column is not None
    width = int(end_column) - int(column) if across else int(end) - int(domain) if end else 1
    place = int(domain_across if across else domain)
    target = (int(result), int(column), place, width, int(signed is not None), int(across))
    if kind == "live":
        return Statement(Form.LIVE, *target)
    a = b = old = -1
    a_shift = b_shift = imm = carry = carry_domain = low = 0
    high = -1
    given = match.group(*_INSIDE[kind])
    start = given[-1]
    match kind:
        case "sum":
            form = Form.ADD if given[2] == "+" else Form.SUB
            (a, a_shift), (b, b_shift) = _source(given[0], given[1]), _source(given[3], given[4])
            carry, carry_domain = int(given[5]), int(given[6])
        case "in_place":
            form = Form.ADD_IP if given[1] == "+" else Form.SUB_IP
            old, (a, a_shift) = int(given[0]), _source(given[2], given[3])
            carry, carry_domain = int(given[4]), int(given[5])
        case "sext":
            form, old, carry, carry_domain = Form.SEXT, int(given[0]), int(given[1]), int(given[2])
        case "zext":
            form, old = Form.ZEXT, int(given[0])
        case "compare":
            form = Form.CMP_GEV if given[2] is None else Form.CMP_GE
            (a, a_shift), (b, b_shift) = _source(given[0], given[1]), _source(given[3], given[4])
            imm = int(given[2] or 0)
        case "set_if":
            form, old, imm, a = Form.SET_IF, int(given[0]), int(given[3]), int(given[4])
            if given[1]:
                low, high = int(given[1]), int(given[2])
        case "copy_if":
            form, old, (a, a_shift), b = Form.COPY_IF, int(given[0]), _source(given[1], given[2]), int(given[3])
        case "copy":
            form, (a, a_shift) = Form.COPY, _source(given[0], given[1])
        case _:
            form, imm = (Form.IN if kind == "load" else Form.SET), int(given[0])
    return Statement(
        form, *target, old, a, a_shift, b, b_shift, imm, carry, carry_domain, low, high, int(start or 0), last
    )


def _source(value: str | None, shift: str | None) -> tuple[int, int]:
    if not value:
        return -1, 0
    return int(value), 0 if not shift else int(shift[2:]) if shift[0] == "<" else -int(shift[2:])
