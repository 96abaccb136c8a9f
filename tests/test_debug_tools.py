"""The tools that take the compiler apart: what they name is what was planted, and what they write still shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from camc_testing import SMALL_NETWORK, TWO_PRODUCTS, parse_module
from onnx_testing import Net
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from cam_compiler import universe
from cam_compiler.cli import main
from cam_compiler.debug.graph_cut import cut_graph
from cam_compiler.debug.slicing import Wanted, cut_out
from cam_compiler.execution import of_module
from cam_compiler.pipeline import parse_passes, run_passes
from dialects.apv.adder_graph import AdderGraph
from dialects.machine.isa import Op
from dialects.machine.target import Target

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module of benchmarks/planted_bugs.py; its network `mlp` is in the current folder."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    monkeypatch.chdir(tmp_path)
    found: Any = import_module("planted_bugs")
    Path("net.mlir").write_text(TWO_PRODUCTS)
    return found


def lines(captured: Captured) -> dict[str, str]:
    """What a command said, by title."""
    parts = [line.partition("  ") for line in captured.readouterr().out.splitlines()]
    return {title: text.strip() for title, _, text in parts}


@pytest.mark.parametrize(
    ("name", "kind", "layer"),
    [
        ("apv-share", "SIGN", "fc"),
        ("convert-rtm-to-ap", "INSTRUCTION", "fc"),
    ],
)
def test_a_planted_bug_is_named_and_reduced(bugs: Any, capsys: Captured, name: str, kind: str, layer: str) -> None:
    _, pattern, change = getattr(bugs, kind)
    Path("net.mlir").write_text(SMALL_NETWORK)
    with bugs.planted(name, pattern, change):
        assert main(["bisect", "net.mlir", "--reproducer", "before.mlir"]) == 1
        said = lines(capsys)
        assert f", {name}" in said["pass"]
        assert said["layer"] == layer
        assert "expected" in said["first at"] and "expected" in said["made by"]
        assert main(["reduce", "before.mlir", "--miscompiled", "-o", "small.mlir", "--seconds", "20"]) == 0
        assert len(Path("small.mlir").read_text().splitlines()) < 30
        assert main(["bisect", "small.mlir"]) == 1


def test_without_a_bug_nothing_is_named(bugs: Any, capsys: Captured) -> None:
    assert main(["bisect", "net.mlir", "--samples", "5"]) == 0
    assert capsys.readouterr().out == f"the same after each of {len(parse_passes('default'))} passes, on 5 samples\n"
    assert main(["reduce", "net.mlir", "--miscompiled"]) == 1
    assert "isn't interesting" in capsys.readouterr().err


def test_another_golden_network(bugs: Any, capsys: Captured) -> None:
    Path("other.mlir").write_text(TWO_PRODUCTS.replace("up -1 1 3", "up -1 2 3"))
    np.save("x.npy", np.array(list(product(range(3), repeat=4))))
    assert main(["bisect", "net.mlir", "--golden", "other.mlir", "--input", "x.npy"]) == 1
    said = lines(capsys)
    assert said["pass"] == "none: the file itself differs"
    assert said["layer"] == "t"


def test_a_wrong_row_of_the_instruction_table(bugs: Any, capsys: Captured) -> None:
    with bugs.wrong_table(Op.CMP_GE):
        assert main(["bisect", "net.mlir"]) == 1
        said = lines(capsys)
        assert said["instruction table"].startswith("row cmp.ge ")
        assert said["layer"] == "t"
        assert "cmp.ge" in said["first at"]


@dataclass(frozen=True)
class Plugged(ModulePass):
    """A user's pass that is wrong: it lets every sum be that of the first output."""

    name = "mine"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.walk():
            if inner.name == "ternary.matmul":
                weights = inner.weights.data  # type: ignore[attr-defined]
                inner.weights = type(
                    inner.weights
                )(  # type: ignore[attr-defined]
                    type(weights).from_array(np.repeat(weights.array[:1], weights.rows, axis=0))
                )


