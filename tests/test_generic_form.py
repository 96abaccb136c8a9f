"""The generic form of every level is read back, and read by MLIR's own mlir-opt where that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from camc_testing import SMALL_NETWORK

from cam_compiler.cli import main

NAMES = ("mlir-opt", *(f"mlir-opt-{version}" for version in range(30, 15, -1)))
MLIR_OPT = next(filter(None, map(shutil.which, NAMES)), None)
LEVELS = ("ternary", "apv", "rtm", "ap")


@pytest.fixture
def generic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the small network at each level, as it is printed and in the generic form."""
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(SMALL_NETWORK)
    for level in LEVELS:
        assert main(["compile", "net.mlir", "--stop-after", level, "-o", f"{level}.mlir"]) == 0
        assert main(["opt", f"{level}.mlir", "--print-op-generic", "-o", f"{level}.generic.mlir"]) == 0
    return tmp_path


def test_the_generic_form_is_read_back(generic: Path) -> None:
    for level in LEVELS:
        assert main(["opt", f"{level}.generic.mlir", "-o", "again.mlir"]) == 0
        assert Path("again.mlir").read_text() == Path(f"{level}.mlir").read_text()


def test_an_error_in_a_string_has_a_place(generic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("rtm.generic.mlir").read_text()
    Path("bad.mlir").write_text(re.sub(r">= (-?\d+)", r">> \1", text, count=1))
    assert main(["opt", "bad.mlir"]) == 1
    assert re.search(r"bad\.mlir:\d+:\d+", capsys.readouterr().err)


@pytest.mark.skipif(MLIR_OPT is None, reason="mlir-opt is not installed")
@pytest.mark.parametrize("level", LEVELS)
def test_mlir_opt_reads_and_keeps_it(level: str, generic: Path) -> None:
    assert MLIR_OPT
    command = [MLIR_OPT, "--allow-unregistered-dialect", f"{level}.generic.mlir", "-o", "through.mlir"]
    subprocess.run(command, check=True, timeout=60)
    assert main(["verify", f"{level}.mlir", "through.mlir"]) == 0
