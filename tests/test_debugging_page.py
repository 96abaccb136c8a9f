"""The commands of docs/debugging.md, run in their order on the page's own network and pass."""

from __future__ import annotations

import io
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


def unnumbered(line: str) -> str:
    """A line without the numbers of dumps."""
    return re.sub(r"\(\d\d-", "(", line.strip())


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
        words = shlex.split(line)
        if words[0] == "printf":
            _, _, *typed = words[: words.index("|")]
            monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(typed)))
            words = words[words.index("|") + 1 :]
        camc, command, *rest = words
        assert camc == "camc"
        assert main([command, *rest]) == int(command in ("bisect", "diff")), line
        said += capsys.readouterr().out
    # What the page shows is what the commands say, wherever a pass stands in the pipeline.
    shown = re.findall(r"^    (\S.*)$", PAGE.split("## Which pass")[1], re.MULTILINE)
    assert shown and set(map(unnumbered, shown)) <= set(map(unnumbered, said.splitlines()))
    assert len(Path("small.mlir").read_text().splitlines()) < 15
    assert "down" in Path("down.mlir").read_text()
