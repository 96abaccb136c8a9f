"""The rivals' models: validated totals, what a workload of a module is, and what doubling a parameter changes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from camc_testing import SMALL_NETWORK

from cam_compiler.cli import main
from cam_compiler.importer import import_model
from dialects.support.errors import InputError, TargetError
from dialects.support.ranges import Range
from runtime.rivals import clusters, crossbar, digital
from runtime.rivals.breakeven import break_even, frontier, most
from runtime.rivals.dataflow import Node, dataflow_of
from runtime.rivals.estimate import Setting, load_settings
from runtime.rivals.workload import Layer, Workload, bits_of, workload_of

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "cam_compiler" / "bundled"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def doubled(setting: Setting, name: str) -> Setting:
    entry = setting.parameters[name]
    return replace(setting, parameters={**setting.parameters, name: replace(entry, value=2 * entry.value)})


def test_crossbar_totals_lie_within_a_quarter_of_the_simulators_own_runs(
    benchmark: Callable[[str], ModuleType],
) -> None:
    rows = benchmark("rivals").crossbar_rows()
    assert len(rows) == 12
    for row in rows:
        assert row["ours"] == pytest.approx(row["theirs"], rel=0.25), row


def test_a_digital_macro_at_its_own_width_is_the_published_point(benchmark: Callable[[str], ModuleType]) -> None:
    for row in benchmark("rivals").digital_rows():
        assert row["ours"] == pytest.approx(row["theirs"], rel=0.01), row


def test_analog_clusters_go_through_the_three_stages_of_the_paper(benchmark: Callable[[str], ModuleType]) -> None:
    rows = benchmark("rivals").cluster_rows()
    assert len(rows) == 10
    for row in rows:
        assert row["ours"] == pytest.approx(row["theirs"], rel=0.1), row


def chain(*rows: int) -> list[Node]:
    """Layers of one crossbar, each over the rows of the one before."""
    return [
        Node(
            f"n{number}", size, 10, 4, (number - 1,) if number else (), Layer("", 9, 4, size * 10, 4, 2), stride=stride
        )
        for number, (size, stride) in enumerate(zip(rows, (1, *(a // b for a, b in pairwise(rows))), strict=True))
    ]


def test_a_pipeline_takes_as_long_as_its_slowest_layer_and_what_fills_it() -> None:
    setting = clusters.settings()["aimc-512"]
    nodes, tile = chain(64, 64, 32), setting["rows_per_tile"]
    run = clusters.run(nodes, clusters.Placement(), setting, batch=4)
    row = 10 * setting["product_ns"]
    # The second begins a tile after the first; the last waits for two tiles for one of its own.
    assert run.done_ns[0] == pytest.approx((64 + tile + tile) * row)
    assert run.interval_ns == pytest.approx(64 * row)
    assert run.bound == "n0"
    copied = clusters.run(nodes, clusters.Placement({"n0": 2, "n1": 2}), setting, batch=4)
    assert copied.interval_ns == pytest.approx(32 * row)


def test_residuals_off_the_chip_share_one_channel() -> None:
    setting = clusters.settings()["aimc-512"]
    nodes = [*chain(16, 16), Node("add", 16, 10, 4, (0, 1))]
    run = clusters.run(nodes, clusters.Placement(residuals_on_chip=False), setting, batch=1)
    inside = clusters.run(nodes, clusters.Placement(), setting, batch=1)
    moved = 2 * 16 * 10 * 4
    assert run.batch_ns - inside.batch_ns == pytest.approx(moved / setting["offchip_bytes_per_ns"])
    assert run.busy_ns["off-chip residuals"] == pytest.approx(moved / setting["offchip_bytes_per_ns"])


def test_more_clusters_are_never_slower_and_too_few_are_refused() -> None:
    setting, nodes = clusters.settings()["aimc-512"], chain(64, 64, 32)
    placements = [clusters.balanced(nodes, setting, number) for number in (5, 8, 16, 64)]
    intervals = [clusters.run(nodes, placement, setting, batch=8).interval_ns for placement in placements]
    assert intervals == sorted(intervals, reverse=True) and intervals[0] > intervals[-1]
    for number, placement in zip((5, 8, 16, 64), placements, strict=True):
        assert clusters.clusters_in_use(nodes, placement, setting) <= number
    with pytest.raises(InputError, match="one copy of each layer takes 5 clusters, there are 4"):
        clusters.balanced(nodes, setting, 4)


def test_the_dataflow_of_a_residual_network_joins_its_branches() -> None:
    nodes = dataflow_of(import_model(BUNDLED / "digits_cnn_qdq.onnx"))
    assert any(clusters.joins(node) for node in nodes)
    assert all(source < number for number, node in enumerate(nodes) for source in node.sources)
    assert [node.sources for node in nodes if not node.sources] == [()]
    assert len({node.name for node in nodes}) == len(nodes)
    run = clusters.run(nodes, clusters.Placement(), clusters.settings()["aimc-512"], batch=3)
    assert len(run.done_ns) == 3 and sorted(run.done_ns) == list(run.done_ns)


def test_a_narrower_operation_costs_a_digital_macro_in_proportion_to_both_widths() -> None:
    layer = Layer("one", 9, 4, 10, activation_bits=4, weight_bits=2)
    setting = digital.settings()["rdcim-8b"]
    narrow = digital.estimate(Workload("narrow", (layer,)), setting).total_fj
    assert digital.estimate(Workload("narrow", (layer,)), setting, as_published=True).total_fj == narrow * 8


@pytest.mark.parametrize(
    "parameter, component",
    [
        ("converter_fj", "converters"),
        ("subarray_fj", "sub-arrays"),
        ("wire_fj_per_bit", "interconnect"),
        ("buffer_fj_per_bit", "buffers"),
    ],
)
def test_doubling_a_parameter_doubles_its_component_alone(parameter: str, component: str) -> None:
    workload = Workload("two", (Layer("a", 27, 64, 100, 4, 2), Layer("b", 576, 64, 100, 4, 2, groups=2)))
    setting = crossbar.settings()["rram22-flash5"]
    before = crossbar.estimate(workload, setting)
    after = crossbar.estimate(workload, doubled(setting, parameter))
    for name, energy in before.energy_fj.items():
        if name != "overhead":
            assert after.energy_fj[name] == pytest.approx(energy * (2 if name == component else 1))
    assert (after.latency_ns, after.arrays) == (before.latency_ns, before.arrays)


def test_a_layer_by_hand() -> None:
    """300 inputs are 3 arrays of 128 rows; 70 outputs of 2 bits are 140 columns, 2 arrays across."""
    layer = Layer("by hand", 300, 70, positions=10, activation_bits=4, weight_bits=2)
    counts = crossbar.layer_counts(layer, crossbar.settings()["rram22-flash5"])
    assert counts == (6, 3 * 140 * 40, 40, 370 * 40)
    assert crossbar.layer_counts(layer, crossbar.settings()["rram22-rows32"]).conversions == 4 * 3 * 140 * 40


def test_the_workload_of_a_module_has_the_shapes_of_its_products() -> None:
    workload = workload_of(import_model(BUNDLED / "digits_mlp_qdq.onnx"), "digits")
    assert [(item.inputs, item.outputs, item.positions, item.weight_bits) for item in workload.layers] == [
        (64, 64, 1, 2),
        (64, 64, 1, 2),
        (64, 10, 1, 2),
    ]
    assert workload.operations == 2 * (64 * 64 * 2 + 640)
    convolutions = workload_of(import_model(BUNDLED / "digits_cnn_qdq.onnx"), "cnn")
    assert {item.positions for item in convolutions.layers} > {1}


@pytest.mark.parametrize(
    "low, high, bits",
    [(0, 1, 1), (0, 15, 4), (0, 16, 5), (-1, 1, 2), (-1, 0, 2), (-2, 1, 2), (-3, 3, 3), (-128, 127, 8)],
)
def test_bits_of_a_range(low: int, high: int, bits: int) -> None:
    assert bits_of(Range(low, high)) == bits


def test_malformed_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rival.toml"
    for text, found in (
        ('[base.side]\nvalue = 1\nsource = "s"\n', "missing: depth"),
        ('[base.size]\nvalue = 1\nsource = "s"\n', "unknown key 'size'"),
        ('[base.side]\nvalue = -1\nsource = "s"\n', "expected a number"),
        ("base = 1\n", "a setting is a table"),
    ):
        path.write_text(text)
        with pytest.raises(TargetError, match=found):
            load_settings(path, ("side", "depth"))


ENERGY = {"search": 10.0, "write": 30.0, "shift": 50.0, "fetch": 10.0}


def test_break_even_of_one_component_and_of_several() -> None:
    assert most(ENERGY, ["shift"], 60.0) == pytest.approx(0.2)
    assert most(ENERGY, ["shift"], 200.0) == pytest.approx(3.0)
    assert most(ENERGY, ["search"], 60.0) is None
    ends = frontier(ENERGY, "write", "shift", 40.0)
    assert ends == pytest.approx((20 / 30, 20 / 50))
    for share in (0.0, 0.3, 1.0):
        first, second = share * ends[0], (1 - share) * ends[1]
        assert 20 + first * ENERGY["write"] + second * ENERGY["shift"] == pytest.approx(40.0)
    assert frontier(ENERGY, "write", "shift", 19.0) is None
    found = break_even(ENERGY, 19.0)
    assert found.others_fj == 10 and {*found.alone.values(), *found.pairs.values()} == {None}
    # A tenth of all three, and what is fetched.
    assert found.together == pytest.approx(0.1)
    assert break_even(ENERGY, 9.0).together is None
    assert break_even({**ENERGY, "fetch": 0.0}, 9.0).together == pytest.approx(0.1)


def test_compare_writes_one_row_per_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.json"
    model = str(BUNDLED / "digits_mlp_qdq.onnx")
    assert main(["compare", model, "--tech", "dwm,rtsim", "-o", str(path), "-q"]) == 0
    shown = capsys.readouterr().out
    found = json.loads(path.read_text())
    settings = {name for rival in (crossbar, digital, clusters) for name in rival.settings()}
    assert [row["setting"] for row in found["machines"][:2]] == ["dwm", "rtsim"]
    assert [(row["machine"], row["setting"]) for row in found["machines"][2:4]] == [
        ("the same, flow date24", "dwm"),
        ("the same, flow date24", "rtsim"),
    ]
    counted = found["machines"][4:6]
    assert [row["machine"] for row in counted] == ["arrays with counters of tags, flow count"] * 2
    assert all(row["energy_uj"] < other["energy_uj"] for row, other in zip(counted, found["machines"], strict=False))
    assert {row["setting"] for row in found["machines"][6:]} == settings
    for row in found["machines"]:
        assert row["setting"] in shown
        assert row["tops_per_watt"] == pytest.approx(2e-6 * found["multiply_accumulates"] / row["energy_uj"])
    for row in found["machines"][:6]:
        assert sum(row["components_uj"].values()) == pytest.approx(row["energy_uj"])
    assert len(found["break_even"]) == 2 * len(settings) * 2
    for item in found["break_even"]:
        own = next(row for row in found["machines"] if row["setting"] == item["setting"])
        rival = next(row for row in found["machines"] if row["setting"] == item["rival"])
        assert item["budget_uj"] == pytest.approx(rival["energy_uj"] / item["factor"])
        check_break(item, own["components_uj"], item["budget_uj"])
        check_break(item["without_instructions"], {**own["components_uj"], "fetch": 0, "program": 0}, item["budget_uj"])
    assert (
        f"for {sum(item['together'] is None for item in found['break_even'])} of {4 * len(settings)} no price" in shown
    )
    # What rests on numbers that are not published is marked where it stands.
    own = found["machines"][0]
    assert own["marked"] == ["energy", "latency", "area"]
    for figure in (f"{own['energy_uj']:,.4g} µJ*", f"{own['latency_ms']:,.3g} ms*", f"{own['area_mm2']:,.3g} mm²*"):
        assert figure in shown
    assert "480 mm² " in shown


def check_break(found: dict[str, Any], components: dict[str, float], budget: float) -> None:
    """The factors meet the budget; where there is none, the other parts alone exceed it."""
    priced = ("search", "write", "shift")
    whole = sum(components.values())
    assert found["others_uj"] == pytest.approx(whole - sum(components[name] for name in priced))
    for name, factor in found["alone"].items():
        rest = whole - components[name]
        assert rest > budget if factor is None else rest + factor * components[name] == pytest.approx(budget)
    for pair in found["pairs"]:
        parts = [components[name] for name in pair["components"]]
        for part, factor in zip(parts, pair["ends"] or (None, None), strict=True):
            rest = whole - sum(parts)
            assert rest > budget if factor is None else rest + factor * part == pytest.approx(budget)
    factor, rest = found["together"], found["others_uj"]
    assert rest > budget if factor is None else rest + factor * (whole - rest) == pytest.approx(budget)


def test_compare_takes_programs_of_other_flows_if_they_compute_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, other, path = str(BUNDLED / "digits_mlp_qdq.onnx"), tmp_path / "u.camx", tmp_path / "r.json"
    assert main(["compile", model, "--pipeline", "unshared", "-o", str(other), "-q"]) == 0
    given = ["compare", model, "--program", str(other), "--tech", "dwm", "-q", "-o", str(path)]
    assert main([*given, "--flow", f"unshared={other}", "--flow", "default"]) == 0
    own, same, default, *_ = json.loads(path.read_text())["machines"]
    assert same["machine"] == "the same, flow unshared" and same["components_uj"] == own["components_uj"]
    assert default["machine"] == "the same, flow default" and default["energy_uj"] < own["energy_uj"]
    paper = ["compare", model, "--pipeline", "date24", "--tech", "dwm", "-q", "-o", str(path)]
    assert main(paper) == 0
    machines = [row["machine"] for row in json.loads(path.read_text())["machines"]]
    assert machines[1:3] == ["arrays with counters of tags, flow count", "crossbar"]
    assert main([*given, "--flow", "none"]) == 0
    assert json.loads(path.read_text())["machines"][1]["machine"] == "crossbar"
    capsys.readouterr()
    small = tmp_path / "small.mlir"
    small.write_text(SMALL_NETWORK)
    third = tmp_path / "third.camx"
    changed = tmp_path / "changed.mlir"
    changed.write_text(SMALL_NETWORK.replace("+0-", "+0+"))
    assert main(["compile", str(changed), "-o", str(third), "-q"]) == 0
    assert main(["compare", str(small), "--tech", "dwm", "-q", "--flow", f"date24={third}"]) == 1
    assert "its output 'y' is another one" in capsys.readouterr().err
    assert main([*given, "--flow", "date25"]) == 1
    assert "there is no pass 'date25'" in capsys.readouterr().err


def test_compare_goes_without_a_flow_that_needs_larger_arrays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "narrow.toml"
    target.write_text("rows = 64\ncolumns = 24\ndomains = 16\n")
    model = str(BUNDLED / "digits_mlp_qdq.onnx")
    assert main(["compare", model, "--tech", "dwm", "-q", "--target", str(target)]) == 0
    shown = capsys.readouterr()
    assert "without date24, for which the arrays are too small: the network needs up to" in shown.err
    assert "flow date24" not in shown.out and "associative processor" in shown.out


def test_compare_refuses_what_has_no_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "p.camx")]) == 1
    assert "give the model, and the program with --program" in capsys.readouterr().err
