"""onnx's node tests: no case fails, and as many pass as did once."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import onnx
import pytest
from onnx.reference import ReferenceEvaluator

# Side by side with others, these tests share a process and so what is calculated once.
pytestmark = pytest.mark.long

MINIMA = {
    "Abs": 1,
    "Add": 6,
    "ArgMax": 16,
    "ArgMin": 16,
    "AveragePool": 14,
    "BatchNormalization": 2,
    "BitShift": 10,
    "Cast": 54,
    "Ceil": 2,
    "Celu": 2,
    "Clip": 12,
    "Concat": 12,
    "Conv": 6,
    "ConvInteger": 2,
    "ConvTranspose": 10,
    "Cos": 2,
    "DepthToSpace": 2,
    "DequantizeLinear": 9,
    "Div": 7,
    "Dropout": 4,
    "Elu": 3,
    "Erf": 1,
    "Exp": 2,
    "Expand": 1,
    "Flatten": 3,
    "Floor": 2,
    "Gather": 4,
    "Gelu": 4,
    "Gemm": 8,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
    "HardSigmoid": 3,
    "HardSwish": 1,
    "Identity": 3,
    "LeakyRelu": 3,
    "LogSoftmax": 7,
    "MatMul": 2,
    "MatMulInteger": 1,
    "Max": 9,
    "MaxPool": 13,
    "Min": 10,
    "Mish": 1,
    "Mod": 4,
    "Mul": 7,
    "Neg": 2,
    "PRelu": 2,
    "Pad": 6,
    "Pow": 1,
    "QLinearConv": 1,
    "QLinearMatMul": 4,
    "QuantizeLinear": 10,
    "ReduceMax": 6,
    "ReduceMean": 8,
    "ReduceSum": 8,
    "Relu": 1,
    "Reshape": 9,
    "Resize": 6,
    "Round": 1,
    "Selu": 3,
    "Sigmoid": 2,
    "Sign": 1,
    "Sin": 2,
    "Slice": 6,
    "Softmax": 7,
    "Softplus": 2,
    "Softsign": 2,
    "SpaceToDepth": 4,
    "Split": 14,
    "Sqrt": 2,
    "Squeeze": 2,
    "Sub": 7,
    "Sum": 3,
    "Swish": 1,
    "Tanh": 2,
    "ThresholdedRelu": 3,
    "Tile": 2,
    "Transpose": 7,
    "Unsqueeze": 7,
    "Upsample": 1,
}
"""Cases that pass with onnx 1.23."""
SINCE = (1, 23)
ON_THE_AP = 170
DECLARED = 300


def load_conformance() -> ModuleType:
    """Import the script, which is in no package."""
    path = Path(__file__).parents[1] / "benchmarks" / "conformance.py"
    spec = importlib.util.spec_from_file_location("conformance", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["conformance"] = module
    spec.loader.exec_module(module)
    return module


conformance = load_conformance()


@pytest.fixture(scope="module")
def cases() -> list:
    return conformance.cases()


@pytest.fixture(scope="module")
def outcomes(cases: list) -> list:
    return [conformance.run(case) for case in cases]


def test_no_case_fails(outcomes: list) -> None:
    failed = [f"{outcome.name}: {outcome.why}" for outcome in outcomes if outcome.status == conformance.FAILED]
    assert not failed, "\n".join(failed)


def test_what_is_out_of_scope_says_why(outcomes: list) -> None:
    assert all(outcome.why for outcome in outcomes if outcome.status == conformance.OUT_OF_SCOPE)


@pytest.mark.skipif(
    tuple(int(part) for part in onnx.__version__.split(".")[:2]) < SINCE, reason="older onnx has fewer cases"
)
def test_as_many_pass_as_did(outcomes: list) -> None:
    passed = Counter(outcome.operator for outcome in outcomes if outcome.status == conformance.PASSED)
    fewer = {name: (passed[name], least) for name, least in MINIMA.items() if passed[name] < least}
    assert not fewer
    assert sum(outcome.on_ap for outcome in outcomes) >= ON_THE_AP
    assert sum(outcome.declared and outcome.status == conformance.PASSED for outcome in outcomes) >= DECLARED


def test_networks_mean_what_the_cases_mean(cases: list, outcomes: list) -> None:
    """onnx's reference evaluator gives a case's results for the network that was made of it."""
    for case, outcome in zip(cases, outcomes, strict=True):
        # Dropout changed its attributes on the way to the opset that the evaluator has quantisers from.
        if outcome.status != conformance.PASSED or outcome.undefined or outcome.operator == "Dropout":
            continue
        form = conformance.on_integers(case) if outcome.on_integers else case
        network = conformance.build(form, outcome.lifted, outcome.behind)
        # The evaluator has no quantisers below opset 19; the other operators compute the same since theirs.
        opset = network.model.opset_import[0]
        opset.version = max(opset.version, 21)
        kinds = [port.type.tensor_type.elem_type for port in network.model.graph.input]
        feeds = {
            name: array.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
            for (name, array), kind in zip(network.feeds.items(), kinds, strict=True)
        }
        results = ReferenceEvaluator(network.model).run(None, feeds)
        for result, expected in zip(results, network.expected.values(), strict=True):
            assert result.shape == expected.shape, case.name
            wrong = conformance.differences(result, expected)
            assert not (wrong if network.near is None else wrong & ~network.near).any(), case.name


@pytest.mark.parametrize(
    "name", ["test_basic_conv_with_padding", "test_qlinearconv", "test_quantizelinear_int4", "test_cast_INT4_to_FLOAT"]
)
def test_a_wrong_result_is_found(cases: list, name: str) -> None:
    case = next(case for case in cases if case.name == name)
    network = conformance.build(case)
    blank = conformance.Outcome(name, case.node.op_type, conformance.OUT_OF_SCOPE)
    right = {key: array.copy() for key, array in network.expected.items()}
    assert conformance.compared(blank, network, right).status == conformance.PASSED
    for array in right.values():
        array.flat[-1] += 1
    assert conformance.compared(blank, network, right).status == conformance.FAILED
