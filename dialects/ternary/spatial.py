"""Operations of the `ternary` dialect on images (batch, channels, height, width) and on several tensors.

%c = ternary.conv %x window <kernel 3x3, pads 1x1x1x1> : T -> T layer "conv1" weights <{ ... }>
%p = ternary.max_pool %c window <kernel 2x2, strides 2x2> : T -> T
%s = ternary.combine %a, %b : (T, T) -> T multipliers <{ 1 1 }>
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import Data, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.support.ranges import Range
from dialects.support.tensors import IntMatrix
from dialects.support.window import Window
from dialects.ternary.types import (
    IntTensor,
    MatrixAttr,
    RowsTensor,
    channels_of,
    int_tensor,
    range_of,
    rows_of,
    shape_of,
    shape_text,
    verify_rows,
)


@irdl_attr_definition
class WindowAttr(Data[Window]):
    """A sliding window: `<kernel 3x3, strides 2x2, pads 1x1x1x1, dilations 1x1>`; all but the kernel may be left out.

    Pads are top x left x bottom x right.
    """

    name = "ternary.window"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Window:
        found: dict[str, tuple[int, ...]] = {}

        def part() -> None:
            name = parser.parse_identifier(" of a window: kernel, strides, pads or dilations")
            sizes = {"kernel": 2, "strides": 2, "pads": 4, "dilations": 2}
            if name not in sizes or name in found:
                parser.raise_error(f"expected one of {', '.join(sizes)}, each once, found '{name}'")
            found[name] = tuple(parser.parse_dimension_list())
            if len(found[name]) != sizes[name]:
                parser.raise_error(f"{name} takes {sizes[name]} numbers, such as {'x'.join('1' * sizes[name])}")

        parser.parse_comma_separated_list(parser.Delimiter.ANGLE, part)
        if "kernel" not in found:
            parser.raise_error("a window needs its kernel, such as <kernel 3x3>")
        return Window(**found)  # pyright: ignore[reportArgumentType]

    def print_parameter(self, printer: Printer) -> None:
        window = self.data
        plain = Window(window.kernel)
        texts = [f"kernel {window.kernel[0]}x{window.kernel[1]}"]
        for name in ("strides", "pads", "dilations"):
            sizes: tuple[int, ...] = getattr(window, name)
            if sizes != getattr(plain, name):
                texts.append(f"{name} {'x'.join(map(str, sizes))}")
        with printer.in_angle_brackets():
            printer.print_string(", ".join(texts))


def verify_windows(value: SSAValue, window: Window) -> tuple[int, int]:
    """Positions of a window over an image tensor; raises VerifyException where there are none."""
    shape = shape_of(value)
    if problem := window.problem():
        raise VerifyException(problem)
    if len(shape) != 4 or min(shape[1:]) < 1:
        raise VerifyException(f"expected images (batch, channels, height, width), found {shape_text(shape)}")
    down, across = window.positions(shape[2], shape[3])
    if down < 1 or across < 1:
        raise VerifyException(f"a window of {window.kernel} does not fit into images of {shape[2]}x{shape[3]}")
    return down, across


def _layer(layer: str) -> StringAttr | None:
    return StringAttr(layer) if layer else None


def window_range(span: Range, window: Window, pad: int) -> Range:
    """The range of a window's elements, pads included."""
    return span.union(Range(pad, pad)) if window.padded else span


