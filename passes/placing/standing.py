"""Sums whose accumulators stand still while the inputs are moved past them: all values lie across columns.

Along a track each addition sweeps its operands; across columns all bits of a value are under ports at once, and adding
to it shifts nothing. So a *tile* of accumulators stands under the ports of some columns, and a *block* of inputs lies
in the others, some side by side in a domain. All additions of the inputs under the ports to the accumulators under the
ports are done, then the inputs' columns make one step. After a sweep over the block the accumulators' columns step to
the next tile, and the inputs are swept back.

    columns    0 .. 220: 17 accumulators of 13 bits    221 .. 252: 8 inputs of 4 bits    255: the carry
    domain d   tile d                                  inputs 8 d to 8 d + 7 of the block

With `pairs`, the additions of the inputs under the ports to one accumulator stand two by two, those of opposite signs
first, so that ap-pair can make one instruction of them, for whose carry there are two columns.

Nothing is shared: each addition serves one output. What sharing would save in additions is less than what it costs to
bring operands together, where a shift or a write costs much more than a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dialects.machine.target import Geometry
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from passes.adder_graphs.sums import Digits, signed_digits
from passes.placing.vector_code import Kind, Operation, VectorCode, View

_LONG = 2
"""column steps that an instruction of full length counts: with the bundled technologies its bits cost 1.5 to 3"""


class Shape(NamedTuple):
    """How many accumulators and inputs are under the ports at a time, and how wide they are."""

    outputs: int
    """accumulators side by side"""
    output_bits: int
    inputs: int
    """inputs side by side"""
    input_bits: int
    rows: int
    """domains that a block of inputs takes at most"""
    pairs: bool = False
    """inputs are added two at a time"""

    @property
    def first_input(self) -> int:
        """The first column that holds no accumulator."""
        return self.outputs * self.output_bits

    def tiles(self, outputs: int) -> int:
        return -(-outputs // self.outputs)

    def blocks(self, inputs: int) -> int:
        return -(-inputs // (self.inputs * self.rows))


class Terms(NamedTuple):
    """The non-zero digits of a layer's weights in the order in which they are added up."""

    digits: Digits
    output: IntArray
    """of each term, counted through the outputs that have one"""
    input: IntArray
    """likewise"""
    outputs: IntArray
    """the outputs that have terms"""
    inputs: IntArray
    """the inputs that have terms"""
    sweep: IntArray
    """of each term, the sweep of a block past a tile"""


def sum_widths(weights: IntArray, inputs: Sequence[Range]) -> IntArray:
    """Bits of each output's accumulator, which holds what any of its terms come to, zero included."""
    digits = signed_digits(weights)
    ends = np.array([(min(span.lo, 0), max(span.hi, 0)) for span in inputs], dtype=np.int64).reshape(-1, 2)
    reach = ends[digits.columns] << digits.shifts[:, None]
    reach = np.where(digits.signs[:, None] < 0, -reach[:, ::-1], reach)
    found = np.zeros((len(weights), 2), dtype=np.int64)
    np.add.at(found, digits.rows, reach)
    return np.array([Range(low, high).width for low, high in found.tolist()], dtype=np.int64)


