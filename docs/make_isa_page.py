"""Writes docs/isa.md from the instruction table: `python docs/make_isa_page.py`."""

from __future__ import annotations

from pathlib import Path

from dialects.machine.isa import OPCODES, Cell, Instruction, Op, Opcode, Operand, Pass, passes_of

_HEAD = """# The instruction set of the associative processor

Made from the table in `dialects/machine/isa.py` by `docs/make_isa_page.py`; the assembler, the disassembler, the binary
encoding (`dialects/machine/code.py`) and the simulator read the same table.

An instruction works through its bits from the least significant one. At each bit it does *passes*: a search for a
key over a few columns sets the tags of the rows that match, then a pattern is written into a few columns of the
tagged rows. `C0D1A1>C1D0` searches C=0, D=1, A=1 and writes C=1, D=0; a pass without a key (`>D0`) writes to all
rows. A search and a write take one cycle each. D is the destination, A and B are sources, C is the carry or borrow, T
the latch between tags and buffer; the immediate's bit I is known when the passes are issued.

Passes that can't match are not issued: carry passes at bit 0, passes that need a 1 of an unsigned source above its
most significant bit, or of a source below its shift.

An instruction with `loop { ... }` around it shares a bit loop with its neighbours: at bit k all members do their
passes in order, then their columns step to bit k + 1 together. `@n` starts a member at step n of the loop.

| mnemonic | operands | meaning | once | passes of a bit | first bit | sign bit | cycles per bit |
|---|---|---|---|---|---|---|---|
"""

_KINDS = {"D": "place", "d": "cell", "A": "source", "B": "source", "a": "flag", "c": "carry", "I": "immediate"}


def _text(passes: tuple[Pass, ...] | None) -> str:
    def bits(part: tuple[tuple[str, int], ...]) -> str:
        return "".join(f"{role}{bit}" for role, bit in part)

    return " ".join(f"`{bits(key)}>{bits(write)}`" for key, write in passes or ())


def _cycles(row: Opcode) -> int:
    source = Operand(1, 0, 4, signed=True)
    passes, _ = passes_of(Instruction(row.op, Cell(3, 0), 4, source, source._replace(column=2), carry=Cell(4, 0)), 1)
    searches = sum(bool(key) and key[0][0] != "T" for key, _ in passes)
    return searches + sum(write[0][0] != "T" for _, write in passes)


def page() -> str:
    """The page as Markdown."""
    lines = [_HEAD.rstrip()]
    for op in Op:
        row = OPCODES[op]
        operands = ", ".join(f"{role}: {_KINDS[role]}" for role in row.operands)
        cells = (_text(row.prologue), _text(row.bit), _text(row.first), _text(row.sign), str(_cycles(row)))
        lines.append(f"| `{row.mnemonic}` | {operands} | {row.meaning} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "isa.md").write_text(page(), encoding="utf-8")
