"""Operations of the `ternary` dialect that the host does at every level: the order of elements, and classifiers.

%s = ternary.take %x {axis = 1 : i64, indices = array<i64: 1, 2>} : tensor<?x3x4xf32> -> tensor<?x3x2xf32>
%t = ternary.transpose %x {order = array<i64: 1, 2, 0>} : tensor<?x3x8x8xf32> -> tensor<?x8x8x3xf32>
%c = ternary.arg_max %a {count = 1 : i64} : tensor<?x10x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<0, 9>>
%p = ternary.activation %y {function = "softmax"} : tensor<?x10xf64> -> tensor<?x10xf32>
%r = ternary.dequantize_sum %a, %b : (T, T) -> tensor<?x1xf32> lines <{ 3 -5 + 7 / 1024 }>
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    BytesAttr,
    DenseArrayBase,
    Float32Type,
    Float64Type,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.ir import SSAValue
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
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.support.packed import PackedAttr
from dialects.support.ranges import Range
from dialects.support.real_lines import RealLines
from dialects.support.scores import FUNCTIONS, Scores
from dialects.ternary.types import (
    AnyTensor,
    FloatTensor,
    IntTensor,
    channels_of,
    element_of,
    int_tensor,
    shape_of,
    shape_text,
)


@irdl_attr_definition
class ScoresAttr(PackedAttr[Scores]):
    """What orders the channels, one line per channel: `<{ 3 -40 }>`."""

    name = "ternary.scores"
    value_class = Scores


@irdl_attr_definition
class RealLinesAttr(PackedAttr[RealLines]):
    """Factors, an offset and a divisor, one line per channel: `<{ 3 -5 + 7 / 1024 }>`."""

    name = "ternary.real_lines"
    value_class = RealLines


def _layer(layer: str) -> StringAttr | None:
    return StringAttr(layer) if layer else None


@irdl_op_definition
class TransposeOp(IRDLOperation):
    """The dimensions of a sample in another order: dimension i of the result is dimension order[i] of the input, both
    counted without the batch. Moves nothing by itself: it is the order in which the buffer is read.

    `ternary.transpose %x {order = array<i64: 1, 2, 0>} : tensor<?x3x8x8xf32> -> tensor<?x8x8x3xf32>`
    """

    name = "ternary.transpose"
    input = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    order_attr = prop_def(DenseArrayBase[IntegerType], prop_name="order")
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, order: Sequence[int]):
        batch, *sample = shape_of(value)
        shape = (batch, *(sample[axis] for axis in order))
        super().__init__(
            operands=[value],
            result_types=[TensorType(element_of(value), shape)],
            properties={"order": DenseArrayBase.from_list(i64, list(order))},
        )

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(int(axis) for axis in self.order_attr.get_values())

    def verify_(self) -> None:
        before, after, axes = shape_of(self.input), shape_of(self.result), self.order
        if sorted(axes) != list(range(len(before) - 1)):
            raise VerifyException(f"expected an order of {len(before) - 1} dimensions, found {list(axes)}")
        expected = (before[0], *(before[axis + 1] for axis in axes))
        if after != expected or element_of(self.input) != element_of(self.result):
            raise VerifyException(f"expected {shape_text(expected)} of the same type, found {shape_text(after)}")


def _int_array(numbers: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """A dense array at once: one number at a time takes a while for hundreds of thousands."""
    return DenseArrayBase(i64, BytesAttr(i64.pack(list(numbers))))


@irdl_op_definition
class TakeOp(IRDLOperation):
    """Elements of one dimension of a sample, in any order and as often as stated: cuts, mirrored borders. Moves nothing
    by itself: it is the order in which the buffer is read. Dimensions are counted without the batch.

    `ternary.take %x {axis = 1 : i64, indices = array<i64: 1, 0, 1, 2>} : tensor<?x4x3xf32> -> tensor<?x4x4xf32>`
    """

    name = "ternary.take"
    input = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    axis_attr = prop_def(IntegerAttr, prop_name="axis")
    indices_attr = prop_def(DenseArrayBase[IntegerType], prop_name="indices")
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, value: SSAValue, axis: int, indices: Sequence[int]):
        shape = list(shape_of(value))
        shape[axis + 1] = len(indices)
        super().__init__(
            operands=[value],
            result_types=[TensorType(element_of(value), shape)],
            properties={"axis": IntegerAttr(axis, i64), "indices": _int_array(indices)},
        )

    @property
    def axis(self) -> int:
        return self.axis_attr.value.data

    @property
    def indices(self) -> tuple[int, ...]:
        return self.indices_attr.get_values()

    def verify_(self) -> None:
        before, axis, indices = shape_of(self.input), self.axis, self.indices
        if not 0 <= axis < len(before) - 1:
            raise VerifyException(f"there is no dimension {axis} in samples of {shape_text(before)}")
        if not indices or min(indices) < 0 or max(indices) >= before[axis + 1]:
            raise VerifyException(f"expected indices from 0 to {before[axis + 1] - 1}")
        expected = (*before[: axis + 1], len(indices), *before[axis + 2 :])
        if shape_of(self.result) != expected or element_of(self.input) != element_of(self.result):
            raise VerifyException(
                f"expected {shape_text(expected)} of the same type, found {shape_text(shape_of(self.result))}"
            )


@irdl_op_definition
class ArgMaxOp(IRDLOperation):
    """The channels with the greatest values, `count` of them in falling order; of equal ones the first, or the `last`.

    `ternary.arg_max %a {count = 1 : i64} : tensor<?x10x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<0, 9>>`,
    with `scores <{...}>` where channels have scales of their own
    """

    name = "ternary.arg_max"
    input = operand_def(IntTensor)
    result = result_def(IntTensor)
    count_attr = prop_def(IntegerAttr, prop_name="count")
    last = opt_prop_def(UnitAttr)
    scores = opt_prop_def(ScoresAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result) (`layer` $layer^)? (`scores` $scores^)?"

    def __init__(
        self, value: SSAValue, count: int = 1, *, last: bool = False, scores: Scores | None = None, layer: str = ""
    ):
        batch, channels, *positions = shape_of(value)
        super().__init__(
            operands=[value],
            result_types=[int_tensor((batch, count, *positions), Range(0, channels - 1))],
            properties={
                "count": IntegerAttr(count, i64),
                "last": UnitAttr() if last else None,
                "scores": ScoresAttr(scores) if scores else None,
                "layer": _layer(layer),
            },
        )

    @property
    def count(self) -> int:
        return self.count_attr.value.data

    def verify_(self) -> None:
        shape, channels = shape_of(self.input), channels_of(self.input)
        if len(shape) < 2 or not 1 <= self.count <= channels:
            raise VerifyException(f"expected a count from 1 to {channels}, found {self.count}")
        expected = (shape[0], self.count, *shape[2:])
        if shape_of(self.result) != expected:
            raise VerifyException(f"expected {shape_text(expected)}, found {shape_text(shape_of(self.result))}")
        if self.scores and len(self.scores.data.lines) != channels:
            raise VerifyException(f"expected scores of {channels} channels, found {len(self.scores.data.lines)}")


@irdl_op_definition
class ActivationOp(IRDLOperation):
    """A real function at the end of a network, in double precision, then in the result's float type.

    `ternary.activation %y {function = "softmax"} : tensor<?x10xf64> -> tensor<?x10xf32>`
    """

    name = "ternary.activation"
    input = operand_def(FloatTensor)
    result = result_def(FloatTensor)
    function = prop_def(StringAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$input attr-dict `:` type($input) `->` type($result) (`layer` $layer^)?"

    def __init__(self, value: SSAValue, function: str, element: Float32Type | Float64Type, layer: str = ""):
        super().__init__(
            operands=[value],
            result_types=[TensorType(element, shape_of(value))],
            properties={"function": StringAttr(function), "layer": _layer(layer)},
        )

    def verify_(self) -> None:
        if shape_of(self.input) != shape_of(self.result) or len(shape_of(self.input)) < 2:
            raise VerifyException("input and result are of one shape (batch, channels, ...)")
        if self.function.data not in FUNCTIONS:
            raise VerifyException(f"expected one of {', '.join(FUNCTIONS)}, found '{self.function.data}'")


@irdl_op_definition
class DequantizeSumOp(IRDLOperation):
    """The host's output scale of a sum whose summands have scales of their own: exact, then rounded to double precision
    and to the result's float type.

    `ternary.dequantize_sum %a, %b : (T, T) -> tensor<?x1xf32> lines <{ 3 -5 + 7 / 1024 }>`: (3 a - 5 b + 7) / 1024;
    one line for all channels or one per channel.
    """

    name = "ternary.dequantize_sum"
    inputs = var_operand_def(IntTensor)
    result = result_def(FloatTensor)
    lines = prop_def(RealLinesAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$inputs `:` functional-type($inputs, $result) (`layer` $layer^)? `lines` $lines attr-dict"

    def __init__(
        self, values: Sequence[SSAValue], lines: RealLines, element: Float32Type | Float64Type, layer: str = ""
    ):
        super().__init__(
            operands=[values],
            result_types=[TensorType(element, shape_of(values[0]))],
            properties={"lines": RealLinesAttr(lines), "layer": _layer(layer)},
        )

    def verify_(self) -> None:
        if not self.inputs or any(shape_of(value) != shape_of(self.result) for value in self.inputs):
            raise VerifyException("all inputs and the result have one shape")
        if problem := self.lines.data.problem(channels_of(self.result), len(self.inputs)):
            raise VerifyException(problem)
