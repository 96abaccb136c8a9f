"""apv-split: layers in parts, each of which fits an array or shares more in it.

Stands between convert-ternary-to-apv and apv-share. A linear layer is cut by its outputs: each part is a stage of its
own, which loads the inputs again, computes some of the outputs, takes them through the thresholds and residual
additions that follow, and stores them; then the stored parts lie side by side in the buffer. What comes before the
layer in its stage and what comes after it become stages, too. What is moved is counted where it moves, at the loads
and stores.

    %r = apv.stage {                              %p = apv.stage {
      %x = apv.load %q                              %x = apv.load %q
      %a = apv.linear %x weights <{ 512 lines }>  %a = apv.linear %x weights <{ the first 256 }>
      %t = apv.threshold %a                         %t = apv.threshold %a
      %s = apv.store %t                 becomes     %s = apv.store %t
      apv.yield %s                                  apv.yield %s
    }                                             }
                                                  %o = apv.stage { ... the other 256 ... }
                                                  %r = ternary.concat %p, %o

`outputs` fixes the number of parts (0: chosen by cost, per layer). `inputs` cuts by inputs as well, where thresholds
follow: that many partial sums of every output are stored, and a last stage loads and adds them. `budget` is the share
of a row's bits, in percent, that apv-share will give a part; `moved` is what a bit that is moved counts, `step` what a
step of a column counts, in AP cycles (0: nothing, and nothing is placed to find the steps out).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv
from dialects.apv.adder_graph import bounds_of
from dialects.apv.linear import reach
from dialects.apv.types import ranges_of
from dialects.machine.program import Part
from dialects.machine.target import Geometry
from dialects.rtm.target import target_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did, progress
from dialects.support.ranges import Range
from dialects.support.rescales import Rescales
from dialects.support.tensors import IntArray, Thresholds
from dialects.support.threads import thread_pool
from dialects.ternary.spatial import ConcatOp
from passes.adder_graphs.kernel_groups import room
from passes.adder_graphs.layer_split import SplitOptions, output_parts, planned
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
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        prices = 0 <= self.moved < inf and 0 <= self.step < inf
        if self.outputs < 0 or not prices or self.inputs < 1 or not 0 < self.budget <= 100:
            raise PipelineError(
                f"outputs {self.outputs}, inputs {self.inputs}, budget {self.budget}, moved {self.moved}, "
                f"step {self.step}",
                place=self.name,
                hint="outputs, moved and step are at least 0, inputs at least 1, budget is a percentage",
            )
        layers = layers_of(op)
        self.split(layers, self.parts(layers, target_of(op).geometry))

    def split(self, layers: Sequence[apv.LinearOp], counts: Sequence[int]) -> None:
        """Split each layer into so many parts."""
        for layer, parts in zip(layers, counts, strict=True):
            if layer.parent is None:
                continue  # It follows another layer output by output, and is in its parts now.
            name = layer.layer.data if layer.layer else "linear"
            inputs = min(self.inputs, layer.weights.data.columns) if _has_thresholds(layer) else 1
            cut = Cut.of(layer)
            if cut.meets_again:
                parts = inputs = 1
            if parts > 1 or inputs > 1:
                _split(cut, max(1, parts), inputs)
            did(self.name, name, Figure("parts", None, max(1, parts) * inputs, peak=True), show=self.stats)

    def parts(self, layers: Sequence[apv.LinearOp], geometry: Geometry) -> list[int]:
        """The number of parts of each layer; those of one shape are split alike."""
        if self.outputs:
            return [min(self.outputs, layer.weights.data.rows) for layer in layers]
        shapes = {_shape(layer): layer for layer in reversed(layers)}

        def parts(layer: apv.LinearOp) -> int:
            widest = apv.columns_of(layer.result).range.width
            bits = room(geometry.columns - RESERVED_COLUMNS, geometry.domains, self.budget, widest)
            shifts = ShiftCost(self.step, geometry) if self.step else None
            options = SplitOptions(planned(bits), self.moved, shifts=shifts)
            return output_parts(layer.weights.data.array, ranges_of(layer.inputs), options)

        with thread_pool() as pool:
            found: list[int] = []
            for number, count in enumerate(pool.map(parts, shapes.values())):
                progress(number, len(shapes), "")
                found.append(count)
        by_shape = dict(zip(shapes, found, strict=True))
        return [by_shape[_shape(layer)] for layer in layers]


def layers_of(module: ModuleOp) -> list[apv.LinearOp]:
    """The layers that are to be split and shared."""
    return [item for item in module.walk() if isinstance(item, apv.LinearOp) and not is_across(item)]


def is_across(layer: apv.LinearOp) -> bool:
    """Whether a layer's stage is to have its values across columns, and so isn't split or shared."""
    stage = layer.parent_op()
    return isinstance(stage, apv.StageOp) and stage.across is not None


def _shape(layer: apv.LinearOp) -> tuple[object, ...]:
    ends = bounds_of(ranges_of(layer.inputs)).tobytes()
    return layer.weights.data.rows, ends, apv.columns_of(layer.result).range.width


def _has_thresholds(layer: apv.LinearOp) -> bool:
    """Whether thresholds come next, which take the wider range that partial sums seem to have when added."""
    chain = _chain(layer)
    return len(chain) > 1 and isinstance(chain[1], apv.ThresholdOp | apv.RescaleOp)


def _bounds(count: int, parts: int) -> list[tuple[int, int]]:
    """Begin and end of nearly equal parts."""
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


class Cut(NamedTuple):
    """A layer in its stage, what is split with it, and what else the stage does; loads stand with what uses them."""

    stage: apv.StageOp
    chain: Sequence[Operation]
    """the layer, and what follows it output by output"""
    before: Set[Operation]
    """what doesn't depend on the chain"""
    after: Set[Operation]
    """what does, but for stores of its end"""

    @classmethod
    def of(cls, layer: apv.LinearOp) -> Cut:
        stage, chain = layer.parent_op(), _chain(layer)
        assert isinstance(stage, apv.StageOp)
        before: set[Operation] = set()
        after: set[Operation] = set()
        for op in stage.ops:
            if op in chain or isinstance(op, apv.LoadOp):
                continue
            makers = {value.owner for value in op.operands}
            if makers & after or (chain[-1] in makers and not isinstance(op, apv.StoreOp)):
                after.add(op)
            elif chain[-1] not in makers:
                before.add(op)
        return cls(stage, chain, before | _loaded(before), after | _loaded(after))

    @property
    def meets(self) -> bool:
        """Whether what comes after the chain works with what comes before it."""
        return any(value.owner in self.before for op in self.after for value in op.operands)

    @property
    def meets_again(self) -> bool:
        """Whether it does, and the chain takes what is computed before it: a stage would wait for itself."""
        return self.meets and not all(isinstance(value.owner, apv.LoadOp) for value in self.chain[0].operands)


