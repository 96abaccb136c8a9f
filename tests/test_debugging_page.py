"""The commands of docs/debugging.md, run in their order on the page's own network and pass."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from xdsl.universe import Universe

from cam_compiler import universe
from cam_compiler.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "debugging.md").read_text()


def blocks(language: str) -> list[str]:
    """The page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    [network], [code] = blocks("mlir"), blocks("python")
    Path("net.mlir").write_text(network)
    names: dict[str, Any] = {}
    exec(code, names)
    plugged = Universe(all_dialects={}, all_passes={"mine": lambda: names["Mine"]})
    monkeypatch.setattr(universe, "plug_ins", lambda: plugged)
    said = ""
    for line in "".join(blocks("sh")).splitlines():
        camc, command, *rest = shlex.split(line)
        assert camc == "camc"
        assert main([command, *rest]) == int(command == "bisect"), line
        said += capsys.readouterr().out
    # What the page shows of the first command is what it says.
    shown = [text.strip() for text in re.findall(r"^    (\S.*)$", PAGE.split("## Which pass")[1], re.MULTILINE)]
    assert shown and set(shown) <= {text.strip() for text in said.splitlines()}
    assert len(Path("small.mlir").read_text().splitlines()) < 15
    assert "down" in Path("down.mlir").read_text()
