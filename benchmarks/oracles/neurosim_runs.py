"""Runs of DNN+NeuroSim with synthetic traces: energy of an image in microjoule, for the crossbar model's validation.

22 nm RRAM unless stated, one bit per cell, converters shared by eight columns, ternary weights offset-coded. Two runs
are stated as a range for two settings together ("8-bit SAR, or 32 rows at a time, 84 to 94"): each end is given to one.
"""

from __future__ import annotations

from typing import NamedTuple

from oracles.reference_networks import resnet18, vgg9

from runtime.rivals.workload import Workload


class Run(NamedTuple):
    """One run: the network with its bits, the setting by its name in the crossbar model, and the total."""

    workload: Workload
    setting: str
    total_uj: float


_RESNET, _VGG = resnet18(), vgg9()

RUNS = (
    Run(_RESNET.quantised(2, 4), "rram22-flash5", 46.5),
    Run(_RESNET.quantised(2, 8), "rram22-flash5", 83.9),
    Run(_RESNET.quantised(8, 8), "rram22-flash5", 246),
    Run(_RESNET.quantised(2, 4), "rram22-256", 38.2),
    Run(_RESNET.quantised(2, 8), "rram22-256", 72.4),
    Run(_VGG.quantised(2, 4), "rram22-flash5", 3.6),
    Run(_VGG.quantised(2, 8), "rram22-flash5", 6.3),
    Run(_VGG.quantised(8, 8), "rram22-flash5", 19.2),
    Run(_RESNET.quantised(2, 4), "rram22-sar8", 84),
    Run(_RESNET.quantised(2, 4), "rram22-rows32", 94),
    Run(_RESNET.quantised(2, 4), "rram22-flash8", 284),
    Run(_RESNET.quantised(2, 4), "rram32-flash5", 76),
)

BREAKDOWN_UJ = {"converters and sub-arrays": 11.3 + 2.4, "interconnect": 19.9, "buffers": 0.4}
"""of the first run, before the overhead: converters and word lines 11.3, accumulation 2.4"""
