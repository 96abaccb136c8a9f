"""Exact constants of a model, and operators on nothing but constants, evaluated exactly.

A constant is `raw * scale`: quantised weights keep their integers and the exact scale apart, so that a million weights
stay an integer array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from cam_compiler.importer.arithmetic.exact import ObjectArray, Piece, each, fractions, square_root
from cam_compiler.importer.model import LOW_BIT, Node, array_of
from cam_compiler.importer.validity import type_name
from dialects.support.ranges import Range


@dataclass(frozen=True)
class Batch:
    """Stands for the batch size, or a multiple of it, in shape arithmetic."""

    times: int = 1

    def __mul__(self, factor: int) -> Batch:
        return Batch(self.times * factor)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return "batch" if self.times == 1 else f"{self.times} * batch"


BATCH = Batch()
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)

_INTEGER_RANGES: dict[int, Range] = {
    TensorProto.UINT8: Range.of_width(8, False),
    TensorProto.INT8: Range.of_width(8, True),
    TensorProto.UINT16: Range.of_width(16, False),
    TensorProto.INT16: Range.of_width(16, True),
    TensorProto.UINT4: Range.of_width(4, False),
    TensorProto.INT4: Range.of_width(4, True),
    TensorProto.UINT2: Range.of_width(2, False),
    TensorProto.INT2: Range.of_width(2, True),
    TensorProto.UINT32: Range.of_width(32, False),
    TensorProto.INT32: Range.of_width(32, True),
}

WIDE_RANGES: dict[int, Range] = {
    TensorProto.INT64: Range.of_width(64, True),
    TensorProto.UINT64: Range.of_width(64, False),
}
"""All values of the types that only casts know: they hold whatever is computed, negative numbers in the first."""


def integer_range(elem_type: int) -> Range | None:
    """All values of an ONNX integer type; None for types that aren't integers of at most 32 bits."""
    return _INTEGER_RANGES.get(elem_type)


