"""Analog in-memory clusters: a crossbar and digital cores each, layers spread over clusters, images pipelined.

A layer of R inputs and C outputs takes ceil(R/256) * ceil(C/256) crossbars, each in a cluster of its own, and where R
is split, clusters that add partial sums. Pooling and residual sums take a cluster each. Layers work at the same time on
successive tiles of rows of an image, and on successive images. Copies of a layer share its rows. Residuals wait in the
memory of spare clusters, or go off the chip and back through one channel that all of them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from dialects.support.errors import InputError
from runtime.rivals.dataflow import Node, products
from runtime.rivals.estimate import Estimate, Setting, load_settings
from runtime.rivals.pipeline import PipelineRun, Server, simulate
from runtime.rivals.workload import Layer

_NAMES = (
    "clusters",
    "array_side",
    "product_ns",
    "arrays_per_reduction",
    "rows_per_tile",
    "offchip_bytes_per_ns",
    "product_pj",
    "cluster_mm2",
)
_FIGURES = {
    "product_ns": "latency",
    "rows_per_tile": "latency",
    "offchip_bytes_per_ns": "latency",
    "cluster_mm2": "area",
}
"""what parameters decide, where that isn't the energy"""
_FJ_PER_PJ = 1e3


def settings() -> dict[str, Setting]:
    """All machines of analog clusters that can be named."""
    return load_settings(Path(__file__).with_suffix(".toml"), _NAMES)


@dataclass(frozen=True)
class Placement:
    """How a network is spread over the machine: copies of each layer by name, 1 if it isn't named; where residuals
    wait."""

    copies: dict[str, int] = field(default_factory=dict[str, int])
    residuals_on_chip: bool = True


def crossbars_of(layer: Layer, setting: Setting) -> int:
    """Crossbars that hold one copy of a layer."""
    side = int(setting["array_side"])
    return layer.groups * ceil(layer.inputs / side) * ceil(layer.outputs / side)


def clusters_of(node: Node, setting: Setting) -> int:
    """Clusters that one copy of a node takes, those that add partial sums among them."""
    if node.layer is None:
        return 1
    crossbars = crossbars_of(node.layer, setting)
    split = node.layer.inputs > setting["array_side"]
    return crossbars + (ceil(crossbars / setting["arrays_per_reduction"]) if split else 0)


def clusters_in_use(nodes: Sequence[Node], placement: Placement, setting: Setting) -> int:
    """Clusters of all copies of all nodes, and those whose memory holds residuals."""
    used = sum(clusters_of(node, setting) * placement.copies.get(node.name, 1) for node in nodes)
    return used + (_RESIDUAL_CLUSTERS if placement.residuals_on_chip else 0)


_RESIDUAL_CLUSTERS = 2
"""spare clusters of 1 MB that hold the 1.6 MB of residuals that wait at a time (DATE 2023)"""


def run(nodes: Sequence[Node], placement: Placement, setting: Setting, batch: int) -> PipelineRun:
    """A batch of images through the pipeline."""
    servers = [
        Server(
            node,
            0.0 if node.layer is None else node.columns * setting["product_ns"] / placement.copies.get(node.name, 1),
            # A residual goes out and comes back, a byte for each element.
            0.0 if placement.residuals_on_chip or not joins(node) else 2 * node.columns * node.channels,
        )
        for node in nodes
    ]
    return simulate(servers, batch, int(setting["rows_per_tile"]), setting["offchip_bytes_per_ns"])


def joins(node: Node) -> bool:
    """Whether a node adds branches, one of which had to wait."""
    return node.layer is None and len(node.sources) > 1


def balanced(nodes: Sequence[Node], setting: Setting, clusters: int) -> Placement:
    """Copies of the slowest layer until the clusters are used up; raises InputError where one of each has no room."""
    copies = {node.name: 1 for node in nodes if node.layer}
    size = {node.name: clusters_of(node, setting) for node in nodes}
    left = clusters - clusters_in_use(nodes, Placement(copies), setting)
    if left < 0:
        raise InputError(f"one copy of each layer takes {clusters - left} clusters, there are {clusters}")
    positions = {node.name: node.rows * node.columns for node in nodes if node.layer}
    while True:
        slowest = max(copies, key=lambda name: positions[name] / copies[name])
        if size[slowest] > left or copies[slowest] >= positions[slowest]:
            return Placement(copies)
        copies[slowest] += 1
        left -= size[slowest]


def estimate(nodes: Sequence[Node], placement: Placement, setting: Setting) -> Estimate:
    """Energy and latency of one image, and the images per second of a pipeline that is full."""
    long = run(nodes, placement, setting, batch=8)
    count = sum(layer.positions * crossbars_of(layer, setting) for layer in products(nodes))
    used = clusters_in_use(nodes, placement, setting)
    return Estimate(
        machine="analog clusters",
        setting=setting.name,
        energy_fj={"clusters": count * setting["product_pj"] * _FJ_PER_PJ},
        latency_ns=long.done_ns[0],
        images_per_second=1e9 / long.interval_ns,
        area_mm2=setting["clusters"] * setting["cluster_mm2"],
        arrays=used,
        exact="analog sums, not exact",
        rests_on=setting.unconfirmed,
        marked=setting.marked(_FIGURES),
    )
