"""How much of a machine a network needs: bits of the global buffer, spare domains of the tracks, area by block."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from math import prod

import numpy as np

from dialects.machine.code import Fields
from dialects.machine.counted import CountedProgram
from dialects.machine.isa import Op
from dialects.machine.program import Program
from dialects.machine.target import Target
from runtime.cost.counts import census_of
from runtime.cost.technology import Technology
from runtime.host_actions import Concat, Gather, Quantize, Reshape, Scatter, Take, Transpose
from runtime.network import Network

_VIEWS = (Reshape, Transpose, Take, Gather, Scatter, Concat)
"""actions whose results lie in the buffer as their inputs do"""
_UM2_PER_MM2 = 1e6


def buffer_bits(network: Network) -> int:
    """Most bits of one sample that the global buffer holds at a time, where programs run in the order of the calls.

    A tensor lies there from the call that makes it to the last one that reads it; the bits of an element are those that
    programs send, or the range of the network's input. Windows and other views are read where their tensor lies.
    """
    lie_in: dict[str, frozenset[str]] = {}
    bits: dict[str, int] = {}
    last: dict[str, int] = {}
    made: dict[str, int] = {}
    shapes = {spec.name: spec for spec in network.inputs}
    for spec in network.inputs:
        if spec.span:
            lie_in[spec.name], made[spec.name] = frozenset({spec.name}), 0
            bits[spec.name] = prod(abs(size) for size in spec.shape[1:]) * spec.span.width
    for number, call in enumerate(network.calls):
        read = frozenset[str]().union(*(lie_in.get(name, frozenset()) for name in call.inputs))
        last.update(dict.fromkeys(read, number))
        if isinstance(call.action, Program):
            sizes = stored_bits(call.action)
        elif isinstance(call.action, CountedProgram):
            sizes = (call.action.stored_bits,)
        elif isinstance(call.action, Quantize) and call.inputs[0] in shapes:
            elements = prod(abs(size) for size in shapes[call.inputs[0]].shape[1:])
            sizes = (elements * call.action.result.width,)
        else:
            lie_in |= dict.fromkeys(call.outputs, read if isinstance(call.action, _VIEWS) else frozenset())
            continue
        for name, size in zip(call.outputs, sizes, strict=True):
            lie_in[name], bits[name], made[name], last[name] = frozenset({name}), size, number, number
    held = [0] * (len(network.calls) + 1)
    for name, size in bits.items():
        for number in range(made[name], last.get(name, made[name]) + 1):
            held[number] += size
    return max(held)


@lru_cache(1 << 12)
def stored_bits(program: Program) -> tuple[int, ...]:
    """Bits of each output of a program, for all rows of one sample."""
    widths = np.zeros(sum(program.outputs), dtype=np.int64)
    for code in program.codes:
        fields = Fields.unpack(code)
        sends = fields["op"] == Op.OUT
        np.maximum.at(widths, fields["imm"][sends], fields["width"][sends])
    ends = np.cumsum((0, *program.outputs))
    return tuple(int(widths[begin:end].sum()) * program.rows for begin, end in pairwise(ends.tolist()))


def spare_domains(network: Network) -> int:
    """Domains that each track needs beyond its data, into which it shifts: the port stands at the first domain."""
    target, found = network.target, [0]
    for program in network.programs:
        if isinstance(program, CountedProgram):
            found.append(program.furthest_domain)
        else:
            found.append(int(census_of(program, target.columns, target.domains).furthest.max(initial=0)))
    return max(found)


def area_mm2(
    technology: Technology, target: Target, arrays: int, streams: int, spare: int
) -> Mapping[str, float | None]:
    """Area by block, for so many arrays and controllers; None where the technology states no area."""
    nanowires = target.nanowires_per_cell * (target.domains + spare) * technology["domain_um2"]
    cells = target.rows * target.columns * (nanowires + technology["cell_um2"])
    blocks = {
        "cells": arrays * cells,
        "array periphery": arrays * technology["array_um2"],
        "controllers": streams * technology["controller_um2"],
        "buffer": technology["buffer_bytes"] * technology["buffer_um2_per_byte"],
        "instruction memory": technology["instruction_memory_bytes"] * technology["instruction_memory_um2_per_byte"],
    }
    return {name: area / _UM2_PER_MM2 if area else None for name, area in blocks.items()}


AREAS: Mapping[str, tuple[str, ...]] = {
    "cells": ("domain_um2", "cell_um2"),
    "array periphery": ("array_um2",),
    "controllers": ("controller_um2",),
    "buffer": ("buffer_bytes", "buffer_um2_per_byte"),
    "instruction memory": ("instruction_memory_bytes", "instruction_memory_um2_per_byte"),
}
"""the parameters of each block's area"""
