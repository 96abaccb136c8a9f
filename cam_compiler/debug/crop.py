"""Networks on smaller images: their first rows and columns, and what is left of everything behind them."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter

from cam_compiler.debug.channels import ELEMENTWISE, all_channels, channel_count
from cam_compiler.debug.restrict import MACS, restrict, with_shape
from dialects import ternary
from dialects.support.tensors import IntArray
from runtime.interpreter import main_function

Sizes = tuple[int, int]


def crop(module: ModuleOp, number: int, down: int, across: int) -> ModuleOp | None:
    """A copy in which an input is images of so many rows and columns; None where they can't be cropped.

    Operations of the `ternary` level only.
    """
    copy = module.clone()
    copy.attributes.pop(MACS, None)
    function = main_function(copy)
    argument = function.body.block.args[number]
    if len(ternary.shape_of(argument)) != 4:
        return None
    sizes: dict[SSAValue, Sizes] = {argument: (down, across)}
    kept: dict[SSAValue, IntArray] = {}
    for op in function.body.block.ops:
        for value in [*op.operands, *op.results]:
            kept.setdefault(value, all_channels(value))
        if any(value in sizes for value in op.operands) and not _follow(op, sizes, kept):
            return None
        if op.results and op.operands and op.operands[0] not in sizes and op.operands[0] in kept:
            _carry(op, kept)
    for value, size in sizes.items():
        new = Rewriter.replace_value_with_new_type(value, with_shape(value, (*ternary.shape_of(value)[:2], *size)))
        kept[new] = kept.pop(value)
    restrict(copy, kept)
    function.update_function_type()
    return copy


def _follow(op: Operation, sizes: dict[SSAValue, Sizes], kept: dict[SSAValue, IntArray]) -> bool:
    """The size of an operation's result, or the features that are left of it; False where that can't be said."""
    size = next(sizes[value] for value in op.operands if value in sizes)
    if any(sizes.get(value) != size for value in op.operands):
        return False
    match op:
        case ternary.ConvOp() | ternary.MaxPoolOp() | ternary.SumPoolOp():
            found = op.window.data.positions(*size)
            if min(found) < 1:
                return False
            sizes[op.result] = found
        case ternary.ReshapeOp() if len(ternary.shape_of(op.result)) == 2:
            _, channels, down, across = ternary.shape_of(op.input)
            places = np.arange(channels * down * across, dtype=np.int64).reshape(channels, down, across)
            kept[op.result] = places[:, : size[0], : size[1]].ravel()
        case _ if isinstance(op, ELEMENTWISE) or op.name == "ternary.concat":
            sizes[op.results[0]] = size
        case _:
            return op.name == "func.return"
    return True


def _carry(op: Operation, kept: dict[SSAValue, IntArray]) -> None:
    """Features that are left go through what works on each by itself."""
    features = kept[op.operands[0]]
    if isinstance(op, ELEMENTWISE) and len(features) < channel_count(op.operands[0]):
        kept[op.results[0]] = features
