"""Small files that ask for much, or for nonsense, are refused with a reason; and a short run of the fuzzers."""

from __future__ import annotations

import io
import json
import os
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from camc_testing import SMALL_NETWORK, parse_module
from onnx import TensorProto as T
from onnx import helper
from onnx_testing import QUANT, Net, failing

from cam_compiler.cli import main
from cam_compiler.compile import compile_module
from cam_compiler.evaluation.state import State, Tally, digest_of
from cam_compiler.files import read_arrays
from cam_compiler.importer import import_model
from cam_compiler.importer.windows import fitted
from dialects.ap.assembly import AssemblyCode
from dialects.ap.counted import Parts
from dialects.apv.adder_graph import AdderGraph
from dialects.apv.count import Terms
from dialects.machine.cells import Cells
from dialects.machine.target import load_target
from dialects.support.errors import InputError, ModelError, ProgramError, TargetError, TextError
from dialects.support.lattice import Lattice
from dialects.support.packed import TextValue
from dialects.support.tensors import IntMatrix
from dialects.support.window import Window
from runtime.camx import load, save
from runtime.interpreter import network_of

sys.path.insert(0, str(Path(__file__).parent))

from fuzz.surfaces import SURFACES
from fuzz.worker import Explorer, attempt

Hostile = Callable[[Net, str], object]
"""Adds nodes to a network whose input is quantised."""


def _powers(net: Net, q: str) -> None:
    value = net.const(1.1)
    for _ in range(12):
        value = net.op("Pow", value, net.const(8.0))
    net.op("MatMul", q, net.op("Mul", net.const(np.eye(4)), value))


def _doubled(net: Net, q: str) -> None:
    value = net.const(np.eye(4))
    for _ in range(30):
        value = net.op("Concat", value, value, axis=1)
    net.op("MatMul", q, value)


def _squared(net: Net, q: str) -> None:
    value = net.op("Exp", q)
    for _ in range(30):
        value = net.op("Mul", value, value)
    net.quant(value, 0.5)


def _count(number: int) -> Hostile:
    def build(net: Net, q: str) -> None:
        zero, one = net.const(0, np.int64), net.const(1, np.int64)
        total = net.op("ReduceSum", net.op("Range", zero, net.const(number, np.int64), one), keepdims=0)
        net.op("Mul", q, net.op("Cast", total, to=T.FLOAT))

    return build


def _one_hot(net: Net, q: str) -> None:
    hot = net.op("OneHot", net.const([0], np.int64), net.const(1 << 29, np.int64), net.const([0.0, 1.0]))
    net.op("Mul", q, net.op("ReduceMax", hot, keepdims=0))


