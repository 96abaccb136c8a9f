"""Random small networks: every level, its text and the saved program compute the same, or the array is too small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from camc_testing import Network, parse_module
from hypothesis import given, settings
from hypothesis import strategies as st
from levels_testing import Levels
from xdsl.dialects.builtin import DYNAMIC_INDEX, Float32Type, Float64Type, TensorType
from xdsl.ir import SSAValue

from cam_compiler.pipeline import PIPELINES, parse_passes, run_passes
from cam_compiler.validation import edge_inputs
from dialects import ternary
from dialects.machine.target import Target
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntMatrix, Thresholds
from runtime.interpreter import Interpreter

SPANS = [Range(0, 1), Range(0, 3), Range(0, 15), Range(-1, 1), Range(-4, 3), Range(-8, 7), Range(2, 5), Range(-6, -2)]
RESULTS = [Range(0, 1), Range(-1, 1), Range(0, 3), Range(-2, 1), Range(1, 4), Range(-5, -3)]
TARGETS = [
    Target("default"),
    Target("64x64x32", rows=64, columns=64, domains=32),
    Target("8x16", rows=16, columns=8, domains=16),
    Target("5x24", rows=8, columns=5, domains=24),
    Target("40x6", rows=70, columns=40, domains=6),
]


@st.composite
def weights(draw: st.DrawFn, inputs: int, rows: int) -> IntMatrix:
    """Ternary or multi-bit, with zero rows and rows without a positive entry among them."""
    limit = draw(st.sampled_from([1, 1, 1, 3, 9, 127, 300]))
    entry = st.integers(-limit, limit)
    row = st.one_of(
        st.lists(entry, min_size=inputs, max_size=inputs),
        st.just([0] * inputs),
        st.lists(st.integers(-limit, 0), min_size=inputs, max_size=inputs),
    )
    return IntMatrix.from_array(np.array(draw(st.lists(row, min_size=rows, max_size=rows)), dtype=np.int64))


@st.composite
def thresholds(draw: st.DrawFn, span: Range, channels: int, result: Range) -> Thresholds:
    """Rising and falling, shared or one line per channel, with thresholds that are always or never reached."""
    lines = draw(st.sampled_from([1, channels]))
    levels = result.hi - result.lo
    point = st.one_of(st.integers(span.lo, span.hi + 1), st.sampled_from([span.lo, span.hi + 1]))
    rows = [sorted(draw(st.lists(point, min_size=levels, max_size=levels))) for _ in range(lines)]
    down = draw(st.lists(st.booleans(), min_size=lines, max_size=lines))
    return Thresholds.from_array(np.array(rows).reshape(lines, levels), np.array(down))


@st.composite
def float_thresholds(draw: st.DrawFn, channels: int, result: Range) -> FloatThresholds:
    lines, levels = draw(st.sampled_from([1, channels])), result.hi - result.lo
    point = st.one_of(st.integers(-8, 8).map(lambda n: n / 4), st.floats(-2, 2), st.sampled_from([-np.inf, np.inf]))
    rows = [sorted(draw(st.lists(point, min_size=levels, max_size=levels))) for _ in range(lines)]
    down = draw(st.lists(st.booleans(), min_size=lines, max_size=lines))
    return FloatThresholds.from_array(np.array(rows, dtype=np.float64).reshape(lines, levels), np.array(down))


@st.composite
def layer(draw: st.DrawFn, network: Network, value: SSAValue) -> SSAValue:
    """A matmul, a threshold, or a reshape there and back, on a value of two dimensions."""
    match draw(st.sampled_from(["matmul", "matmul", "threshold", "reshape"])):
        case "matmul":
            matrix = draw(weights(ternary.shape_of(value)[1], draw(st.integers(1, 4))))
            return network.add(ternary.MatmulOp(value, matrix, draw(st.sampled_from(["", "fc", "fc/1"]))))
        case "threshold":
            result = draw(st.sampled_from(RESULTS))
            table = draw(thresholds(ternary.range_of(value), ternary.shape_of(value)[1], result))
            return network.add(ternary.ThresholdOp(value, table, result))
        case _:
            # With two positions a channel, a line of thresholds serves both.
            batch, count = ternary.shape_of(value)
            channels = count // 2 if count % 2 == 0 else count
            image = network.add(ternary.ReshapeOp(value, (batch, channels, count // channels, 1)))
            result = draw(st.sampled_from(RESULTS))
            table = draw(thresholds(ternary.range_of(image), channels, result))
            steps = network.add(ternary.ThresholdOp(image, table, result))
            return network.add(ternary.ReshapeOp(steps, (batch, count)))


@st.composite
def networks(draw: st.DrawFn) -> str:
    """The IR of a network: one or two inputs (integers, or quantised floats), up to four layers, three outputs.

    Any value may be used again by a later layer or be an output, as integers or scaled to floats.
    """
    kinds = draw(st.lists(st.sampled_from(["int", "f32", "f64"]), min_size=1, max_size=2))
    spans = [draw(st.sampled_from(SPANS)) for _ in kinds]
    counts = [draw(st.integers(1, 5)) for _ in kinds]
    floats = {"f32": Float32Type(), "f64": Float64Type()}
    network = Network(
        {
            f"x{index}": TensorType(floats.get(kind, ternary.IntType.of(span)), (DYNAMIC_INDEX, count))
            for index, (kind, span, count) in enumerate(zip(kinds, spans, counts, strict=True))
        }
    )
    values: list[SSAValue] = []
    for argument, kind, span, count in zip(network.args, kinds, spans, counts, strict=True):
        quantised: SSAValue = argument
        if kind != "int":
            quantised = network.add(ternary.QuantizeOp(argument, draw(float_thresholds(count, span)), span))
        values.append(quantised)
    for _ in range(draw(st.integers(1, 4))):
        source = draw(st.sampled_from(values)) if draw(st.booleans()) else values[-1]
        values.append(draw(layer(network, source)))
    ends = [values[-1], *draw(st.lists(st.sampled_from(values), max_size=2))]
    outputs: dict[str, SSAValue] = {}
    for index, value in enumerate(ends):
        if draw(st.booleans()):
            channels = ternary.shape_of(value)[1]
            scale = np.array(draw(st.lists(st.floats(-4, 4), min_size=channels, max_size=channels)))
            element = draw(st.sampled_from([Float32Type(), Float64Type()]))
            value = network.add(ternary.DequantizeOp(value, scale, np.array([0.25]), element))
        outputs[f"y{index}"] = value
    return str(network.finish(outputs))


def levels(source: str, target: Target, folder: Path) -> Levels:
    return Levels(source, edge_inputs, target, folder)


@pytest.mark.long
@given(source=networks())
@settings(max_examples=70)
def test_all_levels_compute_the_same(tmp_path: Path, source: str) -> None:
    assert not levels(source, TARGETS[0], tmp_path).check(PIPELINES)


@pytest.mark.long
@given(source=networks(), target=st.sampled_from(TARGETS[1:]))
@settings(max_examples=70)
def test_small_arrays_compute_the_same_or_are_refused(tmp_path: Path, source: str, target: Target) -> None:
    levels(source, target, tmp_path).check(PIPELINES)


TWO_CHAINS = """
func.func @main(%a: tensor<?x1x!ternary.int<0, 3>> {onnx.name="value 0"}, %b: tensor<?x1xf32> {onnx.name="value 3"})
    -> (tensor<?x1xf32> {onnx.name="y"}, tensor<?x1xf32> {onnx.name="z"}, tensor<?x1xf32> {onnx.name="y again"}) {
  %m = ternary.matmul %a : tensor<?x1x!ternary.int<0, 3>> -> tensor<?x1x!ternary.int<-3, 0>> weights <{
    -
  }>
  %y = ternary.dequantize %m {scale = array<f64: 0.5>, offset = array<f64: 0.0>}
    : tensor<?x1x!ternary.int<-3, 0>> -> tensor<?x1xf32>
  %q = ternary.quantize %b : tensor<?x1xf32> -> tensor<?x1x!ternary.int<0, 1>> thresholds <{
    up 0.5
  }>
  %n = ternary.matmul %q : tensor<?x1x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 7>> weights <{
    7
  }>
  %z = ternary.dequantize %n {scale = array<f64: 0.5>, offset = array<f64: 1.0>}
    : tensor<?x1x!ternary.int<0, 7>> -> tensor<?x1xf32>
  func.return %y, %z, %y : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
}
"""


def test_two_chains_one_after_the_other(tmp_path: Path) -> None:
    """The second input is quantised after the first output is scaled; names look like those of a network's values."""
    assert not levels(str(parse_module(TWO_CHAINS)), TARGETS[0], tmp_path).check(PIPELINES)


