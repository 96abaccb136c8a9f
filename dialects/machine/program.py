"""A compiled program: machine code in segments, and how many vectors it takes and gives.

`ap.program` gives it, a .camx file keeps it, engines run it, and wear and reports follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Segment(NamedTuple):
    """A layer and its binary code."""

    layer: str
    code: bytes


class Part(NamedTuple):
    """Which outputs of a layer are computed, each (first, end, count), and from which inputs where not from all."""

    outputs: tuple[int, int, int]
    inputs: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        ends = {name: ends for name, ends in self._asdict().items() if ends}
        return ", ".join(f"{name} {begin} to {end} of {count}" for name, (begin, end, count) in ends.items())


@dataclass(frozen=True)
class Program:
    """Segments that run one after another on the same rows.

    Vector i that an instruction receives is the i-th feature of the inputs, counted through all of them; vectors that
    are sent likewise for the outputs.
    """

    segments: tuple[Segment, ...]
    inputs: tuple[int, ...]
    """features of each input"""
    outputs: tuple[int, ...]
    """features of each output"""
    rows: int
    """rows of one sample"""
    part: str = ""
    """which part of its layer it computes, as text, where the layer is split"""

    @property
    def layer(self) -> str:
        """What the program is known by: its largest segment."""
        return max(self.segments, key=lambda segment: len(segment.code), default=Segment("", b"")).layer

    @property
    def title(self) -> str:
        """What it is called where parts of a layer are told apart."""
        return f"{self.layer}, {self.part}" if self.part else self.layer

    @property
    def codes(self) -> tuple[bytes, ...]:
        """The binary code of each segment."""
        return tuple(segment.code for segment in self.segments)
