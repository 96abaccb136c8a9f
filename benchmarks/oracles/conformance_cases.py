"""onnx's own node tests as networks that camc can compile: one data input, everything else constant.

A case's data operands stay inputs; weights, scales and all else become initialisers with the test's data. Float data
are declared: the type of an input is that of the smallest lattice which holds them. Data without a batch dimension get
one of size 1 where the operator works element by element or along stated axes; so do those whose constants differ
along the first one. Data that lie on no lattice, or weights, can be rounded, and a real function at the end can get a
quantiser.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import cam_compiler.importer.network  # noqa: F401  (registers the operators)
from cam_compiler.importer.arithmetic.quantizers import integer_range
from cam_compiler.importer.context import operators

Array = NDArray[Any]

PER_AXIS = ("QuantizeLinear", "DequantizeLinear")
SUMS = ("Add", "Sub")
ROUNDED = {"Conv": (1,), "ConvTranspose": (1,), "Einsum": (1,), "Gemm": (1,), "MatMul": (1,), "Pad": (2,)}
"""Constant operands that are rounded with the data: weights, and what borders hold."""
AXIS = {"Concat": 0, "Softmax": -1, "LogSoftmax": -1, "ArgMax": 0, "ArgMin": 0, "Gather": 0, "Split": 0, "TopK": -1}
"""Operators along an axis, and the default of the attribute."""
AXES = ("ReduceMean", "ReduceSum", "ReduceMax", "Squeeze", "Unsqueeze")
"""Operators whose second operand is their axes."""
LIFTED = (*AXIS, *AXES, "Transpose", "Reshape", "Slice", "Pad", "Tile", "Expand")
"""Operators on axes, which mean the same behind a new first dimension."""
FUNCTIONS = (
    *(
        "Abs",
        "Celu",
        "Ceil",
        "Cos",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Log",
    ),
    *("Mish", "Neg", "PRelu", "Pow", "Reciprocal", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign"),
    *("Sqrt", "Swish", "Tanh", "ThresholdedRelu"),
)
"""Functions of single elements, which may get a quantiser behind them."""
ELEMENTWISE = (
    *(*PER_AXIS, *SUMS, *FUNCTIONS, "Mul", "Div", "Relu", "Clip", "Cast", "Identity", "Dropout", "Max", "Min", "Sum"),
    *("Mod", "BitShift"),
)
CLAIMED = tuple(sorted({op for domain, op in operators() if not domain}))
"""All operators of the standard domain that the importer takes."""
MOST_PLACES, WORD = 40, 32
STEPS, NEAR = 16, 1e-5
"""Of a quantiser behind a real function: levels of a unit, and how near a tie a float executor can't tell."""
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)


class NoBatchError(Exception):
    """The case can't get a batch dimension without changing what it tests."""


@dataclass(frozen=True)
class Case:
    """A node test with its tensors by name; what is no tensor (a sequence) is missing."""

    name: str
    node: NodeProto
    model: ModelProto
    inputs: dict[str, TensorProto]
    outputs: dict[str, TensorProto]
    data: tuple[str, ...]
    """The operands that stay inputs"""


@dataclass(frozen=True)
class Network:
    """A model that can be compiled, what it is fed and what it must give."""

    model: ModelProto
    feeds: dict[str, Array]
    expected: dict[str, Array]
    declared: dict[str, str] = field(default_factory=dict[str, str])
    """the types that its inputs are declared to have"""
    near: Array | None = None
    """of a quantiser behind the node: results that lie too near a tie for a float executor to tell"""

    @property
    def node(self) -> NodeProto:
        """The node under test."""
        return self.model.graph.node[0]

    def spread_scales(self, shape: tuple[int, ...]) -> Array:
        """The scales of a QuantizeLinear, one for each element of its input."""
        (scales,) = (array_of(item) for item in self.model.graph.initializer if item.name == self.node.input[1])
        axis = integer_attribute(self.node, "axis", 1)
        if scales.ndim == 1 and scales.size > 1:
            scales = scales.reshape([-1 if index == axis % len(shape) else 1 for index in range(len(shape))])
        elif scales.ndim == len(shape):
            scales = np.repeat(scales, integer_attribute(self.node, "block_size", 1), axis=axis)
        return np.broadcast_to(scales, shape)