@dataclass(frozen=True)
class Constant:
    """A constant tensor of exact values `raw * scale`.

    `raw` holds numbers of the model, Fractions, or the entries of a shape (integers and BATCH); `scale` has as many
    dimensions and broadcasts to it; `elem_type` is the tensor's type in ONNX.
    """

    raw: NDArray[Any]
    elem_type: int
    scale: ObjectArray | None = None
    rounded: NDArray[Any] | None = None
    """the numbers that float executors have here, where their arithmetic made them"""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.raw.shape

    @property
    def integral(self) -> bool:
        """Is it of an integer type?"""
        return self.elem_type not in FLOATS

    @property
    def symbolic(self) -> bool:
        return self.raw.dtype == object and any(isinstance(item, Batch) for item in self.raw.flat)

    def held(self, node: Node) -> NDArray[Any]:
        """The numbers that executors have, in the numpy type that stands for the tensor's own."""
        if self.rounded is not None:
            return self.rounded
        dtype = held_type(self.elem_type)
        if self.raw.dtype == object:
            return each(float if not self.integral else int, self.exact(node)).astype(dtype)
        with np.errstate(over="ignore"):
            if self.scale is None:
                return self.raw.astype(dtype, copy=False)
            return (self.raw.astype(np.float64) * each(float, self.scale).astype(np.float64)).astype(dtype)

    def exact(self, node: Node) -> ObjectArray:
        """All values as fractions; raises ModelError at `node` where one is not finite."""
        if self.symbolic:
            raise node.error("the batch size can't be calculated with")
        try:
            values = fractions(self.raw)
        except ValueError as error:
            raise node.error(f"{error}", hint="constants must be finite") from error
        return values if self.scale is None else each(Fraction.__mul__, values, self.scale)

    def integers(self, node: Node) -> list[int]:
        """All values as integers; raises ModelError at `node` where one is not."""
        if self.raw.dtype.kind in "iu" and self.scale is None:
            return self.raw.reshape(-1).tolist()
        values: list[Fraction] = list(self.exact(node).flat)
        if any(value.denominator != 1 for value in values):
            raise node.error("expected integers")
        return [value.numerator for value in values]

    def scalar(self, node: Node) -> Fraction:
        if self.raw.size != 1:
            raise node.error(f"expected a single number, found a tensor of shape {self.shape}")
        return self.exact(node).flat[0]

    def restructured(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Constant:
        """The same values after a change of shape or order."""
        scale = None if self.scale is None else unspread(change(np.broadcast_to(self.scale, self.shape)))
        rounded = None if self.rounded is None else change(self.rounded)
        return replace(self, raw=change(self.raw), scale=scale, rounded=rounded)


def held_type(elem_type: int) -> np.dtype[Any]:
    """The numpy type of an executor's arrays of an ONNX type; integers of few bits are in a larger one."""
    if elem_type == TensorProto.BFLOAT16:
        return np.dtype(np.float32)
    if elem_type in LOW_BIT:
        return np.dtype(np.int64)
    return np.dtype(helper.tensor_dtype_to_np_dtype(elem_type))


def unspread(values: ObjectArray) -> ObjectArray:
    """Without the repetitions along dimensions that hold the very same objects."""
    for axis in range(values.ndim):
        first = values[tuple(slice(0, 1) if index == axis else slice(None) for index in range(values.ndim))]
        if values.shape[axis] > 1 and (values.strides[axis] == 0 or (each(id, values) == each(id, first)).all()):
            values = first
    return values


def constant_of(tensor: TensorProto, place: str) -> Constant:
    return Constant(array_of(tensor, place), tensor.data_type)


def exact_constant(values: ObjectArray, elem_type: int = TensorProto.FLOAT) -> Constant:
    return Constant(values, elem_type)


def attribute_constant(node: Node) -> Constant:
    """The value of a Constant node."""
    for name, kind, elem_type in (
        ("value_float", np.float32, TensorProto.FLOAT),
        ("value_floats", np.float32, TensorProto.FLOAT),
        ("value_int", np.int64, TensorProto.INT64),
        ("value_ints", np.int64, TensorProto.INT64),
    ):
        if name in node.attributes:
            return Constant(np.array(node.attributes[name], dtype=kind), elem_type)
    value = node.attributes.get("value")
    if not isinstance(value, TensorProto):
        raise node.error("expected a dense tensor or numbers as its value")
    return constant_of(value, node.place)


def _plain(constant: Constant, node: Node) -> NDArray[Any]:
    """The values in the tensor's own type, for operators that are not evaluated exactly."""
    return constant.held(node).astype(helper.tensor_dtype_to_np_dtype(constant.elem_type))


def evaluate(node: Node, opset: int, inputs: list[Constant | None]) -> list[Constant]:
    """The node by the reference evaluator of onnx, in the float arithmetic of the model."""
    feeds = {
        name: _plain(value, node) for name, value in zip(node.inputs, inputs, strict=True) if name and value is not None
    }
    try:
        # Few networks need it, and it takes a while to load.
        from onnx.reference import ReferenceEvaluator

        runner = ReferenceEvaluator(node.proto, opsets={"": opset})
        results: list[Any] = list(runner.run(None, feeds))  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
    except Exception as error:
        # The evaluator raises whatever the operator's code does.
        raise node.error(f"can't be evaluated: {type(error).__name__}: {error}") from error
    constants: list[Constant] = []
    for result in results:
        array = np.asarray(result)
        elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        constants.append(Constant(array.astype(np.int64) if elem_type in LOW_BIT else array, elem_type))
    return constants


def _small_integers(constant: Constant) -> NDArray[np.int64] | None:
    """The values as int64 where they are integers that add and multiply without overflow."""
    raw = constant.raw
    if constant.scale is not None or raw.dtype == object:
        return None
    wide = raw.astype(np.float64)
    if not np.isfinite(wide).all() or (np.abs(wide) >= 2.0**30).any() or (wide != np.rint(wide)).any():
        return None
    return wide.astype(np.int64)


def _scaled(node: Node, tensor: Constant, factors: ObjectArray) -> Constant | None:
    """tensor * factors with the factors kept apart; None where they would enlarge the tensor."""
    if factors.ndim > tensor.raw.ndim or np.broadcast_shapes(tensor.shape, factors.shape) != tensor.shape:
        return None
    padded = factors.reshape((1,) * (tensor.raw.ndim - factors.ndim) + factors.shape)
    scale = padded if tensor.scale is None else each(Fraction.__mul__, tensor.scale, padded)
    return Constant(tensor.raw, TensorProto.FLOAT, scale)


def _sum(node: Node, left: Constant, right: Constant, sign: int) -> Constant:
    first, second = _small_integers(left), _small_integers(right)
    if first is not None and second is not None:
        return Constant(first + sign * second, left.elem_type)
    values = each(lambda a, b: a + sign * b, left.exact(node), right.exact(node))
    return exact_constant(values, left.elem_type)


def _product(node: Node, left: Constant, right: Constant) -> Constant:
    large, small = (left, right) if left.raw.size >= right.raw.size else (right, left)
    kept = _scaled(node, large, small.exact(node))
    return kept or exact_constant(each(Fraction.__mul__, left.exact(node), right.exact(node)), left.elem_type)


def _quotient(node: Node, left: Constant, right: Constant) -> Constant:
    divisors = right.exact(node)
    if any(value == 0 for value in divisors.flat):
        raise node.error("division by zero")
    return _product(node, left, exact_constant(each(lambda value: 1 / value, divisors)))


def root(node: Node, value: Fraction) -> Fraction:
    if value < 0:
        raise node.error(f"the square root of a negative number, {float(value)}")
    return square_root(value) if value else value


def _power(node: Node, base: Constant, exponent: Constant) -> Constant | None:
    """base ** exponent for integer and half exponents; None for others."""
    power = exponent.exact(node).flat[0] if exponent.raw.size == 1 else Fraction(1, 3)
    if (2 * power).denominator != 1 or abs(power) > 8:
        return None
    values = base.exact(node)
    if power.denominator == 2:
        values = each(lambda value: root(node, value), values)
        power *= 2
    if power < 0 and any(value == 0 for value in values.flat):
        raise node.error("division by zero")
    return exact_constant(each(lambda value: value ** int(power), values), base.elem_type)


_AS_EXECUTED: dict[str, Callable[..., NDArray[Any]]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Max": np.maximum,
    "Min": np.minimum,
}


def arithmetic(node: Node, inputs: list[Constant]) -> Constant | None:
    """The result of an arithmetic operator on real constants, exactly, and with what float executors have for it.

    None where it is not one of those.
    """
    exact = _exact_arithmetic(node, inputs)
    if exact is None:
        return None
    with np.errstate(all="ignore"):
        return replace(exact, rounded=_AS_EXECUTED[node.op](*(item.held(node) for item in inputs)))


def _exact_arithmetic(node: Node, inputs: list[Constant]) -> Constant | None:
    match node.op, inputs:
        case "Add", [left, right]:
            return _sum(node, left, right, 1)
        case "Sub", [left, right]:
            return _sum(node, left, right, -1)
        case "Mul", [left, right]:
            return _product(node, left, right)
        case "Div", [left, right]:
            return _quotient(node, left, right)
        case "Pow", [base, exponent]:
            return _power(node, base, exponent)
        case "Neg", [value]:
            return exact_constant(each(Fraction.__neg__, value.exact(node)), value.elem_type)
        case "Abs", [value]:
            return exact_constant(each(Fraction.__abs__, value.exact(node)), value.elem_type)
        case "Sqrt", [value]:
            return exact_constant(each(lambda item: root(node, item), value.exact(node)), value.elem_type)
        case "Reciprocal", [value]:
            return _quotient(node, Constant(np.array(1), value.elem_type), value)
        case "Max", [left, right]:
            return exact_constant(each(max, left.exact(node), right.exact(node)), left.elem_type)
        case "Min", [left, right]:
            return exact_constant(each(min, left.exact(node), right.exact(node)), left.elem_type)
        case _:
            return None


def clipped(node: Node, value: Constant, low: Fraction | None, high: Fraction | None) -> Constant:
    """min(max(value, low), high) of every element; the type stays."""
    if value.rounded is not None:
        exact = clipped(node, replace(value, rounded=None), low, high)
        ends = (None if bound is None else float(bound) for bound in (low, high))
        return replace(exact, rounded=_clip(value.rounded, *ends).astype(value.rounded.dtype))
    bounds = [bound for bound in (low, high) if bound is not None]
    plain = value.raw.dtype != object and value.scale is None
    if plain and value.raw.dtype.kind in "iu" and all(bound.denominator == 1 for bound in bounds):
        lowest, highest = (None if bound is None else int(bound) for bound in (low, high))
        return replace(value, raw=_clip(value.raw.astype(np.int64), lowest, highest))
    if plain and all(Fraction(float(bound)) == bound for bound in bounds):
        least, most = (None if bound is None else float(bound) for bound in (low, high))
        return replace(value, raw=_clip(value.raw.astype(np.float64), least, most))
    return exact_constant(each(Piece().clamped(low, high).bounded, value.exact(node)), value.elem_type)


def _clip(values: NDArray[Any], low: float | None, high: float | None) -> NDArray[Any]:
    raised = values if low is None else np.maximum(values, low)
    return raised if high is None else np.minimum(raised, high)


def axes_of(node: Node, given: Constant | None) -> list[int] | None:
    """The axes of an operator, from its input (newer opsets) or its attribute; None if it has neither."""
    return given.integers(node) if given is not None else node.integers("axes")


def cast(node: Node, data: Constant) -> Constant:
    """To an integer type, the fraction is cut off, and of the integer those bits are kept that the type has."""
    target = node.integer("to", TensorProto.UNDEFINED)
    if data.symbolic:
        return replace(data, elem_type=target)
    if target in FLOATS:
        # A cast of numbers as the model stores them is its own rounding; of derived ones it is a change of name.
        if data.rounded is not None:
            return replace(data, elem_type=target, rounded=data.rounded.astype(held_type(target)))
        if data.integral or data.raw.dtype == object or target == TensorProto.BFLOAT16:
            return replace(data, elem_type=target)
        return Constant(data.raw.astype(helper.tensor_dtype_to_np_dtype(target)), target, data.scale)
    if target == TensorProto.BOOL:
        return Constant(each(lambda item: int(item != 0), data.exact(node)).astype(np.int64), target)
    span = WIDE_RANGES.get(target) or integer_range(target)
    if span is None:
        name = type_name(target)
        raise node.error(f"casts of constants to {name} are not supported", hint="floats, integers, BOOL")
    if data.integral and data.scale is None and data.raw.size and data.raw.dtype.kind in "iu":
        low, high = int(data.raw.min()), int(data.raw.max())
        if span.lo <= low and high <= span.hi:
            return replace(data, elem_type=target)
    whole = each(int, data.exact(node) if data.rounded is None else fractions(data.rounded))
    wrapped = each(lambda item: (item - span.lo) % (span.hi - span.lo + 1) + span.lo, whole)
    return Constant(wrapped.astype(np.uint64 if target == TensorProto.UINT64 else np.int64), target)
