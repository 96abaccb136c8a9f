"""Networks for the commands: modules at any level and compiled programs with what runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from dialects.machine.target import Target
from dialects.support.errors import InputError
from dialects.support.tensors import FloatArray
from runtime.executor import Executor
from runtime.host_actions import Quantize, Reshape, Take, Transpose
from runtime.interpreter import network_of
from runtime.network import InputSpec, Network
from runtime.values import Value


def of_module(module: ModuleOp, target: Target, engine: str, *, trace: bool = True) -> Executor:
    """A module at whatever level it is."""
    return Executor(network_of(module, target), engine, trace)


def of_program(path: Path, engine: str, *, trace: bool = True) -> Executor:
    """A compiled program."""
    from runtime.camx import load

    return Executor(load(path), engine, trace)


def named(given: Mapping[str, Value], specs: Sequence[InputSpec]) -> dict[str, Value]:
    """Inputs by name; the array of an .npy file, which has an empty name, belongs to the only input."""
    if set(given) != {""}:
        return dict(given)
    if len(specs) != 1:
        names = ", ".join(f"'{spec.name}'" for spec in specs)
        raise InputError("the network has several inputs", hint=f"give an .npz file with {names}")
    return {specs[0].name: given[""]}


def drawn(network: Network, seed: int = 0) -> dict[str, Value]:
    """One sample of each input, on, below and between the thresholds of its quantiser."""
    rng = np.random.default_rng(seed)
    return {spec.name: _drawn(spec, network, rng) for spec in network.inputs}


def _drawn(spec: InputSpec, network: Network, rng: np.random.Generator) -> Value:
    shape = (1, *(max(1, size) for size in spec.shape[1:]))
    if lattice := spec.lattice:
        return lattice.numbers(rng.integers(lattice.span.lo, lattice.span.hi + 1, size=shape), spec.dtype)
    if spec.span:
        return rng.integers(spec.span.lo, spec.span.hi + 1, size=shape)
    names, found = {spec.name}, list[FloatArray]()
    for call in network.calls:
        if not names.intersection(call.inputs):
            continue
        if isinstance(call.action, Quantize):
            found.append(call.action.thresholds.array.ravel())
        elif isinstance(call.action, Reshape | Transpose | Take):
            names.update(call.outputs)
    points: FloatArray = np.unique(np.concatenate(found)) if found else np.zeros(0)
    points = points[np.isfinite(points)]
    if not len(points):
        return rng.normal(size=shape).astype(spec.dtype)
    ends = np.array([points[0] - 1, points[-1] + 1])
    return rng.choice(np.concatenate([points, (points[1:] + points[:-1]) / 2, ends]), size=shape).astype(spec.dtype)
