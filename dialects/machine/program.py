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

    @property
    def layer(self) -> str:
        """What the program is known by: its largest segment."""
        return max(self.segments, key=lambda segment: len(segment.code), default=Segment("", b"")).layer

    @property
    def codes(self) -> tuple[bytes, ...]:
        """The binary code of each segment."""
        return tuple(segment.code for segment in self.segments)
