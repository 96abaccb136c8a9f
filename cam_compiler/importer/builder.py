"""Makes the `ternary` dialect of tensors: of pending functions threshold tables, of pending sums combinations."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import Float32Type, Float64Type, StringAttr
from xdsl.ir import SSAValue

from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, compact, each, filled
from cam_compiler.importer.arithmetic.executed import as_executed
from cam_compiler.importer.arithmetic.float_operations import Floats, Inputs, Integers
from cam_compiler.importer.arithmetic.lines import LineTable, line_table
from cam_compiler.importer.arithmetic.multiples import units_of
from cam_compiler.importer.arithmetic.steps import Rounding, RoundStep
from cam_compiler.importer.arithmetic.sums import resolved
from cam_compiler.importer.arithmetic.thresholds import (
    Channel,
    Reach,
    Table,
    TableError,
    float_table,
    integer_table,
    plan_levels,
    shift_of,
)
from cam_compiler.importer.arithmetic.uneven import uneven_table
from cam_compiler.importer.emitter import Emitter
from cam_compiler.importer.layouts import by_channel, changed, channels_at, inverse, varying_axis
from cam_compiler.importer.linear import MAX_FINER, SUMMABLE, finer, is_linear, joined, real_lines, unbent, without_step
from cam_compiler.importer.masks import bent_sum
from cam_compiler.importer.model import Node, UnquantisedError
from cam_compiler.importer.tabulated import elided, per_channel, reaches_of, single_row, tabulated, with_chain
from cam_compiler.importer.values import Activation, Origin
from dialects import ternary
from dialects.apv.adder_graph import WEIGHT_LIMIT
from dialects.support.errors import ModelError
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntArray, IntMatrix

FEW_LEVELS = 1 << 8
"""A clamp of integers with so many results is a table, else an operation with a flag for what is between integers."""
_NEEDS_QUANTISER = "a quantiser is needed: Quant, BipolarQuant or QuantizeLinear, or Clip and Round"
INPUT_OPTIONS = "--input-type NAME=UINT8*1/255 says which numbers it holds, --quantise-input NAME=INT8*1/64 rounds it"


@dataclass
class Builder(Emitter):
    """Makes integers of tensors with pending functions; `ternary-canonicalize` removes what is never read."""

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
        channels = with_chain(value, value.channels())
        flat = any(size != 1 for size in channels.shape[1:])
        whole = np.broadcast_to(channels, value.shape).reshape(-1) if flat else channels.reshape(-1)
        reaches = reaches_of(value, channels.shape if not flat else value.shape)
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
                return elided(value, table.levels, shifts[0], shape)
        base = self._threshold(value, table, flat)
        return tabulated(value, base, table.levels, shape)

    def _multiples(self, value: Activation, node: Node) -> Activation:
        """A function without a quantiser as one whose step changes nothing, as its values are multiples of a number."""
        ready = self.summed(value, node) if value.terms and by_channel(value) else value
        channels = ready.channels()
        units = None
        if ready.kind is None and not ready.terms:
            units = units_of(list(channels.reshape(-1)), reaches_of(ready, channels.shape))
        if units is None:
            message = f"it takes the real numbers of '{value.origin.layer}', which are no integers times a scale"
            raise node.error(message, hint="a quantiser between the two: Quant, BipolarQuant or QuantizeLinear")
        sizes = per_channel(list(units), channels.shape)
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
            return elided(value, table.levels, shift, shape)
        source = self.reshape(value.base, (prod(value.shape),)) if flat else value.base
        op = ternary.RescaleOp(source, table.lines, table.result, StringAttr(value.origin.layer))
        base = self.reshape(self.add(op, value.origin.hint), value.shape)
        return tabulated(value, base, table.levels, shape)

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
        packed = single_row(table.thresholds)
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
            down = single_row(table.falling)
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


def check_word(span: Range, place: str) -> None:
    """Raises ModelError for integers that the arrays can't add."""
    if not SUMMABLE.covers(span):
        raise ModelError(f"it adds integers that range over {span}", place=place, hint=f"integers of {SUMMABLE}")
