"""The runner of passes: what is printed, dumped, timed and reproduced, for `camc compile` and `camc opt` alike."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from camc_testing import SMALL_NETWORK
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from cam_compiler import universe
from cam_compiler.cli import main
from cam_compiler.pipeline import PIPELINES


@dataclass(frozen=True)
class Crash(ModulePass):
    """Fails while it works."""

    name = "crash"
    depth: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        raise KeyError(f"at depth {self.depth}")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def camc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in a folder with the small network; gives the exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(SMALL_NETWORK)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


def test_both_commands_take_named_pipelines_and_general_passes(camc: Run) -> None:
    _, compiled, _ = camc("compile", "net.mlir", "--pipeline", "unshared")
    _, optimised, _ = camc("opt", "net.mlir", "-p", "unshared")
    body = re.compile(r"  func\.func.*", re.DOTALL)
    assert body.search(compiled)[0] == body.search(optimised)[0]  # pyright: ignore[reportOptionalSubscript]
    passes = "canonicalize,ternary-canonicalize,convert-ternary-to-apv,cse,dce"
    assert camc("compile", "net.mlir", "--pipeline", passes)[1].count("apv.linear") == 1
    assert camc("opt", "net.mlir", "-p", passes)[1].count("apv.linear") == 1


@pytest.mark.parametrize("command", [("compile", "net.mlir", "--pipeline"), ("opt", "net.mlir", "-p")])
def test_what_is_printed_while_passes_run(command: tuple[str, ...], camc: Run) -> None:
    passes = "ternary-canonicalize,convert-ternary-to-apv,apv-share,apv-share"
    code, _, said = camc(
        *command,
        passes,
        "--print-ir-after=convert-ternary-to-apv",
        "--print-ir-before=apv-share",
        "--timing",
        "--stats",
    )
    assert code == 0, said
    assert re.findall(r"// -----// IR (.*) //-----", said) == [
        "after convert-ternary-to-apv",
        "before apv-share",
        "before apv-share",
    ]
    assert re.findall(r"^ ?(\d) (\S+) +\d+\.\d{3} ", said, re.MULTILINE)[2:] == [("3", "apv-share"), ("4", "apv-share")]
    said = camc(*command, passes, "--print-ir-after-change")[2]
    assert re.findall(r"// -----// IR (.*) //-----", said) == ["after convert-ternary-to-apv", "after apv-share"]


def test_a_pass_that_runs_twice_has_two_tables(camc: Run) -> None:
    said = camc(
        "opt", "net.mlir", "-p", "convert-ternary-to-apv,apv-share,convert-apv-to-rtm,rtm-bundle,rtm-bundle", "--stats"
    )
    assert re.search(r"^rtm-bundle\s*$", said[2], re.MULTILINE) and re.search(
        r"^rtm-bundle \(2\)\s*$", said[2], re.MULTILINE
    )


def test_a_folder_of_dumps_holds_one_run(camc: Run) -> None:
    camc("compile", "net.mlir", "--dump-ir", "d")
    Path("d/notes.txt").write_text("mine")
    camc("opt", "net.mlir", "-p", "ternary-canonicalize", "--dump-ir", "d")
    assert sorted(path.name for path in Path("d").iterdir()) == [
        "00-import.mlir",
        "01-ternary-canonicalize.mlir",
        "notes.txt",
    ]


def test_a_crash_names_the_pass_and_leaves_a_reproducer(camc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(universe, "plug_ins", lambda: Universe(all_dialects={}, all_passes={"crash": lambda: Crash}))
    for command in (("compile", "net.mlir", "--pipeline"), ("opt", "net.mlir", "-p")):
        code, _, said = camc(*command, "convert-ternary-to-apv,crash{depth=3}")
        assert code == 1
        assert "pass crash{depth=3}: internal error: KeyError: 'at depth 3'" in said
        assert "camc opt camc-crash-crash.mlir --run-reproducer" in said
        assert "apv.linear" in Path("camc-crash-crash.mlir").read_text()
        again = camc("opt", "camc-crash-crash.mlir", "--run-reproducer")[2]
        assert again == said
        Path("camc-crash-crash.mlir").unlink()


def test_standard_input_and_elided_attributes(camc: Run) -> None:
    with mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(SMALL_NETWORK.encode()))):
        code, out, _ = camc("compile", "-", "--stop-after", "apv", "--elide", "1")
    assert code == 0
    assert "... 4 lines more" in out
    with mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(SMALL_NETWORK.encode()))):
        assert "ternary.matmul" in camc("opt")[1]


def test_errors_of_the_verifier_show_the_operation_and_its_line(camc: Run) -> None:
    Path("wrong.mlir").write_text(SMALL_NETWORK.replace("up -1 1", "up 1 -1"))
    line = SMALL_NETWORK[: SMALL_NETWORK.index("%t = ")].count("\n") + 1
    for command in ("compile", "opt"):
        said = camc(command, "wrong.mlir")[2]
        assert "wrong.mlir: the IR is invalid: the thresholds of channel 0 are not in ascending order" in said
        assert f"in ternary.threshold of layer 'act' at wrong.mlir:{line}:" in said
        assert "up 1 -1" in said


EXPECTED = """
func.func @a(%x: tensor<?x4x!ternary.int<0, 1>>) {
  // expected-error@below {{weights with 3 columns}}
  %a = ternary.matmul %x : tensor<?x4x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{
    +0-
  }>
  func.return
}

// -----

func.func @b(%x: tensor<?x4x!ternary.int<3, 0>>) { // expected-error {{goes from the lower to the higher end}}
  func.return
}
"""


def test_expected_errors_are_checked_with_their_lines(camc: Run) -> None:
    flags = ("--split-input-file", "--verify-diagnostics")
    for text, problem in (
        (EXPECTED, None),
        (EXPECTED.replace("@below", "@above"), "found an error in line 4"),
        (EXPECTED.replace("3 columns}}", "4 columns}}"), "expected 'weights with 4 columns'"),
        (EXPECTED.replace("    +0-", "    +0-0"), "no error says 'weights with 3 columns'"),
        (EXPECTED.replace("lower to the higher", "higher to the lower"), "found an error: an integer range"),
    ):
        Path("e.mlir").write_text(text)
        code, _, said = camc("opt", "e.mlir", *flags)
        assert code == (problem is not None), said
        assert problem is None or problem in said, said


def test_passes_and_dialects_are_described(camc: Run) -> None:
    described = camc("passes", "convert-apv-to-rtm", "default")[1]
    assert "    placement: " in described and "objective: " in described.partition("options of")[2]
    assert all(item in described for item in PIPELINES["default"])
    assert "up -3 5" not in camc("dialects")[1]
    assert "ternary.threshold\n    Requantisation by thresholds" in camc("dialects", "ternary")[1]
    assert camc("dialects", "ap.nothing")[0] == 1
    assert camc("passes", "nothing")[0] == 1
