"""A simulator of the associative processor in plain Python, written from docs/isa.md alone.

It takes the text of a program, reads the look-up tables of the instructions from the page, and shares no code with
camc. A bit plane, the bits of one domain of one column in all rows, is an integer whose bit i is row i.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "isa.md"
Bits = dict[str, int]


class LutPass(NamedTuple):
    key: Bits
    write: Bits


class Row(NamedTuple):
    """A row of the page's table."""

    operands: list[tuple[str, str]]
    """role and kind"""
    once: list[LutPass]
    bit: list[LutPass]
    first: list[LutPass]
    sign: list[LutPass]
    operation: str
    """what its written cells are counted with"""


def read_table(page: str) -> dict[str, Row]:
    """The instructions of the page, by mnemonic."""
    rows: dict[str, Row] = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 9 and cells[0].startswith("`"):
            mnemonic, operands, _, *lists, _, operation = cells
            pairs = [tuple(word.split(": ")) for word in operands.split(", ")]
            once, bit, first, sign = map(read_passes, lists)
            rows[mnemonic.strip("`")] = Row([(role, kind) for role, kind in pairs], once, bit, first, sign, operation)
    return rows


def read_passes(text: str) -> list[LutPass]:
    def bits(part: str) -> Bits:
        return {role: int(bit) for role, bit in re.findall(r"([A-Z])([01])", part)}

    return [LutPass(*map(bits, word.strip("`").split(">"))) for word in text.split()]


class Source(NamedTuple):
    column: int = 0
    domain: int = 0
    width: int = 0
    signed: bool = False
    shift: int = 0
    across: bool = False

    def cell(self, bit: int) -> tuple[int, int] | None:
        """Where the bit is; None for a known 0."""
        index = bit - self.shift
        if index < 0 or self.width == 0 or (index >= self.width and not self.signed):
            return None
        return self.after(min(index, self.width - 1))

    def after(self, bits: int) -> tuple[int, int]:
        return (self.column + bits, self.domain) if self.across else (self.column, self.domain + bits)


class Instruction(NamedTuple):
    mnemonic: str
    given: dict[str, Source | int]
    """by role"""
    width: int
    start: int
    lean: bool


def read_operand(text: str) -> Source | int:
    if text.startswith("#"):
        return int(text[1:])
    if text == "zero":
        return Source()
    found = re.fullmatch(r"c(\d+)(?::(\d+))?\.(\d+)(?::(\d+))?(s)?(?:<<(\d+))?", text)
    assert found, text
    column, wide, domain, long, signed, shift = found.groups()
    assert not (wide and long), text
    return Source(int(column), int(domain), int(wide or long or 1), bool(signed), int(shift or 0), bool(wide))


class Page:
    """The instruction set as the page has it."""

    def __init__(self, text: str):
        self.rows = read_table(text)
        self.issued: dict[tuple[str, bool, bool, bool, tuple[tuple[str, int], ...]], list[LutPass]] = {}

    def read(self, line: str) -> Instruction:
        lean = line.startswith("lean ")
        mnemonic, rest = line.removeprefix("lean ").split(maxsplit=1)
        rest, _, start = rest.partition("@")
        row = self.rows[mnemonic]
        operands = [read_operand(word.strip()) for word in rest.split(",")]
        given = {role: operand for (role, _), operand in zip(row.operands, operands, strict=True)}
        a, b = (given.get(role) for role in "AB")
        if ("D", "place") in row.operands:
            width = self.width_of(given["D"])
        elif isinstance(a, Source) and isinstance(b, Source):
            mixed = a.signed != b.signed
            width = max(source.width + (mixed and not source.signed) for source in (a, b))
        else:
            width = self.width_of(given["A"])
        return Instruction(mnemonic, given, width, int(start or 0), lean)

    @staticmethod
    def width_of(operand: Source | int) -> int:
        assert isinstance(operand, Source)
        return operand.width

    def loops(self, text: str) -> list[list[Instruction]]:
        """The bit loops of a segment."""
        found: list[list[Instruction]] = []
        inside = False
        for line in (line.partition(";")[0].strip() for line in text.splitlines()):
            if line == "loop {":
                inside = True
                found.append([])
            elif line == "}":
                inside = False
            elif line and inside:
                found[-1].append(self.read(line))
            elif line:
                found.append([self.read(line)])
        return found

    def passes(self, item: Instruction, bit: int, known: Bits) -> list[LutPass]:
        """The issued passes of a bit."""
        sources = (operand for operand in item.given.values() if isinstance(operand, Source))
        sign = bit == item.width - 1 and any(source.signed for source in sources)
        place = (item.mnemonic, item.lean, bit == 0, sign, tuple(known.items()))
        if place not in self.issued:
            self.issued[place] = self.issue(self.rows[item.mnemonic], item.lean, bit == 0, sign, known)
        return self.issued[place]

    @staticmethod
    def issue(row: Row, lean: bool, first: bool, sign: bool, known: Bits) -> list[LutPass]:
        passes = row.first if first and row.first else row.sign if sign and row.sign else row.bit
        before, now, issued = dict(known), dict(known), list[LutPass]()
        every = [*(row.once if first else []), *passes]
        for key, write in with_changes(every) if lean else every:
            if any(before.get(role, bit) != bit for role, bit in key.items()):
                continue
            if all(now.get(role) == bit for role, bit in write.items()):
                continue
            left = {role: bit for role, bit in key.items() if role not in now}
            issued.append(LutPass(left, write))
            for role, bit in write.items():
                if not key or left == {role: 1 - bit}:
                    before[role] = now[role] = bit
                elif now.get(role) != bit:
                    now.pop(role, None)
        return issued


