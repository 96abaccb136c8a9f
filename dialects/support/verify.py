"""Verification of whole modules: what every operation checks itself, and that values are made before they are used.

xDSL's own verifier doesn't look at the order of operations. Whatever reads or changes a module verifies it here.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException


def verify_module(module: ModuleOp) -> None:
    """Raises VerifyException where an operation is invalid or uses a value before it is made."""
    module.verify()
    verify_order(module)


def verify_order(module: ModuleOp) -> None:
    """Raises VerifyException where an operation uses a value that a later one of its block makes."""
    for op in module.walk():
        for region in op.regions:
            for block in region.blocks:
                _verify_block(block)


def _verify_block(block: Block) -> None:
    made: set[SSAValue] = set()
    for op in block.ops:
        for value in _used(op):
            if isinstance(value.owner, Operation) and value.owner.parent is block and value not in made:
                name = f"{op.name} %{op.results[0].name_hint}" if op.results and op.results[0].name_hint else op.name
                used = f"%{value.name_hint}" if value.name_hint else "a value"
                raise VerifyException(f"{name} uses {used} before it is made")
        made.update(op.results)


def _used(op: Operation) -> list[SSAValue]:
    """What an operation takes, and what those inside it take."""
    return [value for inner in op.walk() for value in inner.operands]
