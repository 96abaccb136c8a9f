"""Checks the compiler while it works: every level must compute the same, on inputs that sit on the edges.

Inputs are drawn so that float quantisers are hit exactly at their thresholds, just below and between them, and
integers at the ends of their ranges; the first module that is seen sets the outputs that all later ones must give.
Machine code runs on the native engine, and the passes of all kinds of its instructions on the golden simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument

from cam_compiler.verification.counting_instructions import check_counting_table
from cam_compiler.verification.instructions import check_table
from dialects import ternary
from dialects.machine.target import Target
from dialects.support.errors import MismatchError
from dialects.support.tensors import FloatArray
from runtime.executor import Executor
from runtime.interpreter import input_specs, main_function, network_of
from runtime.network import InputSpec
from runtime.result import Result
from runtime.values import Value

SAMPLES = 70
"""More than one 64-bit word of rows, and not a multiple of it."""


def edge_inputs(module: ModuleOp, samples: int = SAMPLES, seed: int = 0) -> dict[str, Value]:
    """Inputs by name for a function: on, below and between the thresholds of its quantisers."""
    rng = np.random.default_rng(seed)
    function = main_function(module)
    arguments = function.body.block.args
    return {
        spec.name: draw(spec, argument, samples, rng)
        for spec, argument in zip(input_specs(function), arguments, strict=True)
    }


def draw(spec: InputSpec, argument: BlockArgument, samples: int, rng: np.random.Generator) -> Value:
    """Samples of one input, which is an argument of the function."""
    shape = (samples, *(size if size > 0 else 1 for size in spec.shape[1:]))
    if lattice := spec.lattice:
        integers = rng.integers(lattice.span.lo, lattice.span.hi + 1, size=shape)
        integers[0], integers[min(1, samples - 1)] = lattice.span.lo, lattice.span.hi
        return lattice.numbers(integers, spec.dtype)
    if spec.span:
        values = rng.integers(spec.span.lo, spec.span.hi + 1, size=shape)
        values[0], values[min(1, samples - 1)] = spec.span.lo, spec.span.hi
        return values
    points = _points(argument)
    if not len(points):
        return rng.normal(size=shape).astype(spec.dtype)
    exact = points.astype(spec.dtype)
    below = np.nextafter(exact, np.array(-np.inf, dtype=spec.dtype))
    between = ((points[1:] + points[:-1]) / 2).astype(spec.dtype)
    ends = np.array([points[0] - 1, points[-1] + 1]).astype(spec.dtype)
    return _spread(np.concatenate([exact, below, between, ends]), shape, rng)


def _spread(points: Value, shape: tuple[int, ...], rng: np.random.Generator) -> Value:
    """An array in which every point is in every channel, as often as every other one, where there is room."""
    samples, channels = shape[0], shape[1] if len(shape) > 1 else 1
    size = prod(shape) // channels
    by_channel = [rng.permutation(np.resize(rng.permutation(points), size)) for _ in range(channels)]
    return np.moveaxis(np.stack(by_channel).reshape(channels, samples, *shape[2:]), 0, 1).reshape(shape)


def _points(argument: BlockArgument) -> FloatArray:
    """All finite thresholds of the quantisers that read an input, directly or in another shape or order."""
    found: list[FloatArray] = []
    readers = [use.operation for use in argument.uses]
    while readers:
        op = readers.pop()
        if isinstance(op, ternary.QuantizeOp):
            found.append(op.thresholds.data.array.ravel())
        elif isinstance(op, ternary.ReshapeOp | ternary.TransposeOp | ternary.TakeOp):
            readers += [use.operation for use in op.result.uses]
    points: FloatArray = np.unique(np.concatenate(found)) if found else np.zeros(0)
    return points[np.isfinite(points)]


class Validator:
    """Runs each module on the same inputs and compares with the first one's outputs."""

    def __init__(self, inputs: Mapping[str, Value] | None = None):
        self.inputs = inputs
        self.expected: Result | None = None
        self.first = ""
        self.checked: list[str] = []

    def check(self, module: ModuleOp, name: str) -> None:
        """Raises MismatchError where the module gives other outputs than the first one."""
        if self.inputs is None:
            self.inputs = edge_inputs(module)
        network = network_of(module, Target("default"))
        self.compare(Executor(network, trace=False).run_part(self.inputs), name)
        try:
            check_table(network.programs)
            check_counting_table(network.programs)
        except MismatchError as error:
            raise MismatchError(f"{name}: {error.message}", place=error.place, hint=error.hint) from error

    def compare(self, result: Result, name: str) -> None:
        """The same for outputs that were computed elsewhere."""
        if self.expected is None:
            self.expected, self.first = result, name
        elif (problem := difference(self.expected.outputs, result.outputs)) is not None:
            raise MismatchError(
                f"{name} computes something else than {self.first}: {problem}",
                hint=f"agreeing so far: {', '.join(self.checked)}",
            )
        self.checked.append(name)


@dataclass(frozen=True)
class Difference:
    """The first difference between two sets of outputs or tensors."""

    text: str
    name: str = ""
    """the output or tensor, where both have it in one shape"""
    index: tuple[int, ...] = ()
    """the sample, and where in it"""
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        return self.text


class DifferenceError(MismatchError):
    """Two forms of a network compute different values: which, on which inputs."""

    def __init__(
        self,
        message: str,
        first: Difference,
        given: Mapping[str, Value],
        *,
        piece: bool = False,
        hint: str | None = None,
    ):
        super().__init__(message, hint=hint)
        self.first = first
        self.given = given
        """the samples on which they differ, by input; of a piece, by the stored tensors that it takes"""
        self.piece = piece
        """it is no input of the network that differs, but what follows from stored tensors of any values"""


def difference(expected: Mapping[str, Value], found: Mapping[str, Value], what: str = "output") -> Difference | None:
    """The first difference between two sets of outputs or tensors, or None where they are equal to the bit."""
    if expected.keys() != found.keys():
        return Difference(f"its {what}s are {sorted(found)} instead of {sorted(expected)}")
    for name, value in expected.items():
        other = found[name]
        if value.shape != other.shape:
            return Difference(f"{what} '{name}' has shape {other.shape} instead of {value.shape}")
        where = np.argwhere(value != other)
        if len(where):
            place = tuple(int(index) for index in where[0])
            text = (
                f"{what} '{name}' differs in {len(where)} of {value.size} values, first at {list(place)}: "
                f"{other[place]} instead of {value[place]}"
            )
            return Difference(text, name, place, str(value[place]), str(other[place]))
    return None