def shape_of(
    outputs: int, output_bits: int, inputs: int, input_bits: int, geometry: Geometry, pairs: bool = False
) -> Shape | None:
    """The shape with the fewest column steps for so many outputs and inputs; None where there is no room for any."""
    best: tuple[int, Shape] | None = None
    # What follows from the sums needs room for a few values, where the inputs were.
    columns = geometry.columns - carries(pairs)
    left = columns - max(input_bits, min(output_bits + 8, geometry.columns // 4))
    for side in range(1, min(outputs, left // output_bits) + 1):
        beside = min(inputs, (columns - side * output_bits) // input_bits)
        shape = Shape(side, output_bits, beside, input_bits, min(geometry.domains, -(-inputs // beside)), pairs)
        if shape.tiles(outputs) > geometry.domains:
            continue
        steps = column_steps(shape, outputs, inputs)
        # Additions after a step begin with a long instruction of the stream.
        steps += _LONG * shape.tiles(outputs) * -(-inputs // beside)
        if best is None or steps <= best[0]:
            best = steps, shape
    return best[1] if best else None


def carries(pairs: bool) -> int:
    """Columns of the carry."""
    return 2 if pairs else 1


def column_steps(shape: Shape, outputs: int, inputs: int) -> int:
    """Steps of all columns, about, where each input meets each tile."""
    tiles, blocks = shape.tiles(outputs), shape.blocks(inputs)
    rows = -(-inputs // shape.inputs) - blocks
    return tiles * rows * shape.inputs * shape.input_bits + (tiles - 1) * (blocks + 1) * shape.first_input


class Standing:
    """The code of a layer's sums, added to straight-line code, and the places that its values have."""

    def __init__(self, code: VectorCode, inputs: Sequence[View], weights: IntArray, shape: Shape, offset: bool):
        """With `offset`, accumulators begin where they never fall below zero, so that they have no sign to change."""
        self.code, self.shape, self.offset = code, shape, offset
        self.terms = _terms(signed_digits(weights), shape)
        self.values = np.array([view.value for view in inputs], dtype=np.int64)[self.terms.inputs]
        self.count = len(weights)
        self.offsets = np.zeros(len(weights), dtype=np.int64)
        """what each output's accumulator holds more than the sum"""
        self.finals = np.full(len(weights), -1, dtype=np.int64)
        """the value that is each output's sum, -1 for zero"""
        self._first_values = np.zeros(0, dtype=np.int64)
        self.needed = np.zeros(0, dtype=np.int64)
        """of each input that has terms, the operation before which it is loaded, with all that lie in its domain"""

    def emit(self) -> None:
        """Add the sums to the code: an offset for each output, then one value per term."""
        terms = self.terms
        by_output = np.argsort(terms.output, kind="stable")
        output = terms.output[by_output]
        starts = np.searchsorted(output, np.arange(len(terms.outputs)))
        reach = _running(self._ends()[by_output], starts)
        if self.offset:
            self.offsets[terms.outputs] = np.maximum(-np.minimum.reduceat(reach[:, 0], starts), 0) if len(starts) else 0
        offsets = self.offsets[terms.outputs]
        reach += offsets[output][:, None]
        numbers = self._numbers(by_output, starts)
        base, (firsts, of_term) = len(self.code.spans), np.split(numbers, [len(starts)])
        rows = np.tile(np.array(Operation(Kind.CONST, 0), dtype=np.int64), (len(numbers), 1))
        rows[:, 2] = base + np.arange(len(numbers))
        rows[firsts, 8] = offsets
        before = np.append(-1, of_term)[:-1] if len(of_term) else of_term
        before[starts] = firsts
        rows[of_term, 0] = Kind.SUM
        rows[of_term, 3] = base + before
        rows[of_term, 5] = self.values[terms.input[by_output]]
        rows[of_term, 6] = terms.digits.shifts[by_output]
        rows[of_term, 7] = terms.digits.signs[by_output] < 0
        side_by_side = np.arange(len(terms.inputs)) // self.shape.inputs
        first_use = np.full(side_by_side[-1] + 1, np.iinfo(np.int64).max)
        np.minimum.at(first_use, side_by_side[terms.input[by_output]], len(self.code.operations) + of_term)
        self.needed = first_use[side_by_side]
        bounds = np.empty((len(numbers), 2), dtype=np.int64)
        bounds[firsts], bounds[of_term] = offsets[:, None], reach
        self.code.extend(rows, bounds)
        self._first_values = base + firsts
        self.finals[terms.outputs] = base + of_term[np.append(starts[1:], len(output)) - 1]

    def _ends(self) -> IntArray:
        """The least and the greatest that each term adds."""
        terms = self.terms
        ends = self.code.spans[self.values[terms.input]] << terms.digits.shifts[:, None]
        return np.where(terms.digits.signs[:, None] < 0, -ends[:, ::-1], ends)

    def _numbers(self, by_output: IntArray, starts: IntArray) -> IntArray:
        """When values are made: first those of the outputs' offsets, then those of the terms, output by output.

        Offsets come before all terms of their tile's first sweep.
        """
        first = np.concatenate([by_output[starts], by_output])
        late = np.concatenate([np.full(len(starts), -1), by_output])
        sequence = np.lexsort((np.arange(len(first)), late, self.terms.sweep[first]))
        numbers = np.empty_like(first)
        numbers[sequence] = np.arange(len(first))
        return numbers

    def views(self) -> list[View]:
        """The sums as the rest of a stage takes them."""
        pairs = zip(self.finals.tolist(), self.offsets.tolist(), strict=True)
        return [View(value, offset=offset) for value, offset in pairs]

    def places(self) -> IntArray:
        """(values, 2): column and domain of each value of the code so far, -1 for those that may lie anywhere."""
        shape, terms = self.shape, self.terms
        found = np.full((len(self.code.spans), 2), -1, dtype=np.int64)
        number = np.arange(len(terms.inputs)) % (shape.inputs * shape.rows)
        column = shape.first_input + number % shape.inputs * shape.input_bits
        found[self.values] = np.stack([column, number // shape.inputs], axis=1)
        number = np.arange(len(terms.outputs))
        column = number % shape.outputs * shape.output_bits
        found[self._first_values] = np.stack([column, number // shape.outputs], axis=1)
        return found

    def rank(self) -> IntArray:
        """Of each output, when what follows from it is best computed: tile by tile, from the last one that is swept."""
        tiles = self.shape.tiles(len(self.terms.outputs))
        found = np.full(self.count, -1, dtype=np.int64)
        number = np.arange(len(self.terms.outputs))
        tile = number // self.shape.outputs
        if self.shape.blocks(len(self.terms.inputs)) % 2:
            tile = tiles - 1 - tile
        found[self.terms.outputs] = tile * self.shape.outputs + number % self.shape.outputs
        return found


def _terms(digits: Digits, shape: Shape) -> Terms:
    """The terms sweep by sweep: to and fro over the tiles, and in each over the rows of a block."""
    outputs, output = np.unique(digits.rows, return_inverse=True)
    inputs, number = np.unique(digits.columns, return_inverse=True)
    block, inside = np.divmod(number, shape.inputs * shape.rows)
    row, beside = np.divmod(inside, shape.inputs)
    tile, tiles = output // shape.outputs, shape.tiles(len(outputs))
    sweep = block * tiles + np.where(block % 2, tiles - 1 - tile, tile)
    row = np.where(sweep % 2, -row, row)
    order = np.lexsort((output, beside, row, sweep))
    if shape.pairs:
        order = _in_pairs(digits, order, sweep, row, output)
    digits = Digits(*(part[order] for part in digits))
    return Terms(digits, output[order], number[order], outputs, inputs, sweep[order])


def _in_pairs(digits: Digits, order: IntArray, sweep: IntArray, row: IntArray, output: IntArray) -> IntArray:
    """The order, but that of the terms of an output at a step two stand together, behind those that stay alone.

    A term that is added and one that is subtracted make the pairs, then those that are left.
    """
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    group = np.stack([sweep, row, output, digits.shifts], axis=1)
    _, group = np.unique(group, axis=0, return_inverse=True)
    group = group.ravel()
    negative = digits.signs < 0
    count = np.stack([np.bincount(group[negative == sign], minlength=group.max(initial=-1) + 1) for sign in (0, 1)])
    mixed, mine = count.min(axis=0)[group], count[negative.astype(int), group]
    by_group = np.lexsort((place, negative, group))
    first = np.append(True, (np.diff(group[by_group]) != 0) | (np.diff(negative[by_group].astype(int)) != 0))
    number = np.empty_like(order)
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    number[by_group] = np.arange(len(order)) - start
    left = number - mixed
    alone = (left >= 0) & (left == mine - mixed - 1) & ((mine - mixed) % 2 == 1)
    pair = np.where(left < 0, number, mixed + left // 2)
    key = np.where(alone, place, group)
    return np.lexsort((negative, np.where(alone, 0, pair), key, ~alone, row, sweep))


def _running(ends: IntArray, starts: IntArray) -> IntArray:
    """Sums of rows so far, which begin again at each start."""
    total = np.cumsum(ends, axis=0)
    before = total[starts] - ends[starts]
    return total - np.repeat(before, np.diff(np.append(starts, len(ends))), axis=0)


def order_of(code: VectorCode, sums: Standing, first: int) -> IntArray:
    """The order of a stage's operations: inputs are loaded when they are needed, and the rest follows by output.

    Operations from row `first` on follow from the sums; each of them serves one output.
    """
    operations, rank = code.operations, sums.rank()
    of_value: dict[int, int] = {}
    keys = np.arange(len(operations), dtype=np.float64)
    needed = dict(zip(sums.values.tolist(), sums.needed.tolist(), strict=True))
    used = np.ones(len(operations), dtype=np.bool_)
    for number in range(len(operations) - 1, -1, -1):
        kind, _, result, a, _, b, _, _, imm, *_ = operations[number].tolist()
        if number < first:
            if kind == Kind.LOAD:
                used[number] = result in needed
                keys[number] = needed.get(result, 0) - 0.5
            continue
        if kind != Kind.STORE and result not in of_value:
            used[number] = False
            continue
        output = imm % len(rank) if kind == Kind.STORE else of_value[result]
        keys[number] = len(operations) + rank[output]
        for value in (a, b):
            if value >= 0:
                of_value[value] = output
    order = np.argsort(keys, kind="stable")
    return order[used[order]]
