"""Writes small files that ask for much, or for nonsense: `python tests/fuzz/corpus.py FOLDER`.

`python tests/fuzz/files.py FOLDER` gives them to camc. Models are in tests/test_hostile.py.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from camc_testing import SMALL_NETWORK
from fuzz import containers
from fuzz.texts import ASSEMBLY

DIGITS = "9" * 5000
MANY = 1 << 31


def header(shape: str, kind: str = "<f4") -> bytes:
    """The begin of an .npy file that claims a shape."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def bomb(gigabytes: int) -> bytes:
    """A gzip file that unpacks to so many gigabytes of zeros."""
    head = b"\0\0\x08\x03" + struct.pack(">3I", gigabytes << 4, 1 << 13, 1 << 13)
    return gzip.compress(head) + gzip.compress(bytes(1 << 24)) * (gigabytes << 6)


def wide_image(side: int) -> bytes:
    """A PNG image of so many pixels a side, all of them black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(side // 8 + 2)) for _ in range(side)) + packer.flush()
    head = struct.pack(">2I5B", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _ir(old: str, new: str) -> str:
    assert old in SMALL_NETWORK, old
    return SMALL_NETWORK.replace(old, new)


def _function(body: str, given: str, result: str) -> str:
    return f"func.func @main(%x: {given}) -> {result} {{\n{body}\n  func.return %y : {result}\n}}\n"


def texts() -> dict[str, str]:
    """Files of text."""
    wide = "tensor<?x{0}x!ternary.int<0, 1>>"
    image = "tensor<?x1x{0}x{0}x!ternary.int<0, 1>>"
    sums = {
        f"gather-{side}.mlir": _function(
            f"  %y = apv.gather %x window <kernel {side}x{side}> : {image.format(side)} -> "
            f"tensor<?x{side * side}x!ternary.int<0, 1>, #ternary.rows<1>>",
            image.format(side),
            f"tensor<?x{side * side}x!ternary.int<0, 1>, #ternary.rows<1>>",
        )
        for side in (3000, 60000)
    }
    shapes = {
        f"reshape-{number}.mlir": _function(
            f"  %y = ternary.reshape %x : {wide.format(number)} -> {wide.format(number)}",
            wide.format(number),
            wide.format(number),
        )
        for number in (1 << 24, 1 << 40)
    }
    graphs = {
        "shift.mlir": "inputs 1 in 0..1\n%1 = %0 + %0<<4000000000 : u9\nout %1",
        "count.mlir": "inputs 99999999 in 0..1\nout %0",
        "outputs.mlir": "inputs 1 in 0..1\n" + "out %0\n" * 300000,
        "width.mlir": "inputs 1 in 0..1\n%1 = %0 + %0 : u999999999\nout %1",
        "digits-graph.mlir": f"inputs 1 in 0..{DIGITS}\nout %0",
    }
    return {
        **sums,
        **shapes,
        **{
            name: f'#g = #apv.graph<{{\n{text}\n}}>\n"builtin.module"() ({{}}) {{a = #g}} : () -> ()\n'
            for name, text in graphs.items()
        },
        "nested.mlir": "builtin.module {" * 20000,
        "nested-attribute.mlir": '"builtin.module"() ({}) {a = ' + "[" * 50000 + "]" * 50000 + "} : () -> ()",
        "nested-type.mlir": "func.func @f(%x: " + "tuple<" * 30000 + "i1" + ">" * 30000 + ")",
        "digits.mlir": f'"builtin.module"() ({{}}) {{a = {DIGITS} : i64}} : () -> ()',
        "digits-type.mlir": f"func.func @f(%x: tensor<{DIGITS}xi1>)",
        "digits-range.mlir": _ir("!ternary.int<-1, 1>", f"!ternary.int<-1, {DIGITS}>"),
        "superscript.mlir": '"builtin.module"() ({}) {a = ²³ : i64} : () -> ()',
        "quote.mlir": '"builtin.module"() ({}) {a = "' + "\\\\" * 200 + "x} : () -> ()",
        "long-line.mlir": '"builtin.module"() ({}) {a = "' + "x" * 3_000_000 + '" b} : () -> ()',
        "scale-infinite.mlir": _ir("array<f64: 0.5, 1.5>", "array<f64: 1e999, 0x7FF8000000000000>"),
        "thresholds-nan.mlir": _ir("up 0.25 0.75", "up nan 0.75"),
        "thresholds-unsorted.mlir": _ir("up 0.25 0.75", "up 0.75 0.25"),
        "digits.toml": f"rows = {DIGITS}",
        "digits-tech.toml": f"[shift_fj]\nvalue = {DIGITS}\nsource = 'x'",
        "exponent.toml": "[shift_fj]\nvalue = 1e999999999\nsource = 'x'",
        "nested.toml": "rows = " + "[" * 50000,
        "nested-table.toml": "rows = " + "{a=" * 20000,
        "dotted.toml": ".".join(["a"] * 20000) + " = 1",
        "dates.toml": "rows = 1979-05-27\ncolumns = nan\ndomains = inf",
        "digits.s": f"set c{DIGITS}.0:4, #3\n",
        "immediate.s": f"set c0.0:4, #{DIGITS}\n",
        "shift.s": "add c1.0:4, c0.0:4<<4000000000, c0.0:4, c2.0\n",
        "step.s": f"{ASSEMBLY.splitlines()[0]} @{MANY}\n",
        "output.s": f"out c0.0:4, #{MANY}\n",
        "nested.s": "loop {\n" * 50000,
        "long-line.s": "set c0.0:4, #1 " * 100_000,
        "superscript.s": "set c²³.0:4, #3\n",
        "counting.s": "repeat #4000000000 { clear c0.0:4 }\n",
    }


def _damaged(program: bytes, change: dict[str, object], call: str = "") -> bytes:
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    holder = next((entry for entry in manifest["calls"] if entry["call"] == call), manifest)
    holder |= change
    return zipped({**members, "manifest.json": json.dumps(manifest).encode()})


def _with(program: bytes, suffix: str, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(member for member in members if member.endswith(suffix))
    return zipped({**members, name: data})


def binaries() -> dict[str, bytes]:
    """Files of bytes."""
    code, counted = containers.programs()
    empty = np.zeros((0,), dtype=np.float32)
    deep = b"[" * 200_000 + b"]" * 200_000
    return {
        "latin.mlir": b'"builtin.module"() ({}) {a = "\xe9"} : () -> ()',
        "latin.toml": b"rows = 4 # \xe9\n",
        "latin.s": b"set c0.0:4, #3 ; \xe9\n",
        "nul.mlir": bytes(1000),
        "nul.toml": bytes(1000),
        "nul.s": bytes(1000),
        "nul.bin": bytes(1600),
        "odd.bin": b"\1" * 17,
        "random.bin": np.random.default_rng(3).bytes(1600),
        "claims.npy": header("(99999999999, 4)"),
        "claims-much.npy": header("(9223372036854775807, 9223372036854775807)"),
        "negative.npy": header("(-1, 4)"),
        "digits.npy": header(f"({DIGITS[:60]}, 4)"),
        "objects.npy": header("(3,)", "|O") + b"\x80\x04]\x94.",
        "unicode.npy": header("(1, 4)", "<U100000000"),
        "record.npy": b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
        + bytes(4),
        "code.npy": header("(__import__('os').system('true'), 1)"),
        "bomb.npz": zipped({"x.npy": header("(400, 1024, 1024)") + bytes(1 << 29)}),
        "claims.npz": zipped({"x.npy": header("(99999999999, 4)")}),
        "names.npz": zipped({"../x.npy": header("(1, 4)") + bytes(16), "\x1b[31m.npy": header("(1, 4)") + bytes(16)}),
        "nothing.npz": zipped({}),
        "labels-many.npz": zipped(
            {"x.npy": header("(100000000, 1)", "|u1") + bytes(1 << 10), "y.npy": header("(100000000,)", "|u1")}
        ),
        "damaged.npz": zipped({"x.npy": b"nonsense"}),
        "bomb.gz": bomb(2),
        "cut.gz": gzip.compress(b"\0\0\x08\x03\0\0\0\3\0\0\0\1\0\0\0\3" + bytes(9))[:-9],
        "claims-idx": b"\0\0\x08\x03" + b"\xff" * 12,
        "dimensions-idx": b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\0",
        "bomb.camx": zipped({"manifest.json": bytes(1 << 29)}),
        "deep.camx": zipped({"manifest.json": deep}),
        "digits.camx": zipped({"manifest.json": b'{"format": "camx", "version": ' + DIGITS.encode() + b"}"}),
        "list.camx": zipped({"manifest.json": b"[]"}),
        "nothing.camx": zipped({}),
        "features.camx": _damaged(code, {"inputs": [-3]}, "Program"),
        "rows.camx": _damaged(code, {"rows": 1 << 40}, "Program"),
        "range.camx": _damaged(code, {"result": [0, 1 << 70]}, "Quantize"),
        "words.camx": _damaged(code, {"sample_bytes": "many"}),
        "wide.camx": _damaged(
            code,
            {"inputs": [{"name": "x", "shape": [-1, 1 << 40, 3], "dtype": "float32", "span": None, "declared": ""}]},
        ),
        "type.camx": _damaged(
            code, {"inputs": [{"name": "x", "shape": [-1, 1, 3], "dtype": "O", "span": None, "declared": ""}]}
        ),
        "declared.camx": _damaged(
            code,
            {
                "inputs": [
                    {"name": "x", "shape": [-1, 1, 3], "dtype": "float32", "span": None, "declared": "INT8*1e9999999"}
                ]
            },
        ),
        "thr-nan.camx": _with(code, "thresholds.npy", containers.array_file(np.array([[np.nan, 1.0]]))),
        "thr-order.camx": _with(code, "thresholds.npy", containers.array_file(np.array([[2.0, 1.0]]))),
        "thr-none.camx": _with(code, "thresholds.npy", containers.array_file(empty)),
        "counted-rows.camx": _damaged(counted, {"rows": 1 << 40}, "CountedProgram"),
        "counted-tables.camx": _damaged(counted, {"tables": -1}, "CountedProgram"),
        "counted-parts.camx": _damaged(
            counted, {"parts": [{"outputs": [0, 1 << 40], "inputs": [[0, 1 << 40]]}]}, "CountedProgram"
        ),
        "counted-cells.camx": _with(counted, "cells.bin", b""),
        "counted-code.camx": _with(counted, "code.bin", bytes(160)),
        "wide.png": wide_image(13000),
        "cut.png": wide_image(64)[:-40],
        "no.jpg": b"\xff\xd8\xff" + bytes(100),
        "claims.ppm": b"P6 99999999 99999999 255\n",
        "digits.ppm": b"P6 " + DIGITS.encode() + b" 1 255\n",
    }


def special(folder: Path) -> None:
    """What is there, and no file: pipes, sockets, devices, folders, links; and files of zeros that take no room."""
    for suffix in (".mlir", ".onnx", ".toml", ".s", ".bin", ".camx", ".npy", ".npz", ".png", ".gz"):
        os.mkfifo(folder / f"pipe{suffix}")
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(folder / f"socket{suffix}"))
        (folder / f"device{suffix}").symlink_to("/dev/zero")
        (folder / f"folder{suffix}").mkdir()
        (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
        with (folder / f"sparse{suffix}").open("wb") as file:
            file.truncate(1 << 37)
    with (folder / "sparse-claims.npy").open("wb") as file:
        file.write(header("(1000000000, 4)"))
        file.truncate(128 + 16 * 1000000000)


def main() -> None:
    """Write all of them."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text)
    for name, data in binaries().items():
        (folder / name).write_bytes(data)
    special(folder)


if __name__ == "__main__":
    main()