@irdl_op_definition
class ConvOp(IRDLOperation):
    """Convolution (as ONNX has it: cross-correlation). A line of weights is an output channel: its group's input
    channels, then the window's elements in row-major order. Elements outside the image are `pad`, default 0.

    `ternary.conv %x window <kernel 3x3, pads 1x1x1x1> : T -> T weights <{ ... }>`, `groups = 2 : i64` in braces
    """

    name = "ternary.conv"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    window = prop_def(WindowAttr)
    weights = prop_def(MatrixAttr)
    groups_attr = opt_prop_def(IntegerAttr, prop_name="groups")
    pad_attr = opt_prop_def(IntegerAttr, prop_name="pad")
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = (
        "$input `window` $window attr-dict `:` type($input) `->` type($result) (`layer` $layer^)? `weights` $weights"
    )

    def __init__(
        self, value: SSAValue, weights: IntMatrix, window: Window, *, groups: int = 1, pad: int = 0, layer: str = ""
    ):
        lows, highs = weights.output_ranges(window_range(range_of(value), window, pad))
        shape = (shape_of(value)[0], weights.rows, *verify_windows(value, window))
        super().__init__(
            operands=[value],
            result_types=[int_tensor(shape, Range(int(lows.min()), int(highs.max())))],
            properties={
                "window": WindowAttr(window),
                "weights": MatrixAttr(weights),
                "groups": IntegerAttr(groups, i64) if groups != 1 else None,
                "pad": IntegerAttr(pad, i64) if pad else None,
                "layer": _layer(layer),
            },
        )

    @property
    def groups(self) -> int:
        return 1 if self.groups_attr is None else self.groups_attr.value.data

    @property
    def pad(self) -> int:
        return self.pad_attr.value.data if self.pad_attr else 0

    def verify_(self) -> None:
        weights, window, groups = self.weights.data, self.window.data, self.groups
        positions, channels = verify_windows(self.input, window), channels_of(self.input)
        if groups < 1 or channels % groups or weights.rows % groups:
            raise VerifyException(f"{channels} channels and {weights.rows} outputs can't be cut into {groups} groups")
        if weights.columns != channels // groups * window.size:
            raise VerifyException(
                f"a line of weights has {weights.columns} entries, a window {channels // groups} x {window.size}"
            )
        expected = (shape_of(self.input)[0], weights.rows, *positions)
        if shape_of(self.result) != expected:
            raise VerifyException(
                f"expected a result of shape {shape_text(expected)}, found {shape_text(shape_of(self.result))}"
            )
        lows, highs = weights.output_ranges(window_range(range_of(self.input), window, self.pad))
        exact = Range(int(lows.min()), int(highs.max()))
        if not range_of(self.result).covers(exact):
            raise VerifyException(f"the sums reach {exact}, the result's range is {range_of(self.result)}")