def collect() -> list[Any]:
    """onnx's node tests of the operators that are claimed, with the same random data every time."""
    state = np.random.get_state()
    # The data is drawn from numpy's global generator when the module is first imported.
    np.random.seed(0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        from onnx.backend.test.case import node

        # A module calculates its cases when it is imported, so that those of other operators stay out; the cases of a
        # function are cases of the operators that it is made of.
        for schema in defs.get_all_schemas():
            if schema.name not in CLAIMED and not (schema.has_function or schema.has_context_dependent_function):
                name = f"{node.__name__}.{schema.name.lower()}"
                sys.modules.setdefault(name, ModuleType(name))
        found: list[Any] = list(node.collect_testcases(None))
    np.random.set_state(state)
    return found


def cases(operators: Iterable[str] = CLAIMED) -> list[Case]:
    """The tests of a single node of one of the operators, in their order."""
    wanted = set(operators)
    found: list[Case] = []
    for test in collect():
        nodes = test.model.graph.node
        if len(nodes) == 1 and not nodes[0].domain and nodes[0].op_type in wanted:
            found += [_case(test, *data) for data in test.data_sets]
    return found


def _tensor(value: object, name: str) -> TensorProto | None:
    if isinstance(value, TensorProto):
        copy = TensorProto()
        copy.CopyFrom(value)
        copy.name = name
        return copy
    return None if isinstance(value, list) else numpy_helper.from_array(np.asarray(value), name)


def _tensors(values: Iterable[object], ports: Iterable[ValueInfoProto]) -> dict[str, TensorProto]:
    named = {port.name: _tensor(value, port.name) for value, port in zip(values, ports, strict=True)}
    return {name: tensor for name, tensor in named.items() if tensor is not None}


def _case(test: Any, inputs: list[object], outputs: list[object]) -> Case:
    graph = test.model.graph
    node = graph.node[0]
    given = _tensors(inputs, graph.input)
    first, *others = node.input
    data = [first]
    if node.op_type == "Concat":
        data += others
    elif node.op_type in SUMS:
        # Two tensors of one shape are a residual sum; a smaller one is a constant.
        data += [name for name in others if given[name].dims == given[first].dims]
    return Case(test.name, node, test.model, given, _tensors(outputs, graph.output), tuple(data))


def on_integers(case: Case) -> Case | None:
    """The case with its float data and weights rounded to quarters, times four; None where it has none to round.

    Results are those of onnx's reference evaluator.
    """
    operands = ROUNDED.get(case.node.op_type, ())
    names = [*case.data, *(case.node.input[index] for index in operands if index < len(case.node.input))]
    inputs = {name: _copy(tensor) for name, tensor in case.inputs.items()}
    for name in names:
        tensor = inputs.get(name)
        if tensor is None or tensor.data_type not in FLOATS[:3]:
            return None
        values = np.nan_to_num(np.clip(np.rint(4 * numpy_helper.to_array(tensor).astype(np.float64)), -100, 100))
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        inputs[name] = numpy_helper.from_array(values.astype(kind), name)
    if not names:
        return None
    feeds = {name: numpy_helper.to_array(tensor) for name, tensor in inputs.items()}
    with np.errstate(all="ignore"):
        found: list[Any] = list(ReferenceEvaluator(case.model).run(None, feeds))  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
    outputs = {
        port.name: numpy_helper.from_array(np.asarray(value), port.name)
        for port, value in zip(case.model.graph.output, found, strict=True)
    }
    return replace(case, inputs=inputs, outputs=outputs)


def build(case: Case, lift: bool = False, behind: bool = False) -> Network:
    """The network of a case, behind a new first dimension if asked to; raises NoBatchError where it has no batch.

    Its float inputs are declared, but that of a QuantizeLinear. With `behind`, a quantiser follows.
    """
    ranks = [len(case.inputs[name].dims) for name in case.data if name in case.inputs]
    lifted = lift or _needs_batch(case)
    if (not lift and not min(ranks, default=1)) or (lifted and case.node.op_type not in (*ELEMENTWISE, *LIFTED)):
        raise NoBatchError("no batch dimension")
    if lifted and case.node.op_type in LIFTED and not lift:
        raise NoBatchError("no batch dimension")
    inputs, outputs = ({n: _copy(t) for n, t in tensors.items()} for tensors in (case.inputs, case.outputs))
    model = ModelProto()
    model.CopyFrom(case.model)
    if lift and case.node.op_type in LIFTED:
        for name, tensor in (*inputs.items(), *outputs.items()):
            if name in case.data or name in outputs:
                tensor.dims.insert(0, 1)
        _lift_axes(model.graph.node[0], inputs, ranks[0])
    elif lifted:
        for tensor in (*inputs.values(), *outputs.values()):
            if len(tensor.dims) == ranks[0] and (ranks[0] > 1 or tensor.name not in inputs or tensor.name in case.data):
                tensor.dims.insert(0, 1)
        _shift_axis(model.graph.node[0], inputs.values())
    graph = model.graph
    ports = [port for port in case.model.graph.input if port.name in case.data]
    del graph.input[:], graph.output[:]
    graph.input.extend(_port(port, inputs) for port in ports)
    graph.output.extend(_port(port, outputs) for port in case.model.graph.output)
    graph.initializer.extend(tensor for name, tensor in inputs.items() if name not in case.data)
    feeds = {name: array_of(inputs[name]) for name in case.data if name in inputs}
    types = {name: _lattice(values) for name, values in feeds.items() if inputs[name].data_type in FLOATS}
    if case.node.op_type == "QuantizeLinear":
        types = {}
    expected = {name: array_of(tensor) for name, tensor in outputs.items()}
    network = Network(model, feeds, expected, {name: text for name, text in types.items() if text})
    return _with_quantiser(network) if behind else network


def _with_quantiser(network: Network) -> Network:
    """The network with its real result rounded to multiples of 1/16 in eight bits."""
    graph, ((name, values),) = network.model.graph, network.expected.items()
    port, kind = graph.output[0], graph.output[0].type.tensor_type.elem_type
    quotients = values.astype(np.float64) * STEPS
    real, scale, zero = (f"{name}/{part}" for part in ("real", "scale", "zero"))
    graph.node[0].output[0] = real
    graph.initializer.append(helper.make_tensor(scale, kind, (), [1 / STEPS]))
    graph.initializer.append(helper.make_tensor(zero, TensorProto.INT8, (), [0]))
    graph.node.append(helper.make_node("QuantizeLinear", [real, scale, zero], [name]))
    network.model.opset_import[0].version = max(network.model.opset_import[0].version, 13)
    port.type.tensor_type.elem_type = TensorProto.INT8
    with np.errstate(invalid="ignore"):
        near = np.abs(quotients - np.floor(quotients) - 0.5) < NEAR * np.maximum(1, np.abs(quotients))
    return replace(network, expected={name: np.clip(np.rint(quotients), -128, 127).astype(np.int64)}, near=near)


def _copy(tensor: TensorProto) -> TensorProto:
    copy = TensorProto()
    copy.CopyFrom(tensor)
    return copy


def array_of(tensor: TensorProto) -> Array:
    """The numbers of a tensor: float types as they are, integers as int64."""
    array = numpy_helper.to_array(tensor)
    return array.astype(np.int64) if integer_range(tensor.data_type) else array


def integer_attribute(node: NodeProto, name: str, default: int) -> int:
    return next((item.i for item in node.attribute if item.name == name), default)


def _axis(node: NodeProto) -> int:
    return integer_attribute(node, "axis", 1)


def _needs_batch(case: Case) -> bool:
    """Has the data a single dimension, or do constants differ along its first one, which is our batch?"""
    data = case.inputs.get(case.data[0])
    if data is None:
        return False
    rank = len(data.dims)
    others = [tensor for name, tensor in case.inputs.items() if name not in case.data]
    if case.node.op_type in PER_AXIS and _axis(case.node) % max(rank, 1) == 0:
        return rank == 1 or any(len(tensor.dims) == 1 and tensor.dims[0] > 1 for tensor in others)
    per_sample = any(len(tensor.dims) == rank and tensor.dims[0] > 1 for tensor in others)
    return rank == 1 or (per_sample and case.node.op_type in ELEMENTWISE)


def _shift_axis(node: NodeProto, inputs: Iterable[TensorProto]) -> None:
    """The same dimension behind a new first one; where all operands but the data are scalars, there is no axis."""
    _, *others = inputs
    if node.op_type not in PER_AXIS or _axis(node) < 0 or all(prod(tensor.dims) == 1 for tensor in others):
        return
    axis = _axis(node) + 1
    kept = [item for item in node.attribute if item.name != "axis"]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("axis", axis)])


