"""apv-split: layers in parts, each of which fits an array or shares more in it.

Stands between convert-ternary-to-apv and apv-share. A linear layer is cut by its outputs: each part loads the inputs
again, computes some of the outputs, takes them through the thresholds and residual additions that follow, and stores
them; then the stored parts lie side by side in the buffer. Every part is a stage, on arrays of its own or one part
after the other on the same arrays. What is moved is counted where it moves, at the loads and stores.

    %x = apv.load %q                            %x = apv.load %q
    %a = apv.linear %x graph <{ 512 outputs }>  %a = apv.linear %x graph <{ outputs 0 to 255 }>
    %t = apv.threshold %a                       %t = apv.threshold %a
    %r = apv.store %t              becomes      %p = apv.store %t
                                                %y = apv.load %q
                                                ...
                                                %r = ternary.concat %p, %o

`outputs` fixes the number of parts (0: chosen by cost, per layer). `inputs` cuts by inputs as well, where thresholds
follow: that many partial sums of every output are stored, and a last stage loads and adds them. `budget` is the share
of a row's bits, in percent, that apv-share will give a part; `moved` is what a bit that is moved counts, `step` what a
step of a column counts, in AP cycles (0: nothing, and nothing is placed to find the steps out).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv
from dialects.apv.types import ranges_of
from dialects.machine.target import Geometry
from dialects.rtm.program import geometry_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray, Thresholds
from dialects.support.threads import thread_pool
from dialects.ternary.spatial import ConcatOp
from passes.adder_graphs.kernel_groups import room
from passes.adder_graphs.layer_split import SplitOptions, output_parts, planned
from passes.adder_graphs.sums import unshared
from passes.placing.placement import RESERVED_COLUMNS
from passes.placing.shift_cost import DEFAULT_STEP, ShiftCost


@dataclass(frozen=True)
class ApvSplit(ModulePass):
    """Split linear layers into parts of their outputs."""

    name = "apv-split"

    outputs: int = 0
    inputs: int = 1
    budget: int = 90
    moved: int | float = 1
    step: int | float = DEFAULT_STEP
    threads: int = 0
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if (
            self.outputs < 0
            or not (0 <= self.moved < inf and 0 <= self.step < inf)
            or self.inputs < 1
            or self.threads < 0
            or not 0 < self.budget <= 100
        ):
            raise PipelineError(
                f"outputs {self.outputs}, inputs {self.inputs}, budget {self.budget}, moved {self.moved}, "
                f"step {self.step}",
                place=self.name,
                hint="outputs, moved, step and threads are at least 0, inputs at least 1, budget is a percentage",
            )
        geometry = geometry_of(op)
        layers = [item for item in op.walk() if isinstance(item, apv.LinearOp)]
        for layer, parts in zip(layers, self._parts(layers, geometry), strict=True):
            if layer.parent is None:
                continue  # It follows another layer output by output, and is in its parts now.
            name = layer.layer.data if layer.layer else "linear"
            inputs = min(self.inputs, len(layer.graph.data.inputs)) if _has_thresholds(layer) else 1
            if _meets_again(layer, _chain(layer)):
                parts = inputs = 1
            if parts > 1 or inputs > 1:
                _split(layer, max(1, parts), inputs)
            did(self.name, name, Figure("parts", None, max(1, parts) * inputs, peak=True), show=self.stats)

    def _parts(self, layers: Sequence[apv.LinearOp], geometry: Geometry) -> list[int]:
        """The number of parts of each layer; layers of one shape are split alike."""
        if self.outputs:
            return [min(self.outputs, len(layer.graph.data.output_table)) for layer in layers]
        shapes = {_shape(layer): layer for layer in reversed(layers)}

        def parts(layer: apv.LinearOp) -> int:
            widest = apv.columns_of(layer.result).range.width
            bits = room(geometry.columns - RESERVED_COLUMNS, geometry.domains, self.budget, widest)
            shifts = ShiftCost(self.step, geometry) if self.step else None
            options = SplitOptions(planned(bits), self.moved, shifts=shifts)
            return output_parts(layer.graph.data.coefficients(), layer.graph.data.inputs, options)

        with thread_pool(self.threads) as pool:
            found: list[int] = []
            for number, count in enumerate(pool.map(parts, shapes.values())):
                progress(number, len(shapes), "")
                found.append(count)
        by_shape = dict(zip(shapes, found, strict=True))
        return [by_shape[_shape(layer)] for layer in layers]


def _shape(layer: apv.LinearOp) -> tuple[object, ...]:
    graph = layer.graph.data
    return len(graph.output_table), graph.input_bounds.tobytes(), apv.columns_of(layer.result).range.width


def _has_thresholds(layer: apv.LinearOp) -> bool:
    """Whether thresholds come next, which take the wider range that partial sums seem to have when added."""
    chain = _chain(layer)
    return len(chain) > 1 and isinstance(chain[1], apv.ThresholdOp)


def _bounds(count: int, parts: int) -> list[tuple[int, int]]:
    """Begin and end of nearly equal parts."""
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def _split(layer: apv.LinearOp, parts: int, input_parts: int) -> None:
    chain = _chain(layer)
    end = chain[-1].results[0]
    at = _Builder(InsertPoint.after(chain[-1]))
    sources = [at.buffered(value) for value in layer.inputs]
    linear = [op for op in chain if isinstance(op, apv.LinearOp)]
    weights: dict[Operation, IntArray] = {op: op.graph.data.coefficients() for op in linear}
    stored = [
        _part(at, weights, chain, sources, np.arange(begin, stop), input_parts)
        for begin, stop in _bounds(len(layer.graph.data.output_table), parts)
    ]
    whole = stored[0] if len(stored) == 1 else at.add(ConcatOp(stored))
    _replace(end, whole, at)
    for op in reversed(chain):
        operands = list(op.operands)
        Rewriter.erase_op(op)
        for value in operands:
            if isinstance(value.owner, apv.LoadOp) and not list(value.uses):
                Rewriter.erase_op(value.owner)


class _Builder:
    """Inserts operations one after the other."""

    def __init__(self, point: InsertPoint):
        self.point = point

    def add(self, op: Operation, name: str | None = None) -> SSAValue:
        Rewriter.insert_op(op, self.point)
        self.point = InsertPoint.after(op)
        op.results[0].name_hint = name
        return op.results[0]

    def load(self, tensor: SSAValue) -> SSAValue:
        return self.add(apv.LoadOp(tensor), tensor.name_hint)

    def buffered(self, value: SSAValue) -> SSAValue:
        """The tensor in the buffer that columns are loaded from; columns of the array are stored first."""
        if isinstance(value.owner, apv.LoadOp):
            return value.owner.input
        assert isinstance(value.owner, Operation)
        store = apv.StoreOp(value)
        Rewriter.insert_op(store, InsertPoint.after(value.owner))
        store.result.name_hint = value.name_hint
        return store.result


def _meets_again(layer: apv.LinearOp, chain: Sequence[Operation]) -> bool:
    """Whether what follows the chain in the array works with what comes before it: a stage would wait for itself."""
    after = {use.operation for use in chain[-1].results[0].uses if not isinstance(use.operation, apv.StoreOp)}
    seen: set[Operation] = set(chain)
    pending = [value.owner for value in layer.inputs if not isinstance(value.owner, apv.LoadOp)]
    while pending:
        op = pending.pop()
        if not isinstance(op, Operation) or op in seen:
            continue
        if op in after:
            return True
        seen.add(op)
        for value in (*op.operands, *op.results):
            if isinstance(value.type, apv.ColumnsType):
                pending += [value.owner, *(use.operation for use in value.uses)]
    return False


def _chain(layer: apv.LinearOp) -> list[Operation]:
    """The layer and what follows it output by output: thresholds, and sums with values from the buffer."""
    chain: list[Operation] = [layer]
    while len(uses := list(chain[-1].results[0].uses)) == 1:
        user = uses[0].operation
        if not (isinstance(user, apv.ThresholdOp) or (isinstance(user, apv.LinearOp) and _by_channel(user, chain[-1]))):
            break
        chain.append(user)
    return chain


def _by_channel(op: apv.LinearOp, before: Operation) -> bool:
    """Whether each output of a sum depends on the same column of each operand, all of which but one are loaded."""
    count = len(op.graph.data.output_table)
    others = [value for value in op.inputs if value.owner is not before]
    if len(op.graph.data.inputs) != count * len(op.inputs) or len(others) != len(op.inputs) - 1:
        return False
    blocks = op.graph.data.coefficients().reshape(count, len(op.inputs), count)
    diagonal = np.eye(count, dtype=bool)[:, None, :]
    return not blocks[~np.broadcast_to(diagonal, blocks.shape)].any() and all(
        isinstance(value.owner, apv.LoadOp) for value in others
    )


def _part(
    at: _Builder,
    weights: Mapping[Operation, IntArray],
    chain: Sequence[Operation],
    sources: Sequence[SSAValue],
    outputs: IntArray,
    input_parts: int,
) -> SSAValue:
    """The stage that computes some outputs of a chain, up to the tensor that it stores."""
    layer = chain[0]
    assert isinstance(layer, apv.LinearOp)
    rows = weights[layer][outputs]
    span = apv.columns_of(layer.result).range
    if input_parts == 1:
        value = _linear(at, layer, [at.load(tensor) for tensor in sources], rows, span)
    else:
        value = _partial_sums(at, layer, sources, rows, input_parts)
    for op in chain[1:]:
        name = op.results[0].name_hint
        match op:
            case apv.ThresholdOp():
                span = apv.columns_of(op.result).range
                table = _rows_of(op.thresholds.data, outputs)
                value = at.add(apv.ThresholdOp(value, table, span, op.layer), name)
            case apv.LinearOp():
                value = _sum_part(at, op, weights[op][outputs], chain, value, outputs)
            case _:
                raise AssertionError(op.name)
    return at.add(apv.StoreOp(value), chain[-1].results[0].name_hint)


def _linear(at: _Builder, layer: apv.LinearOp, values: Sequence[SSAValue], rows: IntArray, span: Range) -> SSAValue:
    ranges = ranges_of(values)
    op = apv.LinearOp(values, unshared(rows, ranges), span, layer.layer, layer.inputs_per_channel)
    return at.add(op, layer.result.name_hint)


def _partial_sums(
    at: _Builder, layer: apv.LinearOp, sources: Sequence[SSAValue], rows: IntArray, parts: int
) -> SSAValue:
    """Sums over parts of the inputs, each stored by a stage of its own, then loaded and added."""
    loaded: list[SSAValue] = []
    for begin, stop in _bounds(rows.shape[1], parts):
        some = np.zeros_like(rows)
        some[:, begin:stop] = rows[:, begin:stop]
        values = [at.load(tensor) for tensor in sources]
        ranges = ranges_of(values)
        partial = _linear(at, layer, values, some, _reach(some, ranges))
        loaded.append(at.add(apv.StoreOp(partial), layer.result.name_hint))
    values = [at.load(tensor) for tensor in loaded]
    ones = np.concatenate([np.eye(len(rows), dtype=np.int64)] * parts, axis=1)
    ranges = ranges_of(values)
    # Thresholds that follow may lie anywhere in the range of the whole layer.
    span = _reach(ones, ranges).union(apv.columns_of(layer.result).range)
    op = apv.LinearOp(values, unshared(ones, ranges), span, layer.layer)
    return at.add(op, layer.result.name_hint)


def _reach(rows: IntArray, ranges: Sequence[Range]) -> Range:
    ends = np.array([(span.lo, span.hi) for span in ranges])
    positive, negative = np.maximum(rows, 0), np.minimum(rows, 0)
    low, high = positive @ ends[:, 0] + negative @ ends[:, 1], positive @ ends[:, 1] + negative @ ends[:, 0]
    return Range(int(low.min()), int(high.max()))


def _sum_part(
    at: _Builder, op: apv.LinearOp, rows: IntArray, chain: Sequence[Operation], value: SSAValue, outputs: IntArray
) -> SSAValue:
    """A sum by channel of the part's value and of loaded ones, which are loaded whole and read in part."""
    inside = {item.results[0] for item in chain}
    count = len(op.graph.data.output_table)
    values: list[SSAValue] = []
    blocks: list[IntArray] = []
    for number, operand in enumerate(op.inputs):
        block = rows[:, number * count : (number + 1) * count]
        if operand in inside:
            values.append(value)
            blocks.append(block[:, outputs])
        else:
            values.append(at.load(at.buffered(operand)))
            blocks.append(block)
    return _linear(at, op, values, np.concatenate(blocks, axis=1), apv.columns_of(op.result).range)


def _rows_of(table: Thresholds, outputs: IntArray) -> Thresholds:
    if table.channels == 1:
        return table
    return Thresholds.from_array(table.array[outputs], np.array(table.down)[outputs])


def _replace(value: SSAValue, tensor: SSAValue, at: _Builder) -> None:
    """Let those who stored a value take the tensor that now holds it, and all others load it."""
    loaded: SSAValue | None = None
    tensor.name_hint = value.name_hint
    for use in list(value.uses):
        user = use.operation
        if isinstance(user, apv.StoreOp):
            tensor.name_hint = user.result.name_hint
            user.result.replace_all_uses_with(tensor)
            Rewriter.erase_op(user)
        else:
            loaded = loaded or at.load(tensor)
            user.operands[use.index] = loaded
