"""Where the weights, tables and activations of a counted layer go.

Rows of an array are inputs, at most as many as it has rows; kernels of more inputs take several arrays, whose counts
meet. Columns are digits of the outputs' weights; behind the columns of the activation's bits there is room for so many
at one domain. Outputs are dealt to parts with arrays of their own, as many as keep every weight under its port, or
fewer where `most_parts` says so: then further weights lie at the next domains, in the order of their use, and columns
shift. A part's rows are only those inputs that any of its outputs has weights for, so that a group of a convolution
needs no array of another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from dialects.apv.count import Terms
from dialects.machine.counted import CountedPart, Span
from dialects.machine.isa import Cell, Operand
from dialects.machine.target import Target
from dialects.rtm.counted_places import CountPlaces, PlacedPart, PlacedTerm, Table, Weights
from dialects.support.errors import CapacityError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray, Thresholds
from passes.adder_graphs.sums import signed_digits
from passes.counting.tables import Pattern, patterns

_CELLS = np.frombuffer(b"0x1", dtype=np.uint8)


@dataclass(frozen=True)
class CountOptions:
    """How outputs are dealt to parts."""

    most_parts: int = 0
    """0: as many as keep every weight under its port"""
    most_searches: int = 0
    """searches of a layer one after another, for one sample, above which it is dealt to more parts; 0: any number"""
    most_copied: int = 0
    """the same, above which it gets copies that share a sample's rows"""
    most_lanes: int = 16
    """outputs of a part that only accumulates, which takes no array's rows"""


def plan_counts(
    weights: IntArray, inputs: Sequence[Range], rows: int, target: Target, options: CountOptions
) -> CountPlaces:
    """Places for weights (outputs, inputs), of a layer with so many rows per sample; raises CapacityError."""
    span = Range(min(span.lo for span in inputs), max(span.hi for span in inputs))
    activation = Operand(0, 0, span.width, span.signed)
    room = target.columns - span.width
    if room < 1:
        raise CapacityError(f"activations of {span.width} bits leave no column of {target.columns} for weights")
    planes = _planes(weights)
    at_once = options.most_searches // max(1, 2 * span.width * rows) or len(planes)
    parts = _dealt(weights, planes, min(room, max(1, at_once)), target.rows, options.most_parts)
    placed = [PlacedPart(CountedPart(outputs, _spans(weights[slice(*outputs)], target.rows))) for outputs in parts]
    lines = _columns(planes, parts, room, span.width, target)
    return CountPlaces(activation, tuple(_filled(part, planes, lines) for part in placed))


