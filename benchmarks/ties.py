"""Where a float executor's integers differ from the exact ones, and that each such place is a tie for float32.

    python benchmarks/ties.py MODEL.onnx --input X.npy|X.npz [--samples N]

The reference is onnxruntime (without graph optimisations), or qonnx's executor for QONNX's operators. Each layer, from
quantiser to quantiser, is compiled by itself and given the integers that the reference has before it, so that one
difference brings no others. Where its integers differ, the exact number before the rounding must be so close to where
the rounding changes that float32 can't tell: its distance is printed in units of the proved bound of the reference's
error (float_bounds.py), the largest of all differing integers of a layer. A distance above 1 would be a bug of ours,
and the exit code is 1 then. The last column counts the integers that differ when differences are handed on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from oracles.executors import QUANTISERS, Array, Graph, integers, kind_of, reference
from oracles.float_bounds import Real, U, apply, attributes, rounded

from cam_compiler.files import read_arrays
from cam_compiler.importer import import_model
from cam_compiler.importer.arithmetic.exact import each
from cam_compiler.importer.arithmetic.quantizers import bipolar_quant, quant, quantised
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.model import Node
from dialects.support.errors import CamcError, InputError
from runtime.interpreter import Interpreter

# ---- one layer by itself


@dataclass(frozen=True)
class Layer:
    """What lies between quantisers: the model of its nodes, which takes integers, and the tensor that it ends with."""

    name: str
    nodes: list[NodeProto]
    sources: list[str]
    model: ModelProto
    last: str
    quantiser: NodeProto | None


def layers(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Layer]:
    """Every quantiser's layer, then those of the outputs."""
    known = set(graph.inputs) | {node.output[0] for node in graph.quantisers}
    quantised = {node.output[0]: node for node in graph.quantisers}
    for node in graph.quantisers:
        nodes, sources = graph.before(node.input[0], known)
        yield _layer(graph, [*nodes, node], sources, node.output[0], node, quantised, shapes)
    for port in graph.model.graph.output:
        nodes, sources = graph.before(port.name, known)
        if nodes:
            yield _layer(graph, nodes, sources, port.name, None, quantised, shapes)


def _layer(
    graph: Graph,
    nodes: list[NodeProto],
    sources: list[str],
    last: str,
    quantiser: NodeProto | None,
    quantised: Mapping[str, NodeProto],
    shapes: Mapping[str, tuple[int, ...]],
) -> Layer:
    inputs: list[onnx.ValueInfoProto] = []
    own: list[NodeProto] = []
    for name in sources:
        shape = ["N", *shapes[name][1:]]
        node = quantised.get(name)
        if node is None:
            inputs += [port for port in graph.model.graph.input if port.name == name]
            continue
        if node.op_type == "QuantizeLinear":
            inputs.append(helper.make_tensor_value_info(name, kind_of(graph, node), shape))
            continue
        # The integers of a Quant, times its scale, less its zero point.
        inputs.append(helper.make_tensor_value_info(f"{name}/codes", TensorProto.INT32, shape))
        own.append(helper.make_node("Cast", [f"{name}/codes"], [f"{name}/real"], to=TensorProto.FLOAT))
        real = f"{name}/real"
        if node.op_type != "BipolarQuant":
            own.append(helper.make_node("Sub", [real, node.input[2]], [f"{name}/centred"]))
            real = f"{name}/centred"
        own.append(helper.make_node("Mul", [real, node.input[1]], [name]))
    used = {name for node in [*own, *nodes] for name in node.input}
    kind = (
        TensorProto.FLOAT if quantiser is None or quantiser.op_type != "QuantizeLinear" else kind_of(graph, quantiser)
    )
    outputs = [helper.make_tensor_value_info(last, kind, None)]
    constants = [tensor for tensor in graph.model.graph.initializer if tensor.name in used]
    body = helper.make_graph([*own, *nodes], "layer", inputs, outputs, constants)
    model = helper.make_model(body, opset_imports=graph.model.opset_import, ir_version=graph.model.ir_version)
    return Layer(quantiser.name or last if quantiser else last, nodes, sources, model, last, quantiser)


def ours(graph: Graph, layer: Layer, values: Mapping[str, Array]) -> Array:
    """The layer's integers, or its outputs, by our own exact arithmetic on the given integers."""
    feeds: dict[str, Array] = {}
    for port in layer.model.graph.input:
        feeds[port.name] = values[port.name.removesuffix("/codes")]
    (found,) = Interpreter().run(import_model(layer.model), feeds).outputs.values()
    if layer.quantiser is not None and layer.quantiser.op_type != "QuantizeLinear":
        return integers(graph, layer.quantiser, found)
    return found


def real(graph: Graph, layer: Layer, values: Mapping[str, Array]) -> Real:
    """What the layer's quantiser rounds, or its output, in double precision with the reference's error bounds."""
    known = {name: Real.exact(value) for name, value in graph.constants.items()}
    for name in layer.sources:
        node = graph.producers.get(name)
        known[name] = Real.exact(values[name])
        if node is not None and node.op_type in QUANTISERS[1:]:
            scale = graph.constants[node.input[1]].astype(np.float64)
            known[name] = rounded((values[name] - graph.zero(node)) * scale, np.zeros(values[name].shape))
    for node in layer.nodes:
        if node is layer.quantiser:
            break
        inputs = [known[name] for name in node.input if name]
        weights = node.op_type in QUANTISERS[1:]
        known[node.output[0]] = _weights(node, inputs) if weights else apply(node, inputs, graph.opset)
    if layer.quantiser is None:
        return known[layer.last]
    node = layer.quantiser
    x, scale = known[node.input[0]], graph.constants[node.input[1]].astype(np.float64)
    rank = x.value.ndim
    scale = graph.spread(node, scale, rank)
    quotient = rounded(x.value / scale, x.error / scale)
    if node.op_type in ("Quant", "IntQuant"):
        return rounded(quotient.value + graph.zero(node), quotient.error)
    return quotient


