"""Surfaces that take text: IR, packed attributes, assembly, TOML, pipelines, numbers of the command line."""

from __future__ import annotations

import random
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from fuzz import mutations
from fuzz.surface import EXPECTED, Surface, change_text, parsed, stages, written

from cam_compiler.cli import make_parser
from cam_compiler.options import stated_types
from cam_compiler.pipeline import parse_passes
from dialects.ap.assembly import AssemblyCode
from dialects.ap.counting import CountingCode
from dialects.apv.adder_graph import AdderGraph
from dialects.apv.count import Terms
from dialects.machine.code import check_code
from dialects.machine.target import Target, load_target
from dialects.rtm.placed import PlacedCode
from dialects.support.errors import UsageError
from dialects.support.lattice import Lattice
from dialects.support.packed import PackedAttr, TextValue
from dialects.support.real_lines import RealLines
from dialects.support.rescales import Rescales
from dialects.support.scores import Scores
from dialects.support.tensors import FloatThresholds, IntMatrix, Thresholds
from dialects.support.verify import verify_module
from runtime.cost.technology import load_technology


def _ir(data: bytes, folder: Path) -> None:
    module = parsed(data.decode(errors="replace"))
    verify_module(module)
    again = str(module)
    assert str(parsed(again)) == again


# ---- packed attributes

_STATED: tuple[tuple[type[TextValue], str], ...] = (
    (AdderGraph, "inputs 3 in 0..1\n%3 = %0 + %1 : u2\n%4 = %3 - %2<<1 : i3\nout -%4\nout %3<<2\nout zero"),
    (IntMatrix, "+-0\n0+-"),
    (IntMatrix, "1 -2 300\n0 5 -7"),
    (Thresholds, "up -3 5\ndown 1 2"),
    (FloatThresholds, "up -0.25 5.5\ndown 1e-3 inf"),
    (Rescales, "* 18433 + 524288 >> 20 in 0..255\n* -1 + 8 >> 4 in -128..127 ties odd 2"),
    (Scores, "3 -40\n5 2"),
    (RealLines, "3 -5 + 7 / 1024\n1 0 + -7 / 3"),
    (Terms, "take 0 step 2\nadd 64 step 1 << 2"),
    (Target, Target("small").to_text()),
    (PlacedCode, "%0 : c0[0:4] = in 0\n%1 : c1[0:4]s = in 1\n%2 : c2[0:6]s = %0 + %1<<1 carry c9[0]\nout 0 = %2"),
    (PlacedCode, "loop {\n%0 : c0[0:4] = 5\n%1 : c1[0] = %0 >= 3 @2\n}\n%2 : c0[0:4] = %0 set 2 if %1\nout 1 = %2"),
)


@cache
def _packed() -> tuple[tuple[type[TextValue], bytes], ...]:
    """Kinds of packed attributes with a text each: those above, and those of a small network at all levels."""
    found = dict(_STATED)
    for text in stages():
        for op in parsed(text).walk():
            for attribute in (*op.properties.values(), *op.attributes.values()):
                if isinstance(attribute, PackedAttr):
                    value: Any = attribute.data  # pyright: ignore[reportUnknownMemberType]
                    found.setdefault(type(value), value.to_text())
    texts = [*_STATED, *((kind, text) for kind, text in found.items() if (kind, text) not in _STATED)]
    return tuple((kind, text.encode()) for kind, text in texts)


def _read_packed(data: bytes, folder: Path) -> None:
    kind, text = _packed()[data[0] % len(_packed())][0], data[1:].decode(errors="replace")
    value = kind.from_text(text)
    again = kind.from_text(value.to_text())
    assert again == value or value.to_text() == again.to_text()


# ---- assembly

ASSEMBLY = (
    "in c0.0:4, #0\nin c1.0:4, #1\n"
    "loop {\n  add c2.0:6s, c0.0:4, c1.0:4<<1, c9.0\n  sub c3.0:6s, c0.0:4, c1.0:4, c8.0 @1\n}\n"
    "cmp.ge c4.0, c2.0:6s, #-3\nset c5.0:4, #7\nset.if c5.0:4, c4.0, #2\nout c5.0:4, #0\n"
)
COUNTING_ASSEMBLY = (
    "repeat #1 { load c0.0:1 count q0:1, c1.0, c0.0:1 take q1:1, #3:1 match q1:1, t0.c0.0:1, #5 store q0:2, #0:5s }\n"
    "clear c0.0:1"
)


