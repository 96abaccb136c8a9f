"""What an import may take: a file of a few hundred bytes can ask for any amount of work and memory.

Every operator is asked for here before anything of it is done. How many elements its results have says ONNX's own
shape inference. Constants that are calculated share one budget, which grows with what the file stores; tensors that
depend on the network's input are bounded by themselves, per sample. Exact numbers and functions, which grow with every
operator that works on them, are measured when they are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

import onnx
from onnx import TypeProto, helper, numpy_helper
from onnx.shape_inference import InferenceError, infer_node_outputs

from cam_compiler.importer.arithmetic.compositions import Bent, Combined
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, Value
from dialects.support.errors import ModelError

FREE = 1 << 22
"""Elements of constants that any model may calculate."""
PER_STORED = 64
"""Further ones for each element that the file stores: as many operators may work on all weights."""
EXACT = 4
"""What a fraction counts, in elements."""
OF_SAMPLE = 1 << 24
"""Elements of a sample of a tensor."""
WORK = 1 << 30
"""Multiplications of constants by one operator."""
BITS = 1 << 14
"""Bits of the numerator and the denominator of an exact number."""
FUNCTIONS = 1 << 10
"""Functions that the function of one element may be made of."""
ELEMENTS = 1 << 16
"""Elements of a sample that may have functions of their own."""
_BY_ELEMENT = (
    *("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "PRelu", "Pow", "Mod", "BitShift"),
    *("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear", "BatchNormalization"),
)
"""Operators that do with each element what their constants say for it."""
_SHAPE_DATA = 1 << 10
"""Elements of the constants whose numbers decide about a shape."""
_PRODUCTS = ("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "Einsum")
_SLOW = (
    *("Attention", "AveragePool", "Col2Im", "Conv", "ConvInteger", "ConvTranspose", "DFT", "DeformConv", "GRU"),
    *("GridSample", "LSTM", "LpPool", "MaxPool", "MaxRoiPool", "NonMaxSuppression", "QLinearConv", "RNN", "RoiAlign"),
    "STFT",
)
"""What onnx's reference evaluator does element by element."""
_SLOW_ELEMENTS = 1 << 14


