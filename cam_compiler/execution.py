"""Networks for the commands: modules at any level and compiled programs with what runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from dialects.machine.target import Target
from dialects.support.errors import InputError
from runtime.executor import Executor
from runtime.interpreter import network_of
from runtime.network import InputSpec
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