def _loaded(ops: Set[Operation]) -> set[Operation]:
    return {value.owner for op in ops for value in op.operands if isinstance(value.owner, apv.LoadOp)}


def isolate(layer: apv.LinearOp) -> None:
    """Give a layer, with what follows it output by output, a stage of its own, where it can have one."""
    cut = Cut.of(layer)
    if not cut.meets_again:
        _split(cut, 1, 1)


def _split(cut: Cut, parts: int, input_parts: int) -> None:
    stage, chain = cut.stage, cut.chain
    layer, end = chain[0], chain[-1].results[0]
    sources = [_buffered(value) for value in layer.operands]
    before = cut.before | {value.owner for value in sources if isinstance(value.owner, apv.StoreOp)}
    linear = [op for op in chain if isinstance(op, apv.LinearOp)]
    weights: dict[Operation, IntArray] = {op: op.weights.data.array for op in linear}
    new: list[Operation] = []
    stored = [
        _part(new, weights, chain, sources, np.arange(begin, stop), input_parts)
        for begin, stop in _bounds(len(weights[layer]), parts)
    ]
    whole = stored[0]
    if len(stored) > 1:
        new.append(ConcatOp(stored))
        whole = new[-1].results[0]
    after = cut.after | _go_on(end, whole)
    if cut.meets:
        new += _stage_of(stage, before | after)
    else:
        new = [*_stage_of(stage, before), *new, *_stage_of(stage, after)]
    Rewriter.insert_op(new, InsertPoint.before(stage))
    for output, value in zip(stage.outputs, list(stage.yielded), strict=True):
        output.replace_all_uses_with(value)
    Rewriter.erase_op(stage)