def _weights(node: NodeProto, inputs: list[Real]) -> Real:
    """What a quantiser makes of constants, exactly but for one rounding of the product with the scale."""
    record = Node(node.op_type, node.domain, node.name, tuple(node.input), tuple(node.output), attributes(node), node)
    data, *operands = (Constant(part.value.astype(np.float64), TensorProto.FLOAT) for part in inputs)
    quantiser = bipolar_quant(record, *operands) if node.op_type == "BipolarQuant" else quant(record, *operands)
    value = each(float, quantised(record, data, quantiser).exact(record)).astype(np.float64)
    return rounded(value, np.zeros(value.shape))


# ---- the table


@dataclass(frozen=True)
class Row:
    """A layer: its integers, how many differ, how far the worst of those is from a tie, and how many differ in all.

    For an output: its real numbers, how many differ, and the largest difference, in units of the error bound.
    """

    name: str
    count: int
    differing: int
    worst: float
    end_to_end: int
    output: bool


def compare(model: ModelProto, feeds: Mapping[str, Array], expected: Mapping[str, Array] | None = None) -> list[Row]:
    """All layers of a model; `expected` are the reference's integers and outputs, if they are known."""
    graph = Graph.of(model)
    values = dict(feeds) | dict(expected or reference(graph, feeds))
    chained: dict[str, Array] = dict(feeds)
    rows: list[Row] = []
    for layer in layers(graph, {name: value.shape for name, value in values.items()}):
        alone = ours(graph, layer, values)
        same = all(np.array_equal(chained[name], values[name]) for name in layer.sources)
        chained[layer.last] = alone if same else ours(graph, layer, chained)
        wanted, worst = values[layer.last], 0.0
        wrong = alone != wanted
        if layer.quantiser is None:
            exact = real(graph, layer, values)
            room = exact.error + 2 * U * np.abs(exact.value)
            worst = float((np.abs(exact.value - wanted) / np.maximum(room, 1e-300)).max())
        elif wrong.any():
            exact = real(graph, layer, values)
            worst = float(_distance(layer.quantiser, exact, alone, wanted)[wrong].max())
        in_all = int((chained[layer.last] != wanted).sum())
        rows.append(Row(layer.name, alone.size, int(wrong.sum()), worst, in_all, layer.quantiser is None))
    return rows


def _distance(quantiser: NodeProto, exact: Real, found: Array, wanted: Array) -> Array:
    """How far each number is from where its rounding changes, in units of its error bound.

    Integers that differ by more than one have no such place between them.
    """
    if quantiser.op_type == "BipolarQuant":
        edge = np.abs(exact.value)
    else:
        edge = np.abs(exact.value - np.floor(exact.value) - 0.5)
    steps = np.abs(found - wanted)
    least = 2 if quantiser.op_type == "BipolarQuant" else 1
    return np.where(steps > least, np.inf, edge / np.maximum(exact.error, 1e-300))


def table(rows: list[Row]) -> Table:
    integers, outputs = ([row for row in rows if row.output is kind] for kind in (False, True))
    worst = max((row.worst for row in integers), default=0.0)
    counts = (sum(getattr(row, field) for row in integers) for field in ("count", "differing", "end_to_end"))
    total = Row("all integers", next(counts), next(counts), worst, next(counts), False)
    shown = Table("layer", "numbers", "differ", "worst distance", "differ end to end")
    for section in (integers, [total], outputs):
        for row in section:
            distance = f"{row.worst:.3f}" if row.differing else ""
            name = f"output {row.name}" if row.output else row.name
            shown.add_row(name, f"{row.count:,}", f"{row.differing:,}", distance, f"{row.end_to_end:,}")
        shown.add_section()
    return shown


def feeds_of(graph: Graph, arrays: Mapping[str, Array], samples: int | None) -> dict[str, Array]:
    """The arrays of the network's inputs, by name; a single array needs none where there is a single input."""
    if len(graph.inputs) == len(arrays) == 1:
        arrays = dict(zip(graph.inputs, arrays.values(), strict=True))
    if missing := [name for name in graph.inputs if name not in arrays]:
        named = ", ".join(repr(name) for name in arrays if name)
        raise InputError(
            f"it has no array for '{missing[0]}'" + (f", only {named}" if named else ""),
            place="--input",
            hint=f"an .npz file with arrays named {', '.join(map(repr, graph.inputs))}",
        )
    return {name: arrays[name][:samples].astype(np.float32) for name in graph.inputs}


def main() -> int:
    """Prints the table; 1 where an integer differs that is no tie, 2 where the files don't fit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--input", type=Path, required=True, help="an .npy file, or an .npz with the inputs by name")
    parser.add_argument("--samples", type=int, help="how many of them to run")
    options = parser.parse_args()
    try:
        model = onnx.load(options.model)
        rows = compare(model, feeds_of(Graph.of(model), read_arrays(options.input), options.samples))
    except CamcError as error:
        print(error, file=sys.stderr)
        return 2
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table(rows))
    return int(any(row.worst > 1 for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
