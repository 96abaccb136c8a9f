"""Small kernels for the distance of placement to its optimum: random ones, and what of them a placement decides.

A kernel is a list of statements whose values have no places yet. Values that continue each other in place share a
*slot*, as wide as its widest value. `Item.uses` says which domains of each slot a statement brings under the port, as
the passes of its instruction need them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dialects.apv.adder_graph import AdderGraph, Node, Output
from dialects.machine.code import encode
from dialects.machine.isa import OPCODES, Cell, Instruction, Op, passes_of
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.support.errors import CapacityError
from dialects.support.ranges import Range
from dialects.support.tensors import Thresholds
from passes.adder_graphs.search import share
from passes.adder_graphs.sums import unshared
from passes.placing.placement import SPREAD, TIGHT, place
from passes.placing.vector_code import VectorCode

ROOMY = Geometry(1, 256, 64)
ROWS = 64


class Use(NamedTuple):
    """A statement's use of a slot: the domains from `first` to `last` on of the slot, one per step."""

    slot: int
    first: int
    last: int
    touched: tuple[tuple[int, int, bool], ...]
    """step, domain of the slot, whether it is written"""


class Item(NamedTuple):
    """One statement."""

    code: Instruction
    uses: tuple[Use, ...]
    carries: bool


@dataclass(frozen=True)
class Kernel:
    """Statements with slots, the order that they must keep, and an array to put them in."""

    name: str
    source: VectorCode
    roomy: PlacedCode
    geometry: Geometry
    items: list[Item]
    widths: list[int]
    """of the slots"""
    after: list[tuple[int, int]]
    """pairs of statements of which the second can't come first; terms of a sum have no order among themselves"""
    sums: list[list[int]]
    """statements that add to the same value in any order"""

    @property
    def accesses(self) -> int:
        return sum(len(item.uses) for item in self.items)

    def users(self, slot: int) -> list[int]:
        """The statements that use a slot."""
        return [number for number, item in enumerate(self.items) if any(use.slot == slot for use in item.uses)]

    @property
    def peak_bits(self) -> int:
        """The most bits of slots and carries that live at a time, statement by statement."""
        lives = [(users[0], users[-1]) for users in map(self.users, range(len(self.widths)))]
        live = [
            item.carries + sum(w for w, (a, b) in zip(self.widths, lives, strict=True) if a <= number <= b)
            for number, item in enumerate(self.items)
        ]
        return max(live)


def _touched(code: Instruction) -> Iterator[tuple[str, int, Cell, bool]]:
    for bit in range(code.width):
        passes, cells = passes_of(code, bit)
        written = {role for each in passes for role, _ in each.write}
        for role, cell in cells.items():
            yield role, bit, cell, role in written


def _item(code: Instruction, names: list[int], slots: dict[int, int], bases: dict[int, int]) -> Item:
    result, old, a, b = names
    of_role = {"D": result if result >= 0 else old, "A": a, "B": b, "C": b if code.op is Op.COPY_IF else -1}
    found: dict[int, dict[tuple[int, int], bool]] = {}
    for role, bit, cell, written in _touched(code):
        value = of_role[role]
        if value < 0:
            continue
        steps = found.setdefault(slots[value], {})
        at = bit, cell.domain - bases[value]
        steps[at] = steps.get(at, False) or written
    uses: list[Use] = []
    for slot, steps in found.items():
        domains = [domain for _, domain in steps]
        touched = tuple(sorted((step, domain, written) for (step, domain), written in steps.items()))
        uses.append(Use(slot, min(domains), max(domains), touched))
    return Item(code, tuple(uses), "c" in OPCODES[code.op].operands and code.op is not Op.COPY_IF)