def _lift_axes(node: NodeProto, inputs: dict[str, TensorProto], rank: int) -> None:
    """The same dimensions behind a new first one, in whichever form the operator states them."""
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Transpose":
        order = attributes.get("perm", list(range(rank))[::-1])
        attributes["perm"] = [0, *(axis + 1 for axis in order)]
    elif node.op_type in AXIS:
        axis = attributes.get("axis", AXIS[node.op_type])
        attributes["axis"] = axis if axis < 0 else axis + 1
    else:
        _lift_operands(node, inputs, rank)
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())


def _lift_operands(node: NodeProto, inputs: dict[str, TensorProto], rank: int) -> None:
    """The same for operators with an operand that states dimensions."""

    def stated(index: int) -> list[int] | None:
        tensor = inputs.get(node.input[index]) if len(node.input) > index else None
        return None if tensor is None else [int(item) for item in numpy_helper.to_array(tensor).ravel()]

    def put(index: int, entries: list[int]) -> None:
        name = node.input[index]
        kind = numpy_helper.to_array(inputs[name]).dtype
        inputs[name].CopyFrom(numpy_helper.from_array(np.array(entries, dtype=kind), name))

    entries = stated(1)
    if entries is None:
        raise NoBatchError("no batch dimension")
    behind = [axis if axis < 0 else axis + 1 for axis in entries]
    match node.op_type:
        case "Reshape" | "Tile":
            put(1, [1, *entries])
        case "Expand":
            put(1, [1] * (1 + rank - len(entries)) + entries)
        case "Pad" if stated(3) is None:
            put(1, [0, *entries[:rank], 0, *entries[rank:]])
        case "Pad":
            put(3, [axis if axis < 0 else axis + 1 for axis in stated(3) or []])
        case "Slice" if stated(3) is not None:
            put(3, [axis if axis < 0 else axis + 1 for axis in stated(3) or []])
        case "Slice":
            put(1, [0, *entries])
            put(2, [1, *(stated(2) or [])])
        case "ReduceMean" if not entries:
            put(1, list(range(1, rank + 1)))
        case _ if node.op_type in AXES:
            put(1, behind)
        case _:
            raise NoBatchError("no batch dimension")


