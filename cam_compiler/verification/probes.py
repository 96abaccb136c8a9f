"""Inputs of a piece that bring every threshold in it to its steps.

Most are met by random inputs. For the others, what a product, a convolution or a sum adds up is chosen so that the sum
is the integer that is wanted; where a sum is farther from the piece's inputs, inputs are changed at random as long as
that brings it nearer. An input counts where the step, were it one off, would change what the piece gives; what is left
is counted, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from cam_compiler.verification.pieces import part_of
from cam_compiler.verification.reach import reach, starts
from cam_compiler.verification.steps import Coverage, Hits, Steps
from dialects import ternary
from dialects.support.tensors import IntArray
from dialects.ternary import ConvOp, MatmulOp, SumPoolOp
from runtime.executor import Executor
from runtime.network import InputSpec, Network
from runtime.upper_levels import Evaluate
from runtime.values import Value

Given = dict[str, Value]

_SAMPLES, _POSITIONS = 70, 1 << 12
_ELEMENTS = 1 << 22
"""Integers of a batch of inputs, and entries of weights that are worked on at a time."""
_ROUNDS, _IDLE = 40, 8
"""Rounds for each table, and those in a row that may show nothing new."""
_PASSES = 12
"""Changed results of each sample, or position of one, of which it is looked whether an output changes."""
_SEARCH, _LOOK = 200, 10
"""Random changes of each input, and how many of them are between two looks."""


@dataclass(frozen=True)
class Rest:
    """What comes after an operation of a piece."""

    result: InputSpec
    """the operation's result"""
    network: Network
    """from it, and the piece's inputs, to the piece's outputs"""

    @cached_property
    def local(self) -> bool:
        """Whether each position of the outputs depends on the same position of the result only."""
        ops = [call.action.op if isinstance(call.action, Evaluate) else None for call in self.network.calls]
        return all(isinstance(op, Steps | ternary.CombineOp) for op in ops)

    def noticed(
        self, hits: Hits, moves: IntArray, seen: Mapping[str, Value], rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Which hits are such that the result changed by `moves` changes an output of the piece."""
        if any(spec.name == self.result.name for spec in self.network.outputs):
            return np.arange(len(moves))
        found: list[NDArray[np.intp]] = []
        left = rng.permutation(len(moves))
        known = np.zeros((2, 0), dtype=np.int64)
        for _ in range(_PASSES):
            sides = np.stack([hits.channel, hits.side])[:, left]
            left = left[~(sides[:, :, None] == known[:, None]).all(axis=0).any(axis=1)]
            if not len(left):
                break
            unit = hits.sample[left] * (int(hits.position.max()) + 1) + hits.position[left]
            first = np.unique(unit if self.local else hits.sample[left], return_index=True)[1]
            chosen = left[first]
            shown = chosen[self._changes(hits.at(chosen), moves[chosen], seen)]
            found.append(shown)
            known = np.concatenate([known, np.stack([hits.channel, hits.side])[:, shown]], axis=1)
            left = np.delete(left, first)
        return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)

    def _changes(self, hits: Hits, moves: IntArray, seen: Mapping[str, Value]) -> NDArray[np.bool_]:
        samples, places = np.unique(hits.sample, return_inverse=True)
        given = {spec.name: seen[spec.name][samples] for spec in self.network.inputs}
        changed = given[self.result.name].astype(np.int64)
        changed.reshape(*changed.shape[:2], -1)[places, hits.channel, hits.position] += moves
        found = Executor(self.network).run_part({**given, self.result.name: changed}).outputs
        by_unit = np.zeros(len(moves), dtype=bool)
        for name, value in found.items():
            other = (value != seen[name][samples]).reshape(*value.shape[:2], -1).any(axis=1)
            by_unit |= other[places, hits.position] if self.local else other.any(axis=1)[places]
        return by_unit


@dataclass
class Probes:
    """Batches of inputs for a piece of a network at the `ternary` level, and the steps that they show."""

    network: Network
    values: Mapping[str, SSAValue]
    """the values of the module by their names in the network"""
    rng: np.random.Generator
    draw: Callable[[InputSpec, int, np.random.Generator], Value]
    """samples of an input of the network that is no range of integers"""
    batches: list[Given] = field(default_factory=list[Given])
    coverage: list[Coverage] = field(default_factory=list[Coverage])

    def __post_init__(self) -> None:
        ops = [call.action.op for call in self.network.calls if isinstance(call.action, Evaluate)]
        self.names = {value: name for name, value in self.values.items()}
        self.coverage = [Coverage(op) for op in ops if isinstance(op, Steps)]
        self.rests = [self._rest(each.op) for each in self.coverage]
        samples = max(4, min(_SAMPLES, _POSITIONS // max(1, self._positions())))
        self._add(self._random(samples))
        for each in self.coverage:
            self._meet(each)

    def _rest(self, op: Steps) -> Rest:
        name, shape = self.names[op.result], ternary.shape_of(op.result)[1:]
        spec = InputSpec(name, (-1, *shape), "int64", ternary.range_of(op.result))
        return Rest(spec, part_of(self.network, [spec, *self.network.inputs], self.outputs))

    @property
    def outputs(self) -> list[str]:
        return [spec.name for spec in self.network.outputs]

    def _positions(self) -> int:
        return max((prod(ternary.shape_of(each.op.input)[2:]) for each in self.coverage), default=1)

    def _random(self, samples: int) -> Given:
        return {spec.name: self._draw(spec, samples) for spec in self.network.inputs}

    def _draw(self, spec: InputSpec, samples: int) -> Value:
        if spec.span is None:
            return self.draw(spec, samples, self.rng)
        return starts(samples, prod(spec.shape[1:]), spec.span, self.rng).reshape(samples, *spec.shape[1:])

    def _add(self, given: Given) -> dict[str, Value]:
        """Take note of the steps that inputs show; gives every tensor of the run."""
        seen: dict[str, Value] = dict(given)
        Executor(self.network, watch=seen.__setitem__).run_part(given)
        for each, rest in zip(self.coverage, self.rests, strict=True):
            sums = seen[self.names[each.op.input]]
            hits = each.hits(sums.reshape(*sums.shape[:2], -1), self.rng)
            each.show(hits.at(rest.noticed(hits, each.move(hits), seen, self.rng)))
        self.batches.append(given)
        return seen

    def _meet(self, each: Coverage) -> None:
        idle = 0
        for _ in range(_ROUNDS):
            channels, targets = each.missing()
            before = each.met
            if not len(targets) or idle == _IDLE:
                return
            self._approach(each, channels, targets)
            idle = idle + 1 if each.met == before else 0

    def _approach(self, each: Coverage, channels: IntArray, targets: IntArray) -> None:
        op, source = each.op, each.op.input.owner
        if spec := self._input(op.input):
            self._directly(op, spec, channels, targets)
        elif isinstance(source, MatmulOp | ConvOp | SumPoolOp) and (spec := self._input(source.input)):
            self._by_sum(source, spec, channels, targets)
        elif isinstance(source, ternary.CombineOp) and any(map(self._input, source.inputs)):
            self._by_summand(source, channels, targets)
        else:
            self._by_search(each, channels, targets)

    def _input(self, value: SSAValue) -> InputSpec | None:
        """The piece's input, of integers, that a value is, perhaps in another shape."""
        while value not in self.names or all(spec.name != self.names[value] for spec in self.network.inputs):
            if not isinstance(value.owner, ternary.ReshapeOp):
                return None
            value = value.owner.input
        found = next(spec for spec in self.network.inputs if spec.name == self.names[value])
        return found if found.span else None

    def _directly(self, op: Steps, spec: InputSpec, channels: IntArray, targets: IntArray) -> None:
        """The integers themselves, which are an input of the piece."""
        shape = ternary.shape_of(op.input)[1:]
        at = _spread(channels, prod(shape[1:]))
        given = self._random(int(at[0].max()) + 1)
        given[spec.name].reshape(-1, shape[0], prod(shape[1:]))[at] = targets
        self._add(given)

    def _by_sum(
        self, op: MatmulOp | ConvOp | SumPoolOp, spec: InputSpec, channels: IntArray, targets: IntArray
    ) -> None:
        """The entries of a window, or of a sample, so that its sum is the target; several windows of an image."""
        places, pad = _places(op)
        slots = _apart(places, prod(spec.shape[1:]))
        lines = _lines(op, channels)
        share = max(1, _ELEMENTS // max(lines.shape[1], prod(spec.shape[1:]) // len(slots)))
        assert spec.span
        for begin in range(0, len(targets), share):
            part = slice(begin, begin + share)
            count = len(targets[part])
            at = places[slots[np.arange(count) % len(slots)]]
            found, _ = reach(lines[part], targets[part], spec.span, self.rng, (at < 0, pad))
            given = self._random(-(-count // len(slots)))
            flat = given[spec.name].reshape(len(given[spec.name]), -1)
            rows = np.broadcast_to((np.arange(count) // len(slots))[:, None], at.shape)
            flat[rows[at >= 0], at[at >= 0]] = found[at >= 0]
            self._add(given)

    def _by_summand(self, op: ternary.CombineOp, channels: IntArray, targets: IntArray) -> None:
        """One summand, element by element, so that the sum is the target whatever the others are."""
        index = next(number for number, value in enumerate(op.inputs) if self._input(value))
        spec = self._input(op.inputs[index])
        assert spec and spec.span
        shape = ternary.shape_of(op.result)[1:]
        positions = prod(shape[1:])
        at = _spread(channels, positions)
        given = self._random(int(at[0].max()) + 1)
        values: IntArray = given[spec.name].astype(np.int64).reshape(-1, shape[0], positions)
        seen = self._add({name: value.copy() for name, value in given.items()})
        sums = seen[self.names[op.result]].astype(np.int64).reshape(values.shape)
        factors = np.broadcast_to(op.multipliers.data.array, (shape[0], len(op.inputs)))[channels, index]
        wanted = targets - sums[at] + factors * values[at]
        fits = (factors != 0) & (wanted % np.where(factors, factors, 1) == 0)
        new = np.where(fits, wanted // np.where(factors, factors, 1), values[at])
        values[at] = np.clip(new, spec.span.lo, spec.span.hi)
        self._add({**given, spec.name: values.reshape(given[spec.name].shape)})

    def _by_search(self, each: Coverage, channels: IntArray, targets: IntArray) -> None:
        """Change inputs at random as long as that brings a sum no farther from its target, until an output shows it."""
        size = sum(prod(spec.shape[1:]) for spec in self.network.inputs)
        count = min(len(targets), max(1, _ELEMENTS // 8 // size))
        chosen = self.rng.permutation(len(targets))[:count]
        channels, targets = channels[chosen], targets[chosen]
        network = part_of(self.network, self.network.inputs, [self.names[each.op.input]])
        best = self._random(count)
        away = _distance(network, best, channels, targets)
        for number in range(_SEARCH):
            tried = {spec.name: self._changed(best[spec.name], spec) for spec in self.network.inputs}
            found = _distance(network, tried, channels, targets)
            nearer = found <= away
            away = np.where(nearer, found, away)
            for name, value in best.items():
                value[nearer] = tried[name][nearer]
            if number % _LOOK == _LOOK - 1 and (there := np.flatnonzero(away == 0)).size:
                before = each.met
                self._add({name: value[there] for name, value in best.items()})
                if each.met == before:
                    self.batches.pop()
                missing = set(zip(*(part.tolist() for part in each.missing()), strict=True))
                left = [pair in missing for pair in zip(channels.tolist(), targets.tolist(), strict=True)]
                if not any(left):
                    return
                channels, targets, away = channels[left], targets[left], away[left]
                best = {name: value[left] for name, value in best.items()}

    def _changed(self, value: Value, spec: InputSpec) -> Value:
        changed = value.reshape(len(value), -1).copy()
        few = min(1 + self.rng.geometric(0.5), changed.shape[1])
        at = self.rng.integers(changed.shape[1], size=(len(value), few))
        if spec.span is None:
            new = self.draw(spec, len(value), self.rng).reshape(len(value), -1)[:, : at.shape[1]]
        else:
            new = self.rng.integers(spec.span.lo, spec.span.hi + 1, size=at.shape)
        np.put_along_axis(changed, at, new, axis=1)
        return changed.reshape(value.shape)


def _distance(network: Network, given: Given, channels: IntArray, targets: IntArray) -> IntArray:
    """How far each sample is from its target, at the position where it is nearest."""
    (sums,) = Executor(network).run_part(given).outputs.values()
    rows = sums.reshape(*sums.shape[:2], -1)[np.arange(len(targets)), channels].astype(np.int64)
    return np.abs(rows - targets[:, None]).min(axis=1)


def _places(op: MatmulOp | ConvOp | SumPoolOp) -> tuple[IntArray, int]:
    """Which elements of a sample each window adds up (positions, elements), -1 for one outside; what that counts."""
    shape = ternary.shape_of(op.input)[1:]
    numbers = np.arange(prod(shape), dtype=np.int64).reshape(1, *shape)
    if isinstance(op, MatmulOp):
        return numbers.reshape(1, -1), 0
    return op.window.data.gather(numbers, -1), op.pad


def _lines(op: MatmulOp | ConvOp | SumPoolOp, channels: IntArray) -> IntArray:
    """The weights of some outputs over all elements of a window."""
    if isinstance(op, MatmulOp):
        return op.weights.data.array[channels]
    count, size = ternary.channels_of(op.input), op.window.data.size
    groups, rows = (op.groups, op.weights.data.array) if isinstance(op, ConvOp) else (count, np.ones((count, size)))
    full = np.zeros((len(channels), groups, count // groups * size), dtype=np.int64)
    full[np.arange(len(channels)), channels // (len(rows) // groups)] = rows[channels]
    return full.reshape(len(channels), -1)


def _apart(places: IntArray, size: int) -> NDArray[np.intp]:
    """Windows that share no element, those that lie inside the image first."""
    taken = np.zeros(size + 1, dtype=bool)
    found: list[int] = []
    for position in np.argsort((places < 0).sum(axis=1), kind="stable"):
        elements = places[position][places[position] >= 0]
        if not taken[elements].any():
            taken[elements] = True
            found.append(int(position))
    return np.array(found, dtype=np.intp)


def _spread(channels: IntArray, positions: int) -> tuple[IntArray, IntArray, IntArray]:
    """Samples, channels and positions, each another one for entries of some channels, of which equal ones follow."""
    begins = np.flatnonzero(np.diff(channels, prepend=-1))
    lengths = np.diff(begins, append=len(channels))
    order = np.arange(len(channels), dtype=np.int64) - np.repeat(begins, lengths)
    return order // positions, channels, order % positions


def met_of(coverage: Sequence[Coverage]) -> tuple[int, int]:
    """Sides of steps that were met, and all of them."""
    return sum(each.met for each in coverage), sum(each.count for each in coverage)
