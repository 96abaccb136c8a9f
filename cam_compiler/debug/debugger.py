"""The commands of `camc debug`: they move a stepper, and show where it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cam_compiler.debug.stepper import Stepper, Stop
from cam_compiler.debug.trail import spot
from dialects.ap.assembly import assembly_line
from dialects.machine.isa import Cell, Operand, Pass, passes_of
from dialects.support.errors import CamcError, UsageError
from dialects.support.text import on_one_line
from runtime.values import Value

_ROWS = 16
"""Rows of the array that are shown."""
_NUMBERS = 64
"""Integers that are shown of a value."""
_PLACE = re.compile(r"c(\d+)(?::(\d+))?\[(\d+)(?::(\d+))?\](s?)")

HELP = """\
step [N]             to the next bit loop, or the N-th
pass [N]             do a pass, or N
continue             to the next breakpoint, or to the end
break LAYER[:ADDRESS]   stop before a layer, or an instruction of it; alone: list breakpoints
print NAME|PLACE     a tensor by its name, or the integers in a place such as c3[0:4]s or c12:19[4]
columns              the bits under the ports of the bit loop's columns, with key and mask of the next pass
tags                 the rows that the last search tagged
where                the next pass, its instruction, and what was counted so far
help, quit
"""


class Debugger:
    """Obeys commands, one line each."""

    def __init__(self, stepper: Stepper, out: Console):
        self.stepper, self._out = stepper, out
        self._breaks: list[tuple[str, int | None]] = []
        self._commands: dict[str, Callable[[str], None]] = {
            "step": self._step,
            "pass": self._pass,
            "continue": self._continue,
            "break": self._break,
            "print": self._print,
            "columns": self._columns,
            "tags": self._tags,
            "where": self._where,
            "help": lambda _: self.say(HELP.rstrip()),
        }

    def say(self, text: str) -> None:
        """A line of what the user sees."""
        self._out.print(on_one_line(text) if "\n" not in text else text, markup=False, highlight=False)

    def obey(self, line: str) -> bool:
        """Do what a line says; False for `quit`. Raises CamcError where it can't be done."""
        word, _, rest = line.strip().partition(" ")
        if not word:
            return True
        found = [name for name in (*self._commands, "quit") if name.startswith(word)]
        if len(found) != 1 and word not in found:
            raise UsageError(f"there is no command '{word}'", hint=f"commands are {', '.join(self._commands)}, quit")
        name = word if word in found else found[0]
        if name == "quit":
            return False
        self._commands[name](rest.strip())
        return True

    def greet(self) -> None:
        """Say where the machine is."""
        self._where("")

    def _times(self, text: str) -> int:
        if text and (not text.isdecimal() or int(text) < 1):
            raise UsageError(f"expected how often, found '{text}'")
        return int(text or 1)

    def _moved(self) -> Stop:
        """The next pass; raises UsageError at the end."""
        if self.stepper.here is None:
            raise UsageError("the network has run to its end", hint="print shows its tensors, quit leaves")
        return self.stepper.here

    def _step(self, text: str) -> None:
        for _ in range(self._times(text)):
            loop = self._moved().loop
            while self.stepper.here and self.stepper.here.loop == loop:
                self.stepper.advance()
        self._show()

    def _pass(self, text: str) -> None:
        for _ in range(self._times(text)):
            self._moved()
            self.stepper.advance()
        self._show()

    def _continue(self, _: str) -> None:
        before = self._moved()
        while (here := self.stepper.advance()) is not None:
            if here.loop != before.loop and any(self._is_at(here, before, *each) for each in self._breaks):
                break
            before = here
        self._show()

    def _is_at(self, here: Stop, before: Stop, layer: str, address: int | None) -> bool:
        """Whether the machine comes to a breakpoint: a layer, or the bit loop with an instruction of it."""
        if here.layer != layer:
            return False
        if address is None:
            return (here.program, here.segment) != (before.program, before.segment)
        return here.due.loop <= address < here.due.loop + len(here.members)

    def _break(self, text: str) -> None:
        if not text:
            names = [layer if address is None else f"{layer}:{address}" for layer, address in self._breaks]
            self.say(", ".join(names) or "no breakpoints")
            return
        layer, _, number = text.rpartition(":")
        whole = not layer or not number.isdecimal()
        found = spot(self.stepper.network, f"{text}:0" if whole else text)
        self._breaks.append((found.layer, None if whole else found.address))
        self.say(f"stops before {'layer' if whole else 'instruction'} {text}")

    def _show(self) -> None:
        here = self.stepper.here
        self.say("the end: all outputs are computed" if here is None else _described(here))

    def _where(self, _: str) -> None:
        self._show()
        counts = self.stepper.counts
        self.say(
            f"segments before: {counts.searches:,} searches, {counts.writes:,} writes, "
            f"{counts.shift_steps:,} shift steps"
        )

    def _print(self, name: str) -> None:
        if place := _PLACE.fullmatch(name):
            self.say(_numbers(self.stepper.place(*self._place(place))))
            return
        value = self.stepper.tensor(name)
        if value is None:
            known = ", ".join(self.stepper.values)
            raise UsageError(f"there is no tensor '{name}' so far", hint=f"known are {known}")
        shape = "x".join(map(str, value.shape))
        self.say(f"{name}: {shape}, first sample {_numbers(value[0].ravel() if value.ndim else value)}")

    def _place(self, found: re.Match[str]) -> tuple[Operand, bool]:
        column, end, domain, last, sign = found.groups()
        across = end is not None
        width = int(end) - int(column) if across else int(last or int(domain) + 1) - int(domain)
        target = self.stepper.network.target
        ends = (int(end) if across else int(column) + 1, int(domain) + (1 if across else width))
        if width < 1 or ends[0] > target.columns or ends[1] > target.domains or self.stepper.simulator is None:
            raise UsageError(f"there is no place {found[0]}", hint=f"arrays have {target.geometry}")
        return Operand(int(column), int(domain), width, bool(sign)), across

    def _tags(self, _: str) -> None:
        if self.stepper.simulator is None:
            raise UsageError("no program has begun")
        tags = self.stepper.simulator.tags
        self.say(f"{int(tags.sum())} of {len(tags)} rows: {''.join('1' if tag else '0' for tag in tags[:_NUMBERS])}")

    def _columns(self, _: str) -> None:
        here, simulator = self._moved(), self.stepper.simulator
        assert simulator is not None
        used = sorted(set(_columns_of(here)))
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("")
        for column in used:
            table.add_column(f"c{column}", justify="right")
        table.add_column("tag", justify="right")
        table.add_row("port", *(str(simulator.ports[column]) for column in used), "")
        for title, bits in (("key", here.due.each.key), ("mask", here.due.each.write)):
            by_column = {here.due.cells[role].column: str(bit) for role, bit in bits if role in here.due.cells}
            table.add_row(title, *(by_column.get(column, "") for column in used), "")
        table.add_section()
        tags = simulator.tags
        planes = [simulator.bit(Cell(column, simulator.ports[column])) for column in used]
        for row in range(min(_ROWS, len(tags))):
            table.add_row(f"row {row}", *("1" if bits[row] else "0" for bits in planes), "*" if tags[row] else "")
        self._out.print(table)


