"""Reports: every energy is a count times a parameter, every total the sum of its layers; malformed technologies."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cam_compiler.cli import main
from dialects.machine.target import bundled_targets, load_target
from dialects.support.errors import FileError, TargetError
from runtime.cost.counts import OPERATIONS
from runtime.cost.prices import COUNTER, DERIVED, FORMULAS
from runtime.cost.prices import TIMES as TIMES_PRICED
from runtime.cost.technology import bundled_technologies, kinds, load_technology

INPUT = np.random.default_rng(0).random((70, 1, 3)).astype(np.float32)
TIMES = {
    "search_cycles": "search_ps",
    "write_cycles": "write_ps",
    "shift_steps": "shift_ps",
    "move_cycles": "move_ps",
    "count_cycles": "count_ps",
}


def report(small_file: Path, *arguments: str) -> dict[str, Any]:
    """The report of a run of the small network on 70 samples."""
    folder = small_file.parent
    np.save(folder / "x.npy", INPUT)
    command = ["run", str(small_file), "--input", str(folder / "x.npy"), "--report", str(folder / "r.json")]
    assert main([*command, "--pipeline", "unshared", *arguments]) == 0
    return json.loads((folder / "r.json").read_text())


@pytest.mark.parametrize("tech", bundled_technologies())
def test_energies_are_counts_times_parameters(tech: str, small_file: Path) -> None:
    data = report(small_file, "--tech", tech, "--target", "small")
    stated, wires = data["technology"]["parameters"], data["target"]["nanowires_per_cell"]
    derived = {name: {"nanowires": False, **entry} for name, entry in data["technology"]["derived"].items()}
    parameters, formulas = {**stated, **derived}, {**data["formulas"]}
    assert formulas.pop("latency") == [f"{count} * {name}" for count, name in TIMES.items()]
    for layer in data["layers"]:
        for component, products in formulas.items():
            expected = 0.0
            for product in products:
                count, name = product.split(" * ")
                factor = wires if parameters[name]["nanowires"] else 1
                expected += layer["counts"][count] * parameters[name]["value"] * factor
            assert layer["energy_fj"][component] == pytest.approx(expected, rel=1e-12)
        time = sum(layer["counts"][count] * parameters[name]["value"] for count, name in TIMES.items())
        assert layer["latency_ns"] == pytest.approx(time / 1000, rel=1e-12)


def test_totals_are_sums_of_layers(small_file: Path) -> None:
    data = report(small_file)
    layers, total = data["layers"], data["total"]
    assert {"fc", "act"} <= {layer["layer"] for layer in layers}
    for name, count in total["counts"].items():
        assert count == sum(layer["counts"][name] for layer in layers), name
    for name, energy in total["energy_fj"].items():
        assert energy == pytest.approx(sum(layer["energy_fj"][name] for layer in layers), rel=1e-12), name
    parts = [energy for name, energy in total["energy_fj"].items() if name != "total"]
    assert total["energy_fj"]["total"] == pytest.approx(sum(parts), rel=1e-12)
    assert total["latency_ns"] == pytest.approx(sum(layer["latency_ns"] for layer in layers), rel=1e-12)
    assert data["samples"] == 70
    assert data["per_sample"]["energy_fj"] == pytest.approx(total["energy_fj"]["total"] / 70, rel=1e-12)


@pytest.mark.parametrize("batch", [[], ["--batch", "32"]])
def test_operations_sum_to_layers_and_layers_to_the_network(batch: list[str], small_file: Path) -> None:
    data = report(small_file, *batch)
    names = {share["operation"] for share in data["by_operation"]}
    assert names == {"additions", "thresholds", "clears", "loads", "stores"}
    assert [layer["layer"] for layer in data["by_layer"]] == ["fc", "act"]
    assert len(data["layers"]) > 2
    sums = [(layer, layer["operations"]) for layer in data["by_layer"]]
    sums += [(data["total"], part) for part in (data["by_operation"], data["by_layer"], data["layers"])]
    for whole, parts in sums:
        for name, energy in whole["energy_fj"].items():
            assert energy == pytest.approx(sum(part["energy_fj"][name] for part in parts), rel=1e-12), name
        for name in parts[0]["counts"].keys() & whole["counts"].keys():
            assert whole["counts"][name] == pytest.approx(sum(part["counts"][name] for part in parts), rel=1e-12)
        assert whole["latency_ns"] == pytest.approx(sum(part["latency_ns"] for part in parts), rel=1e-12)
    assert {part["part"] for part in data["layers"]} == {1}


def test_figures_of_papers(small_file: Path) -> None:
    data = report(small_file)
    figures = {name: figure["value"] for name, figure in data["figures"].items()}
    energy, time = data["total"]["energy_fj"]["total"] / 70, data["total"]["latency_ns"] / 70
    joules, seconds = energy * 1e-15, time * 1e-9
    assert figures["multiply_accumulates"] == 6
    assert figures["gops"] == pytest.approx(12 / seconds / 1e9)
    assert figures["tops_per_watt"] == pytest.approx(12 / joules / 1e12)
    assert figures["energy_delay_product"] == pytest.approx(joules * seconds)
    assert figures["samples_per_second"] == pytest.approx(1 / seconds)
    assert figures["average_power"] == pytest.approx(joules / seconds)
    # Of each sample three inputs of two bits, and while they are read two outputs of two bits.
    assert figures["buffer_needed"] == -(-70 * (3 * 2 + 2 * 2) // 8)
    assert figures["area_buffer"] == pytest.approx(2097152 * 1.267e-6)
    assert figures["area"] == pytest.approx(sum(figures[name] for name in figures if name.startswith("area_")))
    assert figures["capacity_share"] == 64 / (64 + figures["spare_domains"]) < 1
    assert all(figure["formula"] for figure in data["figures"].values())


def test_area_is_that_of_what_is_stated(small_file: Path) -> None:
    def areas(**stated: float) -> dict[str, Any]:
        path = small_file.parent / "area.toml"
        tables = [f"[{name}]\nvalue = {value}\nsource = 'test'\n" for name, value in stated.items()]
        path.write_text(GOOD + "\n" + "\n".join(tables))
        found = report(small_file, "--tech", str(path), "--target", "small")["figures"]
        return {name: found[name]["value"] for name in found if name.startswith(("area", "spare", "arrays"))}

    once = areas(domain_um2=0.01, cell_um2=0.5, array_um2=100, controller_um2=7, instruction_memory_um2_per_byte=2)
    cell = 2 * (32 + once["spare_domains"]) * 0.01 + 0.5
    assert once["area_cells"] == pytest.approx(once["arrays"] * 64 * 64 * cell / 1e6)
    assert once["area_array_periphery"] == pytest.approx(once["arrays"] * 1e-4)
    assert once["area_controllers"] == pytest.approx(7e-6)
    assert once["area_instruction_memory"] == pytest.approx(2 * 1048576 / 1e6)
    blocks = [value for name, value in once.items() if name.startswith("area_")]
    assert once["area"] == pytest.approx(sum(blocks))
    without = areas(domain_um2=0, cell_um2=0)
    assert without["area"] is None and without["area_cells"] is None and without["area_buffer"] == once["area_buffer"]


def test_several_technologies_and_a_table(small_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = report(small_file, "--tech", "dwm,rtsim", "--explain", "--parts")
    out = capsys.readouterr().out
    [other] = data["other_technologies"]
    assert (data["technology"]["name"], other["technology"]["name"]) == ("dwm", "rtsim")
    assert other["total"]["counts"]["searches"] == data["total"]["counts"]["searches"]
    assert f"searched_row_cells * 4.7 (search_fj_per_bit) = {data['total']['energy_fj']['search']:,.6g} fJ" in out
    assert "200* (write_fj_per_bit)" in out and "fc #1" in out and "store t #1" in out
    folder = small_file.parent
    command = ["run", str(small_file), "--input", str(folder / "x.npy"), "--pipeline", "unshared"]
    assert main([*command, "--tech", "dwm,rtsim", "--report", str(folder / "r.csv")]) == 0
    rows = list(csv.DictReader((folder / "r.csv").open()))
    for found in (data, other):
        mine = [row for row in rows if row["technology"] == found["technology"]["name"]]
        assert [row["layer"] for row in mine if not row["operation"]] == ["fc", "act", ""]
        total = float(mine[-1]["total_energy_fj"])
        assert total == pytest.approx(found["total"]["energy_fj"]["total"], rel=1e-12)
        shares = [row for row in mine if row["layer"] and row["operation"]]
        assert sum(float(row["total_energy_fj"]) for row in shares) == pytest.approx(total, rel=1e-12)
        assert sum(int(row["searched_row_cells"]) for row in shares) == found["total"]["counts"]["searched_row_cells"]


def test_instruction_fetch_can_be_ignored(small_file: Path) -> None:
    whole, without = report(small_file), report(small_file, "--ignore-instruction-fetch")
    assert whole["total"]["energy_fj"]["fetch"] > 0
    assert without["total"]["energy_fj"]["fetch"] == without["total"]["energy_fj"]["program"] == 0
    difference = whole["total"]["energy_fj"]["total"] - without["total"]["energy_fj"]["total"]
    ignored = whole["total"]["energy_fj"]["fetch"] + whole["total"]["energy_fj"]["program"]
    assert difference == pytest.approx(ignored, rel=1e-9)
    assert without["total"]["counts"] == whole["total"]["counts"]


def test_arrays_in_turn(small_file: Path) -> None:
    """70 samples on 3 arrays of 32 rows, of which the target has one: three turns, three fetches."""
    target = small_file.parent / "one.toml"
    target.write_text("rows = 32\ncolumns = 64\ndomains = 32\narrays = 1\n")
    once = target.with_name("many.toml")
    once.write_text(target.read_text().replace("arrays = 1", "arrays = 3"))
    turns, together = report(small_file, "--target", str(target)), report(small_file, "--target", str(once))
    for layer, other in zip(turns["layers"], together["layers"], strict=True):
        assert (layer["rounds"], other["rounds"], layer["arrays"]) == (3, 1, 3)
        assert layer["latency_ns"] == pytest.approx(3 * other["latency_ns"], rel=1e-12)
        fetch = turns["technology"]["parameters"]["fetch_fj_per_bit"]["value"] * layer["counts"]["fetched_bits"]
        assert layer["energy_fj"]["fetch"] == pytest.approx(other["energy_fj"]["fetch"] + 2 * fetch, rel=1e-12)
        assert layer["row_utilisation"] == pytest.approx(70 / 96)


def test_unconfirmed_numbers_are_marked(small_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = report(small_file, "--tech", "date24")
    out = capsys.readouterr().out
    technology = load_technology("date24")
    assert set(data["technology"]["unconfirmed"]) == set(technology.unconfirmed) - {*COUNTER}
    for name in data["technology"]["unconfirmed"]:
        assert f"{technology.parameters[name].status}: {name} = " in out
    marked = {name for name, figure in data["figures"].items() if figure["unconfirmed"]}
    assert {"energy", "latency", "tops_per_watt", "average_power", "area", "area_cells"} <= marked
    assert not marked & {"multiply_accumulates", "arrays", "row_utilisation", "area_buffer", "buffer_needed"}
    assert re.search(r"a sample: \S+ \S+\*, \S+ \S+\*; the batch: ", out) and "TOPS/W*" in out and "samples/s*" in out
    assert "shift_fj_per_bit = 300, taken to be for one of 2 nanowires" in out
    assert "numbers of several processes are mixed, unscaled: 22, 32, 45 nm" in out
    assert set(data["technology"]["not_priced"]) >= {"masked_fj_per_bit", "tag_fj_per_row", "array_leakage_uw"}
    assert "not priced, though a range is stated (camc sensitivity): masked_fj_per_bit" in out
    assert "not priced, for want of a public number: match_fj_per_row" in out


@pytest.mark.parametrize("name", bundled_technologies())
def test_bundled_technologies_state_their_sources(name: str) -> None:
    for parameter in load_technology(name).parameters.values():
        assert parameter.source
        assert ("not confirmed" in parameter.source) == (parameter.status == "recalled")


@pytest.mark.parametrize("name", bundled_targets())
def test_bundled_targets_load(name: str) -> None:
    assert load_target(name).geometry.problem() is None


GOOD = (Path(load_technology.__code__.co_filename).parent / "technologies" / "rtsim.toml").read_text()
BAD = [
    ("[search_ps]\nvalue = 263", "[search_ps]\nvalue = -1", r"expected a number from 0 to 1e\+15, found -1"),
    ("[search_ps]\nvalue = 263", "[search_ps]\nvalue = nan", r"expected a number from 0 to 1e\+15, found nan"),
    ("[search_ps]\nvalue = 263", "[search_ps]\nvalue = inf", r"expected a number from 0 to 1e\+15, found inf"),
    ("[search_ps]\nvalue = 263", "[search_ps]\nvalue = true", r"expected a number from 0 to 1e\+15, found True"),
    ("[search_ps]\nvalue = 263", '[search_ps]\nvalue = "263"', r"expected a number from 0 to 1e\+15, found '263'"),
    ("[search_ps]\nvalue = 263", "[search_ps]", "a number needs a value and its source"),
    ("[search_ps]\n", "[search_ns]\n", "unknown key 'search_ns'"),
    (
        "[search_ps]\n",
        '[sram_exponent]\nvalue = 3\nsource = "x"\n[search_ps]\n',
        "expected a number from 0 to 2, found 3",
    ),
    ("[search_ps]\n", "[search_ps]\nunits = 1\n", "unknown key 'units'"),
    ("[search_ps]\n", '[search_ps]\nunit = "ns"\n', "its unit is ps, found 'ns'"),
    ("[search_ps]\n", "[search_ps]\nrange = [1, 2]\n", "the value 263 lies outside its range 1 to 2"),
    ("[search_ps]\n", "[search_ps]\nrange = 2\n", "a range is two numbers, found 2"),
    (
        "[search_ps]\n",
        '[row_segments]\nvalue = 1.5\nsource = "x"\n[search_ps]\n',
        "a whole number from 1 on, found 1.5",
    ),
    ('description = "RTSim', 'node = 0\ndescription = "RTSim', "a node is a length in nm, found 0"),
    (
        "[search_ps]\n",
        '[search_ps]\nstatus = "guessed"\n',
        "status must be one of published, recalled, assumed, chosen",
    ),
    ("[search_ps]\n", '[search_ps]\nnanowires = "no"\n', "nanowires must be true or false, found 'no'"),
    ("[search_ps]\n", "[search_ps\n", "not valid TOML"),
    ("[write_ps]\nvalue = 4845.22\n", "write_ps = 4\n[write_x]\n", "unknown key 'write_x'|needs a value|not valid"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_malformed_technologies(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(TargetError, match=message) as caught:
        load_technology(str(path))
    assert str(path) in str(caught.value)


def test_the_docs_say_what_every_parameter_and_count_is() -> None:
    docs = Path(__file__).parents[1] / "docs"
    technology, numbers = ((docs / f"{name}.md").read_text() for name in ("technology", "numbers"))
    assert [name for name in kinds() if f"`{name}`" not in technology] == []
    products = [item for products in (*FORMULAS.values(), TIMES_PRICED) for item in products]
    stated = {name for item in products for name in item} - DERIVED.keys() - {"latency_ns"}
    assert sorted(name for name in stated if f"`{name}`" not in numbers) == []
    assert sorted(name for name in OPERATIONS if name not in numbers) == []


def test_missing_and_sourceless_numbers(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    for unit, what in (("ps", "time"), ("fj_per_bit", "energy")):
        path.write_text(re.sub(rf"(?<={unit}\]\nvalue = )\S+", "0", GOOD))
        with pytest.raises(TargetError, match=f"every {what} that it states is 0"):
            load_technology(str(path))
    path.write_text(GOOD[: GOOD.index("[broadcast_fj_per_bit]")])
    with pytest.raises(TargetError, match="missing: broadcast_fj_per_bit"):
        load_technology(str(path))
    path.write_text(GOOD + "\n" + "# end")
    assert load_technology(str(path)).name == "bad"
    path.write_text(GOOD.replace('source = "RTSim RM.config: write 4.84522 ns"', 'source = " "'))
    with pytest.raises(TargetError, match="the source is empty"):
        load_technology(str(path))
    with pytest.raises(TargetError, match="there is no technology"):
        load_technology(str(tmp_path / "no.toml"))
    with pytest.raises(FileError, match="it is a folder"):
        load_technology(str(tmp_path))
