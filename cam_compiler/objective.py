"""What compiling aims at: AP cycles, or energy, latency or both as a technology file has them.

Passes know no joules: they are told what a step of shifting one column counts in AP cycles, which follows from the
technology's numbers and the instruction table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from dialects.isa import OPCODES, Op
from runtime.technology import Technology

Name = Literal["cycles", "energy", "latency", "product"]
NAMES: tuple[Name, ...] = get_args(Name)


class Objective(NamedTuple):
    """An aim, and AP cycles that a step of a column counts where it counts."""

    name: Name
    step: float = 0.0

    @classmethod
    def of(cls, name: Name, technology: Technology, nanowires_per_cell: int) -> Objective:
        """The aim with a technology's numbers: shifts count where energy does, beside cycles."""
        return cls(name, cycles_of_a_step(technology, nanowires_per_cell) if name in ("energy", "product") else 0.0)

    @property
    def options(self) -> Mapping[str, Mapping[str, float | str]]:
        """Options of passes, where the pipeline doesn't state them itself."""
        aim = "energy" if self.name == "cycles" else self.name
        return {
            "apv-split": {"step": self.step},
            "apv-share": {"step": self.step},
            "rtm-bundle": {"objective": aim},
        }


def cycles_of_a_step(technology: Technology, nanowires_per_cell: int) -> float:
    """Energy of shifting one column by a step over that of an average AP cycle of an addition, in one row.

    Of an addition in place each pass is two cycles; its key is searched in the row, and matches it with the probability
    that random bits have.
    """
    search, write, shift = (
        technology.cost(f"{name}_fj_per_bit", nanowires_per_cell) for name in ("search", "write", "shift")
    )
    passes = OPCODES[Op.ADD_IP].bit
    energy = sum(len(item.key) * search + len(item.write) * write / 2 ** len(item.key) for item in passes)
    return round(2 * len(passes) * shift / energy, 2) if energy else 0.0
