"""Crossbars of resistive memory: inputs bit by bit, a converter for several columns, partial sums added digitally.

The model is analytic. A layer of R inputs and C columns (outputs times cells per weight) on arrays of side N takes
ceil(R/N) * C conversions for each position and activation bit. Its energy is

    conversions * (sub-array + converter)
    + moved bits * wire * array pitch * root of the layer's arrays * converter bits / 5
    + moved bits * buffer

times an overhead. Moved bits are the inputs and the requantised outputs; the root stands for the distance within the
arrays of one layer, the converter's bits for the width of the partial sums. One number, the wire's energy, and the
converters' share of the area are fitted to DNN+NeuroSim's own runs, which docs/rivals.md lists beside the model.
"""

from __future__ import annotations

from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple

from runtime.rivals.estimate import Estimate, Setting, load_settings
from runtime.rivals.workload import Layer, Workload

_NAMES = (
    "array_side",
    "cell_bits",
    "rows_at_a_time",
    "converter_bits",
    "converter_fj",
    "converter_area",
    "subarray_fj",
    "converters_share",
    "wire_fj_per_bit",
    "buffer_fj_per_bit",
    "overhead",
    "read_ns",
)
_SIDE, _BITS = 128, 5
"""the array and the converter that the units of area and width refer to"""


def settings() -> dict[str, Setting]:
    """All crossbars that can be named."""
    return load_settings(Path(__file__).with_suffix(".toml"), _NAMES)


class LayerCounts(NamedTuple):
    """What one layer asks of the crossbars for one image."""

    arrays: int
    conversions: int
    reads: int
    """activations of a row of arrays that follow one another"""
    moved_bits: int


def layer_counts(layer: Layer, setting: Setting) -> LayerCounts:
    """Counts of a layer; a group of a grouped convolution has arrays of its own."""
    side = int(setting["array_side"])
    columns = layer.outputs * ceil(layer.weight_bits / setting["cell_bits"])
    down, across = ceil(layer.inputs / side), ceil(columns / side)
    turns = ceil(min(layer.inputs, side) / setting["rows_at_a_time"])
    steps = layer.positions * layer.activation_bits * turns
    moved = layer.groups * (layer.inputs + layer.outputs) * layer.positions * layer.activation_bits
    return LayerCounts(layer.groups * down * across, layer.groups * down * columns * steps, steps, moved)


def estimate(workload: Workload, setting: Setting) -> Estimate:
    """Energy and latency of one image, layer after layer; throughput where all layers work on successive images."""
    found = [layer_counts(layer, setting) for layer in workload.layers]
    conversions = sum(item.conversions for item in found)
    scale = sqrt(setting["array_side"] / _SIDE)
    wire = setting["wire_fj_per_bit"] * _pitch(setting) * setting["converter_bits"] / _BITS
    energy = {
        "converters": conversions * setting["converter_fj"],
        "sub-arrays": conversions * setting["subarray_fj"] * scale,
        "interconnect": sum(item.moved_bits * sqrt(item.arrays) for item in found) * wire,
        "buffers": sum(item.moved_bits for item in found) * setting["buffer_fj_per_bit"],
    }
    energy["overhead"] = sum(energy.values()) * (setting["overhead"] - 1)
    reads = [item.reads for item in found]
    return Estimate(
        machine="crossbar",
        setting=setting.name,
        energy_fj=energy,
        latency_ns=sum(reads) * setting["read_ns"],
        images_per_second=1e9 / (max(reads) * setting["read_ns"]),
        area_mm2=None,
        arrays=sum(item.arrays for item in found),
        exact=_exactness(setting),
        rests_on=setting.unconfirmed,
        marked=setting.marked({"read_ns": "latency"}),
    )


def _pitch(setting: Setting) -> float:
    """The side of a sub-array with its converters, in sides of one of 128 x 128 cells with 5-bit flash converters."""
    size, share = setting["array_side"] / _SIDE, setting["converters_share"]
    return sqrt((1 - share) * size**2 + share * size * setting["converter_area"])


def _exactness(setting: Setting) -> str:
    most = setting["rows_at_a_time"] * (2 ** setting["cell_bits"] - 1)
    if 2 ** setting["converter_bits"] > most:
        return "exact but for device noise"
    if 2 ** setting["converter_bits"] == most:
        return "exact but for device noise and the greatest sum"
    return f"sums up to {most:.0f} cut to {setting['converter_bits']:.0f} bits"
