"""The rules of a single instruction; their native form is dialects/native/rules.hpp."""

from __future__ import annotations

from collections.abc import Sequence

from dialects.machine.isa import (
    MAX_WIDTH,
    OPCODES,
    Cell,
    Instruction,
    Op,
    cell_after,
    compared_width,
    is_prefix,
    second_carry,
)
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range

_MEETING = tuple(zip("DDDCCDEEA", "ABCABEABB", strict=True))
"""places that are needed together"""
MAX_PREFIX_BITS = 8
"""bits that a prefix instruction sets"""
_ALONE = "a sum of three numbers is a bit loop by itself"


def places_of(instruction: Instruction) -> dict[str, tuple[int, int, int]]:
    """First column, first domain and width of every place that the instruction names, by role."""
    operands, dst, carry = OPCODES[instruction.op].operands, instruction.dst, instruction.carry
    places: dict[str, tuple[int, int, int]] = {}
    if is_prefix(instruction.op) and carry.domain:
        places["D"] = (dst.column, dst.domain, carry.domain)
    if "D" in operands or "d" in operands:
        places["D"] = (dst.column, dst.domain, instruction.width if "D" in operands else 1)
    for role, operand in (("A", instruction.a), ("B", instruction.b)):
        if role in operands and operand.width:
            places[role] = (operand.column, operand.domain, operand.width)
    if "a" in operands:
        places["A"] = (instruction.a.column, instruction.a.domain, 1)
    if "c" in operands or "e" in operands:
        places["C"] = (carry.column, carry.domain, 1)
    if "e" in operands:
        second = second_carry(carry)
        places["E"] = (second.column, second.domain, 1)
    return places


def check(instruction: Instruction, columns: int, domains: int) -> None:
    """Raise ProgramError where the instruction can't be executed on an array of that many columns and domains."""
    row = OPCODES[instruction.op]

    def fail(problem: str) -> None:
        raise ProgramError(f"{row.mnemonic}: {problem}")

    if not 1 <= instruction.width <= MAX_WIDTH:
        fail(f"a width is 1 to {MAX_WIDTH} bits, found {instruction.width}")
    places, across = places_of(instruction), instruction.across
    for column, domain, width in places.values():
        end = cell_after(Cell(column, domain), width - 1, across)
        if end.column >= columns or end.domain >= domains:
            span = f"c{column}:{end.column + 1}[{domain}]" if across else f"c{column}[{domain}:{domain + width}]"
            fail(f"{span} lies outside {columns} columns of {domains} domains")
    for role, other in _MEETING:
        if role not in places or other not in places:
            continue
        (one, _, wide), (two, _, long) = places[role], places[other]
        apart = one + wide <= two or two + long <= one if across else one != two
        # Both sources may be the same value, as in D = A + A.
        if not apart and ((role, other) != ("A", "B") or instruction.a != instruction.b):
            fail(f"two bits that are needed together meet in column c{max(one, two)}")
    prefix = is_prefix(row.op)
    if (prefix or row.op in (Op.CMP_GE, Op.OUT)) and instruction.width != instruction.a.width:
        fail(f"its width {instruction.width} is not that of its source, {instruction.a.width}")
    if row.op is Op.CMP_GEV and instruction.width != compared_width(instruction.a, instruction.b):
        fail(f"its sources are compared over {compared_width(instruction.a, instruction.b)} bits")
    if (prefix or row.op in (Op.CMP_GE, Op.CMP_GEV, Op.OUT)) and (instruction.a.shift or instruction.b.shift):
        fail("a source of it can't be shifted")
    if row.op is Op.SET_IF and instruction.a[2:] != (1, False, 0):
        fail("its flag is a single cell, neither signed nor shifted")
    if (prefix or row.op is Op.CMP_GE) and not Range.of_width(instruction.width, instruction.a.signed).covers(
        Range(instruction.imm, instruction.imm)
    ):
        fail(f"the immediate {instruction.imm} is no value of the {instruction.width}-bit source")
    if prefix and not across:
        fail("it works across columns, so that all bits are under ports together")
    if prefix and not 1 <= instruction.carry.domain <= MAX_PREFIX_BITS:
        fail(f"it sets 1 to {MAX_PREFIX_BITS} bits, found {instruction.carry.domain}")
    if prefix and not 1 <= instruction.carry.column < 1 << instruction.carry.domain:
        fail(f"the number {instruction.carry.column} is none of {instruction.carry.domain} bits above 0")
    if row.op in (Op.IN, Op.OUT) and instruction.imm < 0:
        fail(f"a vector's number can't be negative, found {instruction.imm}")


def check_members(members: Sequence[Instruction], first: int = 0) -> None:
    """Raise ProgramError where an instruction whose carry has two cells shares its bit loop; members are numbered from
    `first` on."""
    for number, item in enumerate(members, start=first):
        if len(members) > 1 and "e" in OPCODES[item.op].operands:
            raise ProgramError(
                f"{OPCODES[item.op].mnemonic}: {_ALONE}", place=f"instruction {number}", hint="take it out of the loop"
            )
