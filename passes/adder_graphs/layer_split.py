"""How many parts a layer is split into, each of some of its outputs: by the cost model, on samples of its rows.

    512 outputs x 4608 inputs     ->     12 parts of 43 outputs, each over all 4608 inputs

The accumulators of a part take less of a row, so that more inputs share subexpressions at a time; but each part reads
the inputs again. A part costs its adder graph's AP cycles, its shifts, which are fewer where fewer values lie in a
column, and the bits that are moved for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from passes.adder_graphs.kernel_groups import Options, choose
from passes.placing.shift_cost import ShiftCost

_FIRST_SIZE = 32
"""Outputs of the first part that is tried."""
_WORTH = 0.98
"""What still smaller parts have to cost at most, beside larger ones: every part is a stage of its own."""


def planned(bits: int) -> int:
    """The bits that parts are planned for, of those that they may take: the search, which comes later, needs more."""
    return bits * 8 // 9


class SplitOptions(NamedTuple):
    """What a part may cost: bits of a row, and what counts as much as a bit that is moved between buffer and array."""

    budget_bits: int
    moved_bit_cycles: float = 1
    threads: int = 1
    shifts: ShiftCost | None = None


def output_parts(weights: IntArray, inputs: Sequence[Range], options: SplitOptions) -> int:
    """The number of parts, of nearly equal sizes, that cost least in all; 0 if not even a single output fits."""
    trials = _Trials(weights, inputs, options)
    size = min(_FIRST_SIZE, len(weights))
    while trials.cost(size) is None:
        if size == 1:
            return 0
        size //= 2
    first = size
    # Where shifts count, smaller parts often pay, and are quicker to try.
    smaller = options.shifts is not None and size > 1 and trials.is_better(size // 2, size, _WORTH)
    while not smaller and size < len(weights) and trials.is_better(min(2 * size, len(weights)), size):
        size = min(2 * size, len(weights))
    while size <= first and size > 1 and trials.is_better(size // 2, size, _WORTH):
        size //= 2
    # Where shifts count, costs are flat around the best size.
    for larger in () if options.shifts else (size * 5 // 4, size * 3 // 2):
        if larger < len(weights) and trials.is_better(larger, trials.best_size(size)):
            continue
        break
    return -(-len(weights) // trials.best_size(size))


class _Trials:
    """Costs of a layer by the size of its parts, each estimated from a first part."""

    def __init__(self, weights: IntArray, inputs: Sequence[Range], options: SplitOptions):
        self.weights, self.inputs, self.options = weights, inputs, options
        self.widths = np.array([span.width for span in inputs], dtype=np.int64)
        self.terms = int(np.count_nonzero(weights))
        self.costs: dict[int, float | None] = {}

    def best_size(self, least: int) -> int:
        """The cheapest of the sizes that were tried, and that are not below the least one."""
        least = self._even(least)
        known = {size: cost for size, cost in self.costs.items() if cost is not None and size >= least}
        return min(known, key=lambda size: (known[size], -size))

    def is_better(self, size: int, than: int, share: float = 1) -> bool:
        """Whether parts of a size cost at most this share of what parts of another one cost."""
        one, other = self.cost(size), self.cost(than)
        return one is not None and (other is None or one <= share * other)

    def cost(self, size: int) -> float | None:
        """AP cycles and moved bits of the whole layer in parts of `size` outputs; None if those don't fit."""
        size = self._even(size)
        if size not in self.costs:
            self.costs[size] = self._estimate(self.weights[:size], -(-len(self.weights) // size))
        return self.costs[size]

    def _even(self, size: int) -> int:
        """Outputs of nearly equal parts that are at most of this size."""
        return -(-len(self.weights) // -(-len(self.weights) // size))

    def _estimate(self, sample: IntArray, parts: int) -> float | None:
        read = int(self.widths[sample.any(axis=0)].sum())
        moved = parts * read * self.options.moved_bit_cycles
        terms = int(np.count_nonzero(sample))
        if terms == 0:
            return float(moved)
        options = Options(self.options.budget_bits, effort=0, threads=self.options.threads, rough=True)
        best = choose(sample, self.inputs, options)
        if best is None:
            return None
        shifts = self.options.shifts.of(best.graph) if self.options.shifts else 0
        return (best.cycles + shifts) * self.terms / terms + moved
