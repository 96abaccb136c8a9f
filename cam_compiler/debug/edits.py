"""Changes of a network's structure that make it smaller: cut off at the end or the begin, bypassed operations.

Each gives a changed copy, or None where it can't be done. The copies may be invalid; who takes them verifies them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import DYNAMIC_INDEX, ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from cam_compiler.debug.channels import operations
from cam_compiler.debug.restrict import MACS, prune
from cam_compiler.debug.slicing import return_only
from dialects import apv, ternary
from runtime.interpreter import input_specs, main_function


def changed(module: ModuleOp, edit: Callable[[ModuleOp], bool]) -> ModuleOp | None:
    """A copy that an edit has changed, without what it no longer needs; None where the edit gives False."""
    copy = module.clone()
    copy.attributes.pop(MACS, None)
    if not edit(copy):
        return None
    prune(copy)
    drop_inputs(copy)
    return copy


def without_outputs(module: ModuleOp, dropped: Sequence[int]) -> ModuleOp | None:
    """The network without some outputs."""
    count = len(main_function(module).function_type.outputs)
    kept = [number for number in range(count) if number not in dropped]

    def edit(copy: ModuleOp) -> bool:
        return_only(copy, *kept)
        return bool(kept)

    return changed(module, edit)


def cut_after(module: ModuleOp, number: int) -> ModuleOp | None:
    """The network that ends with an operation: its results are the outputs."""

    def edit(copy: ModuleOp) -> bool:
        function = main_function(copy)
        op = operations(copy)[number]
        results = _stored(op) if isinstance(op.parent_op(), apv.StageOp) else list(op.results)
        if not results:
            return False
        end = function.body.block.last_op
        assert end is not None
        end.operands = results
        function.res_attrs = ArrayAttr([_named(value.name_hint or "y") for value in results])
        function.update_function_type()
        return True

    return changed(module, edit)


def _stored(op: Operation) -> list[SSAValue]:
    """The results of a stage's operation as those of the stage, which ends with it."""
    stage = op.parent_op()
    if not isinstance(stage, apv.StageOp) or not op.results or not isinstance(op.results[0].type, apv.ColumnsType):
        return []
    copies = stage.ops[: stage.ops.index(op) + 1]
    new = stage.clone()
    ops = new.ops[: len(copies)]
    store = apv.StoreOp(ops[-1].results[0])
    store.result.name_hint = op.results[0].name_hint
    short = apv.StageOp([*(item for item in ops if not isinstance(item, apv.StoreOp)), store])
    short.across = stage.across
    Rewriter.insert_op(short, InsertPoint.before(stage))
    return list(short.outputs)


def cut_before(module: ModuleOp, number: int) -> ModuleOp | None:
    """The network that begins with an operation: what is made before it and needed from there on is an input."""

    def edit(copy: ModuleOp) -> bool:
        block = main_function(copy).body.block
        ops = list(block.ops)
        if number >= len(ops) - 1:
            return False
        before = set(ops[:number])
        crossing = [
            value
            for op in ops[:number]
            for value in op.results
            if any(_outermost(use.operation) not in before for use in value.uses)
        ]
        return bool(crossing) and all(_as_input(copy, value) for value in crossing)

    return changed(module, edit)


def _outermost(op: Operation) -> Operation:
    parent = op.parent_op()
    return parent if isinstance(parent, apv.StageOp) else op


def fed(module: ModuleOp, number: int) -> ModuleOp | None:
    """The network in which an operation's results are inputs."""

    def edit(copy: ModuleOp) -> bool:
        op = operations(copy)[number]
        if isinstance(op.parent_op(), apv.StageOp):
            return _loaded(copy, op)
        if isinstance(op, ternary.QuantizeOp) or op.results:
            return all(_as_input(copy, value) for value in op.results)
        return False

    return changed(module, edit)


def _loaded(copy: ModuleOp, op: Operation) -> bool:
    value = op.results[0] if op.results else None
    if value is None or isinstance(op, apv.LoadOp | apv.StoreOp) or not isinstance(value.type, apv.ColumnsType):
        return False
    kind = value.type
    if kind.rows.data != 1:
        return False
    argument = _argument(copy, ternary.int_tensor((DYNAMIC_INDEX, kind.count.data), kind.range), value.name_hint)
    load = apv.LoadOp(argument)
    load.result.name_hint = value.name_hint
    Rewriter.insert_op(load, InsertPoint.before(op))
    value.replace_all_uses_with(load.result)
    return True


def _as_input(copy: ModuleOp, value: SSAValue) -> bool:
    """Let a tensor be an input of the network; one of several rows per sample can't be."""
    if isinstance(value.type, apv.ColumnsType) or ternary.rows_of(value) > 1:
        return False
    argument = _argument(copy, value.type, value.name_hint)
    value.replace_all_uses_with(argument)
    return True


def _argument(copy: ModuleOp, kind: Attribute, name: str | None) -> SSAValue:
    function = main_function(copy)
    block = function.body.block
    names = _names(function)
    stem = name or "x"
    fresh = next(text for number in range(len(names) + 1) if (text := f"{stem}{number or ''}") not in names)
    argument = block.insert_arg(kind, len(block.args))
    argument.name_hint = name
    known = function.arg_attrs.data if function.arg_attrs else [DictionaryAttr({})] * len(names)
    function.arg_attrs = ArrayAttr([*known, _named(fresh)])
    function.update_function_type()
    return argument


def _names(function: func.FuncOp) -> list[str]:
    return [spec.name for spec in input_specs(function)]


def _named(name: str) -> DictionaryAttr:
    return DictionaryAttr({"onnx.name": StringAttr(name)})


def bypassed(module: ModuleOp, number: int, operand: int) -> ModuleOp | None:
    """The network in which an operation's only result is one of its operands, which has its type."""

    def edit(copy: ModuleOp) -> bool:
        op = operations(copy)[number]
        if len(op.results) != 1 or operand >= len(op.operands) or op.operands[operand].type != op.results[0].type:
            return False
        op.results[0].replace_all_uses_with(op.operands[operand])
        return True

    return changed(module, edit)


def drop_inputs(module: ModuleOp) -> None:
    """Remove inputs that nothing reads, but for the last one left."""
    function = main_function(module)
    block = function.body.block
    for argument in reversed(block.args):
        if not argument.uses and len(block.args) > 1:
            if function.arg_attrs:
                known = function.arg_attrs.data
                function.arg_attrs = ArrayAttr((*known[: argument.index], *known[argument.index + 1 :]))
            block.erase_arg(argument)
    function.update_function_type()
