"""Digital in-memory processors: bit-serial inputs, one-bit products in the memory, an adder tree at its edge.

Two published points carry the model: the energy of an operation at 8 and at 4 bits of both operands. Their ratio is
4.0, as is expected of bit-serial inputs and bit-parallel weights: an operation costs activation bits times weight bits.
So an operation of a layer is priced by that product, from the point that is named. Buffers and movement are not in it,
and weights that are zero save nothing."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from runtime.rivals.estimate import Estimate, Setting, load_settings
from runtime.rivals.workload import Workload

_NAMES = ("bits", "tops_per_watt", "macro_rows")
_FJ_PER_PJ = 1e3


def settings() -> dict[str, Setting]:
    """All digital in-memory processors that can be named."""
    return load_settings(Path(__file__).with_suffix(".toml"), _NAMES)


def estimate(workload: Workload, setting: Setting, *, as_published: bool = False) -> Estimate:
    """Energy of one image; `as_published` prices every operation at the point's own width, whatever the layer's is."""
    operation_fj = _FJ_PER_PJ / setting["tops_per_watt"]
    share = {
        layer.name: 1.0 if as_published else layer.activation_bits * layer.weight_bits / setting["bits"] ** 2
        for layer in workload.layers
    }
    rows = int(setting["macro_rows"])
    return Estimate(
        machine="digital in-memory",
        setting=setting.name,
        energy_fj={"macros": sum(2 * layer.macs * share[layer.name] * operation_fj for layer in workload.layers)},
        latency_ns=None,
        images_per_second=None,
        area_mm2=None,
        arrays=sum(
            layer.groups * ceil(layer.inputs / rows) * ceil(layer.outputs * layer.weight_bits / rows)
            for layer in workload.layers
        ),
        exact="exact integers",
        rests_on=setting.unconfirmed,
        marked=setting.marked({"macro_rows": "arrays"}),
    )