def _stage_of(stage: apv.StageOp, ops: Set[Operation]) -> list[Operation]:
    """Some operations of a stage as another one, if there are any."""
    chosen = [op for op in stage.ops if op in ops]
    return [apv.StageOp(chosen)] if chosen else []


def _buffered(value: SSAValue) -> SSAValue:
    """The tensor in the buffer that columns are loaded from; columns of the array are stored first."""
    if isinstance(value.owner, apv.LoadOp):
        return value.owner.input
    assert isinstance(value.owner, Operation)
    store = apv.StoreOp(value)
    Rewriter.insert_op(store, InsertPoint.after(value.owner))
    store.result.name_hint = value.name_hint
    return store.result


def _go_on(end: SSAValue, tensor: SSAValue) -> set[Operation]:
    """Let those who stored the end of a chain take the tensor that now holds it, and all others load it."""
    assert isinstance(end.owner, Operation)
    tensor.name_hint = end.name_hint
    users = {use.operation for use in end.uses}
    for store in users:
        if isinstance(store, apv.StoreOp):
            tensor.name_hint = store.result.name_hint
            store.result.replace_all_uses_with(tensor)
    if all(isinstance(user, apv.StoreOp) for user in users):
        return set()
    load = apv.LoadOp(tensor)
    load.result.name_hint = tensor.name_hint
    Rewriter.insert_op(load, InsertPoint.after(end.owner))
    end.replace_uses_with_if(load.result, lambda use: not isinstance(use.operation, apv.StoreOp))
    return {load}


class _Builder:
    """Collects the operations of a stage."""

    def __init__(self) -> None:
        self.ops: list[Operation] = []

    def add(self, op: Operation, name: str | None = None) -> SSAValue:
        self.ops.append(op)
        op.results[0].name_hint = name
        return op.results[0]

    def load(self, tensor: SSAValue) -> SSAValue:
        return self.add(apv.LoadOp(tensor), tensor.name_hint)

    def stored(self, value: SSAValue, name: str | None, stages: list[Operation], part: Part | None) -> SSAValue:
        """The tensor that the stage, which ends here, stores."""
        self.add(apv.StoreOp(value), name)
        stages.append(apv.StageOp(self.ops, part))
        return stages[-1].results[0]


def _chain(layer: apv.LinearOp) -> list[Operation]:
    """The layer and what follows it output by output: thresholds, and sums with values from the buffer."""
    chain: list[Operation] = [layer]
    while len(uses := list(chain[-1].results[0].uses)) == 1:
        user = uses[0].operation
        by_channel = isinstance(user, apv.LinearOp) and is_by_channel(user, chain[-1])
        if not (isinstance(user, apv.ThresholdOp | apv.RescaleOp) or by_channel):
            break
        chain.append(user)
    return chain


def is_by_channel(op: apv.LinearOp, before: Operation) -> bool:
    """Whether each output of a sum depends on the same column of each operand, all of which but one are loaded."""
    count = op.weights.data.rows
    others = [value for value in op.inputs if value.owner is not before]
    if op.weights.data.columns != count * len(op.inputs) or len(others) != len(op.inputs) - 1:
        return False
    blocks = op.weights.data.array.reshape(count, len(op.inputs), count)
    diagonal = np.eye(count, dtype=bool)[:, None, :]
    return not blocks[~np.broadcast_to(diagonal, blocks.shape)].any() and all(
        isinstance(value.owner, apv.LoadOp) for value in others
    )


