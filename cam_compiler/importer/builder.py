"""Emits the `ternary` dialect: turns pending functions into threshold tables, products into integer matmuls."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, Float32Type, Float64Type, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, compact, each, filled
from cam_compiler.importer.arithmetic.executed import as_executed
from cam_compiler.importer.arithmetic.float_operations import Floats, Inputs, Integers
from cam_compiler.importer.arithmetic.lines import LineTable, line_table
from cam_compiler.importer.arithmetic.multiples import units_of
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.arithmetic.sums import resolved
from cam_compiler.importer.arithmetic.thresholds import (
    Channel,
    Levels,
    Reach,
    Table,
    TableError,
    float_table,
    integer_table,
    plan_levels,
    shift_of,
)
from cam_compiler.importer.arithmetic.uneven import uneven_table
from cam_compiler.importer.layouts import by_channel, changed, channels_at, inverse, varying_axis
from cam_compiler.importer.linear import MAX_FINER, SUMMABLE, finer, is_linear, joined, real_lines, unbent, without_step
from cam_compiler.importer.masks import bent_sum
from cam_compiler.importer.model import Node, UnquantisedError
from cam_compiler.importer.values import Activation, Origin, identity_pieces
from dialects import ternary
from dialects.apv.adder_graph import WEIGHT_LIMIT
from dialects.support.errors import ModelError
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntArray, IntMatrix, Thresholds

FEW_LEVELS = 1 << 8
"""A clamp of integers with so many results is a table, else an operation with a flag for what is between integers."""
_NEEDS_QUANTISER = "a quantiser is needed: Quant, BipolarQuant or QuantizeLinear, or Clip and Round"
INPUT_OPTIONS = "--input-type NAME=UINT8*1/255 says which numbers it holds, --quantise-input NAME=INT8*1/64 rounds it"


def hint_of(name: str) -> str:
    """A readable SSA name: letters, digits and underscores, no number after its last underscore."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    text = re.sub(r"(_+\d+)+$", lambda match: match[0].replace("_", ""), text)
    return text if text and not text[0].isdigit() else f"t{text}"


