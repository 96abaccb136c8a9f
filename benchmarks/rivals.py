"""Validation of the rivals' models against published figures and runs of other simulators.

    python benchmarks/rivals.py [--json FILE]

crossbar   beside DNN+NeuroSim's own runs: total, and the parts of one run
digital    beside the published points of RDCIM, on ResNet-18 at the point's own width
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from oracles.neurosim_runs import BREAKDOWN_UJ, RUNS
from oracles.reference_networks import resnet18

from runtime.rivals import crossbar, digital

_FJ_PER_UJ = 1e9
_RDCIM_UJ = {"rdcim-8b": 219, "rdcim-4b": 55}
"""ResNet-18's 3.63 GOP at 16.6 and 66.3 TOPS/W"""


def crossbar_rows() -> list[dict[str, Any]]:
    """One row per run: the model's total beside the run's, in microjoule."""
    settings = crossbar.settings()
    rows: list[dict[str, Any]] = []
    for run in RUNS:
        total = crossbar.estimate(run.workload, settings[run.setting]).total_fj / _FJ_PER_UJ
        rows.append(
            {
                "model": "crossbar",
                "network": run.workload.name,
                "setting": run.setting,
                "ours_uj": total,
                "theirs_uj": run.total_uj,
            }
        )
    return rows


def breakdown_rows() -> list[dict[str, Any]]:
    """The parts of the first run, before the overhead."""
    energy = crossbar.estimate(RUNS[0].workload, crossbar.settings()[RUNS[0].setting]).energy_fj
    ours = {
        "converters and sub-arrays": energy["converters"] + energy["sub-arrays"],
        "interconnect": energy["interconnect"],
        "buffers": energy["buffers"],
    }
    return [
        {
            "model": "crossbar",
            "network": f"{RUNS[0].workload.name}: {name}",
            "setting": RUNS[0].setting,
            "ours_uj": ours[name] / _FJ_PER_UJ,
            "theirs_uj": theirs,
        }
        for name, theirs in BREAKDOWN_UJ.items()
    ]


def digital_rows() -> list[dict[str, Any]]:
    """One row per published point."""
    network = resnet18()
    return [
        {
            "model": "digital",
            "network": network.name,
            "setting": name,
            "ours_uj": digital.estimate(network, setting, as_published=True).total_fj / _FJ_PER_UJ,
            "theirs_uj": float(_RDCIM_UJ[name]),
        }
        for name, setting in digital.settings().items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows")
    options = parser.parse_args()
    rows = [*crossbar_rows(), *breakdown_rows(), *digital_rows()]
    for row in rows:
        row["ratio"] = row["ours_uj"] / row["theirs_uj"]
        print(
            f"{row['model']:9} {row['network']:50} {row['setting']:14} {row['ours_uj']:8.2f} uJ, "
            f"theirs {row['theirs_uj']:7.2f}: {row['ratio']:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
