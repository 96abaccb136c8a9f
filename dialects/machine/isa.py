"""The instruction set of the associative processor: one table that everything else reads.

Assembler, disassembler, binary encoding, simulator, cost model and the ISA page of the documentation are all
driven by `OPCODES`. An instruction works bit by bit from the least significant bit. At each bit it does the passes
of its look-up table (LUT): a pass searches for a key over a few columns, which sets the tag of every matching row,
and then writes a pattern into a few columns of the tagged rows. A pass without a key writes to all rows.

Roles of the columns in a LUT: D destination, A and B sources, C carry (or borrow), E a second cell of the carry, one
column after C, I the immediate's bit (a constant of the instruction, so it is resolved before the passes are issued),
T the data latch between the tags and the global buffer. A bit that is known beforehand (the carry at bit 0, a source
above its most significant bit if unsigned, a source below its shift, the immediate) removes the passes that can't
match: `passes_of`.

In *prefix* instructions H1 says that all bits of A above this one are the immediate's, Z1 that all cells of D are 0, N1
that D becomes the number J. `passes_of` makes single cells of them.

Two flags change an instruction and not its meaning. One that runs *across* columns steps from column to column rather
than from domain to domain: bit k of D, A and B lies k columns from the first one, in one domain, so that nothing is
shifted. A *lean* one searches for the cells that a write would change, before it writes them, where its passes would
else write cells to what they are: `>C0` becomes `C1>C0`. It takes a search more, and writes less.

Sources: the in-place and out-of-place orders are the ones that bit-serial associative arithmetic needs,
where no pass may create a state that a later pass matches (Foster, "Content Addressable Parallel Processors",
1976; Yavits et al., IEEE Trans. Computers 2015, "Computer Architecture with Associative Processor Replacing
Last-Level Cache and SIMD Accelerator"); every LUT here is checked exhaustively by the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from typing import NamedTuple


class Op(IntEnum):
    """Opcodes; the value is the binary code."""

    SET = 1
    SET_IF = 2
    COPY = 3
    EXT = 4
    ADD_IP = 5
    SUB_IP = 6
    ADD = 7
    SUB = 8
    CMP_GE = 9
    IN = 10
    OUT = 11
    CMP_GEV = 12
    COPY_IF = 13
    ADD_ADD = 14
    SUB_SUB = 15
    # Those between are counted programs' (dialects/machine/counting.py).
    ADD_SUB = 28
    SET_GT = 29
    SET_LT = 30


class Cell(NamedTuple):
    """One domain of one column: a bit for every row."""

    column: int
    domain: int


class Operand(NamedTuple):
    """A value in a column: `width` bits from `domain` on, least significant first, read as value << shift.

    Width 0 is the constant zero.
    """

    column: int = 0
    domain: int = 0
    width: int = 0
    signed: bool = False
    shift: int = 0

    @property
    def end(self) -> int:
        return self.domain + self.width


ZERO = Operand()
NO_CELL = Cell(0, 0)


class Instruction(NamedTuple):
    """One instruction; fields that an opcode doesn't use stay at their defaults.

    `width` is the number of bit steps, `start` the step of the bit loop at which its bit 0 is processed, and `last`
    tells that the bit loop (bundle) ends with this instruction. Its values lie `across` columns, or along their tracks.
    A `lean` one writes only cells that change.
    """

    op: Op
    dst: Cell
    width: int
    a: Operand = ZERO
    b: Operand = ZERO
    imm: int = 0
    carry: Cell = NO_CELL
    start: int = 0
    last: bool = True
    across: bool = False
    lean: bool = False


class Pass(NamedTuple):
    """One search and tagged write: (role, bit) pairs. An empty key writes to all rows without a search."""

    key: tuple[tuple[str, int], ...]
    write: tuple[tuple[str, int], ...]

    @property
    def searches(self) -> bool:
        """It is a search of the array; its tags come neither from the latch nor are they all set."""
        return bool(self.key) and self.key[0][0] != "T"

    @property
    def writes(self) -> bool:
        """It is a write of the array, not of the latch."""
        return self.write[0][0] != "T"


def lut(text: str) -> tuple[Pass, ...]:
    """Passes from their notation: `C0D1A1>C1D0` searches C=0, D=1, A=1 and writes C=1, D=0."""

    def bits(part: str) -> tuple[tuple[str, int], ...]:
        return tuple((role, int(bit)) for role, bit in re.findall(r"([A-Z])([01])", part))

    return tuple(Pass(bits(key), bits(write)) for key, write in (word.split(">") for word in text.split()))


@dataclass(frozen=True)
class Opcode:
    """One row of the instruction table."""

    op: Op
    mnemonic: str
    operands: str
    """Roles in the order of the assembly text: D, A, B swept over their bits; d, a, c a single cell; e a carry of two
    cells; r a destination that is written as a whole; I immediate; J the number that it becomes."""
    prologue: tuple[Pass, ...]
    """Passes once, before bit 0."""
    first: tuple[Pass, ...] | None
    """Passes of bit 0 where they differ from `bit`."""
    bit: tuple[Pass, ...]
    sign: tuple[Pass, ...] | None
    """Passes of the last bit of a signed source where they differ from `bit`."""
    meaning: str


def _row(
    op: Op, operands: str, bit: str, meaning: str, *, prologue: str = "", first: str = "", sign: str = ""
) -> Opcode:
    mnemonic = op.name.lower().replace("_", ".")
    return Opcode(
        op,
        mnemonic,
        operands,
        lut(prologue),
        lut(first) if first else None,
        lut(bit),
        lut(sign) if sign else None,
        meaning,
    )


_ADD = "C0B0A1>D1 C0B1A0>D1 C1B0A0>C0D1 C1B1A1>D1 C0B1A1>C1"
_SUB = "C0B0A1>D1 C0B1A0>C1D1 C1B0A0>D1 C1B0A1>C0 C1B1A1>D1"
# A carry of 0, 1 or 2: none, C alone, or C and E. Where A and B differ, rows with a carry of 1 have nothing to do, and
# those that the passes before have dealt with have left the carry that the later ones look for.
_ADD_ADD = (
    "C1E0A0B0D0>D1C0 C1E0A0B0D1>D0 C1E0A1B1D1>D0E1 C1E0A1B1D0>D1 C0A1B1>C1 C0A1D1>C1D0 C0A1D0>D1 C0B1D1>C1D0 C0B1D0>D1 "
    "E1A0B0>E0 E1A0D0>D1E0 E1A0D1>D0 E1B0D0>D1E0 E1B0D1>D0"
)
_SUB_SUB = re.sub("D([01])", lambda bit: f"D{1 - int(bit[1])}", _ADD_ADD)
# A carry of 1 is C, one of -1 is E.
_ADD_SUB = (
    "C0E0A1B0D1>D0C1 C0E0A1B0D0>D1 C0E0A0B1D0>D1E1 C0E0A0B1D1>D0 C1A0B1>C0 E1A1B0>E0 C1A0D0>D1C0 C1A0D1>D0 C1B1D0>D1C0 "
    "C1B1D1>D0 E1A1D1>D0E0 E1A1D0>D1 E1B0D1>D0E0 E1B0D0>D1"
)

OPCODES: Mapping[Op, Opcode] = {
    row.op: row
    for row in (
        _row(Op.SET, "DI", "I0>D0 I1>D1", "D = I"),
        _row(Op.SET_IF, "DaI", "I0A1>D0 I1A1>D1", "D = I in the rows where the flag A is 1"),
        _row(Op.COPY, "DA", ">D0 A1>D1", "D = A"),
        _row(
            Op.EXT,
            "Dc",
            ">D0 C1>D1",
            "repeat the first bit of D, a sign, in its further bits",
            prologue=">C0",
            first="D1>C1",
        ),
        _row(Op.ADD_IP, "DAc", "C0D1A1>C1D0 C0D0A1>D1 C1D0A0>C0D1 C1D1A0>D0", "D = D + A", prologue=">C0"),
        _row(Op.SUB_IP, "DAc", "C0D0A1>C1D1 C0D1A1>D0 C1D1A0>C0D0 C1D0A0>D1", "D = D - A", prologue=">C0"),
        _row(Op.ADD, "DABc", ">D0 " + _ADD, "D = A + B", prologue=">C0"),
        _row(Op.SUB, "DABc", ">D0 " + _SUB, "D = A - B", prologue=">C0"),
        _row(
            Op.CMP_GE,
            "dAI",
            "I1A0>D0 I0A1>D1",
            "D = 1 where A >= I, else 0",
            prologue=">D1",
            sign="I1A0>D1 I0A1>D0",
        ),
        _row(
            Op.CMP_GEV,
            "dAB",
            "A1B0>D1 A0B1>D0",
            "D = 1 where A >= B, else 0",
            prologue=">D1",
            sign="A1B0>D0 A0B1>D1",
        ),
        _row(Op.COPY_IF, "DAc", "C1A0>D0 C1A1>D1", "D = A in the rows where the flag C is 1"),
        _row(Op.IN, "DI", ">D0 T1>D1", "D = vector I of the input"),
        _row(Op.OUT, "AI", "A1>T1", "vector I of the output = A"),
        _row(Op.ADD_ADD, "DABe", _ADD_ADD, "D = D + A + B", prologue=">C0 >E0"),
        _row(Op.SUB_SUB, "DABe", _SUB_SUB, "D = D - A - B", prologue=">C0 >E0"),
        _row(Op.ADD_SUB, "DABe", _ADD_SUB, "D = D + A - B", prologue=">C0 >E0"),
        _row(Op.SET_GT, "rAIJ", "I0H1A1Z1>N1", "D = J in the rows where A > I and D is 0", sign="I1A0Z1>N1"),
        _row(Op.SET_LT, "rAIJ", "I1H1A0Z1>N1", "D = J in the rows where A < I and D is 0", sign="I0A1Z1>N1"),
    )
}
MNEMONICS: Mapping[str, Opcode] = {row.mnemonic: row for row in OPCODES.values()}


def _specialise(passes: Iterable[Pass], known: Mapping[str, int]) -> tuple[Pass, ...]:
    """The passes that can match and change something when the bits of `known` are known beforehand.

    As no pass creates a state that a later one matches, a pass is dead if it contradicts what was known before
    the first search; a known bit leaves a key only while no earlier pass may have changed it.
    """
    initial, current = dict(known), dict(known)
    kept: list[Pass] = []
    for key, write in passes:
        if any(initial.get(role, bit) != bit for role, bit in key):
            continue
        if all(current.get(role) == bit for role, bit in write):
            continue
        rest = tuple((role, bit) for role, bit in key if role not in current)
        kept.append(Pass(rest, write))
        for role, bit in write:
            if not key or rest == ((role, 1 - bit),):
                initial[role] = current[role] = bit
            elif current.get(role) != bit:
                current.pop(role, None)
    return tuple(kept)


_Known = tuple[tuple[str, int], ...]


def _lean(passes: Iterable[Pass]) -> Iterable[Pass]:
    """The passes with the cells that they change in their keys.

    A pass that changes what one without a key has written before finds it so.
    """
    cleared: set[tuple[str, int]] = set()
    for key, write in passes:
        [role, bit], *others = write
        searched = {name for name, _ in key}
        if others or {"T", "N"} & {role, *searched} or role in searched or (role, 1 - bit) in cleared:
            yield Pass(key, write)
            continue
        if not key:
            cleared.add((role, bit))
        yield Pass((*key, (role, 1 - bit)), write)


@cache
def _bit_passes(op: Op, first: bool, sign: bool, lean: bool, known: _Known) -> tuple[tuple[Pass, ...], frozenset[str]]:
    """The passes of a bit, and the roles that have a part in them."""
    row = OPCODES[op]
    table = row.bit
    if first and row.first is not None:
        table = row.first
    elif sign and row.sign is not None:
        table = row.sign
    passes = (*(row.prologue if first else ()), *table)
    found = _specialise(_lean(passes) if lean else passes, dict(known))
    return found, frozenset(role for item in found for part in item for role, _ in part)


def variant_passes(op: Op, first: bool, sign: bool, lean: bool, known: Mapping[str, int]) -> tuple[Pass, ...]:
    """The passes of a bit: the first one or not, the last of a signed source or not, lean or not, with known bits."""
    return _bit_passes(op, first, sign, lean, tuple(known.items()))[0]


def cell_after(cell: Cell, bits: int, across: bool) -> Cell:
    """The cell of a value so many bits after one of its cells."""
    return Cell(cell.column + bits, cell.domain) if across else Cell(cell.column, cell.domain + bits)


def second_carry(carry: Cell) -> Cell:
    """The second cell of a carry of two."""
    return Cell(carry.column + 1, carry.domain)


def operand_cell(operand: Operand, bit: int, across: bool = False) -> Cell | None:
    """The cell of a swept source at result bit `bit`, or None where the bit is a constant zero."""
    index = bit - operand.shift
    if index < 0 or operand.width == 0 or (index >= operand.width and not operand.signed):
        return None
    return cell_after(Cell(operand.column, operand.domain), min(index, operand.width - 1), across)


def passes_of(instruction: Instruction, bit: int) -> tuple[tuple[Pass, ...], dict[str, Cell]]:
    """The passes of one bit step and the cell of every role that takes part in it."""
    op, operands = instruction.op, OPCODES[instruction.op].operands
    cells: dict[str, Cell] = {}
    known: list[tuple[str, int]] = []
    if "D" in operands:
        cells["D"] = cell_after(instruction.dst, bit, instruction.across)
    elif "d" in operands:
        cells["D"] = instruction.dst
    if "c" in operands or "e" in operands:
        cells["C"] = instruction.carry
    if "e" in operands:
        cells["E"] = second_carry(instruction.carry)
    if "a" in operands:
        cells["A"] = Cell(instruction.a.column, instruction.a.domain)
    for role, operand in (("A", instruction.a), ("B", instruction.b)):
        if role in operands:
            cell = operand_cell(operand, bit, instruction.across)
            if cell is None:
                known.append((role, 0))
            else:
                cells[role] = cell
    if "I" in operands and op not in (Op.IN, Op.OUT):
        known.append(("I", instruction.imm >> bit & 1))
    sign = (instruction.a.signed or instruction.b.signed) and bit == instruction.width - 1
    passes, used = _bit_passes(op, bit == 0, sign, instruction.lean, tuple(known))
    if "J" in operands:
        return _prefix_passes(instruction, bit, passes)
    return passes, {role: cell for role, cell in cells.items() if role in used}


def is_prefix(op: Op) -> bool:
    """Whether an instruction searches for prefixes of A."""
    return "J" in OPCODES[op].operands


def _prefix_passes(item: Instruction, bit: int, passes: Iterable[Pass]) -> tuple[tuple[Pass, ...], dict[str, Cell]]:
    """The passes of a bit with a role for each cell that they look at or write; `carry` has the number and D's bits."""
    (number, bits), found, cells = item.carry, list[Pass](), dict[str, Cell]()
    for key, write in passes:
        wanted = dict(key)
        above = [(f"A{index}", item.imm >> index & 1 ^ 1 - wanted.get("H", 1)) for index in range(bit + 1, item.width)]
        zero = [(f"D{index}", 1 - wanted["Z"]) for index in range(bits)]
        ones = [(f"D{index}", write[0][1]) for index in range(bits) if number >> index & 1]
        found.append(Pass((("A", wanted["A"]), *above, *zero), tuple(ones)))
        places = {"D": item.dst, "A": Cell(item.a.column, item.a.domain)}
        for role, _ in found[-1].key:
            cells[role] = cell_after(places[role[0]], int(role[1:] or bit), item.across)
    return tuple(found), cells


