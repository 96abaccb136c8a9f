"""From an instruction back to what it computes: the statement, the column vector, the tensor and the ONNX node.

Names don't go through all levels, so values are recognised by what they hold on many samples, as in locate.py: the
files of a dump folder are run on the same inputs as the program. An instruction whose result no earlier level has by
itself is a step on the way to the first later one whose result an earlier level has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from xdsl.dialects.builtin import ModuleOp

from cam_compiler.compile import level_of, read_module
from cam_compiler.debug.code_cut import Effect
from cam_compiler.debug.observe import Seen, observed
from cam_compiler.pipeline import LEVELS
from cam_compiler.validation import edge_inputs
from dialects import rtm
from dialects.ap.assembly import assembly_line
from dialects.machine.code import decode
from dialects.machine.counted import CountedProgram
from dialects.machine.isa import OPCODES, Instruction
from dialects.machine.program import Program
from dialects.rtm.target import target_of
from dialects.support.errors import FileError, UsageError
from dialects.support.tensors import IntArray
from runtime.interpreter import main_function, network_of
from runtime.network import Network


@dataclass(frozen=True)
class Spot:
    """An instruction of a network."""

    call: int
    program: int
    """the program's number among the programs"""
    segment: int
    layer: str
    address: int
    item: Instruction


def spot(network: Network, text: str) -> Spot:
    """The instruction that `LAYER:ADDRESS` names, or `PROGRAM/LAYER:ADDRESS` where several programs have the layer.

    A number as the layer is that of a segment of the program. Raises UsageError where there is none.
    """
    name, _, number = text.rpartition(":")
    which, _, layer = name.rpartition("/")
    if not number.isdecimal() or not layer or (which and not which.isdecimal()):
        raise UsageError("expected LAYER:ADDRESS or PROGRAM/LAYER:ADDRESS", place=text, hint="such as fc:12 or 0/fc:12")
    calls = [(at, call.action) for at, call in enumerate(network.calls) if isinstance(call.action, Program)]
    for program, (call, action) in enumerate(calls):
        if which and int(which) != program:
            continue
        for segment, (own, code) in enumerate(action.segments):
            if layer in (own, str(segment) if which else own):
                items = decode(code)
                if int(number) >= len(items):
                    raise UsageError(f"'{own}' has {len(items)} instructions, the first is 0", place=text)
                return Spot(call, program, segment, own, int(number), items[int(number)])
    counted = [program.layer for program in network.programs if isinstance(program, CountedProgram)]
    layers = dict.fromkeys(own for _, action in calls for own, _ in action.segments)
    hint = f"layers are {', '.join(layers) or 'none'}" + (f"; {', '.join(counted)} are counted" if counted else "")
    raise UsageError("there is no such layer", place=text, hint=hint)


def trail(network: Network, at: Spot, dumps: Path | None) -> Iterator[tuple[str, str]]:
    """What is known of an instruction, level by level, each with its title."""
    yield "instruction", f"{at.address} of segment '{at.layer}', program {at.program}: {assembly_line(at.item)}"
    if dumps is None:
        yield "layer", f"'{at.layer}'; a dump folder (--dumps DIR) tells more"
        return
    files = _files(dumps)
    given = edge_inputs(next(iter(files.values())).module)
    ways = _ways(network, at, [seen for seen in observed(network, given, by_bits=True) if seen.in_code])
    for level in reversed(LEVELS[:-1]):
        if level in files:
            path, module = files[level]
            seen = list(observed(network_of(module, target_of(module)), given))
            found = _statement(module, seen, at) if level == "rtm" else _value(seen, ways)
            yield level, f"{found} ({path.name})"
    yield "ONNX node", f"'{_node(at.layer)}'"


class _Dump(NamedTuple):
    path: Path
    module: ModuleOp


def _files(dumps: Path) -> dict[str, _Dump]:
    """The last dump of each level."""
    found: dict[str, _Dump] = {}
    for path in sorted(dumps.glob("*.mlir")):
        module = read_module(path)
        found[level_of(module)] = _Dump(path, module)
    if not found:
        raise FileError("there is no dump in it", place=str(dumps), hint="camc compile --dump-ir DIR writes them")
    return found


def _node(layer: str) -> str:
    """The layer that a segment belongs to: a store's is that of what it stores."""
    return layer.removeprefix("store ")


class _Way(NamedTuple):
    """The result of an instruction, as integers with and without a sign, and of either sign."""

    at: str
    contents: frozenset[bytes]


def _ways(network: Network, at: Spot, made: Sequence[Seen]) -> list[_Way]:
    """The instruction itself, and then those that its result goes into, in their order."""
    action = network.calls[at.call].action
    assert isinstance(action, Program)
    items = [item for code in action.codes for item in decode(code)]
    here = [seen for seen in made if seen.program == at.call]
    own = next(index for index, seen in enumerate(here) if (seen.segment, seen.address) == (at.segment, at.address))
    effect = Effect.of(items[own])
    tainted = set(effect.writes)
    ways = [_way(here[own], items[own])]
    for seen, item in zip(here[own + 1 :], items[own + 1 :], strict=True):
        effect = Effect.of(item)
        if effect.reads & tainted:
            tainted |= effect.writes
            ways.append(_way(seen, item))
        else:
            tainted -= effect.fresh
    return ways


def _way(seen: Seen, item: Instruction) -> _Way:
    row: IntArray = seen.rows[0]
    width = item.width if "D" in OPCODES[item.op].operands else 1
    signed: IntArray = row - (row >> (width - 1) & 1) * (1 << width)
    both: tuple[IntArray, ...] = (row, -row, signed, -signed)
    contents = frozenset(values.tobytes() for values in both)
    return _Way(f"'{seen.layer}', {seen.what}", contents)


def _value(seen: Sequence[Seen], ways: Sequence[_Way]) -> str:
    """The channel that an instruction makes, or that it is a step on the way to."""
    for number, way in enumerate(ways):
        for value in seen:
            for channel, row in enumerate(value.rows):
                if row.tobytes() in way.contents:
                    name = (
                        f"{value.what} of layer '{value.layer}', {value.name and f'%{value.name}, '}channel {channel}"
                    )
                    return name if number == 0 else f"a step to {name}, which {way.at} makes"
    return "nothing that this level computes by itself"


def _statement(module: ModuleOp, seen: Sequence[Seen], at: Spot) -> str:
    """The statement of placed code that became an instruction: the one in its place."""
    same = [
        value for value in seen if (value.program, value.segment, value.address) == (at.call, at.segment, at.address)
    ]
    programs = [op for op in main_function(module).body.block.ops if isinstance(op, rtm.ProgramOp)]
    if not same or at.program >= len(programs):
        return "no statement stands in its place"
    segment = programs[at.program].segments[at.segment]
    assert isinstance(segment, rtm.SegmentOp)
    number, text = segment.code.line(at.address)
    return f"`{text}`, line {number} of segment '{segment.layer.data}'"
