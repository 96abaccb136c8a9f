"""Sensitivity: what varying a parameter gives is the report with that parameter, and the table is sorted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_counts import priced_everywhere, small_network, traced_result

from cam_compiler.cli import main
from runtime.cost.prices import COUNTER
from runtime.cost.report import Report, make_report
from runtime.cost.sensitivity import Outcome, sensitivity, with_value
from runtime.cost.technology import Technology, kinds, load_technology

NETWORK = small_network()
RESULT = traced_result(NETWORK, 12)
CNN = Path(__file__).parents[1] / "cam_compiler" / "bundled" / "digits_cnn_qdq.onnx"


def reported(technology: Technology) -> Report:
    return make_report(RESULT, NETWORK, technology, batch=5)


def outcome(technology: Technology) -> Outcome:
    report = reported(technology)
    area = sum(area or 0.0 for area in report.area_mm2.values())
    return Outcome(report.total.total_fj / 12, report.total.latency_ns / 12, area)


@pytest.mark.parametrize("factors", [None, (0.25, 3.0)])
def test_each_end_is_the_report_with_that_value(factors: tuple[float, float] | None) -> None:
    technology = priced_everywhere()
    found = sensitivity(reported(technology), RESULT, NETWORK, factors)
    assert found.base == pytest.approx(outcome(technology))
    assert {swing.parameter for swing in found.swings} == kinds().keys() and not found.fixed
    for swing in found.swings:
        for value, end in ((swing.low, swing.at_low), (swing.high, swing.at_high)):
            assert end == pytest.approx(outcome(with_value(technology, swing.parameter, value)), rel=1e-12)
        entry = technology.parameters[swing.parameter]
        if factors is None and entry.range:
            assert (swing.low, swing.high) == entry.range
        elif factors and swing.parameter not in ("row_segments", "arrays_per_tile", "tiles_per_bank"):
            assert (swing.low, swing.high) == (entry.value / 4, entry.value * 3)
        # Each parameter changes something.
        assert any(swing.size(name, found.base) for name in Outcome._fields) or swing.parameter in IDLE
    for name in Outcome._fields:
        sizes = [swing.size(name, found.base) for swing in found.sorted_by(name)]
        assert sizes == sorted(sizes, reverse=True) and all(sizes)


IDLE = {"arrays_per_tile", "tiles_per_bank", "offchip_bits_per_ns", *COUNTER}
"""whole numbers that rounding may leave without an effect, what only schedules share, and what a target without
counters doesn't have"""


def test_a_price_moves_the_total_by_its_share() -> None:
    technology = load_technology("rtsim")
    report = reported(technology)
    found = sensitivity(report, RESULT, NETWORK)
    [swing] = [swing for swing in found.swings if swing.parameter == "shift_fj_per_bit"]
    share = report.total.energy_fj["shift"] / report.total.total_fj
    assert swing.change("energy_fj", found.base) == pytest.approx((-share / 2, share))
    assert swing.change("latency_ns", found.base) == (0.0, 0.0)
    assert set(found.fixed) == {
        name for name, entry in technology.parameters.items() if not entry.value and not entry.range
    }


def test_the_command_shows_and_writes_what_matters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, table = tmp_path / "s.json", tmp_path / "s.csv"
    program = tmp_path / "p.camx"
    assert main(["compile", str(CNN), "-o", str(program), "-q"]) == 0
    for model, output in ((CNN, path), (program, table)):
        assert main(["sensitivity", str(model), "--tech", "dwm", "-o", str(output), "-q"]) == 0
    out = capsys.readouterr().out
    data = json.loads(path.read_text())
    first = data["parameters"][0]
    assert first["parameter"] == "masked_fj_per_bit" and out.index("masked_fj_per_bit") < out.index("shift_fj_per_bit")
    assert first["high"]["energy_fj"] > 2 * data["per_sample"]["energy_fj"]
    rows = list(csv.DictReader(table.open()))
    assert [row["parameter"] for row in rows[1::2]] == [row["parameter"] for row in rows[2::2]]
    assert len(rows) == 1 + 2 * len(data["parameters"])
    # The drawn sample is another one, and so may be what is written; all else follows from the code.
    assert float(rows[0]["latency_ns"]) == pytest.approx(data["per_sample"]["latency_ns"])


@pytest.mark.parametrize("text", ["1", "2,3", "0.5,0.9", "1,1", "-1,2", "nan,2", "0.5,inf", "a,b"])
def test_ranges_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sensitivity", str(CNN), f"--range={text}"])
    assert "expected a factor up to 1 and one from 1 up" in capsys.readouterr().err