HOSTILE: dict[str, tuple[Hostile, tuple[int, ...], str]] = {
    "powers": (_powers, (4,), "too many digits"),
    "doubled": (_doubled, (4,), "elements"),
    "functions of functions": (_squared, (4,), "too many others"),
    "range": (_count(1 << 29), (4,), "elements"),
    "one-hot": (_one_hot, (4,), "elements"),
    "outer product": (
        lambda net, q: net.op(
            "Mul",
            q,
            net.op(
                "ReduceSum",
                net.op("MatMul", net.const(np.ones((1 << 12, 1))), net.const(np.ones((1, 1 << 12)))),
                keepdims=0,
            ),
        ),
        (4,),
        "elements",
    ),
    "shape": (
        lambda net, q: net.op(
            "Mul",
            q,
            net.op("ReduceMax", net.op("ConstantOfShape", net.const([1 << 20, 1 << 20], np.int64)), keepdims=0),
        ),
        (4,),
        "elements",
    ),
    "window": (lambda net, q: net.op("MaxPool", q, kernel_shape=[4000, 4000]), (1, 4000, 4000), "window"),
    "dilation": (
        lambda net, q: net.op("MaxPool", q, kernel_shape=[2, 2], dilations=[1 << 32, 1], auto_pad="SAME_UPPER"),
        (1, 4, 4),
        "dilations",
    ),
    "pads": (lambda net, q: net.op("Pad", q, net.const([0, 0, 0, 1 << 40], np.int64)), (4,), "samples of"),
    "bits": (
        lambda net, q: net.op(
            "Trunc", q, net.const(1.0), net.const(0.0), net.const(1e10), net.const(4.0), domain=QUANT
        ),
        (4,),
        "bit width",
    ),
    "blocks": (
        lambda net, q: net.op(
            "MatMul",
            q,
            net.op(
                "DequantizeLinear",
                net.const(np.ones((4, 2)), np.int8),
                net.const(np.ones((2, 2))),
                net.const(np.zeros((2, 2)), np.int8),
                axis=0,
                block_size=1 << 28,
            ),
        ),
        (4,),
        "blocks",
    ),
    "attribute": (lambda net, q: net.op("MatMul", q, net.const(np.eye(4)), alpha=2.0), (4,), "not its own"),
    "inputs": (lambda net, q: net.op("MatMul", q, net.const(np.eye(4)), net.const(1.0)), (4,), "3 inputs"),
    "complex": (lambda net, q: net.op("MatMul", q, net.const(np.eye(4), np.complex64)), (4,), "COMPLEX64"),
    "booleans": (lambda net, q: net.op("MatMul", q, net.const(np.eye(4), np.bool_)), (4,), "type .* is BOOL"),
    "integers": (lambda net, q: net.op("Add", q, net.const(np.ones(4), np.int32)), (4,), "type .* is INT32"),
    "floats": (
        lambda net, q: net.op("Mul", net.op("Cast", q, to=T.INT32), net.const(np.ones(4))),
        (4,),
        "type .* is FLOAT",
    ),
    "elements": (
        lambda net, q: net.op("Add", q, net.op("ConstantOfShape", net.const([1 << 17], np.int64))),
        (1 << 17,),
        "numbers of their own",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_models_are_refused(kind: str) -> None:
    build, shape, reason = HOSTILE[kind]
    net = Net(*shape, opset=21)
    build(net, net.qdq("x", 0.25))
    with pytest.raises(ModelError, match=reason):
        import_model(net.model())


def _twice(model: onnx.ModelProto) -> None:
    model.graph.node[-1].attribute.extend([helper.make_attribute("axis", 1)] * 2)


def _called(model: onnx.ModelProto) -> None:
    for level in range(40):
        inner = f"f{level - 1}" if level else "Identity"
        domain = "local" if level else ""
        nodes = [
            helper.make_node(inner, ["a"], ["b"], domain=domain),
            helper.make_node(inner, ["b"], ["c"], domain=domain),
        ]
        opsets = [helper.make_opsetid("", 19), helper.make_opsetid("local", 1)]
        model.functions.append(helper.make_function("local", f"f{level}", ["a"], ["c"], nodes, opsets))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node.append(helper.make_node("f39", [model.graph.output[0].name], ["last"], domain="local"))
    model.graph.output[0].name = "last"


DAMAGE: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "attribute twice": (_twice, "stated twice"),
    "reference": (lambda m: setattr(m.graph.node[-1].attribute.add(), "ref_attr_name", "r"), "refers to 'r'"),
    "input twice": (lambda m: m.graph.input.append(m.graph.input[0]), "two of its inputs"),
    "constant twice": (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "two of its initialisers"),
    "type": (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 999), "unknown"),
    "negative": (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", -4), "the shape of"),
    "rank": (lambda m: [m.graph.input[0].type.tensor_type.shape.dim.add(dim_value=1) for _ in range(72)], "dimensions"),
    "functions": (_called, "local functions"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_invalid_models_are_refused(kind: str) -> None:
    net = Net(4)
    net.op("Flatten", net.op("MatMul", net.quant("x", 0.5), net.const(np.eye(4))))
    model = net.model()
    damage, reason = DAMAGE[kind]
    damage(model)
    with pytest.raises(ModelError, match=reason):
        import_model(model)


def test_a_tensor_that_is_added_often_is_a_multiple() -> None:
    net = Net(4)
    q = net.quant("x", 0.5)
    once = net.op("Sum", *[q] * 2000)
    assert str(import_model(net.model(once))).count("ternary.combine") == 0
    net.op("Sum", *[net.const(1.0)] * 2, q)
    failing(net, "two of its inputs are constant")


def test_nodes_in_reverse_order_take_no_longer() -> None:
    net = Net(4)
    net.quant("x", 0.5)
    for _ in range(3000):
        net.op("Identity", net.last)
    model = net.model()
    nodes = list(model.graph.node)
    expected = str(import_model(model))
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert str(import_model(model)) == expected


@pytest.mark.parametrize("include", [False, True])
def test_covered_elements_are_counted_without_gathering(include: bool) -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        size, kernel = (tuple(int(n) for n in random.integers(1, high, 2)) for high in (9, 4))
        attributes = {"strides": 4, "dilations": 3}
        more: dict[str, Any] = {name: random.integers(1, high, 2).tolist() for name, high in attributes.items()}
        more |= {"pads": random.integers(0, 3, 4).tolist(), "ceil_mode": int(random.integers(2))}
        proto = helper.make_node("AveragePool", ["x"], ["y"], **more)
        from cam_compiler.importer.model import Node

        node = Node("AveragePool", "", "y", ("x",), ("y",), more, proto)
        try:
            fit = fitted(node, size, kernel, 2)
        except ModelError:
            continue
        top, left, bottom, right = fit.declared if include else (0, 0, 0, 0)
        inside = np.pad(np.ones(size, dtype=np.int64), ((top, bottom), (left, right)))
        inside[:] = 1
        pads = fit.window.pads
        beyond = (pads[0] - top, pads[1] - left, max(0, pads[2] - bottom), max(0, pads[3] - right))
        window = Window(fit.window.kernel, fit.window.strides, beyond, fit.window.dilations)
        down, across = fit.positions
        covered = window.gather(inside[None, None], 0).sum(axis=1).reshape(window.positions(*inside.shape))
        np.testing.assert_array_equal(fit.counts(include), covered[:down, :across])


# ---- other files


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = parse_module(SMALL_NETWORK)
    target = compile_module(module, "small")
    path = tmp_path_factory.mktemp("program") / "net.camx"
    save(network_of(module, target), path)
    return path


def _of_call(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(call for call in manifest["calls"] if call["call"] == name)
    return found


MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "negative features": lambda m: _of_call(m, "Program").update(inputs=[-3]),
    "range of 71 bits": lambda m: _of_call(m, "Quantize").update(result=[0, 1 << 70]),
    "no shape": lambda m: m["inputs"][0].update(shape=[-1, [1], {}]),
    "negative shape": lambda m: m["inputs"][0].update(shape=[-1, -5, 3]),
    "no size": lambda m: m.update(sample_bytes="many"),
    "no list": lambda m: m.update(calls=7),
    "deep": lambda m: m.update(outputs=json.loads("[" * 500 + "]" * 500)),
}


def _rewritten(program: Path, path: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(program) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in {**members, name: data}.items():
            archive.writestr(member, content)
    return path


@pytest.mark.parametrize("kind", MANIFESTS)
def test_damaged_manifests_are_refused(kind: str, program: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    MANIFESTS[kind](manifest)
    path = _rewritten(program, tmp_path / "net.camx", "manifest.json", json.dumps(manifest).encode())
    with pytest.raises(ProgramError, match="damaged"):
        load(path)


@pytest.mark.parametrize("table", [[[np.nan, 1.0]], [[2.0, 1.0]]])
def test_thresholds_of_programs_are_numbers_in_order(table: list[list[float]], program: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        name = next(member for member in archive.namelist() if member.endswith("thresholds.npy"))
    stream = io.BytesIO()
    np.save(stream, np.array(table))
    with pytest.raises(ProgramError, match="threshold"):
        load(_rewritten(program, tmp_path / "net.camx", name, stream.getvalue()))


def test_archives_that_unpack_to_gigabytes_are_refused(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.files._FREE", 1 << 20)
    path = _rewritten(program, tmp_path / "net.camx", "more.bin", bytes(1 << 23))
    with pytest.raises(ProgramError, match="would take"):
        load(path)
    numbers = tmp_path / "x.npz"
    with zipfile.ZipFile(numbers, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(1 << 23))
    with pytest.raises(InputError, match="would take"):
        read_arrays(numbers)


def test_objects_are_never_loaded_and_numpy_gives_no_advice(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError) as caught:
        read_arrays(tmp_path / "x.npy")
    assert "allow_pickle" not in str(caught.value)


def test_results_are_real_numbers(tmp_path: Path, program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 3), dtype=np.float32))
    np.savez(tmp_path / "y.npz", y=np.zeros((1, 2), dtype=np.complex64))
    given = ["--input", str(tmp_path / "x.npy"), "--expect", str(tmp_path / "y.npz")]
    assert main(["run", str(program), *given]) == 1
    assert "aren't real numbers" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["rows = " + "9" * 5000, "rows = " + "[" * 5000, "a" + ".a" * 20000 + " = 1"])
def test_toml_in_bad_faith(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(TargetError, match="not valid TOML") as caught:
        load_target(str(path))
    assert "sys." not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (AssemblyCode, f"set c{'9' * 5000}.0:4, #3"),
        (AssemblyCode, f"set c0.0:4, #{'9' * 5000}"),
        (Cells, f"a{'9' * 5000}.c0.0 10x-"),
        (Cells, "a2147483648.c0.0 10x-"),
        (Parts, f"outputs 0:{'9' * 5000} inputs 0:3"),
        (Terms, f"take {'9' * 5000}"),
    ],
)
def test_digits_in_packed_text_are_bounded(kind: type[TextValue], text: str) -> None:
    with pytest.raises(TextError, match="digits"):
        kind.from_text(text)


def test_a_matrix_of_the_least_integer_is_not_ternary() -> None:
    text = f"{-(1 << 63)} 0"
    assert IntMatrix.from_text(text).to_text() == text


@pytest.mark.parametrize(
    "text", ["1e9999999", "1e-9999999", "9" * 5000, "1/0", "nan", "inf", "\u00b2", "", "1_0", "1/1e9999"]
)
def test_numbers_that_nobody_can_work_with(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["--scale", text], ["--std", f"1,{text}"], ["--mean", text], ["--batch", text], ["--resize", text]):
        with pytest.raises(SystemExit):
            main(["evaluate", "net.onnx", "data", *line])
        assert len(capsys.readouterr().err.splitlines()[-1]) < 200
    with pytest.raises(InputError, match="no type"):
        Lattice.parse(f"INT8*{text}", "float32")
    with pytest.raises(InputError, match="no type"):
        Lattice.parse("FIXED<8,-999999999>", "float32")


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that nobody writes to, and a file that takes no room on the disk, under the suffixes of all inputs."""
    monkeypatch.chdir(tmp_path)
    for suffix in (".mlir", ".onnx", ".toml", ".s", ".bin", ".camx", ".npy", ".npz"):
        os.mkfifo(f"pipe{suffix}")
        with Path(f"sparse{suffix}").open("wb") as file:
            file.truncate(1 << 37)


@pytest.mark.parametrize("name", ["pipe", "sparse"])
@pytest.mark.parametrize(
    "line",
    [
        *(
            "compile {}.onnx -o a.camx",
            "compile {}.mlir -o a.camx",
            "opt {}.mlir",
            "asm {}.s -o a.bin",
            "disasm {}.bin",
        ),
        *("disasm {}.camx", "run {}.camx --input {}.npy", "run {}.mlir --input {}.npy", "tech {}.toml"),
        *("evaluate {program} {}.npy --labels {}.npy", "evaluate {program} {}.npz", "run {program} --input {}.npz"),
    ],
)
def test_only_files_are_read(
    line: str, name: str, pipe: None, program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(name, program=program) for word in line.replace("{}", "{0}").split()]) == 1
    said = capsys.readouterr().err
    assert said.startswith("camc: error: ") and (name != "pipe" or "it is a pipe" in said)


def test_labels_are_looked_at_before_the_run(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.zeros((3, 1, 3), dtype=np.float32)
    np.save("x.npy", images)
    for labels, said in (
        ([0, 1, 2], "sample 2: its class is 2, the network has 2"),
        ([0, -1, 1], "its class is -1"),
        ([0], "1 labels for 3"),
    ):
        np.save("labels.npy", np.array(labels))
        assert main(["run", str(program), "--input", "x.npy", "--labels", "labels.npy", "-o", "y.npz"]) == 1
        assert said in capsys.readouterr().err
        assert not Path("y.npz").exists()
    np.savez("data.npz", image=images, label=np.array([0, 1, 2]))
    assert main(["evaluate", str(program), "data.npz", "-o", "r.json"]) == 1
    assert "image 2: its class is 2, the network has 2 classes" in capsys.readouterr().err
    assert not Path("r.json.state").exists()


@pytest.mark.parametrize(
    "damage", [{"samples": 0.5}, {"samples": True}, {"top1": 9}, {"top1": "x"}, {"same_class": -1}]
)
def test_states_of_evaluations_are_checked(damage: dict[str, object], tmp_path: Path) -> None:
    State(tmp_path / "s", "key").write(Tally(samples=3))
    stated = json.loads((tmp_path / "s").read_text())
    stated["tally"] |= damage
    stated["digest"] = digest_of(stated["tally"])
    (tmp_path / "s").write_text(json.dumps(stated))
    with pytest.raises(InputError, match="no state of an evaluation"):
        State(tmp_path / "s", "key").read(10)


@pytest.mark.parametrize(
    "text",
    [
        "inputs 99999999 in 0..1\nout %0",
        "inputs 1 in 0..1\n%1 = %0 + %0<<4000000000 : u9\nout %1",
        "inputs 1 in 0..1\nout %0<<4000000000",
        "inputs 1 in 0.." + "9" * 5000 + "\nout %0",
    ],
)
def test_numbers_in_packed_text_are_bounded(text: str) -> None:
    with pytest.raises(TextError, match="at most"):
        AdderGraph.from_text(text)


# ---- the fuzzers, for a moment

SLOW = ("importer", "compiler", "onnxruntime", "commands", "ir")


@pytest.mark.parametrize("surface", SURFACES)
def test_fuzz(surface: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python tests/fuzz/run.py --minutes 30` goes on with this."""
    monkeypatch.chdir(tmp_path)
    explorer = Explorer(surface)
    for number in range(8 if surface in SLOW else 40):
        source = random.Random(f"{surface} {number}")
        data = explorer.changed(source)
        end = attempt(surface, data, tmp_path)
        assert not end.finding, (number, end.finding, data)
        explorer.learn(source, data, end)