def _order(names: list[list[int]], sums: list[list[int]]) -> list[tuple[int, int]]:
    """Values are made before they are read, and read before they are changed; the terms of a sum commute."""
    term_of = {number: group for group, members in enumerate(sums) for number in members}
    maker = {row[0]: number for number, row in enumerate(names) if row[0] >= 0}
    pairs: set[tuple[int, int]] = set()
    readers: dict[int, list[int]] = {}

    def makers(value: int, reader: int) -> list[int]:
        number = maker[value]
        group = term_of.get(number)
        if group is None:
            return [number]
        members = sums[group]
        return makers(names[members[0]][1], reader) if term_of.get(reader) == group else members

    for number, (_, old, a, b) in enumerate(names):
        for value in {a, b, old} - {-1}:
            pairs.update((before, number) for before in makers(value, number))
        readers.setdefault(old, [])
        for value in {a, b} - {-1}:
            readers.setdefault(value, []).append(number)
    for number, (_, old, _, _) in enumerate(names):
        # A value that is read elsewhere too is only changed after that; only the first term of a sum changes one.
        for reader in readers.get(old, []) if old >= 0 else []:
            group = term_of.get(number)
            for changing in [number] if group is None else sums[group]:
                pairs.add((reader, changing))
    return sorted(pair for pair in pairs if pair[0] != pair[1])


def _sums(codes: tuple[Instruction, ...], names: list[list[int]]) -> list[list[int]]:
    """Runs of statements that add to or subtract from one slot, between which nothing reads it."""
    uses = [value for row in names for value in row[1:] if value >= 0]
    changes = {row[1]: number for number, row in enumerate(names) if row[1] >= 0}
    adds = [code.op in (Op.ADD_IP, Op.SUB_IP) and row[2] >= 0 for code, row in zip(codes, names, strict=True)]
    groups: list[list[int]] = []
    seen: set[int] = set()
    for number, row in enumerate(names):
        if not adds[number] or number in seen or uses.count(row[1]) != 1:
            continue
        group = [number]
        while (value := names[group[-1]][0]) in changes and uses.count(value) == 1 and adds[changes[value]]:
            group.append(changes[value])
        seen.update(group)
        groups.append(group)
    return groups


def _slots(code: PlacedCode) -> dict[int, int]:
    """The slot of each value."""
    slots: dict[int, int] = {}
    count = 0
    for result, old, _, _ in code.names_array.tolist():
        if result >= 0:
            slots[result] = slots[old] if old >= 0 else count
            count += old < 0
    return slots


def analysed(name: str, source: VectorCode, geometry: Geometry) -> Kernel:
    """The kernel of straight-line code; its statements are those of a placement with room for everything."""
    (roomy,) = place(source, ROOMY, [SPREAD], full=True)
    slots = _slots(roomy)
    widths = [0] * len(set(slots.values()))
    bases: dict[int, int] = {}
    for value, _, base, width, *_ in roomy.values_array.tolist():
        bases[value] = base
        widths[slots[value]] = max(widths[slots[value]], width)
    codes, names = roomy.instructions, roomy.names_array.tolist()
    items = [_item(code, row, slots, bases) for code, row in zip(codes, names, strict=True)]
    sums = _sums(codes, names)
    return Kernel(name, source, roomy, geometry, items, widths, _order(names, sums), sums)


class Places(NamedTuple):
    """A solution: the loop of each statement and its start, (column, domain) of each slot and of each carry."""

    loops: list[int]
    starts: list[int]
    slots: list[tuple[int, int]]
    carries: dict[int, tuple[int, int]]


def placed(kernel: Kernel, places: Places) -> PlacedCode:
    """The kernel's statements at these places, in these loops."""
    order = sorted(range(len(kernel.items)), key=lambda number: (places.loops[number], number))
    names = kernel.roomy.names_array.tolist()
    for group in kernel.sums:
        # Whichever term comes first begins with what the sum begins with.
        rows = [names[number][:2] for number in group]
        for row, number in zip(rows, sorted(group, key=order.index), strict=True):
            names[number][:2] = row
    values, slots = kernel.roomy.values_array.copy(), _slots(kernel.roomy)
    for row in values:
        row[1:3] = places.slots[slots[int(row[0])]]
    moved = {
        after[0]: (after[1], before[2], after[2])
        for before, after in zip(kernel.roomy.values_array.tolist(), values.tolist(), strict=True)
    }
    made: list[Instruction] = []
    for position, number in enumerate(order):
        loop = places.loops[number]
        begin = min(start for start, at in zip(places.starts, places.loops, strict=True) if at == loop)
        last = position + 1 == len(order) or places.loops[order[position + 1]] != loop
        code = _moved(kernel.items[number].code, names[number], moved, places.carries.get(number))
        made.append(code._replace(start=places.starts[number] - begin, last=last))
    return PlacedCode.of_arrays(encode(made), np.array([names[number] for number in order]), values)


