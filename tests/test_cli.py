"""The command line: what each command does, and that errors are one message, with nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from camc_testing import SMALL_NETWORK

from cam_compiler.cli import main
from runtime.cost.technology import kinds

INPUT = np.array([[[0.0, 0.5, 1.0]], [[1.0, 0.1, 0.3]], [[0.25, 0.75, 0.2]]], dtype=np.float32)
PIPELINE = ("--pipeline", "unshared")


def expected() -> np.ndarray:
    """The small network, written down again."""
    q = (INPUT >= 0.25).astype(int) + (INPUT >= 0.75).astype(int)
    a = q.reshape(3, 3) @ np.array([[1, 0, -1], [0, 1, 1]]).T
    up = -1 + (a[:, 0] >= -1) + (a[:, 0] >= 1)
    down = 1 - (a[:, 1] >= 1) - (a[:, 1] >= 3)
    return np.stack([up * 0.5, down * 1.5], axis=1).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the small network and an input."""
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(SMALL_NETWORK)
    np.save("x.npy", INPUT)
    np.savez("x.npz", x=INPUT)
    Path("code.s").write_text("set c0.0:4, #3\nadd.ip c0.0:4, c1.0:2s, c2.0\n")
    return tmp_path


@pytest.fixture
def program(folder: Path) -> Path:
    assert main(["compile", "net.mlir", "-o", "net.camx", *PIPELINE]) == 0
    return folder / "net.camx"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of a command that works."""
    capsys.readouterr()
    code = main(arguments)
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def fails(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    """The message of a command that fails: one error, no traceback, and no file written."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    code = main(arguments)
    err = capsys.readouterr().err
    assert code == 1, err
    assert err.startswith("camc: error: "), err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return err


# Commands.


def test_compile_and_run(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "run", "net.camx", "--input", "x.npy", "-o", "y.npz", "--report", "r.json")
    assert "output 'y': 3x2 float32" in out
    assert np.array_equal(np.load("y.npz")["y"], expected())
    assert json.loads(Path("r.json").read_text())["samples"] == 3


@pytest.mark.parametrize("level", ["ternary", "apv", "rtm", "ap"])
def test_run_at_each_level(level: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "run", "net.mlir", "--input", "x.npz", "-o", "y.npz", "--level", level, *PIPELINE)
    assert np.array_equal(np.load("y.npz")["y"], expected())


def test_compile_is_deterministic(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "compile", "net.mlir", "-o", "again.camx", *PIPELINE)
    assert Path("again.camx").read_bytes() == program.read_bytes()


def test_compile_to_text_and_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage in ("ternary", "apv", "rtm", "ap"):
        run(capsys, "compile", "net.mlir", "--stop-after", stage, "-o", f"{stage}.mlir", *PIPELINE)
    run(capsys, "compile", "apv.mlir", "-o", "on.mlir", *PIPELINE)
    assert Path("on.mlir").read_text() == Path("ap.mlir").read_text()
    out = run(capsys, "verify", "net.mlir", "ternary.mlir", "apv.mlir", "rtm.mlir", "ap.mlir")
    assert out.count("the same outputs") == 4


def test_compile_prints_to_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "compile", "net.mlir", "--target", "small", *PIPELINE)
    assert "geometry <64x64x32>" in out


def test_dump_and_validate_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "compile", "net.mlir", "-o", "a.camx", "--dump-ir", "d/e", "--validate-each", *PIPELINE)
    names = sorted(path.name for path in Path("d/e").iterdir())
    assert names[0] == "00-import.mlir"
    assert names[-1].endswith("-convert-rtm-to-ap.mlir")
    assert run(capsys, "verify", *(f"d/e/{name}" for name in names)).count("the same outputs") == len(names) - 1


