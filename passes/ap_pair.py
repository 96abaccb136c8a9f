"""ap-pair: two additions to one accumulator become one instruction.

Stands behind convert-rtm-to-ap. Where two instructions that add or subtract in place follow one another on the same
accumulator, each a bit loop by itself, their numbers are added in one go: bit by bit, the accumulator is written once
instead of twice, and what is carried on is a number of two cells. The sum is the same, as both work modulo the
accumulator's width. The second cell of the carry lies a column behind the first one, which must be free in the whole
program; apv-across leaves room for it.

    lean add.ip c0:13.4, c221:4.2, c254.0
    lean sub.ip c0:13.4, c229:4.2, c254.0
  becomes
    lean add.sub c0:13.4, c221:4.2, c229:4.2, c254.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import ap
from dialects.ap.assembly import AssemblyCode
from dialects.machine.code import Fields
from dialects.machine.isa import OPCODES, Op
from dialects.support.instrumentation import Figure, did

_SAME = ("start", "width", "dc", "dd", "cc", "cd", "across", "lean")
_SOURCE = ("c", "d", "w", "s", "h")

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ApPair(ModulePass):
    """Add two numbers to an accumulator at a time."""

    name = "ap-pair"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for program in [item for item in op.walk() if isinstance(item, ap.ProgramOp)]:
            codes = [Fields.unpack(segment.code.binary) for segment in program.segments]
            columns = program.geometry.geometry.columns
            carries = _free_carries(codes, columns)
            for segment, code in zip(program.segments, codes, strict=True):
                paired = _paired(code, carries)
                count = len(code.table) - len(paired.table)
                if count:
                    did(self.name, segment.layer.data, Figure("additions", None, -count))
                    segment.properties["code"] = ap.CodeAttr(AssemblyCode(paired.pack()))


def _free_carries(codes: list[Fields], columns: int) -> Flags:
    """Whether a carry in a column can get a second cell: by column.

    Nothing else may lie in that column nor in the next one, in any segment: a carry is cleared before it is used, so
    nobody sees what is left there.
    """
    used = np.zeros(columns + 1, dtype=np.int64)
    for code in codes:
        for role, first, width in (("D", "dc", "width"), ("A", "a.c", "a.w"), ("B", "b.c", "b.w"), ("C", "cc", "")):
            has = _has(code, role) & ((code["op"] == Op.COPY_IF) if role == "C" else True)
            across = (code["across"] == 1) & ~_has_cell(code, role)
            wide = np.where(across, code[width], 1) if width else np.ones(len(has), dtype=np.int64)
            np.add.at(used, code[first][has], 1)
            np.add.at(used, (code[first] + wide)[has], -1)
    free = np.cumsum(used)[:columns] == 0
    return free & np.append(free[1:], False)


def _has(code: Fields, role: str) -> Flags:
    """Which instructions have an operand of a role."""
    names = {"C": "ce"}.get(role, role + role.lower())
    return np.isin(code["op"], [op for op, row in OPCODES.items() if set(names) & set(row.operands)])


def _has_cell(code: Fields, role: str) -> Flags:
    """Which instructions have it as a single cell."""
    return np.isin(code["op"], [op for op, row in OPCODES.items() if role.lower() in row.operands])


def _paired(code: Fields, carries: Flags) -> Fields:
    """The code with as many pairs as there are, from the first addition of a run on."""
    first = _begins(code, carries)
    number = np.arange(len(first))
    # Of a run of additions that could all be paired with the next one, each second one begins a pair.
    start = np.maximum.accumulate(np.where(first & ~np.append(False, first[:-1]), number, 0)) if len(first) else number
    first &= (number - start) % 2 == 0
    second = np.append(False, first[:-1]) if len(first) else first
    found = Fields(code.table.copy())
    pairs, others = np.flatnonzero(first), np.flatnonzero(second)
    subtracts = code["op"][pairs] == Op.SUB_IP, code["op"][others] == Op.SUB_IP
    op = np.select([subtracts[0] & subtracts[1], ~subtracts[0] & ~subtracts[1]], [Op.SUB_SUB, Op.ADD_ADD], Op.ADD_SUB)
    # A difference has the number that is added first.
    turned = subtracts[0] & ~subtracts[1]
    for name in _SOURCE:
        one, two = code[f"a.{name}"][pairs], code[f"a.{name}"][others]
        found[f"a.{name}"][pairs] = np.where(turned, two, one)
        found[f"b.{name}"][pairs] = np.where(turned, one, two)
    found["op"][pairs] = op
    return Fields(found.table[~second])


def _begins(code: Fields, carries: Flags) -> Flags:
    """Whether an instruction and the next one can be paired, whatever others are."""
    adds = np.isin(code["op"], (Op.ADD_IP, Op.SUB_IP)) & (code["a.w"] > 0) & carries[code["cc"]]
    adds &= (code["last"] == 1) & np.append(True, code["last"][:-1] == 1)[: len(adds)]
    one, two = Fields(code.table[:-1]), Fields(code.table[1:])
    same = np.logical_and.reduce([one[name] == two[name] for name in _SAME])
    wide = [np.where(part["across"] == 1, part["a.w"], 1) for part in (one, two)]
    apart = (one["a.c"] + wide[0] <= two["a.c"]) | (two["a.c"] + wide[1] <= one["a.c"])
    alike = np.logical_and.reduce([one[f"a.{name}"] == two[f"a.{name}"] for name in _SOURCE])
    return np.append(adds[:-1] & adds[1:] & same & (apart | alike), False)[: len(adds)]
