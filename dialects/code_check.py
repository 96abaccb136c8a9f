"""The rules of the machine over a whole binary program at once, for programs of a million instructions.

`check_binary` proves with a few array operations that no instruction of a program without bit loops of several members
breaks a rule; whatever is left in doubt is decoded and checked one by one, which also gives the message.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dialects.code import check_code, decode, fields
from dialects.isa import OPCODES, Op

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


def check_binary(binary: bytes, columns: int, domains: int) -> None:
    """Raise ProgramError, naming the instruction, where the program can't run on such an array."""
    table = fields(binary)
    if len(table["op"]) and _doubtful(table, columns, domains):
        check_code(decode(binary), columns, domains)


def vectors(binary: bytes, op: Op) -> Numbers:
    """The numbers of the vectors that instructions of this opcode, IN or OUT, name."""
    table = fields(binary)
    return table["imm"][table["op"] == op]


def _of(table: dict[str, Numbers], ops: Iterable[Op]) -> Flags:
    return np.isin(table["op"], [int(op) for op in ops])


def _naming(table: dict[str, Numbers], role: str) -> Flags:
    return _of(table, (op for op, row in OPCODES.items() if role in row.operands))


def _doubtful(table: dict[str, Numbers], columns: int, domains: int) -> bool:
    """Whether any instruction might break a rule of `dialects.isa.check`."""
    known = _of(table, OPCODES)
    swept, flag = _naming(table, "D"), _naming(table, "a")
    a, b = _naming(table, "A") & (table["a.w"] > 0), _naming(table, "B") & (table["b.w"] > 0)
    width, one = table["width"], np.ones_like(table["width"])
    places = (
        ("D", swept | _naming(table, "d"), table["dc"], table["dd"], np.where(swept, width, one)),
        ("C", _naming(table, "c"), table["cc"], table["cd"], one),
        ("A", a | flag, table["a.c"], table["a.d"], np.where(flag, one, table["a.w"])),
        ("B", b, table["b.c"], table["b.d"], table["b.w"]),
    )
    outside = any(
        (used & ((column >= columns) | (domain + span > domains))).any() for _, used, column, domain, span in places
    )
    meeting = any(
        (used & other & (column == beside)).any()
        for index, (_, used, column, _, _) in enumerate(places)
        for _, other, beside, _, _ in places[index + 1 :]
    )
    compared, sent = _of(table, [Op.CMP_GE]), _of(table, [Op.OUT])
    half = np.left_shift(1, width - table["a.s"].clip(0, 1), where=width > 0, out=np.ones_like(width))
    low = np.where(table["a.s"] == 1, -half, 0)
    special = (
        (compared & ((table["imm"] < low) | (table["imm"] >= half)))
        | ((compared | sent) & ((width != table["a.w"]) | (table["a.h"] > 0)))
        | (flag & ((table["a.w"] != 1) | (table["a.s"] > 0) | (table["a.h"] > 0)))
        | (_of(table, [Op.IN, Op.OUT]) & (table["imm"] < 0))
        | _of(table, [Op.CMP_GEV])
    )
    malformed = ~known | (table["top"] > 0) | (width < 1) | (table["last"] == 0)
    return bool(outside or meeting or special.any() or malformed.any())
