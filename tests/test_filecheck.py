"""The lit tests of tests/filecheck run one by one in pytest; this checks what runs them, and that lit itself can."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lit_testing import FOLDER, Failure, is_lit_test, run_file

LIT = [sys.executable, "-c", "import sys; from lit.main import main; sys.exit(main())"]


def lit(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*LIT, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "CAMC_LIT_OUTPUT": str(folder)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_lit_finds_the_same_files(tmp_path: Path) -> None:
    found = [
        line.split(" :: ")[1] for line in lit(tmp_path, "--show-tests", str(FOLDER)).splitlines() if " :: " in line
    ]
    ours = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if is_lit_test(path)]
    assert sorted(found) == sorted(ours)
    assert len(ours) > 30


def test_lit_runs_a_file(tmp_path: Path) -> None:
    shown = lit(tmp_path, "-v", "--no-progress-bar", str(FOLDER / "cli" / "asm_invalid.test"))
    assert "Passed: 1 (100.00%)" in shown, shown


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["RUN: camc targets | filecheck %s", "CHECK: no such target"], "no such target"),
        (["RUN: not camc targets"], "failed"),
        (["RUN: camc compile missing.mlir"], "there is no such file"),
        (["RUN: camc compile missing.mlir | cat %s"], "there is no such file"),
        (["RUN: not camc compile missing.mlir | filecheck %s", "CHECK: no such file"], "empty"),
        (["RUN: camc targets > %t", "RUN: cmp %s %t"], "cmp"),
        (["RUN: ls"], "not known"),
        (["RUN: camc targets 2>> x"], "not known"),
        (["RUN: camc targets", "XFAIL: *"], "only RUN lines"),
        (["nothing"], "no RUN line"),
    ],
)
def test_what_fails(tmp_path: Path, lines: list[str], said: str) -> None:
    path = tmp_path / "case.test"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(Failure, match=said):
        run_file(path, tmp_path)


def test_streams(tmp_path: Path) -> None:
    path = tmp_path / "case.test"
    path.write_text(
        "RUN: not camc compile missing.mlir 2>&1 | filecheck %s\n"
        "RUN: camc targets > %t\n"
        "RUN: not cmp %s %t\n"
        "RUN: filecheck %s --check-prefix FILE < %t\n"
        "CHECK: no such file\n"
        "FILE: default\n"
    )
    run_file(path, tmp_path)
