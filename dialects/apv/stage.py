"""Stages: what works on the same rows, from its loads to its stores, as one operation with a region.

    %r = apv.stage : tensor<?x10x!ternary.int<-90, 75>> {
      %x = apv.load %q : tensor<?x64x!ternary.int<0, 15>> -> !apv.columns<64, 0, 15>
      %a = apv.linear %x : ...
      %s = apv.store %a : !apv.columns<10, -90, 75> -> tensor<?x10x!ternary.int<-90, 75>>
      apv.yield %s : tensor<?x10x!ternary.int<-90, 75>>
    }

A stage runs on arrays of its own, or after another one on the same arrays, and becomes one program. Column vectors
don't leave it: what goes on from a stage to another is stored in the global buffer and loaded again.

`apv.stage part <outputs 16 to 32 of 64>` computes some outputs of a layer; other stages of the layer compute the others
(passes/apv_split.py).

In `apv.stage across` the bits of values are to lie across columns rather than along tracks (passes/apv_across.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import IsTerminator
from xdsl.utils.exceptions import VerifyException

from dialects.apv.ops import LoadOp, StoreOp
from dialects.apv.part import PartAttr
from dialects.apv.types import ColumnsType, InStage, column_rows
from dialects.machine.program import Part
from dialects.ternary.types import RowsTensor, verify_rows


@irdl_op_definition
class YieldOp(IRDLOperation):
    """The end of a stage: what its stores give, in their order, are its results: `apv.yield %s : tensor<...>`."""

    name = "apv.yield"
    outputs = var_operand_def(RowsTensor)
    traits = traits_def(InStage(), IsTerminator())
    assembly_format = "($outputs^ `:` type($outputs))? attr-dict"

    def __init__(self, values: Sequence[SSAValue]):
        super().__init__(operands=[values])


@irdl_op_definition
class StageOp(IRDLOperation):
    """Work on the same rows, from loads of tensors that are outside of it to stores: `apv.stage : tensor<...> { }`."""

    name = "apv.stage"
    outputs = var_result_def(RowsTensor)
    body = region_def("single_block")
    across = opt_prop_def(UnitAttr)
    pairs = opt_prop_def(UnitAttr)
    """with `across`: inputs are added two at a time"""
    part = opt_prop_def(PartAttr)
    assembly_format = (
        "(`across` $across^)? (`pairs` $pairs^)? (`part` $part^)? (`:` type($outputs)^)? attr-dict-with-keyword $body"
    )

    def __init__(self, ops: Sequence[Operation], part: Part | None = None):
        """A stage of operations, which leave the block that they are in; uses outside of it take its results."""
        for op in ops:
            if op.parent:
                op.detach()
        stored = [op.result for op in ops if isinstance(op, StoreOp)]
        block = Block([*ops, YieldOp(stored)])
        super().__init__(
            result_types=[[value.type for value in stored]],
            properties={"part": PartAttr(part) if part else None},
            regions=[Region(block)],
        )
        for value, output in zip(stored, self.outputs, strict=True):
            output.name_hint = value.name_hint
            value.replace_uses_with_if(output, lambda use: use.operation.parent is not block)

    @property
    def ops(self) -> list[Operation]:
        """What the stage does, without the yield at its end."""
        return [op for op in self.body.block.ops if not isinstance(op, YieldOp)]

    @property
    def inputs(self) -> list[SSAValue]:
        """The tensors that the stage loads, one for each load in their order."""
        return [op.input for op in self.body.block.ops if isinstance(op, LoadOp)]

    @property
    def stores(self) -> list[StoreOp]:
        return [op for op in self.body.block.ops if isinstance(op, StoreOp)]

    @property
    def yielded(self) -> Sequence[SSAValue]:
        """What leaves the stage, one tensor for each of its results."""
        end = self.body.block.last_op
        return end.operands if end else ()

    def verify_(self) -> None:
        block, stored = self.body.block, [store.result for store in self.stores]
        for op in block.ops:
            if not op.has_trait(InStage):
                raise VerifyException(f"expected only operations on column vectors in a stage, found {op.name}")
            for value in op.operands:
                inside = isinstance(value.owner, Operation) and value.owner.parent is block
                if isinstance(value.type, ColumnsType) and not inside:
                    raise VerifyException(f"{op.name} takes column vectors from outside of its stage")
                if isinstance(op, LoadOp) and inside:
                    raise VerifyException("a stage loads what it stores itself; that takes two stages")
        if list(self.yielded) != stored:
            raise VerifyException(f"a stage yields what its {len(stored)} stores give, in their order")
        if [value.type for value in stored] != [value.type for value in self.outputs]:
            raise VerifyException("the results of a stage have the types of what it yields")
        columns = (value for op in block.ops for value in op.results if isinstance(value.type, ColumnsType))
        verify_rows(map(column_rows, columns))
