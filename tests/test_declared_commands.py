"""Declared and rounded inputs in every command, with the sample's number in what the user gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx_testing import Net, ternary_weights

from cam_compiler.cli import main
from cam_compiler.commands import evaluate
from dialects.support.lattice import Lattice
from runtime import executor

RANDOM = np.random.default_rng(11)
NUMBERS = Lattice.parse("UINT4*1/15", "float32").numbers(np.arange(16), "float32")
Run = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models without a quantiser on their input, one of floats and one of integers, and 30 samples for them."""
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    for name, elem_type in (("floats", T.FLOAT), ("integers", T.INT8)):
        net = Net(6, elem_type=elem_type)
        x = "x" if elem_type == T.FLOAT else net.op("Cast", "x", to=T.FLOAT)
        net.op("MatMul", net.qdq(net.op("MatMul", x, net.const(ternary_weights(6, 5))), 0.25), net.const(np.eye(5)))
        onnx.save(net.model(), f"{name}.onnx")
    labels = RANDOM.integers(0, 5, 30)
    np.savez("exact.npz", image=RANDOM.choice(NUMBERS, (30, 6)), label=labels)
    np.savez("real.npz", image=RANDOM.uniform(-0.1, 1.1, (30, 6)).astype(np.float32), label=labels)
    np.savez("trits.npz", image=RANDOM.integers(-1, 2, (30, 6)), label=labels)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: str) -> tuple[int, str]:
        code = main([*words, "-q"])
        streams = capsys.readouterr()
        return code, streams.out + streams.err

    return command


def with_a_wrong_one(name: str, sample: int) -> str:
    given = dict(np.load(name))
    given["image"] = given["image"].astype(np.float32)
    given["image"][sample, 4] = 0.3
    np.savez("wrong.npz", **given)
    return "wrong.npz"


@pytest.mark.parametrize(
    ("model", "options", "data"),
    [
        ("floats.onnx", ["--input-type", "UINT4*1/15"], "exact.npz"),
        ("floats.onnx", ["--quantise-input", "x=UINT4*1/15"], "real.npz"),
        ("integers.onnx", ["--input-type", "x=TERNARY"], "trits.npz"),
    ],
)
def test_an_evaluation_agrees_with_the_reference(run: Run, model: str, options: list[str], data: str) -> None:
    code, said = run("evaluate", model, data, *options, "-o", "r.json")
    assert code == 0, said
    result = json.loads(Path("r.json").read_text())
    assert result["largest_difference"] < 1e-6 and result["same_class"] == 30
    assert options[1].rpartition("=")[2] in result["input"]


def test_samples_are_counted_from_the_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    options, data = ["--input-type", "UINT4*1/15"], with_a_wrong_one("exact.npz", 23)
    np.save("wrong.npy", np.load(data)["image"])
    monkeypatch.setattr(evaluate, "_MOST", 8)
    commands = [
        ["evaluate", "floats.onnx", data, *options],
        ["run", "floats.onnx", "--input", "wrong.npy", *options],
        ["verify", "floats.onnx", "--input", "wrong.npy", *options],
        ["compare", "floats.onnx", "--input", "wrong.npy", *options],
    ]
    for command in commands:
        for size in (executor.PART_BYTES, 1):
            monkeypatch.setattr(executor, "PART_BYTES", size)
            code, said = run(*command)
            assert code == 1 and "input 'x': sample 23 at [4] is 0.3" in said.replace("\n", " "), said
            assert "UINT4*1/15" in said and "Traceback" not in said


def test_an_evaluation_goes_on_with_the_same_input_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its input's type decides about thresholds on the host, which the machine code doesn't hold."""
    monkeypatch.setattr(evaluate, "_MOST", 8)
    data, step = with_a_wrong_one("exact.npz", 23), ["--resume", "state", "--reference", "none"]
    assert run("evaluate", "floats.onnx", data, "--input-type", "UINT4*1/15", *step)[0] == 1
    code, said = run("evaluate", "floats.onnx", "real.npz", "--quantise-input", "UINT4*1/8", *step)
    assert code == 1 and "going on" not in said
    code, said = run("evaluate", "floats.onnx", data, "--quantise-input", "UINT4*1/15", *step)
    assert code == 1 and "going on" not in said


def test_integers_are_no_floats(run: Run) -> None:
    code, said = run("evaluate", "integers.onnx", with_a_wrong_one("trits.npz", 3), "--input-type", "TERNARY")
    assert code == 1 and "integers" in said


def test_every_form_is_verified_with_its_declaration(run: Run) -> None:
    options = ["--input-type", "x=UINT4*1/15"]
    for ending in ("mlir", "camx"):
        assert run("compile", "floats.onnx", *options, "-o", f"net.{ending}")[0] == 0
    code, said = run("verify", "floats.onnx", "net.mlir", "net.camx", *options)
    assert code == 0 and said.count("the same outputs") == 2, said
    code, said = run("verify", "net.mlir", "net.camx", *options)
    assert code == 1 and "holds the types of its inputs already" in said
    code, said = run("compare", "floats.onnx", *options, "--tech", "rtsim")
    assert code == 0, said


def test_more_numbers_than_an_input_can_be_rounded_to(run: Run) -> None:
    code, said = run("compile", "floats.onnx", "--quantise-input", "INT24*1/1000", "-o", "net.camx")
    assert code == 1 and "16777216 numbers" in said and "--input-type" in said and not Path("net.camx").exists()
