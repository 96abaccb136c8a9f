"""A network that is ready to run: what it takes, the calls in their order, and which values it gives.

A module (runtime/interpreter.py) and a .camx file (runtime/camx.py) become one of these, which runtime/executor.py
runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.program import Program
from dialects.machine.target import Target
from dialects.support.errors import InputError
from dialects.support.lattice import Lattice
from dialects.support.ranges import Range
from runtime.host_actions import KINDS, Action
from runtime.values import Value, widest


@dataclass(frozen=True)
class InputSpec:
    """An input of a network: its ONNX name, shape (-1 is the batch) and either a float type or a range of integers."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """`float16`, `float32` or `float64`; `int64` where `span` is given"""
    span: Range | None = None
    declared: str = ""
    """the numbers that it holds, as dialects/support/lattice.py states them; they become integers of the lattice"""

    @property
    def lattice(self) -> Lattice | None:
        """The numbers that it holds, if they are declared."""
        return Lattice.parse(self.declared, self.dtype) if self.declared else None

    def describe(self) -> str:
        shape = "x".join("N" if size < 0 else str(size) for size in self.shape)
        held = f"integers {self.span}" if self.span else self.dtype
        return f"{shape} {self.declared}, {self.lattice.describe()}" if self.lattice else f"{shape} {held}"

    def check(self, value: Value, begin: int = 0) -> Value:
        """The array in the type that the network takes; raises InputError where it doesn't fit.

        `begin` is the number of its first sample in what the user gave.
        """
        place, hint = f"input '{self.name}'", f"expected {self.describe()}, N at least 1"
        fits = value.ndim == len(self.shape) and all(
            expected in (-1, found) for expected, found in zip(self.shape, value.shape, strict=True)
        )
        if not fits or value.size == 0:
            raise InputError(f"its shape is {'x'.join(map(str, value.shape)) or 'a scalar'}", place=place, hint=hint)
        if value.dtype.kind not in ("iub" if self.span or self.dtype == "int64" else "fiub"):
            raise InputError(f"its type is {value.dtype}", place=place, hint=hint)
        if self.span:
            integers = cast(NDArray[np.int64], value)
            wrong = (integers < self.span.lo) | (integers > self.span.hi)
            self._refuse(value, wrong, f"integers {self.span}", hint, begin)
            return value.astype(np.int64)
        with np.errstate(over="ignore"):
            exact = value.astype(self.dtype, copy=False)
        if not np.isfinite(exact).all():
            raise InputError("it holds values that are not finite numbers", place=place, hint=hint)
        if lattice := self.lattice:
            integers, wrong = lattice.integers(exact)
            self._refuse(value, wrong | _changed(value, exact), f"{self.declared}, {lattice.describe()}", hint, begin)
            return integers
        return exact

    def _refuse(self, value: Value, wrong: NDArray[np.bool_], expected: str, hint: str, begin: int) -> None:
        """Raises InputError at the first value that the input doesn't hold."""
        if wrong.any():
            sample, *index = (int(axis[0]) for axis in np.nonzero(wrong))
            where = f"sample {begin + sample}" + (f" at {index}" if index else "")
            found = value[(sample, *index)]
            raise InputError(
                f"{where} is {found}, which is none of {expected} ({int(wrong.sum())} such values)",
                place=f"input '{self.name}'",
                hint=hint,
            )


def _changed(value: Value, exact: Value) -> NDArray[np.bool_]:
    """Which integers the input's type doesn't hold."""
    if value.dtype.kind not in "iu" or exact.dtype.kind != "f":
        return np.zeros(value.shape, dtype=bool)
    return exact.astype(np.float64) != value.astype(np.float64)


@dataclass(frozen=True)
class OutputSpec:
    """An output of a network: its ONNX name, the value that it is, and the type and shape that the model declares."""

    name: str
    value: str
    dtype: str = ""
    """a numpy type; as it comes where it is empty"""
    batched: bool = True
    """False where the model, which takes a single sample, leaves out the batch dimension"""

    def declared(self, value: Value) -> Value:
        """The value as the model declares it."""
        typed = value.astype(self.dtype, copy=False) if self.dtype else widest(value)
        return typed if self.batched else typed[0]


@dataclass(frozen=True)
class Call:
    """An action of the host or a program of the array, with the names of the values that it takes and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    action: Action | AnyProgram

    @property
    def title(self) -> str:
        """What progress calls it."""
        return self.action.title


@dataclass(frozen=True)
class Network:
    """Calls in an order in which every value is made before it is taken; inputs are values of their ONNX names."""

    target: Target
    inputs: tuple[InputSpec, ...]
    calls: tuple[Call, ...]
    outputs: tuple[OutputSpec, ...]
    sample_bytes: int
    """about how much memory a sample takes while the network runs"""
    macs: Mapping[str, int] | None = None
    """multiply-accumulates of one sample with constant weights, by layer, zero weights included; None: not known"""
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """the ONNX nodes that each layer stands for, as operator and name, if they are known"""

    @property
    def programs(self) -> tuple[AnyProgram, ...]:
        """The programs in the order of their calls."""
        return tuple(call.action for call in self.calls if not isinstance(call.action, Action))

    @property
    def uncompiled(self) -> str | None:
        """The first call that can't run without the IR, if there is one."""
        kinds = (Program, CountedProgram, *KINDS.values())
        return next((call.title for call in self.calls if not isinstance(call.action, kinds)), None)

    @property
    def on_host(self) -> list[str]:
        """Functions that the network ends with and that the host computes, beside the output scale."""
        said = (call.action.on_host for call in self.calls if isinstance(call.action, Action))
        return [what for what in said if what]

    def problem(self) -> str | None:
        """What is wrong with the names of values, if anything: each is made once, before it is taken."""
        known = {spec.name for spec in self.inputs}
        for call in self.calls:
            if unknown := set(call.inputs) - known:
                return f"there is no value '{min(unknown)}'"
            if twice := known & set(call.outputs):
                return f"the value '{min(twice)}' is computed twice"
            if len(call.outputs) != (1 if isinstance(call.action, Action) else len(call.action.outputs)):
                return f"a call has {len(call.outputs)} outputs"
            known.update(call.outputs)
        unknown = {output.value for output in self.outputs} - known
        return f"there is no value '{min(unknown)}'" if unknown else None


def check_inputs(specs: Sequence[InputSpec], given: Mapping[str, Value], begin: int = 0) -> dict[str, Value]:
    """The given arrays in the types that the network takes; raises InputError where they don't fit.

    `begin` is the number of their first sample in what the user gave.
    """
    expected = ", ".join(f"'{spec.name}' ({spec.describe()})" for spec in specs)
    for spec in specs:
        if spec.name not in given:
            raise InputError(f"input '{spec.name}' is missing", hint=f"the network's inputs are {expected}")
    if unknown := set(given) - {spec.name for spec in specs}:
        raise InputError(f"there is no input '{min(unknown)}'", hint=f"the network's inputs are {expected}")
    values = {spec.name: spec.check(np.asarray(given[spec.name]), begin) for spec in specs}
    if len({len(value) for value in values.values()}) > 1:
        sizes = ", ".join(f"'{name}' {len(value)}" for name, value in values.items())
        raise InputError(f"the inputs have different numbers of samples: {sizes}")
    return values
