"""Emits the `ternary` dialect: turns pending functions into threshold tables, products into integer matmuls."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm, prod
from typing import Any

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, Float32Type, Float64Type, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from cam_compiler.importer.arithmetic.exact import ZERO, ObjectArray, Piece, compact, each, filled
from cam_compiler.importer.arithmetic.executed import as_executed
from cam_compiler.importer.arithmetic.float_operations import Floats, Inputs, Integers
from cam_compiler.importer.arithmetic.lines import LineTable, line_table
from cam_compiler.importer.arithmetic.sums import MAX_SUM, resolved
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
from cam_compiler.importer.arithmetic.weights import Weights, weights_of
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.layouts import changed, channels_at, inverse, varying_axis
from cam_compiler.importer.model import Node, UnquantisedError
from cam_compiler.importer.values import Activation, Origin, identity_pieces
from dialects import ternary
from dialects.support.errors import ModelError
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntArray, IntMatrix, Thresholds

WORD = Range.of_width(32, True)
"""Integers that the arrays add and compare."""
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

    def add(self, op: Operation, hint: str) -> SSAValue:
        """Appends an operation of one result, whose name is made of `hint`."""
        self.block.add_op(op)
        op.results[0].name_hint = hint_of(hint)
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

    def _materialised(self, value: Activation, node: Node) -> Activation:
        if not value.pending and value.kind is None:
            return value
        axis = varying_axis(value)
        if axis:
            order = channels_at(axis, value)
            return self.transposed(self.materialise(self.transposed(value, order), node), inverse(order))
        if value.before is not None and value.steps is None:
            message = f"it takes the real numbers of '{value.origin.layer}', which are no integers times a scale"
            raise node.error(message, hint="a quantiser between the two: Quant, BipolarQuant or QuantizeLinear")
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
        for source in bases:
            check_word(ternary.range_of(source), origin.layer)
        op = ternary.CombineOp(bases, multipliers, origin.layer)
        return self.add(op, origin.hint)

    # ---- products

    def matmul(self, value: Activation, constant: Constant, node: Node) -> Activation:
        """The product of a tensor (batch, inputs) and a constant (inputs, outputs)."""
        features = value.shape[-1] if value.shape else 0
        if not value.shape or prod(value.shape) != features:
            shown = ", ".join(["batch", *map(str, value.shape)])
            raise node.error(f"its input is ({shown})", hint="a product takes (batch, features); flatten its input")
        if constant.raw.ndim != 2 or constant.shape[0] != features or 0 in constant.shape:
            raise node.error(f"its weights have shape {constant.shape}, its input has {features} features")
        ready = self.materialise(value, node)
        pieces = np.broadcast_to(ready.outer, ready.shape).reshape(-1)
        slopes, offsets = each(lambda piece: piece.slope, pieces), each(lambda piece: piece.offset, pieces)
        weights = weights_of(node, constant, slopes)
        matrix = IntMatrix.from_array(weights.integers)
        source = self.reshape(ready.base, (features,))
        lows, highs = checked_ranges(node, matrix, ternary.range_of(source))
        base = self.add(ternary.MatmulOp(source, matrix, node.name), node.name)
        constants = constant_part(node, constant, weights, slopes, offsets)
        outer = compact(each(Piece, weights.scales, constants))
        return Activation(base, (matrix.rows,), outer, Origin.of(node), lows=lows, highs=highs)

    # ---- results

    def dequantize(self, value: Activation, element: Float32Type | Float64Type, hint: str, node: Node) -> SSAValue:
        """The real numbers that the tensor stands for."""
        ready = self.materialise(value, node)
        outer = ready.outer
        flat = any(size != 1 for size in outer.shape[1:])
        if flat:
            outer = np.broadcast_to(outer, ready.shape)
        source = self.reshape(ready.base, (prod(ready.shape),)) if flat else ready.base
        scale = compact(each(lambda piece: piece.slope, outer.reshape(-1)))
        offset = compact(each(lambda piece: piece.offset, outer.reshape(-1)))
        op = ternary.DequantizeOp(source, _doubles(node, scale), _doubles(node, offset), element, node.name)
        return self.reshape(self.add(op, hint), ready.shape)


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
    if not WORD.covers(span):
        raise ModelError(f"it adds integers that range over {span}", place=place, hint=f"integers of {WORD}")


def checked_ranges(node: Node, matrix: IntMatrix, span: Range) -> tuple[IntArray, IntArray]:
    """The ranges of all outputs; raises ModelError where a sum could leave exact arithmetic."""
    check_word(span, node.place)
    bound = int(np.abs(matrix.array).max()) * max(abs(span.lo), abs(span.hi)) * matrix.columns
    if bound > MAX_SUM:
        raise node.error(f"its sums could reach {bound}", hint="weights and activations of fewer bits")
    return matrix.output_ranges(span)


def constant_part(
    node: Node, constant: Constant, weights: Weights, slopes: ObjectArray, offsets: ObjectArray
) -> ObjectArray:
    """What the inputs' offsets add to each output: the sum of weight * offset over all inputs."""
    if all(offset == 0 for offset in offsets.flat):
        return filled((len(weights.scales),), ZERO)
    if all(slope == slopes.flat[0] and slope for slope in slopes.flat):
        # weight[i] = scale * integer[i] / slope, and with the same slope for all inputs that is one factor.
        common = lcm(*(offset.denominator for offset in offsets.flat))
        whole = each(lambda offset: int(offset * common), offsets)
        sums = weights.integers.astype(object) @ whole
        divisor = Fraction(common) * slopes.flat[0]
        return each(lambda scale, total: scale * int(total) / divisor, weights.scales, sums)
    products = each(Fraction.__mul__, constant.exact(node), offsets[:, np.newaxis])
    return each(Fraction, products.sum(axis=0))
