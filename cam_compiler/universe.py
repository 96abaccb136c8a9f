"""All dialects and passes of camc by name, imported on first use; known to xDSL's own tools by an entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe


def _in(place: str) -> Callable[[], Any]:
    """What imports `module:name` when it is called."""
    module, _, name = place.partition(":")
    return lambda: getattr(import_module(module), name)


DIALECTS: dict[str, Callable[[], Dialect]] = {
    "ternary": _in("dialects.ternary:Ternary"),
    "apv": _in("dialects.apv:Apv"),
    "rtm": _in("dialects.rtm:Rtm"),
    "ap": _in("dialects.ap:Ap"),
}

PASSES: dict[str, Callable[[], type[ModulePass]]] = {
    "ternary-canonicalize": _in("passes.ternary_canonicalize:TernaryCanonicalize"),
    "ternary-pool-rows": _in("passes.ternary_pool_rows:TernaryPoolRows"),
    "ternary-rescale": _in("passes.ternary_rescale:TernaryRescale"),
    "convert-ternary-to-apv": _in("passes.convert_ternary_to_apv:ConvertTernaryToApv"),
    "apv-choose": _in("cam_compiler.apv_choose:ApvChoose"),
    "apv-across": _in("passes.apv_across:ApvAcross"),
    "apv-count": _in("passes.apv_count:ApvCount"),
    "apv-split": _in("passes.apv_split:ApvSplit"),
    "apv-share": _in("passes.apv_share:ApvShare"),
    "convert-apv-to-rtm": _in("passes.convert_apv_to_rtm:ConvertApvToRtm"),
    "rtm-bundle": _in("passes.rtm_bundle:RtmBundle"),
    "rtm-order-tracks": _in("passes.rtm_order_tracks:RtmOrderTracks"),
    "rtm-level-wear": _in("passes.rtm_level_wear:RtmLevelWear"),
    "rtm-verify": _in("passes.rtm_verify:RtmVerify"),
    "convert-rtm-to-ap": _in("passes.convert_rtm_to_ap:ConvertRtmToAp"),
    "ap-pair": _in("passes.ap_pair:ApPair"),
    "ap-prefix": _in("passes.ap_prefix:ApPrefix"),
}
"""In the order in which a pipeline may have them."""

GENERAL_PASSES: dict[str, Callable[[], type[ModulePass]]] = {
    "canonicalize": _in("xdsl.transforms.canonicalize:CanonicalizePass"),
    "cse": _in("xdsl.transforms.common_subexpression_elimination:CommonSubexpressionElimination"),
    "dce": _in("xdsl.transforms.dead_code_elimination:DeadCodeElimination"),
}
"""Passes of xDSL that know nothing of a dialect."""


def find_pass(name: str) -> Callable[[], type[ModulePass]] | None:
    """A pass by its name: one of camc, of xDSL (`canonicalize`, `cse`, `dce`), or of an installed plug-in.

    A plug-in is a `Universe` that a package names as an entry point in the group `xdsl.universe`.
    """
    return PASSES.get(name) or GENERAL_PASSES.get(name) or plug_ins().all_passes.get(name)


def plug_ins() -> Universe:
    """What packages other than xDSL and camc bring along."""
    from importlib.metadata import entry_points

    dialects: dict[str, Callable[[], Dialect]] = {}
    passes: dict[str, Callable[[], type[ModulePass]]] = {}
    for entry in entry_points(group="xdsl.universe"):
        if entry.value.partition(".")[0] not in ("xdsl", "cam_compiler"):
            universe: Universe = entry.load()
            dialects |= universe.all_dialects
            passes |= universe.all_passes
    return Universe(all_dialects=dialects, all_passes=passes)


CAMC_UNIVERSE = Universe(all_dialects=DIALECTS, all_passes=PASSES)
