"""What convert-apv-to-rtm and convert-rtm-to-ap do with counted layers: each becomes one of the next level."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.rewriter import InsertPoint, Rewriter

from dialects import ap, apv, rtm
from dialects.ap.counted import Parts
from dialects.ap.counting import CountingCode
from dialects.apv.count import AccumulateOp, CountOp, input_ranges
from dialects.machine.target import Target
from dialects.rtm.program import features
from dialects.support.errors import CapacityError
from dialects.support.instrumentation import Figure, did
from dialects.ternary import range_of, rows_of
from passes.counting.planning import CountOptions, arrays_of, plan_counts, plan_terms, with_copies, with_tables
from passes.counting.selection import select


def place_counted(module: ModuleOp, target: Target, options: CountOptions, name: str) -> None:
    """Place the counted layers of a module; raises CapacityError where the target has too few arrays."""
    for op in [item for item in module.walk() if isinstance(item, CountOp | AccumulateOp)]:
        layer = op.layer.data if op.layer else op.name
        try:
            new = _placed(op, layer, target, options)
        except CapacityError as error:
            raise CapacityError(error.message, place=layer, hint="larger arrays, or --mapping code") from error
        parts = [placed.part for placed in new.places.data.parts]
        arrays = sum(len(part.inputs) for part in parts)
        did(name, layer, Figure("counting arrays", None, arrays), Figure("parts", None, len(parts)))
        _put(op, new)


def _placed(op: CountOp | AccumulateOp, layer: str, target: Target, options: CountOptions) -> rtm.CountedOp:
    inputs, rows, outputs = input_ranges(op.inputs), rows_of(op.result), features(op.result)
    if isinstance(op, apv.CountOp):
        places = plan_counts(op.weights.data.array, inputs, rows, target, options)
    else:
        places = plan_terms(op.terms.data, inputs, outputs, rows, options, target)
    if op.thresholds:
        places = with_tables(places, op.thresholds.data, op.sums, range_of(op.result), target)
    places = with_copies(places, rows, target, options)
    if (arrays := arrays_of(places) * places.copies) > target.arrays:
        raise CapacityError(f"its weights and tables take {arrays} arrays, the target has {target.arrays}")
    return rtm.CountedOp(list(op.inputs), op.result.type, layer, target.geometry, places)


def select_counted(module: ModuleOp, name: str) -> None:
    """Select the code of placed counted layers."""
    for op in [item for item in module.walk() if isinstance(item, rtm.CountedOp)]:
        found = select(op.places.data, rows_of(op.result), range_of(op.result))
        did(name, op.layer.data, Figure("counting instructions", None, len(found.code)))
        new = ap.CountedOp(
            list(op.inputs),
            op.result.type,
            op.layer.data,
            op.geometry.geometry,
            Parts(found.parts, found.tables, found.copies),
            found.memory,
            CountingCode.of(found.code),
        )
        _put(op, new)


def _put(old: Operation, new: rtm.CountedOp | ap.CountedOp) -> None:
    Rewriter.insert_op(new, InsertPoint.before(old))
    new.result.name_hint = old.results[0].name_hint
    old.results[0].replace_all_uses_with(new.result)
    Rewriter.erase_op(old)
