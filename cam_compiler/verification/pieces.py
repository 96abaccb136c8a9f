"""Pieces of two networks between tensors that both store, so that each can be run on inputs of its own.

A tensor is in both where it has one name and one shape, and is equal on the samples that were run. A piece of a network
is what computes some of them from the nearest earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from runtime.executor import Executor
from runtime.network import Call, InputSpec, Network, OutputSpec
from runtime.result import Result
from runtime.values import Value

Key = tuple[str, tuple[int, ...]]
"""The name of a tensor, without the number that tells it from others, and its shape."""


def stem(name: str) -> str:
    """A value's name in its module; empty for a value that has none there."""
    return name.partition("#")[0]


def stored(executor: Executor, given: Mapping[str, Value]) -> tuple[Result, dict[Key, tuple[str, Value]]]:
    """A run, and the tensors with a name that it made, in their order; of several with one key the last one."""
    found: dict[Key, tuple[str, Value]] = {}

    def keep(name: str, value: Value) -> None:
        if stem(name):
            found[stem(name), value.shape] = (name, value)

    return replace(executor, watch=keep).run_part(given), found


@dataclass(frozen=True)
class Piece:
    """What computes some tensors from others, in both networks; names are those of the golden network."""

    golden: Network
    other: Network
    renamed: Mapping[str, str]
    """names of inputs and outputs in the other network"""

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.golden.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.golden.outputs)

    def run_golden(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """The tensors by their names, from inputs by theirs."""
        found = Executor(self.golden).run_part(given).outputs
        return {stem(name): value for name, value in found.items()}

    def run_other(self, given: Mapping[str, Value], engine: str) -> dict[str, Value]:
        """The same in the other network, on an engine."""
        renamed = {self.renamed[name]: value for name, value in given.items()}
        found = Executor(self.other, engine, trace=False).run_part(renamed).outputs
        return {stem(name): found[self.renamed[name]] for name in self.outputs}


def cone(network: Network, values: Iterable[str], known: frozenset[str]) -> tuple[list[Call], set[str]]:
    """The calls that compute values from known ones, in their order, and which of those they take."""
    wanted, taken = set(values) - known, set[str]()
    calls: list[Call] = []
    for call in reversed(network.calls):
        if not wanted.isdisjoint(call.outputs):
            calls.append(call)
            wanted.difference_update(call.outputs)
            taken.update(known.intersection(call.inputs))
            wanted.update(set(call.inputs) - known)
    return calls[::-1], taken


def part_of(network: Network, inputs: Sequence[InputSpec], outputs: Sequence[str]) -> Network:
    """The part of a network that computes `outputs` from `inputs`."""
    calls, _ = cone(network, outputs, frozenset(spec.name for spec in inputs))
    return replace(
        network, inputs=tuple(inputs), calls=tuple(calls), outputs=tuple(OutputSpec(name, name) for name in outputs)
    )


def pieces(golden: Network, other: Network, common: Mapping[str, str], specs: Mapping[str, InputSpec]) -> list[Piece]:
    """The networks in pieces: each tensor in common from the nearest ones before it, tensors of the same ones together.

    `common` gives the names of tensors in the other network, `specs` what a piece can be fed with.
    """
    cuts = frozenset(name for name in common if name in specs) | {spec.name for spec in golden.inputs}
    cuts_there = frozenset(common.get(name, name) for name in cuts)
    there = {common.get(name, name): name for name in cuts}
    whole = {spec.name: spec for spec in golden.inputs} | dict(specs)
    together: dict[frozenset[str], list[str]] = {}
    for call in golden.calls:
        for name in set(call.outputs) & common.keys():
            taken = cone(golden, [name], cuts - {name})[1]
            taken |= {there[item] for item in cone(other, [common[name]], cuts_there - {common[name]})[1]}
            together.setdefault(frozenset(taken), []).append(name)
    found: list[Piece] = []
    for taken, outputs in together.items():
        inputs = [whole[name] for name in sorted(taken)]
        renamed = {name: common.get(name, name) for name in (*taken, *outputs)}
        inputs_there = [replace(spec, name=renamed[spec.name]) for spec in inputs]
        theirs = part_of(other, inputs_there, [renamed[name] for name in outputs])
        found.append(Piece(part_of(golden, inputs, outputs), theirs, renamed))
    return found