def test_a_plug_in_is_named(bugs: Any, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    plugged = Universe(all_dialects={}, all_passes={"mine": lambda: Plugged})
    monkeypatch.setattr(universe, "plug_ins", lambda: plugged)
    assert main(["bisect", "net.mlir", "--pipeline", "ternary-canonicalize,mine,convert-ternary-to-apv"]) == 1
    assert lines(capsys)["pass"] == "2 of 3, mine"


def test_reduce_asks_a_command(bugs: Any, capsys: Captured) -> None:
    assert main(["reduce", "net.mlir", "--test", "! grep -q 'layer .b.' {}", "--expect-exit", "1"]) == 0
    text = capsys.readouterr().out
    assert 'layer "b"' in text and 'layer "a"' not in text
    parse_module(text)
    assert main(["reduce", "net.mlir", "--test", "cat {}; exit 3", "--expect-text", "no such text"]) == 1


def test_reduce_a_model(bugs: Any) -> None:
    net = Net(3, 4)
    net.op("Relu", net.op("Add", net.op("Abs", "x"), net.const(np.ones((3, 4)))), name="wrong")
    net.op("Neg", net.last)
    onnx.save(net.model(), "net.onnx")
    assert main(["reduce", "net.onnx", "--test", "! grep -q Relu {}", "-o", "small.onnx"]) == 0
    small = onnx.load("small.onnx")
    assert [node.op_type for node in small.graph.node] == ["Relu"]
    onnx.checker.check_model(small, full_check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("net.mlir", "--test", "false"), "name the file"),
        (("net.mlir", "--miscompiled", "--expect-exit", "1"), "add --test"),
        (("net.mlir", "--test", "false {}", "--expect-text", "("), "no regular expression"),
        (("net.mlir", "--pass-fails"), "no pass fails on it"),
        (("net.mlir", "--miscompiled", "--seconds", "0"), "more than no seconds"),
        (("net.onnx", "--pass-fails"), "name a file with -o"),
    ],
)
def test_reduce_refuses(bugs: Any, capsys: Captured, arguments: tuple[str, ...], said: str) -> None:
    assert main(["reduce", *arguments]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "pipeline",
    [
        "",
        "convert-ternary-to-apv",
        "convert-ternary-to-apv,apv-split,apv-share,convert-apv-to-rtm",
        "default",
        "across",
    ],
)
def test_a_slice_computes_the_value(bugs: Any, pipeline: str) -> None:
    target = Target("test", rows=64, columns=48, domains=32)
    inputs = {"x": np.random.default_rng(0).integers(0, 2, (70, 1, 3, 3))}
    for text, given in ((bugs.CNN, inputs), (SMALL_NETWORK, {"x": np.random.default_rng(0).random((50, 1, 3))})):
        module = parse_module(text)
        run_passes(module, parse_passes(pipeline) if pipeline else (), target)
        (expected,) = of_module(module, target, "native").run(given).outputs.values()
        for channel in range(2):
            part = module.clone()
            wanted = cut_out(part, Wanted("y", (channel,)))
            part.verify()
            assert len(str(part)) < len(str(module))
            for engine in ("native", "golden"):
                (found,) = of_module(part, target, engine).run(given).outputs.values()
                assert (found[(slice(None), *wanted.index)] == expected[:, channel]).all()


def test_a_slice_that_there_is_not(bugs: Any, capsys: Captured) -> None:
    for output, said in (("z", "outputs are y"), ("y[3]", "no value [3]"), ("y[0,0]", "no value [0, 0]")):
        assert main(["slice", "net.mlir", "--output", output]) == 1
        assert said in capsys.readouterr().err
    assert main(["slice", "net.mlir", "--output", "y[2]", "-o", "one.mlir"]) == 0
    assert "y[0] of this network" in capsys.readouterr().err


def test_a_graph_over_fewer_inputs() -> None:
    text = (
        "inputs 3 in 0..3\n%3 = %0 - %1<<1 : i4\n%4 = %2 - %3 : i5\n%5 = %4 + %4<<2 : i7\nout -%5\nout %3\nout zero\n"
    )
    graph = AdderGraph.from_text(text)
    whole = graph.coefficients()
    for inputs in _subsets(3):
        for outputs in _subsets(3):
            cut = cut_graph(graph, np.array(inputs), np.array(outputs))
            assert cut.problem() is None
            assert (cut.coefficients() == whole[np.ix_(outputs, inputs)]).all()


def _subsets(count: int) -> Iterator[list[int]]:
    for bits in product((0, 1), repeat=count):
        if any(bits):
            yield [number for number, bit in enumerate(bits) if bit]
