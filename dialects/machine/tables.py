"""The instruction table as the native code reads it: which operands an opcode has, which passes a bit of it takes.

A bit has a variant for all that may be known of it beforehand: whether it is the last one of a signed source, the
first one, its bit of the immediate, and whether B and A are zero there (dialects/native/code.hpp).
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.machine.isa import OPCODES, Op, Pass, variant_passes

OPCODE_VALUES = 32
"""What five bits hold."""
_VARIANTS = tuple(product((False, True), repeat=5))
_ROLES = "DABCT"
"""Roles of columns as they are numbered; the latch comes last."""


@cache
def operand_table() -> NDArray[np.uint8]:
    """Which operands each opcode has."""
    table = np.zeros((OPCODE_VALUES, 9), dtype=np.uint8)
    for op, row in OPCODES.items():
        table[op] = (True, *(role in row.operands for role in "DdAaBcI"), _is_vector(op))
    return table


@cache
def touch_table() -> NDArray[np.uint8]:
    """Of every variant: masks of the roles that it searches and writes, and how many of its passes write D and C."""
    table = np.zeros((OPCODE_VALUES, len(_VARIANTS), 4), dtype=np.uint8)
    for op in OPCODES:
        for variant, passes in enumerate(_variants_of(op)):
            for item in passes:
                for kind, part in enumerate(item):
                    for role, _ in part:
                        if role != "T":
                            table[op, variant, kind] |= 1 << _ROLES.index(role)
                for kind, written in enumerate("DC", start=2):
                    table[op, variant, kind] += any(role == written for role, _ in item.write)
    return table


class PassTable(NamedTuple):
    """The operands of all opcodes, then all passes; and where the passes of each variant start."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int32]


@cache
def pass_table() -> PassTable:
    """Of every pass: the number of its keys and of its writes, then (role, value) of each."""
    found: list[Pass] = []
    starts = [0]
    for code in range(OPCODE_VALUES):
        for passes in _variants_of(Op(code)) if code in set(OPCODES) else ((),) * len(_VARIANTS):
            found += passes
            starts.append(len(found))
    numbers = [number for item in found for number in _numbers(item)]
    data = np.concatenate((operand_table().ravel(), np.array(numbers, dtype=np.uint8)))
    return PassTable(data, np.array(starts, dtype=np.int32))


def _numbers(item: Pass) -> list[int]:
    bits = [number for part in item for role, value in part for number in (_ROLES.index(role), value)]
    return [len(item.key), len(item.write), *bits]


def _is_vector(op: Op) -> bool:
    return op in (Op.IN, Op.OUT)


def _variants_of(op: Op) -> list[tuple[Pass, ...]]:
    """The passes of each variant."""
    operands = OPCODES[op].operands
    found: list[tuple[Pass, ...]] = []
    for sign, first, immediate, b_zero, a_zero in _VARIANTS:
        known = {"I": int(immediate)} if "I" in operands and not _is_vector(op) else {}
        known |= {role: 0 for role, zero in (("A", a_zero), ("B", b_zero)) if zero and role in operands}
        found.append(variant_passes(op, first, sign, known))
    return found
