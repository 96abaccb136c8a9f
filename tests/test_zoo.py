"""The benchmark networks: small variants are the same every time, valid, spread well, and equal in both forms."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def load_zoo() -> ModuleType:
    """Import the script, which is in no package."""
    path = Path(__file__).parents[1] / "benchmarks" / "models" / "zoo.py"
    spec = importlib.util.spec_from_file_location("zoo", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["zoo"] = module
    spec.loader.exec_module(module)
    return module


zoo = load_zoo()
QONNX_DOMAIN = "qonnx.custom_op.general"

# Eight channels and 16x16 images (32x32 where five halvings need them), four of them.
SMALL = zoo.Options(width=0.125, side=16, images=4)
SMALL_NETWORKS = {
    "vgg9": SMALL,
    "vgg11": replace(SMALL, side=32),
    "resnet20": replace(SMALL, width=0.5),
    "resnet18": replace(SMALL, side=32),
}


class Quant(OpRun):
    """QONNX's quantiser, rounding half to even."""

    op_domain = QONNX_DOMAIN

    def _run(self, x, scale, zero_point, bits, narrow=None, signed=None, rounding_mode=None):
        lowest = -(2 ** (int(bits) - 1)) + narrow if signed else 0
        highest = 2 ** (int(bits) - signed) - 1 - (narrow and not signed)
        codes = np.rint(np.clip(x / scale + zero_point, lowest, highest))
        return (((codes - zero_point) * scale).astype(np.float32),)


def fresh_images(model: onnx.ModelProto, count: int = 3) -> np.ndarray:
    """Other images than those calibrated on."""
    shape = tuple(size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim[1:])
    return zoo.random_images(count, shape, np.random.default_rng(1234))


def onnxruntime_logits(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": image})[0]


def qonnx_logits(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model, new_ops=[Quant]).run(None, {"image": image})[0]


@pytest.mark.parametrize("form", zoo.OPSETS)
@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_same_options_same_bytes(name: str, form: str) -> None:
    options = replace(SMALL_NETWORKS[name], form=form)
    first, second = (zoo.generate(name, options)[0].SerializeToString() for _ in range(2))
    assert first == second
    assert first != zoo.generate(name, replace(options, seed=1))[0].SerializeToString()


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_onnxruntime_gives_the_logits_of_the_generator(name: str) -> None:
    """Which evaluates in float64 as it writes; a float32 tie may go the other way somewhere."""
    model, network = zoo.generate(name, SMALL_NETWORKS[name])
    logits = onnxruntime_logits(model, network.image.data.astype(np.float32))
    np.testing.assert_allclose(logits, network.logits.data, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        SMALL_NETWORKS["resnet20"],
        replace(SMALL_NETWORKS["resnet20"], residual="signed", weight_scale="tensor", activation_bits=3),
        replace(SMALL_NETWORKS["resnet20"], residual="free", first_last_bits=8, input_range="normalised"),
    ],
    ids=["shared", "signed", "free"],
)
def test_forms_agree(options: object) -> None:
    qdq, _ = zoo.generate("resnet20", options)
    qonnx, _ = zoo.generate("resnet20", replace(options, form="qonnx"))
    image = fresh_images(qdq)
    np.testing.assert_allclose(onnxruntime_logits(qdq, image), qonnx_logits(qonnx, image), atol=1e-4)


@pytest.mark.parametrize("zeros", [0.5, 0.9])
def test_zero_share(zeros: float) -> None:
    model, network = zoo.generate("vgg9", replace(SMALL, zeros=zeros))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name in network.weights:
        codes = stored[f"{name}.weight"]
        assert codes.dtype == np.int8 and set(np.unique(codes)) == {-1, 0, 1}
        assert abs(np.mean(codes == 0) - zeros) <= 0.5 / codes.size


def test_first_and_last_layer_in_8_bits() -> None:
    _, network = zoo.generate("resnet20", replace(SMALL, first_last_bits=8))
    wide = [name for name, weights in network.weights.items() if np.abs(weights.codes.astype(int)).max() > 1]
    assert wide == ["conv1", "fc"]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_activations_use_their_levels(bits: int) -> None:
    _, network = zoo.generate("resnet20", replace(SMALL_NETWORKS["resnet20"], activation_bits=bits))
    for spread in network.spreads[1:-1]:
        assert spread.levels == (bits, False)
        assert spread.used >= 0.8 * 2**bits, spread
        assert 0.001 < spread.saturated < 0.3 and spread.zeros < 0.8, spread


def test_options_leave_other_layers_alone() -> None:
    """Comparing two options then compares nothing else."""
    _, narrow = zoo.generate("resnet20", SMALL)
    _, wide = zoo.generate("resnet20", replace(SMALL, residual="free", first_last_bits=8, activation_bits=2))
    for name, weights in narrow.weights.items():
        if name not in ("conv1", "fc"):
            np.testing.assert_array_equal(weights.codes, wide.weights[name].codes)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    arguments = ["zoo.py", "vgg9", "--width", "0.125", "--side", "8", "--stats", "-o", str(path)]
    monkeypatch.setattr(sys, "argv", arguments)
    zoo.main()
    expected, _ = zoo.generate("vgg9", zoo.Options(width=0.125, side=8))
    assert path.read_bytes() == expected.SerializeToString()
    assert "conv6_quant" in capsys.readouterr().out