@irdl_op_definition
class MaxPoolOp(IRDLOperation):
    """The greatest element of each window, channel by channel; elements outside the image don't count.

    `ternary.max_pool %x window <kernel 2x2, strides 2x2> : T -> T`
    """

    name = "ternary.max_pool"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    window = prop_def(WindowAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$input `window` $window `:` type($input) `->` type($result) (`layer` $layer^)? attr-dict"

    def __init__(self, value: SSAValue, window: Window, layer: str = ""):
        shape = (*shape_of(value)[:2], *verify_windows(value, window))
        super().__init__(
            operands=[value],
            result_types=[int_tensor(shape, range_of(value))],
            properties={"window": WindowAttr(window), "layer": _layer(layer)},
        )

    def verify_(self) -> None:
        expected = (*shape_of(self.input)[:2], *verify_windows(self.input, self.window.data))
        if shape_of(self.result) != expected or range_of(self.result) != range_of(self.input):
            raise VerifyException(
                f"expected a result of shape {shape_text(expected)} with the range {range_of(self.input)}"
            )


@irdl_op_definition
class SumPoolOp(IRDLOperation):
    """The sum of each window, channel by channel: average pooling without its division. Pads count as `pad`.

    `ternary.sum_pool %x window <kernel 2x2, strides 2x2> : T -> T`
    """

    name = "ternary.sum_pool"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    window = prop_def(WindowAttr)
    pad_attr = opt_prop_def(IntegerAttr, prop_name="pad")
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input `window` $window attr-dict `:` type($input) `->` type($result) (`layer` $layer^)?"

    def __init__(self, value: SSAValue, window: Window, *, pad: int = 0, layer: str = ""):
        span = window_range(range_of(value), window, pad)
        shape = (*shape_of(value)[:2], *verify_windows(value, window))
        super().__init__(
            operands=[value],
            result_types=[int_tensor(shape, Range(span.lo * window.size, span.hi * window.size))],
            properties={
                "window": WindowAttr(window),
                "pad": IntegerAttr(pad, i64) if pad else None,
                "layer": _layer(layer),
            },
        )

    @property
    def pad(self) -> int:
        return self.pad_attr.value.data if self.pad_attr else 0

    def verify_(self) -> None:
        expected = (*shape_of(self.input)[:2], *verify_windows(self.input, self.window.data))
        if shape_of(self.result) != expected:
            raise VerifyException(
                f"expected a result of shape {shape_text(expected)}, found {shape_text(shape_of(self.result))}"
            )
        span, size = window_range(range_of(self.input), self.window.data, self.pad), self.window.data.size
        if not range_of(self.result).covers(Range(span.lo * size, span.hi * size)):
            raise VerifyException(f"the sums reach {span.lo * size}..{span.hi * size}")


def _combined(parts: Sequence[Range], multipliers: IntMatrix) -> Range:
    """The range of all channels' weighted sums of values with the given ranges."""
    sums: list[int] = []
    for line in multipliers.array.tolist():
        ends = [sorted((m * span.lo, m * span.hi)) for m, span in zip(line, parts, strict=True)]
        sums += [sum(end[0] for end in ends), sum(end[1] for end in ends)]
    return Range(min(sums), max(sums))


@irdl_op_definition
class CombineOp(IRDLOperation):
    """Weighted sums of tensors of one shape, element by element: the addition of a residual branch.

    `ternary.combine %a, %b : (T, T) -> T multipliers <{ 1 3 }>`: a + 3 b; one line for all channels or one per channel.
    """

    name = "ternary.combine"
    inputs = var_operand_def(IntTensor)
    result = result_def(IntTensor)
    multipliers = prop_def(MatrixAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `:` functional-type($inputs, $result) (`layer` $layer^)? `multipliers` $multipliers attr-dict"
    )

    def __init__(self, values: Sequence[SSAValue], multipliers: IntMatrix, layer: str = ""):
        span = _combined([range_of(value) for value in values], multipliers)
        super().__init__(
            operands=[values],
            result_types=[int_tensor(shape_of(values[0]), span)],
            properties={"multipliers": MatrixAttr(multipliers), "layer": _layer(layer)},
        )

    def verify_(self) -> None:
        multipliers = self.multipliers.data
        if not self.inputs or any(shape_of(value) != shape_of(self.result) for value in self.inputs):
            raise VerifyException("all inputs and the result have one shape")
        channels = channels_of(self.result)
        if multipliers.rows not in (1, channels) or multipliers.columns != len(self.inputs):
            raise VerifyException(
                f"expected multipliers for 1 or {channels} channels and {len(self.inputs)} inputs, "
                f"found {multipliers.rows} x {multipliers.columns}"
            )
        exact = _combined([range_of(value) for value in self.inputs], multipliers)
        if not range_of(self.result).covers(exact):
            raise VerifyException(f"the sums reach {exact}, the result's range is {range_of(self.result)}")


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """Tensors one after another along the channels.

    `ternary.concat %a, %b : (T, T) -> T`
    """

    name = "ternary.concat"
    inputs = var_operand_def(RowsTensor)
    result = result_def(RowsTensor)
    traits = traits_def(Pure())
    assembly_format = "$inputs `:` functional-type($inputs, $result) attr-dict"

    def __init__(self, values: Sequence[SSAValue]):
        span = range_of(values[0])
        for value in values[1:]:
            span = span.union(range_of(value))
        first = shape_of(values[0])
        shape = (first[0], sum(channels_of(value) for value in values), *first[2:])
        super().__init__(operands=[values], result_types=[int_tensor(shape, span, rows_of(values[0]))])

    def verify_(self) -> None:
        shapes = [shape_of(value) for value in self.inputs]
        result = shape_of(self.result)
        if not shapes or any(len(s) < 2 or (s[0], *s[2:]) != (result[0], *result[2:]) for s in shapes):
            raise VerifyException("all inputs have the result's shape but for their channels")
        if sum(s[1] for s in shapes) != result[1]:
            raise VerifyException(f"{sum(s[1] for s in shapes)} channels can't become {result[1]}")
        verify_rows(map(rows_of, (*self.inputs, self.result)))
        if not all(range_of(self.result).covers(range_of(value)) for value in self.inputs):
            raise VerifyException(f"the result's range {range_of(self.result)} does not cover those of the inputs")
