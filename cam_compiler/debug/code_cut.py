"""Parts of programs: the statements or instructions that some outputs depend on, and nothing else.

Placed code (`rtm`) says by name what each statement reads. Machine code (`ap`) doesn't, so what an instruction reads
and writes follows cell by cell from the passes of the instruction table.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from dialects import ap, rtm
from dialects.ap.assembly import AssemblyCode
from dialects.machine.code import bundles
from dialects.machine.isa import OPCODES, Cell, Instruction, Op, in_loop, passes_of
from dialects.rtm.placed import PlacedCode
from dialects.rtm.program import ProgramBase, SegmentBase, features
from dialects.rtm.statements import Form, Statement, live
from dialects.support.tensors import IntArray

Loops = list[list[Instruction]]


def needed_vectors(op: ProgramBase, outputs: IntArray) -> IntArray:
    """The input vectors that some output vectors of a program depend on."""
    return _vectors(_cut(op, set(outputs.tolist())))


def cut_program(op: ProgramBase, inputs: IntArray, outputs: IntArray) -> None:
    """Keep of a program what some outputs depend on, and number its vectors anew; an input that is gone becomes 0."""
    _put(op, _cut(op, set(outputs.tolist())), {Op.IN: _numbers(inputs), Op.OUT: _numbers(outputs)})


Step = tuple[int, int]
"""the numbers of a segment, and of a statement or instruction in it"""


def steps_of(op: ProgramBase) -> list[Step]:
    """All statements or instructions of a program but those that give outputs."""
    found: list[Step] = []
    for number, segment in enumerate(op.segments):
        items = segment.code.instructions
        found += [(number, at) for at, item in enumerate(items) if item.op is not Op.OUT]
    return found


def simplify_program(op: ProgramBase, constant: Set[Step], *, loops: bool) -> None:
    """Let some statements or instructions give 0, without what only they needed; bit loops stay, or go."""
    every = {number for segment in op.segments for number in _sent(segment)}
    left = _cut(op, every, constant)
    if not loops:
        left = [
            _Left(
                [item._replace(last=1) for item in code.statements],
                [item._replace(last=True) for item in code.instructions],
            )
            for code in left
        ]
    given = np.arange(sum(map(features, op.inputs)))
    _put(op, left, {Op.IN: _numbers(given), Op.OUT: {number: number for number in every}})


def _sent(segment: SegmentBase) -> list[int]:
    return [item.imm for item in segment.code.instructions if item.op is Op.OUT]


def _put(op: ProgramBase, left: Sequence[_Left], numbers: dict[Op, dict[int, int]]) -> None:
    """Give a program's segments the code that is left; those without any go."""
    for segment, code in zip(op.segments, left, strict=True):
        if isinstance(segment, rtm.SegmentOp):
            changed = [_renumbered(item, numbers) for item in code.statements]
            segment.code_attr = rtm.CodeAttr(PlacedCode.of(changed))
        elif isinstance(segment, ap.SegmentOp):
            items = [_renumbered_instruction(item, numbers) for item in code.instructions]
            segment.code_attr = ap.CodeAttr(AssemblyCode.of(items))
        if not len(segment.code):
            segment.detach()


@dataclass
class _Left:
    """What is left of a segment's code: statements or instructions."""

    statements: list[Statement]
    instructions: list[Instruction]


def _numbers(kept: IntArray) -> dict[int, int]:
    return {number: new for new, number in enumerate(kept.tolist())}


def _renumbered(item: Statement, numbers: dict[Op, dict[int, int]]) -> Statement:
    if item.form == Form.OUT:
        return item._replace(imm=numbers[Op.OUT][item.imm])
    if item.form != Form.IN:
        return item
    new = numbers[Op.IN].get(item.imm)
    return item._replace(form=Form.SET, imm=0) if new is None else item._replace(imm=new)


def _renumbered_instruction(item: Instruction, numbers: dict[Op, dict[int, int]]) -> Instruction:
    if item.op is Op.OUT:
        return item._replace(imm=numbers[Op.OUT][item.imm])
    if item.op is not Op.IN:
        return item
    new = numbers[Op.IN].get(item.imm)
    return item._replace(op=Op.SET, imm=0) if new is None else item._replace(imm=new)


def _vectors(left: Sequence[_Left]) -> IntArray:
    placed = {item.imm for code in left for item in code.statements if item.form == Form.IN}
    coded = {item.imm for code in left for item in code.instructions if item.op is Op.IN}
    return np.array(sorted(placed | coded), dtype=np.int64)


def _cut(op: ProgramBase, outputs: set[int], constant: Set[Step] = frozenset()) -> list[_Left]:
    if isinstance(op, rtm.ProgramOp):
        segments: list[list[Statement]] = []
        for number, segment in enumerate(op.segments):
            assert isinstance(segment, rtm.SegmentOp)
            items = [Statement(*row) for row in segment.code.rows.tolist()]
            items = [item for item in items if item.form != Form.LIVE]
            zeros = [_zero(item) if (number, at) in constant else item for at, item in enumerate(items)]
            segments.append(zeros)
        return _cut_placed(segments, outputs)
    codes = [
        [
            _zero_instruction(item) if (number, at) in constant else item
            for at, item in enumerate(segment.code.instructions)
        ]
        for number, segment in enumerate(op.segments)
    ]
    return _cut_machine(codes, outputs)


