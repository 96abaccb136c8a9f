"""Legality of placed programs, for `rtm`'s verifier: the Python face of the native check.

`check_placed` proves that every value is made before it is read, that no two live values share a place, that the
instructions do what the names say, and that interleaving the members of a bit loop changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dialects import _placed_check
from dialects.machine.code import WORDS
from dialects.machine.tables import pass_table
from dialects.rtm.placed import NAMES, VALUES, PlacedCode
from dialects.support.errors import ProgramError


class Placed(NamedTuple):
    """What the check of a placed program has found."""

    values: int
    peak_bits: int
    """the most bits of a row that hold live values at a time"""


def check_placed(layers: Sequence[str], segments: Sequence[PlacedCode], columns: int, domains: int) -> Placed:
    """Prove that a placed program is legal; raises ProgramError with the segment, line and values that break a rule."""
    if torn := [code for code in segments if not code.whole]:
        raise ProgramError(
            f"segment {layers[segments.index(torn[0])]}: instructions, names and values don't fit together"
        )
    words, bounds = WORDS.joined([code.binary for code in segments])
    names, _ = NAMES.joined([code.names for code in segments])
    values, value_bounds = VALUES.joined([code.values for code in segments])
    failure, facts = _placed_check.check(
        words,
        bounds,
        names,
        values,
        value_bounds,
        pass_table(),
        columns,
        domains,
    )
    if failure is None:
        return Placed(*facts)
    of_value, number, text = failure
    here = int(np.searchsorted(value_bounds if of_value else bounds, number, side="right")) - 1

    def named(match: re.Match[str]) -> str:
        """Another statement: its value and its line."""
        other = int(match[1])
        segment = int(np.searchsorted(bounds, other, side="right")) - 1
        line, statement = segments[segment].line(other - int(bounds[segment]))
        where = "" if segment == here else f" of segment {layers[segment]}"
        return f"`{statement}` (line {line}{where})"

    code, first = segments[here], int((value_bounds if of_value else bounds)[here])
    line, statement = code.live_line(number - first) if of_value else code.line(number - first)
    problem = re.sub(r"\{(\d+)\}", named, text)
    raise ProgramError(f"`{statement}`: {problem}", place=f"segment {layers[here]}, line {line}")
