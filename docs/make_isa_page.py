"""Renews the tables of docs/isa.md from the instruction tables: `python docs/make_isa_page.py`."""

from __future__ import annotations

import re
from pathlib import Path

from dialects.machine.counting import COUNTING
from dialects.machine.isa import OPCODES, Cell, Instruction, Op, Opcode, Operand, Pass, passes_of
from runtime.cost.counting import counted_operation_of
from runtime.cost.counts import operation_of

_PAGE = Path(__file__).parent / "isa.md"
_BEGIN, _END = "<!-- made by docs/make_isa_page.py -->\n", "<!-- end -->\n"
_HEADS = [
    "mnemonic",
    "operands",
    "meaning",
    "once",
    "passes of a bit",
    "first bit",
    "sign bit",
    "cycles per bit",
    "counted with",
]
_COUNTING_HEADS = ["mnemonic", "opcode", "operands", "meaning", "passes of a bit", "sign bit", "counted with"]
_COUNTING_KINDS = {
    "Q": "accumulators",
    "B": "first weights",
    "A": "value across columns",
    "D": "place across columns",
    "T": "table",
    "V": "vectors",
    "I": "immediate",
}
_KINDS = {
    "D": "place",
    "d": "cell",
    "A": "source",
    "B": "source",
    "a": "flag",
    "c": "carry",
    "e": "two carries",
    "r": "place as a whole",
    "J": "number",
    "I": "immediate",
}
_ROLES = {"e": "C", "r": "D"}
"""roles that aren't named as their letters"""


def _text(passes: tuple[Pass, ...] | None) -> str:
    def bits(part: tuple[tuple[str, int], ...]) -> str:
        return "".join(f"{role}{bit}" for role, bit in part)

    return " ".join(f"`{bits(key)}>{bits(write)}`" for key, write in passes or ())


def _cycles(row: Opcode) -> int:
    source = Operand(1, 0, 4, signed=True)
    passes, _ = passes_of(
        Instruction(row.op, Cell(3, 0), 4, source, source._replace(column=2), 2 * (row.op is Op.SET_LT), Cell(5, 4)), 1
    )
    return sum(item.searches + item.writes for item in passes)


def table() -> str:
    """The instructions as a table of Markdown, one row each."""
    lines = [f"| {' | '.join(_HEADS)} |", "|---" * len(_HEADS) + "|"]
    for op in Op:
        row = OPCODES[op]
        operands = ", ".join(f"{_ROLES.get(role, role.upper())}: {_KINDS[role]}" for role in row.operands)
        passes = (row.prologue, row.bit, row.first, row.sign)
        cells = (*map(_text, passes), str(_cycles(row)), operation_of(op))
        lines.append(f"| `{row.mnemonic}` | {operands} | {row.meaning} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def counting_table() -> str:
    """The counting instructions as a table of Markdown."""
    lines = [f"| {' | '.join(_COUNTING_HEADS)} |", "|---" * len(_COUNTING_HEADS) + "|"]
    for op, row in COUNTING.items():
        operands = ", ".join(f"{role}: {_COUNTING_KINDS[role]}" for role in row.operands)
        cells = (f"`{row.mnemonic}`", str(int(op)), operands, row.meaning, _text(row.bit), _text(row.sign))
        lines.append(f"| {' | '.join((*cells, counted_operation_of(op)))} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page as it is, with its tables renewed."""
    before, _, between, _, after = re.split(
        f"({re.escape(_BEGIN)}.*?{re.escape(_END)})", _PAGE.read_text("utf-8"), flags=re.S
    )
    tables = (f"{_BEGIN}\n{made}\n{_END}" for made in (table(), counting_table()))
    return before + next(tables) + between + next(tables) + after


if __name__ == "__main__":
    _PAGE.write_text(page(), encoding="utf-8")
