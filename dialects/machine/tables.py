"""The instruction table as the native code reads it: which operands an opcode has, which passes a bit of it takes.

A bit has a variant for all that may be known of it beforehand: whether the instruction is lean, whether it is the last
bit of a signed source, the first one, its bit of the immediate, and whether B and A are zero there
(dialects/native/checked_code.hpp).
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dialects.machine.isa import OPCODES, Op, Pass, variant_passes
from dialects.support.tensors import IntArray

OPCODE_VALUES = 32
"""What five bits hold."""
_VARIANTS = tuple(product((False, True), repeat=6))
_ROLES, _LATCH = "DABCE", "T"
_MANY = {"H": "A", "Z": "D", "N": "D"}
"""roles of a prefix instruction that stand for several cells, which the native code counts itself"""
"""Roles of columns as they are numbered, and the latch, which is none."""


@cache
def operand_table() -> NDArray[np.uint8]:
    """Which operands each opcode has."""
    table = np.zeros((OPCODE_VALUES, 11), dtype=np.uint8)
    for op, row in OPCODES.items():
        carries = ("c" in row.operands or "e" in row.operands, "e" in row.operands)
        table[op] = (True, *(role in row.operands for role in "DdAaBr"), *carries, "I" in row.operands, _is_vector(op))
    return table


def operands_along(ops: IntArray) -> NDArray[np.bool_]:
    """Which instructions have the operands of code along tracks, a row each: D, cell d, A, flag a, B, a carry."""
    return operand_table()[ops][:, [1, 2, 3, 4, 5, 7]].astype(bool).T


@cache
def pass_table() -> NDArray[np.uint8]:
    """The passes of every variant of an opcode's bit, summed up as `Variant` in dialects/native/checked_code.hpp.

    Masks of the roles that are searched and written, then numbers: searches, writes, cells that the searches look at,
    cells written without a key, bits moved to or from the buffer, writes of D, of C and of E.
    """
    table = np.zeros((OPCODE_VALUES, len(_VARIANTS), 10), dtype=np.uint8)
    for op in OPCODES:
        for variant, passes in enumerate(_variants_of(op)):
            for item in passes:
                table[op, variant, :2] |= np.array([_mask(part) for part in item], dtype=np.uint8)
                table[op, variant, 2:] += np.array(_numbers(item), dtype=np.uint8)
    return table


def _mask(part: tuple[tuple[str, int], ...]) -> int:
    return sum(1 << index for index in {_ROLES.index(_MANY.get(role, role)) for role, _ in part if role != _LATCH})


def _numbers(item: Pass) -> list[int]:
    written = [role for role, _ in item.write]
    return [
        item.searches,
        item.writes,
        len(item.key) if item.searches else 0,
        0 if item.key else len(written),
        _LATCH in (role for part in item for role, _ in part),
        "D" in written,
        "C" in written,
        "E" in written,
    ]


def _is_vector(op: Op) -> bool:
    return op in (Op.IN, Op.OUT)


def _variants_of(op: Op) -> list[tuple[Pass, ...]]:
    """The passes of each variant."""
    operands = OPCODES[op].operands
    found: list[tuple[Pass, ...]] = []
    for lean, sign, first, immediate, b_zero, a_zero in _VARIANTS:
        known = {"I": int(immediate)} if "I" in operands and not _is_vector(op) else {}
        known |= {role: 0 for role, zero in (("A", a_zero), ("B", b_zero)) if zero and role in operands}
        found.append(variant_passes(op, first, sign, lean, known))
    return found
