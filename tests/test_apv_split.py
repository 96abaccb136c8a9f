"""Layers in parts: the same integers, parts as memory asks for, fewer cycles where it is short."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from cam_compiler.compile import read_module
from cam_compiler.execution import of_module
from cam_compiler.pipeline import make_context, parse_passes, run_passes
from dialects import apv
from dialects.machine.target import Geometry, Target, load_target
from dialects.support.ranges import Range
from dialects.support.threads import use_threads
from passes.adder_graphs.layer_split import SplitOptions, output_parts
from passes.placing.shift_cost import ShiftCost
from runtime.camx import load, save
from runtime.executor import Executor
from runtime.interpreter import Interpreter, network_of

BUNDLED = Path(__file__).parents[1] / "cam_compiler" / "bundled"
NIBBLE = Range(0, 15)


@cache
def _imported(name: str) -> ModuleOp:
    return read_module(BUNDLED / f"{name}_qdq.onnx")


def bundled(name: str, passes: str, target: Target | None = None) -> ModuleOp:
    """A bundled network after some passes."""
    module = _imported(name).clone()
    run_passes(module, parse_passes(passes), target or load_target("default"))
    return module


def pipeline(split: str) -> str:
    return f"convert-ternary-to-apv,apv-split{split},apv-share,convert-apv-to-rtm,convert-rtm-to-ap"


def linears(name: str, split: str) -> list[apv.LinearOp]:
    module = bundled(name, f"convert-ternary-to-apv,apv-split{split}")
    return [op for op in module.walk() if isinstance(op, apv.LinearOp)]


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn"])
@pytest.mark.parametrize("split", ["{outputs=3}", "{outputs=2 inputs=2}"])
def test_parts_compute_the_same(tmp_path: Path, name: str, split: str) -> None:
    images = {"image": np.load(BUNDLED / f"{name}_test.npz")["image"][:3]}
    expected = Interpreter().run(bundled(name, "ternary-canonicalize"), images).outputs["logits"]
    assert len(linears(name, split)) > len(linears(name, "{outputs=1}"))
    save(network_of(bundled(name, pipeline(split)), load_target("default")), tmp_path / "a.camx")
    assert np.array_equal(Executor(load(tmp_path / "a.camx")).run(images).outputs["logits"], expected)


def test_partial_sums_reach_less_than_the_thresholds_of_the_layer() -> None:
    rows = np.array([[1, 1, 1, 1], [1, 0, 0, -1]])
    text = f"""
        func.func @main(%x: tensor<?x4x!ternary.int<0, 15>>) -> tensor<?x2x!ternary.int<0, 1>> {{
          %a = ternary.matmul %x : tensor<?x4x!ternary.int<0, 15>> -> tensor<?x2x!ternary.int<-15, 60>> weights <{{
            {"".join("0+-"[value] for value in rows[0])}
            {"".join("0+-"[value] for value in rows[1])}
          }}>
          %t = ternary.threshold %a : tensor<?x2x!ternary.int<-15, 60>> -> tensor<?x2x!ternary.int<0, 1>> thresholds <{{
            up -14
            up 61
          }}>
          return %t : tensor<?x2x!ternary.int<0, 1>>
        }}
    """
    module = Parser(make_context(), text).parse_module()
    given = {"input0": np.random.default_rng(0).integers(0, 16, size=(50, 4))}
    expected = Interpreter().run(module.clone(), given).outputs
    run_passes(module, parse_passes(pipeline("{outputs=2 inputs=2}")), load_target("small"))
    found = of_module(module, load_target("small"), "native").run(given).outputs
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_parts_take_fewer_cycles_where_memory_is_short() -> None:
    images = {"image": np.load(BUNDLED / "digits_cnn_test.npz")["image"][:2]}
    small = Target("small", rows=64, columns=28, domains=16)
    expected = Interpreter().run(bundled("digits_cnn", "ternary-canonicalize"), images).outputs["logits"]
    cycles: list[int] = []
    for passes in (pipeline(""), pipeline("").replace("apv-split,", "")):
        module = bundled("digits_cnn", f"ternary-canonicalize,ternary-rescale,{passes}", small)
        found = of_module(module, small, "native").run(images)
        assert np.array_equal(found.outputs["logits"], expected)
        cycles.append(sum(segment.counts.cycles for segment in found.segments))
    assert cycles[0] < cycles[1]


@pytest.mark.parametrize(
    "following", ["", ",apv-share,convert-apv-to-rtm{placement=loops}", ",apv-share,convert-apv-to-rtm,rtm-bundle"]
)
def test_threads_change_nothing(following: str) -> None:
    small = load_target("small")
    texts: list[str] = []
    for threads in (1, 2, 5):
        with use_threads(threads):
            texts.append(str(bundled("digits_cnn", "convert-ternary-to-apv,apv-split" + following, small)))
    assert texts[0] == texts[1] == texts[2]


def test_parts_as_memory_asks_for() -> None:
    matrix = np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(128, 200))
    parts = [output_parts(matrix, [NIBBLE] * 200, SplitOptions(bits)) for bits in (16, 200, 800, 8000)]
    assert parts[0] == 0
    assert parts[1] > parts[2] > parts[3] == 1


def test_moved_bits_count() -> None:
    matrix = np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(128, 400))
    cheap, dear = (output_parts(matrix, [NIBBLE] * 400, SplitOptions(2500, cycles)) for cycles in (0, 1000))
    assert cheap > dear


def test_nothing_to_split() -> None:
    assert output_parts(np.zeros((40, 3), dtype=np.int64), [NIBBLE] * 3, SplitOptions(100)) == 1


def test_shifts_ask_for_smaller_parts() -> None:
    matrix = np.random.default_rng(1).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(96, 300))
    costs = [ShiftCost(step, Geometry(256, 256, 64)) if step else None for step in (0, 2, 40)]
    parts = [output_parts(matrix, [NIBBLE] * 300, SplitOptions(12_000, 1, shifts=cost)) for cost in costs]
    assert parts[0] < parts[1] < parts[2]
