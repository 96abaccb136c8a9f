"""Images: windows and operations against plain loops; random small CNNs compute the same at every level."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from camc_testing import Network, parse_module
from hypothesis import given, settings
from hypothesis import strategies as st
from levels_testing import Levels
from xdsl.dialects.builtin import DYNAMIC_INDEX, Float32Type, Float64Type, ModuleOp
from xdsl.ir import Operation, SSAValue

from cam_compiler.pipeline import PIPELINES, parse_passes, run_passes
from cam_compiler.validation import Validator, difference
from dialects import apv, ternary
from dialects.apv import spatial as apv_spatial
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import FloatThresholds, IntArray, IntMatrix, Thresholds
from dialects.support.window import Window, scatter
from passes.adder_graphs.sums import unshared
from passes.ternary_pool_rows import stacked
from runtime.camx import load, save
from runtime.executor import Executor
from runtime.interpreter import Interpreter, network_of
from runtime.values import Value

T = TypeVar("T")

SPANS = [Range(0, 1), Range(0, 3), Range(-1, 1), Range(-4, 3), Range(2, 5), Range(-6, -2), Range(0, 15)]
RESULTS = [Range(0, 1), Range(-1, 1), Range(0, 3), Range(-2, 1), Range(1, 4)]
TARGETS = [
    Target("64x64x32", rows=64, columns=64, domains=32),
    Target("8x16", rows=16, columns=8, domains=16),
    Target("4x60", rows=8, columns=4, domains=60),
    Target("100x7", rows=7, columns=100, domains=7),
]
FULL = "convert-ternary-to-apv,apv-share,convert-apv-to-rtm{accumulators=full},convert-rtm-to-ap"
WIDEST = 300
"""values that one operation's result may range over before it is cut by thresholds"""


