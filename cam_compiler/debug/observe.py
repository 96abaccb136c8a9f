"""Everything that a network computes on some inputs: not only what it stores, but each value inside its stages.

A value is seen as rows of integers, one for each of its channels, with an entry for each row of the array: of images
these are the positions of all samples. So a value looks the same at every level, wherever it lies.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from dialects import apv, rtm, ternary
from dialects.ap.assembly import assembly_line
from dialects.machine.code import decode
from dialects.machine.isa import OPCODES, Instruction, Op, Operand
from dialects.machine.program import Program
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.support.errors import PipelineError
from dialects.support.tensors import IntArray
from dialects.support.window import Rows
from runtime.host_actions import Action
from runtime.network import Network, check_inputs
from runtime.placed_machine import PlacedMachine
from runtime.upper_levels import Evaluate, stage_values
from runtime.values import AnyValue, Value, array, ints, narrow


@dataclass(frozen=True)
class Seen:
    """A value as it was made."""

    layer: str
    """the ONNX node; empty where nothing says it"""
    what: str
    """the operation, or the statement or instruction with its number"""
    rows: IntArray
    """(channels, rows)"""
    program: int = -1
    """the number of the program among the network's calls; -1 for a value outside of code"""
    segment: int = -1
    """the number of the segment in its program"""
    address: int = -1
    """the number of the instruction in its segment"""
    name: str = ""
    """the value's name in its module"""

    @property
    def in_code(self) -> bool:
        """It is made by one statement or instruction."""
        return self.program >= 0


@dataclass(frozen=True)
class _Piece:
    """A segment of a program: its layer, its instructions, and the values that they make where these are known."""

    layer: str
    instructions: Sequence[Instruction]
    placed: PlacedCode | None = None


def observed(network: Network, given: Mapping[str, Value], *, by_bits: bool = False) -> Iterator[Seen]:
    """The values that a network computes, in their order; raises PipelineError for counted programs.

    A statement of placed code makes a value; with `by_bits` it makes the bits that its instruction writes, without a
    sign, as a program does that knows no values.
    """
    values: dict[str, AnyValue] = {**check_inputs(network.inputs, given)}
    for number, call in enumerate(network.calls):
        taken = [values[name] for name in call.inputs]
        action = call.action
        if isinstance(action, Program):
            pieces = [_Piece(segment.layer, decode(segment.code)) for segment in action.segments]
            results = yield from _ran(number, pieces, taken, action.outputs, network.target.geometry, by_bits)
        elif isinstance(action, Evaluate) and isinstance(action.op, rtm.ProgramOp):
            pieces = [_placed(segment) for segment in action.op.segments]
            counts = [ternary.shape_of(value)[1] for value in action.op.outputs]
            results = yield from _ran(number, pieces, taken, counts, action.op.geometry.geometry, by_bits)
        elif isinstance(action, Evaluate) and isinstance(action.op, apv.StageOp):
            results = yield from _stage(action.op, taken)
        elif isinstance(action, Action):
            results = action.results(*taken)
            if isinstance(action, Evaluate):
                yield from _graphless(action.op, results[0])
        else:
            raise PipelineError("counted programs hold no values", hint="use the code that apv-count begins with")
        values.update(zip(call.outputs, results, strict=True))


def as_rows(value: AnyValue) -> IntArray:
    """A tensor (samples, channels, ...) as (channels, rows)."""
    whole = ints(value)
    return np.moveaxis(whole, 1, 0).reshape(whole.shape[1], -1) if whole.ndim > 1 else whole.reshape(1, -1)


def layer_of(op: Operation) -> str:
    """The ONNX node that an operation says it is from; empty if it says none."""
    layer = op.properties.get("layer")
    return layer.data if isinstance(layer, StringAttr) else ""


def _placed(segment: Operation) -> _Piece:
    assert isinstance(segment, rtm.SegmentOp)
    return _Piece(segment.layer.data, segment.code.instructions, segment.code)


def _graphless(op: Operation, value: AnyValue) -> Iterator[Seen]:
    if array(value).dtype.kind == "i":
        yield Seen(layer_of(op), op.name, as_rows(value), name=op.results[0].name_hint or "")


def _stage(stage: apv.StageOp, taken: Sequence[AnyValue]) -> Generator[Seen, None, Sequence[AnyValue]]:
    """Gives the stage's results, after all that is made in it."""
    stored: dict[object, AnyValue] = {}
    for op, value in stage_values(stage, taken):
        if isinstance(op, apv.StoreOp):
            stored[op.result] = value
        elif not isinstance(op, apv.LoadOp):
            yield Seen(layer_of(op), op.name, ints(value), name=op.results[0].name_hint or "")
    return [stored[value] for value in stage.yielded]


def _ran(
    number: int,
    pieces: Sequence[_Piece],
    taken: Sequence[AnyValue],
    counts: Sequence[int],
    geometry: Geometry,
    by_bits: bool,
) -> Generator[Seen, None, Sequence[AnyValue]]:
    """Gives the program's outputs, after what each of its instructions makes."""
    vectors: IntArray = np.concatenate([array(cast(Rows, value)) for value in taken], axis=1).T.astype(np.int64)
    outputs = np.zeros((sum(counts), vectors.shape[1]), dtype=np.int64)
    machine = PlacedMachine(geometry, vectors.shape[1])
    for segment, piece in enumerate(pieces):
        places = {} if by_bits else _values(piece.placed)
        names = piece.placed.names_array[:, 0].tolist() if piece.placed else [-1] * len(piece.instructions)
        for address, (item, name) in enumerate(zip(piece.instructions, names, strict=True)):
            machine.run([item], vectors, outputs)
            if item.op is Op.OUT:
                rows = outputs[item.imm]
            else:
                place, across = places.get(name) or _written(item)
                rows = machine.read(place, across)
            what = f"statement {address}" if piece.placed else f"instruction {address}, `{assembly_line(item)}`"
            value = f"%{name}" if name >= 0 else ""
            yield Seen(piece.layer, what, rows[None], number, segment, address, value)
    return [narrow(part) for part in np.split(outputs.T, np.cumsum(counts)[:-1], axis=1)]


def _values(code: PlacedCode | None) -> dict[int, tuple[Operand, bool]]:
    """Where the values of placed code lie, and whether across columns."""
    rows: list[list[int]] = code.values_array.tolist() if code else []
    return {
        number: (Operand(column, domain, width, bool(signed)), bool(across))
        for number, column, domain, width, signed, across in rows
    }


def _written(item: Instruction) -> tuple[Operand, bool]:
    """The place that an instruction writes, without a sign."""
    width = item.width if "D" in OPCODES[item.op].operands else 1
    return Operand(*item.dst, width), item.across
