"""What a handler of an operator sees: the node's operands, and the builder; and the registry of handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from cam_compiler.importer.budget import Budget
from cam_compiler.importer.builder import Builder
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.first_quantiser import after_input
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, Value
from dialects.support.errors import ModelError

QONNX = ("", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general")
MICROSOFT = "com.microsoft"
CHANNELS_LAST = "qonnx.custom_op.channels_last"
FUNCTIONS = (
    *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid", "HardSwish"),
    *("Tanh", "Sigmoid", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Erf", "Abs", "Sin", "Cos", "Swish", "Mish"),
    *("Gelu", "QuickGelu", "Pow", "Reciprocal", "Round", "Floor", "Ceil", "Sign"),
)
"""Operators that are a function of each element."""
WITHOUT_BATCH = ("Identity", "Cast", *FUNCTIONS, "Unsqueeze")
"""Operators that may follow where a model of batch 1 has left out the batch dimension."""
AFTER_THE_HOST = (
    *("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
    *("QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant"),
)
"""Operators that may follow what the host computes at the end."""
IN_ANY_FORM = (
    *("Identity", "Dropout", "Cast", "Add", "Sub", "Mul", "Div", "Neg", "Min", "Max", *FUNCTIONS, "Quant", "IntQuant"),
    *("BipolarQuant", "QuantizeLinear", "DequantizeLinear", "MatMul", "Gemm", "Reshape", "Transpose", "Shape"),
)
"""Operators that may read a tensor whose first dimension is not the batch alone."""


@dataclass
class Context:
    """The state of one import."""

    builder: Builder
    opset: int
    budget: Budget
    batches: set[int] = field(default_factory=set[int])
    """The batch sizes that the model states, which stand for the batch in literal shapes."""
    single: bool = False
    """Does the model state a batch of one?"""
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    readers: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many nodes and outputs read the numbers of each tensor."""
    refused: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Results that a handler doesn't make: what is wrong with them, and what to use instead."""

    def value(self, name: str, reader: Node) -> Value:
        """The tensor of that name; raises ModelError at `reader` where its producer makes no such result here."""
        if name in self.refused:
            raise reader.error(*self.refused[name])
        if name not in self.values:
            hint = "only the first results of operators are supported"
            raise reader.error(f"it reads '{name}', a further result", hint=hint)
        value = self.values[name]
        if isinstance(value, Activation) and value.host and reader.op not in AFTER_THE_HOST:
            hint = f"only {', '.join(AFTER_THE_HOST)} may follow, or the output"
            raise reader.error(f"it reads the result of {value.host}, which the host computes at the end", hint=hint)
        if isinstance(value, Activation) and not value.regular and reader.op not in IN_ANY_FORM:
            where = f"dimension {value.batch_axis}" if value.batch_axis else "merged with other dimensions"
            raise reader.error(
                f"the batch of its input '{name}' is {where}",
                hint="a Reshape or Transpose that puts the batch first; before it functions of elements, products",
            )
        if isinstance(value, Activation) and value.unbatched and reader.op not in (*WITHOUT_BATCH, "output"):
            hint = "functions of each element, Cast and Unsqueeze may follow, or the output"
            raise reader.error("it reads a tensor without the batch dimension, which has been squeezed out", hint=hint)
        return self._made(name, value, reader)

    def _made(self, name: str, value: Value, reader: Node) -> Value:
        """The tensor with its quantiser made, where it has several readers.

        A quantiser that follows takes over one with a single reader; of several, each would compare wide sums again.
        The host's input quantiser costs nothing.
        """
        several = self.readers.get(name, 0) > 1
        if not several or not isinstance(value, Activation) or value.steps is None or value.kind is not None:
            return value
        # What can't be made by itself may still be made by its readers.
        with suppress(ModelError):
            self.values[name] = self.builder.materialise(value, reader)
        return self.values[name]


@dataclass(frozen=True)
class Call:
    """One node with its operands."""

    context: Context
    node: Node

    @property
    def builder(self) -> Builder:
        return self.context.builder

    def operand(self, index: int) -> Value | None:
        name = self.node.input(index)
        return self.context.value(name, self.node) if name else None

    def required(self, index: int) -> Value:
        value = self.operand(index)
        if value is None:
            raise self.node.error(f"its input {index} is missing")
        return value

    def optional(self, index: int, what: str) -> Constant | None:
        """A constant operand, or None; raises ModelError where it depends on the network's input."""
        value = self.operand(index)
        if isinstance(value, Activation):
            name = self.node.input(index)
            raise self.node.error(f"its {what} '{name}' is not constant", hint="a constant is expected")
        return value

    def constant(self, index: int, what: str) -> Constant:
        value = self.optional(index, what)
        if value is None:
            raise self.node.error(f"its {what} is missing")
        return value

    def activation(self, index: int = 0) -> Activation:
        """An operand that depends on the network's input."""
        value = self.required(index)
        if isinstance(value, Constant):
            name = self.node.input(index)
            raise self.node.error(f"its input '{name}' is constant", hint="a tensor that depends on the input")
        return value

    def after_input(self, value: Activation) -> Activation:
        """The tensor, with the network's first quantiser made, if that is pending."""
        return after_input(self.builder, value, self.node)

    def reshaped(self, value: Activation, shape: tuple[int, ...]) -> Activation:
        """The tensor with samples of another shape."""
        return self.builder.reshaped(value, shape, self.node)


Handler: TypeAlias = Callable[[Call], Value | None]
"""Returns the node's first result, or None where it has noted those that there are."""
_HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(*ops: str, domains: tuple[str, ...] = ("",)) -> Callable[[Handler], Handler]:
    """Registers the function for operators of the given names."""

    def register(handler: Handler) -> Handler:
        for domain in domains:
            for op in ops:
                _HANDLERS[domain, op] = handler
        return handler

    return register


def handler_of(node: Node) -> Handler | None:
    return _HANDLERS.get((node.domain, node.op))


def operators() -> tuple[tuple[str, str], ...]:
    """Domains and names of all operators that have a handler."""
    return tuple(sorted(_HANDLERS))


def supported(domain: str, op: str) -> str:
    """What to use instead of an operator without a handler: one of another domain, or the docs' list, similar names."""
    places = sorted(place for place, own in _HANDLERS if own == op)
    if places:
        named = (f"domain '{place}'" if place else "the standard domain" for place in places)
        return f"{op} of {' or '.join(named)}"
    near = get_close_matches(op, sorted({own for place, own in _HANDLERS if place == domain}))
    similar = f"; similar in name: {', '.join(near)}" if near else ""
    return f"docs/onnx.md says which operators are supported{similar}"