def _port(port: ValueInfoProto, tensors: dict[str, TensorProto]) -> ValueInfoProto:
    """The input or output in its tensor's shape; as the test has it where it is no tensor."""
    tensor = tensors.get(port.name)
    if tensor is None:
        return port
    return helper.make_tensor_value_info(port.name, tensor.data_type, list(tensor.dims))


def _lattice(values: Array) -> str | None:
    """The type of an input that holds the numbers and what lies between them; None where none of 32 bits does."""
    wide = values.astype(np.float64)
    if not wide.size or not np.isfinite(wide).all():
        return None
    places = next((count for count in range(MOST_PLACES) if (np.ldexp(wide, count) % 1 == 0).all()), None)
    if places is None:
        return None
    low, high = (int(end) for end in np.ldexp(np.array([wide.min(), wide.max()]), places))
    bits = max(1, high.bit_length()) if low >= 0 else max(high.bit_length(), (-low - 1).bit_length()) + 1
    kind = f"UINT{bits}" if low >= 0 else f"INT{max(2, bits)}"
    return None if bits > WORD else kind + (f"*1/{1 << places}" if places else "")


def within(values: Array, kind: int) -> Array:
    span = integer_range(kind)
    assert span is not None
    return (values >= span.lo) & (values <= span.hi)
