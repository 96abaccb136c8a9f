"""What `rtm.program` and `ap.program` have in common: a program for one array geometry, in segments a layer each.

The two levels differ in the text and the meaning of their code: placed statements over values at `rtm`, instructions
that are look-up-table passes over bits at `ap`. Vector i of the input is the i-th feature of the operands, counted
through all of them; vectors of the output likewise for the results. All rows run the same code; if a batch has more
samples than an array has rows, further arrays run it on theirs, fed by the same instruction stream.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from xdsl.dialects.builtin import IntAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, ParametrizedAttribute, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import NoTerminator
from xdsl.utils.exceptions import VerifyException

from dialects.apv.part import PartAttr
from dialects.machine.check import check_binary, vectors
from dialects.machine.code import Code, numbered
from dialects.machine.isa import Op
from dialects.machine.target import Geometry
from dialects.support.errors import ProgramError
from dialects.support.tensors import IntArray
from dialects.support.threads import thread_pool
from dialects.ternary import RowsTensor, rows_of, shape_of, shape_text, verify_rows


@irdl_attr_definition
class GeometryAttr(ParametrizedAttribute):
    """Rows, columns and domains of an array: `#rtm.geometry<256x256x64>`."""

    name = "rtm.geometry"
    rows: IntAttr
    columns: IntAttr
    domains: IntAttr

    @classmethod
    def of(cls, geometry: Geometry) -> GeometryAttr:
        return cls(IntAttr(geometry.rows), IntAttr(geometry.columns), IntAttr(geometry.domains))

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.rows.data, self.columns.data, self.domains.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            sizes = parser.parse_dimension_list()
            if len(sizes) != 3:
                parser.raise_error("expected rows x columns x domains, such as <256x256x64>")
        return [IntAttr(size) for size in sizes]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.geometry))

    def verify(self) -> None:
        if problem := self.geometry.problem():
            raise VerifyException(problem)


class SegmentBase(IRDLOperation, ABC):
    """The code of one layer; `layer` is the ONNX node that it comes from."""

    layer = prop_def(StringAttr)
    assembly_format = "$layer `code` $code attr-dict"

    @property
    def code(self) -> Code:
        """The segment's instructions."""
        raise NotImplementedError

    def place_of(self, number: int) -> str:
        """Where an instruction stands, for errors."""
        return numbered(number)


class ProgramBase(IRDLOperation, ABC):
    """A program over the vectors of its operands and results."""

    inputs = var_operand_def(RowsTensor)
    outputs = var_result_def(RowsTensor)
    geometry = prop_def(GeometryAttr)
    part = opt_prop_def(PartAttr)
    body = region_def("single_block")
    traits = traits_def(NoTerminator())
    assembly_format = (
        "$inputs `:` functional-type($inputs, $outputs) `geometry` $geometry "
        "(`part` $part^)? attr-dict-with-keyword $body"
    )

    SEGMENT: ClassVar[type[SegmentBase]]

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        outputs: Sequence[Attribute],
        geometry: Geometry,
        segments: Sequence[SegmentBase],
        part: PartAttr | None = None,
    ):
        super().__init__(
            operands=[inputs],
            result_types=[outputs],
            properties={"geometry": GeometryAttr.of(geometry), "part": part},
            regions=[Region(Block(segments))],
        )

    @property
    def segments(self) -> list[SegmentBase]:
        return [op for op in self.body.block.ops if isinstance(op, SegmentBase)]

    def verify_(self) -> None:
        for op in self.body.block.ops:
            if not isinstance(op, self.SEGMENT):
                raise VerifyException(f"expected only {self.SEGMENT.name} in a {self.name}, found {op.name}")
        self.prove()
        self._verify_vectors()

    def prove(self) -> None:
        """Prove that the code is legal, unless that is known; raises VerifyException."""
        subject = (self.geometry, *(segment.properties["code"] for segment in self.segments))
        if not _same(_PROVED.get(self, ()), subject):
            self._verify_code()
            _PROVED[self] = subject

    def _verify_code(self) -> None:
        self._verify_segments(loops=True)

    def _verify_segments(self, *, loops: bool) -> None:
        """Without `loops`, bit loops are known to be legal."""
        geometry = self.geometry.geometry
        for segment in self.segments:
            try:
                check_binary(segment.code.binary, geometry.columns, geometry.domains, segment.place_of, loops=loops)
            except ProgramError as error:
                raise VerifyException(f"segment {segment.layer.data}, {error}") from error

    def _verify_vectors(self) -> None:
        for value in (*self.inputs, *self.outputs):
            if len(shape_of(value)) != 2 or shape_of(value)[1] < 1:
                found = shape_text(shape_of(value))
                raise VerifyException(f"a program takes and gives tensors (batch, features), found {found}")
        verify_rows(map(rows_of, (*self.inputs, *self.outputs)))
        read, written = sum(map(features, self.inputs)), sum(map(features, self.outputs))
        taken = np.concatenate([vectors(segment.code.binary, Op.IN) for segment in self.segments] or [_NONE])
        given = np.concatenate([vectors(segment.code.binary, Op.OUT) for segment in self.segments] or [_NONE])
        if len(taken) and taken.max() >= read:
            raise VerifyException(f"input vector {taken.max()} is read, there are {read}")
        wrong = _not_once(given, written)
        if wrong is not None:
            raise VerifyException(f"each of the {written} output vectors is written once; not so vector {wrong}")


def _not_once(numbers: IntArray, count: int) -> int | None:
    """The first of the numbers 0 to `count` - 1 that isn't there once, or the first beyond them, if there is one."""
    values, times = np.unique(numbers, return_counts=True)
    gaps = np.flatnonzero(values != np.arange(len(values)))
    missing = int(gaps[0]) if len(gaps) else len(values)
    wrong = values[(times > 1) | (values >= count)][:1].tolist()
    return min([missing] * (missing < count) + wrong, default=None)


_PROVED: WeakKeyDictionary[ProgramBase, tuple[Attribute, ...]] = WeakKeyDictionary()
"""What was proved to be legal of a program: its geometry and the code of its segments, which never change."""


def _same(attributes: Sequence[Attribute], others: Sequence[Attribute]) -> bool:
    return len(attributes) == len(others) and all(one is other for one, other in zip(attributes, others, strict=True))


def prove_programs(module: ModuleOp) -> None:
    """Prove the programs of a module, several at a time; the module's verifier says what is wrong with the others."""

    def prove(program: ProgramBase) -> None:
        with suppress(VerifyException):
            program.prove()

    with thread_pool() as pool:
        for _ in pool.map(prove, [op for op in module.walk() if isinstance(op, ProgramBase)]):
            pass


_NONE: IntArray = np.zeros(0, dtype=np.int64)


def features(value: SSAValue) -> int:
    """Vectors of an operand or result."""
    return shape_of(value)[1]
