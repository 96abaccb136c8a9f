"""Runs the lit tests: text of dialects, passes and commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "filecheck"


def test_lit(tmp_path: Path) -> None:
    run = "import sys; from lit.main import main; sys.exit(main())"
    command = [sys.executable, "-c", run, "-v", "-j2", "--no-progress-bar", str(FOLDER)]
    environment = {**os.environ, "CAMC_LIT_OUTPUT": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    files = [path for path in FOLDER.rglob("*") if path.suffix in (".mlir", ".test")]
    # Neither skipped nor expected to fail, nor left out by a lit that finds nothing.
    assert f"Passed: {len(files)} (100.00%)" in done.stdout, done.stdout
