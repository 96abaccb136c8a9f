"""What compiling aims at: AP cycles, or energy, latency or both as a technology file has them.

Passes know no joules: they are told what a step of shifting one column counts in AP cycles, which follows from the
technology's numbers and the instruction table. Which of several ways costs least, apv-choose finds out by the formulas
of reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from dialects.machine.isa import OPCODES, Op
from runtime.cost.technology import Technology, load_technology

Name = Literal["cycles", "energy", "latency", "product"]
NAMES: tuple[Name, ...] = get_args(Name)


class Objective(NamedTuple):
    """An aim; where energy counts, a column step and a moved bit in AP cycles, and the energies of cells."""

    name: Name
    tech: str = "rtsim"
    samples: int = 1
    """of a batch"""
    step: float = 0.0
    moved: float = 1.0
    search_fj: float = 0.0
    write_fj: float = 0.0

    @classmethod
    def of(cls, name: Name, tech: str, nanowires_per_cell: int, samples: int = 1) -> Objective:
        """The aim with the numbers of a technology, a bundled one or a file."""
        found = cls(name, tech, samples)
        if name not in ("energy", "product"):
            return found
        technology = load_technology(tech)
        cycle = cycle_fj(technology, nanowires_per_cell)
        parts = ("shift", "move", "search", "write")
        shift, move, search, write = (technology.cost(f"{of}_fj_per_bit", nanowires_per_cell) for of in parts)
        found = found._replace(search_fj=search, write_fj=write)
        return found._replace(step=round(shift / cycle, 2), moved=round(move / cycle, 2)) if cycle else found

    @property
    def options(self) -> Mapping[str, Mapping[str, float | str]]:
        """Options of passes, where the pipeline doesn't state them itself."""
        prices = {"search": self.search_fj, "write": self.write_fj}
        return {
            "apv-choose": {"objective": self.name, "tech": self.tech, "samples": self.samples},
            "convert-rtm-to-ap": {"lean": True, "samples": self.samples, **prices} if self.name == "energy" else {},
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
