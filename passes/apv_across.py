"""apv-across: layers whose accumulators stand still, with all values across columns.

Stands between convert-ternary-to-apv and apv-split. A stage that adds up one layer from loaded inputs, and goes on
output by output, is marked; apv-split and apv-share leave it alone, and convert-apv-to-rtm lays it across columns
(passes/placing/standing.py), where the array has room.

    %r = apv.stage : tensor<?x64x!ternary.int<0, 15>> { ... apv.linear ... }
  becomes
    %r = apv.stage across : tensor<?x64x!ternary.int<0, 15>> { ... apv.linear ... }

Layers that follow one another in a stage get stages of their own. With `search`, `write` and `shift`, the energies of a
searched and of a written cell and of a column's step in one row, a layer is laid across only where that takes less
energy by an estimate (`across_pays`); without them, wherever it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from dialects import apv
from dialects.apv.types import column_rows, ranges_of
from dialects.machine.isa import NO_CELL, Instruction, Op, Operand, passes_count
from dialects.machine.target import Geometry
from dialects.rtm.target import target_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did
from dialects.support.tensors import IntArray
from passes.adder_graphs.kernel_groups import Options, choose, room
from passes.adder_graphs.sums import signed_digits
from passes.apv_split import is_by_channel, isolate
from passes.placing.placement import RESERVED_COLUMNS
from passes.placing.standing import Shape, column_steps, shape_of, sum_widths


class StandingLayer(NamedTuple):
    """The layer of a stage whose accumulators can stand still, and how they lie."""

    op: apv.LinearOp
    weights: IntArray
    """without those of inputs that are always zero"""
    shape: Shape
    offset: bool
    """all that follows are thresholds, which don't mind where an accumulator begins"""


class Prices(NamedTuple):
    """Energies in one row: of a searched cell, a written one, and a step of a column."""

    search: float
    write: float
    shift: float


_SHARED = Prices(1.3, 0.13, 0.17)
"""searched cells, written cells and column steps of an AP cycle of shared sums along tracks, measured on TFC_2W2A"""
_ACROSS = Prices(1.5, 0.036, 0.0)
"""the same of sums across columns in lean instructions, whose steps follow from their shape"""
_SAMPLE = 32
"""outputs of which sharing is tried out"""


@dataclass(frozen=True)
class ApvAcross(ModulePass):
    """Lay the values of layers across columns."""

    name = "apv-across"

    search: int | float = 0
    write: int | float = 0
    shift: int | float = 0
    stats: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not all(0 <= price < inf for price in (self.search, self.write, self.shift)):
            raise PipelineError(
                f"search {self.search}, write {self.write}, shift {self.shift}",
                place=self.name,
                hint="energies are at least 0",
            )
        geometry, prices = target_of(op).geometry, Prices(self.search, self.write, self.shift)
        for stage in [item for item in op.walk() if isinstance(item, apv.StageOp)]:
            _isolate_layers(stage, geometry, prices)
        for stage in [item for item in op.walk() if isinstance(item, apv.StageOp)]:
            layer = standing_layer(stage, geometry)
            if layer is None or not across_pays(layer, geometry, prices):
                continue
            stage.across = UnitAttr()
            name = layer.op.layer.data if layer.op.layer else "linear"
            did(self.name, name, Figure("accumulators", None, layer.shape.outputs, peak=True), show=self.stats)


def _isolate_layers(stage: apv.StageOp, geometry: Geometry, prices: Prices) -> None:
    """Make stages of layers that follow one another, if that pays; sums by channel stay with what they follow."""
    layers = [op for op in stage.ops if isinstance(op, apv.LinearOp)]
    heads = [op for op in layers if not _follows(op)]
    for op in heads if len(heads) > 1 else ():
        layer = _standing(op, geometry)
        if layer and across_pays(layer, geometry, prices):
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
    return _standing(layer, geometry) if all(_goes_on(op, layer) for op in stage.ops if op is not layer) else None


def _standing(layer: apv.LinearOp, geometry: Geometry) -> StandingLayer | None:
    """How the accumulators of a layer can stand, whatever its stage does."""
    inputs = ranges_of(layer.inputs)
    weights = layer.weights.data.array.copy()
    weights[:, [span.lo == span.hi == 0 for span in inputs]] = 0
    used, summed = np.flatnonzero(weights.any(axis=0)), np.flatnonzero(weights.any(axis=1))
    if not len(summed):
        return None
    bits = max(inputs[number].width for number in used.tolist())
    widest = int(sum_widths(weights, inputs).max())
    shape = shape_of(len(summed), widest, len(used), bits, geometry)
    offset = all(isinstance(use.operation, apv.ThresholdOp) for use in layer.result.uses)
    return StandingLayer(layer, weights, shape, offset) if shape else None


def across_pays(layer: StandingLayer, geometry: Geometry, prices: Prices) -> bool:
    """Whether a layer takes less energy across columns, about, in the rows of one sample; without prices it does."""
    if not any(prices):
        return True
    rows = column_rows(layer.op.result)
    arrays = -(-rows // geometry.rows)
    weights, inputs = layer.weights, ranges_of(layer.op.inputs)

    def energy(cycles: float, counts: Prices, steps: float) -> float:
        in_all_rows = cycles * counts.search * prices.search + steps * prices.shift
        return geometry.rows * arrays * in_all_rows + rows * cycles * counts.write * prices.write

    terms = int(np.count_nonzero(weights))
    sample = weights[weights.any(axis=1)][:_SAMPLE]
    bits = room(geometry.columns - RESERVED_COLUMNS, geometry.domains, 90, layer.shape.output_bits)
    shared = choose(sample, inputs, Options(bits, effort=0, rough=True))
    if shared is None:
        return True
    cycles = shared.cycles * terms / np.count_nonzero(sample)
    shape = layer.shape
    addition = Instruction(Op.ADD_IP, NO_CELL, shape.output_bits, Operand(width=shape.input_bits), lean=True)
    own = len(signed_digits(weights).rows) * sum(passes_count(addition))
    steps = column_steps(shape, int(weights.any(axis=1).sum()), int(weights.any(axis=0).sum()))
    return energy(own, _ACROSS, steps) < energy(cycles, _SHARED, cycles * _SHARED.shift)


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
