"""Helpers of the tests: bare machines, networks built by operation, and a small network as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.parser import Parser

from cam_compiler.pipeline import make_context
from dialects.isa import Instruction
from dialects.target import Target
from dialects.tensors import IntArray
from runtime.counts import Counts
from runtime.simulator import Simulator


class Machine:
    """A simulator whose memory is set and read as bits (columns, domains, rows)."""

    def __init__(self, rows: int, columns: int = 8, domains: int = 16, array_rows: int = 64):
        self.simulator = Simulator(Target("test", rows=array_rows, columns=columns, domains=domains), rows)
        self.rows = rows

    @property
    def bits(self) -> np.ndarray:
        flat = np.unpackbits(self.simulator.planes.view(np.uint8), axis=-1, bitorder="little")
        return flat[..., : self.rows]

    @bits.setter
    def bits(self, bits: np.ndarray) -> None:
        columns, domains, _ = self.simulator.planes.shape
        padded = np.zeros((columns, domains, self.simulator.planes.shape[2] * 64), dtype=np.uint8)
        padded[..., : self.rows] = bits
        self.simulator.planes[:] = np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)

    def run(
        self, code: Sequence[Instruction], inputs: IntArray | None = None, outputs: IntArray | None = None
    ) -> Counts:
        nothing = np.zeros((0, self.rows), dtype=np.int64)
        return self.simulator.run(
            "test", code, nothing if inputs is None else inputs, nothing if outputs is None else outputs
        )


def bits_of(values: IntArray, width: int) -> np.ndarray:
    """Bits (width, rows) of integers (rows,), least significant first."""
    return (values >> np.arange(width)[:, None] & 1).astype(np.uint8)


def value_of(bits: np.ndarray, signed: bool = False) -> IntArray:
    """Integers (rows,) of bits (width, rows)."""
    weights = np.int64(1) << np.arange(len(bits), dtype=np.int64)
    if signed:
        weights[-1] = -weights[-1]
    return weights @ bits.astype(np.int64)


class Network:
    """Builds a module with one function by appending operations."""

    def __init__(self, inputs: dict[str, Attribute]):
        self.block = Block(arg_types=list(inputs.values()))
        self.names = list(inputs)

    @property
    def args(self) -> Sequence[SSAValue]:
        return self.block.args

    def add(self, op: Operation) -> SSAValue:
        self.block.add_op(op)
        return op.results[0]

    def finish(self, outputs: dict[str, SSAValue]) -> ModuleOp:
        self.block.add_op(func.ReturnOp(*outputs.values()))
        kind = FunctionType.from_lists(
            [arg.type for arg in self.block.args], [value.type for value in outputs.values()]
        )
        function = func.FuncOp(
            "main", kind, Region(self.block), arg_attrs=_named(self.names), res_attrs=_named(list(outputs))
        )
        module = ModuleOp([function])
        module.verify()
        return module


def _named(names: list[str]) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr([DictionaryAttr({"onnx.name": StringAttr(name)}) for name in names])


def parse_module(text: str) -> ModuleOp:
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module


SMALL_NETWORK = """
func.func @main(%x: tensor<?x1x3xf32> {onnx.name="x"}) -> (tensor<?x2xf32> {onnx.name="y"}) {
  %q = ternary.quantize %x : tensor<?x1x3xf32> -> tensor<?x1x3x!ternary.int<0, 2>> layer "q" thresholds <{
    up 0.25 0.75
  }>
  %r = ternary.reshape %q : tensor<?x1x3x!ternary.int<0, 2>> -> tensor<?x3x!ternary.int<0, 2>>
  %a = ternary.matmul %r : tensor<?x3x!ternary.int<0, 2>> -> tensor<?x2x!ternary.int<-2, 4>> layer "fc" weights <{
    +0-
    0++
  }>
  %t = ternary.threshold %a : tensor<?x2x!ternary.int<-2, 4>> -> tensor<?x2x!ternary.int<-1, 1>> layer "act" thresholds <{
    up -1 1
    down 1 3
  }>
  %y = ternary.dequantize %t {scale = array<f64: 0.5, 1.5>, offset = array<f64: 0.0>} : tensor<?x2x!ternary.int<-1, 1>> -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
"""  # noqa: E501
"""A network with every operation of the ternary dialect, in which every weight and threshold matters."""
