"""Networks that are ready to run, whether compiled programs or modules at any level; runs them part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Operation, SSAValue

from dialects import ap, apv, ternary
from dialects.apv.spatial import GatherOp
from dialects.machine.target import Target
from dialects.support.errors import InputError
from dialects.support.instrumentation import part
from dialects.support.window import Window
from runtime.batches import merged, part_size
from runtime.cost.wear import Program
from runtime.host import InputSpec, Result, Value, check_inputs
from runtime.host_actions import Execute
from runtime.host_ops import execution_of
from runtime.interpreter import Interpreter, input_specs, main_function

_BYTES_PER_ELEMENT = 8


@dataclass(frozen=True)
class Network:
    """A network that is ready to run: its inputs, the machine, bytes of memory a sample takes, and what runs it."""

    inputs: Sequence[InputSpec]
    target: Target
    sample_bytes: int
    execute: Callable[[Mapping[str, Value]], Result]
    programs: Sequence[Program] = ()
    """the machine code that runs, as far as it is such"""

    @property
    def part(self) -> int | None:
        """Samples that run at a time; None where the network takes a fixed number."""
        fixed = any(spec.shape[0] >= 0 for spec in self.inputs)
        return None if fixed else part_size(self.sample_bytes)

    def run(self, given: Mapping[str, Value]) -> Result:
        """The outputs and counts for all samples as one batch; raises InputError where the inputs don't fit."""
        samples = len(next(iter(given.values()))) if given and all(value.ndim for value in given.values()) else 0
        size = self.part or samples
        if samples <= size or len({len(value) for value in given.values()}) > 1:
            return self.execute(given)
        begins = range(0, samples, size)
        cuts = [{name: value[begin : begin + size] for name, value in given.items()} for begin in begins]
        # Whatever is wrong with the inputs is said before anything long is done.
        for cut in cuts:
            check_inputs(self.inputs, cut)
        results: list[Result] = []
        for begin, cut in zip(begins, cuts, strict=True):
            end = min(samples, begin + size)
            with part(begin, end, samples, f"samples {begin + 1} to {end}"):
                results.append(self.execute(cut))
        return merged(results, self.target)


def of_module(module: ModuleOp, target: Target, engine: str, *, trace: bool = True) -> Network:
    """A module at whatever level it is."""
    specs = input_specs(main_function(module))

    def execute(given: Mapping[str, Value]) -> Result:
        return Interpreter(target, engine, trace=trace).run(module, given)

    found = [op for op in main_function(module).body.block.ops if isinstance(op, ap.ProgramOp)]
    programs = [_code(execution_of(op)) for op in found]
    return Network(specs, target, sample_bytes(module), execute, programs)


def of_program(path: Path, engine: str, *, trace: bool = True) -> Network:
    """A compiled program."""
    from runtime.camx import load

    artefact = load(path)

    def execute(given: Mapping[str, Value]) -> Result:
        return artefact.run(given, engine, trace=trace)

    programs = [_code(program) for program in artefact.programs.values()]
    return Network(artefact.inputs, artefact.target, artefact.sample_bytes, execute, programs)


def _code(program: Execute) -> Program:
    return Program([item.layer for item in program.segments], [item.code for item in program.segments])


def named(given: Mapping[str, Value], specs: Sequence[InputSpec]) -> dict[str, Value]:
    """Inputs by name; the array of an .npy file, which has an empty name, belongs to the only input."""
    if set(given) != {""}:
        return dict(given)
    if len(specs) != 1:
        names = ", ".join(f"'{spec.name}'" for spec in specs)
        raise InputError("the network has several inputs", hint=f"give an .npz file with {names}")
    return {specs[0].name: given[""]}


def sample_bytes(module: ModuleOp) -> int:
    """About how many bytes of memory the operation that needs most takes for one sample."""
    most = 1
    for op in main_function(module).body.block.ops:
        elements = sum(_elements(value) for value in {*op.operands, *op.results})
        most = max(most, elements + _gathered(op))
    return most * _BYTES_PER_ELEMENT


def _elements(value: SSAValue) -> int:
    """Elements of a value for one sample."""
    if isinstance(value.type, apv.ColumnsType):
        return value.type.count.data * value.type.rows.data
    if isinstance(value.type, TensorType):
        return prod(max(1, size) for size in ternary.shape_of(value)[1:]) * ternary.rows_of(value)
    return 0


def _gathered(op: Operation) -> int:
    """Elements of the windows that an operation of the ternary level gathers within itself."""
    window = getattr(getattr(op, "window", None), "data", None)
    if not isinstance(window, Window) or isinstance(op, GatherOp):
        return 0
    positions = prod(ternary.shape_of(op.results[0])[2:])
    return positions * ternary.channels_of(op.operands[0]) * window.size
