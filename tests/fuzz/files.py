"""Gives each file of a folder to camc: `python tests/fuzz/files.py FOLDER`; prints how each run ended.

A model or IR is compiled, a program run and disassembled, a TOML file taken as a target. A run may take 10 s and 1 GB.
The exit code is 1 where one took more, or ended in an internal error or a traceback.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SECONDS, MEMORY = 10, 1 << 30
COMMANDS = {
    ".onnx": (("compile", "{}", "-o", "out.camx", "--dump-ir", "dump"),),
    ".mlir": (("opt", "{}"), ("compile", "{}", "-o", "out.camx")),
    ".camx": (("run", "{}", "--input", "x.npy"), ("disasm", "{}")),
    ".toml": (("compile", "{model}", "--target", "{}", "-o", "out.camx"),),
    ".s": (("asm", "{}", "-o", "out.bin"),),
    ".bin": (("disasm", "{}"),),
}
MODEL = Path(__file__).parents[2] / "cam_compiler" / "bundled" / "digits_mlp_qdq.onnx"


def ended(path: Path, command: tuple[str, ...], slow: float) -> tuple[bool, str]:
    """Whether a run ended as it should, and how."""
    arguments = [part.format(path, model=MODEL) for part in command]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", np.zeros((1, 4), dtype=np.float32))
        begin = time.monotonic()
        with (Path(folder) / "out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "cam_compiler", *arguments], cwd=folder, stdout=out, stderr=subprocess.STDOUT
            )
        while time.monotonic() - begin < SECONDS * slow:
            done, status, used = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            time.sleep(0.02)
        else:
            process.kill()
            os.wait4(process.pid, 0)
            return False, f"took more than {SECONDS * slow:g} s"
        text = (Path(folder) / "out").read_text(errors="replace")
    code, memory = os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024
    good = code in (0, 1, 2) and "internal error" not in text and "Traceback" not in text and memory < MEMORY
    said = text.strip().splitlines()[0][:150] if code and text.strip() else "worked" if not code else "nothing said"
    return good, f"{code}, {time.monotonic() - begin:.1f} s, {memory >> 20} MB: {said}"


def main() -> int:
    """Run all files; 1 where one ended badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slow", type=float, default=1.0, help="factor on the time, on a machine that is busy")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    bad = 0
    for path in sorted(options.folder.resolve().rglob("*")):
        for command in COMMANDS.get(path.suffix, ()):
            good, how = ended(path, command, options.slow)
            bad += not good
            print(f"{'ok ' if good else 'BAD'} {path.name} {command[0]}: {how}", flush=True)
    print(f"{bad} ended badly")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