def _part(
    stages: list[Operation],
    weights: Mapping[Operation, IntArray],
    chain: Sequence[Operation],
    sources: Sequence[SSAValue],
    outputs: IntArray,
    input_parts: int,
) -> SSAValue:
    """The stage that computes some outputs of a chain, up to the tensor that it stores."""
    layer = chain[0]
    assert isinstance(layer, apv.LinearOp)
    at = _Builder()
    rows = weights[layer][outputs]
    span = apv.columns_of(layer.result).range
    if input_parts == 1:
        value = _linear(at, layer, [at.load(tensor) for tensor in sources], rows, span)
    else:
        value = _partial_sums(at, stages, layer, sources, rows, outputs, input_parts)
    for op in chain[1:]:
        name = op.results[0].name_hint
        match op:
            case apv.ThresholdOp():
                span = apv.columns_of(op.result).range
                table = _rows_of(op.thresholds.data, outputs)
                value = at.add(apv.ThresholdOp(value, table, span, op.layer), name)
            case apv.RescaleOp():
                span, lines = apv.columns_of(op.result).range, op.lines.data
                some = Rescales(tuple(lines.line(int(output)) for output in outputs)) if lines.channels > 1 else lines
                value = at.add(apv.RescaleOp(value, some, span, op.layer), name)
            case apv.LinearOp():
                value = _sum_part(at, op, weights[op][outputs], chain, value, outputs)
            case _:
                raise AssertionError(op.name)
    part = _outputs(outputs, layer) if len(outputs) < len(weights[layer]) else None
    return at.stored(value, chain[-1].results[0].name_hint, stages, part)


def _outputs(outputs: IntArray, layer: apv.LinearOp, inputs: tuple[int, int, int] | None = None) -> Part:
    return Part((int(outputs[0]), int(outputs[-1]) + 1, layer.weights.data.rows), inputs)


def _linear(at: _Builder, layer: apv.LinearOp, values: Sequence[SSAValue], rows: IntArray, span: Range) -> SSAValue:
    op = apv.LinearOp(values, rows, span, layer.layer, layer.kernel_size)
    return at.add(op, layer.result.name_hint)


def _partial_sums(
    at: _Builder,
    stages: list[Operation],
    layer: apv.LinearOp,
    sources: Sequence[SSAValue],
    rows: IntArray,
    outputs: IntArray,
    parts: int,
) -> SSAValue:
    """Sums over parts of the inputs, each stored by a stage of its own, then loaded and added."""
    loaded: list[SSAValue] = []
    for begin, stop in _bounds(rows.shape[1], parts):
        some = np.zeros_like(rows)
        some[:, begin:stop] = rows[:, begin:stop]
        part = _Builder()
        values = [part.load(tensor) for tensor in sources]
        partial = _linear(part, layer, values, some, _reach(some, values))
        some_inputs = _outputs(outputs, layer, (begin, stop, rows.shape[1]))
        loaded.append(part.stored(partial, layer.result.name_hint, stages, some_inputs))
    values = [at.load(tensor) for tensor in loaded]
    ones = np.concatenate([np.eye(len(rows), dtype=np.int64)] * parts, axis=1)
    # Thresholds that follow may lie anywhere in the range of the whole layer.
    span = _reach(ones, values).union(apv.columns_of(layer.result).range)
    op = apv.LinearOp(values, ones, span, layer.layer)
    return at.add(op, layer.result.name_hint)


def _reach(weights: IntArray, values: Sequence[SSAValue]) -> Range:
    """The range of all sums."""
    spans = reach(weights, ranges_of(values))
    return Range(min(span.lo for span in spans), max(span.hi for span in spans))


def _sum_part(
    at: _Builder, op: apv.LinearOp, rows: IntArray, chain: Sequence[Operation], value: SSAValue, outputs: IntArray
) -> SSAValue:
    """A sum by channel of the part's value and of loaded ones, which are loaded whole and read in part."""
    inside = {item.results[0] for item in chain}
    count = op.weights.data.rows
    values: list[SSAValue] = []
    blocks: list[IntArray] = []
    for number, operand in enumerate(op.inputs):
        block = rows[:, number * count : (number + 1) * count]
        if operand in inside:
            values.append(value)
            blocks.append(block[:, outputs])
        else:
            values.append(at.load(_buffered(operand)))
            blocks.append(block)
    return _linear(at, op, values, np.concatenate(blocks, axis=1), apv.columns_of(op.result).range)


def _rows_of(table: Thresholds, outputs: IntArray) -> Thresholds:
    if table.channels == 1:
        return table
    return Thresholds.from_array(table.array[outputs], np.array(table.down)[outputs])