@st.composite
def windows(draw: st.DrawFn, height: int, width: int, largest: int = 3) -> Window:
    """A window that fits at least once: any strides and dilations, pads of each side on their own."""
    dilations = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    pads = draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 2, 0), (0, 1, 0, 2), (2, 1, 0, 3)]))
    sizes = (height + pads[0] + pads[2], width + pads[1] + pads[3])
    kernel = [
        draw(st.integers(1, min(largest, (size - 1) // dilation + 1)))
        for size, dilation in zip(sizes, dilations, strict=True)
    ]
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return Window((kernel[0], kernel[1]), strides, pads, dilations)


class Cnn:
    """Grows a random network from drawn numbers; `values` are all tensors that later operations may read."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
        shape = (DYNAMIC_INDEX, draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))
        inputs = {f"x{n}": ternary.int_tensor(shape, self.pick(SPANS)) for n in range(draw(st.integers(1, 2)))}
        self.network = Network(inputs)
        self.values: list[SSAValue] = list(self.network.args)

    def pick(self, choices: list[T]) -> T:
        return self.draw(st.sampled_from(choices))

    def keep(self, value: SSAValue) -> SSAValue:
        """A new value for later operations, cut to few bits where it has become wide."""
        span = ternary.range_of(value)
        self.values.append(value)
        if span.hi - span.lo > WIDEST:
            return self.threshold(value)
        return value

    def matrix(self, rows: int, columns: int) -> IntMatrix:
        limit = self.pick([1, 1, 1, 3, 40])
        return IntMatrix.from_array(self.rng.integers(-limit, limit + 1, size=(rows, columns)))

    def window(self, value: SSAValue) -> Window:
        return self.draw(windows(*ternary.shape_of(value)[2:]))

    def pad(self) -> int:
        return self.pick([0, 0, 0, 1, -3, 7])

    def images(self) -> SSAValue:
        """Mostly the latest value, sometimes an older one."""
        found = [value for value in self.values if len(ternary.shape_of(value)) == 4]
        return found[-1] if self.draw(st.booleans()) else self.pick(found)

    def conv(self, value: SSAValue, window: Window | None = None, outputs: int = 0) -> SSAValue:
        channels = ternary.channels_of(value)
        groups = 1 if outputs else self.pick([1, *(g for g in range(1, channels + 1) if channels % g == 0), channels])
        outputs = outputs or groups * self.draw(st.integers(1, max(1, 4 // groups)))
        window = window or self.window(value)
        weights = self.matrix(outputs, channels // groups * window.size)
        pad = self.pad() if window.padded else 0
        return self.keep(self.network.add(ternary.ConvOp(value, weights, window, groups=groups, pad=pad)))

    def pointwise(self, value: SSAValue) -> SSAValue:
        return self.conv(value, Window((1, 1)))

    def max_pool(self, value: SSAValue) -> SSAValue:
        return self.keep(self.network.add(ternary.MaxPoolOp(value, self.window(value), "pool")))

    def sum_pool(self, value: SSAValue) -> SSAValue:
        window = self.window(value)
        pad = self.pad() if window.padded else 0
        return self.keep(self.network.add(ternary.SumPoolOp(value, window, pad=pad)))

    def threshold(self, value: SSAValue) -> SSAValue:
        span, result = ternary.range_of(value), self.pick(RESULTS)
        shape = (int(self.pick([1, ternary.channels_of(value)])), result.hi - result.lo)
        points = np.sort(self.rng.integers(span.lo, span.hi + 2, size=shape), axis=1)
        table = Thresholds.from_array(points, self.rng.integers(0, 2, size=shape[0]).astype(bool))
        return self.keep(self.network.add(ternary.ThresholdOp(value, table, result)))

    def combine(self, value: SSAValue, *others: SSAValue) -> SSAValue:
        shape = ternary.shape_of(value)
        same = [other for other in self.values if ternary.shape_of(other) == shape]
        parts = [value, *others] if others else [value, *(self.pick(same) for _ in range(self.draw(st.integers(1, 2))))]
        lines = self.pick([1, ternary.channels_of(value)])
        multipliers = IntMatrix.from_array(self.rng.integers(-3, 4, size=(lines, len(parts))))
        return self.keep(self.network.add(ternary.CombineOp(parts, multipliers)))

    def concat(self, value: SSAValue, *others: SSAValue) -> SSAValue:
        shape = ternary.shape_of(value)
        same = [v for v in self.values if ternary.shape_of(v)[2:] == shape[2:] and ternary.channels_of(v) < 4]
        parts = [value, *others] if others or not same else [value, self.pick(same)]
        return self.keep(self.network.add(ternary.ConcatOp(parts)))

    def around(self, value: SSAValue) -> SSAValue:
        """A convolution that keeps height and width."""
        return self.conv(value, Window((3, 3), pads=(1, 1, 1, 1)), ternary.channels_of(value))

    def residual(self, value: SSAValue) -> SSAValue:
        inner = self.around(self.threshold(self.around(value)))
        return self.combine(inner, value) if ternary.shape_of(inner) == ternary.shape_of(value) else inner

    def inception(self, value: SSAValue) -> SSAValue:
        pooled = self.network.add(ternary.MaxPoolOp(value, Window((3, 3), pads=(1, 1, 1, 1))))
        return self.concat(self.pointwise(value), self.around(value), self.pointwise(self.keep(pooled)))

    def positions(self, value: SSAValue) -> SSAValue:
        """Thresholds on positions in a row (batch, channels, height * width), and back."""
        shape = ternary.shape_of(value)
        flat = self.network.add(ternary.ReshapeOp(value, (*shape[:2], prod(shape[2:]))))
        return self.keep(self.network.add(ternary.ReshapeOp(self.threshold(flat), shape)))

    def host(self, value: SSAValue) -> SSAValue:
        """To real numbers and back, on the host."""
        real = self.network.add(ternary.DequantizeOp(value, np.array([0.5]), np.array([0.0]), Float64Type()))
        result = self.pick(RESULTS)
        points = np.sort(self.rng.integers(-6, 6, size=(1, result.hi - result.lo)), axis=1) / 2
        return self.keep(self.network.add(ternary.QuantizeOp(real, FloatThresholds.from_array(points), result)))

    def flatten(self, value: SSAValue) -> SSAValue:
        shape = ternary.shape_of(value)
        value = self.keep(self.network.add(ternary.ReshapeOp(value, (shape[0], prod(shape[1:])))))
        weights = self.matrix(self.draw(st.integers(1, 3)), prod(shape[1:]))
        return self.keep(self.network.add(ternary.MatmulOp(value, weights)))

    def finish(self) -> str:
        outputs = {"y0": self.values[-1]}
        for number in range(1, self.draw(st.integers(1, 3))):
            outputs[f"y{number}"] = self.pick(self.values)
        for name, value in outputs.items():
            if self.draw(st.booleans()):
                scale = np.linspace(-1, 1, ternary.channels_of(value))
                real = ternary.DequantizeOp(value, scale, np.array([0.25]), Float32Type())
                outputs[name] = self.network.add(real)
        return str(self.network.finish(outputs))


STEPS: list[Callable[[Cnn, SSAValue], SSAValue]] = [
    Cnn.conv,
    Cnn.conv,
    Cnn.pointwise,
    Cnn.max_pool,
    Cnn.sum_pool,
    Cnn.threshold,
    Cnn.combine,
    Cnn.concat,
    Cnn.residual,
    Cnn.inception,
    Cnn.positions,
    Cnn.host,
]


@st.composite
def networks(draw: st.DrawFn, longest: int = 5) -> str:
    """The IR of a small CNN: one or two inputs, up to `longest` blocks on any earlier values, one to three outputs."""
    cnn = Cnn(draw)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=longest)):
        step(cnn, cnn.images())
    if draw(st.booleans()):
        cnn.flatten(cnn.images())
    return cnn.finish()


def random_inputs(module: ModuleOp, samples: int) -> dict[str, Value]:
    """The ends of the inputs' ranges and what is between them."""
    rng = np.random.default_rng(samples)
    inputs: dict[str, Value] = {}
    for number, argument in enumerate(next(iter(module.ops)).regions[0].blocks[0].args):
        span, shape = ternary.range_of(argument), (samples, *ternary.shape_of(argument)[1:])
        inputs[f"x{number}"] = np.where(
            rng.random(shape) < 0.5, rng.integers(span.lo, span.hi + 1, shape), rng.choice([span.lo, span.hi], shape)
        )
    return inputs


def levels(source: str, samples: int, target: Target, folder: Path) -> Levels:
    return Levels(source, lambda module: random_inputs(module, samples), target, folder)


@pytest.mark.long
@given(source=networks(), samples=st.integers(1, 4))
@settings(max_examples=30)
def test_all_levels_compute_the_same(tmp_path: Path, source: str, samples: int) -> None:
    assert not levels(source, samples, Target("default"), tmp_path).check([*PIPELINES, FULL])


@pytest.mark.long
@given(source=networks(longest=3), samples=st.integers(1, 4), target=st.sampled_from(TARGETS))
@settings(max_examples=30)
def test_small_arrays_compute_the_same_or_are_refused(
    tmp_path: Path, source: str, samples: int, target: Target
) -> None:
    levels(source, samples, target, tmp_path).check(PIPELINES)


@given(source=networks(longest=2), samples=st.integers(1, 4))
@settings(max_examples=12)
def test_the_golden_simulator_agrees_in_outputs_and_counts(source: str, samples: int) -> None:
    module, target = parse_module(source), Target("default", rows=8)
    inputs = random_inputs(module, samples)
    run_passes(module, parse_passes("default"), target)
    native, golden = (Interpreter(target, engine).run(module, inputs) for engine in ("native", "golden"))
    assert difference(golden.outputs, native.outputs) is None
    assert native.segments == golden.segments


@st.composite
def columns(draw: st.DrawFn) -> str:
    """Maxima and concatenations of columns of different ranges, some of which are used again."""
    spans = draw(st.lists(st.sampled_from(SPANS), min_size=1, max_size=3))
    counts = [draw(st.integers(1, 3)) for _ in spans]
    network = Network(
        {f"x{n}": ternary.int_tensor((DYNAMIC_INDEX, c), s) for n, (c, s) in enumerate(zip(counts, spans, strict=True))}
    )
    ops: list[Operation] = []

    def add(op: Operation) -> SSAValue:
        ops.append(op)
        return op.results[0]

    values = [add(apv.LoadOp(argument)) for argument in network.args]
    for kind in draw(
        st.lists(st.sampled_from(["max", "max", "concat", "linear", "threshold"]), min_size=1, max_size=4)
    ):
        parts = [draw(st.sampled_from(values)) for _ in range(draw(st.integers(1, 3)))]
        kinds = [apv.columns_of(part) for part in parts]
        span = kinds[0].range
        for each in kinds[1:]:
            span = span.union(each.range)
        match kind:
            case "concat" | "max":
                value = add(apv_spatial.ConcatOp(parts, span))
                total = apv.columns_of(value).count.data
                if kind == "max":
                    size = draw(st.sampled_from([size for size in range(1, total + 1) if total % size == 0]))
                    value = add(apv_spatial.MaxOp(value, size))
            case "threshold":
                source, result = kinds[0].range, draw(st.sampled_from(RESULTS))
                point = st.integers(source.lo, source.hi + 1)
                levels = result.hi - result.lo
                points = sorted(draw(st.lists(point, min_size=levels, max_size=levels)))
                value = add(apv.ThresholdOp(parts[0], Thresholds.from_array(np.array([points])), result))
            case _:
                ranges = [each.range for each in kinds for _ in range(each.count.data)]
                rng = np.random.default_rng(draw(st.integers(0, 99)))
                weights = rng.integers(-3, 4, size=(draw(st.integers(1, 3)), len(ranges)))
                reach = 3 * sum(max(abs(each.lo), abs(each.hi)) for each in ranges)
                span = Range(-reach, reach)
                graph = draw(st.booleans())
                value = add(
                    apv.SumOp(parts, unshared(weights, ranges), span) if graph else apv.LinearOp(parts, weights, span)
                )
        values.append(value)
    ends = [values[-1], *draw(st.lists(st.sampled_from(values), max_size=2))]
    for end in ends:
        add(apv.StoreOp(end))
    stage = apv.StageOp(ops)
    network.add(stage)
    return str(network.finish({f"y{n}": output for n, output in enumerate(stage.outputs)}))


@pytest.mark.long
@given(source=columns(), target=st.sampled_from([Target("default"), *TARGETS]))
@settings(max_examples=60)
def test_maxima_of_any_columns(tmp_path: Path, source: str, target: Target) -> None:
    pipelines = [f"convert-apv-to-rtm{{accumulators={each}}},convert-rtm-to-ap" for each in ("exact", "full")]
    levels(source, 70, target, tmp_path).check(pipelines)


# Windows and operations against plain loops.


def gathered(images: IntArray, window: Window, pad: int) -> list[list[int]]:
    """Rows of window elements, one element after another."""
    samples, channels, height, width = images.shape
    (top, left, bottom, right), (dy, dx), (sy, sx) = window.pads, window.dilations, window.strides
    rows: list[list[int]] = []
    for sample in range(samples):
        for y in range(-top, height + bottom - (window.kernel[0] - 1) * dy, sy):
            for x in range(-left, width + right - (window.kernel[1] - 1) * dx, sx):
                row: list[int] = []
                for channel in range(channels):
                    for down in range(y, y + window.kernel[0] * dy, dy):
                        for across in range(x, x + window.kernel[1] * dx, dx):
                            inside = 0 <= down < height and 0 <= across < width
                            row.append(int(images[sample, channel, down, across]) if inside else pad)
                rows.append(row)
    return rows


@st.composite
def windowed(draw: st.DrawFn) -> tuple[IntArray, Window, int]:
    """Images, a window that fits and a pad."""
    samples, channels, height, width = (draw(st.integers(1, top)) for top in (3, 4, 7, 7))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    images = rng.integers(-4, 4, size=(samples, channels, height, width))
    return images, draw(windows(height, width, largest=5)), draw(st.integers(-5, 5))


@given(windowed())
def test_gather(case: tuple[IntArray, Window, int]) -> None:
    images, window, pad = case
    expected = gathered(images, window, pad)
    down, across = window.positions(*images.shape[2:])
    assert len(expected) == len(images) * down * across
    assert np.array_equal(window.gather(images, pad), expected)


@given(st.tuples(*[st.integers(1, 3)] * 4))
def test_scatter_undoes_the_gather_of_single_elements(shape: tuple[int, int, int, int]) -> None:
    images = np.arange(prod(shape)).reshape(shape)
    assert np.array_equal(scatter(Window((1, 1)).gather(images, 0), *shape[2:]), images)


@pytest.mark.parametrize(
    ("window", "size", "positions"),
    [
        (Window((3, 3)), (3, 3), (1, 1)),
        (Window((3, 3), strides=(2, 2)), (6, 7), (2, 3)),
        (Window((3, 1), dilations=(2, 5)), (4, 4), (0, 4)),
        (Window((2, 2), pads=(1, 0, 0, 2)), (1, 1), (1, 2)),
        (Window((5, 5)), (2, 2), (-2, -2)),
    ],
)
def test_positions(window: Window, size: tuple[int, int], positions: tuple[int, int]) -> None:
    assert window.positions(*size) == positions


def run_one(values: list[IntArray], make: Callable[..., ternary.ConvOp]) -> IntArray:
    """The result of one operation on integers of the range -4..3."""
    inputs = {f"x{n}": ternary.int_tensor((DYNAMIC_INDEX, *v.shape[1:]), Range(-4, 3)) for n, v in enumerate(values)}
    network = Network(inputs)
    op = make(*network.args)
    module = network.finish({"y": network.add(op)})
    result = Interpreter().run(module, dict(zip(inputs, values, strict=True))).outputs["y"].astype(np.int64)
    span = ternary.range_of(op.results[0])
    assert span.lo <= result.min()
    assert result.max() <= span.hi
    return result


@given(windowed(), st.integers(0, 99), st.integers(1, 3))
def test_convolution(case: tuple[IntArray, Window, int], seed: int, factor: int) -> None:
    images, window, pad = case
    channels = images.shape[1]
    for groups in (g for g in range(1, channels + 1) if channels % g == 0):
        size, lines = channels // groups, groups * factor
        weights = np.random.default_rng(seed).integers(-9, 10, size=(lines, size * window.size))
        matrix = IntMatrix.from_array(weights)
        found = run_one([images], lambda x, m=matrix, g=groups: ternary.ConvOp(x, m, window, groups=g, pad=pad))
        rows = gathered(images, window, pad)
        expected: list[list[int]] = []
        for row in rows:
            sums: list[int] = []
            for line in range(lines):
                first = line // factor * size * window.size
                part = row[first : first + size * window.size]
                sums.append(sum(a * b for a, b in zip(part, weights[line].tolist(), strict=True)))
            expected.append(sums)
        flat = found.transpose(0, 2, 3, 1).reshape(len(rows), lines)
        assert np.array_equal(flat, expected)


@given(windowed())
def test_pooling(case: tuple[IntArray, Window, int]) -> None:
    images, window, pad = case
    channels, size = images.shape[1], window.size
    most = run_one([images], lambda x: ternary.MaxPoolOp(x, window))
    sums = run_one([images], lambda x: ternary.SumPoolOp(x, window, pad=pad))
    if one := stacked(window, *images.shape[2:]):
        # The images of all channels as one image, one below the other.
        below = images.reshape(len(images), 1, -1, images.shape[3])
        assert np.array_equal(one.gather(below, -4).max(axis=1).reshape(most.shape), most)
        assert np.array_equal(one.gather(below, pad).sum(axis=1).reshape(sums.shape), sums)
    for rows, pool, found in (
        # Nothing outside wins: a window that lies outside altogether gives the lowest value of the range.
        (gathered(images, window, -4), max, most),
        (gathered(images, window, pad), sum, sums),
    ):
        expected = [[pool(row[c * size : (c + 1) * size]) for c in range(channels)] for row in rows]
        assert np.array_equal(found.transpose(0, 2, 3, 1).reshape(len(rows), channels), expected)


@given(st.integers(0, 999), st.integers(1, 3), st.booleans(), st.sampled_from([(), (2,), (2, 3)]))
def test_combine_and_concat(seed: int, count: int, shared: bool, positions: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.integers(-4, 4, size=(2, 3, *positions)) for _ in range(count)]
    lines = rng.integers(-5, 6, size=(1 if shared else 3, count))
    total = run_one(values, lambda *x: ternary.CombineOp(x, IntMatrix.from_array(lines)))
    joined = run_one(values, lambda *x: ternary.ConcatOp(x))
    for channel in range(3):
        line = lines[0 if shared else channel].tolist()
        expected = sum(factor * value[:, channel] for factor, value in zip(line, values, strict=True))
        assert np.array_equal(total[:, channel], expected)
        for number, value in enumerate(values):
            assert np.array_equal(joined[:, 3 * number + channel], value[:, channel])


# Stages.


def programs(network: Network, outputs: dict[str, SSAValue]) -> int:
    """How many programs a network takes: how often its rows change."""
    module = network.finish(outputs)
    run_passes(module, parse_passes("unshared"), Target("default"), validator=Validator())
    return sum(op.name == "ap.program" for op in module.walk())


def image_network(channels: int = 2) -> Network:
    return Network({"x": ternary.int_tensor((DYNAMIC_INDEX, channels, 4, 4), Range(0, 3))})


AROUND = Window((3, 3), pads=(1, 1, 1, 1))
POINT = Window((1, 1))


def trits(rows: int, columns: int) -> IntMatrix:
    return IntMatrix.from_array(np.resize([1, 0, -1, 1], (rows, columns)))


def test_pointwise_work_stays_in_one_program() -> None:
    network = image_network()
    value = network.add(ternary.ConvOp(network.args[0], trits(2, 18), AROUND))
    value = network.add(ternary.ThresholdOp(value, Thresholds.from_array(np.array([[0, 3]])), Range(0, 2)))
    value = network.add(ternary.ConvOp(value, trits(2, 2), POINT))
    value = network.add(ternary.CombineOp([value, network.args[0]], trits(1, 2)))
    assert programs(network, {"y": value}) == 1


def test_a_residual_block_takes_a_program_a_window() -> None:
    network = image_network()
    first = network.add(ternary.ConvOp(network.args[0], trits(2, 18), AROUND))
    second = network.add(ternary.ConvOp(first, trits(2, 18), AROUND))
    value = network.add(ternary.CombineOp([second, first, network.args[0]], trits(1, 3)))
    assert programs(network, {"y": value, "z": first}) == 2


def test_one_window_on_one_position_needs_no_new_rows_to_flatten() -> None:
    network = image_network()
    value = network.add(ternary.ConvOp(network.args[0], trits(3, 32), Window((4, 4))))
    value = network.add(ternary.ReshapeOp(value, (DYNAMIC_INDEX, 3)))
    value = network.add(ternary.MatmulOp(value, trits(2, 3)))
    assert programs(network, {"y": value}) == 1


def test_what_the_host_makes_of_a_result_takes_another_program() -> None:
    """The quantised result is added to the result itself, which can't wait in the array."""
    network = image_network()
    first = network.add(ternary.ConvOp(network.args[0], trits(2, 18), AROUND))
    real = network.add(ternary.DequantizeOp(first, np.array([0.5]), np.array([0.0]), Float64Type()))
    again = network.add(ternary.QuantizeOp(real, FloatThresholds.from_array(np.array([[0.0, 1.0]])), Range(0, 2)))
    value = network.add(ternary.CombineOp([first, again], trits(1, 2)))
    assert programs(network, {"y": value}) == 2


# Saved programs.


@pytest.mark.parametrize(
    "change",
    [
        {"strides": [0, 1]},
        {"kernel": [3]},
        {"kernel": [0, 3]},
        {"kernel": [9, 9]},
        {"kernel": [8, 3]},
        {"pads": [-2, 1, 1, 1]},
        {"pads": [1, 1]},
        {"dilations": ["x", 1]},
        {"dilations": None},
        {"size": [1, 1]},
    ],
)
def test_a_damaged_window_of_a_saved_program(tmp_path: Path, change: dict[str, object]) -> None:
    network = image_network()
    value = network.add(ternary.ConvOp(network.args[0], trits(2, 18), AROUND))
    module = network.finish({"y": value})
    run_passes(module, parse_passes("unshared"), Target("default"))
    save(network_of(module, Target("default")), path := tmp_path / "a.camx")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    (gather,) = (call for call in manifest["calls"] if call["call"] == "Gather")
    if "size" in change:
        del gather["window"]["strides"]
    gather["window"] |= change
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "manifest.json": json.dumps(manifest)}.items():
            archive.writestr(name, data)
    with pytest.raises(ProgramError):
        Executor(load(path)).run({"x": np.zeros((2, 2, 4, 4), dtype=np.int64)})