def _assemble(data: bytes, folder: Path) -> None:
    code = AssemblyCode.from_text(data.decode(errors="replace"))
    check_code(code.instructions, 16, 32)
    assert AssemblyCode.from_text(code.to_text()).binary == code.binary


def _assemble_counting(data: bytes, folder: Path) -> None:
    code = CountingCode.from_text(data.decode(errors="replace"))
    assert CountingCode.from_text(code.to_text()).binary == code.binary


# ---- TOML, pipelines, options


def _toml_files() -> list[bytes]:
    root = Path(__file__).parents[2]
    folders = (root / "dialects" / "machine" / "targets", root / "runtime" / "cost" / "technologies")
    return [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.toml"))]


def _toml(data: bytes, folder: Path) -> None:
    path = str(written(data, folder, "machine.toml"))
    with suppress(*EXPECTED):
        load_target(path)
    load_technology(path)


def _pipelines() -> list[bytes]:
    return [
        b"default",
        b"apv-share{effort=2 group-by=channel},convert-apv-to-rtm{placement=loops columns=128}",
        b'apv-choose{objective=energy tech="rtsim" samples=1},canonicalize,cse',
        b"convert-ternary-to-apv,apv-count{tables=2},rtm-level-wear{runs=10},convert-rtm-to-ap{lean=true}",
    ]


def _pipeline(data: bytes, folder: Path) -> None:
    passes = parse_passes(data.decode(errors="replace"))
    again = parse_passes(",".join(str(item.spec()) for item in passes))
    assert [str(item.spec()) for item in again] == [str(item.spec()) for item in passes]


NUMBERS = (
    *("0", "1", "-1", "1/255", "1e9999999", "1e-9999999", "1e400", "nan", "inf", "-inf", "", "²", "٣", "1_0", "0x10"),
    *("9" * 5000, "1/0", "1/" + "9" * 400, "0.5", ".5", "1e3", "1e30", "+2", " 3 ", "1.2.3", "1,2", "224x256", "0.5,2"),
)
_LINES = (
    *("evaluate m.onnx d --scale 1/255 --mean 0.5,0.4 --std 0.2 --resize 8x9 --crop 4 --limit 3 --batch 2",),
    *("run m.onnx --input x.npy --batch 2 --threads 1 -O 2 --input-type x=UINT8*1/255+0.5",),
    *("sensitivity m.onnx --range 0.5,2 --batch 3", "verify m.onnx --samples 3", "compile m.onnx -o o.camx -O3"),
    *("verify m.onnx --quantise-input FIXED<8,4>*1e-3", "opt a.mlir --elide 4", "compile m.onnx -o o.camx --elide 4"),
)


def _change_line(random_: random.Random, data: bytes) -> bytes:
    words = data.decode().split("\0")
    at = random_.randrange(1, len(words))
    if random_.random() < 0.6:
        words[at] = random_.choice(NUMBERS)
    elif random_.random() < 0.5:
        words[at] = "=".join([*words[at].split("=")[:-1], mutations.of_text(random_, words[at].split("=")[-1])])
    else:
        other = random_.choice(_LINES).split()
        where = random_.randrange(1, len(other))
        words[at : at + 1] = other[where : where + 2]
    return "\0".join(words).encode(errors="replace")


def _line(data: bytes, folder: Path) -> None:
    words = data.decode(errors="replace").split("\0")
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            options = make_parser(words).parse_args(words)
    except SystemExit as error:
        if error.code in (0, 2):
            raise UsageError("the command line") from error
        raise
    if "input_type" in options:
        for stated in stated_types(options):
            for text in stated.values():
                for dtype in ("float32", "float64", "int8"):
                    lattice = Lattice.parse(text, dtype)
                    assert Lattice.parse(lattice.text, dtype).span == lattice.span


SURFACES = {
    "ir": Surface(lambda: [text.encode() for text in stages()], change_text, _ir),
    "packed": Surface(
        lambda: [bytes([number]) + text for number, (_, text) in enumerate(_packed())],
        lambda random_, data: data[:1] + change_text(random_, data[1:]),
        _read_packed,
    ),
    "assembly": Surface(lambda: [ASSEMBLY.encode()], change_text, _assemble),
    "counting": Surface(lambda: [COUNTING_ASSEMBLY.encode()], change_text, _assemble_counting),
    "toml": Surface(_toml_files, change_text, _toml),
    "pipeline": Surface(_pipelines, change_text, _pipeline),
    "options": Surface(lambda: [b"\0".join(line.encode().split()) for line in _LINES], _change_line, _line),
}
