"""Whether the passes of the instruction table do what the instructions mean, for all that a network uses.

The native engine knows what instructions mean, and not their passes. So each kind of instruction is executed pass by
pass by the golden simulator, in a memory of random bits, and its result compared with what placed code means. That each
kind is enough follows from the rules of the machine: what an instruction does depends on no place, and the members of a
legal bit loop do what they do one after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dialects.ap.assembly import assembly_line
from dialects.machine.code import Fields
from dialects.machine.counted import AnyProgram
from dialects.machine.isa import OPCODES, Instruction, Op, Opcode, is_prefix
from dialects.machine.program import Program
from dialects.machine.target import Geometry, Target
from dialects.support.errors import MismatchError
from runtime.engines.golden import Simulator
from runtime.placed_machine import PlacedMachine

_ROWS = 192
_IMMEDIATES = 6
"""Immediates of a kind that are tried, the least and the greatest among them."""
_KINDS = 1 << 14
"""Kinds of which it is remembered what was found."""
_COLUMNS = {"dc": 0, "a.c": 1, "b.c": 2, "cc": 3}
"""The order in which places lie side by side, a carry in the last column."""


class TableError(MismatchError):
    """A row of the instruction table is wrong, as an instruction of a kind shows."""

    def __init__(self, item: Instruction, wrong: int):
        row = OPCODES[item.op]
        super().__init__(
            f"its passes leave something else than '{row.meaning}' in {wrong} of {_ROWS} rows of random bits",
            place=f"instruction table, {row.mnemonic}, as in `{assembly_line(item)}`",
            hint="the row is in dialects/machine/isa.py",
        )
        self.item = item


def kinds(programs: Iterable[AnyProgram]) -> list[Instruction]:
    """Every kind of instruction of some programs once, each at one place; of many immediates a few.

    Programs that count tags have other instructions.
    """
    coded = (program for program in programs if isinstance(program, Program))
    tables = [Fields.unpack(code).table for program in coded for code in program.codes]
    if not tables:
        return []
    fields = Fields(np.concatenate(tables))
    same = (fields["a.c"] == fields["b.c"]) & (fields["a.d"] == fields["b.d"]) & (fields["b.w"] > 0)
    # Across columns a place takes as many columns as it has bits.
    apart = np.where(fields["across"] == 1, np.max([fields[name] for name in ("width", "a.w", "b.w")], axis=0), 1)
    # A prefix instruction has a number where others have a carry.
    prefix = np.isin(fields["op"], [op for op in OPCODES if is_prefix(op)])
    apart = np.where(prefix, np.maximum(apart, fields["cd"]), apart)
    for name, number in _COLUMNS.items():
        fields[name] = np.where(prefix & (name == "cc"), fields[name], number * apart)
    fields["b.c"] = np.where(same, fields["a.c"], fields["b.c"])
    fields["imm"] = np.where(np.isin(fields["op"], (Op.IN, Op.OUT)), 0, fields["imm"])
    for name, number in (("dd", 0), ("a.d", 0), ("b.d", 0), ("start", 0), ("last", 1)):
        fields[name] = np.full(len(fields.table), number)
    fields["cd"] = np.where(prefix, fields["cd"], 0)
    table = np.unique(fields.table, axis=0)
    kind = np.unique(table[:, :-1], axis=0, return_inverse=True)[1].ravel()
    kept = [_few(np.flatnonzero(kind == number)) for number in range(kind.max() + 1)]
    return list(Fields(table[np.concatenate(kept)]).instructions())


def _few(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Some of the rows, the first and the last one among them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, _IMMEDIATES).astype(np.intp))]


def check_table(programs: Iterable[AnyProgram]) -> int:
    """How many kinds were executed; raises TableError where passes do something else than is meant."""
    found = kinds(programs)
    for item in found:
        if wrong := _wrong_rows(item, OPCODES[item.op]):
            raise TableError(item, wrong)
    return len(found)


@lru_cache(_KINDS)
def _wrong_rows(item: Instruction, row: Opcode) -> int:
    """Rows of random bits in which the simulator and the meaning of placed code differ."""
    rng = np.random.default_rng(0)
    domains = 1 if item.across else max(item.width, item.a.width, item.b.width)
    carries = 2 if "e" in row.operands else 0 if is_prefix(item.op) else 1
    columns = 2 * max(item.width, item.carry.domain) if is_prefix(item.op) else item.carry.column + carries
    geometry = Geometry(_ROWS, columns, domains)
    simulator = Simulator(Target("check", rows=_ROWS, columns=geometry.columns, domains=geometry.domains), _ROWS)
    machine = PlacedMachine(geometry, _ROWS)
    machine.bits[:] = rng.integers(0, 2, machine.bits.shape)
    simulator.bits = machine.bits
    given = rng.integers(-(1 << 62), 1 << 62, size=(1, _ROWS))
    outputs = np.zeros((2, _ROWS), dtype=np.int64)
    simulator.run("check", [item], given, outputs[:1])
    machine.run([item], given, outputs[1:])
    bits = simulator.bits
    # The columns of a carry hold whatever the passes leave there.
    kept = columns - carries
    wrong = (bits[:kept] != machine.bits[:kept]).any(axis=(0, 1)) | (outputs[0] != outputs[1])
    return int(wrong.sum())
