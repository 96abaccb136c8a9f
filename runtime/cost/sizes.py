"""How much of a machine a network needs: bits of the global buffer, spare domains of the tracks, area by block."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import NamedTuple

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


class Tensor(NamedTuple):
    """What lies in the global buffer between programs."""

    bits: int
    """of one sample"""
    made: int
    """the number of the call that makes it; -1 for an input of the network"""
    read: tuple[int, ...]
    """numbers of the calls that read it"""


def tensors_of(network: Network) -> list[Tensor]:
    """The tensors of a network that lie in the buffer.

    The bits of an element are those that programs send, or the range of the network's input. Windows and other views
    are read where their tensor lies.
    """
    lie_in: dict[str, frozenset[str]] = {}
    bits: dict[str, int] = {}
    made: dict[str, int] = {}
    read_by: dict[str, list[int]] = {}
    shapes = {spec.name: spec for spec in network.inputs}
    for spec in network.inputs:
        if spec.span:
            lie_in[spec.name], made[spec.name] = frozenset({spec.name}), -1
            bits[spec.name] = prod(abs(size) for size in spec.shape[1:]) * spec.span.width
    for number, call in enumerate(network.calls):
        read = frozenset[str]().union(*(lie_in.get(name, frozenset()) for name in call.inputs))
        for name in read:
            read_by.setdefault(name, []).append(number)
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
            lie_in[name], bits[name], made[name] = frozenset({name}), size, number
    return [Tensor(size, made[name], tuple(read_by.get(name, ()))) for name, size in bits.items()]


def buffer_bits(network: Network) -> int:
    """Most bits of one sample that the global buffer holds at a time, where programs run in the order of the calls.

    A tensor lies there from the call that makes it to the last one that reads it.
    """
    held = [0] * (len(network.calls) + 1)
    for tensor in tensors_of(network):
        for number in range(max(0, tensor.made), max((tensor.made, 0, *tensor.read)) + 1):
            held[number] += tensor.bits
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
