"""apv-across: layers whose accumulators stand still, with all values across columns.

Stands between convert-ternary-to-apv and apv-split. A stage that adds up one layer from loaded inputs, and goes on
output by output, is marked; apv-split and apv-share leave it alone, and convert-apv-to-rtm lays it across columns
(passes/placing/standing.py), where the array has room.

    %r = apv.stage : tensor<?x64x!ternary.int<0, 15>> { ... apv.linear ... }
  becomes
    %r = apv.stage across : tensor<?x64x!ternary.int<0, 15>> { ... apv.linear ... }

Layers that follow one another in a stage get stages of their own. Where this pays, apv-choose finds out.

A layer that is marked `across pairs` adds two inputs to an accumulator at a time (ap-pair), which takes more searched
cells, in all rows of the arrays, and fewer written ones, in those that are in use. `pairs` says where: "fit" (the
default) where rows fill the arrays well enough for the bundled technologies, "all" everywhere, "none" nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from dialects import apv
from dialects.apv.types import column_rows, ranges_of
from dialects.machine.isa import NO_CELL, Instruction, Op, Operand, keyed_cells
from dialects.machine.target import Geometry
from dialects.rtm.target import target_of
from dialects.support.instrumentation import Figure, did
from dialects.support.tensors import IntArray
from passes.apv_split import is_by_channel, isolate
from passes.placing.standing import Shape, shape_of, sum_widths


class StandingLayer(NamedTuple):
    """The layer of a stage whose accumulators can stand still, and how they lie."""

    op: apv.LinearOp
    weights: IntArray
    """without those of inputs that are always zero"""
    shape: Shape
    offset: bool
    """all that follows are thresholds, which don't mind where an accumulator begins"""


_SAVED = 2.2
"""written cells that an instruction saves which adds two numbers, measured on ResNet-18"""
_WRITE = 132
"""energy of a written cell in searched ones: the geometric mean of the bundled technologies"""


@dataclass(frozen=True)
class ApvAcross(ModulePass):
    """Lay the values of layers across columns."""

    name = "apv-across"

    pairs: Literal["fit", "all", "none"] = "fit"
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        geometry = target_of(op).geometry
        for stage in [item for item in op.walk() if isinstance(item, apv.StageOp)]:
            isolate_layers(stage, geometry)
        for stage in [item for item in op.walk() if isinstance(item, apv.StageOp)]:
            layer = standing_layer(stage, geometry)
            if layer is None:
                continue
            stage.across = UnitAttr()
            if self.pairs == "all" or (self.pairs == "fit" and pairs_fit(layer, geometry)):
                stage.pairs = UnitAttr() if _standing(layer.op, geometry, pairs=True) else None
            name = layer.op.layer.data if layer.op.layer else "linear"
            did(self.name, name, Figure("accumulators", None, layer.shape.outputs, peak=True), show=self.stats)


def isolate_layers(stage: apv.StageOp, geometry: Geometry) -> None:
    """Make stages of layers that follow one another and can stand; sums by channel stay with what they follow."""
    layers = [op for op in stage.ops if isinstance(op, apv.LinearOp)]
    heads = [op for op in layers if not _follows(op)]
    for op in heads if len(heads) > 1 else ():
        # A sum may have gone with a layer that it follows output by output.
        if op.parent and _standing(op, geometry):
            isolate(op)


def _follows(op: apv.LinearOp) -> bool:
    owners = [value.owner for value in op.inputs if isinstance(value.owner, Operation)]
    before = [owner for owner in owners if not isinstance(owner, apv.LoadOp)]
    return len(before) == 1 and is_by_channel(op, before[0])


def standing_layer(stage: apv.StageOp, geometry: Geometry) -> StandingLayer | None:
    """The layer of a stage whose accumulators can stand still, if it has one and there is room."""
    layers = [op for op in stage.ops if isinstance(op, apv.LinearOp)]
    # Inputs make room for others once they are added, so nothing else may read them.
    if not layers or not all(isinstance(value.owner, apv.LoadOp) and value.has_one_use() for value in layers[0].inputs):
        return None
    layer = layers[0]
    others = (op for op in stage.ops if op is not layer)
    return _standing(layer, geometry, stage.pairs is not None) if all(_goes_on(op, layer) for op in others) else None


def _standing(layer: apv.LinearOp, geometry: Geometry, pairs: bool = False) -> StandingLayer | None:
    """How the accumulators of a layer can stand, whatever its stage does."""
    inputs = ranges_of(layer.inputs)
    weights = layer.weights.data.array.copy()
    weights[:, [span.lo == span.hi == 0 for span in inputs]] = 0
    used, summed = np.flatnonzero(weights.any(axis=0)), np.flatnonzero(weights.any(axis=1))
    if not len(summed):
        return None
    bits = max(inputs[number].width for number in used.tolist())
    widest = int(sum_widths(weights, inputs).max())
    shape = shape_of(len(summed), widest, len(used), bits, geometry, pairs)
    offset = all(isinstance(use.operation, apv.ThresholdOp) for use in layer.result.uses)
    return StandingLayer(layer, weights, shape, offset) if shape else None


def pairs_fit(layer: StandingLayer, geometry: Geometry) -> bool:
    """Whether a layer takes less energy, about, where two inputs at a time are added, in the rows of one sample."""
    rows, bits = column_rows(layer.op.result), layer.shape.output_bits
    source = Operand(width=layer.shape.input_bits)
    single, pair = (
        keyed_cells(Instruction(op, NO_CELL, bits, source, source, lean=True)) for op in (Op.ADD_IP, Op.ADD_SUB)
    )
    return (pair - 2 * single) * geometry.rows * -(-rows // geometry.rows) < _SAVED * rows * _WRITE


def _goes_on(op: object, layer: apv.LinearOp) -> bool:
    """Whether an operation of a layer's stage loads, or works on the layer's outputs one by one."""
    count = layer.weights.data.rows
    match op:
        case apv.LoadOp():
            return True
        case apv.ThresholdOp() | apv.RescaleOp() | apv.StoreOp():
            return apv.columns_of(op.input).count.data == count and not isinstance(op.input.owner, apv.LoadOp)
        case apv.LinearOp():
            return op.weights.data.rows == count and _follows(op)
        case _:
            return False
