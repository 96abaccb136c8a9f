"""The registry of passes, and what run_passes does between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from camc_testing import SMALL_NETWORK, parse_module
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

import passes
from cam_compiler.cli import main
from cam_compiler.commands import targets
from cam_compiler.options import add_work
from cam_compiler.pipeline import run_passes
from cam_compiler.universe import CAMC_UNIVERSE, DIALECTS, PASSES
from dialects import ternary
from dialects.machine.target import Target
from dialects.support.errors import IRError
from dialects.support.tensors import IntMatrix
from dialects.support.threads import thread_count
from dialects.ternary.types import MatrixAttr

FILES = {path.stem.replace("_", "-") for path in Path(passes.__file__).parent.glob("*.py")} - {"--init--"}
RUNNING = {"apv-choose"}
"""passes that run what they make, and so lie above the runtime"""


def test_every_pass_is_registered_under_its_name() -> None:
    assert set(PASSES) == FILES | RUNNING
    assert all(make().name == name for name, make in {**PASSES, **DIALECTS}.items())
    assert all(make().__name__.lower() == name.replace("-", "") for name, make in PASSES.items())
    assert CAMC_UNIVERSE.all_passes == PASSES


@dataclass(frozen=True)
class SetWeights(ModulePass):
    """Gives the small network's product other weights; it takes three features."""

    name = "set-weights"
    features: int = 3

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        [product] = [each for each in op.walk() if isinstance(each, ternary.MatmulOp)]
        matrix = np.resize([1, 0, -1], (2, self.features))
        product.weights = MatrixAttr(IntMatrix.from_array(matrix))


BREAK, MEND = SetWeights(2), SetWeights()


@pytest.mark.parametrize("each", [True, False])
def test_verification_after_each_pass_or_only_after_the_last(each: bool) -> None:
    def run(*stages: ModulePass) -> None:
        run_passes(parse_module(SMALL_NETWORK), stages, Target("default"), verify_each=each)

    run(MEND, MEND)
    with pytest.raises(IRError, match="after set-weights: the IR is invalid: weights with 2 columns"):
        run(MEND, BREAK)
    if each:
        with pytest.raises(IRError, match="the IR is invalid"):
            run(BREAK, MEND)
    else:
        run(BREAK, MEND)


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The option goes before the environment, that before the number of processors; what they are given is checked."""
    seen: list[int] = []

    def listing() -> list[str]:
        seen.append(thread_count())
        return []

    monkeypatch.delenv("CAMC_THREADS", raising=False)
    default = thread_count()
    monkeypatch.setattr(targets, "bundled_targets", listing)
    monkeypatch.setattr(targets, "add_options", add_work)
    monkeypatch.setenv("CAMC_THREADS", "3")
    assert main(["targets"]) == main(["targets", "--threads", "5"]) == 0
    assert seen == [3, 5]
    assert 1 <= default <= 16
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("CAMC_THREADS", wrong)
        assert main(["targets"]) == 1
        assert f"CAMC_THREADS: expected a whole number from 1 to 1024, found '{wrong}'" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main(["targets", "--threads", wrong])