def _zero(item: Statement) -> Statement:
    """The statement that makes its value 0."""
    place = {name: getattr(item, name) for name in ("result", "column", "domain", "width", "signed", "across", "last")}
    return Statement(Form.SET, **place)


def _zero_instruction(item: Instruction) -> Instruction:
    width = item.width if "D" in OPCODES[item.op].operands else 1
    return Instruction(Op.SET, item.dst, width, last=item.last, across=item.across)


def _cut_placed(segments: Sequence[Sequence[Statement]], outputs: set[int]) -> list[_Left]:
    places = {item.result: item for code in segments for item in code if item.result >= 0}
    wanted: set[int] = set()
    left: list[_Left] = []
    for code in reversed(segments):
        kept: list[Statement] = []
        ends = False
        for item in reversed(code):
            ends |= bool(item.last)
            if not (item.imm in outputs if item.form == Form.OUT else item.result in wanted):
                continue
            wanted.update(number for number in (item.old, item.a, item.b) if number >= 0)
            # The last one that is left of a bit loop ends it.
            kept.append(item._replace(last=int(ends)))
            ends = False
        kept.reverse()
        left.append(_Left([*_lives(places, kept), *kept], []))
    return left[::-1]


def _lives(places: dict[int, Statement], kept: Sequence[Statement]) -> list[Statement]:
    """The lines of the values that statements read and earlier segments make."""
    made = {item.result for item in kept}
    read = {number for item in kept for number in (item.old, item.a, item.b) if number >= 0} - made
    return live(tuple(places[number])[1:7] for number in read)


@dataclass(frozen=True)
class Effect:
    """The cells of an instruction: what it depends on, what it writes, and what of that whatever it was before."""

    reads: frozenset[Cell]
    writes: frozenset[Cell]
    fresh: frozenset[Cell]

    @classmethod
    def of(cls, item: Instruction) -> Effect:
        reads: set[Cell] = set()
        writes: set[Cell] = set()
        fresh: set[Cell] = set()
        for bit in range(item.width):
            passes, cells = passes_of(item, bit)
            for key, write in passes:
                keyed = [(cells[role], value) for role, value in key if role in cells]
                written = [(cells[role], value) for role, value in write if role in cells]
                # `>D0`, or lean: `D1>D0`
                clears = not key or (len(key) == 1 and keyed == [(cell, 1 - value) for cell, value in written])
                if clears:
                    fresh.update(cell for cell, _ in written if cell not in reads)
                reads.update(cell for cell, _ in (*keyed, *written) if cell not in fresh)
                writes.update(cell for cell, _ in written)
        return cls(frozenset(reads), frozenset(writes), frozenset(fresh))


def _cut_machine(segments: Sequence[Sequence[Instruction]], outputs: set[int]) -> list[_Left]:
    wanted: set[Cell] = set()
    left: list[_Left] = []
    for code in reversed(segments):
        loops: Loops = []
        for members in reversed(list(bundles(code))):
            if kept := _cut_loop(members, wanted, outputs):
                loops.append(in_loop(kept))
        left.append(_Left([], [item for members in reversed(loops) for item in members]))
    return left[::-1]


def _cut_loop(members: Sequence[Instruction], wanted: set[Cell], outputs: set[int]) -> list[Instruction]:
    """The members that are needed; `wanted` becomes what is wanted before the loop."""
    if _in_turn(members):
        kept: list[Instruction] = []
        for item in reversed(members):
            effect = Effect.of(item)
            if item.imm in outputs if item.op is Op.OUT else effect.writes & wanted:
                wanted.difference_update(effect.fresh)
                wanted.update(effect.reads)
                kept.append(item)
        return kept[::-1]
    # Bit by bit each member may read what another one writes: all are needed if one is, and nothing is made anew.
    effects = [Effect.of(item) for item in members]
    needed = any(
        item.imm in outputs if item.op is Op.OUT else effect.writes & wanted
        for item, effect in zip(members, effects, strict=True)
    )
    if not needed:
        return []
    wanted.update(cell for effect in effects for cell in effect.reads)
    return [item for item in members if item.op is not Op.OUT or item.imm in outputs]


def _in_turn(members: Sequence[Instruction]) -> bool:
    """Whether the members of a bit loop do what they do one after another: each cell is touched in their order."""
    read: dict[Cell, int] = {}
    written: dict[Cell, int] = {}
    for item in members:
        touched: list[tuple[Cell, int, bool]] = []
        for bit in range(item.width):
            passes, cells = passes_of(item, bit)
            writes = {cells[role] for _, write in passes for role, _ in write if role in cells}
            touched += [(cell, item.start + bit, cell in writes) for cell in cells.values()]
        for cell, step, writes in touched:
            if written.get(cell, -1) > step or (writes and read.get(cell, -1) > step):
                return False
        for cell, step, writes in touched:
            (written if writes else read)[cell] = step
    return True
