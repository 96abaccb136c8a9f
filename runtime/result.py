"""What a run gives: outputs by name, and how each layer's segment ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.cost.counts import Counts
from runtime.values import Value


class SegmentRun(NamedTuple):
    """One layer as it ran: its counts, the rows that held data, and the arrays that held the rows."""

    layer: str
    counts: Counts
    rows: int
    arrays: int


@dataclass
class Result:
    """Outputs by ONNX name, and what was counted in each segment, for a number of samples."""

    outputs: dict[str, Value] = field(default_factory=dict[str, Value])
    segments: list[SegmentRun] = field(default_factory=list[SegmentRun])
    samples: int = 0
    host: list[str] = field(default_factory=list[str])
    """functions of the network that the host computed at its end, beside the output scale"""