def test_verify_a_program(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "net.camx: the same outputs" in run(capsys, "verify", "net.mlir", "net.camx")
    assert "net.camx: sets the outputs" in run(capsys, "verify", "net.camx", "--input", "x.npy")


def test_labels_and_expectations(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("labels.npy", expected().argmax(axis=1))
    np.savez("y.npz", y=expected())
    out = run(capsys, "run", "net.camx", "--input", "x.npy", "--labels", "labels.npy", "--expect", "y.npz")
    assert "accuracy: 3 of 3 (100.00%)" in out
    assert "largest difference 0, same class for 3 of 3 samples" in out


def test_assemble_and_disassemble(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "asm", "code.s", "-o", "code.bin")
    assert run(capsys, "disasm", "code.bin") == Path("code.s").read_text()
    run(capsys, "disasm", "code.bin", "-o", "again.s")
    assert Path("again.s").read_text() == Path("code.s").read_text()


def test_disassemble_a_program(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "disasm", "net.camx")
    assert "; fc\n" in out
    assert "cmp.ge" in out


def test_listings(capsys: pytest.CaptureFixture[str]) -> None:
    assert "small" in run(capsys, "targets")
    assert "rtsim" in run(capsys, "tech")
    shown = run(capsys, "tech", "dwm")
    assert "2,000*" in shown and "not priced" in shown and "22, 32, 45 nm" in shown
    assert f"10 of {len(kinds())} parameters are stated" in shown
    assert "convert-rtm-to-ap" in run(capsys, "passes")


def test_opt(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "apv.linear" in run(capsys, "opt", "net.mlir", "-p", "convert-ternary-to-apv")


def test_outputs_through_links_and_pipes(program: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A link stays a link, a device a device."""
    Path("link.npz").symlink_to("behind.npz")
    assert main(["run", "net.camx", "--input", "x.npy", "-o", "link.npz"]) == 0
    assert Path("link.npz").is_symlink()
    assert np.array_equal(np.load("behind.npz")["y"], expected())
    capfd.readouterr()
    assert main(["disasm", "net.camx", "-o", "/dev/stdout"]) == 0
    assert "; fc\n" in capfd.readouterr().out
    assert Path("/dev/stdout").is_symlink()


def test_equal_outputs_are_equal_files(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files: list[bytes] = []
    for _ in range(2):
        run(capsys, "run", "net.camx", "--input", "x.npy", "-o", "y.npz", "--report", "r.json")
        files.append(Path("y.npz").read_bytes() + Path("r.json").read_bytes())
    assert files[0] == files[1]


def test_a_pass_may_set_the_geometry(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = "convert-ternary-to-apv,convert-apv-to-rtm{rows=2 columns=64},convert-rtm-to-ap"
    run(capsys, "run", "net.mlir", "--input", "x.npy", "--pipeline", pipeline, "--report", "r.json")
    report = json.loads(Path("r.json").read_text())
    assert (report["target"]["rows"], report["target"]["columns"], report["total"]["arrays"]) == (2, 64, 2)


def test_a_target_and_a_technology_from_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.toml").write_text("rows = 2\ncolumns = 32\ndomains = 16\narrays = 1\n")
    out = run(capsys, "run", "net.mlir", "--input", "x.npy", "--target", "t.toml", "--report", "r.json", *PIPELINE)
    assert "2x32x16" in out
    assert json.loads(Path("r.json").read_text())["target"]["name"] == "t"


# Errors of the user: (arguments, pieces of the message).

BAD = [
    (["compile", "no.mlir", "-o", "a.camx"], ["no.mlir: there is no such file"]),
    (["compile", "no.onnx", "-o", "a.camx"], ["no.onnx"]),
    (["compile", "x.npy", "-o", "a.camx"], ["x.npy", "hint: give an .onnx model, an .mlir file"]),
    (["compile", "net.mlir", "-o", "a.txt"], ["a.txt: its name must end in .camx or .mlir"]),
    (["compile", "net.mlir", "-o", "no/a.camx"], ["no/a.camx: its folder does not exist"]),
    (["compile", "net.mlir", "-o", "a.camx", "--pipeline", "no-such"], ["there is no pass 'no-such'", "hint: known"]),
    (["compile", "net.mlir", "-o", "a.camx", "--pipeline", "convert-apv-to-rtm{"], ["pipeline", "hint: known"]),
    (["compile", "net.mlir", "-o", "a.camx", "--pipeline", "convert-apv-to-rtm{rows=x}"], ["pipeline"]),
    (["compile", "net.mlir", "-o", "a.camx", "--pipeline", "convert-apv-to-rtm{lanes=1}"], ["lanes"]),
    (["compile", "net.mlir", "-o", "a.camx", "--stop-after", "no"], ["there is no stage 'no'", "hint: stages are"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "no"], ["there is no target 'no'", "default, small"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "bad.toml"], ["bad.toml: not valid TOML"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "zero.toml"], ["zero.toml: 'rows' must be"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "word.toml"], ["word.toml: 'rows' must be"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "key.toml"], ["unknown key 'lanes'", "hint: known keys"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "huge.toml"], ["impossible geometry: domains must be 1 to"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "tiny.toml"], ["3 bits doesn't fit", "hint: choose"]),
    (["compile", "net.mlir", "-o", "a.camx", "--stop-after", "rtm"], ["hint: a .camx file holds a network at the ap"]),
    (["compile", "net.mlir", "-o", "a.camx", "--dump-ir", "net.mlir"], ["net.mlir: can't make the folder"]),
    (["compile", "broken.mlir", "-o", "a.camx"], ["the text is malformed", "broken.mlir:3"]),
    (["compile", "wrong.mlir", "-o", "a.camx"], ["wrong.mlir: the IR is invalid"]),
    (["compile", "empty.mlir", "-o", "a.camx"], ["empty.mlir:1:1"]),
    (["compile", "latin.mlir", "-o", "a.camx"], ["latin.mlir: can't be read"]),
    (["run", "net.camx", "--input", "no.npy"], ["no.npy: there is no such file"]),
    (["run", "net.camx", "--input", "net.mlir"], ["net.mlir: no .npy or .npz file"]),
    (["run", "net.camx", "--input", "pickle.npy"], ["pickle.npy: no .npy or .npz file"]),
    (["run", "net.camx", "--input", "shape.npy"], ["input 'x': its shape is 3x3", "hint: expected Nx1x3 float32"]),
    (["run", "net.camx", "--input", "none.npy"], ["input 'x': its shape is 0x1x3"]),
    (["run", "net.camx", "--input", "name.npz"], ["input 'x' is missing", "hint: the network's inputs are 'x'"]),
    (["run", "net.camx", "--input", "more.npz"], ["there is no input 'z'"]),
    (["run", "net.camx", "--input", "complex.npy"], ["input 'x': its type is complex128"]),
    (["run", "net.camx", "--input", "nan.npy"], ["input 'x': it holds values that are not finite numbers"]),
    (["run", "net.camx", "--input", "x.npy", "-o", "y.txt"], ["y.txt: its name must end in .npz"]),
    (["run", "net.camx", "--input", "x.npy", "-o", "no/y.npz"], ["no/y.npz: its folder does not exist"]),
    (["run", "net.camx", "--input", "x.npy", "--report", "r.txt"], ["r.txt: its name must end in .json"]),
    (["run", "net.camx", "--input", "x.npy", "--tech", "no"], ["there is no technology 'no'", "rtsim"]),
    (["tech", "no"], ["there is no technology 'no'", "one of: date24, dwm"]),
    (["tech", "key.toml"], ["key.toml", "unknown key", "known keys are"]),
    (["run", "net.camx", "--input", "x.npy", "--tech", "key.toml"], ["key.toml", "unknown key"]),
    (["run", "net.camx", "--input", "x.npy", "--level", "rtm"], ["net.camx: a compiled program runs at the ap level"]),
    (["run", "net.mlir", "--input", "x.npy", "--level", "rtm", "--report", "r.json"], ["--report: counts come from"]),
    (["run", "net.camx", "--input", "x.npy", "--labels", "x.npy"], ["x.npy: expected one class number per sample"]),
    (["run", "net.camx", "--input", "x.npy", "--expect", "x.npz"], ["there is no output 'x'", "hint: outputs are y"]),
    (["run", "no.camx", "--input", "x.npy"], ["no.camx: there is no such file"]),
    (["run", "cut.camx", "--input", "x.npy"], ["cut.camx: damaged or no compiled program", "hint: compile the model"]),
    (["run", "text.camx", "--input", "x.npy"], ["text.camx: damaged or no compiled program"]),
    (["verify", "net.camx"], ["net.camx", "give --input"]),
    (["verify", "net.mlir", "other.mlir"], ["other.mlir computes something else than net.mlir"]),
    (["asm", "no.s", "-o", "a.bin"], ["no.s: there is no such file"]),
    (["asm", "bad.s", "-o", "a.bin"], ["bad.s:2:1: unknown instruction 'mul'"]),
    (["asm", "wide.s", "-o", "a.bin"], ["wide.s:3: set can't be encoded"]),
    (["asm", "far.s", "-o", "a.bin"], ["far.s:1: ", "lies outside"]),
    (["asm", "code.s", "-o", "no/a.bin"], ["no/a.bin"]),
    (["asm", "code.s", "-o", "net.mlir/a.bin"], ["net.mlir/a.bin"]),
    (["disasm", "no.bin"], ["no.bin: there is no such file"]),
    (["disasm", "text.camx"], ["text.camx: damaged"]),
    (["disasm", "cut.bin"], ["multiple of 16 bytes", "hint: the file is truncated"]),
    (["disasm", "code.bin", "-o", "no/a.s"], ["no/a.s"]),
    (["opt", "no.mlir"], ["no.mlir"]),
    (["compile", "net.mlir", "-o", "dir.camx"], ["dir.camx: it is a folder"]),
    (["compile", "dir.mlir", "-o", "a.camx"], ["dir.mlir: it is a folder"]),
    (["compile", "net.mlir", "-o", "a.camx", "--pipeline", ""], ["no operation of a compiled program"]),
    (["compile", "net.mlir", "-o", "a.camx", "--pipeline", "apv-share{effort=9}"], ["apv-share", "hint: group is"]),
    (["compile", "net.mlir", "-o", "a.camx", "--target", "many.toml"], ["'arrays' must be a whole number from 1 to"]),
    (["run", "net.camx", "--input", "x.npy", "--pipeline", "date24"], ["--pipeline: the program is compiled already"]),
    (["run", "net.camx", "--input", "x.npy", "-O2"], ["-O: the program is compiled already", "hint: compile"]),
    (["run", "net.camx", "--input", "x.npy", "--target", "small"], ["--target: the program is compiled already"]),
    (
        ["run", "net.camx", "--input", "x.npy", "--check"],
        ["--check: a compiled program has no golden integers", "--golden"],
    ),
    (["run", "net.camx", "--input", "member.npz"], ["member.npz"]),
    (["run", "net.camx", "--input", "nothing.npz"], ["nothing.npz: it holds no array"]),
    (
        ["run", "net.camx", "--input", "vast.npy"],
        ["vast.npy: no .npy or .npz file of numbers: it ends before its numbers do"],
    ),
    (["run", "net.camx", "--input", "code.npy"], ["code.npy: no .npy or .npz file"]),
    (["run", "net.camx", "--input", "over.npy"], ["input 'x': it holds values that are not finite numbers"]),
    (["asm", "empty.mlir", "-o", "a.bin"], ["empty.mlir: it holds no instruction"]),
    (["asm", "vast.s", "-o", "a.bin"], ["a number is far too large"]),
    (["asm", "code.s", "-o", "."], [".: it is a folder", "hint: give the name of a file"]),
    (["asm", "code.s", "-o", "a.bin", "--target", ""], ["it is a folder"]),
    (["disasm", "empty.mlir"], ["empty.mlir: it holds no instruction"]),
    (["opt", "net.mlir", "-p", "no-such"], ["no-such", "hint: known pipelines are", "apv-share", "canonicalize"]),
    (["opt", "net.mlir", "-p", "convert-apv-to-rtm{rows="], ["camc: error: "]),
    (["opt", "broken.mlir"], ["broken.mlir:3"]),
    (["compile", "order.mlir", "-o", "a.camx"], ["order.mlir", "ternary.reshape %r uses %q before it is made"]),
    (
        ["compile", "rows.mlir", "-o", "a.camx"],
        ["rows.mlir", "images of 4 positions can't be made from 9 rows"],
    ),
    (
        ["run", "net.mlir", "--input", "x.npy", "--pipeline", "convert-ternary-to-apv", "--report", "r.json"],
        ["--report: counts come from the simulator"],
    ),
    (["run", "net.camx", "--input", "header.npy"], ["header.npy"]),
]


UNORDERED = """
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2x1x!ternary.int<0, 1>> {
  %r = ternary.reshape %q : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2x1x!ternary.int<0, 1>>
  %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> thresholds <{
    up 0.5
  }>
  return %r : tensor<?x2x1x!ternary.int<0, 1>>
}
"""
UNEVEN = """
func.func @main(%x: tensor<?x1x3x3x!ternary.int<0, 1>>) -> tensor<?x1x2x2x!ternary.int<0, 1>> {
  %g = apv.gather %x window <kernel 1x1> : tensor<?x1x3x3x!ternary.int<0, 1>>
    -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<9>>
  %t = apv.stage : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<9>> {
    %l = apv.load %g : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<9>> -> !apv.columns<1, 0, 1, rows 9>
    %s = apv.store %l : !apv.columns<1, 0, 1, rows 9> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<9>>
    apv.yield %s : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<9>>
  }
  %s = apv.scatter %t : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<9>> -> tensor<?x1x2x2x!ternary.int<0, 1>>
  return %s : tensor<?x1x2x2x!ternary.int<0, 1>>
}
"""


@pytest.fixture
def bad_files(program: Path, folder: Path) -> Path:
    """Files that are wrong in one way each."""
    texts = {
        "bad.toml": "rows = ",
        "order.mlir": UNORDERED,
        "rows.mlir": UNEVEN,
        "zero.toml": "rows = 0",
        "word.toml": 'rows = "many"',
        "key.toml": "lanes = 4",
        "huge.toml": "domains = 100000",
        "tiny.toml": "columns = 4\ndomains = 2",
        "broken.mlir": "func.func @main() {\n\n  nonsense here\n}\n",
        "wrong.mlir": SMALL_NETWORK.replace("    0++\n", ""),
        "empty.mlir": "",
        "other.mlir": SMALL_NETWORK.replace("0++", "0+-").replace("int<-2, 4>", "int<-9, 9>"),
        "bad.s": "set c0.0:4, #3\nmul c0.0:4, c1.0:4\n",
        "far.s": "set c300.0:4, #3\n",
        "wide.s": "; two\nset c0.0:4, #3\nset c0.0:4, #99999999999\n",
        "vast.s": "set c99999999999999999999.0:4, #3\n",
        "many.toml": "arrays = 99999999999999999999",
        "text.camx": "no program",
    }
    for name, text in texts.items():
        Path(name).write_text(text)
    Path("latin.mlir").write_bytes(b"// \xe9\n")
    Path("cut.camx").write_bytes(program.read_bytes()[:-40])
    assert main(["asm", "code.s", "-o", "code.bin"]) == 0
    Path("cut.bin").write_bytes(Path("code.bin").read_bytes()[:-1])
    np.save("shape.npy", INPUT.reshape(3, 3))
    np.save("none.npy", INPUT[:0])
    np.save("complex.npy", INPUT.astype(complex))
    np.save("nan.npy", np.where(INPUT > 0.9, np.nan, INPUT))
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("dir.camx").mkdir()
    Path("dir.mlir").mkdir()
    with zipfile.ZipFile("member.npz", "w") as archive:
        archive.writestr("x.npy", b"nonsense")
    np.savez("nothing.npz")
    np.save("over.npy", INPUT.astype(np.float64) * 1e308)
    for name, shape in (("vast", "(99999999999, 1, 3)"), ("code", "(__import__('os'), 1, 3)"), ("header", "(40, 1, 3")):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
        Path(f"{name}.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    np.savez("name.npz", z=INPUT)
    np.savez("more.npz", x=INPUT, z=INPUT)
    return folder


@pytest.mark.parametrize(("arguments", "pieces"), BAD, ids=lambda value: " ".join(value)[:60])
def test_errors_of_the_user(
    arguments: list[str], pieces: list[str], bad_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments[0] in ("compile", "run") and "--pipeline" not in arguments and not arguments[1].endswith(".camx"):
        arguments = [*arguments, *PIPELINE]
    message = fails(capsys, bad_files, *arguments)
    for piece in pieces:
        assert piece in message, message


@pytest.mark.parametrize("arguments", [[], ["fly"], ["compile"], ["run", "a.mlir"], ["run", "a", "--level", "x"]])
def test_errors_in_the_command_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: camc" in capsys.readouterr().err


def test_damaged_programs_are_refused_or_harmless(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flipped bit is noticed, or lies where it means nothing."""
    data, rng = program.read_bytes(), np.random.default_rng(0)
    outcomes: set[int] = set()
    for at in rng.integers(0, len(data) * 8, size=150).tolist():
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        Path("flipped.camx").write_bytes(flipped)
        Path("y.npz").unlink(missing_ok=True)
        capsys.readouterr()
        code = main(["run", "flipped.camx", "--input", "x.npy", "-o", "y.npz"])
        message = capsys.readouterr().err
        if code == 0:
            assert np.array_equal(np.load("y.npz")["y"], expected()), f"bit {at}"
        else:
            assert message.startswith("camc: error: "), f"bit {at}: {message}"
            assert not Path("y.npz").exists()
        outcomes.add(code)
    assert 1 in outcomes


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 500])
def test_truncated_programs_are_refused(keep: int, program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.camx").write_bytes(program.read_bytes()[:keep])
    assert "damaged" in fails(capsys, program.parent, "run", "cut.camx", "--input", "x.npy", "-o", "y.npz")


def edited(program: Path, path: list[str | int], value: object) -> None:
    """Write odd.camx: the program with one entry of its manifest replaced, or removed if `value` is None."""
    with zipfile.ZipFile(program) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = entry = json.loads(members["manifest.json"])
    for key in path[:-1]:
        entry = entry[key]
    if value is None:
        del entry[path[-1]]
    else:
        entry[path[-1]] = value
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile("odd.camx", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


ODD = [
    (["format"], "zip"),
    (["version"], 3),
    (["version"], 999),
    (["calls"], None),
    (["calls"], [1]),
    (["inputs"], {}),
    (["inputs", 0, "shape"], None),
    (["calls", 0, "call"], "Explode"),
    (["calls", 0, "thresholds"], "manifest.json"),
    (["calls", 0, "thresholds", "array"], "manifest.json"),
    (["calls", 0, "thresholds", "array"], "no.npy"),
    (["calls", 0, "result"], [99, 3]),
    (["calls", 0, "result"], [1]),
    (["calls", 0, "takes"], []),
    (["calls", 0, "takes"], ["elsewhere"]),
    (["calls", 0, "gives"], []),
    (["calls", 2, "segments", 0], "code"),
    (["calls", 2, "inputs"], []),
    (["calls", 2, "inputs"], [2]),
    (["calls", 2, "outputs"], [1]),
    (["calls", 2, "rows"], 2),
    (["calls", -1, "dtype"], "float8"),
    (["target", "columns"], 4),
]


@pytest.mark.parametrize(("path", "value"), ODD, ids=str)
def test_odd_manifests_are_refused(
    path: list[str | int], value: object, program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(program, path, value)
    fails(capsys, program.parent, "run", "odd.camx", "--input", "x.npy", "-o", "y.npz")


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys\nfrom cam_compiler.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as e:\n    assert e.code == 0\n"
        "slow = {'xdsl', 'onnx', 'numpy'} & set(sys.modules)\nassert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: camc" in done.stdout


@pytest.mark.parametrize("broken", ["raise SystemExit('the wrong package')", ""])
def test_folders_of_the_user_may_have_the_names_of_our_packages(broken: str, folder: Path) -> None:
    for name in ("dialects", "passes", "runtime"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(broken)
    path = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "cam_compiler", "opt", "net.mlir", "-p", "convert-ternary-to-apv"]
    done = subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "apv.linear" in done.stdout
