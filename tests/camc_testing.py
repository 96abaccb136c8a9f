"""Helpers of the tests: bare machines, networks built by operation, a small network as text, random machine code."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.parser import Parser

from cam_compiler.pipeline import make_context
from dialects.machine.code import check_code
from dialects.machine.isa import (
    NO_CELL,
    OPCODES,
    ZERO,
    Cell,
    Instruction,
    Op,
    Operand,
    compared_width,
    in_loop,
    is_prefix,
)
from dialects.machine.rules import check
from dialects.machine.target import Geometry, Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray
from runtime.cost.counts import Counts
from runtime.engines.golden import Simulator


class Machine:
    """A simulator whose memory is set and read as bits (columns, domains, rows)."""

    def __init__(self, rows: int, columns: int = 8, domains: int = 16, array_rows: int = 64):
        self.simulator = Simulator(Target("test", rows=array_rows, columns=columns, domains=domains), rows)
        self.rows = rows

    @property
    def bits(self) -> np.ndarray:
        return self.simulator.bits

    @bits.setter
    def bits(self, bits: np.ndarray) -> None:
        self.simulator.bits = bits

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

TWO_PRODUCTS = """
func.func @main(%x: tensor<?x4x!ternary.int<0, 2>> {onnx.name="x"}) -> (tensor<?x3x!ternary.int<0, 2>> {onnx.name="y"}) {
  %a = ternary.matmul %x : tensor<?x4x!ternary.int<0, 2>> -> tensor<?x4x!ternary.int<-4, 6>> layer "a" weights <{
    +0+-
    ++-0
    -+-+
    +++0
  }>
  %t = ternary.threshold %a : tensor<?x4x!ternary.int<-4, 6>> -> tensor<?x4x!ternary.int<0, 3>> layer "t" thresholds <{
    up -1 1 3
    down 0 1 3
    up -2 1 2
    up 1 4 5
  }>
  %b = ternary.matmul %t : tensor<?x4x!ternary.int<0, 3>> -> tensor<?x3x!ternary.int<-6, 6>> layer "b" weights <{
    +-0+
    0++-
    -0+-
  }>
  %u = ternary.threshold %b : tensor<?x3x!ternary.int<-6, 6>> -> tensor<?x3x!ternary.int<0, 2>> layer "u" thresholds <{
    up -1 2
    down 1 3
    up -4 0
  }>
  func.return %u : tensor<?x3x!ternary.int<0, 2>>
}
"""  # noqa: E501
"""Two products with a table each, which become one program: the second product is no piece of its own."""
SMALL_TARGET = Target("test", rows=64, columns=48, domains=32)
"""Large enough for the small networks."""


# Random machine code.

WIDEST = 12
"""Bits of the places in random code."""


def random_target(rng: np.random.Generator) -> Target:
    """A small machine of any shape."""
    return Target(
        "random",
        rows=int(rng.choice([1, 8, 64, 100, 256, 1 << 20])),
        columns=int(rng.choice([4, 5, 9, 20])),
        domains=int(rng.choice([1, 3, 12, 24, 40])),
        search_cycles=int(rng.integers(1, 4)),
        write_cycles=int(rng.integers(1, 4)),
        buffer_bits_per_cycle=int(rng.choice([1, 7, 256])),
    )


def random_instruction(rng: np.random.Generator, geometry: Geometry, inputs: int, outputs: int) -> Instruction:
    """Any legal instruction, on columns that differ; `inputs` and `outputs` are numbers of vectors."""
    op = list(Op)[int(rng.integers(len(Op)))]
    width = int(rng.integers(1, min(WIDEST, geometry.domains) + 1))
    if is_prefix(op):
        return _random_prefix(rng, geometry, op)
    row = OPCODES[op]
    carry, destination, *sources = _random_columns(rng, geometry.columns, 2 if "e" in row.operands else 1)
    a, *others = (_random_operand(rng, geometry, column) for column in sources)
    b = others[0] if others else a
    if op in (Op.CMP_GE, Op.CMP_GEV, Op.OUT):
        a, b = a._replace(shift=0, width=max(a.width, 1)), b._replace(shift=0)
        width = compared_width(a, b) if op is Op.CMP_GEV else a.width
    if op is Op.SET_IF:
        a = Operand(a.column, int(rng.integers(geometry.domains)), 1)
    imm = int(rng.integers(-(1 << 31), 1 << 31)) if rng.random() < 0.2 else int(rng.integers(-(1 << 12), 1 << 12))
    if op is Op.CMP_GE:
        span = Range.of_width(width, a.signed)
        imm = int(rng.integers(span.lo, span.hi + 1))
    elif op in (Op.IN, Op.OUT):
        imm = int(rng.integers(inputs if op is Op.IN else outputs))
    swept, cell = "D" in row.operands, "d" in row.operands
    start = int(rng.integers(geometry.domains - (width if swept else 1) + 1))
    item = Instruction(
        op,
        Cell(destination, start) if swept or cell else NO_CELL,
        width,
        a if "A" in row.operands or "a" in row.operands else ZERO,
        (a if rng.random() < 0.1 else b) if "B" in row.operands else ZERO,
        imm if "I" in row.operands else 0,
        Cell(carry, int(rng.integers(geometry.domains))) if {"c", "e"} & set(row.operands) else NO_CELL,
        lean=bool(rng.random() < 0.3),
    )
    return _across(rng, geometry, item) if rng.random() < 0.4 else item


def _random_prefix(rng: np.random.Generator, geometry: Geometry, op: Op) -> Instruction:
    bits = int(rng.integers(1, min(8, geometry.columns - 1) + 1))
    width, signed = int(rng.integers(1, geometry.columns - bits + 1)), bool(rng.integers(2))
    first = int(rng.integers(geometry.columns - bits - width + 1))
    columns = (first, first + bits) if rng.integers(2) else (first + width, first)
    dst, a = (int(rng.integers(geometry.domains)) for _ in range(2))
    span = Range.of_width(width, signed)
    imm, number = int(rng.integers(span.lo, span.hi + 1)), int(rng.integers(1, 1 << bits))
    source, carry = Operand(columns[1], a, width, signed), Cell(number, bits)
    lean = bool(rng.integers(2))
    return Instruction(op, Cell(columns[0], dst), width, source, imm=imm, carry=carry, across=True, lean=lean)


def _random_columns(rng: np.random.Generator, columns: int, carries: int) -> list[int]:
    """The column of a carry, which takes so many side by side, and two or three others, as there are."""
    carry = int(rng.integers(columns - carries + 1))
    free = [column for column in range(columns) if not carry <= column < carry + carries]
    return [carry, *rng.permutation(free)[:3].tolist()]


def _across(rng: np.random.Generator, geometry: Geometry, item: Instruction) -> Instruction:
    """The instruction across columns at other places, or as it is where no free ones are found."""
    operands = OPCODES[item.op].operands
    for _ in range(8):
        columns, domains = (rng.integers(size, size=3).tolist() for size in (geometry.columns, geometry.domains))
        turned = item._replace(across=True)
        if {"D", "d"} & set(operands):
            turned = turned._replace(dst=Cell(columns[0], domains[0]))
        if item.a.width:
            turned = turned._replace(a=item.a._replace(column=columns[1], domain=domains[1]))
        if item.b.width:
            other = turned.a if item.a == item.b else item.b._replace(column=columns[2], domain=domains[2])
            turned = turned._replace(b=other)
        with suppress(ProgramError):
            check(turned, geometry.columns, geometry.domains)
            return turned
    return item


def _random_operand(rng: np.random.Generator, geometry: Geometry, column: int) -> Operand:
    if rng.random() < 0.1:
        return ZERO
    width = int(rng.integers(1, min(WIDEST, geometry.domains) + 1))
    domain = int(rng.integers(geometry.domains - width + 1))
    return Operand(column, domain, width, bool(rng.integers(2)), int(rng.choice([0, 0, 1, 2, 3, 13])))


def random_loop(rng: np.random.Generator, geometry: Geometry, inputs: int, outputs: int) -> list[Instruction]:
    """A legal bit loop of one to four members, with starts of their own."""
    members: list[Instruction] = []
    wanted = int(rng.choice([1, 1, 2, 4]))
    for _ in range(8):
        item = random_instruction(rng, geometry, inputs, outputs)
        if rng.random() < 0.5:
            item = item._replace(start=int(rng.integers(6)))
        tried = in_loop([*members, item])
        try:
            check_code(tried, geometry.columns, geometry.domains)
        except ProgramError:
            continue
        members = tried
        if len(members) == wanted:
            break
    return members


def whole_memory(geometry: Geometry, first: int) -> list[Instruction]:
    """Code that reads out every bit, into output vectors from `first` on."""
    places = [
        Operand(column, domain, min(60, geometry.domains - domain))
        for column in range(geometry.columns)
        for domain in range(0, geometry.domains, 60)
    ]
    return [Instruction(Op.OUT, NO_CELL, place.width, place, imm=first + n) for n, place in enumerate(places)]


def random_bundle(rng: np.random.Generator, geometry: Geometry, inputs: int, outputs: int) -> list[Instruction]:
    """A bit loop of up to 12 members on few values, each in a column of its own at one place.

    So members read what earlier ones wrote, write what earlier ones still read (also beyond its own last bit), chain in
    place, and share carries and flags: whatever the machine can do, whether or not a compiler should.
    """
    widest = min(WIDEST, geometry.domains)
    places = [
        Operand(column, int(rng.integers(geometry.domains - widest + 1)), widest) for column in range(geometry.columns)
    ]
    simulator = Simulator(Target("bundle", columns=geometry.columns, domains=geometry.domains), 1)
    vectors, results = np.zeros((inputs, 1), dtype=np.int64), np.zeros((outputs, 1), dtype=np.int64)
    members: list[Instruction] = []
    for _ in range(int(rng.integers(2, 13))):
        item = random_instruction(rng, geometry, inputs, outputs)
        dst = places[item.dst.column]
        tried = in_loop(
            [
                *members,
                item._replace(
                    dst=Cell(dst.column, dst.domain) if item.dst != NO_CELL else NO_CELL,
                    a=_placed(item.a, places),
                    b=_placed(item.b, places),
                    start=int(rng.choice([0, 0, 0, 1, 3])),
                ),
            ]
        )
        try:
            simulator.run("", tried, vectors, results)
        except ProgramError:
            continue
        members = tried
    return members


def _placed(operand: Operand, places: Sequence[Operand]) -> Operand:
    return operand._replace(domain=places[operand.column].domain) if operand.width else operand
