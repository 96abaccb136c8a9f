"""The surface of whole commands: their lines and all files that they take, some of which are no files at all.

A command ends with 0, or with 1 or 2 and a message; then its outputs are as they were, but for a folder of dumps.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import socket
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import containers, models, mutations, texts
from fuzz.surface import Surface, change_text, stages

from cam_compiler.cli import main
from cam_compiler.files import npz_bytes
from dialects.ap.assembly import AssemblyCode
from dialects.machine.target import Target
from dialects.support.errors import UsageError

Changer = Callable[[random.Random, bytes], bytes]

LINES = (
    "compile net.onnx -o out.camx --target t.toml --pipeline unshared -q",
    "compile net.mlir -o out.camx --dump-ir dump --validate-each --target small.toml -q",
    "compile net.mlir -o out.camx --target count.toml --mapping count -q",
    "run net.camx --input x.npz -o out.npz --report out.json --tech dwm,tech.toml --explain -q",
    "run net.onnx --input x.npy --level ternary --labels labels.npy --expect y.npz -q",
    "run net.mlir --input net.npz --target small.toml --schedule parts --trace out.json --report out.csv --check -q",
    "run counted.camx --input net.npz -o out.npz --batch 2 -q",
    "evaluate net.mlir net.npz --target small.toml --images x --labels y -o out.json -q --reference none",
    "evaluate net.camx x-idx --labels labels-idx --layout chw --scale 1/255 --mean 0.5 --std 0.25 -o out.json -q",
    "evaluate image.mlir images --target small.toml --resize 3 --crop 1x3 -o out.json --resume out.state --limit 2 -q",
    "verify net.mlir net.camx counted.camx --samples 4 -q",
    "verify net.camx net.mlir --input net.npz --engine golden -q",
    "compare net.mlir --target small.toml --flow none --tech tech.toml -o out.json -q --input net.npz",
    "sensitivity net.camx --input net.npz --range 0.5,2 --tech tech.toml -o out.csv -q",
    "opt stage.mlir -o out.mlir -p canonicalize,cse --print-op-generic",
    "opt net.mlir -o net.mlir -p default --print-ir-after-change --timing --split-input-file --verify-diagnostics",
    "asm code.s -o out.bin --target small.toml",
    "disasm code.bin -o out.s",
    "disasm counted.camx",
    "tech tech.toml",
)
_SPECIAL = ("pipe", "socket", "device", "folder", "loop", "nowhere", "shut", "nul", "empty", "sparse")
"""What a file may be instead of a file."""
_WORDS = (
    *("-", "--", "-o", "--help", "--engine", "golden", "native", "--no-trace", "--batch", "--limit", "--level", "apv"),
    *("net.mlir", "net.camx", "counted.camx", "net.onnx", "x.npz", "x.npy", "images", "t.toml", "dump", "out.json"),
    *("rtsim", "nothing", "--parts", "--schedule", "pipeline", "--inner", "--no-inner", "--verify-each", "--stats"),
    *("--elide", "--print-ir-after", "--objective", "energy", "-O0", "--input-type", "x=UINT8*1/255", "--check"),
    *("--quantise-input", "--output-name", "y", "--golden", "riscv-asm", "-t", "\udcff", "é", "\x1b[31m", "a" * 300),
)


@cache
def _files() -> dict[str, tuple[bytes, Changer]]:
    """All files that the lines name, and how each is changed."""
    network = np.arange(9, dtype=np.float32).reshape(3, 1, 3) / 8
    code, counted = containers.programs()
    text, archive, raw = change_text, mutations.of_archive, mutations.of_bytes
    image = containers.SURFACES["images"].seeds()[0][1:]
    targets = {
        "t.toml": Target("t"),
        "small.toml": Target("small", rows=8, columns=16, domains=32),
        "count.toml": Target("c", rows=4, columns=16, domains=8, counter=True, accumulators=64, accumulator_bits=16),
    }
    return {
        "net.onnx": (models.SURFACES["compiler"].seeds()[0], mutations.of_model),
        "net.mlir": (stages()[0].encode(), text),
        "stage.mlir": (stages()[-1].encode(), text),
        "image.mlir": (containers.IMAGE_NETWORK.encode(), text),
        "net.camx": (code, archive),
        "counted.camx": (counted, archive),
        "x.npz": (npz_bytes({"x": network}), archive),
        "net.npz": (npz_bytes({"x": network, "y": np.arange(3) % 2}), archive),
        "y.npz": (npz_bytes({"y": np.zeros((3, 2), dtype=np.float32)}), archive),
        "x.npy": (containers.array_file(np.ones((3, 4), dtype=np.float32)), raw),
        "labels.npy": (containers.array_file(np.arange(3) % 2), raw),
        "x-idx": (b"\0\0\x08\x03\0\0\0\3\0\0\0\1\0\0\0\3" + bytes(range(9)), raw),
        "labels-idx": (b"\0\0\x08\x01\0\0\0\3\0\1\0", raw),
        "images/a/1.png": (image, raw),
        "images/b/2.png": (image, raw),
        "code.s": (texts.ASSEMBLY.encode(), text),
        "code.bin": (AssemblyCode.from_text(texts.ASSEMBLY).binary, mutations.of_code),
        "tech.toml": (texts.SURFACES["toml"].seeds()[-1], text),
        **{name: ("\n".join(target.to_text().splitlines()[1:]).encode(), text) for name, target in targets.items()},
    }


def _named(words: list[str]) -> list[str]:
    """The files that the words of a line name."""
    return [name for name in _files() if any(name.split("/")[0] in word.split(",") for word in words)]


def _seeds() -> list[bytes]:
    return [json.dumps({"words": line.split(), "files": {}, "special": {}}).encode() for line in LINES]


def _change(random_: random.Random, data: bytes) -> bytes:
    """Another file, a word of the line, or a file that is none."""
    given: dict[str, Any] = json.loads(data)
    words: list[str] = given["words"]
    named = _named(words)
    choice = random_.random()
    if choice < 0.6 and named:
        name = random_.choice(named)
        before = given["files"].get(name, _files()[name][0].decode("latin-1")).encode("latin-1")
        given["files"][name] = _files()[name][1](random_, before).decode("latin-1")
    elif choice < 0.7 and named:
        given["special"][random_.choice([*named, "out.json", "out.camx", "out.npz"])] = random_.choice(_SPECIAL)
    else:
        at = random_.randrange(1, len(words))
        match random_.randrange(4):
            case 0:
                words[at] = random_.choice((*_WORDS, *texts.NUMBERS))
            case 1:
                words.insert(at, random_.choice((*_WORDS, *texts.NUMBERS)))
            case 2:
                del words[at]
            case _:
                words[at:at] = random_.choice(LINES).split()[1:][random_.randrange(3) :][:2]
    return json.dumps(given).encode()


def _make(kind: str, path: Path) -> None:
    """Something that isn't the file which a command expects."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            # Its name may be no longer than this.
            if len(str(path)) < 100:
                made.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind in ("loop", "nowhere"):
        path.symlink_to(path.name if kind == "loop" else "no/such/file")
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_bytes(b"\0" * 1000 if kind == "nul" else b"")
        if kind == "shut":
            path.chmod(0)