def with_changes(passes: list[LutPass]) -> list[LutPass]:
    """The passes of a lean instruction."""
    found: list[LutPass] = []
    written: list[Bits] = []
    for key, write in passes:
        [(role, bit), *others] = write.items()
        other = {role: 1 - bit}
        if others or role in key or role in "TN" or "T" in key or other in written:
            found.append(LutPass(key, write))
        else:
            found.append(LutPass(key | other, write))
        if not key:
            written.append(write)
    return found


ONE, TWO = ("add.ip", "sub.ip"), ("add.add", "sub.sub", "add.sub")


def single_cells(item: Instruction, bit: int, passes: list[LutPass]) -> list[LutPass]:
    """Passes in which each role is a cell, where one of them stands for several."""
    found: list[LutPass] = []
    for key, write in passes:
        if "N" in write:
            imm, number, d = item.given["I"], item.given["J"], item.given["D"]
            assert isinstance(imm, int) and isinstance(number, int) and isinstance(d, Source)
            above = {f"A{index}": imm >> index & 1 for index in range(bit + 1, item.width)}
            key = {"A": key["A"]} | above | {f"D{index}": 0 for index in range(d.width)}
            write = {f"D{index}": 1 for index in range(d.width) if number >> index & 1}
        found.append(LutPass(key, write))
    return found


class Run:
    """A run of the stream: a long instruction and the short ones that have followed it."""

    def __init__(self) -> None:
        self.long: Instruction | None = None
        self.single = self.halves = 0

    def halves_of(self, item: Instruction, alone: bool) -> int:
        """Halves that the next instruction takes, which is a loop by itself or ends one; 0 for a long one."""
        halves = 1 + (item.mnemonic in TWO)
        if alone and self.long and self.halves + halves <= 63 and self.fits(self.long, item):
            self.halves += halves
            self.single = a_of(item).column if halves == 1 else self.single
            return halves
        adds = item.mnemonic in (*ONE, *TWO)
        self.long, self.single, self.halves = (item, a_of(item).column, 0) if adds else (None, 0, 0)
        return 0

    def fits(self, long: Instruction, item: Instruction) -> bool:
        if item.mnemonic not in (*ONE, *TWO):
            return False
        a, width = a_of(item), a_of(item).width
        if alike(long) != alike(item) or not width or not a.across:
            return False
        if item.mnemonic in ONE:
            return a.column - self.single in range(0, 3 * width + 1, width)
        b, first = item.given["B"], a_of(long).column
        assert isinstance(b, Source)
        near = range(-64 * width, 64 * width, width)
        return b._replace(column=0) == a._replace(column=0) and all(one.column - first in near for one in (a, b))


def a_of(item: Instruction) -> Source:
    a = item.given["A"]
    assert isinstance(a, Source)
    return a


def alike(item: Instruction) -> tuple[object, ...]:
    """What all instructions of a run have in common."""
    d = item.given["D"]
    assert isinstance(d, Source)
    places = (d._replace(column=0), a_of(item)._replace(column=0), item.given["C"])
    return (*places, item.width, item.start, item.lean)