def test_constants_that_cancel(tmp_path: Path) -> None:
    """-8 + (1 << 3) has a single bit, so that nothing is left of the shifted term."""
    network = Network({"x": ternary.int_tensor((DYNAMIC_INDEX, 2), Range(0, 1))})
    never = Thresholds.from_array(np.array([[2] * 9]))
    low = network.add(ternary.ThresholdOp(network.args[0], never, Range(-8, 1)))
    value = network.add(ternary.MatmulOp(low, IntMatrix.from_array(np.array([[1, -8], [8, -1], [-64, 8]]))))
    assert not levels(str(network.finish({"y": value})), TARGETS[0], tmp_path).check(["unshared"])


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 257])
def test_any_number_of_samples(samples: int) -> None:
    network = Network({"x": ternary.int_tensor((DYNAMIC_INDEX, 3), Range(-4, 3))})
    matrix = IntMatrix.from_array(np.array([[1, -1, 0], [-1, -1, 3]]))
    value = network.add(ternary.MatmulOp(network.args[0], matrix))
    module = network.finish({"y": value})
    inputs = edge_inputs(module, samples=samples) if samples > 1 else {"x": np.array([[-4, 3, 2]])}
    expected = inputs["x"] @ matrix.array.T
    target = Target("t", rows=64, columns=16, domains=16)
    run_passes(module, parse_passes("unshared"), target)
    result = Interpreter(target).run(module, inputs)
    assert np.array_equal(result.outputs["y"], expected)
    assert {run.arrays for run in result.segments} == {-(-samples // 64)}


def test_sums_beyond_double_precision() -> None:
    """The golden interpreter is exact for every sum that the machine takes."""
    network = Network({"x": ternary.int_tensor((DYNAMIC_INDEX, 4), Range(0, (1 << 31) - 1))})
    weights = np.array([[(1 << 25) - 1, -1, 0, 0]])
    value = network.add(ternary.MatmulOp(network.args[0], IntMatrix.from_array(weights)))
    module = network.finish({"y": value})
    given = np.random.default_rng(0).integers(0, 1 << 31, size=(50, 4))
    (found,) = Interpreter().run(module, {"x": given}).outputs.values()
    assert found[:, 0].tolist() == [((1 << 25) - 1) * row[0] - row[1] for row in given.tolist()]
