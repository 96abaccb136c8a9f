"""Placed statements in numbers: what one line of `rtm` code says, and the arrays that many of them become.

A `Statement` names values; only the line that makes a value states its place. `assemble` looks the places up and gives
the AP's instructions with, beside them, the values that each makes and reads; `disassemble` is its inverse.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, auto
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.machine.code import Fields, opcode_flags
from dialects.machine.isa import MAX_COLUMNS, MAX_DOMAINS, MAX_WIDTH, OPCODES, Op
from dialects.support.errors import TextError

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

MAX_VALUES = 1 << 24
"""the number of a value is below that"""


class Form(IntEnum):
    """What a line says."""

    LIVE = auto()
    IN = auto()
    SET = auto()
    ZEXT = auto()
    SEXT = auto()
    COPY = auto()
    ADD = auto()
    SUB = auto()
    ADD_IP = auto()
    SUB_IP = auto()
    CMP_GE = auto()
    CMP_GEV = auto()
    SET_IF = auto()
    COPY_IF = auto()
    OUT = auto()


class Statement(NamedTuple):
    """A line in numbers; fields that its form doesn't use stay at their defaults, -1 stands for no value (or
    `zero`)."""

    form: int
    result: int = -1
    column: int = 0
    domain: int = 0
    width: int = 0
    signed: int = 0
    across: int = 0
    """the value lies across columns, rather than along a track"""
    old: int = -1
    """the value that is changed or extended in place"""
    a: int = -1
    """the first source; of SET_IF, the flag"""
    a_shift: int = 0
    """below zero, a source is read from that bit on: value >> -a_shift"""
    b: int = -1
    """the second source; of COPY_IF, the flag"""
    b_shift: int = 0
    imm: int = 0
    carry_column: int = 0
    carry_domain: int = 0
    low: int = 0
    high: int = -1
    """SET_IF sets bits low to high - 1 of the value; -1 is all from low on"""
    start: int = 0
    last: int = 1
    offset: int = 0
    """where the line begins in its text"""


FIELDS = Statement._fields

_OPS = {
    form: Op.SET if form is Form.ZEXT else Op.EXT if form is Form.SEXT else Op[form.name] for form in list(Form)[1:]
}
_OP_OF = np.array([0, 0, *(int(_OPS[form]) for form in list(Form)[1:])])
_SWEPT = {role: opcode_flags(op for op, row in OPCODES.items() if role.upper() in row.operands) for role in ("a", "b")}
"""opcodes that go through the bits of a source"""
_FORMS = {op: form for form, op in _OPS.items() if form is not Form.ZEXT}
_FORM_OF = np.array([0, *(int(_FORMS.get(op, 0)) for op in Op)])
"""0 for what only machine code has"""


class Places(NamedTuple):
    """Where values lie, an entry each."""

    column: Rows
    domain: Rows
    width: Rows
    signed: Rows
    across: Rows

    def cell(self, bit: Rows) -> tuple[Rows, Rows]:
        """Column and domain of a bit."""
        return np.where(self.across, self.column + bit, self.column), np.where(
            self.across, self.domain, self.domain + bit
        )

    def bits_to(self, column: Rows, domain: Rows) -> Rows:
        """Bits from the first one to a cell."""
        return np.where(self.across, column - self.column, domain - self.domain)


@cache
def _form_flags(forms: tuple[Form, ...]) -> Flags:
    """For each number of a form, whether it is one of these."""
    return np.isin(np.arange(len(_OP_OF)), forms)


def _are(numbers: Rows, *forms: Form) -> Flags:
    """Which of the numbers are those of one of these forms."""
    return _form_flags(forms)[numbers]


class _Table:
    """Statements as columns, and the places of the values that they name."""

    def __init__(self, rows: Rows):
        self.rows = rows
        self.form = rows[:, 0]
        self._index = {name: index for index, name in enumerate(FIELDS)}
        made = np.flatnonzero(self["result"] >= 0)
        self.order = made[np.argsort(self["result"][made], kind="stable")]
        self.ids = self["result"][self.order]
        first = self._index["column"]
        places = rows[:, first : first + 5]
        self._places = np.concatenate([places, np.zeros((1, 5), dtype=np.int64)])

    def __getitem__(self, name: str) -> Rows:
        return self.rows[:, self._index[name]]

    def has(self, *forms: Form) -> Flags:
        return _are(self.form, *forms)

    def fail(self, wrong: Flags, message: str) -> None:
        """Raise TextError at the first wrong statement; the message may name its fields."""
        if wrong.any():
            row = Statement(*self.rows[int(np.argmax(wrong))].tolist())
            raise TextError(message.format(*row, **row._asdict()), row.offset)

    def sources(self, name: str) -> Rows:
        """For each statement the row that makes the value it names, -1 for none."""
        wanted = self[name]
        at = np.searchsorted(self.ids, wanted).clip(0, max(len(self.ids) - 1, 0))
        if not len(self.ids):
            self.fail(wanted >= 0, f"%{{{name}}} has no place: nothing before makes it or says that it is live")
            return np.full(len(wanted), -1)
        rows = np.where(wanted >= 0, self.order[at], -1)
        missing = (wanted >= 0) & ((self.ids[at] != wanted) | (rows >= np.arange(len(rows))))
        self.fail(missing, f"%{{{name}}} has no place: nothing before makes it or says that it is live")
        return rows

    def place(self, rows: Rows) -> Places:
        """The places of the values made by these rows; zeros for none."""
        return Places(*self._places[rows].T)

    def from_bit(self, name: str, place: Places) -> Places:
        """The places of sources without the bits below those that they are read from."""
        below = np.maximum(-self[f"{name}_shift"], 0)
        self.fail((below > 0) & (below >= place.width), f"%{{{name}}} has no bit left when it is shifted to the right")
        column, domain = place.cell(below)
        return place._replace(column=column, domain=domain, width=place.width - below)

    def check(self) -> None:
        """What a place, a number and a shift may be at all, for any array."""
        twice = np.zeros(len(self.rows), dtype=np.bool_)
        twice[self.order[1:][self.ids[1:] == self.ids[:-1]]] = True
        self.fail(twice, "%{result} has a place already")
        for name in ("result", "old", "a", "b"):
            self.fail(self[name] >= MAX_VALUES, f"%{{{name}}}: the number of a value is below {MAX_VALUES}")
        makes = self["result"] >= 0
        self.fail(makes & (self["width"] < 1), "%{result}: its place spans no domain")
        self.fail(
            makes & (self["width"] > MAX_WIDTH), f"%{{result}}: a value has at most {MAX_WIDTH} bits, found {{width}}"
        )
        last_column, last_domain = self.place(np.arange(len(self.rows))).cell(self["width"] - 1)
        far = (last_column >= MAX_COLUMNS) | (last_domain >= MAX_DOMAINS)
        far |= (self["carry_column"] >= MAX_COLUMNS) | (self["carry_domain"] >= MAX_DOMAINS)
        self.fail(far, f"a place is beyond the largest array, {MAX_COLUMNS} columns of {MAX_DOMAINS} domains")
        for name in ("a_shift", "b_shift", "start"):
            self.fail(np.abs(self[name]) > MAX_WIDTH, f"a shift or a step is at most {MAX_WIDTH}, found {{{name}}}")
        imm = self["imm"]
        self.fail((imm < -(1 << 31)) | (imm >= 1 << 31), "the number {imm} doesn't fit into 32 bits")


def assemble(rows: Rows) -> tuple[bytes, Rows, Rows]:
    """Binary, names and values of statements."""
    table = _Table(rows)
    table.check()
    old, a, b = (table.place(table.sources(name)) for name in ("old", "a", "b"))
    a, b = table.from_bit("a", a), table.from_bit("b", b)
    in_place, copied = table.has(Form.ADD_IP, Form.SUB_IP), table.has(Form.COPY_IF)
    flagged, out = table.has(Form.SET_IF), table.has(Form.OUT)
    compared, compared_both = table.has(Form.CMP_GE), table.has(Form.CMP_GEV)
    zext, sext = table.has(Form.ZEXT), table.has(Form.SEXT)
    carried = in_place | sext | table.has(Form.ADD, Form.SUB)
    # In place, a statement skips the low bits that a shifted source doesn't reach.
    skipped = np.where(in_place & (table["a_shift"] < table["width"]), np.maximum(table["a_shift"], 0), 0)
    high = np.where(table["high"] < 0, table["width"], table["high"])
    first = np.select([zext, sext, flagged], [old[2], old[2] - 1, table["low"]], skipped)
    mixed = a[3] != b[3]
    both = np.maximum(a[2] + (mixed & (a[3] == 0)), b[2] + (mixed & (b[3] == 0)))
    result = table.place(np.arange(len(rows)))
    width = np.select([compared | out, compared_both, flagged], [a[2], both, high - first], table["width"] - first)
    table.fail((zext | sext) & (table["width"] <= old[2]), "%{result} extends %{old} and is not wider")
    table.fail(width < 1, "there are no bits to work on")
    column, domain = result.cell(np.where(compared | compared_both | out, 0, first))
    table.fail(
        (width > MAX_WIDTH) | (column >= MAX_COLUMNS) | (domain >= MAX_DOMAINS),
        "the statement leaves the place of %{result}",
    )
    across = np.select([compared | out, compared_both], [a.across, a.across | b.across], result.across)
    a_width, b_taken = np.where(flagged, 1, a[2]), ~copied
    record = np.stack(
        [
            _OP_OF[table.form],
            table["last"],
            table["start"],
            width,
            column,
            domain,
            np.where(copied, b[0], np.where(carried, table["carry_column"], 0)),
            np.where(copied, b[1], np.where(carried, table["carry_domain"], 0)),
            across,
            np.zeros_like(across),
            *(a[0], a[1], a_width, np.where(flagged, 0, a[3]), np.maximum(table["a_shift"], 0) - skipped),
            *(np.where(b_taken, part, 0) for part in (*b[:4], np.maximum(table["b_shift"], 0))),
            table["imm"],
        ],
        axis=1,
    )
    real = table.form != Form.LIVE
    names = np.stack([table[name] for name in ("result", "old", "a", "b")], axis=1)
    values = np.stack([table[name] for name in ("result", "column", "domain", "width", "signed", "across")], axis=1)
    return Fields(record[real]).pack(), names[real], values[table.order]


def disassemble(binary: bytes, names: Rows, values: Rows) -> Rows:
    """The statements, a row each, that `assemble` makes this code of; they say nothing of their text.

    The values that the code reads and doesn't make come first. A value without a place lies in column -1.
    """
    code = Fields.unpack(binary)
    op = code["op"]
    result, old, a, b = names.T
    place = _places_of(result, values)
    form = np.where((op == Op.SET) & (old >= 0), Form.ZEXT, _FORM_OF[op])
    in_place, flagged = _are(form, Form.ADD_IP, Form.SUB_IP), form == Form.SET_IF
    carried = in_place | _are(form, Form.ADD, Form.SUB, Form.SEXT)
    # The first bits of the value that the statement leaves as they are.
    skipped = np.where((result >= 0) & (place.column >= 0), place.bits_to(code["dc"], code["dd"]), 0)
    some = flagged & ((skipped != 0) | (code["width"] != place.width))
    # In the order of the fields of `Statement`.
    made: tuple[Rows, ...] = (
        *(form, result, *place, old),
        *(a, _shift_of("a", code, a, values) + np.where(in_place, skipped, 0), b, _shift_of("b", code, b, values)),
        code["imm"],
        *(np.where(carried, code["cc"], 0), np.where(carried, code["cd"], 0)),
        *(np.where(some, skipped, 0), np.where(some, skipped + code["width"], -1)),
        *(code["start"], code["last"], np.zeros_like(op)),
    )
    outside = values[~np.isin(values[:, 0], result)]
    first = np.tile(np.array(Statement(Form.LIVE), dtype=np.int64), (len(outside), 1))
    first[:, 1:7] = outside
    return np.concatenate([first, np.stack(made, axis=1)])


def _shift_of(role: str, code: Fields, named: Rows, values: Rows) -> Rows:
    """How each instruction shifts the value that it reads, bit by bit: to the left, or below zero to the right."""
    place = _places_of(named, values)
    known = (named >= 0) & (place.column >= 0) & _SWEPT[role][code["op"]]
    return np.where(known, code[f"{role}.h"] - place.bits_to(code[f"{role}.c"], code[f"{role}.d"]), 0)


def _places_of(wanted: Rows, values: Rows) -> Places:
    """The places of values in a table; zeros for -1, column -1 for those not in it."""
    places = np.concatenate([values, [[-1, 0, 0, 0, 0, 0]]])
    order = np.argsort(places[:, 0], kind="stable")
    at: Rows = np.searchsorted(places[:, 0], wanted, sorter=order).clip(0, len(values))
    found = Places(*places[order[at], 1:].T)
    return found._replace(column=np.where(places[order[at], 0] == wanted, found.column, -1))


def live(values: Iterable[tuple[int, ...]]) -> list[Statement]:
    """The lines that say which values of earlier segments are read, from rows of a values' table."""
    return [Statement(Form.LIVE, *value) for value in sorted(values)]