class Processor:
    """Arrays that run one program on n rows; `out` maps a vector's number to its integers."""

    def __init__(self, page: Page, rows: int, array_rows: int, cycles: tuple[int, int] = (1, 1), port_bits: int = 256):
        self.page, self.rows, self.array_rows = page, rows, array_rows
        self.arrays = -(-rows // array_rows)
        self.cycles, self.port_bits = cycles, port_bits
        self.all = (1 << rows) - 1
        self.planes: dict[tuple[int, int], int] = {}
        self.ports: dict[int, int] = {}
        self.latch = 0
        self.out: dict[int, list[int]] = {}

    def run(self, text: str, vectors: list[list[int]]) -> Counter[str]:
        """Execute a segment; returns its counts by the names of the page."""
        counts: Counter[str] = Counter()
        run, shorts, halves = Run(), 0, 0
        for members in self.page.loops(text):
            taken = run.halves_of(members[-1], len(members) == 1)
            shorts, halves = shorts + (taken > 0), halves + taken
            counts["bit_loops"] += 1
            counts["instructions"] += len(members)
            for step in range(max(item.start + item.width for item in members)):
                self.step([(item, step - item.start) for item in members], vectors, counts)
        counts["search_cycles"] = counts["searches"] * self.cycles[0]
        counts["write_cycles"] = counts["writes"] * self.cycles[1]
        counts["shifted_row_cells"] = counts["column_steps"] * self.array_rows * self.arrays
        counts["fetched_bits"] = 128 * (counts["instructions"] - shorts) + 16 * halves
        counts["broadcast_bits"] = counts["fetched_bits"] * self.arrays
        return counts

    def step(self, members: list[tuple[Instruction, int]], vectors: list[list[int]], counts: Counter[str]) -> None:
        work: list[tuple[Instruction, int, list[LutPass], dict[str, tuple[int, int]]]] = []
        for item, bit in members:
            if 0 <= bit < item.width:
                cells, known = self.bit_of(item, bit)
                work.append((item, bit, single_cells(item, bit, self.page.passes(item, bit, known)), cells))
        self.align(work, counts)
        for item, bit, passes, cells in work:
            for key, write in passes:
                self.do(item, bit, key, write, cells, vectors, counts)

    def bit_of(self, item: Instruction, bit: int) -> tuple[dict[str, tuple[int, int]], Bits]:
        """The cell of each role at a bit, and what is known beforehand."""
        cells: dict[str, tuple[int, int]] = {}
        known: Bits = {}
        for role, kind in self.page.rows[item.mnemonic].operands:
            operand = item.given[role]
            if isinstance(operand, int):
                if kind == "immediate" and item.mnemonic not in ("in", "out"):
                    known["I"] = operand >> bit & 1
            elif kind == "place as a whole":
                cells |= {f"D{number}": operand.after(number) for number in range(operand.width)}
                a = a_of(item)
                cells |= {f"A{number}": a.after(number) for number in range(bit + 1, a.width)}
            elif kind == "source":
                cell = operand.cell(bit)
                if cell is None:
                    known[role] = 0
                else:
                    cells[role] = cell
            else:
                cells[role] = operand.after(bit if kind == "place" else 0)
                if kind == "two carries":
                    cells["E"] = (operand.column + 1, operand.domain)
        return cells, known

    def align(
        self,
        work: list[tuple[Instruction, int, list[LutPass], dict[str, tuple[int, int]]]],
        counts: Counter[str],
    ) -> None:
        needed: dict[int, int] = {}
        for _, _, passes, cells in work:
            for role in {role for each in passes for part in each for role in part} & cells.keys():
                column, domain = cells[role]
                assert needed.setdefault(column, domain) == domain, f"two domains of column {column}"
        steps = [abs(self.ports.get(column, 0) - domain) for column, domain in needed.items()]
        self.ports.update(needed)
        counts["column_steps"] += sum(steps)
        counts["shift_steps"] += max(steps, default=0)

    def do(
        self,
        item: Instruction,
        bit: int,
        key: Bits,
        write: Bits,
        cells: dict[str, tuple[int, int]],
        vectors: list[list[int]],
        counts: Counter[str],
    ) -> None:
        """One pass."""
        tags = self.all
        if "T" in key:
            tags = self.received(vectors[self.number(item)], bit)
            self.count_move(counts)
        elif key:
            for role, wanted in key.items():
                plane = self.planes.get(cells[role], 0)
                tags &= plane if wanted else ~plane
            counts["searches"] += 1
            counts["searched_row_cells"] += len(key) * self.array_rows * self.arrays
        if "T" in write:
            self.send(item, bit, tags)
            counts["sent_row_bits"] += self.rows
            self.count_move(counts)
            return
        counts["writes"] += 1
        for role, value in write.items():
            plane = self.planes.get(cells[role], 0)
            written = plane | tags if value else plane & ~tags
            self.planes[cells[role]] = written
            counts["written_row_cells"] += tags.bit_count()
            counts[f"written_by_{self.page.rows[item.mnemonic].operation}"] += tags.bit_count()
            counts["keyless_row_cells"] += 0 if key else self.rows
            counts["toggled_row_cells"] += (written ^ plane).bit_count()

    @staticmethod
    def number(item: Instruction) -> int:
        number = item.given["I"]
        assert isinstance(number, int)
        return number

    @staticmethod
    def received(vector: list[int], bit: int) -> int:
        return sum((value >> bit & 1) << row for row, value in enumerate(vector))

    def send(self, item: Instruction, bit: int, tags: int) -> None:
        source = item.given["A"]
        assert isinstance(source, Source)
        weight = -(1 << bit) if source.signed and bit == item.width - 1 else 1 << bit
        if bit == 0:
            self.out[self.number(item)] = [0] * self.rows
        vector = self.out[self.number(item)]
        for row in range(self.rows):
            vector[row] += weight * (tags >> row & 1)

    def count_move(self, counts: Counter[str]) -> None:
        counts["moved_row_bits"] += self.rows
        counts["move_cycles"] += -(-min(self.rows, self.array_rows) // self.port_bits)
