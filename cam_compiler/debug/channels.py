"""Which channels of a network's values stand or fall together, and which of them an output depends on.

A threshold keeps the channels of its input, a sum takes the same channels of all its inputs, a flattened image has a
feature for each position of a channel: such channels are one *class*. Products, convolutions, sums and programs join
values of any classes: of what they take, only what their weights, graph or code read is needed. Operations that this
file doesn't know keep all their channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue

from cam_compiler.debug.code_cut import needed_vectors
from cam_compiler.debug.graph_cut import graph_terms
from dialects import apv, ternary
from dialects.apv import spatial as apv_spatial
from dialects.rtm.program import ProgramBase
from dialects.support.tensors import IntArray
from runtime.interpreter import main_function

Tie = tuple[SSAValue, IntArray, SSAValue, IntArray]
"""channels of two values, of which each is in the class of the other one in its place"""

ELEMENTWISE = (
    ternary.QuantizeOp,
    ternary.ThresholdOp,
    ternary.RescaleOp,
    ternary.DequantizeOp,
    ternary.MaxPoolOp,
    ternary.SumPoolOp,
    ternary.CombineOp,
    ternary.DequantizeSumOp,
    apv_spatial.ScatterOp,
    apv.LoadOp,
    apv.StoreOp,
    apv.ThresholdOp,
    apv.RescaleOp,
)
"""Operations whose result has the channels of each of their inputs."""
_ACROSS_CHANNELS = ("softmax", "log_softmax")


def channel_count(value: SSAValue) -> int:
    """Channels of a tensor or of column vectors; 1 for a tensor without any, 0 for another value."""
    if isinstance(value.type, apv.ColumnsType):
        return value.type.count.data
    return ternary.channels_of(value) if isinstance(value.type, TensorType) else 0


def all_channels(value: SSAValue) -> IntArray:
    """The numbers of all channels of a value."""
    return np.arange(channel_count(value), dtype=np.int64)


def expanded(channels: IntArray, size: int) -> IntArray:
    """The features of channels that have so many each, one after another."""
    return (channels[:, None] * size + np.arange(size)).ravel()


def operations(module: ModuleOp) -> list[Operation]:
    """The operations of a network, those in stages too, in their order."""
    block = main_function(module).body.block
    return [inner for op in block.ops for inner in (op, *(op.body.block.ops if isinstance(op, apv.StageOp) else ()))]


class Channels:
    """The classes of all channels of a network."""

    def __init__(self, module: ModuleOp, *, hold_inputs: bool):
        """With `hold_inputs` the network's inputs keep all their channels."""
        self.ops = operations(module)
        arguments = main_function(module).body.block.args
        self.values: list[SSAValue] = [*arguments, *(value for op in self.ops for value in op.results)]
        self._first: dict[SSAValue, int] = {}
        total = 0
        for value in self.values:
            self._first[value] = total
            total += channel_count(value)
        self._parent = list(range(total))
        for op in self.ops:
            for one, channels, other, others in ties(op):
                self._join(self._numbers(one, channels), self._numbers(other, others))
        held = [value for op in self.ops for value in _held(op)] + (list(arguments) if hold_inputs else [])
        self.held = {self._root(number) for value in held for number in self._numbers(value, all_channels(value))}
        """classes that stay whatever happens"""

    def _numbers(self, value: SSAValue, channels: IntArray) -> list[int]:
        return (self._first[value] + channels).tolist()

    def _root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def _join(self, ones: Sequence[int], others: Sequence[int]) -> None:
        for one, other in zip(ones, others, strict=True):
            self._parent[self._root(one)] = self._root(other)

    def classes(self, value: SSAValue) -> list[int]:
        """The class of each channel of a value."""
        return [self._root(number) for number in self._numbers(value, all_channels(value))]

    @property
    def free(self) -> list[int]:
        """The classes that may be dropped, in the order in which their first channels are made."""
        every = dict.fromkeys(number for value in self.values for number in self.classes(value))
        return [number for number in every if number not in self.held]

    def kept(self, dropped: Iterable[int]) -> dict[SSAValue, IntArray]:
        """The channels that each value keeps without some classes."""
        gone = set(dropped)
        return {
            value: np.array([at for at, number in enumerate(self.classes(value)) if number not in gone], dtype=np.int64)
            for value in self.values
        }

    def needed(self, value: SSAValue, channel: int) -> dict[SSAValue, IntArray]:
        """The channels of each value that one channel of a value depends on, with all of their classes."""
        wanted = {self.classes(value)[channel]}
        by_value = {value: self.classes(value) for value in self.values}
        before = -1
        while before != len(wanted):
            before = len(wanted)
            for op in reversed(self.ops):
                outputs = [_chosen(by_value[result], wanted) for result in op.results]
                if not any(map(len, outputs)):
                    continue
                wanted.update(number for result in op.results for number in by_value[result] if number in self.held)
                for operand, channels in zip(_inputs(op), _read(op, outputs), strict=True):
                    read: list[int] = channels.tolist()
                    wanted.update(by_value[operand][channel] for channel in read)
                    wanted.update(number for number in by_value[operand] if number in self.held)
                if (inputs := _inputs(op)) and not any(not wanted.isdisjoint(by_value[value]) for value in inputs):
                    # A constant has as many samples as what it is computed from.
                    wanted.add(by_value[inputs[0]][0])
        return {value: _chosen(by_value[value], wanted) for value in self.values}


def _chosen(classes: Sequence[int], wanted: set[int]) -> IntArray:
    return np.array([at for at, number in enumerate(classes) if number in wanted], dtype=np.int64)