def _contents(folder: Path) -> dict[str, bytes]:
    """Every file but those of dumps."""
    found = (path for path in folder.rglob("*") if "dump" not in path.parts)
    small = (path for path in found if path.is_file() and path.stat().st_size < 1 << 20)
    return {str(path.relative_to(folder)): path.read_bytes() for path in small}


@contextlib.contextmanager
def _streams() -> Any:
    """Standard streams that are read and written in memory."""
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"builtin.module {}\n"))
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        yield sys.stderr
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _run(data: bytes, folder: Path) -> None:
    given: dict[str, Any] = json.loads(data)
    words: list[str] = given["words"]
    here = folder / "here"
    shutil.rmtree(here, ignore_errors=True)
    (here / "images" / "a").mkdir(parents=True)
    (here / "images" / "b").mkdir()
    for name in _named(words):
        if name not in given["special"]:
            own: str | None = given["files"].get(name)
            (here / name).write_bytes(_files()[name][0] if own is None else own.encode("latin-1"))
    for name, kind in given["special"].items():
        with contextlib.suppress(OSError):
            _make(kind, here / name)
    os.chdir(here)
    before = _contents(here)
    with _streams() as stream:
        try:
            code = main(words)
        except SystemExit as error:
            code = error.code
        stream.flush()
        said = stream.buffer.getvalue().decode(errors="replace")
    os.chdir(folder)
    assert code in (0, 1, 2), code
    assert "internal error" not in said and "Traceback" not in said and "Warning" not in said, said[:300]
    after = _contents(here)
    assert not [name for name in after if name.endswith(".partial")], list(after)
    if code:
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        # A schedule, a report and outputs are several files, of which the first may be there, whole.
        assert not changed - {"out.npz", "out.json", "out.csv", "out.state"}, (code, changed, said[:300])
        assert said.startswith(("camc: error: ", "usage: ", "without ")), said[:300]
        raise UsageError(said[:80])


SURFACES = {"commands": Surface(_seeds, _change, _run)}