def passes_count(instruction: Instruction) -> tuple[int, int]:
    """Searches and writes of an instruction: its cost besides shifting, whatever its places and the data are."""
    return _count(
        instruction._replace(
            dst=NO_CELL,
            carry=instruction.carry if is_prefix(instruction.op) else NO_CELL,
            a=instruction.a._replace(column=0, domain=0),
            b=instruction.b._replace(column=0, domain=0),
        )
    )


def keyed_cells(instruction: Instruction) -> int:
    """Cells that the searches of an instruction look at in a row."""
    passes = (item for bit in range(instruction.width) for item in passes_of(instruction, bit)[0])
    return sum(len(item.key) for item in passes if item.searches)


@lru_cache(maxsize=1 << 16)
def _count(instruction: Instruction) -> tuple[int, int]:
    passes = [item for bit in range(instruction.width) for item in passes_of(instruction, bit)[0]]
    return sum(item.searches for item in passes), sum(item.writes for item in passes)


def compared_width(a: Operand, b: Operand) -> int:
    """Bits over which two values are compared: all of both, and a sign for an unsigned one beside a signed one."""
    mixed = a.signed != b.signed
    return max(source.width + (mixed and not source.signed) for source in (a, b))


MAX_COLUMNS, MAX_DOMAINS, MAX_WIDTH = 2048, 256, 63


def in_loop(members: list[Instruction]) -> list[Instruction]:
    """The members of one bit loop: only the last one ends it."""
    return [item._replace(last=index == len(members) - 1) for index, item in enumerate(members)]
