"""Transposed, cut and padded tensors, integer types that wrap round, and what the host does at the end of a network.

Against onnxruntime, with scales that are powers of two; then through all levels and a saved program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx_testing import RANDOM, Net, check, evaluate, failing, images, ops, reference, ternary_weights

from cam_compiler.importer import import_model
from cam_compiler.pipeline import parse_passes, run_passes
from dialects import ternary
from dialects.machine.target import load_target
from runtime.camx import load, save
from runtime.executor import Executor
from runtime.interpreter import Interpreter, network_of


def everywhere(net: Net, x: Any, tmp_path: Path, *outputs: str) -> None:
    """The outputs at all levels, and those of the program after a round trip through a file."""
    module, target = import_model(net.model(*outputs)), load_target("default")
    expected = Interpreter().run(module, {"x": x})
    run_passes(module, parse_passes("default"), target)
    save(network_of(module, target), tmp_path / "net.camx")
    for result in (Interpreter(target).run(module, {"x": x}), Executor(load(tmp_path / "net.camx")).run({"x": x})):
        assert result.host == expected.host
        for name, value in expected.outputs.items():
            np.testing.assert_array_equal(result.outputs[name], value)
            assert result.outputs[name].dtype == value.dtype


# ---- channels last


def channels_last(net: Net, x: str, channels: int) -> str:
    """A convolution as tf2onnx writes it: transposed before and after, all else with the channels last."""
    first = net.op("Transpose", x, perm=[0, 3, 1, 2])
    y = net.op("Conv", first, net.weights(ternary_weights(channels, 2, 3, 3)), pads=[1, 1, 1, 1])
    y = net.op("Transpose", y, perm=[0, 2, 3, 1])
    y = net.op("Add", net.op("Mul", y, net.const(2.0 ** RANDOM.integers(-2, 2, channels))), net.const(0.25))
    return net.qdq(net.op("Relu", y), 0.5, 0)


def test_channels_last(tmp_path: Path):
    net = Net(6, 6, 2)
    y = channels_last(net, net.qdq("x", 0.25, 128), 4)
    left = net.op("Conv", net.op("Transpose", y, perm=[0, 3, 1, 2]), net.weights(ternary_weights(4, 4, 1, 1)))
    left = net.qdq(net.op("Transpose", left, perm=[0, 2, 3, 1]), 0.25, 3)
    y = net.qdq(net.op("Add", left, y), 0.5, 10)
    y = net.op("Concat", y, left, axis=3)
    y = net.op("ReduceMean", y, axes=[1, 2], keepdims=0)
    net.op("MatMul", net.qdq(y, 0.125, 5), net.weights(ternary_weights(8, 3)))
    net.opset = 17
    x = images(6, 6, 2)
    module = check(net, x)
    # Only the input is turned; all else has its channels first.
    (turn,) = ops(module, ternary.TransposeOp)
    assert turn.input.owner.name == "ternary.quantize"
    assert all(op.thresholds.data.channels in (1, 4, 8) for op in ops(module, ternary.ThresholdOp))
    everywhere(net, x, tmp_path)


def test_channels_last_before_flattening(tmp_path: Path):
    net = Net(2, 4, 4)
    y = net.op("Conv", net.quant("x", 0.25), net.weights(ternary_weights(3, 2, 3, 3)), pads=[1, 1, 1, 1])
    y = net.op("Transpose", net.quant(y, 0.5), perm=[0, 2, 3, 1])
    net.op("Gemm", net.op("Flatten", y), net.weights(ternary_weights(48, 5)))
    x = images(2, 4, 4)
    assert len(ops(check(net, x), ternary.TransposeOp)) == 1
    everywhere(net, x, tmp_path)


def test_quantisers_of_the_last_dimension():
    """One scale per channel where channels come last: the input is turned before it is quantised."""
    net = Net(5, 5, 3)
    scales, zeros = net.const([0.25, 0.5, 1.0]), net.const([3, 0, 7], np.uint8)
    q = net.op("QuantizeLinear", "x", scales, zeros, axis=3)
    y = net.op("DequantizeLinear", q, scales, zeros, axis=3)
    y = net.op("Transpose", y, perm=[0, 3, 1, 2])
    net.op("Conv", y, net.weights(ternary_weights(2, 3, 2, 2)))
    module = check(net, images(5, 5, 3))
    (quantise,) = ops(module, ternary.QuantizeOp)
    assert quantise.thresholds.data.channels == 3


@settings(max_examples=40)
@given(st.data())
def test_orders_of_dimensions(data: st.DataObject):
    """Chains of changes of order, with quantisers between them."""
    net = Net(2, 3, 4)
    y, shape = net.qdq("x", 0.25, 128), [2, 3, 4]
    for _ in range(data.draw(st.integers(1, 4))):
        step = data.draw(st.sampled_from(["turn", "cut", "gather", "join", "sum", "channel", "reduce", "split"]))
        axis = data.draw(st.integers(0, len(shape) - 1))
        if step == "turn":
            order = data.draw(st.permutations(range(len(shape))))
            y = net.op("Transpose", y, perm=[0, *(at + 1 for at in order)])
            shape = [shape[at] for at in order]
        elif step == "cut" and shape[axis] > 1:
            ends = [[1], [2**31 - 1], [axis + 1], [1]] if data.draw(st.booleans()) else [[-1], [-99], [axis + 1], [-1]]
            y = net.op("Slice", y, *(net.const(end, np.int64) for end in ends))
            shape[axis] -= ends[3] == [1]
        elif step == "gather":
            indices = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4))
            y = net.op("Gather", y, net.const(indices, np.int64), axis=axis + 1)
            shape[axis] = len(indices)
        elif step == "join":
            y = net.op("Concat", y, net.qdq(y, 0.5, 130), axis=axis + 1)
            shape[axis] *= 2
        elif step == "sum":
            y = net.op("Add", y, net.qdq(y, 0.25, 100))
        elif step == "channel":
            factor = 2.0 ** RANDOM.integers(-1, 2, (shape[axis], *[1] * (len(shape) - axis - 1)))
            y = net.qdq(net.op("Mul", y, net.const(factor)), 0.25, 128)
        elif step == "split" and shape[axis] % 2 == 0:
            net.op("Split", y, axis=axis + 1, outputs=2, num_outputs=2)
            y = net.nodes[-1].output[data.draw(st.integers(0, 1))]
            shape[axis] //= 2
        elif step == "reduce" and len(shape) > 2:
            op = data.draw(st.sampled_from(["ReduceMax", "ReduceSum"]))
            y = net.op(op, net.qdq(y, 0.5, 128), net.const([axis + 1], np.int64), keepdims=0)
            shape.pop(axis)
    net.last = net.qdq(y, 0.5, 128)
    check(net, images(2, 3, 4, count=2))


# ---- products over positions, padding


def test_a_product_over_the_last_dimension(tmp_path: Path):
    net = Net(3, 4)
    y = net.op("MatMul", net.qdq("x", 0.25, 128), net.weights(ternary_weights(4, 5)))
    y = net.qdq(net.op("Add", y, net.const(RANDOM.integers(-4, 5, 5) / 8)), 0.5, 100)
    net.op("MatMul", y, net.weights(ternary_weights(5, 2)))
    x = images(3, 4)
    module = check(net, x)
    assert not any(isinstance(op.input.owner, ternary.ThresholdOp) for op in ops(module, ternary.TransposeOp))
    everywhere(net, x, tmp_path)


@settings(max_examples=60)
@given(
    st.integers(1, 3).flatmap(
        lambda rank: st.tuples(
            st.lists(st.integers(2, 4), min_size=rank, max_size=rank),
            st.lists(st.integers(-1, 3), min_size=2 * rank, max_size=2 * rank),
        )
    ),
    st.sampled_from(["constant", "edge", "reflect", "wrap"]),
    st.sampled_from([9, 18, 19]),
)
def test_pads(case: tuple[list[int], list[int]], mode: str, opset: int):
    shape, pads = case
    if mode != "constant":
        # Runtimes differ where elements are cut off and mirrored, or mirrored more than once.
        pads = [min(max(pad, 0), size - 1) for pad, size in zip(pads, [*shape, *shape], strict=True)]
    if any(size + min(a, 0) + min(b, 0) < 1 for size, a, b in zip(shape, pads, pads[len(shape) :], strict=False)):
        pads = [max(pad, 0) for pad in pads]
    opset = 19 if mode == "wrap" else opset
    net = Net(*shape, opset=opset)
    q = net.quant("x", 0.25, 0.0, 5) if opset == 9 else net.qdq("x", 0.25, 128)
    full = [0, *pads[: len(shape)], 0, *pads[len(shape) :]]
    if opset == 9:
        net.op("Pad", q, pads=full, mode=mode, value=-0.75)
        net.quant(net.last, 0.5, 0.0, 4)
        net.opset = 10
    else:
        axes = [net.const(range(1, len(shape) + 1), np.int64)] if opset == 18 else []
        given = net.const(pads if axes else full, np.int64)
        value = [net.const(-0.75)] if mode == "constant" or axes else []
        net.op("Pad", q, given, *value, *axes, mode=mode)
        net.qdq(net.last, 0.5, 100)
    (got,) = evaluate(import_model(net.model()), x := images(*shape))
    real = np.clip(np.rint(x * 4), -16, 15) / 4 if opset == 10 or opset == 9 else np.rint(x * 4) / 4
    crop = tuple(slice(max(0, -a), n - max(0, -b)) for n, a, b in zip(shape, pads, pads[len(shape) :], strict=False))
    grown = [(max(0, a), max(0, b)) for a, b in zip(pads, pads[len(shape) :], strict=False)]
    more = {"constant_values": -0.75} if mode == "constant" else {}
    wanted = np.pad(real[(slice(None), *crop)], [(0, 0), *grown], mode, **more)
    low, high = (-8, 7) if opset in (9, 10) else (-100, 155)
    np.testing.assert_array_equal(got, np.clip(np.rint(wanted / 0.5), low, high) * 0.5)


def test_a_mirrored_border_before_a_convolution(tmp_path: Path):
    net = Net(2, 5, 5)
    y = net.op("Pad", net.qdq("x", 0.25, 128), net.const([0, 0, 1, 2, 0, 0, 2, 1], np.int64), mode="reflect")
    net.qdq(net.op("Conv", y, net.weights(ternary_weights(3, 2, 3, 3))), 0.5, 128)
    x = images(2, 5, 5)
    check(net, x)
    everywhere(net, x, tmp_path)


# ---- integer types


KINDS = {T.UINT8: np.uint8, T.INT8: np.int8, T.INT16: np.int16, T.UINT16: np.uint16}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Neg", "both", "Cast"])
def test_integers_wrap_round(kind: int, op: str, tmp_path: Path):
    info = np.iinfo(KINDS[kind])
    if (op == "Neg" and not info.min) or (op == "both" and info.bits > 8):
        pytest.skip("no such operator, or 65,536 thresholds")
    net = Net(3, elem_type=kind)
    constant = np.array([info.max, info.min + 1, 3])
    if op == "both":
        y = net.op("Sub", net.op("Add", "x", net.op("Max", "x", net.const(5, KINDS[kind]))), net.const(3, KINDS[kind]))
    elif op == "Mul":
        y = net.op("Mul", "x", net.const(constant if info.bits == 8 else [3, 1, 200], KINDS[kind]))
    elif op == "Cast":
        y = net.op("Cast", net.op("Add", net.op("Cast", "x", to=T.INT32), net.const(77, np.int32)), to=kind)
    else:
        y = net.op(op, "x", *([] if op == "Neg" else [net.const(constant, KINDS[kind])]))
    x = RANDOM.integers(info.min, info.max + 1, size=(40, 3)).astype(KINDS[kind])
    x[:2] = [[info.min] * 3, [info.max] * 3]
    with np.errstate(over="ignore"):
        wanted = {
            "Add": x + constant.astype(KINDS[kind]),
            "Sub": x - constant.astype(KINDS[kind]),
            "Mul": x * (constant if info.bits == 8 else np.array([3, 1, 200])).astype(KINDS[kind]),
            "Neg": -x,
            "both": x + np.maximum(x, KINDS[kind](5)) - KINDS[kind](3),
            "Cast": (x.astype(np.int32) + 77).astype(KINDS[kind]),
        }[op]
    wide = x.astype(np.int64)
    (got,) = evaluate(import_model(net.model(y, elem_type=kind)), wide)
    np.testing.assert_array_equal(got, wanted)
    everywhere(net, wide, tmp_path, y)


def test_integers_that_would_wrap_too_often():
    net = Net(3, elem_type=T.INT32)
    net.op("Add", "x", net.const(1, np.int32), name="sum")
    failing(net, "Add 'sum'", "wrap round in INT32")
    net = Net(3, elem_type=T.UINT16)
    net.op("Mul", "x", net.const(300, np.uint16), name="product")
    failing(net, "Mul 'product'", "wrap round in UINT16")
    net = Net(3, elem_type=T.UINT32)
    net.op("MatMul", net.op("Cast", "x", to=T.FLOAT), net.const(ternary_weights(3, 2)), name="fc")
    failing(net, "MatMul 'fc'", "0..4294967295")


# ---- the host


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid"])
@pytest.mark.parametrize(("shape", "axis", "opset"), [((5,), 1, 19), ((3, 2, 4), 1, 19), ((3, 2, 4), -1, 13),
                                                      ((3, 2, 4), 2, 11), ((5,), -1, 10)])  # fmt: skip
def test_functions_at_the_end(op: str, shape: tuple[int, ...], axis: int, opset: int, tmp_path: Path):
    net = Net(*shape, opset=opset)
    y = net.op("Mul", net.qdq("x", 0.25, 130), net.const(1.75))
    net.op(op, y, name="end", **({} if op == "Sigmoid" else {"axis": axis}))
    net.op("Identity", net.last)
    x = images(*shape)
    module = import_model(net.model())
    (got,), (wanted,) = evaluate(module, x), reference(net.model(), x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=3e-6, atol=3e-7)
    name = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}[op]
    assert Interpreter().run(module, {"x": x}).host == [f"{name} 'end'"]
    everywhere(net, x, tmp_path)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize(("shape", "axis"), [((6,), 1), ((3, 4, 2), 1), ((3, 4, 2), -1)])
@pytest.mark.parametrize("keep", [0, 1])
def test_the_greatest(op: str, last: int, shape: tuple[int, ...], axis: int, keep: int, tmp_path: Path):
    """Two bits, so that there are ties."""
    net = Net(*shape)
    y = net.op(op, net.quant("x", 0.5, 0.0, 2), axis=axis, keepdims=keep, select_last_index=last, name="class")
    x = images(*shape, count=40)
    module = import_model(net.model(elem_type=T.INT64))
    (got,), (wanted,) = evaluate(module, x), reference(net.model(elem_type=T.INT64), x)
    assert got.shape == wanted.shape and got.dtype == np.int64
    np.testing.assert_array_equal(got, wanted)
    everywhere(net, x, tmp_path, y)


def test_classes_of_logits_with_scales_of_their_own(tmp_path: Path):
    """Exactly: two scales differ by less than double precision tells, and one class's factor is negative."""
    net = Net(3)
    y = net.op("Gemm", net.quant("x", 0.25, 0.0, 4), net.weights(np.eye(3), 1.0))
    tiny = np.float32(2.0**-20)
    y = net.op("Mul", net.op("Mul", y, net.const([1 + tiny, 1, -1])), net.const([1 + tiny, 1 + 2 * tiny, 1]))
    y = net.op("Add", y, net.const([0, 0, 2.0**-10]))
    cls, low = net.op("ArgMax", y, axis=1, keepdims=0), net.op("ArgMin", y, axis=1, keepdims=0)
    best = net.op("TopK", y, net.const([2], np.int64), outputs=2)
    order = net.nodes[-1].output[1]
    x = np.array(
        [[1, 1, 0], [-1, -1, -1], [-1, -1, 1.5], [0, 0, 0], [1, 1.25, 0], [0.5, 0.25, -0.75]], dtype=np.float32
    )
    got = evaluate(import_model(net.model(cls, low, order)), x)
    # (1 + t)^2 is more than 1 + 2 t, by t^2.
    assert got[0].tolist() == [0, 2, 1, 2, 1, 2]
    assert got[1].tolist() == [2, 0, 2, 0, 2, 1]
    assert got[2].tolist() == [[0, 1], [2, 1], [1, 0], [2, 0], [1, 0], [2, 0]]
    everywhere(net, x, tmp_path, cls, low, order)
    net.last = best
    with pytest.raises(Exception, match=r"the values of TopK .* are not supported"):
        import_model(net.model(best))