@dataclass
class Builder:
    """Appends operations to a block; `ternary-canonicalize` removes what is there twice, undone again or never read."""

    block: Block
    ready: dict[int, tuple[Activation, Activation]] = field(default_factory=dict[int, tuple[Activation, Activation]])
    """Tensors and their integers, by the identity of the former: a tensor may have several readers."""
    firsts: dict[Hashable, tuple[Activation, Activation]] = field(
        default_factory=dict[Hashable, tuple[Activation, Activation]]
    )
    """The same for the network's first quantisers (first_quantiser.py)."""

    summed_up: dict[int, tuple[Activation, Activation]] = field(
        default_factory=dict[int, tuple[Activation, Activation]]
    )
    """Likewise tensors and the sums that they are."""

    made: dict[Hashable, SSAValue] = field(default_factory=dict[Hashable, SSAValue])
    """The results of operations, by what they compute."""

    def add(self, op: Operation, hint: str) -> SSAValue:
        """Appends an operation of one result, whose name is made of `hint`; one that is there computes it already."""
        properties = frozenset((name, value) for name, value in op.properties.items() if name != "layer")
        key = (op.name, tuple(op.operands), op.results[0].type, properties)
        if key in self.made:
            op.erase()
            return self.made[key]
        self.block.add_op(op)
        op.results[0].name_hint = hint_of(hint)
        self.made[key] = op.results[0]
        return op.results[0]

    def reshape(self, value: SSAValue, shape: tuple[int, ...]) -> SSAValue:
        """The value with samples of another shape."""
        full = (DYNAMIC_INDEX, *shape)
        if ternary.shape_of(value) == full:
            return value
        return self.add(ternary.ReshapeOp(value, full), value.name_hint or "reshaped")

    def transpose(self, value: SSAValue, order: tuple[int, ...]) -> SSAValue:
        """The value with the dimensions of its samples in another order."""
        return self.add(ternary.TransposeOp(value, order), value.name_hint or "turned")

    def take(self, value: SSAValue, axis: int, indices: tuple[int, ...]) -> SSAValue:
        """Some elements of one dimension of the samples."""
        return self.add(ternary.TakeOp(value, axis, indices), value.name_hint or "part")

    def reshaped(self, value: Activation, shape: tuple[int, ...], node: Node) -> Activation:
        """The tensor with samples of another shape; a pending quantiser is made first, where it has fewer channels."""
        if shape == value.shape:
            return value
        if value.steps is not None:
            value = self.materialise(value, node)
        return self._reshaped(value, shape)

    def _reshaped(self, value: Activation, shape: tuple[int, ...]) -> Activation:
        before = value.shape

        def change(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            if array.size == 1:
                return array.reshape((1,) * len(shape))
            spread = np.broadcast_to(array, before).reshape(shape)
            return compact(spread) if spread.dtype == object else spread

        return changed(value, shape, lambda base: self.reshape(base, shape), change)

    def transposed(self, value: Activation, order: tuple[int, ...]) -> Activation:
        """The tensor with the dimensions of its samples in another order."""
        shape = tuple(value.shape[axis] for axis in order)
        if order == tuple(range(len(order))):
            return value
        return changed(value, shape, lambda base: self.transpose(base, order), lambda array: array.transpose(order))

    def taken(self, value: Activation, axis: int, indices: tuple[int, ...], node: Node) -> Activation:
        """Some elements of one dimension of the samples, counted without the batch; a pending quantiser is made."""
        if indices == tuple(range(value.shape[axis])):
            return value
        ready = self.materialise(value, node) if value.steps is not None else value
        shape = (*ready.shape[:axis], len(indices), *ready.shape[axis + 1 :])

        def part(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return array if array.shape[axis] == 1 else array.take(indices, axis=axis)

        return changed(ready, shape, lambda base: self.take(base, axis, indices), part)

    # ---- thresholds

    def materialise(self, value: Activation, node: Node) -> Activation:
        """The same tensor as integers with an affine meaning; raises ModelError at `node` where that can't be."""
        if id(value) not in self.ready:
            self.ready[id(value)] = (value, self._materialised(value, node))
        return self.ready[id(value)][1]

    def linear(self, value: Activation, node: Node) -> Activation:
        """The same tensor as integers, or as a sum of several with scales of their own; raises ModelError at `node`."""
        if is_linear(value):
            return value
        if id(value) not in self.summed_up:
            self.summed_up[id(value)] = (value, self._linear(value, node))
        return self.summed_up[id(value)][1]

    def _linear(self, value: Activation, node: Node) -> Activation:
        nothing_made = value.kind is not None and value.steps is None
        if nothing_made or (value.before is None and not value.terms and _is_small_table(value)):
            return self.materialise(value, node)
        ready = without_step(self, value, node)
        if is_linear(ready):
            return ready
        axis = varying_axis(ready)
        if axis:
            order = channels_at(axis, ready)
            return self.transposed(self.linear(self.transposed(ready, order), node), inverse(order))
        if not by_channel(ready):
            return self.reshaped(self.linear(self.reshaped(ready, (prod(ready.shape),), node), node), ready.shape, node)
        if ready.terms:
            found = bent_sum(self, ready, node)
            if found is not None:
                return joined(self, found, node)
            ready = self.summed(ready, node)
        found = unbent(self, ready, node)
        # What can't be said so is a table, or refused there.
        return self.materialise(value, node) if found is None else joined(self, found, node)

    def _materialised(self, value: Activation, node: Node) -> Activation:
        if not value.pending and value.kind is None:
            return value
        axis = varying_axis(value)
        if axis:
            order = channels_at(axis, value)
            return self.transposed(self.materialise(self.transposed(value, order), node), inverse(order))
        if value.before is not None and value.steps is None:
            value = self._multiples(value, node)
        if value.terms and not by_channel(value):
            # Every element is a channel.
            flat = self._reshaped(value, (prod(value.shape),))
            return self.reshaped(self.materialise(flat, node), value.shape, node)
        if value.terms:
            value = self.summed(value, node)
        if value.kind is not None and value.steps is None:
            raise float_input_error(node)
        if not value.pending:
            return value
        channels = _with_chain(value, value.channels())
        flat = any(size != 1 for size in channels.shape[1:])
        whole = np.broadcast_to(channels, value.shape).reshape(-1) if flat else channels.reshape(-1)
        reaches = _reaches(value, channels.shape if not flat else value.shape)
        shape = value.shape if flat else channels.shape
        if value.kind is not None and not all(channel.before.monotone for channel in whole):
            raise float_input_error(node, f"the result of '{value.origin.layer}' rises and falls with the float input")
        try:
            if value.kind is None and not value.executed:
                lines = line_table(list(whole), reaches, ternary.range_of(value.base))
                if lines is not None:
                    return self._rescaled(value, lines, reaches, flat, shape)
            table = self._table(value, list(whole), reaches, shape)
        except TableError as error:
            message = f"the result of '{value.origin.layer}' is no small integer: {error}"
            raise node.error(message, _NEEDS_QUANTISER) from None
        if not isinstance(table.thresholds, FloatThresholds):
            shifts = [shift_of(table, row, reach) for row, reach in enumerate(reaches)]
            # Shifts of their own would give channels zeros of their own.
            if shifts[0] is not None and len(set(shifts)) == 1:
                return _elided(value, table.levels, shifts[0], shape)
        base = self._threshold(value, table, flat)
        return _result(value, base, table.levels, shape)

    def _multiples(self, value: Activation, node: Node) -> Activation:
        """A function without a quantiser as one whose step changes nothing, as its values are multiples of a number."""
        ready = self.summed(value, node) if value.terms and by_channel(value) else value
        channels = ready.channels()
        units = None
        if ready.kind is None and not ready.terms:
            units = units_of(list(channels.reshape(-1)), _reaches(ready, channels.shape))
        if units is None:
            message = f"it takes the real numbers of '{value.origin.layer}', which are no integers times a scale"
            raise node.error(message, hint="a quantiser between the two: Quant, BipolarQuant or QuantizeLinear")
        sizes = _per_channel(list(units), channels.shape)
        step = filled((1,) * len(ready.shape), RoundStep(None, None, Rounding.HALF_EVEN))
        outer = each(lambda size, then: Piece(size).affine(then.slope, then.offset), sizes, ready.outer)
        outer = each(lambda own, then: own.clamped(then.low, then.high), outer, ready.outer)
        return replace(ready, inner=each(lambda size: Piece(1 / size), sizes), steps=step, outer=outer, executed=None)

    def _rescaled(
        self, value: Activation, table: LineTable, reaches: list[Reach], flat: bool, shape: tuple[int, ...]
    ) -> Activation:
        """The integers of a quantiser of many levels."""
        shift = table.shift(reaches)
        if shift is not None:
            return _elided(value, table.levels, shift, shape)
        source = self.reshape(value.base, (prod(value.shape),)) if flat else value.base
        op = ternary.RescaleOp(source, table.lines, table.result, StringAttr(value.origin.layer))
        base = self.reshape(self.add(op, value.origin.hint), value.shape)
        return _result(value, base, table.levels, shape)

    def _table(self, value: Activation, channels: list[Channel], reaches: list[Reach], shape: tuple[int, ...]) -> Table:
        even = all(channel.before.monotone for channel in channels)
        inputs: Inputs
        if value.kind is not None:
            table, inputs = float_table(channels, value.kind), Floats(value.kind)
        else:
            span = ternary.range_of(value.base)
            table, inputs = (
                (integer_table if even else uneven_table)(channels, reaches, span),
                Integers(span.lo, span.hi),
            )
        if not value.executed:
            return table
        refine, _ = plan_levels(channels, reaches)
        return as_executed(table, [channel.step for channel in channels], refine, value.executed, shape, inputs)

    def _threshold(self, value: Activation, table: Table, flat: bool) -> SSAValue:
        source, origin = self.reshape(value.base, (prod(value.shape),)) if flat else value.base, value.origin
        packed = _single_row(table.thresholds)
        if isinstance(source.owner, ternary.QuantizeOp):
            # The host takes both steps at once.
            first = source.owner
            joined = first.thresholds.data.then(ternary.range_of(source), packed)
            op = ternary.QuantizeOp(first.input, joined, table.result, origin.layer)
        elif isinstance(packed, FloatThresholds):
            op = ternary.QuantizeOp(source, packed, table.result, origin.layer)
        else:
            op = ternary.ThresholdOp(source, packed, table.result, origin.layer)
        result = self.add(op, origin.hint)
        if table.falling is not None:
            down = _single_row(table.falling)
            op = ternary.ThresholdOp(source, down, Range(-down.levels, 0), origin.layer)
            result = self.combine([result, self.add(op, origin.hint)], IntMatrix.from_array(np.ones((1, 2))), origin)
        return self.reshape(result, value.shape)

    # ---- sums

    def summed(self, value: Activation, node: Node) -> Activation:
        """A pending sum with integers of its own."""
        total = resolved(value, node)
        bases = [term.base for term in value.terms]
        return replace(total.function, base=self.combine(bases, total.multipliers, value.origin))

    def combine(self, bases: list[SSAValue], multipliers: IntMatrix, origin: Origin) -> SSAValue:
        """Sums of the tensors with a multiplier each; one line for all channels or one per channel."""
        summands: list[SSAValue] = []
        columns: list[IntArray] = []
        for source, column in zip(bases, multipliers.array.T, strict=True):
            check_word(ternary.range_of(source), origin.layer)
            # A large multiplier of small integers is two: that of the integers, and that of a multiple of them.
            wide = max(0, int(np.abs(column).max()).bit_length() - WEIGHT_LIMIT.bit_length() + 1)
            parts = [column] if not wide else [column >> wide, column & ((1 << wide) - 1)]
            columns += parts
            summands += [self._multiple(source, wide, origin), source] if wide else [source]
        op = ternary.CombineOp(summands, IntMatrix.from_array(np.stack(columns, axis=1)), origin.layer)
        return self.add(op, origin.hint)

    def _multiple(self, source: SSAValue, bits: int, origin: Origin) -> SSAValue:
        op = ternary.CombineOp([source], IntMatrix.from_array(np.array([[1 << bits]])), origin.layer)
        check_word(ternary.range_of(op.result), origin.layer)
        return self.add(op, f"{origin.hint}_multiple")

    # ---- results

    def dequantize(self, value: Activation, element: Float32Type | Float64Type, hint: str, node: Node) -> SSAValue:
        """The real numbers that the tensor stands for."""
        ready = self.linear(value, node)
        arrays = [ready.outer, *(term.slopes for term in ready.terms)]
        flat = any(size != 1 for array in arrays for size in array.shape[1:])
        if flat:
            # Every element is a channel.
            real = self.dequantize(self.reshaped(ready, (prod(ready.shape),), node), element, hint, node)
            return self.reshape(real, ready.shape)
        if ready.terms:
            lines, bases = real_lines(node, ready), [term.base for term in ready.terms]
            return self.add(ternary.DequantizeSumOp(bases, lines, element, node.name), hint)
        scale = compact(each(lambda piece: piece.slope, ready.outer.reshape(-1)))
        offset = compact(each(lambda piece: piece.offset, ready.outer.reshape(-1)))
        op = ternary.DequantizeOp(ready.base, _doubles(node, scale), _doubles(node, offset), element, node.name)
        return self.add(op, hint)


def _is_small_table(value: Activation) -> bool:
    """Do clamps, and a quantiser if there is one, leave few integers of one scale?"""
    fraction = finer(value)
    if fraction == 1 or value.lows is None or value.highs is None:
        return fraction == 1
    return fraction <= MAX_FINER and int(value.highs.max() - value.lows.min()) * fraction <= FEW_LEVELS


def float_input_error(node: Node, what: str = "it takes the float input of the network as it is") -> UnquantisedError:
    """Something that a tensor of few integers could stand for, but not the float input."""
    return UnquantisedError(what, place=node.place, hint=f"{_NEEDS_QUANTISER}; or {INPUT_OPTIONS}")


def _doubles(node: Node, values: ObjectArray) -> np.ndarray[Any, Any]:
    try:
        return each(float, values).astype(np.float64)
    except OverflowError as error:
        raise node.error("its scale is beyond double precision") from error


def _with_chain(value: Activation, channels: ObjectArray) -> ObjectArray:
    """The functions of the elements in a shape that holds what executors do differently, too."""
    constants = [item.shape for step in value.executed or () for item in step.constants]
    return np.broadcast_to(channels, np.broadcast_shapes(channels.shape, *constants))


def _reaches(value: Activation, shape: tuple[int, ...]) -> list[Reach]:
    """The inputs that each of the channels of `shape` can meet."""
    if value.lows is None or value.highs is None:
        return [Reach(None, None)] * prod(shape)
    lows, highs = np.broadcast_to(value.lows, value.shape), np.broadcast_to(value.highs, value.shape)
    shared = tuple(axis for axis, size in enumerate(shape) if size == 1)
    lows, highs = lows.min(axis=shared, keepdims=True), highs.max(axis=shared, keepdims=True)
    return [Reach(int(low), int(high)) for low, high in zip(lows.flat, highs.flat, strict=True)]


def _single_row(table: Thresholds) -> Thresholds:
    """One line for all channels where all are the same."""
    if table.channels == 1 or len(set(table.down)) > 1 or (table.array != table.array[0]).any():
        return table
    return type(table).from_array(table.array[:1], np.array(table.down[:1]))


def _per_channel(values: list[Any], shape: tuple[int, ...]) -> ObjectArray:
    array = filled((len(values),), None)
    array[:] = values
    return array.reshape(shape)


def _elided(value: Activation, levels: Sequence[Levels], shift: int, shape: tuple[int, ...]) -> Activation:
    """The tensor's own integers, which the table would only have shifted."""
    pieces = [Piece(level.piece.slope, level.piece.offset + level.piece.slope * shift) for level in levels]
    outer = compact(_per_channel(pieces, shape))
    return replace(value, outer=outer, before=None, inner=None, steps=None, executed=None)


def _result(value: Activation, base: SSAValue, levels: Sequence[Levels], shape: tuple[int, ...]) -> Activation:
    pieces = _per_channel([level.piece for level in levels], shape)
    return replace(
        value,
        base=base,
        outer=compact(pieces) if len(levels) else identity_pieces(len(shape)),
        before=None,
        inner=None,
        steps=None,
        lows=np.array([level.low for level in levels], dtype=np.int64).reshape(shape),
        highs=np.array([level.high for level in levels], dtype=np.int64).reshape(shape),
        kind=None,
        executed=None,
    )


def check_word(span: Range, place: str) -> None:
    """Raises ModelError for integers that the arrays can't add."""
    if not SUMMABLE.covers(span):
        raise ModelError(f"it adds integers that range over {span}", place=place, hint=f"integers of {SUMMABLE}")
