"""The ONNX importer: a quantised network to the `ternary` dialect, in exact arithmetic.

In the order in which a model passes through: `model` (file to nodes), `constants` and `arithmetic/quantizers` (exact
constants), `nodes/` (one function per operator), `values` (what lies between two nodes), `linear` and `masks` (sums of
integers with scales of their own), `images`, `windows`, `convolutions` and `pools` (what is special to images),
`products` and `arithmetic/weights` (integer matrices), `arithmetic/sums`, `multipliers` and `separation` (those
of sums before a quantiser), `arithmetic/thresholds` (the integer tables), `builder` (the operations), `network` (the
loop over all nodes). What needs no scales, such as folding views, is left to the pass `ternary-canonicalize`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto
    from xdsl.dialects.builtin import ModuleOp


def import_model(
    source: str | Path | ModelProto,
    input_types: Mapping[str, str] | None = None,
    quantise_inputs: Mapping[str, str] | None = None,
) -> ModuleOp:
    """An ONNX file, or a model in memory, as one function @main in the `ternary` dialect.

    `input_types` say by name which numbers an input holds, such as {"x": "UINT8*1/255"}; others are refused when the
    network runs. `quantise_inputs` say to which numbers it is rounded. An empty name stands for the only input. Raises
    ModelError where the model can't be read or holds something that can't be compiled, InputError where what is said
    about the inputs doesn't fit."""
    # onnx takes a third of a second to import.
    from cam_compiler.importer.network import import_network

    return import_network(source, input_types, quantise_inputs)
