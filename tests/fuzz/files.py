"""Gives each file of a folder to camc: `python tests/fuzz/files.py FOLDER`; prints how each run ended.

Every command that takes such a file gets it. A run may take 10 s and 1 GB. The exit code is 1 where one took more, or
ended in an internal error or a traceback.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import containers
from fuzz.processes import Forked
from fuzz.surface import stages

SECONDS, MEMORY = 10, 1 << 30
_MODEL = "compile {} -o out.camx --dump-ir dump", "run {} --input x.npy", "verify {} --samples 2"
_NETWORK = "compare {} --flow none", "sensitivity {}", "evaluate {} data.npz --reference none"
_IMAGES = ("evaluate image.mlir images --target small",)
COMMANDS: dict[str, tuple[str, ...]] = {
    ".onnx": _MODEL,
    ".mlir": ("opt {}", "opt {} -p default -o out.mlir", *_MODEL, *_NETWORK),
    ".camx": (
        "run {} --input x.npy",
        "disasm {}",
        "verify net.mlir {}",
        "compare net.mlir --program {}",
        *_NETWORK[1:],
    ),
    ".toml": ("compile net.mlir --target {} -o out.camx", "tech {}", "run net.camx --input x.npy --tech {}", "targets"),
    ".s": ("asm {} -o out.bin",),
    ".bin": ("disasm {}",),
    ".npy": (
        "run net.camx --input {} -o out.npz",
        "run net.camx --input x.npy --labels {}",
        "run counted.camx --input x.npy --expect {}",
        "evaluate net.camx {} --labels labels.npy -o out.json",
        "evaluate net.camx x.npy --labels {}",
        "verify net.mlir net.camx --input {}",
    ),
    ".npz": (
        "run net.camx --input {} -o out.npz",
        "run net.camx --input x.npy --expect {}",
        "evaluate net.camx {} -o out.json",
        "evaluate net.camx {} --images x --labels y",
        "compare net.mlir --flow none --input {}",
        "sensitivity net.camx --input {}",
    ),
    ".gz": ("evaluate net.camx {} --labels labels.npy", "evaluate net.camx x.npy --labels {}"),
    "": ("evaluate net.camx {} --labels labels.npy", "evaluate net.camx x.npy --labels {}"),
    **dict.fromkeys((".png", ".jpg", ".ppm", ".bmp", ".webp"), _IMAGES),
}


def prepared(folder: Path, given: Path) -> None:
    """What the commands take beside the file that is given to them; an image is in a folder of images."""
    code, counted = containers.programs()
    (folder / "net.camx").write_bytes(code)
    (folder / "counted.camx").write_bytes(counted)
    (folder / "net.mlir").write_text(stages()[0])
    (folder / "image.mlir").write_text(containers.IMAGE_NETWORK)
    numbers = np.zeros((3, 1, 3), dtype=np.float32)
    np.save(folder / "x.npy", numbers)
    np.save(folder / "labels.npy", np.arange(3) % 2)
    np.savez(folder / "data.npz", x=numbers, y=np.arange(3) % 2)
    (folder / "images" / "a").mkdir(parents=True)
    (folder / "images" / "a" / given.name).symlink_to(given)


def _limit() -> None:
    """In seconds of the processor, which don't depend on what else the machine does."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def ended(path: Path, command: str, slow: float) -> tuple[bool, str]:
    """Whether a run ended as it should, and how."""
    with tempfile.TemporaryDirectory() as folder:
        prepared(Path(folder), path)
        with (Path(folder) / "out").open("wb") as out:
            words = [word.format(path) for word in command.split()]
            process = Forked(words, Path(folder), out.fileno(), _limit)
        code = process.wait(6 * SECONDS * slow)
        if code is None or process.used is None:
            process.kill()
            return False, f"no end within {6 * SECONDS * slow:g} s"
        text = (Path(folder) / "out").read_text(errors="replace")
    used, memory = process.used, process.used.ru_maxrss * 1024
    good = code in (0, 1, 2) and "internal error" not in text and "Traceback" not in text and memory < MEMORY
    said = text.strip().splitlines()[0][:150] if code and text.strip() else "worked" if not code else "nothing said"
    return good, f"{code}, {used.ru_utime + used.ru_stime:.1f} s, {memory >> 20} MB: {said}"


def main() -> int:
    """Run all files; 1 where one ended badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--slow", type=float, default=1.0, help="factor on the minute of the clock after which a run hangs"
    )
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    runs = bad = 0
    for path in sorted(options.folder.resolve().rglob("*")):
        for command in COMMANDS.get(path.suffix, ()):
            good, how = ended(path, command, options.slow)
            runs, bad = runs + 1, bad + (not good)
            print(f"{'ok ' if good else 'BAD'} {command.replace('{}', path.name)}: {how}", flush=True)
    print(f"{runs} runs, {bad} ended badly")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
