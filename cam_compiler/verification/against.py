"""Compares forms of a network with the golden one: its outputs, what it stores between layers, and piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import BlockArgument, SSAValue

from cam_compiler.validation import Difference, DifferenceError, difference, draw
from cam_compiler.verification.counting_instructions import check_counting_table
from cam_compiler.verification.instructions import check_table
from cam_compiler.verification.pieces import Key, Piece, pieces, stem, stored
from cam_compiler.verification.probes import Probes, met_of
from cam_compiler.verification.steps import Coverage
from dialects import ternary
from dialects.machine.target import Target
from dialects.support.instrumentation import part
from runtime.executor import Executor, part_size
from runtime.interpreter import main_function, network_of, value_names
from runtime.network import InputSpec
from runtime.result import Result
from runtime.values import Value

_SEED = 0


@dataclass(frozen=True)
class Compared:
    """What was compared, and found equal."""

    samples: int
    outputs: int
    """values of the outputs"""
    tensors: int = 0
    """stored tensors in common, on the same samples"""
    pieces: int = 0
    probes: int = 0
    """samples of the pieces, beside those of the network"""
    met: int = 0
    """sides of the thresholds' steps at which a step that is one off would have been noticed"""
    steps: int = 0
    """all of them; those that are left were not reached, or change nothing that is stored"""

    def __str__(self) -> str:
        text = f"the same outputs on {self.samples:,} samples ({self.outputs:,} values)"
        if self.tensors:
            text += f", the same {self.tensors} tensors stored"
        if self.pieces:
            text += f"; {self.pieces} pieces the same on {self.probes:,} samples of their own"
        if self.steps:
            text += f", which show {self.met:,} of {self.steps:,} sides of thresholds"
        return text


@dataclass
class _Form:
    """The golden network in a form that it has, and what it stores on the samples."""

    module: ModuleOp
    executor: Executor
    result: Result
    tensors: dict[Key, tuple[str, Value]]

    @classmethod
    def of(cls, module: ModuleOp, target: Target, given: Mapping[str, Value]) -> _Form:
        executor = Executor(network_of(module, target))
        return cls(module, executor, *stored(executor, given))

    def drawn(self, spec: InputSpec, samples: int, rng: np.random.Generator) -> Value:
        """Samples of an input of the network."""
        return draw(spec, self._arguments[spec.name], samples, rng)

    @cached_property
    def _arguments(self) -> dict[str, BlockArgument]:
        return {name: value for name, value in self.values.items() if isinstance(value, BlockArgument)}

    @cached_property
    def values(self) -> dict[str, SSAValue]:
        """The module's values by their names in the network."""
        return {name: value for value, name in value_names(main_function(self.module)).items()}


@dataclass(frozen=True)
class _Probed:
    """The inputs for a piece of the golden network, with its tensors, and the steps that they show."""

    coverage: list[Coverage]
    runs: Sequence[tuple[Mapping[str, Value], Mapping[str, Value]]]


