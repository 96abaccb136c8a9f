"""The rules of the machine over a whole binary program at once, for programs of a million instructions.

`check_binary` proves with a few array operations that no instruction breaks a rule, and natively that no bit loop does;
whatever is left in doubt is decoded and checked one by one, which also gives the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from dialects.code import check_code, decode, fields, numbered
from dialects.errors import ProgramError
from dialects.isa import OPCODES, Op
from dialects.native_tables import OPCODE_VALUES
from dialects.shifts import predict_shifts

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


def check_binary(binary: bytes, columns: int, domains: int, place_of: Callable[[int], str] = numbered) -> None:
    """Raise ProgramError, naming the instruction as `place_of` does, where the program can't run on such an array."""
    table = fields(binary)
    if not len(table["op"]):
        return
    if _doubtful(table, columns, domains) or not _legal_loops(table, binary, columns, domains):
        check_code(decode(binary), columns, domains, place_of)


def _legal_loops(table: dict[str, Numbers], binary: bytes, columns: int, domains: int) -> bool:
    """Whether all bit loops of instructions that are legal one by one are so too."""
    if table["last"].all():
        return True
    try:
        predict_shifts([binary], columns, domains)
    except ProgramError:
        return False
    return True


def vectors(binary: bytes, op: Op) -> Numbers:
    """The numbers of the vectors that instructions of this opcode, IN or OUT, name."""
    words = np.frombuffer(binary, dtype="<u8").reshape(-1, 2)
    named = words[(words[:, 0] & np.uint64(31)) == op, 1] >> np.uint64(32)
    return named.astype(np.uint32).view(np.int32).astype(np.int64)


def _of(table: dict[str, Numbers], ops: Iterable[Op]) -> Flags:
    flags = np.zeros(OPCODE_VALUES, dtype=bool)
    flags[list(ops)] = True
    return flags[table["op"]]


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
    # Both sources may be the same value, which the check one by one allows.
    meeting = any(
        (used & other & (column == beside)).any()
        for index, (_, used, column, _, _) in enumerate(places)
        for _, other, beside, _, _ in places[index + 1 :]
    )
    both = _of(table, [Op.CMP_GEV])
    mixed = table["a.s"] != table["b.s"]
    wide = np.maximum(table["a.w"] + (mixed & (table["a.s"] == 0)), table["b.w"] + (mixed & (table["b.s"] == 0)))
    compared, sent = _of(table, [Op.CMP_GE]), _of(table, [Op.OUT])
    half = np.left_shift(1, width - table["a.s"].clip(0, 1), where=width > 0, out=np.ones_like(width))
    low = np.where(table["a.s"] == 1, -half, 0)
    special = (
        (compared & ((table["imm"] < low) | (table["imm"] >= half)))
        | ((compared | sent) & ((width != table["a.w"]) | (table["a.h"] > 0)))
        | (flag & ((table["a.w"] != 1) | (table["a.s"] > 0) | (table["a.h"] > 0)))
        | (_of(table, [Op.IN, Op.OUT]) & (table["imm"] < 0))
        | (both & ((width != wide) | (table["a.h"] > 0) | (table["b.h"] > 0)))
    )
    malformed = ~known | (table["top"] > 0) | (width < 1)
    return bool(outside or meeting or special.any() or malformed.any())
