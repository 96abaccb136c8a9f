"""`camc verify`: every threshold is fed at its steps, and what is wrong is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from camc_testing import SMALL_NETWORK, SMALL_TARGET, TWO_PRODUCTS, parse_module
from xdsl.utils.exceptions import ParseError, VerifyException

from cam_compiler.cli import main
from cam_compiler.execution import of_module
from cam_compiler.pipeline import parse_passes, run_passes
from cam_compiler.validation import difference, edge_inputs
from cam_compiler.verification import instructions
from cam_compiler.verification.against import Golden
from cam_compiler.verification.instructions import check_table, kinds
from cam_compiler.verification.reach import reach
from dialects.machine import isa
from dialects.machine.isa import OPCODES, Op, Pass, lut
from dialects.support.errors import MismatchError
from dialects.support.ranges import Range
from runtime.executor import Executor
from runtime.interpreter import network_of

STAGES = ("convert-ternary-to-apv", "apv-share{effort=0}", "convert-apv-to-rtm", "convert-rtm-to-ap")
THRESHOLDS = {
    "ternary": r"^ *(?:up|down)((?: -?\d+)+)$",
    "apv": r"^ *(?:up|down)((?: -?\d+)+)$",
    "rtm": r">= (-?\d+)$",
    "ap": r"cmp\.ge [^#]*#(-?\d+)$",
}
EVERY_INPUT = {"x": np.array(list(product(range(3), repeat=4)))}


def at_level(level: str) -> str:
    """The network at a level, as text."""
    count = {"ternary": 0, "apv": 2, "rtm": 3, "ap": 4}[level]
    return after(",".join(STAGES[:count]))


def after(pipeline: str) -> str:
    """The network after some passes, as text."""
    module = parse_module(TWO_PRODUCTS)
    run_passes(module, parse_passes(pipeline) if pipeline else (), SMALL_TARGET)
    return str(module)


def executor(text: str) -> Executor:
    module = parse_module(text)
    return of_module(module, SMALL_TARGET, "native", trace=False)


def thresholds_one_off(text: str, pattern: str) -> Iterator[Executor]:
    """The network with each threshold one lower and one higher, where the verifier allows that."""
    for line in re.finditer(pattern, text, re.MULTILINE):
        for number in re.finditer(r"-?\d+", line[1]):
            begin, end = line.start(1) + number.start(), line.start(1) + number.end()
            for changed in (int(number[0]) - 1, int(number[0]) + 1):
                with suppress(ParseError, VerifyException):
                    yield executor(text[:begin] + str(changed) + text[end:])


@pytest.mark.parametrize("level", THRESHOLDS)
def test_every_threshold_that_is_one_off_is_noticed(level: str) -> None:
    module = parse_module(TWO_PRODUCTS)
    golden = Golden("golden", executor(TWO_PRODUCTS), edge_inputs(module, 4), (module,))
    expected = golden.executor.run(EVERY_INPUT).outputs
    compared = golden.compare(executor(at_level(level)), level)
    mutants = different = 0
    for mutant in thresholds_one_off(at_level(level), THRESHOLDS[level]):
        mutants += 1
        if level == "ternary" or difference(expected, mutant.run(EVERY_INPUT).outputs):
            different += 1
            with pytest.raises(MismatchError):
                golden.compare(mutant, "mutant")
    assert different > 20, mutants
    assert compared.met >= 0.9 * compared.steps


def test_sums_reach_any_integer() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-3, 4, size=(200, 12))
    weights[:, 0] = 1
    fixed = rng.random(weights.shape) < 0.2
    fixed[:, 0] = False
    span = Range(-2, 5)
    free = np.where(fixed, 0, weights)
    base = (np.where(fixed, weights, 0) * 7).sum(axis=1)
    low = base + np.minimum(free * span.lo, free * span.hi).sum(axis=1)
    high = base + np.maximum(free * span.lo, free * span.hi).sum(axis=1)
    targets = rng.integers(low, high + 1)
    found, hit = reach(weights, targets, span, rng, (fixed, 7))
    assert hit.mean() > 0.95
    assert ((found * weights).sum(axis=1) == targets)[hit].all()
    assert (found[fixed] == 7).all()
    assert (found[~fixed] >= span.lo).all() and (found[~fixed] <= span.hi).all()


@pytest.mark.parametrize(
    ("pipeline", "across", "some"),
    [
        (",".join(STAGES), False, {Op.ADD, Op.CMP_GE, Op.SET_IF, Op.IN, Op.OUT}),
        ("across", True, {Op.ADD_IP, Op.SUB_IP, Op.SET_GT, Op.SET_LT, Op.SET, Op.IN, Op.OUT}),
    ],
)
def test_a_wrong_row_of_the_instruction_table_is_noticed(
    pipeline: str, across: bool, some: set[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = network_of(parse_module(after(pipeline)), SMALL_TARGET).programs
    found = kinds(program)
    used = {item.op for item in found}
    assert some <= used
    assert {item.across for item in found if item.width > 1} == {across}
    assert check_table(program) == len(kinds(program))
    for op in used - {Op.IN, Op.OUT}:
        row = OPCODES[op]
        for number, (key, write) in enumerate(row.bit):
            flipped = Pass(key, tuple((role, 1 - bit) for role, bit in write))
            wrong = replace(row, bit=(*row.bit[:number], flipped, *row.bit[number + 1 :]))
            monkeypatch.setattr(isa, "OPCODES", {**OPCODES, op: wrong})
            monkeypatch.setattr(instructions, "OPCODES", {**OPCODES, op: wrong})
            isa._bit_passes.cache_clear()
            with pytest.raises(MismatchError, match=rf"instruction table, {row.mnemonic}"):
                check_table(program)
    monkeypatch.undo()
    isa._bit_passes.cache_clear()


def test_validate_each_and_verify_notice_a_wrong_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(TWO_PRODUCTS)
    assert main(["compile", "net.mlir", "-o", "net.camx"]) == 0
    row = replace(OPCODES[Op.CMP_GE], prologue=lut(">D0"))
    monkeypatch.setattr(isa, "OPCODES", {**OPCODES, Op.CMP_GE: row})
    monkeypatch.setattr(instructions, "OPCODES", {**OPCODES, Op.CMP_GE: row})
    isa._bit_passes.cache_clear()
    for arguments in (["compile", "net.mlir", "--validate-each", "-o", "a.camx"], ["verify", "net.mlir", "net.camx"]):
        assert main(arguments) == 1
        assert "instruction table, cmp.ge" in capsys.readouterr().err
    monkeypatch.undo()
    isa._bit_passes.cache_clear()


def test_check_needs_a_golden_source_and_names_the_first_wrong_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(SMALL_NETWORK)
    np.save("x.npy", np.linspace(-1, 2, 90, dtype=np.float32).reshape(30, 1, 3))
    assert main(["compile", "net.mlir", "-o", "net.camx"]) == 0
    assert main(["compile", "net.mlir", "-o", "ap.mlir"]) == 0
    run = ("--input", "x.npy", "--check", "--no-trace")
    for model in ("ap.mlir", "net.camx"):
        assert main(["run", model, *run]) == 1
        assert "--golden" in capsys.readouterr().err
        assert main(["run", model, *run, "--golden", "net.mlir"]) == 0
        assert "t        60 integers equal" in capsys.readouterr().out
    Path("bad.mlir").write_text(
        Path("ap.mlir").read_text().replace("down 1 3", "").replace("up 0.25 0.75", "up 0.25 1")
    )
    assert main(["run", "bad.mlir", *run, "--golden", "net.mlir"]) == 1
    error = capsys.readouterr().err
    assert "a layer's integers are not the golden ones: tensor 'q' differs in" in error
    assert "the outputs, too: output 'y' differs" in error