@dataclass
class Golden:
    """A network and samples of its inputs, with which others are compared.

    `forms` are modules that compute the same, and may store other tensors than each other. Where there are some, stored
    tensors are compared, and pieces between them.
    """

    name: str
    executor: Executor
    given: Mapping[str, Value]
    forms: Sequence[ModuleOp] = ()
    _known: list[_Form] = field(default_factory=list["_Form"])
    _pieces: dict[tuple[int, tuple[str, ...], tuple[str, ...]], _Probed] = field(default_factory=dict[Any, "_Probed"])

    @cached_property
    def result(self) -> Result:
        """The golden outputs."""
        return self.executor.run(self.given)

    @cached_property
    def _held(self) -> dict[str, Value]:
        """As many of the samples as are held in memory at once."""
        size = part_size(self.executor.network)
        return {name: value[:size] for name, value in self.given.items()}

    def _form(self, index: int) -> _Form:
        while len(self._known) <= index:
            self._known.append(_Form.of(self.forms[len(self._known)], self.executor.network.target, self._held))
        return self._known[index]

    def compare(self, other: Executor, name: str, *, by_pieces: bool = True) -> Compared:
        """What is equal; raises MismatchError, with the first tensor that isn't."""
        check_table(other.network.programs)
        check_counting_table(other.network.programs)
        expected = self.result
        result, tensors = stored(other, self._held) if self.forms else (other.run(self.given), {})
        if result.samples < expected.samples:
            result = other.run(self.given)
        form, problem = self._alike(tensors) if self.forms else (None, None)
        if wrong := difference(expected.outputs, result.outputs):
            first = problem and f"the first difference: {problem}"
            text = f"{name} computes something else than {self.name}: {wrong}"
            raise DifferenceError(text, problem or wrong, self.given, hint=first)
        if problem:
            text = f"{name} gives the same outputs, but between layers {problem}"
            raise DifferenceError(text, problem, self._held, hint="--no-inner compares outputs only")
        size = sum(value.size for value in result.outputs.values())
        if form is None or not by_pieces:
            return Compared(result.samples, size)
        common = {form.tensors[key][0]: there for key, (there, _) in tensors.items() if key in form.tensors}
        return replace(self._by_pieces(form, other, common, name), samples=result.samples, outputs=size)

    def _alike(self, tensors: Mapping[Key, tuple[str, Value]]) -> tuple[_Form | None, Difference | None]:
        """The form that stores the same; else, of the last one, the first tensor that is another."""
        problem = None
        for index in reversed(range(len(self.forms))):
            form = self._form(index)
            problems = (_unequal(key, value, tensors) for key, (_, value) in form.tensors.items())
            found = next(filter(None, problems), None)
            if found is None:
                return form, None
            problem = problem or found
        return None, problem

    def _by_pieces(self, form: _Form, other: Executor, common: Mapping[str, str], name: str) -> Compared:
        specs = {key: spec for key in common if (spec := spec_of(key, form.values[key]))}
        cut = pieces(form.executor.network, other.network, common, specs)
        coverage = list[Coverage]()
        samples = 0
        for number, piece in enumerate(cut):
            with part(number, number + 1, len(cut), stem(piece.outputs[-1])):
                probed = self._probed(form, piece)
                coverage += probed.coverage
                for given, expected in probed.runs:
                    samples += len(next(iter(given.values())))
                    if problem := difference(expected, piece.run_other(given, other.engine), "tensor"):
                        made_of = ", ".join(f"'{stem(name)}'" for name in piece.inputs)
                        what = f"{name} computes something else than {self.name} from {made_of}"
                        raise DifferenceError(f"{what}: {problem}", problem, given, piece=True)
        met, steps = met_of(coverage)
        return Compared(0, 0, len(common), len(cut), samples, met, steps)

    def _probed(self, form: _Form, piece: Piece) -> _Probed:
        """The same piece of another network is run on the same inputs."""
        key = (id(form), piece.inputs, piece.outputs)
        if key not in self._pieces:
            probes = Probes(piece.golden, form.values, np.random.default_rng(_SEED), form.drawn)
            runs = [(given, piece.run_golden(given)) for given in probes.batches]
            self._pieces[key] = _Probed(probes.coverage, runs)
        return self._pieces[key]


def _unequal(key: Key, value: Value, tensors: Mapping[Key, tuple[str, Value]]) -> Difference | None:
    """How a stored tensor differs from the golden one, if it does; one that isn't stored doesn't."""
    return difference({key[0]: value}, {key[0]: tensors[key][1]}, "tensor") if key in tensors else None


def spec_of(name: str, value: SSAValue) -> InputSpec | None:
    """A stored tensor as something that a network takes, if it holds integers."""
    if not isinstance(value.type, TensorType) or not isinstance(ternary.element_of(value), ternary.IntType):
        return None
    return InputSpec(name, (-1, *ternary.shape_of(value)[1:]), "int64", ternary.range_of(value))