def _columns_of(here: Stop) -> Iterator[int]:
    """The columns that the members of the bit loop use."""
    for item in here.members:
        for bit in range(item.width):
            yield from (cell.column for cell in passes_of(item, bit)[1].values())


def _described(here: Stop) -> str:
    due = here.due
    of = f" of {len(here.members)} in a bit loop" if len(here.members) > 1 else ""
    return (
        f"'{here.layer}':{due.address}{of}, program {here.program}: {assembly_line(due.item)}; "
        f"bit {due.bit}, pass {_text(due.each)}"
    )


def _text(each: Pass) -> str:
    """A pass in the notation of the instruction table."""
    key, write = ("".join(f"{role}{bit}" for role, bit in bits) for bits in each)
    return f"{key}>{write}"


def _numbers(values: Value) -> str:
    shown = ", ".join(map(str, values[:_NUMBERS]))
    return f"[{shown}{', ...' if len(values) > _NUMBERS else ''}]"


def run_script(debugger: Debugger, lines: Iterator[str] | Sequence[str], failed: Callable[[CamcError], None]) -> bool:
    """Obey lines until `quit` or their end; False where one of them couldn't be done."""
    well = True
    for line in lines:
        try:
            if not debugger.obey(line):
                break
        except CamcError as error:
            failed(error)
            well = False
    return well
