"""Outputs are never lost: whole or not there, never an input, never written through a link that was planted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from camc_testing import SMALL_NETWORK

from cam_compiler.cli import main
from dialects.support.errors import FileError
from runtime import files
from runtime.files import write_whole

PIPELINE = ("--pipeline", "unshared")
BAD_IR = {
    "syntax": "builtin.module {\n",
    "text": "\xe9",
    "name": SMALL_NETWORK.replace("ternary.threshold", "ternary.no_such"),
    "pass": SMALL_NETWORK,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.mlir").write_text(SMALL_NETWORK)
    np.savez("x.npz", x=np.zeros((1, 1, 3), dtype=np.float32))
    Path("code.s").write_text("set c0.0:4, #3\n")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", BAD_IR)
def test_a_failing_opt_leaves_its_files_alone(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.mlir").write_text(BAD_IR[kind], encoding="latin-1")
    Path("b.mlir").write_text("kept")
    before = contents(folder)
    passes = "convert-apv-to-rtm{placement=no}" if kind == "pass" else "ternary-canonicalize"
    for output in ("a.mlir", "b.mlir", "new.mlir"):
        assert main(["opt", "a.mlir", "-o", output, "-p", passes]) == 1
        assert capsys.readouterr().err.startswith("camc: error: ")
        assert contents(folder) == before


def test_opt_works_in_place(folder: Path) -> None:
    Path("again.mlir").write_text(SMALL_NETWORK)
    assert main(["opt", "net.mlir", "-o", "new.mlir", "-p", "convert-ternary-to-apv"]) == 0
    assert main(["opt", "again.mlir", "-o", "again.mlir", "-p", "convert-ternary-to-apv"]) == 0
    assert Path("again.mlir").read_bytes() == Path("new.mlir").read_bytes() != Path("net.mlir").read_bytes()


SAME_FILE = [
    ["asm", "code.s", "-o", "code.s"],
    ["asm", "code.s", "-o", "link.s"],
    ["disasm", "net.camx", "-o", "net.camx"],
    ["disasm", "code.bin", "-o", "hard.bin"],
    ["compile", "net.mlir", "-o", "net.mlir", *PIPELINE],
    ["compile", "dump/00-import.mlir", "--dump-ir", "dump", *PIPELINE],
    ["run", "net.camx", "--input", "x.npz", "-o", "x.npz"],
    ["run", "net.camx", "--input", "x.npz", "-o", "y.npz", "--expect", "y.npz"],
    ["run", "net.camx", "--input", "x.npz", "-o", "../{}/x.npz"],
]


@pytest.mark.parametrize("arguments", SAME_FILE, ids=" ".join)
def test_an_output_that_is_an_input_is_refused(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["asm", "code.s", "-o", "code.bin"]) == 0
    assert main(["compile", "net.mlir", "-o", "net.camx", "--dump-ir", "dump", *PIPELINE]) == 0
    Path("link.s").symlink_to("code.s")
    Path("hard.bin").hardlink_to("code.bin")
    Path("y.npz").write_bytes(Path("x.npz").read_bytes())
    before, dumped = contents(folder), contents(folder / "dump")
    assert main([word.format(folder.name) for word in arguments]) == 1
    error = capsys.readouterr().err
    assert "the same file is given as an input" in error or "the model lies in the folder of the dumps" in error
    assert "hint: choose another" in error
    assert (contents(folder), contents(folder / "dump")) == (before, dumped)


def test_an_output_keeps_its_mode_and_a_link_keeps_pointing(folder: Path) -> None:
    secret, link = folder / "secret", folder / "link"
    secret.write_bytes(b"old")
    secret.chmod(0o600)
    link.symlink_to("secret")
    write_whole(link, b"new")
    assert link.is_symlink() and secret.read_bytes() == b"new"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    mask = os.umask(0o027)
    try:
        write_whole(folder / "fresh", b"")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((folder / "fresh").stat().st_mode) == 0o640
    (folder / "nowhere").symlink_to("made")
    write_whole(folder / "nowhere", b"made")
    assert (folder / "made").read_bytes() == b"made"


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_planted_partial_file_is_not_written(
    plant: Callable[[Path, str], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where its name was guessed."""
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    plant(folder / ".guessed.partial", "net.mlir")
    with pytest.raises(FileError, match="can't be written"):
        write_whole(folder / "out", b"data")
    assert Path("net.mlir").read_text() == SMALL_NETWORK
    assert not Path("out").exists()


def test_partial_files_have_names_that_nobody_guesses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    really = os.open
    monkeypatch.setattr(files.os, "open", lambda path, *rest: opened.append(Path(path)) or really(path, *rest))
    for _ in range(2):
        write_whole(folder / "out", b"data")
    assert len(set(opened)) == 2 and {path.parent for path in opened} == {folder}


def test_what_fails_while_it_is_written_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out").write_bytes(b"old")
    before = contents(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FileError, match="out: can't be written: No space left on device"):
        write_whole(Path("out"), b"new")
    assert contents(folder) == before


def test_names_that_are_too_long_are_refused_before_the_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    longest = "n" * (255 - len(".camx")) + ".camx"
    assert main(["compile", "net.mlir", "-o", longest, *PIPELINE]) == 0
    before = contents(folder)
    for command in (
        ["compile", "no.mlir", "-o", "n" + longest],
        ["asm", "no.s", "-o", "n" + longest],
        ["disasm", "no.bin", "-o", "n" + longest],
        ["run", "no.camx", "--input", "x.npz", "-o", "n" * 252 + ".npz"],
        ["opt", "net.mlir", "-o", "n" + longest],
    ):
        assert main(command) == 1
        assert "can't be written: File name too long" in capsys.readouterr().err
    assert contents(folder) == before


def test_folders_that_cannot_be_written_are_refused_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shut").mkdir()
    Path("link.bin").symlink_to("shut/code.bin")
    really = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "shut" and really(path, mode))
    for output in ("shut/code.bin", "link.bin"):
        assert main(["asm", "no.s", "-o", output]) == 1
        assert f"{output}: its folder can't be written to" in capsys.readouterr().err
    assert main(["opt", "net.mlir", "-o", "shut/a.mlir"]) == 1
    assert "its folder can't be written to" in capsys.readouterr().err


def test_a_pipe_that_nobody_reads_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="can't be written"):
        write_whole(tmp_path / "pipe", b"data")
