"""Which pass of a pipeline computes something else: on which input, in which layer, and where inside of it.

The network is compared with the golden one as `camc verify` does: its outputs and what it stores between layers, and
piece by piece on inputs that bring every threshold to its steps. Where the outputs tell already, the first pass is
named behind which they do. The pieces take long at the levels between, so there the guilty pass is found by halving.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from cam_compiler.compile import level_of
from cam_compiler.debug.locate import Place, locate
from cam_compiler.debug.observe import layer_of
from cam_compiler.execution import of_module
from cam_compiler.pipeline import LEVELS, run_passes
from cam_compiler.runner import write_reproducer
from cam_compiler.validation import DifferenceError
from cam_compiler.verification.against import Golden, spec_of
from cam_compiler.verification.instructions import TableError
from cam_compiler.verification.pieces import part_of, stem
from dialects.ap.assembly import assembly_line
from dialects.machine.code import decode
from dialects.machine.isa import OPCODES, Instruction, Op
from dialects.machine.program import Program
from dialects.machine.target import Target
from dialects.rtm.target import target_of
from dialects.support.errors import CamcError
from runtime.interpreter import main_function, network_of, output_specs, value_names
from runtime.network import Network
from runtime.values import Value


@dataclass(frozen=True)
class Guilty:
    """The first pass after which something else is computed."""

    number: int
    """counted from 1; 0 for the network as it is read"""
    passes: int
    name: str
    """the pass with its options"""
    error: DifferenceError
    layer: str
    """the ONNX node that the first wrong value belongs to"""
    place: Place | None
    before: ModuleOp
    """the network before that pass"""

    def lines(self) -> Iterator[tuple[str, str]]:
        """What there is to say, each with its title."""
        first = self.error.first
        sample, *index = first.index or (0,)
        yield "pass", f"{self.number} of {self.passes}, {self.name}" if self.number else "none: the file itself differs"
        yield "layer", self.layer or "unknown"
        if first.index:
            what = "tensor" if first.name not in _output_names(self.before) else "output"
            yield what, f"'{first.name}'"
            yield "first at", f"sample {sample}, {index}: expected {first.expected}, found {first.found}"
        else:
            yield "difference", str(first)
        if self.place:
            yield "made by", str(self.place)
        kind = "given tensor" if self.error.piece else "input"
        for name, value in self.error.given.items():
            yield kind, f"'{stem(name)}' sample {sample}: {_short(value, sample)}"


@dataclass(frozen=True)
class WrongTable:
    """A row of the instruction table whose passes do something else than the instruction means."""

    error: TableError
    layer: str
    address: int
    instruction: str

    def lines(self) -> Iterator[tuple[str, str]]:
        """What there is to say, each with its title."""
        row = OPCODES[self.error.item.op]
        yield "instruction table", f"row {row.mnemonic} ({row.meaning}), of dialects/machine/isa.py"
        yield "layer", self.layer
        yield "first at", f"instruction {self.address}, `{self.instruction}`"
        yield "found", self.error.message


@dataclass(frozen=True)
class _Stage:
    """A pass that changed the network, which is compared with the golden one behind it."""

    number: int
    item: ModulePass | None
    """None for the network as it is read"""
    before: ModuleOp
    after: ModuleOp

    @property
    def name(self) -> str:
        return str(self.item.spec()) if self.item else ""


def bisect(
    module: ModuleOp,
    passes: Sequence[ModulePass],
    target: Target,
    given: Mapping[str, Value],
    golden: ModuleOp | None = None,
    engine: str = "native",
) -> Guilty | WrongTable | None:
    """Run passes on a module in place; None where what they end with is the network that they began with.

    `golden` is another network that it is compared with; else it is the module before the first pass.
    """
    first = (golden or module).clone()
    against = Golden("golden", of_module(first, target, engine, trace=False), given, [first])
    stages = [_Stage(0, None, first, module.clone())] if golden else []
    run_passes(module, (), target)
    for number, item in enumerate(passes, start=1):
        before = module.clone()
        run_passes(module, (item,), target_of(module))
        if not module.is_structurally_equivalent(before):
            stages.append(_Stage(number, item, before, module.clone()))
    for stage, error in _first_wrong(stages, _Check(against, target, engine)):
        if isinstance(error, TableError):
            return _wrong_table(error, network_of(stage.after, target))
        place = _inside(error, stage.before, stage.after, target)
        layer = (place.layer if place else "") or layer_behind(first, error.first.name)
        return Guilty(stage.number, len(passes), stage.name, error, layer, place, stage.before)
    return None


@dataclass(frozen=True)
class _Check:
    """Compares stages with the golden network."""

    golden: Golden
    target: Target
    engine: str

    def error(self, stage: _Stage, *, by_pieces: bool) -> DifferenceError | TableError | None:
        """What is wrong behind a stage; without pieces, on the samples only."""
        executor = of_module(stage.after, self.target, self.engine, trace=False)
        try:
            self.golden.compare(executor, stage.name or "the network", by_pieces=by_pieces)
        except (DifferenceError, TableError) as error:
            return error
        return None

    def trust(self, stage: _Stage) -> None:
        """Later levels may store what has come into being by this pass, which is known to be right."""
        if _stems(stage.after) - set[str]().union(*map(_stems, self.golden.forms)):
            self.golden.forms = [*self.golden.forms, stage.after]


def _first_wrong(stages: Sequence[_Stage], check: _Check) -> Iterator[tuple[_Stage, DifferenceError | TableError]]:
    """The first stage behind which something is wrong, if there is one."""
    if stages and check.error(stages[-1], by_pieces=False):
        yield from ((stage, error) for stage in stages if (error := check.error(stage, by_pieces=False)))
    above = [stage for stage in stages if level_of(stage.after) == LEVELS[0]]
    for stage in above:
        if error := check.error(stage, by_pieces=True):
            yield stage, error
        check.trust(stage)
    below = stages[len(above) :]
    wrong = check.error(below[-1], by_pieces=True) if below else None
    if not wrong:
        return
    low, high = 0, len(below) - 1
    while low < high:
        middle = (low + high) // 2
        if error := check.error(below[middle], by_pieces=True):
            high, wrong = middle, error
        else:
            low = middle + 1
    yield below[high], wrong


def _stems(module: ModuleOp) -> set[str]:
    return {stem(name) for name in value_names(main_function(module)).values()}


def reproduce(guilty: Guilty, path: Path) -> None:
    """Write the network before the guilty pass, with that pass in the first line."""
    write_reproducer(path, guilty.name, guilty.before)


def _inside(error: DifferenceError, before: ModuleOp, after: ModuleOp, target: Target) -> Place | None:
    """The first other value inside of the network, or of its piece that differs."""
    one, other = network_of(before, target), network_of(after, target)
    sample = error.first.index[0] if error.first.index else 0
    if not error.piece:
        return locate(one, other, error.given, sample)
    cut = [_cut(module, network, error) for module, network in ((before, one), (after, other))]
    if None in cut:
        return None
    (one, given), (other, renamed) = (found for found in cut if found)
    # Both are fed with the same tensors, under names of their own.
    return locate(one, _renamed(other, dict(zip(renamed, given, strict=True))), given, sample)


def _cut(module: ModuleOp, network: Network, error: DifferenceError) -> tuple[Network, dict[str, Value]] | None:
    """The part of a network that makes a tensor from others, and what it is given; None where it stores no such."""
    values = {name: value for value, name in value_names(main_function(module)).items()}
    by_stem = {stem(name): name for name in values}
    inputs = {spec.name: spec for spec in network.inputs}
    given: dict[str, Value] = {}
    for name, value in error.given.items():
        own = by_stem.get(stem(name))
        spec = inputs.get(name) or (own and spec_of(own, values[own]))
        if not spec:
            return None
        given[spec.name], inputs[spec.name] = value, spec
    wanted = by_stem.get(error.first.name)
    if wanted is None:
        return None
    return part_of(network, [inputs[name] for name in given], [wanted]), given


def _renamed(network: Network, names: Mapping[str, str]) -> Network:
    """The network with other names of its inputs."""
    inputs = tuple(replace(spec, name=names[spec.name]) for spec in network.inputs)
    calls = tuple(replace(call, inputs=tuple(names.get(name, name) for name in call.inputs)) for call in network.calls)
    return replace(network, inputs=inputs, calls=calls)


def layer_behind(module: ModuleOp, name: str) -> str:
    """The ONNX node that a tensor or output of a network is from: its operation's, or that of the nearest before."""
    function = main_function(module)
    names = _output_names(module)
    value = next((value for value, own in value_names(function).items() if stem(own) == name), None)
    if name in names:
        end = function.body.block.last_op
        value = end.operands[names.index(name)] if end else None
    while value is not None and isinstance(value.owner, Operation):
        if layer := layer_of(value.owner):
            return layer
        value = value.owner.operands[0] if value.owner.operands else None
    return ""


def _output_names(module: ModuleOp) -> list[str]:
    return [spec.name for spec in output_specs(main_function(module))]


def _short(value: Value, sample: int, most: int = 16) -> str:
    numbers: list[float] = value[sample].ravel().tolist() if value.ndim else []
    more = f", ... ({len(numbers):,} values)" if len(numbers) > most else ""
    return f"[{', '.join(map(str, numbers[:most]))}{more}]"


def _wrong_table(error: TableError, network: Network) -> WrongTable:
    """The first instruction of the kind that showed it."""
    for program in network.programs:
        for segment in program.segments if isinstance(program, Program) else ():
            for address, item in enumerate(decode(segment.code)):
                if _same_kind(item, error.item):
                    return WrongTable(error, segment.layer, address, assembly_line(item))
    raise CamcError(error.message, place=error.place, hint=error.hint)


def _same_kind(item: Instruction, other: Instruction) -> bool:
    kinds = (
        (each.op, each.width, each.across, each.lean, *each.a[2:], *each.b[2:], each.op in (Op.IN, Op.OUT) or each.imm)
        for each in (item, other)
    )
    return len(set(kinds)) == 1
