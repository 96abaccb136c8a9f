"""ap-prefix: step functions by searches for prefixes.

Stands behind convert-rtm-to-ap. With all bits of a sum under ports at once, one search tells whether it is greater than
a number as far as its first bits tell that: the numbers above 20 of five bits are 11xxx, 1011x and 10101. So a step
function of values that lie across columns, a comparison and a conditional write for each threshold, becomes an
instruction for each threshold that writes its number at once, in the rows that have none yet: for a rising function
those that exceed the last threshold first, for a falling one those below the first threshold.

    lean set c10:2.0, #0
    lean cmp.ge c12.0, c0:5.1, #4
    lean set.if c10:1.0, c12.0, #1
    lean cmp.ge c12.0, c0:5.1, #21
    lean set.if c10:2.0, c12.0, #2
  becomes
    lean set c10:2.0, #0
    lean set.gt c10:2.0, c0:5.1, #20, #2
    lean set.gt c10:2.0, c0:5.1, #3, #1

A function stays as it is where 0 isn't the number at its first step (falling: its last one) and nowhere else, where
something reads a comparison's flag later, or where so many more cells are searched, in all rows of the arrays, that
this costs more, about, than the writes that it saves in the rows that are in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dialects import ap
from dialects.ap.assembly import AssemblyCode
from dialects.machine.code import Fields
from dialects.machine.isa import OPCODES, Op, keyed_cells
from dialects.machine.rules import MAX_PREFIX_BITS
from dialects.support.instrumentation import Figure, did
from dialects.support.ranges import Range
from dialects.ternary import rows_of

_SAVED = 2.7
"""written cells that a threshold saves, measured on ResNet-18"""
_WRITE = 132
"""energy of a written cell in searched ones: the geometric mean of the bundled technologies"""
_WRITES = (Op.SET, Op.COPY, Op.IN, Op.ADD, Op.SUB, Op.CMP_GE, Op.CMP_GEV)
"""instructions that write D whatever it held"""

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Steps(NamedTuple):
    """A step function: its instructions, and what it computes of which value."""

    begin: int
    end: int
    start: int
    """the number below all thresholds"""
    table: list[tuple[int, int]]
    """thresholds, ascending, and the number from there on"""


@dataclass(frozen=True)
class ApPrefix(ModulePass):
    """Compute step functions by searches for prefixes."""

    name = "ap-prefix"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for program in [item for item in op.walk() if isinstance(item, ap.ProgramOp)]:
            codes = [Fields.unpack(segment.code.binary) for segment in program.segments]
            bounds = np.cumsum([0, *(len(code.table) for code in codes)]).tolist()
            code = Fields(np.concatenate([code.table for code in codes]))
            new = _replacements(code, bounds, program)
            for segment, (begin, end) in zip(program.segments, pairwise(bounds), strict=True):
                parts, at, count = list[Rows](), begin, 0
                for steps, lines in ((steps, lines) for steps, lines in new if begin <= steps.begin < end):
                    parts += [code.table[at : steps.begin], np.array(lines)]
                    at, count = steps.end, count + 1
                if count:
                    table = np.concatenate([*parts, code.table[at:end]])
                    segment.properties["code"] = ap.CodeAttr(AssemblyCode(Fields(table).pack()))
                    did(self.name, segment.layer.data, Figure("step functions", None, count))


def _replacements(code: Fields, bounds: list[int], program: ap.ProgramOp) -> list[tuple[Steps, list[list[int]]]]:
    """What step functions become, in their order, where that pays; those that look alike do so together."""
    rows, size = max(map(rows_of, program.inputs), default=1), program.geometry.geometry.rows
    found = [steps for begin, end in pairwise(bounds) for steps in _steps(code, begin, end)]
    kept: list[tuple[Steps, list[list[int]]]] = []
    pays: dict[tuple[int, ...], bool] = {}
    for steps in _without_readers(code, found):
        if lines := _prefixes(code, steps):
            width, bits = (int(code[name][steps.begin + at]) for name, at in (("width", 1), ("width", 0)))
            key = (width, bits, len(lines))
            if key not in pays:
                pays[key] = _pays(code, steps, lines, rows, -(-rows // size) * size)
            kept += [(steps, lines)] if pays[key] else []
    return kept


def _steps(code: Fields, begin: int, end: int) -> Iterator[Steps]:
    """The step functions of a segment, each from the clear of its result on."""
    op, alone = code["op"][begin:end], (code["last"][begin:end] == 1) & (code["start"][begin:end] == 0)
    alone &= np.append(True, code["last"][begin:end][:-1] == 1)[: len(alone)]
    follows = {shift: np.append(op[shift:], [0] * shift) for shift in (1, 2)}
    heads = (op == Op.SET) & (follows[1] == Op.CMP_GE) & (follows[2] == Op.SET_IF) & (code["across"][begin:end] == 1)
    for head in (np.flatnonzero(heads & alone) + begin).tolist():
        steps = _function(code, head, end, alone[head - begin :])
        if steps.table:
            yield steps


def _function(code: Fields, head: int, end: int, alone: Flags) -> Steps:
    """The step function that begins at a place; without a table if there is none."""
    names = Fields.NAMES
    place, source = [names.index(name) for name in ("dc", "dd")], [names.index(f"a.{name}") for name in "cdwsh"]
    at = {name: names.index(name) for name in names}
    first = code.table[head].tolist()
    column, domain, width = first[at["dc"]], first[at["dd"]], first[at["width"]]
    start = number = first[at["imm"]] & ((1 << width) - 1)
    table: list[tuple[int, int]] = []
    compared: list[int] = []
    here = head + 1
    while here + 1 < end and alone[here - head] and alone[here + 1 - head]:
        test, write = code.table[here].tolist(), code.table[here + 1].tolist()
        if (
            test[at["op"]] != Op.CMP_GE
            or write[at["op"]] != Op.SET_IF
            or not (test[at["across"]] and write[at["across"]])
        ):
            break
        low, bits = write[at["dc"]] - column, write[at["width"]]
        mine = [test[index] for index in source]
        inside = low >= 0 and low + bits <= width and write[at["dd"]] == domain
        if not inside or [write[index] for index in source[:2]] != [test[index] for index in place]:
            break
        if mine != (compared or mine) or (table and test[at["imm"]] <= table[-1][0]):
            break
        compared, mask = mine, (1 << bits) - 1
        number = number & ~(mask << low) | (write[at["imm"]] & mask) << low
        table.append((test[at["imm"]], number))
        here += 2
    return Steps(head, here, start, table)


def _prefixes(code: Fields, steps: Steps) -> list[list[int]] | None:
    """The instructions of a step function, in fields; None where it has no such form."""
    at = Fields.NAMES.index
    clear, test = code.table[steps.begin].tolist(), code.table[steps.begin + 1].tolist()
    bits = clear[at("width")]
    numbers = [steps.start, *(number for _, number in steps.table)]
    if steps.start == 0 and all(numbers[1:]):
        lines = [(Op.SET_GT, bound - 1, number) for bound, number in reversed(steps.table)]
    elif numbers[-1] == 0 and all(numbers[:-1]):
        lines = [(Op.SET_LT, bound, number) for (bound, _), number in zip(steps.table, numbers, strict=False)]
    else:
        return None
    span = Range.of_width(test[at("a.w")], bool(test[at("a.s")]))
    if bits > MAX_PREFIX_BITS or not all(span.lo <= imm <= span.hi for _, imm, _ in lines):
        return None
    found: list[list[int]] = []
    for op, imm, number in lines:
        changed = {"op": op, "imm": imm, "dc": clear[at("dc")], "dd": clear[at("dd")], "cc": number, "cd": bits}
        found.append([changed.get(name, field) for name, field in zip(Fields.NAMES, test, strict=True)])
    clear[at("imm")] = 0
    return [clear, *found]


def _pays(code: Fields, steps: Steps, lines: list[list[int]], rows: int, searched_rows: int) -> bool:
    """Whether writes are saved that cost more, about, than the cells that are searched in addition."""
    old = Fields(code.table[steps.begin + 1 : steps.end]).instructions()
    new = Fields(np.array(lines[1:])).instructions()
    more = sum(map(keyed_cells, new)) - sum(map(keyed_cells, old))
    return more * searched_rows < _SAVED * len(steps.table) * rows * _WRITE


def _without_readers(code: Fields, found: Sequence[Steps]) -> list[Steps]:
    """Those whose flags are written anew before anything reads them."""
    place = [Fields.NAMES.index(name) for name in ("dc", "dd")]
    flags: list[set[tuple[int, ...]]] = []
    for steps in found:
        rows: list[list[int]] = code.table[steps.begin + 1 : steps.end : 2, place].tolist()
        flags.append({tuple(row) for row in rows})
    cells = set[tuple[int, ...]]().union(*flags)
    if not cells:
        return []
    near = _near(code, cells)
    touched = {cell: _touches(code, cell, near) for cell in cells}

    def is_free(steps: Steps, cell: tuple[int, ...]) -> bool:
        numbers, reads = touched[cell]
        later = int(np.searchsorted(numbers, steps.end))
        return later == len(numbers) or not reads[later]

    return [steps for steps, mine in zip(found, flags, strict=True) if all(is_free(steps, cell) for cell in mine)]


def _places(code: Fields) -> Iterator[tuple[Rows, Rows, Rows, Rows, Flags]]:
    """Columns and domains of all places, [first, end) each, and whether the instruction reads what is there."""
    one = np.ones(len(code.table), dtype=np.int64)
    for role, first, domain, width in (
        ("D", "dc", "dd", "width"),
        ("A", "a.c", "a.d", "a.w"),
        ("B", "b.c", "b.d", "b.w"),
    ):
        cell, wide = _has(code, role.lower()), code[width]
        if role == "D":
            cell |= _has(code, "r")
            wide = np.where(_has(code, "r"), code["cd"], np.where(_has(code, "d"), 1, wide))
        elif role == "A":
            wide = np.where(_has(code, "a"), 1, wide)
        across = code["across"] == 1
        present = _has(code, role) | cell
        reads = present & (~np.isin(code["op"], _WRITES) if role == "D" else True)
        columns, domains = np.where(across, wide, one), np.where(across, one, wide)
        columns = np.where(present & (wide > 0), columns, 0)
        yield code[first], code[first] + columns, code[domain], code[domain] + domains, reads
    for behind, letters in ((0, "ce"), (1, "e")):
        carries = np.logical_or.reduce([_has(code, letter) for letter in letters])
        column = code["cc"] + behind
        yield column, column + carries, code["cd"], code["cd"] + 1, code["op"] == Op.COPY_IF


def _has(code: Fields, letter: str) -> Flags:
    return np.isin(code["op"], [op for op, row in OPCODES.items() if letter in row.operands])


def _near(code: Fields, cells: set[tuple[int, ...]]) -> Rows:
    """The instructions that may touch one of some cells."""
    columns, domains = (np.array(sorted({cell[part] for cell in cells})) for part in (0, 1))
    near = np.zeros(len(code.table), dtype=np.bool_)
    for first, end, low, high, _ in _places(code):
        some = np.searchsorted(columns, end) > np.searchsorted(columns, first)
        near |= some & (np.searchsorted(domains, high) > np.searchsorted(domains, low))
    return np.flatnonzero(near)


def _touches(code: Fields, cell: tuple[int, ...], near: Rows) -> tuple[Rows, Flags]:
    """The instructions that touch a cell, and whether they read it."""
    touched = np.zeros(len(near), dtype=np.bool_)
    read = np.zeros(len(near), dtype=np.bool_)
    for first, end, low, high, reads in _places(Fields(code.table[near])):
        here = (first <= cell[0]) & (cell[0] < end) & (low <= cell[1]) & (cell[1] < high)
        touched |= here
        read |= here & reads
    return near[touched], read[touched]
