"""What compiling aims at: AP cycles, or energy, latency or both as a technology file has them.

Passes know no joules: they are told what a step of shifting one column counts in AP cycles, which follows from the
technology's numbers and the instruction table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from dialects.machine.isa import OPCODES, Op
from runtime.cost.technology import Technology

Name = Literal["cycles", "energy", "latency", "product"]
NAMES: tuple[Name, ...] = get_args(Name)


class Objective(NamedTuple):
    """An aim, and, where energy counts, a column step and a moved bit in AP cycles, and the energies of cells."""

    name: Name
    step: float = 0.0
    moved: float = 1.0
    search_fj: float = 0.0
    write_fj: float = 0.0
    shift_fj: float = 0.0

    @classmethod
    def of(cls, name: Name, technology: Technology, nanowires_per_cell: int) -> Objective:
        """The aim with a technology's numbers."""
        if name not in ("energy", "product"):
            return cls(name)
        cycle = cycle_fj(technology, nanowires_per_cell)
        parts = ("shift", "move", "search", "write")
        shift, move, search, write = (technology.cost(f"{of}_fj_per_bit", nanowires_per_cell) for of in parts)
        return cls(name, round(shift / cycle, 2), round(move / cycle, 2), search, write, shift) if cycle else cls(name)

    @property
    def options(self) -> Mapping[str, Mapping[str, float | str]]:
        """Options of passes, where the pipeline doesn't state them itself."""
        prices = {"search": self.search_fj, "write": self.write_fj}
        return {
            "apv-across": {**prices, "shift": self.shift_fj} if self.name == "energy" else {},
            "convert-rtm-to-ap": prices if self.name == "energy" else {},
            "apv-split": {"step": self.step, "moved": self.moved},
            "apv-share": {"step": self.step},
            "convert-apv-to-rtm": {"objective": "energy" if self.name == "cycles" else self.name},
            "rtm-bundle": {"objective": "energy" if self.name == "cycles" else self.name},
        }


def cycle_fj(technology: Technology, nanowires_per_cell: int) -> float:
    """Energy of an average AP cycle of an addition in place, in one row.

    Each pass is two cycles: its key is searched in the row, and matches with the probability that random bits have.
    """
    search, write = (technology.cost(f"{of}_fj_per_bit", nanowires_per_cell) for of in ("search", "write"))
    passes = OPCODES[Op.ADD_IP].bit
    energy = sum(len(item.key) * search + len(item.write) * write / 2 ** len(item.key) for item in passes)
    return energy / (2 * len(passes))
