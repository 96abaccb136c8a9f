"""apv-count: layers whose weights become data, for machines that count tags.

Stands between convert-ternary-to-apv and apv-split, in pipelines with `--mapping count` or `auto`. A stage, in which
values stay in the array as columns, becomes counted layers that take tensors of the buffer and give tensors of the
buffer: weighted sums are counted, residual sums and pools are made in the accumulators, and thresholds are a search of
a table of prefixes. What has no such form (rescalings, and thresholds whose tables have more rows than an array) stays
a stage of its own, whose loads and stores are counted as always.

    %r = apv.stage {                           %r = apv.count %q : ... weights <{ +0- }> thresholds <{ up 2 }>
      %x = apv.load %q
      %a = apv.linear %x weights <{ +0- }>     becomes
      %t = apv.threshold %a thresholds <{ up 2 }>
      %s = apv.store %t
      apv.yield %s
    }
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import apv, ternary
from dialects.apv.count import AccumulateOp, CountOp, Term, Terms
from dialects.apv.spatial import ConcatOp, MaxOp
from dialects.machine.target import Target
from dialects.rtm.target import target_of
from dialects.support.errors import PipelineError
from dialects.support.instrumentation import Figure, did
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray, Thresholds
from dialects.ternary.types import ThresholdsAttr
from passes.counting.tables import steps_of, table_rows
from passes.counting.terms import terms_of


@dataclass(frozen=True)
class ApvCount(ModulePass):
    """Count the layers of a network."""

    name = "apv-count"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_of(op)
        if not target.counter:
            raise PipelineError(
                f"target {target.name} can't count tags",
                place=self.name,
                hint="--target counting can, or any with counter = true",
            )
        for stage in [item for item in op.walk() if isinstance(item, apv.StageOp)]:
            count_stage(stage, target)


def count_stage(stage: apv.StageOp, target: Target) -> None:
    """Replace a stage by counted layers; raises PipelineError where that is impossible."""
    _Counting(stage, target).convert()


Requantisation = apv.ThresholdOp | apv.RescaleOp


def _clipped(table: Thresholds, span: Range) -> Thresholds:
    """The same steps over a narrower range."""
    return Thresholds.from_array(table.array.clip(span.lo, span.hi + 1), np.array(table.down))


class _Counting:
    """A stage on its way to counted layers."""

    def __init__(self, stage: apv.StageOp, target: Target):
        self.stage, self.target = stage, target
        self.tensors: dict[SSAValue, list[SSAValue]] = {}
        """column vectors as tensors of the buffer, one after another"""

    def convert(self) -> None:
        stored: list[SSAValue] = []
        done: set[Operation] = set()
        for op in self.stage.ops:
            if op in done:
                continue
            match op:
                case apv.LoadOp():
                    self.tensors[op.result] = [op.input]
                case ConcatOp():
                    self.tensors[op.result] = [tensor for value in op.inputs for tensor in self.tensors[value]]
                case apv.StoreOp():
                    stored.append(self._one(op))
                case apv.LinearOp() | MaxOp():
                    steps = self._thresholds_of(op)
                    self._counted(op, steps)
                    done.update([steps] if steps else [])
                case apv.ThresholdOp() | apv.RescaleOp() if self._steps(op):
                    self._accumulated(op, op.input, Terms((Term("take", 0),)), op)
                case _:
                    self._kept(op)
        for old, new in zip(self.stage.outputs, stored, strict=True):
            new.name_hint = new.name_hint or old.name_hint
            old.replace_all_uses_with(new)
        Rewriter.erase_op(self.stage)

    def _insert(self, op: Operation) -> None:
        Rewriter.insert_op(op, InsertPoint.before(self.stage))

    def _one(self, op: apv.StoreOp) -> SSAValue:
        tensors = self.tensors[op.input]
        if len(tensors) == 1:
            return tensors[0]
        concat = ternary.ConcatOp(tensors)
        # What is stored may be said to range over more than its parts do.
        Rewriter.replace_value_with_new_type(concat.result, op.result.type)
        concat.result.name_hint = op.result.name_hint
        self._insert(concat)
        return concat.result

    def _thresholds_of(self, op: apv.LinearOp | MaxOp) -> Requantisation | None:
        """The thresholds that are all that follows, if a table has room for them."""
        uses = [use.operation for use in op.result.uses]
        if len(uses) == 1 and isinstance(uses[0], Requantisation) and self._steps(uses[0]):
            return uses[0]
        return None

    def _steps(self, op: Requantisation) -> Thresholds | None:
        """The thresholds of a requantisation, if a table has room for them."""
        span, result = apv.columns_of(op.input).range, apv.columns_of(op.result).range
        found = op.thresholds.data if isinstance(op, apv.ThresholdOp) else steps_of(op.lines.data, span, result)
        if found is None or span.width > self.target.columns or table_rows(found, span) > self.target.rows:
            return None
        return found

    def _counted(self, op: apv.LinearOp | MaxOp, steps: Requantisation | None) -> None:
        if isinstance(op, MaxOp):
            terms = [Term("max" if number else "take", number, op.size) for number in range(op.size)]
            return self._accumulated(op, op.input, Terms(tuple(terms)), steps)
        weights = op.weights.data.array
        if found := terms_of(weights):
            return self._accumulated(op, list(op.inputs), found, steps)
        last = steps or op
        inputs = [tensor for value in op.inputs for tensor in self.tensors[value]]
        span = apv.columns_of(last.result).range
        thresholds = self._steps(steps) if steps else None
        self._put(last, CountOp(inputs, op.weights.data, span, thresholds, op.layer), op.layer, weights)

    def _accumulated(
        self, op: Operation, values: SSAValue | Sequence[SSAValue], terms: Terms, steps: Requantisation | None
    ) -> None:
        given = [values] if isinstance(values, SSAValue) else list(values)
        last = steps or op
        kind = apv.columns_of(last.results[0])
        inputs = [tensor for value in given for tensor in self.tensors[value]]
        layer = op.properties.get("layer")
        named = layer if isinstance(layer, StringAttr) else None
        thresholds = self._steps(steps) if steps else None
        self._put(last, AccumulateOp(inputs, kind.count.data, terms, kind.range, thresholds, named), named)

    def _put(
        self, last: Operation, new: CountOp | AccumulateOp, layer: StringAttr | None, weights: IntArray | None = None
    ) -> None:
        """A counted layer in the place of what makes the results of `last`."""
        sums = new.sums
        if not Range.of_width(self.target.accumulator_bits, True).covers(sums):
            raise PipelineError(
                f"its sums reach {sums}, accumulators have {self.target.accumulator_bits} bits",
                place=layer.data if layer else new.name,
                hint="a target with more accumulator_bits, or --mapping code",
            )
        if new.thresholds:
            new.properties["thresholds"] = ThresholdsAttr(_clipped(new.thresholds.data, sums))
        new.result.name_hint = last.results[0].name_hint
        self._insert(new)
        self.tensors[last.results[0]] = [new.result]
        if weights is not None:
            figures = {"counted weights": weights.size, "don't care": int(np.count_nonzero(weights == 0))}
            did(ApvCount.name, layer.data if layer else "linear", *(Figure(k, None, v) for k, v in figures.items()))

    def _kept(self, op: Operation) -> None:
        """An operation in a stage of its own, on values of the buffer: it is mapped as code."""
        layer = op.properties.get("layer")
        did(ApvCount.name, layer.data if isinstance(layer, StringAttr) else op.name, Figure("left as code", None, 1))
        ops: list[Operation] = []
        for number, value in enumerate(op.operands):
            loads = [apv.LoadOp(tensor) for tensor in self.tensors[value]]
            ops += loads
            if len(loads) > 1:
                ops.append(ConcatOp([load.result for load in loads], apv.columns_of(value).range))
            op.operands[number] = ops[-1].results[0]
        result = op.results[0]
        store = apv.StoreOp(result)
        store.result.name_hint = result.name_hint
        op.detach()
        stage = apv.StageOp([*ops, op, store])
        self._insert(stage)
        self.tensors[result] = [stage.outputs[0]]
