"""What a module's verifier doesn't look at in text that people edit: the order of operations, and rows that fit.

Rows are samples, or positions of samples from a gather to a scatter; all values of an operation have as many.
"""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from dialects import ternary
from dialects.apv.spatial import GatherOp, ScatterOp
from dialects.support.errors import InputError


def check_dataflow(module: ModuleOp, place: str) -> None:
    """Raises InputError where a value is used before it is made, or where values of different rows meet."""
    for op in module.walk():
        for region in op.regions:
            for block in region.blocks:
                _check_order(block, place)
                rows_of(block, place)


def _check_order(block: Block, place: str) -> None:
    made: set[SSAValue] = set()
    for op in block.ops:
        for operand in op.operands:
            if not isinstance(operand, BlockArgument) and operand.owner.parent is block and operand not in made:
                raise InputError(f"{_named(op)} uses {_value(operand)} before it is made", place=place)
        made.update(op.results)


def rows_of(block: Block, place: str) -> dict[SSAValue, int]:
    """Rows a sample of every value in a block; raises InputError where those of an operation differ."""
    rows: dict[SSAValue, int] = {}
    for op in block.ops:
        taken = {rows.get(operand, 1) for operand in op.operands}
        if len(taken) > 1:
            several = " and ".join(map(str, sorted(taken)))
            raise InputError(f"{_named(op)} takes values of {several} rows a sample", place=place)
        count = next(iter(taken), 1)
        if isinstance(op, GatherOp):
            count *= prod(op.window.data.positions(*ternary.shape_of(op.input)[2:]))
        elif isinstance(op, ScatterOp):
            positions = prod(ternary.shape_of(op.result)[2:])
            if count != positions:
                raise InputError(
                    f"{_named(op)} makes images of {positions} positions from {count} rows a sample",
                    place=place,
                    hint="the window of the gather before it decides about the rows",
                )
            count = 1
        rows.update(dict.fromkeys(op.results, count))
    return rows


def _named(op: Operation) -> str:
    return f"{op.name} {_value(op.results[0])}" if op.results else op.name


def _value(value: SSAValue) -> str:
    return f"%{value.name_hint}" if value.name_hint else "a value"
