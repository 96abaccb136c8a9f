"""The paper's table: flows that compute the same, additions as pipelines state them, and programs that are kept."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from dialects.machine.target import Target, load_target
from runtime.cost.technology import load_technology
from runtime.executor import Executor

TECHNOLOGIES = [load_technology("rtsim"), load_technology("dwm")]


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("paper")


def test_a_small_network_of_the_table(paper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    cache, target = paper.Cache(tmp_path / "kept", said.append), load_target("small")
    options = paper.Options(width=0.08, side=8)
    entry = paper.measure(cache, "vgg9", options, target, TECHNOLOGIES, ["date24", "counting"])
    assert [line for line in said if line.endswith("...")] == [
        "vgg9, 4 bits: writing the network ...",
        "vgg9-4b: compiling and running default ...",
        "vgg9-4b: compiling and running date24 ...",
        "vgg9-4b: compiling and running counting ...",
    ]
    unshared = cache.program(cache.model("vgg9", options), "none", "unshared", target).additions
    assert entry.unshared == unshared >= entry.additions["date24"] > entry.additions["default"] > 0
    own, flows = entry.comparison.own, entry.comparison.flows
    assert [row.setting for row in own] == ["rtsim", "dwm"]
    assert [row.machine for row in flows] == 2 * ["the same, flow date24"] + 2 * [
        "arrays with counters of tags, flow counting"
    ]
    assert all(ours.energy_uj < theirs.energy_uj for ours, theirs in zip(own, flows[:2], strict=True))
    text = "\n".join(paper.lines(entry))
    assert f"additions: {unshared:,} without sharing, {entry.additions['default']:,} default" in text
    for row in entry.comparison.rows:
        assert f"{row.machine:44}{row.setting:15}" in text
    assert entry.to_json()["network"] == "vgg9"
    assert entry.to_json()["additions"] == {"unshared": unshared, **entry.additions}

    # What is kept is neither compiled nor run again, and says the same.
    said.clear()
    monkeypatch.delattr(Executor, "run")
    again = paper.measure(cache, "vgg9", options, target, TECHNOLOGIES, ["date24", "counting"])
    assert again.to_json() == entry.to_json()
    assert not said


def test_without_the_papers_flow_where_arrays_are_too_small(
    paper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    cache, target = paper.Cache(tmp_path, said.append), Target("narrow", rows=64, columns=12, domains=14)
    entry = paper.measure(cache, "vgg9", paper.Options(width=0.05, side=8), target, TECHNOLOGIES[:1], ["date24"])
    assert any(line.startswith("vgg9: without date24: ") for line in said)
    assert entry.additions.keys() == {"default"} and not entry.comparison.flows
