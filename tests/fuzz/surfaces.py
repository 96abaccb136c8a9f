"""What takes input from outside: each surface has inputs to start from, a way to change them, and what must hold.

A try ends with an error of the one family, or with a result that passes a check; anything else is a finding.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.utils.exceptions import DiagnosticException, ParseError

sys.path.insert(0, str(Path(__file__).parents[1]))

from camc_testing import SMALL_NETWORK
from fuzz import mutations
from onnx_testing import Net

from cam_compiler.compile import compile_module
from cam_compiler.evaluation.datasets import open_data
from cam_compiler.evaluation.image_folder import ImageFolder
from cam_compiler.evaluation.state import State, Tally
from cam_compiler.execution import of_program
from cam_compiler.files import npz_bytes, read_arrays
from cam_compiler.importer import import_model
from cam_compiler.ir_text import parse_module
from cam_compiler.pipeline import make_context, parse_passes, run_passes
from cam_compiler.validation import edge_inputs
from dialects.ap.assembly import AssemblyCode
from dialects.apv.adder_graph import AdderGraph
from dialects.machine.check import check_binary
from dialects.machine.code import check_code
from dialects.machine.target import Target, load_target
from dialects.rtm.placed import PlacedCode
from dialects.support.errors import CamcError, TextError
from dialects.support.rescales import Rescales
from dialects.support.scores import Scores
from dialects.support.tensors import FloatThresholds, IntMatrix, Thresholds
from dialects.support.verify import verify_module
from runtime.camx import save
from runtime.cost.technology import load_technology
from runtime.interpreter import Interpreter, network_of

EXPECTED = (CamcError, ParseError, DiagnosticException, TextError)
"""How a try may end."""


@dataclass(frozen=True)
class Surface:
    """A reader with its inputs: `run` gets the changed bytes and a folder of its own."""

    seeds: Callable[[], list[bytes]]
    change: Callable[[random.Random, bytes], bytes]
    run: Callable[[bytes, Path], None]


def _text(random_: random.Random, data: bytes) -> bytes:
    if random_.random() < 0.05:
        return mutations.of_bytes(random_, data)
    return mutations.of_text(random_, data.decode()).encode(errors="surrogatepass")


def _written(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# ---- models


def _nets() -> list[bytes]:
    dense = Net(4)
    dense.op("MatMul", dense.quant("x", 0.5), dense.weights(np.array([[1, -1, 0, 1], [0, 1, 1, -1]]).T, 0.5))
    dense.qdq(dense.op("Relu", dense.last), 0.25)
    image = Net(2, 4, 4)
    kernel = image.weights(np.arange(36).reshape(2, 2, 3, 3) % 3 - 1)
    image.op("Conv", image.qdq("x", 0.25), kernel, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    image.op("MaxPool", image.quant(image.last, 0.5), kernel_shape=[2, 2], strides=[2, 2])
    image.op("Flatten", image.op("Concat", image.last, image.last, axis=1))
    constants = Net(4)
    shape = constants.op("Concat", constants.const([2], np.int64), constants.const([4], np.int64), axis=0)
    weights = constants.op("Expand", constants.const([[1.0, -1.0, 1.0, 0.0]]), shape)
    weights = constants.op("Mul", constants.op("Pow", weights, constants.const(2.0)), constants.const(0.5))
    constants.op("MatMul", constants.quant("x", 0.5), constants.op("Transpose", weights, perm=[1, 0]))
    constants.op("ArgMax", constants.last, axis=1)
    return [net.model().SerializeToString() for net in (dense, image, constants)]


def _import(data: bytes, folder: Path) -> None:
    module = import_model(_written(data, folder, "net.onnx"))
    text = str(module)
    assert str(parse_module(text, "again", make_context())) == text
    inputs = edge_inputs(module, samples=2)
    golden = Interpreter(trace=False).run(module, inputs).outputs
    compile_module(module, pipeline="unshared")
    for name, value in Interpreter(trace=False).run(module, inputs).outputs.items():
        np.testing.assert_array_equal(value, golden[name])


# ---- text


def _levels() -> list[bytes]:
    module = parse_module(SMALL_NETWORK, "seed", make_context())
    texts = [SMALL_NETWORK]
    for item in parse_passes("default"):
        run_passes(module, [item], Target("small", rows=8, columns=16, domains=32))
        texts.append(str(module))
    return [text.encode() for text in texts]


def _ir(data: bytes, folder: Path) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    module = parse_module(text, "text", make_context())
    verify_module(module)
    again = str(module)
    assert str(parse_module(again, "again", make_context())) == again


_PACKED: tuple[tuple[type[Any], str], ...] = (
    (AdderGraph, "inputs 3 in 0..1\n%3 = %0 + %1 : u2\n%4 = %3 - %2<<1 : i3\nout -%4\nout %3<<2\nout zero"),
    (IntMatrix, "+-0\n0+-"),
    (IntMatrix, "1 -2 300\n0 5 -7"),
    (Thresholds, "up -3 5\ndown 1 2"),
    (FloatThresholds, "up -0.25 5.5\ndown 1e-3 inf"),
    (Rescales, "* 18433 + 524288 >> 20 in 0..255\n* -1 + 8 >> 4 in -128..127 ties odd 2"),
    (Scores, "3 -40\n5 2"),
    (Target, Target("small").to_text()),
    (PlacedCode, "%0 : c0[0:4] = in 0\n%1 : c1[0:4]s = in 1\n%2 : c2[0:6]s = %0 + %1<<1 carry c9[0]\nout 0 = %2"),
    (PlacedCode, "loop {\n%0 : c0[0:4] = 5\n%1 : c1[0] = %0 >= 3 @2\n}\n%2 : c0[0:4] = %0 set 2 if %1\nout 1 = %2"),
)


def _packed_texts() -> list[bytes]:
    return [bytes([number]) + text.encode() for number, (_, text) in enumerate(_PACKED)]


def _change_packed(random_: random.Random, data: bytes) -> bytes:
    return data[:1] + _text(random_, data[1:])


def _packed(data: bytes, folder: Path) -> None:
    kind, text = _PACKED[data[0] % len(_PACKED)][0], data[1:].decode(errors="replace")
    value = kind.from_text(text)
    again = kind.from_text(value.to_text())
    assert again == value or value.to_text() == again.to_text()


_ASSEMBLY = (
    "in c0.0:4, #0\nin c1.0:4, #1\n"
    "loop {\n  add c2.0:6s, c0.0:4, c1.0:4<<1, c9.0\n  sub c3.0:6s, c0.0:4, c1.0:4, c8.0 @1\n}\n"
    "cmp.ge c4.0, c2.0:6s, #-3\nset c5.0:4, #7\nset.if c5.0:4, c4.0, #2\nout c5.0:4, #0\n"
)


def _assemble(data: bytes, folder: Path) -> None:
    code = AssemblyCode.from_text(data.decode(errors="replace"))
    check_code(code.instructions, 16, 32)
    assert AssemblyCode.from_text(code.to_text()).binary == code.binary


def _binary(data: bytes, folder: Path) -> None:
    code = AssemblyCode(data)
    text = code.to_text()
    native = python = None
    try:
        check_binary(data, 16, 32)
    except CamcError as error:
        native = str(error)
    try:
        check_code(code.instructions, 16, 32)
    except CamcError as error:
        python = str(error)
    assert (native is None) == (python is None), (native, python)
    if native is None:
        # Fields that an instruction doesn't use are not in its text.
        assert AssemblyCode.from_text(text).to_text() == text


def _toml_files() -> list[bytes]:
    root = Path(__file__).parents[2]
    folders = (root / "dialects" / "machine" / "targets", root / "runtime" / "cost" / "technologies")
    return [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.toml"))]


def _toml(data: bytes, folder: Path) -> None:
    path = str(_written(data, folder, "machine.toml"))
    with suppress(*EXPECTED):
        load_target(path)
    load_technology(path)


# ---- files


def _program() -> list[bytes]:
    module = parse_module(SMALL_NETWORK, "seed", make_context())
    target = compile_module(module, "small")
    path = Path().resolve() / "seed.camx"
    save(network_of(module, target), path)
    data = path.read_bytes()
    path.unlink()
    return [data]


def _camx(data: bytes, folder: Path) -> None:
    executor = of_program(_written(data, folder, "net.camx"), "native")
    executor.run({spec.name: np.zeros((2, *spec.shape[1:]), dtype=spec.dtype) for spec in executor.network.inputs})


def _arrays() -> list[bytes]:
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    stream = io.BytesIO()
    np.save(stream, numbers)
    return [stream.getvalue(), npz_bytes({"image": numbers, "label": np.arange(3)})]


def _change_arrays(random_: random.Random, data: bytes) -> bytes:
    if data[:2] == b"PK":
        return mutations.of_archive(random_, data)
    head, rest = data[10:128], data[128:]
    if random_.random() < 0.6:
        head = mutations.of_text(random_, head.decode("latin-1")).encode(errors="replace")[:118].ljust(118)
        return data[:10] + head + rest
    return mutations.of_bytes(random_, data)


def _read_arrays(data: bytes, folder: Path) -> None:
    path = _written(data, folder, "x.npz" if data[:2] == b"PK" else "x.npy")
    with suppress(*EXPECTED):
        read_arrays(path)
    labels = folder / "y.npy"
    np.save(labels, np.arange(3))
    found = open_data(path, None, None if path.suffix == ".npz" else str(labels), 4)
    found.read(0, len(found.labels))


def _idx() -> list[bytes]:
    images = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (3, 2, 2)) + bytes(range(12))
    return [images, gzip.compress(images)]


def _read_idx(data: bytes, folder: Path) -> None:
    path = _written(data, folder, "x.gz" if data[:2] == b"\x1f\x8b" else "x-idx")
    labels = folder / "y.npy"
    np.save(labels, np.arange(3))
    found = open_data(path, None, str(labels), 4)
    found.read(0, len(found.labels))


def _images() -> list[bytes]:
    return [b"P6 2 2 255\n" + bytes(range(12)), b"P5 3 2 255\n" + bytes(range(6)), _png()]


def _png() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(stream, "PNG")
    return stream.getvalue()


def _read_images(data: bytes, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir(exist_ok=True)
    _written(data, folder / "a", "1.png" if data[:4] == b"\x89PNG" else "1.ppm")
    ImageFolder(folder, 3, 4, 2).read(0, 1)


def _state() -> list[bytes]:
    folder = Path().resolve() / "seed.state"
    State(folder, "key").write(Tally(samples=3))
    data = folder.read_bytes()
    folder.unlink()
    return [data]


def _change_state(random_: random.Random, data: bytes) -> bytes:
    from cam_compiler.evaluation.state import digest_of

    stated = mutations.of_json(random_, json.loads(data))
    if isinstance(stated, dict) and "tally" in stated and random_.random() < 0.8:
        stated["digest"] = digest_of(stated["tally"])
    return json.dumps(stated).encode() if random_.random() < 0.9 else mutations.of_bytes(random_, data)


def _read_state(data: bytes, folder: Path) -> None:
    tally = State(_written(data, folder, "x.state"), "key").read(10)
    assert 0 < tally.samples <= 10


SURFACES: dict[str, Surface] = {
    "onnx": Surface(_nets, mutations.of_model, _import),
    "ir": Surface(_levels, _text, _ir),
    "packed": Surface(_packed_texts, _change_packed, _packed),
    "assembly": Surface(lambda: [_ASSEMBLY.encode()], _text, _assemble),
    "binary": Surface(lambda: [AssemblyCode.from_text(_ASSEMBLY).binary], mutations.of_bytes, _binary),
    "camx": Surface(_program, mutations.of_archive, _camx),
    "toml": Surface(_toml_files, _text, _toml),
    "arrays": Surface(_arrays, _change_arrays, _read_arrays),
    "idx": Surface(_idx, mutations.of_bytes, _read_idx),
    "images": Surface(_images, mutations.of_bytes, _read_images),
    "state": Surface(_state, _change_state, _read_state),
}