@dataclass
class Budget:
    """What is left for one import."""

    opset: int
    left: int
    """elements of constants"""
    weights: dict[int, tuple[Chain, int]] = field(default_factory=dict[int, tuple[Chain, int]])
    """of how many functions a chain is made, by its identity"""

    @classmethod
    def of(cls, opset: int, stored: int) -> Budget:
        """For a model that stores so many elements."""
        return cls(opset, FREE + PER_STORED * stored)

    def before(self, node: Node, operands: Sequence[Value | None]) -> None:
        """Raises ModelError where the results of a standard operator would be too large."""
        constants = [value for value in operands if not isinstance(value, Activation)]
        if len(constants) < len(operands) and node.op in _BY_ELEMENT:
            different = max((value.raw.size for value in constants if value is not None), default=0)
            if different > ELEMENTS:
                hint = f"at most {ELEMENTS} are possible"
                raise node.error(f"{different} elements of a sample have numbers of their own in it", hint=hint)
        for count in self._sizes(node, operands):
            if len(constants) < len(operands):
                if count > OF_SAMPLE:
                    hint = f"at most {OF_SAMPLE} are possible"
                    raise node.error(f"its result has samples of {count} values", hint=hint)
            elif count > self.left:
                raise self._spent(node, count)
            elif _takes_long(node, constants, count):
                raise node.error("it calculates too much with constants", hint="store its result in the model")

    def after(self, node: Node, results: Iterable[Value | None]) -> None:
        """Counts the results; raises ModelError where there are too many, or where they have grown too far."""
        for result in results:
            if isinstance(result, Constant):
                exact = result.raw.dtype == object
                self.left -= result.raw.size * (EXACT if exact else 1)
                if self.left < 0:
                    raise self._spent(node, result.raw.size)
                for numbers in (result.raw if exact else None, result.scale):
                    _check_digits(node, () if numbers is None else numbers.flat)
            elif result is not None:
                self._check_functions(node, result)

    def _spent(self, node: Node, count: int) -> ModelError:
        hint = f"all constants that are calculated have at most {FREE} elements, and {PER_STORED} for each stored one"
        return node.error(f"it makes a constant of {count} elements", hint=hint)

    def _sizes(self, node: Node, operands: Sequence[Value | None]) -> list[int]:
        """Elements of each result, as far as they follow from the operands' shapes."""
        if node.domain or not onnx.defs.has(node.op, self.opset, ""):
            return []
        types = {name: _type(value) for name, value in zip(node.inputs, operands, strict=True) if value is not None}
        data = {name: value for name, value in zip(node.inputs, operands, strict=True) if isinstance(value, Constant)}
        try:
            found: Mapping[str, TypeProto] = infer_node_outputs(
                onnx.defs.get_schema(node.op, self.opset, ""),
                node.proto,
                types,
                {
                    name: numpy_helper.from_array(_numbers(value), name)
                    for name, value in data.items()
                    if _decides(value)
                },
                opset_imports=[helper.make_operatorsetid("", self.opset)],
            )
        except (InferenceError, RuntimeError, ValueError, TypeError, onnx.checker.ValidationError):
            # Its handler says what is wrong, or the evaluator; without shapes nothing grows but by its operands.
            return [prod(max(1, value.raw.size) for value in data.values())] if len(data) == len(types) else []
        dims = [kind.tensor_type.shape.dim for kind in found.values() if kind.tensor_type.HasField("shape")]
        return [prod(dim.dim_value for dim in each) for each in dims if all(dim.HasField("dim_value") for dim in each)]

    def _check_functions(self, node: Node, value: Activation) -> None:
        pieces = [piece for array in (value.inner, value.outer) if array is not None for piece in array.flat]
        ends = (end for piece in pieces for end in (piece.slope, piece.offset, piece.low, piece.high))
        _check_digits(node, (end for end in ends if end is not None))
        if value.before is not None and any(self._weight(chain) > FUNCTIONS for chain in value.before.flat):
            hint = f"at most {FUNCTIONS} of them between two quantisers"
            raise node.error("the function of its result is made of too many others", hint=hint)

    def _weight(self, chain: Chain) -> int:
        found = self.weights.get(id(chain))
        if found is None:
            count = 0
            for stage in chain.stages:
                inside = (stage.left, stage.right) if isinstance(stage, Combined) else ()
                inside = (stage.below, stage.above) if isinstance(stage, Bent) else inside
                count += 1 + sum(map(self._weight, inside))
            # The chain is kept as well, so that no other one gets its identity.
            found = self.weights[id(chain)] = (chain, count)
        return found[1]


def _type(value: Value) -> TypeProto:
    if isinstance(value, Constant):
        return helper.make_tensor_type_proto(value.elem_type, value.shape)
    return helper.make_tensor_type_proto(value.elem_type, value.full_shape)


def _decides(value: Constant) -> bool:
    """May its numbers decide about a shape?"""
    return value.raw.size <= _SHAPE_DATA and value.scale is None and value.raw.dtype != object


def _numbers(value: Constant) -> Any:
    return value.raw.astype(helper.tensor_dtype_to_np_dtype(value.elem_type))


def _takes_long(node: Node, constants: Sequence[Value | None], count: int) -> bool:
    """Is an operator on constants that makes so many elements beyond bounds in what it does for them?"""
    sizes = [value.raw.size for value in constants if isinstance(value, Constant)]
    if node.op in _PRODUCTS:
        # Each element of the result reads at most all of the smaller operand.
        return count * min(sizes, default=0) > WORK
    return node.op in _SLOW and sum(sizes) + count > _SLOW_ELEMENTS


def _check_digits(node: Node, numbers: Iterable[Any]) -> None:
    for number in numbers:
        if isinstance(number, Fraction) and number.numerator.bit_length() + number.denominator.bit_length() > BITS:
            raise node.error("its exact numbers have too many digits", hint=f"at most {BITS} bits")
