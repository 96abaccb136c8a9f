"""What README and docs show is what happens: commands, their output, IR and scripts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from runpy import run_path

import numpy as np
import onnx
import pytest
from docs_testing import DocsError, blocks_of, check_output, run_page
from onnx_testing import Net

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = [page for page in PAGES if any(block.runs for block in blocks_of(page))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "path", [*sys.path])
    _lay_out(tmp_path)
    assert run_page(page, tmp_path)


def _lay_out(folder: Path) -> None:
    """The files that pages speak of in general terms."""
    net = Net(4)
    net.quant("x", 0.25, bits=2, signed=0)
    net.op("MatMul", net.last, net.weights([[1, 0, -1], [0, 1, 1], [-1, 1, 0], [1, 0, 0]], 1.0))
    net.quant(net.op("Relu", net.last), 0.5, bits=2, signed=0)
    onnx.save(net.model(), folder / "MODEL.onnx")
    image, label = np.eye(4, dtype=np.float32)[:3], np.arange(3)
    np.save(folder / "X.npy", image)
    np.save(folder / "L.npy", label)
    np.savez(folder / "DATA.npz", image=image, label=label)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / path).exists(), path
    for script in re.findall(r"python ((?:benchmarks|docs|tests)/[\w/]+\.py)", text):
        assert (ROOT / script).exists(), script


def test_reference_pages_are_current() -> None:
    for name, make in run_path(str(ROOT / "docs" / "make_reference.py"))["PAGES"].items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == make(), "run python docs/make_reference.py"


def test_an_output_that_differs_is_noticed() -> None:
    check_output("say", ["a", "...", "d"], "a\nb\nc\nd\n")
    check_output("say", ["a", "..."], "a\n")
    for expected in (["a"], ["a", "...", "c"], ["b", "..."], []):
        with pytest.raises(DocsError, match="something else"):
            check_output("say", expected, "a\nd\n")
