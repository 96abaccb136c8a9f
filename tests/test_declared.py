"""Declared inputs and outputs: which numbers an input holds, and the type and shape that the model gives an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import Net, reference, ternary_weights

from cam_compiler.cli import main
from cam_compiler.compile import read_module
from cam_compiler.importer import import_model
from cam_compiler.validation import edge_inputs
from dialects.support.errors import InputError, ModelError
from dialects.support.lattice import Lattice
from runtime.camx import load
from runtime.executor import Executor
from runtime.interpreter import Interpreter

RANDOM = np.random.default_rng(3)
NUMBERS: dict[str, Any] = {
    "BIPOLAR": [-1, 1],
    "BINARY": [0, 1],
    "TERNARY": [-1, 0, 1],
    "UINT8": np.arange(256),
    "INT4": np.arange(-8, 8),
    "FIXED<6,3>": np.arange(-32, 32) / 8,
    "SCALEDINT<4>*0.25": np.arange(-8, 8) / 4,
    "UINT8*1/255": np.arange(256, dtype=np.float32) / np.float32(255),
    "UINT8*2-255": np.arange(256) * 2 - 255,
    "INT4*1e-2+0.5": np.arange(-8, 8) * 0.01 + 0.5,
}


def product(elem_type: int = T.FLOAT) -> Net:
    """Ternary weights on the input as it is."""
    net = Net(6, elem_type=elem_type)
    x = "x" if elem_type == T.FLOAT else net.op("Cast", "x", to=T.FLOAT)
    net.op("MatMul", x, net.const(ternary_weights(6, 4)))
    return net


def run(module: Any, x: Any) -> Any:
    (found,) = Interpreter().run(module, {"x": x}).outputs.values()
    return found


@pytest.mark.parametrize("kind", list(NUMBERS))
def test_declared_numbers(kind: str) -> None:
    numbers = np.asarray(NUMBERS[kind], dtype=np.float32)
    x, model = RANDOM.choice(numbers, size=(40, 6)), product().model()
    module = import_model(model, {"": kind})
    np.testing.assert_allclose(run(module, x), reference(model, x)[0], rtol=1e-5, atol=1e-5)
    drawn = edge_inputs(module)["x"]
    assert drawn.dtype == np.float32 and np.isin(drawn, numbers).mean() > 0.5
    middle = (numbers[0] + numbers[1]) / 2
    for wrong in (middle, numbers[-1] * 2 + 1, numbers[0] - 1):
        x[7, 2] = wrong
        with pytest.raises(InputError, match=r"sample 7 at \[2\] is") as caught:
            run(module, x)
        assert kind in str(caught.value) and "input 'x'" in str(caught.value)


def test_annotations_of_inputs_count_and_of_inner_tensors_do_not() -> None:
    model = product().model()
    for tensor, kind in (("x", "INT4"), (model.graph.output[0].name, "BIPOLAR")):
        note = model.graph.quantization_annotation.add(tensor_name=tensor)
        note.quant_parameter_tensor_names.add(key="finn_datatype", value=kind)
    x = RANDOM.integers(-8, 8, size=(30, 6)).astype(np.float32)
    module = import_model(model)
    assert 'onnx.values = "INT4"' in str(module)
    np.testing.assert_array_equal(run(module, x), reference(model, x)[0])
    # What the user says stands above it.
    wide = import_model(model, {"x": "UINT8"})
    np.testing.assert_array_equal(run(wide, x + 8), reference(model, x + 8)[0])


def test_a_scaled_annotation_needs_its_scale() -> None:
    model = product().model()
    note = model.graph.quantization_annotation.add(tensor_name="x")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="SCALEDINT<4>")
    with pytest.raises(ModelError, match="--input-type"):
        import_model(model)
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="step")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.25), "step"))
    x = (RANDOM.integers(-8, 8, size=(30, 6)) / 4).astype(np.float32)
    np.testing.assert_array_equal(run(import_model(model), x), reference(model, x)[0])


def test_rounded_inputs_saturate_and_round_half_to_even() -> None:
    model = product().model()
    x = np.array([[0.125, 0.375, -0.125, 9.0, -9.0, 0.3]], dtype=np.float32)
    exact = np.array([[0.0, 0.5, 0.0, 1.75, -2.0, 0.25]], dtype=np.float32)
    module = import_model(model, quantise_inputs={"x": "INT4*0.25"})
    np.testing.assert_array_equal(run(module, x), reference(model, exact)[0])


@pytest.mark.parametrize("kind", ["UINT8*1/255", "INT8*0.1+0.05", "UINT12*1/4095-0.5"])
def test_the_first_quantiser_of_a_declared_input_rounds_as_executors(kind: str) -> None:
    """In float32, where every other number lies near a tie; so do rounded inputs."""
    lattice = Lattice.parse(kind, "float32")
    x = lattice.numbers(np.arange(lattice.span.lo, lattice.span.hi + 1), "float32")[None]
    net = Net(x.size, opset=21)
    net.qdq("x", 2 * float(lattice.scale), 0, np.int16)
    model = net.model()
    (wanted,) = reference(model, x)
    np.testing.assert_array_equal(run(import_model(model, {"x": kind}), x), wanted)
    np.testing.assert_array_equal(run(import_model(model, quantise_inputs={"x": kind}), x), wanted)


def test_integer_inputs_are_narrowed() -> None:
    model = product(T.INT8).model()
    module = import_model(model, {"x": "TERNARY"})
    x = RANDOM.integers(-1, 2, size=(20, 6)).astype(np.int8)
    np.testing.assert_array_equal(run(module, x), reference(model, x)[0])
    x[3, 1] = 2
    with pytest.raises(InputError, match=r"sample 3 at \[1\] is 2"):
        run(module, x)


@pytest.mark.parametrize(
    ("types", "part"),
    [
        ({"x": "UINT"}, "no type of an input"),
        ({"x": "INT33"}, "no type of an input"),
        ({"x": "FLOAT32"}, "no type of an input"),
        ({"x": "UINT8*0"}, "not positive"),
        ({"x": "UINT8*1/0"}, "no type of an input"),
        ({"x": "SCALEDINT<4>"}, "doesn't say its scale"),
        ({"y": "UINT8"}, "there is no input 'y'"),
    ],
)
def test_malformed_declarations(types: dict[str, str], part: str) -> None:
    with pytest.raises(InputError) as caught:
        import_model(product().model(), types)
    assert part in str(caught.value) and caught.value.hint


def test_the_error_without_a_declaration_names_both_options() -> None:
    with pytest.raises(ModelError) as caught:
        import_model(product().model())
    assert "--input-type" in str(caught.value) and "--quantise-input" in str(caught.value)


def test_lattices_keep_their_text_and_end_where_they_say() -> None:
    for kind, numbers in NUMBERS.items():
        lattice = Lattice.parse(kind, "float32")
        assert Lattice.parse(lattice.text, "float32") == lattice
        assert np.allclose(lattice.ends, (np.min(numbers), np.max(numbers)))
        integers = np.arange(lattice.span.lo, lattice.span.hi + 1)
        found, wrong = lattice.integers(lattice.numbers(integers, "float32"))
        assert not wrong.any() and (found == integers).all()


OUTPUTS = {
    "wrapped": (T.INT8, np.int8),
    "codes": (T.UINT8, np.uint8),
    "half": (T.FLOAT16, np.float16),
    "double": (T.DOUBLE, np.float64),
    "wide": (T.INT32, np.int32),
    "few": (T.UINT16, np.uint16),
    "arg": (T.INT64, np.int64),
}


def every_type() -> onnx.ModelProto:
    """An output of each type."""
    net = Net(6, elem_type=T.INT8)
    scale, zero = net.const(0.5), net.const(3, np.int8)
    real = net.op("DequantizeLinear", "x", scale, zero)
    net.op("Sub", "x", net.const(100, np.int8), name="wrapped")
    net.op("QuantizeLinear", real, scale, net.const(5, np.uint8), name="codes")
    net.op("Cast", real, to=T.FLOAT16, name="half")
    net.op("Cast", real, to=T.DOUBLE, name="double")
    net.op("Add", net.op("Cast", "x", to=T.INT32), net.const(7, np.int32), name="wide")
    net.op("Cast", net.op("QuantizeLinear", real, scale, net.const(5, np.uint8)), to=T.UINT16, name="few")
    net.op("ArgMax", "x", axis=1, keepdims=0, name="arg")
    model = net.model(*(f"{name}_out" for name in OUTPUTS))
    for port, (elem_type, _) in zip(model.graph.output, OUTPUTS.values(), strict=True):
        port.type.tensor_type.elem_type = elem_type
    return model


def test_outputs_have_the_declared_types_at_every_end(tmp_path: Path) -> None:
    """From the model, from its text, and from the compiled program."""
    model, x = every_type(), RANDOM.integers(-128, 128, size=(9, 6)).astype(np.int8)
    onnx.save(model, tmp_path / "m.onnx")
    for ending in ("mlir", "camx"):
        assert main(["compile", str(tmp_path / "m.onnx"), "-q", "-o", str(tmp_path / f"m.{ending}")]) == 0
    text, program = read_module(tmp_path / "m.mlir"), Executor(load(tmp_path / "m.camx"))
    results = [Interpreter().run(module, {"x": x}).outputs for module in (import_model(model), text)]
    for outputs in (*results, program.run({"x": x}).outputs):
        for found, wanted, (_, dtype) in zip(outputs.values(), reference(model, x), OUTPUTS.values(), strict=True):
            assert found.dtype == wanted.dtype == dtype and found.shape == wanted.shape
            np.testing.assert_array_equal(found, wanted)


def test_a_declared_input_is_kept_in_text_and_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(product().model(), tmp_path / "m.onnx")
    for ending in ("mlir", "camx"):
        arguments = ["compile", str(tmp_path / "m.onnx"), "--input-type", "FIXED<6,3>", "-q"]
        assert main([*arguments, "-o", str(tmp_path / f"m.{ending}")]) == 0
        np.save(tmp_path / "x.npy", np.full((2, 6), 0.3, dtype=np.float32))
        again = ["run", str(tmp_path / f"m.{ending}"), "--input", str(tmp_path / "x.npy"), "-q"]
        assert main(again) == 1 and "sample 0 at [0] is 0.3" in capsys.readouterr().err
        assert main([*again, "--input-type", "INT4"]) == 1
        assert "holds the types of its inputs already" in capsys.readouterr().err


def test_a_model_of_one_sample_may_leave_out_the_batch() -> None:
    net = Net(4, 4, 4, elem_type=T.UINT8, opset=13)
    pooled = net.op("GlobalMaxPool", net.op("DequantizeLinear", "x", net.const(0.5), net.const(0, np.uint8)))
    flat = net.op("Squeeze", pooled)
    restored = net.op("Unsqueeze", flat, net.const([0], np.int64))
    model = net.model(flat, restored)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    x = RANDOM.integers(0, 256, size=(1, 4, 4, 4)).astype(np.uint8)
    found = list(Interpreter().run(import_model(model), {"x": x}).outputs.values())
    for value, wanted in zip(found, reference(model, x), strict=True):
        assert value.shape == wanted.shape
        np.testing.assert_array_equal(value, wanted)
    with pytest.raises(InputError, match="its shape is 2x4x4x4"):
        Interpreter().run(import_model(model), {"x": np.concatenate([x, x])})


@pytest.mark.parametrize(
    ("elem_type", "shape", "part"),
    [
        (T.FLOAT, ["N", 5], "declares the shape (batch, 5), and the graph gives (batch, 4)"),
        (T.FLOAT, ["N", 4, 1], "declares the shape"),
        (T.INT8, ["N", 4], "declares INT8, and the graph gives"),
    ],
)
def test_outputs_that_are_something_else_than_declared(elem_type: int, shape: list[Any], part: str) -> None:
    model = product(T.UINT8).model()
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(model.graph.output[0].name, elem_type, shape))
    with pytest.raises(ModelError) as caught:
        import_model(model)
    assert part in str(caught.value)