def _inputs(op: Operation) -> Sequence[SSAValue]:
    """What an operation takes; a stage takes nothing by itself, its loads do."""
    return () if isinstance(op, apv.StageOp) else op.operands


def ties(op: Operation) -> Iterator[Tie]:
    """The channels of an operation's values that are of one class."""
    if isinstance(op, ELEMENTWISE) or _is_activation(op):
        yield from ((op.operands[0], all_channels(op.operands[0]), op.results[0], all_channels(op.results[0])),)
        for value in op.operands[1:]:
            yield value, all_channels(value), op.results[0], all_channels(op.results[0])
    match op:
        case ternary.ConvOp() if _depthwise(op):
            each = op.weights.data.rows // op.groups
            yield op.input, all_channels(op.result) // each, op.result, all_channels(op.result)
        case apv_spatial.GatherOp():
            yield op.input, all_channels(op.result) // op.window.data.size, op.result, all_channels(op.result)
        case apv_spatial.MaxOp():
            yield op.input, all_channels(op.input), op.result, all_channels(op.input) // op.size
        case ternary.ConcatOp() | apv_spatial.ConcatOp():
            begin = 0
            for value in op.inputs:
                yield value, all_channels(value), op.result, begin + all_channels(value)
                begin += channel_count(value)
        case ternary.ReshapeOp():
            yield from _reshaped(op)
        case ternary.TransposeOp() if op.order[0] == 0:
            yield op.input, all_channels(op.input), op.result, all_channels(op.result)
        case ternary.TakeOp():
            indices = np.array(op.indices) if op.axis == 0 else all_channels(op.result)
            yield op.input, indices, op.result, all_channels(op.result)
        case apv.LinearOp():
            begin = np.arange(sum(map(channel_count, op.inputs)), dtype=np.int64) // op.kernel_size * op.kernel_size
            yield from _together(op.inputs, begin)
        case apv.StageOp():
            for value, output in zip(op.yielded, op.outputs, strict=True):
                yield value, all_channels(value), output, all_channels(output)
        case _:
            pass


def _together(values: Sequence[SSAValue], representatives: IntArray) -> Iterator[Tie]:
    """Each channel of several values in turn with another one of them."""
    places = [(value, channel) for value in values for channel in range(channel_count(value))]
    numbers: list[int] = representatives.tolist()
    for (value, channel), number in zip(places, numbers, strict=True):
        other, first = places[number]
        yield value, np.array([channel]), other, np.array([first])


def _reshaped(op: ternary.ReshapeOp) -> Iterator[Tie]:
    """A reshape ties the channels of its sides where each of one lies within one of the other."""
    before, after = channel_count(op.input), channel_count(op.result)
    if after % before == 0:
        yield op.input, all_channels(op.result) // (after // before), op.result, all_channels(op.result)
    elif before % after == 0:
        yield op.input, all_channels(op.input), op.result, all_channels(op.input) // (before // after)


def _is_activation(op: Operation) -> bool:
    return isinstance(op, ternary.ActivationOp) and op.function.data not in _ACROSS_CHANNELS


def _depthwise(op: ternary.ConvOp) -> bool:
    return op.groups > 1 and op.weights.data.columns == op.window.data.size


def _held(op: Operation) -> Sequence[SSAValue]:
    """The values of an operation that keep all their channels."""
    known = (
        *(*ELEMENTWISE, apv_spatial.GatherOp, apv_spatial.MaxOp, ternary.ConcatOp, apv_spatial.ConcatOp),
        *(ternary.TakeOp, apv.LinearOp, apv.SumOp, apv.StageOp, apv.YieldOp, ternary.MatmulOp, ProgramBase),
    )
    values = (*_inputs(op), *op.results)
    match op:
        case ternary.ConvOp():
            return () if op.groups == 1 or _depthwise(op) else values
        case ternary.ReshapeOp():
            counts = channel_count(op.input), channel_count(op.result)
            return values if max(counts) % min(counts) else ()
        case ternary.TransposeOp():
            return () if op.order[0] == 0 else values
        case ternary.ActivationOp():
            return () if _is_activation(op) else values
        case _:
            return () if isinstance(op, known) or op.name == "func.return" else values


def _read(op: Operation, outputs: Sequence[IntArray]) -> Sequence[IntArray]:
    """The channels of each input that some channels of the results depend on, beside those of their own classes."""
    match op:
        case ternary.MatmulOp():
            return [np.flatnonzero(op.weights.data.array[outputs[0]].any(axis=0))]
        case ternary.ConvOp() if op.groups == 1:
            used = op.weights.data.array[outputs[0]].any(axis=0)
            return [np.flatnonzero(used.reshape(-1, op.window.data.size).any(axis=1))]
        case apv.LinearOp():
            return _by_value(op.inputs, np.flatnonzero(op.weights.data.array[outputs[0]].any(axis=0)))
        case apv.SumOp():
            return _by_value(op.inputs, graph_terms(op.graph.data, outputs[0]))
        case ProgramBase():
            counts = [channel_count(value) for value in op.outputs]
            begins = np.cumsum([0, *counts])
            vectors = np.concatenate([begin + part for begin, part in zip(begins, outputs, strict=False)])
            return _by_value(op.inputs, needed_vectors(op, vectors))
        case _:
            return [np.zeros(0, dtype=np.int64) for _ in _inputs(op)]


def _by_value(values: Sequence[SSAValue], channels: IntArray) -> list[IntArray]:
    """Channels of several values in turn, as channels of each."""
    ends = np.cumsum([channel_count(value) for value in values])
    return [
        channels[(channels >= end - channel_count(value)) & (channels < end)] - (end - channel_count(value))
        for value, end in zip(values, ends.tolist(), strict=True)
    ]
