"""What a network holds, as numbers by layer, and how two networks differ in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from cam_compiler.debug.channels import operations
from cam_compiler.debug.observe import layer_of
from dialects import ap, apv, rtm, ternary
from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.program import Program, Segment
from dialects.machine.target import Geometry
from dialects.rtm.program import ProgramBase, features
from runtime.cost.counts import operation_counts
from runtime.network import Network

_PER_ROW = ("instructions", "search_passes", "write_passes", "shift_steps", "column_steps", "moved_bits")
"""Of the counts that follow from code, those that are shown by operation."""
_WHOLE = ("instructions", "shift_steps", "column_steps")
"""Of these, those that are shown for a whole network, beside its passes."""


class Entry(NamedTuple):
    """What is counted: of a layer, an operation of the IR or of a program, and the quantity."""

    layer: str
    what: str
    quantity: str


Inventory = Counter[Entry]


def of_module(module: ModuleOp) -> Inventory:
    """Operations, and the size of what each holds: weights, thresholds, additions, code."""
    found: Inventory = Counter()
    for op in operations(module):
        if isinstance(op, ProgramBase):
            found += _of_program(_program(op), op.geometry.geometry)
        elif isinstance(op, ap.CountedOp):
            found += _of_program(op.program, op.geometry.geometry)
        elif not isinstance(op, apv.YieldOp):
            for quantity, number in _sizes(op):
                found[Entry(layer_of(op), op.name, quantity)] += number
    return found


def of_network(network: Network) -> Inventory:
    """The programs of a compiled network."""
    found: Inventory = Counter()
    for program in network.programs:
        found += _of_program(program, network.target.geometry)
    return found


def totals(inventory: Inventory) -> Inventory:
    """The counts of code over all layers."""
    found: Inventory = Counter()
    for (_, _, quantity), number in inventory.items():
        if quantity in ("search_passes", "write_passes"):
            found[Entry("all", "programs", "passes")] += number
        if quantity in _WHOLE:
            found[Entry("all", "programs", quantity)] += number
    return found


def _program(op: ProgramBase) -> Program:
    segments = tuple(Segment(segment.layer.data, segment.code.binary) for segment in op.segments)
    return Program(segments, tuple(map(features, op.inputs)), tuple(map(features, op.outputs)), 1)


def _of_program(program: AnyProgram, geometry: Geometry) -> Inventory:
    found: Inventory = Counter()
    if isinstance(program, CountedProgram):
        found[Entry(program.layer, "counted", "bytes")] += sum(map(len, program.codes))
        return found
    by_segment = operation_counts(program, geometry.columns, geometry.domains)
    for segment, by_operation in zip(program.segments, by_segment, strict=True):
        for operation, counts in by_operation.items():
            for quantity in _PER_ROW:
                if number := getattr(counts, quantity):
                    found[Entry(segment.layer, operation, quantity)] += number
    return found


def _sizes(op: Operation) -> Iterator[tuple[str, int]]:
    yield "operations", 1
    match op:
        case ternary.MatmulOp() | ternary.ConvOp() | apv.LinearOp():
            yield "weights", int(np.count_nonzero(op.weights.data.array))
        case ternary.ThresholdOp() | apv.ThresholdOp() | ternary.QuantizeOp():
            yield "thresholds", op.thresholds.data.array.size
        case apv.SumOp():
            yield "additions", len(op.graph.data.node_table)
        case rtm.CountedOp():
            yield "columns", sum(ternary.channels_of(value) for value in op.operands)
        case _:
            pass


class Change(NamedTuple):
    """An operation that two modules both have and that isn't the same: its first line that differs."""

    layer: str
    what: str
    before: str
    after: str


def changes(before: ModuleOp, after: ModuleOp) -> Iterator[Change]:
    """The operations of two modules that have a counterpart and differ; those of a name in a layer in their order."""
    ones, others = _by_name(before), _by_name(after)
    for key, items in ones.items():
        for one, other in zip(items, others.get(key, ()), strict=False):
            if one != other:
                pairs = zip([*one, ""], [*other, ""], strict=False)
                first = next(((a, b) for a, b in pairs if a != b), ("", ""))
                yield Change(*key, *(line.strip() for line in first))


def _by_name(module: ModuleOp) -> dict[tuple[str, str], list[list[str]]]:
    found: dict[tuple[str, str], list[list[str]]] = {}
    for op in operations(module):
        parts: list[Operation] = list(op.segments) if isinstance(op, ProgramBase) else [op]
        for part in parts:
            if not isinstance(part, apv.StageOp | apv.YieldOp):
                # Values have other names in another module, which is no change of an operation.
                lines = str(part).partition(" = ")[2] if part.results else str(part)
                found.setdefault((layer_of(part), part.name), []).append(lines.splitlines())
    return found