@pytest.mark.parametrize("after", ["Flatten", "Cast", "Squeeze", "Reshape"])
def test_shapes_and_casts_after_the_class(after: str):
    net = Net(4)
    y = net.op("ArgMax", net.quant("x", 0.25), axis=1)
    more = {"Cast": {"to": T.INT32}}.get(after, {})
    constants = {"Squeeze": [net.const([1], np.int64)], "Reshape": [net.const([-1, 1, 1], np.int64)]}.get(after, [])
    y = net.op(after, y, *constants, **more)
    model = net.model(y, elem_type=T.INT32 if after == "Cast" else T.INT64)
    x = images(4)
    (got,), (wanted,) = evaluate(import_model(model), x), reference(model, x)
    assert got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("op", ["Softmax", "ArgMax", "TopK"])
def test_nothing_is_computed_after_the_host(op: str):
    net = Net(4)
    more = [net.const([1], np.int64)] if op == "TopK" else []
    net.op(op, net.quant("x", 0.25), *more, axis=1, name="end", outputs=1 + len(more))
    y = net.nodes[-1].output[-1]
    y = y if op == "Softmax" else net.op("Cast", y, to=T.FLOAT)
    net.op("MatMul", net.quant(y, 0.25), net.weights(ternary_weights(4, 2)))
    failing(net, "Quant", f"{op} 'end'", "the host", "at the end")


def test_a_class_along_the_batch():
    net = Net(4)
    net.op("ArgMax", net.quant("x", 0.25), name="end")
    failing(net, "ArgMax 'end'", "batch")
