"""Surfaces of files: programs, arrays, images, and the state of an evaluation."""

from __future__ import annotations

import gzip
import io
import json
import random
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from camc_testing import SMALL_NETWORK
from fuzz import mutations
from fuzz.surface import COUNTING, EXPECTED, SMALL, Surface, parsed, stages, written

from cam_compiler.evaluation.datasets import open_data
from cam_compiler.evaluation.image_folder import ImageFolder
from cam_compiler.evaluation.preprocess import LAYOUTS, Preprocess
from cam_compiler.evaluation.state import State, Tally, digest_of
from cam_compiler.execution import of_program
from cam_compiler.files import npz_bytes, read_arrays
from runtime.camx import save
from runtime.cost.counts import Counts
from runtime.interpreter import network_of
from runtime.network import InputSpec
from runtime.result import SegmentRun

IMAGE_NETWORK = SMALL_NETWORK.replace("?x1x3x", "?x1x1x3x")
"""The small network on images of one channel and one line."""


@cache
def programs() -> list[bytes]:
    """A small network compiled to code, and to data for a machine that counts."""
    last = {kind: text for text in stages() for kind in ("ap.program", "ap.counted") if kind in text}
    found: list[bytes] = []
    for kind, target in (("ap.program", SMALL), ("ap.counted", COUNTING)):
        path = Path().resolve() / "seed.camx"
        save(network_of(parsed(last[kind]), target), path)
        found.append(path.read_bytes())
        path.unlink()
    return found


def _camx(data: bytes, folder: Path) -> None:
    executor = of_program(written(data, folder, "net.camx"), "native")
    shapes = {spec.name: (2, *spec.shape[1:]) for spec in executor.network.inputs}
    if max(map(np.prod, shapes.values()), default=0) > 1 << 16:
        return
    executor.run({spec.name: np.zeros(shapes[spec.name], dtype=spec.dtype) for spec in executor.network.inputs})


# ---- arrays


def array_file(array: np.ndarray) -> bytes:
    """An .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _arrays() -> list[bytes]:
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    return [array_file(numbers), npz_bytes({"image": numbers, "label": np.arange(3)})]


def _change_arrays(random_: random.Random, data: bytes) -> bytes:
    if data[:2] == b"PK":
        return mutations.of_archive(random_, data)
    head, rest = data[10:128], data[128:]
    if random_.random() < 0.6:
        head = mutations.of_text(random_, head.decode("latin-1")).encode(errors="replace")[:118].ljust(118)
        return data[:10] + head + rest
    return mutations.of_bytes(random_, data)


def _labels(folder: Path) -> str:
    labels = folder / "labels.npy"
    if not labels.exists():
        np.save(labels, np.arange(3))
    return str(labels)


def _read_arrays(data: bytes, folder: Path) -> None:
    path = written(data, folder, "x.npz" if data[:2] == b"PK" else "x.npy")
    with suppress(*EXPECTED):
        read_arrays(path)
    found = open_data(path, None, None if path.suffix == ".npz" else _labels(folder), 4)
    images = found.read(0, len(found.labels))
    layout = random.Random(data).choice((None, *LAYOUTS))
    prepared = Preprocess(layout, Fraction(1, 255), (Fraction(1, 2),))(images, InputSpec("x", (-1, 4), "float32"), 0)
    assert np.isfinite(prepared).all()


def _idx() -> list[bytes]:
    images = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (3, 2, 2)) + bytes(range(12))
    return [images, gzip.compress(images)]


def _read_idx(data: bytes, folder: Path) -> None:
    path = written(data, folder, "x.gz" if data[:2] == b"\x1f\x8b" else "x-idx")
    found = open_data(path, None, _labels(folder), 4)
    found.read(0, len(found.labels))


# ---- images

_FORMATS = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "webp": "WEBP", "ppm": "PPM"}


def _images() -> list[bytes]:
    from PIL import Image

    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    found: list[bytes] = []
    for number, kind in enumerate(_FORMATS.values()):
        for mode in ("RGB", "L"):
            stream = io.BytesIO()
            Image.fromarray(pixels).convert(mode).save(stream, kind)
            found.append(bytes([number]) + stream.getvalue())
    return found


def _read_images(data: bytes, folder: Path) -> None:
    (folder / "a").mkdir(exist_ok=True)
    path = written(data[1:], folder / "a", f"1.{list(_FORMATS)[(data[:1] or b'0')[0] % len(_FORMATS)]}")
    try:
        ImageFolder(folder, 3, 4, 2).read(0, 1)
    finally:
        path.unlink()


# ---- the state of an evaluation


def _state() -> list[bytes]:
    folder = Path().resolve() / "seed.state"
    State(folder, "key").write(Tally(samples=3))
    short = folder.read_bytes()
    run = SegmentRun("fc", Counts(), 2, 3)
    State(folder, "key").write(Tally(samples=3, segments=[run]))
    long = folder.read_bytes()
    folder.unlink()
    return [short, long]


def _change_state(random_: random.Random, data: bytes) -> bytes:
    stated = mutations.of_json(random_, json.loads(data))
    if isinstance(stated, dict) and "tally" in stated and random_.random() < 0.8:
        stated["digest"] = digest_of(stated["tally"])
    return json.dumps(stated).encode() if random_.random() < 0.9 else mutations.of_bytes(random_, data)


def _read_state(data: bytes, folder: Path) -> None:
    tally = State(written(data, folder, "x.state"), "key").read(10)
    assert 0 < tally.samples <= 10


SURFACES = {
    "camx": Surface(programs, mutations.of_archive, _camx),
    "arrays": Surface(_arrays, _change_arrays, _read_arrays),
    "idx": Surface(_idx, mutations.of_bytes, _read_idx),
    "images": Surface(_images, lambda random_, data: data[:1] + mutations.of_bytes(random_, data[1:]), _read_images),
    "state": Surface(_state, _change_state, _read_state),
}
