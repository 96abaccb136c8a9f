"""Many samples in little memory: a run in parts gives the outputs and the counts of one run of them all.

A *batch* is what the machine works on at once: its rows decide how many arrays are in use, and how often the
instruction stream is sent. A *part* is what the simulator holds in memory at a time, and shows nowhere: rows are
independent, so that counts over rows either add up or follow from the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dialects.machine.target import Target
from runtime.cost.counts import Counts, total
from runtime.result import Result, SegmentRun


def merged(parts: Sequence[Result], target: Target) -> Result:
    """The result of one batch that was run in parts."""
    if len(parts) == 1:
        return parts[0]
    outputs = {name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs}
    segments = [joined(runs, target) for runs in zip(*(part.segments for part in parts), strict=True)]
    return Result(outputs, segments, sum(part.samples for part in parts), parts[0].host)


def joined(runs: Sequence[SegmentRun], target: Target) -> SegmentRun:
    """One segment's runs on parts of a batch as its run on all rows."""
    rows = sum(run.rows for run in runs)
    counts = counts_on(runs[0], rows, target)
    traced = total([run.counts for run in runs])
    counts.written_row_cells, counts.toggled_row_cells = traced.written_row_cells, traced.toggled_row_cells
    return SegmentRun(runs[0].layer, counts, rows, -(-rows // target.rows))


def counts_on(run: SegmentRun, rows: int, target: Target) -> Counts:
    """The counts of a segment if it had run on `rows` rows; those that depend on the data are left out."""
    counts, before, after = run.counts, run.arrays * target.rows, -(-rows // target.rows) * target.rows
    moves = counts.moved_row_bits // run.rows
    return replace(
        counts,
        searched_row_cells=counts.searched_row_cells // before * after,
        written_row_cells=0,
        toggled_row_cells=0,
        shifted_row_cells=counts.column_steps * after,
        moved_row_bits=moves * rows,
        move_cycles=moves * -(-min(rows, target.rows) // target.buffer_bits_per_cycle),
        broadcast_bits=counts.fetched_bits * (after // target.rows),
    )