def plan_terms(
    terms: Terms, inputs: Sequence[Range], outputs: int, rows: int, options: CountOptions, target: Target
) -> CountPlaces:
    """Accumulators of terms, dealt to so many parts that each has few enough cycles."""
    cycles = rows * len(terms.terms)
    most = options.most_searches // max(1, cycles) or outputs
    ends = _even(outputs, -(-outputs // max(1, min(most, options.most_lanes, target.accumulators))))
    spans = [terms.range_of(term, inputs, outputs) for term in terms.terms]
    placed = [PlacedTerm(term, span.width, span.signed) for term, span in zip(terms.terms, spans, strict=True)]
    return CountPlaces(None, tuple(PlacedPart(CountedPart(part, ())) for part in ends), tuple(placed))


def with_copies(places: CountPlaces, rows: int, target: Target, options: CountOptions) -> CountPlaces:
    """The same with as many copies as the options ask for and the target has arrays for, each of which has rows."""
    lanes = max(placed.part.size for placed in places.parts)
    bits = places.activation.width if places.activation else 0
    digits = max(len(placed.weights) for placed in places.parts)
    each = 2 * bits * digits + lanes * (len(places.terms) + bool(places.parts[0].tables))
    arrays = max(1, arrays_of(places))
    wanted = -(-each * rows // options.most_copied) if options.most_copied else 1
    rounds = -(-rows // max(1, min(wanted, target.arrays // arrays, rows)))
    return replace(places, copies=-(-rows // rounds))


def arrays_of(places: CountPlaces) -> int:
    """The arrays of one copy."""
    tables = max((table.array + 1 for placed in places.parts for table in placed.tables), default=0)
    return sum(len(placed.part.inputs) + tables for placed in places.parts)


def with_tables(places: CountPlaces, thresholds: Thresholds, sums: Range, result: Range, target: Target) -> CountPlaces:
    """The same with tables for thresholds on sums of a range; raises CapacityError where a table has too many rows."""
    width, each = sums.width, target.columns // sums.width
    channels = zip(thresholds.array.tolist(), thresholds.down, strict=True)
    tables = [_text(patterns(steps, sums, down=down), width) for steps, down in channels]
    if (longest := max(map(len, tables))) > target.rows or not each:
        raise CapacityError(
            f"a table of {longest} rows of {width} bits doesn't fit an array of {target.rows} rows and "
            f"{target.columns} columns"
        )
    parts: list[PlacedPart] = []
    for placed in places.parts:
        first, last = placed.part.outputs
        if len(tables) == 1:
            found = [Table(-1, 0, Operand(0, 0, width), tables[0])]
        else:
            found = [
                Table(first + lane, lane // each, Operand(lane % each * width, 0, width), tables[first + lane])
                for lane in range(last - first)
            ]
        parts.append(replace(placed, tables=tuple(found)))
    return replace(places, parts=tuple(parts), offset=result.lo)


def _planes(weights: IntArray) -> dict[tuple[int, int], IntArray]:
    """The digits (inputs) of outputs by output and shift; an output without weights has digits that are zero."""
    digits = signed_digits(weights)
    planes: dict[tuple[int, int], IntArray] = {}
    for output in range(len(weights)):
        part = slice(*np.searchsorted(digits.rows, [output, output + 1]))
        shifts, columns, signs = digits.shifts[part], digits.columns[part], digits.signs[part]
        for shift in np.unique(shifts).tolist() or [0]:
            plane = np.zeros(weights.shape[1], dtype=np.int64)
            plane[columns[shifts == shift]] = signs[shifts == shift]
            planes[output, shift] = plane
    return planes


def _even(outputs: int, parts: int) -> list[Span]:
    """Ranges of outputs whose sizes differ by the last one alone."""
    size = -(-outputs // max(1, min(parts, outputs)))
    return [(begin, min(outputs, begin + size)) for begin in range(0, outputs, size)]


def _dealt(
    weights: IntArray, planes: dict[tuple[int, int], IntArray], columns: int, rows: int, most: int
) -> list[Span]:
    """Outputs of each part: evenly, or, where that needs fewer searches, by the inputs that outputs share."""
    fewest, outputs = -(-len(planes) // columns), len(weights)
    if most:
        return _even(outputs, min(fewest, most))
    counts = range(min(fewest, outputs), outputs + 1)
    even = next((parts for count in counts if _widest(planes, parts := _even(outputs, count)) <= columns), None)
    even = even or _even(outputs, outputs)
    grouped = _grouped(weights, rows)
    if grouped is None:
        return even
    while _widest(planes, grouped) > columns and len(grouped) < len(weights):
        size = max(1, (grouped[0][1] - grouped[0][0]) // 2)
        grouped = [(begin, min(end, begin + size)) for first, end in grouped for begin in range(first, end, size)]
    return min(even, grouped, key=lambda parts: (_searches(weights, parts, rows), len(parts)))


def _widest(planes: dict[tuple[int, int], IntArray], parts: Sequence[Span]) -> int:
    """Columns that all parts have, where they are in step."""
    begin = {output: first for first, last in parts for output in range(first, last)}
    return len({(output - begin[output], shift) for output, shift in planes})


def _searches(weights: IntArray, parts: Sequence[Span], rows: int) -> int:
    """Searches of arrays for each bit, about."""
    longest = max(last - first for first, last in parts)
    return sum(len(_spans(weights[slice(*part)], rows)) for part in parts) * longest


def _grouped(weights: IntArray, rows: int) -> list[Span] | None:
    """As many outputs in each part as share the rows of one array; None where an output alone needs more."""
    used = weights != 0
    held = used.any(axis=1)
    first = np.where(held, used.argmax(axis=1), 0).astype(np.int64)
    last = np.where(held, weights.shape[1] - used[:, ::-1].argmax(axis=1), 1).astype(np.int64)
    if (last - first > rows).any():
        return None
    size = len(weights)
    while size > 1:
        parts = [(begin, min(len(weights), begin + size)) for begin in range(0, len(weights), size)]
        if all(last[a:b].max() - first[a:b].min() <= rows for a, b in parts):
            return parts
        size -= 1
    return [(output, output + 1) for output in range(len(weights))]


def _spans(weights: IntArray, rows: int) -> tuple[Span, ...]:
    """Ranges of the inputs that any output has weights for, one for each array, as even as can be."""
    used = np.flatnonzero(weights.any(axis=0))
    begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    arrays = -(-(end - begin) // rows)
    edges = [begin + (end - begin) * number // arrays for number in range(arrays + 1)]
    return tuple(pairwise(edges))


def _columns(
    planes: dict[tuple[int, int], IntArray], parts: Sequence[Span], room: int, first: int, target: Target
) -> dict[tuple[int, int], Cell]:
    """The place of each digit of the n-th output of any part, in the order of their use."""
    begin = {output: start for start, last in parts for output in range(start, last)}
    wanted = sorted({(shift, output - begin[output]) for output, shift in planes})
    if len(wanted) > room * target.domains or max(lane for _, lane in wanted) >= target.accumulators:
        raise CapacityError(
            f"{len(wanted)} columns of weights and {max(lane for _, lane in wanted) + 1} accumulators don't fit "
            f"{room} columns of {target.domains} domains and {target.accumulators} accumulators"
        )
    return {(lane, shift): Cell(first + number % room, number // room) for number, (shift, lane) in enumerate(wanted)}


def _filled(
    placed: PlacedPart, planes: dict[tuple[int, int], IntArray], lines: dict[tuple[int, int], Cell]
) -> PlacedPart:
    first, last = placed.part.outputs
    found: list[Weights] = []
    for (lane, shift), place in lines.items():
        plane = planes.get((first + lane, shift)) if first + lane < last else None
        if plane is not None:
            cells = tuple(_CELLS[plane[a:b] + 1].tobytes().decode() for a, b in placed.part.inputs)
            found.append(Weights(first + lane, shift, place, cells))
    return replace(placed, weights=tuple(found))


def _text(rows: Sequence[Pattern], width: int) -> tuple[str, ...]:
    """Rows of a table as text, most significant bits first."""
    # The bits that a pattern says are its first ones.
    return tuple(f"{bits:0{width}b}"[: care.bit_count()].ljust(width, "x") for care, bits in rows)
