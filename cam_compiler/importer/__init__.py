"""The ONNX importer: a quantised network to the `ternary` dialect, in exact arithmetic.

In the order in which a model passes through: `model` (file to nodes), `constants` and `quantizers` (exact constants),
`nodes_*` (one function an operator), `values` (what lies between two nodes), `images`, `windows` and `pools` (what is
special to images), `sums` and `multipliers` (residual branches), `thresholds` and `weights` (the integer tables),
`builder` (the operations), `network` (the loop over all nodes). What needs no scales, such as folding views, is left to
the pass `ternary-canonicalize`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto
    from xdsl.dialects.builtin import ModuleOp


def import_model(source: str | Path | ModelProto) -> ModuleOp:
    """An ONNX file, or a model in memory, as one function @main in the `ternary` dialect.

    Raises ModelError where the model can't be read or holds something that can't be compiled.
    """
    # onnx takes a third of a second to import.
    from cam_compiler.importer.network import import_network

    return import_network(source)