def _moved(
    code: Instruction, names: list[int], moved: dict[int, tuple[int, int, int]], carry: tuple[int, int] | None
) -> Instruction:
    """An instruction with its values elsewhere: of each value the column, the first domain before and after."""
    result, _, a, b = names
    if result >= 0:
        column, before, after = moved[result]
        code = code._replace(dst=Cell(column, code.dst.domain - before + after))
    if a >= 0:
        code = code._replace(a=code.a._replace(column=moved[a][0], domain=moved[a][2]))
    if code.op is Op.COPY_IF:
        return code._replace(carry=Cell(moved[b][0], moved[b][2]))
    if b >= 0:
        code = code._replace(b=code.b._replace(column=moved[b][0], domain=moved[b][2]))
    return code._replace(carry=Cell(*carry)) if carry else code


def _linear(rng: np.random.Generator) -> VectorCode:
    """A random ternary matrix, shared or as running sums."""
    code = VectorCode()
    code.begin_segment("kernel")
    inputs, outputs = int(rng.integers(2, 7)), int(rng.integers(1, 5))
    span = Range(int(rng.choice([0, 0, -2])), int(rng.choice([1, 3, 7])))
    matrix = rng.choice([-1, 0, 1, 2], p=[0.3, 0.3, 0.3, 0.1], size=(outputs, inputs))
    graph = (unshared if rng.random() < 0.5 else share)(matrix, [span] * inputs)
    code.store(code.linear(code.load(0, inputs, span), graph), 0)
    return code


def _mixed(rng: np.random.Generator) -> VectorCode:
    """Random sums with shifts and signs, then maxima, thresholds or nothing."""
    code = VectorCode()
    code.begin_segment("kernel")
    count = int(rng.integers(1, 5))
    spans = [Range(low := int(rng.integers(-4, 2)), low + int(rng.integers(1, 8))) for _ in range(count)]
    loads = [view for number, span in enumerate(spans) for view in code.load(number, 1, span)]
    nodes: list[Node] = []
    for number in range(int(rng.integers(1, 9))):
        last = count + number - 1
        a = last if rng.random() < 0.5 else int(rng.integers(0, last + 1))
        shifts = [(0, 0), (0, 0), (0, 1), (2, 0)][int(rng.integers(4))]
        nodes.append(Node(a, shifts[0], int(rng.integers(0, last + 1)), shifts[1], int(rng.integers(2))))
    outputs = [Output(int(rng.integers(0, count + len(nodes))), 0, 0) for _ in range(int(rng.integers(1, 3)))]
    columns = code.linear(loads, AdderGraph.of(spans, nodes, outputs))
    kind = int(rng.integers(4))
    if kind == 0:
        columns = code.maximum(columns, 2)
    elif kind == 1:
        line = np.sort(rng.integers(-8, 12, size=(1, 1)))
        columns = code.threshold(columns, Thresholds.from_array(line, np.array([False])), Range(0, 1))
    code.store(columns, 0)
    return code


def kernels(count: int, statements: range) -> list[Kernel]:
    """So many kernels of so many statements, on arrays of fewer columns than values, with up to twice the room."""
    found: list[Kernel] = []
    seed = 0
    while len(found) < count:
        rng = np.random.default_rng(seed)
        name, make = (("linear", _linear), ("mixed", _mixed))[seed % 2]
        kernel = analysed(f"{name} {seed}", make(rng), ROOMY)
        seed += 1
        if len(kernel.items) not in statements or kernel.accesses > 40 or not 4 <= len(kernel.widths) <= 12:
            continue
        columns = int(rng.integers(4, 9))
        room = float(rng.uniform(1.2, 2.0))
        domains = max(kernel.peak_bits * room / columns, max(kernel.widths), 4)
        geometry = Geometry(ROWS, columns, math.ceil(domains))
        if _fits(kernel.source, geometry):
            found.append(replace(kernel, geometry=geometry))
    return found


def _fits(source: VectorCode, geometry: Geometry) -> bool:
    for method in (SPREAD, TIGHT):
        try:
            place(source, geometry, [method], full=True)
            return True
        except CapacityError:
            continue
    return False
