"""The meaning of placed code (`rtm`): statements on whole values in a memory of columns and domains.

A read takes the bits of a place as one integer, a write replaces them; no look-up table is involved. It is the
reference that the bit-level simulator is compared with, and it moves nothing, so it counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dialects.machine.isa import Cell, Instruction, Op, Operand, cell_after
from dialects.machine.target import Geometry
from dialects.support.tensors import IntArray


class PlacedMachine:
    """A memory of `samples` rows that executes placed statements one after another."""

    def __init__(self, geometry: Geometry, samples: int):
        self.bits: NDArray[np.uint8] = np.zeros((geometry.columns, geometry.domains, samples), dtype=np.uint8)

    def run(self, statements: Iterable[Instruction], inputs: IntArray, outputs: IntArray) -> None:
        """Execute statements on rows of `inputs` (vectors, samples), writing rows of `outputs`."""
        for item in statements:
            match item.op:
                case Op.OUT:
                    outputs[item.imm] = self.read(item.a, item.across)
                case Op.SET_IF:
                    flag = self.read(item.a).astype(bool)
                    before = self.read(Operand(*item.dst, item.width), item.across)
                    self.write(item.dst, item.width, np.where(flag, item.imm, before), item.across)
                case Op.SET_GT | Op.SET_LT:
                    number, bits = item.carry
                    value, before = self.read(item.a, item.across), self.read(Operand(*item.dst, bits), item.across)
                    reached = value > item.imm if item.op is Op.SET_GT else value < item.imm
                    self.write(item.dst, bits, np.where(reached & (before == 0), number, before), item.across)
                case Op.CMP_GE:
                    self.write(item.dst, 1, (self.read(item.a, item.across) >= item.imm).astype(np.int64))
                case Op.CMP_GEV:
                    reached = self.read(item.a, item.across) >= self.read(item.b, item.across)
                    self.write(item.dst, 1, reached.astype(np.int64))
                case Op.COPY_IF:
                    flag = self.read(Operand(*item.carry, 1)).astype(bool)
                    before = self.read(Operand(*item.dst, item.width), item.across)
                    value = np.where(flag, self.read(item.a, item.across), before)
                    self.write(item.dst, item.width, value, item.across)
                case _:
                    self.write(item.dst, item.width, self._result(item, inputs), item.across)

    def _result(self, item: Instruction, inputs: IntArray) -> IntArray:
        match item.op:
            case Op.IN:
                return inputs[item.imm]
            case Op.SET:
                return np.zeros(self.bits.shape[2], dtype=np.int64) + item.imm
            case Op.COPY:
                return self.read(item.a, item.across)
            case Op.EXT:
                return self.read(Operand(*item.dst, 1, signed=True))
            case Op.ADD:
                return self.read(item.a, item.across) + self.read(item.b, item.across)
            case Op.SUB:
                return self.read(item.a, item.across) - self.read(item.b, item.across)
            case Op.ADD_ADD | Op.SUB_SUB | Op.ADD_SUB:
                before = self.read(Operand(*item.dst, item.width), item.across)
                a, b = self.read(item.a, item.across), self.read(item.b, item.across)
                return before + (-a if item.op is Op.SUB_SUB else a) + (b if item.op is Op.ADD_ADD else -b)
            case Op.ADD_IP:
                return self.read(Operand(*item.dst, item.width), item.across) + self.read(item.a, item.across)
            case Op.SUB_IP:
                return self.read(Operand(*item.dst, item.width), item.across) - self.read(item.a, item.across)
            case _:
                raise AssertionError(f"{item.op.name} writes no value")

    def read(self, place: Operand, across: bool = False) -> IntArray:
        """The integers in a place, shifted as the operand says."""
        value = np.zeros(self.bits.shape[2], dtype=np.int64)
        for index in range(place.width):
            cell = cell_after(Cell(place.column, place.domain), index, across)
            bit = self.bits[cell].astype(np.int64) << index
            value += -bit if place.signed and index == place.width - 1 else bit
        return value << place.shift

    def write(self, cell: Cell, width: int, value: IntArray, across: bool = False) -> None:
        """Replace a place's bits by the low bits of the integers."""
        for index in range(width):
            self.bits[cell_after(cell, index, across)] = (value >> index & 1).astype(np.uint8)
