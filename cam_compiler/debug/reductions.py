"""How modules are made smaller: every kind of candidate that `camc reduce` tries, the largest steps first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import DiagnosticException, ParseError

from cam_compiler.debug.channels import Channels, operations
from cam_compiler.debug.code_cut import Step, simplify_program, steps_of
from cam_compiler.debug.crop import crop
from cam_compiler.debug.edits import bypassed, changed, cut_after, cut_before, fed, without_outputs
from cam_compiler.debug.narrow import (
    equalised,
    narrowed_input,
    nonzero,
    products,
    shortened,
    span_of,
    table_of,
    tables,
    zeroed,
)
from cam_compiler.debug.restrict import restrict
from cam_compiler.debug.search import Reduction, Search, Size
from cam_compiler.ir_text import parse_module
from cam_compiler.pipeline import make_context
from cam_compiler.runner import text_of
from dialects import apv, ternary
from dialects.rtm.program import ProgramBase
from dialects.support.errors import CamcError
from dialects.support.ranges import Range
from dialects.support.verify import verify_module
from runtime.interpreter import input_specs, main_function, output_specs


def measure(module: ModuleOp) -> tuple[Size, bytes]:
    """Lines of a module's text, elements of a sample of all its values, characters; and the text."""
    text = text_of(module)
    return (text.count("\n") + 1, _elements(module), len(text)), text.encode()


def _elements(module: ModuleOp) -> int:
    function = main_function(module)
    values = [*function.body.block.args, *(value for op in operations(module) for value in op.results)]
    return sum(
        value.type.count.data if isinstance(value.type, apv.ColumnsType) else prod(ternary.shape_of(value)[1:])
        for value in values
    )


def is_valid(module: ModuleOp) -> bool:
    """Whether a module is legal and can be given inputs."""
    try:
        verify_module(module)
        function = main_function(module)
        return bool(input_specs(function) and output_specs(function))
    except (DiagnosticException, CamcError):
        return False


def _outputs(search: Search[ModuleOp]) -> None:
    count = len(main_function(search.best).function_type.outputs)
    search.without(range(count), without_outputs)


def _attributes(search: Search[ModuleOp]) -> None:
    for name in list(search.best.attributes):
        copy = search.best.clone()
        del copy.attributes[name]
        search.attempt(copy)


def _ends(search: Search[ModuleOp]) -> None:
    search.least(len(operations(search.best)) - 1, cut_after)


def _begins(search: Search[ModuleOp]) -> None:
    count = len(list(main_function(search.best).body.block.ops)) - 1
    # The highest number, where as little is left as possible, comes first.
    search.least(count, lambda base, number: cut_before(base, count - number))


def _each_operation(search: Search[ModuleOp]) -> None:
    """Bypass an operation, feed its result, or end with it, wherever one of these works."""
    number = len(operations(search.best)) - 1
    while number >= 0:
        number = min(number, len(operations(search.best)) - 1)
        for candidate in _instead(search.best, number):
            if search.attempt(candidate):
                break
        number -= 1


def _instead(module: ModuleOp, number: int) -> Iterator[ModuleOp | None]:
    for operand in range(len(operations(module)[number].operands)):
        yield bypassed(module, number, operand)
    yield fed(module, number)
    yield cut_after(module, number)


def _channels(search: Search[ModuleOp]) -> None:
    free = Channels(search.best, hold_inputs=False).free

    def build(base: ModuleOp, dropped: Sequence[int]) -> ModuleOp | None:
        def edit(copy: ModuleOp) -> bool:
            kept = Channels(copy, hold_inputs=False).kept(dropped)
            if not all(map(len, kept.values())):
                return False
            restrict(copy, kept)
            return True

        return changed(base, edit)

    search.without(free, build)


def _images(search: Search[ModuleOp]) -> None:
    for number, argument in enumerate(main_function(search.best).body.block.args):
        shape = ternary.shape_of(argument)
        if len(shape) != 4:
            continue
        for axis in (0, 1):

            def build(base: ModuleOp, size: int, number: int = number, axis: int = axis) -> ModuleOp | None:
                down, across = ternary.shape_of(main_function(base).body.block.args[number])[2:]
                return crop(base, number, *((size + 1, across) if axis == 0 else (down, size + 1)))

            search.least(shape[2 + axis] - 1, build)


def _weights(search: Search[ModuleOp]) -> None:
    for number in products(search.best):
        places: list[int] = nonzero(operations(search.best)[number]).tolist()
        search.without(places, lambda base, gone, number=number: zeroed(base, number, list(gone)))


def _thresholds(search: Search[ModuleOp]) -> None:
    for number in tables(search.best):
        search.attempt(equalised(search.best, number))
        for candidate in _runs(table_of(operations(search.best)[number]).levels):
            if search.attempt(shortened(search.best, number, *candidate)):
                break


def _runs(levels: int) -> Iterator[tuple[int, int]]:
    """Runs of thresholds that may be left: single ones, halves, all but one."""
    yield from ((at, at + 1) for at in range(min(levels, 16)) if levels > 1)
    if levels > 2:
        yield 0, levels // 2
        yield levels // 2, levels
        yield 0, levels - 1
        yield 1, levels


def _ranges(search: Search[ModuleOp]) -> None:
    for number, argument in enumerate(main_function(search.best).body.block.args):
        span = span_of(argument)
        for candidate in (Range(0, 1), Range(-1, 1), span and Range(span.lo, (span.lo + span.hi) // 2)):
            if candidate and search.attempt(narrowed_input(search.best, number, candidate)):
                break


def _lines(search: Search[ModuleOp]) -> None:
    """Lines of text above code, such as nodes of a graph."""
    if any(isinstance(op, ProgramBase) for op in operations(search.best)):
        return
    lines = text_of(search.best).splitlines()

    def build(_: ModuleOp, gone: Sequence[int]) -> ModuleOp | None:
        dropped = set(gone)
        return _parsed("\n".join(line for number, line in enumerate(lines) if number not in dropped))

    inner = [number for number, line in enumerate(lines) if line.startswith("      ")]
    search.without(inner[::-1], build)


def _code(search: Search[ModuleOp]) -> None:
    """Statements and instructions that give 0, and no bit loops."""
    for number in range(len(operations(search.best))):
        ops = operations(search.best)
        if number < len(ops) and isinstance(op := ops[number], ProgramBase):
            steps = steps_of(op)
            search.without(steps, lambda base, gone, number=number: _simplified(base, number, set(gone), loops=True))
            search.attempt(_simplified(search.best, number, set(), loops=False))


def _simplified(module: ModuleOp, number: int, constant: set[Step], *, loops: bool) -> ModuleOp | None:
    copy = module.clone()
    op = operations(copy)[number]
    assert isinstance(op, ProgramBase)
    simplify_program(op, constant, loops=loops)
    return copy


def _parsed(text: str) -> ModuleOp | None:
    try:
        module = parse_module(text, "reduced", make_context())
    except (ParseError, DiagnosticException, CamcError):
        return None
    return module if is_valid(module) else None


REDUCTIONS: Sequence[Reduction[ModuleOp]] = (
    *(_outputs, _attributes, _ends, _begins, _channels, _images, _each_operation),
    *(_weights, _thresholds, _ranges, _code, _lines),
)
"""Cheap and large ones first: what follows works on what they leave."""
