"""The tools that look at programs: camc diff, where and debug."""

from __future__ import annotations

import io
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from camc_testing import SMALL_NETWORK

from cam_compiler.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small network, compiled, its dumps, and every input on both sides of its quantiser's steps."""
    path = tmp_path_factory.mktemp("compiled")
    (path / "net.mlir").write_text(SMALL_NETWORK)
    np.save(path / "x.npy", np.array(list(product((0, 0.5, 1), repeat=3)), dtype=np.float32)[:, None])
    model, program, dumps = (str(path / name) for name in ("net.mlir", "net.camx", "dumps"))
    assert main(["compile", model, "-o", program, "--dump-ir", dumps]) == 0
    return path


@pytest.fixture
def folder(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is that one."""
    monkeypatch.chdir(compiled)
    return compiled


def test_diff_of_equal_files(folder: Path, capsys: Captured) -> None:
    for name in ("net.mlir", "net.camx"):
        assert main(["diff", name, name]) == 0
        assert capsys.readouterr().out == "equal\n"


def test_diff_names_what_changed(folder: Path, capsys: Captured) -> None:
    Path("other.mlir").write_text(SMALL_NETWORK.replace("0++", "0+0").replace("up -1 1", "up 0 1"))
    assert main(["diff", "net.mlir", "other.mlir"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"fc +ternary.matmul +weights +4 +3 +0.750", said)
    assert "ternary.threshold of layer 'act'" in said
    assert "  < up -1 1\n  > up 0 1\n" in said


def test_diff_of_programs(folder: Path, capsys: Captured) -> None:
    assert main(["compile", "net.mlir", "-o", "other.camx", "--pipeline", "unshared"]) == 0
    assert main(["diff", "net.camx", "other.camx"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"all +programs +column_steps +\d+ +\d+ +\d", said)
    assert main(["diff", "net.camx", "net.mlir"]) == 1
    assert main(["diff", "dumps/00-import.mlir", sorted(folder.glob("dumps/*ap.mlir"))[-1].as_posix()]) == 1
    assert "of the level ternary" in capsys.readouterr().err


def test_where_leads_to_the_node(folder: Path, capsys: Captured) -> None:
    assert main(["disasm", "net.camx"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    code = [line for line in lines[1 : lines.index("; act")] if line not in ("loop {", "}")]
    last = max(at for at, line in enumerate(code) if line.startswith(("add", "sub")))
    assert main(["where", "net.camx", f"fc:{last}", "--dumps", "dumps"]) == 0
    said = capsys.readouterr().out
    assert code[last] in said
    assert re.search(r"rtm +`%\d+ : c\d+\[", said)
    assert re.search(r"apv +apv\.sum of layer 'fc', %a, channel \d", said)
    assert re.search(r"ternary +ternary\.matmul of layer 'fc', %a, channel \d", said)
    # An input, and a step on the way.
    assert main(["where", "net.camx", "act:0", "--dumps", "dumps"]) == 0
    assert re.search(r"apv +a step to apv\.threshold of layer 'act'", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("place", "said"),
    [("fc", "expected LAYER:ADDRESS"), ("none:0", "layers are fc, act"), ("fc:999", "instructions, the first is 0")],
)
def test_where_there_is_nothing(folder: Path, capsys: Captured, place: str, said: str) -> None:
    assert main(["where", "net.camx", place]) == 1
    assert said in capsys.readouterr().err


def debug(monkeypatch: pytest.MonkeyPatch, *commands: str, model: str = "net.camx") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(commands)))
    return main(["debug", model, "--input", "x.npy"])


def test_debug_follows_a_script(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "where",
        "columns",
        "pass 2",
        "tags",
        "print q",
        "break act",
        "break",
        "continue",
        "print c0[0:2]",
        "step",
    )
    assert debug(monkeypatch, *script, "break store t:0", "continue", "continue", "print y", "help", "quit", "foo") == 0
    said = capsys.readouterr().out
    assert "'fc':0" in said and "'act':0" in said and "the end: all outputs are computed" in said
    assert re.search(r"row 0 +[01]", said) and "of 27 rows" in said
    # What it ends with is what a run gives.
    assert main(["run", "net.camx", "--input", "x.npy", "-o", "y.npz"]) == 0
    first = ", ".join(map(str, np.load("y.npz")["y"][0]))
    assert f"y: 27x2, first sample [{first}]" in said


def test_debug_refuses(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ("foo", "print nothing", "break nowhere", "step x", "print c999[0]", "continue", "step")
    assert debug(monkeypatch, *script, model="net.mlir") == 1
    errors = capsys.readouterr().err
    for said in ("no command 'foo'", "no tensor 'nothing'", "no such layer", "how often", "no place", "to its end"):
        assert said in errors
    assert main(["compile", "net.mlir", "-o", "c.camx", "--target", "counting", "--mapping", "count"]) == 0
    assert debug(monkeypatch, model="c.camx") == 1
    assert "counts tags" in capsys.readouterr().err
