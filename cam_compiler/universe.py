"""All dialects and passes of camc by name, imported on first use; known to xDSL's own tools by an entry point."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe


def _ternary() -> Dialect:
    from dialects.ternary import Ternary

    return Ternary


def _apv() -> Dialect:
    from dialects.apv import Apv

    return Apv


def _rtm() -> Dialect:
    from dialects.rtm import Rtm

    return Rtm


def _ap() -> Dialect:
    from dialects.ap import Ap

    return Ap


def _ternary_to_apv() -> type[ModulePass]:
    from passes.convert_ternary_to_apv import ConvertTernaryToApv

    return ConvertTernaryToApv


def _apv_split() -> type[ModulePass]:
    from passes.apv_split import ApvSplit

    return ApvSplit


def _apv_share() -> type[ModulePass]:
    from passes.apv_share import ApvShare

    return ApvShare


def _apv_to_rtm() -> type[ModulePass]:
    from passes.convert_apv_to_rtm import ConvertApvToRtm

    return ConvertApvToRtm


def _rtm_bundle() -> type[ModulePass]:
    from passes.rtm_bundle import RtmBundle

    return RtmBundle


def _rtm_order_tracks() -> type[ModulePass]:
    from passes.rtm_order_tracks import RtmOrderTracks

    return RtmOrderTracks


def _rtm_level_wear() -> type[ModulePass]:
    from passes.rtm_level_wear import RtmLevelWear

    return RtmLevelWear


def _rtm_verify() -> type[ModulePass]:
    from passes.rtm_verify import RtmVerify

    return RtmVerify


def _rtm_to_ap() -> type[ModulePass]:
    from passes.convert_rtm_to_ap import ConvertRtmToAp

    return ConvertRtmToAp


DIALECTS: dict[str, Callable[[], Dialect]] = {"ternary": _ternary, "apv": _apv, "rtm": _rtm, "ap": _ap}

PASSES: dict[str, Callable[[], type[ModulePass]]] = {
    "convert-ternary-to-apv": _ternary_to_apv,
    "apv-split": _apv_split,
    "apv-share": _apv_share,
    "convert-apv-to-rtm": _apv_to_rtm,
    "rtm-bundle": _rtm_bundle,
    "rtm-order-tracks": _rtm_order_tracks,
    "rtm-level-wear": _rtm_level_wear,
    "rtm-verify": _rtm_verify,
    "convert-rtm-to-ap": _rtm_to_ap,
}
"""In the order in which a pipeline may have them."""

CAMC_UNIVERSE = Universe(all_dialects=DIALECTS, all_passes=PASSES)
