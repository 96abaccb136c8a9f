"""The smallest array that a network fits into, for the error that says that it doesn't fit into the target's.

How much of a row a network takes depends on the array: layers are split and subexpressions shared as far as there is
room. So arrays are tried: domains grow only where a value is wider than a column; columns are found by bisection.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from cam_compiler.pipeline import cut, run_passes
from dialects.machine.isa import MAX_COLUMNS, MAX_DOMAINS
from dialects.machine.target import Target
from dialects.support.errors import CapacityError, Needs
from passes.convert_apv_to_rtm import ConvertApvToRtm

_SECONDS = 60
"""after which the columns that are known to be enough have to do"""


def explained(error: CapacityError, module: ModuleOp, passes: Sequence[ModulePass], target: Target) -> CapacityError:
    """The error with the smallest array that would do; `module` is the network before the passes."""
    placing = [item for item in passes if isinstance(item, ConvertApvToRtm)]
    if not placing or any(item.columns or item.domains for item in placing):
        return error
    # Bit loops take time, and don't make a network fit.
    quick = [replace(item, placement="columns") if isinstance(item, ConvertApvToRtm) else item for item in passes]
    found = _Search(module, cut(quick, placing[0].name), target).smallest(error)
    if found is None:
        return CapacityError(error.message, place=error.place, hint="no array is large enough")
    array, exact = found
    least = "at least" if exact else "some"
    hint = f"choose a target with {least} {array.columns} columns of {array.domains} domains"
    return CapacityError(error.message, place=error.place, hint=hint, needs=array)


class _Search:
    """Compiles the network for other arrays."""

    def __init__(self, module: ModuleOp, passes: Sequence[ModulePass], target: Target):
        self.module, self.passes, self.target = module, passes, target
        self.until = time.monotonic() + _SECONDS

    def failure(self, array: Needs) -> CapacityError | None:
        target = replace(self.target, columns=array.columns, domains=array.domains)
        try:
            run_passes(self.module.clone(), self.passes, target)
        except CapacityError as error:
            return error
        return None

    def smallest(self, error: CapacityError) -> tuple[Needs, bool] | None:
        """The fewest columns that are enough, with as many domains as are needed, and whether that is certain."""
        array, failed = Needs(self.target.columns, self.target.domains), error
        low = array.columns
        while failed is not None:
            if failed.needs is None or array.columns == MAX_COLUMNS or failed.needs.domains > MAX_DOMAINS:
                return None
            if failed.needs.domains == array.domains:
                low = array.columns
                wanted = max(failed.needs.columns, low + 1)
                array = array._replace(columns=min(wanted, MAX_COLUMNS))
            else:
                array = array._replace(domains=failed.needs.domains)
            failed = self.failure(array)
        return self._fewest(low, array)

    def _fewest(self, low: int, array: Needs) -> tuple[Needs, bool]:
        """Between columns that aren't enough, or the target's own, and columns that are."""
        if array.columns == self.target.columns:
            return array, True
        while array.columns - low > 1:
            if time.monotonic() > self.until:
                return array, False
            middle = array._replace(columns=(low + array.columns) // 2)
            if self.failure(middle):
                low = middle.columns
            else:
                array = middle
        return array, True
