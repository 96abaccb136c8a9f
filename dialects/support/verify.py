"""Verification of whole modules: what every operation checks itself, and that values are made before they are used.

xDSL's own verifier doesn't look at the order of operations, and doesn't say which operation is wrong. Whatever reads or
changes a module verifies it here.
"""

from __future__ import annotations

from typing import NoReturn

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FileLineColLoc, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from dialects.support.packed import elided

_LINES, _SHOWN = 3, 12
"""Lines that are shown of a packed attribute, and of an operation."""


class OperationError(VerifyException):
    """An operation breaks a rule: the message names it, its layer and its place in a file, and shows it."""

    def __init__(self, message: str, op: Operation):
        super().__init__(f"{message}\n  in {described(op)}:\n{excerpt(op)}")
        self.message = message
        self.op = op


def described(op: Operation) -> str:
    """What an operation is called in messages: its name, its layer, and where it stands in a file."""
    words = [op.name]
    layer = op.properties.get("layer")
    if isinstance(layer, StringAttr):
        words.append(f"of layer '{layer.data}'{_folded(op, layer.data)}")
    elif op.results and op.results[0].name_hint:
        words.append(f"%{op.results[0].name_hint}")
    if isinstance(op.location, FileLineColLoc):
        words.append(f"at {op.location.filename.data}:{op.location.line.data}")
    return " ".join(words)


def _folded(op: Operation, layer: str) -> str:
    """The ONNX nodes that the module says a layer stands for (dialects/ternary/nodes.py), where they are several."""
    module = op.get_toplevel_object()
    nodes = module.attributes.get("ternary.nodes") if isinstance(module, Operation) else None
    some = nodes.data.get(layer) if isinstance(nodes, DictionaryAttr) else None
    if not isa(some, ArrayAttr[StringAttr]) or len(some) < 2:
        return ""
    return f" ({', '.join(node.data for node in some)})"


def excerpt(op: Operation) -> str:
    """The first lines of an operation as text, with the first lines of its packed attributes."""
    with elided(_LINES):
        try:
            lines = str(op).splitlines()
        except Exception:
            # What is invalid may not be printable either.
            lines = [op.name]
    more = ["..."] if len(lines) > _SHOWN else []
    return "\n".join(f"    {line}" for line in [*lines[:_SHOWN], *more])


def verify_module(module: ModuleOp) -> None:
    """Raises VerifyException where an operation is invalid or uses a value before it is made."""
    try:
        # Where it fails, xDSL prints the module for a message that isn't shown.
        with elided(_LINES):
            module.verify()
    except VerifyException as error:
        _raise_located(module, error)
    verify_order(module)


def _raise_located(module: ModuleOp, error: VerifyException) -> NoReturn:
    """The error again, with the operation that it is about."""
    for op in module.walk():
        try:
            with elided(_LINES):
                op.verify(verify_nested_ops=False)
        except VerifyException as found:
            if str(found) == str(error):
                raise OperationError(str(error), op) from error
    raise error


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
                raise OperationError(f"{name} uses {used} before it is made", op)
        made.update(op.results)


def _used(op: Operation) -> list[SSAValue]:
    """What an operation takes, and what those inside it take."""
    return [value for inner in op.walk() for value in inner.operands]
