"""Real functions of an integer as straight segments, and those as integers with scales: clamps and flags.

Where no quantiser follows at once, a function such as relu(s n + b) is kept exactly, as a sum of integer functions with
rational factors. With the segments' first and last integers p, q it is

    constant + sum of slope * (clamp(n, p, q) - p) + sum of jump * [n >= first integer of the next segment]

where a jump is the difference of two neighbours at the border that the slopes don't explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from cam_compiler.importer.arithmetic.compositions import Bent, Combined, Gate, Operation
from cam_compiler.importer.arithmetic.exact import ONE, ZERO, Piece
from cam_compiler.importer.arithmetic.functions import Chain, Stage


class Segment(NamedTuple):
    """slope * n + offset for integers n from first to last."""

    first: int
    last: int
    slope: Fraction
    offset: Fraction

    def at(self, n: int) -> Fraction:
        return self.slope * n + self.offset

    def through(self, piece: Piece) -> Segment:
        """Without the piece's clamp."""
        return Segment(self.first, self.last, self.slope * piece.slope, self.offset * piece.slope + piece.offset)


class Clamp(NamedTuple):
    """slope * (clamp(n, first, last) - first)."""

    first: int
    last: int
    slope: Fraction


class Flag(NamedTuple):
    """jump from the integer `first` on."""

    first: int
    jump: Fraction


class Parts(NamedTuple):
    """A function of an integer: the sum of its clamps, its flags and a constant."""

    clamps: tuple[Clamp, ...]
    flags: tuple[Flag, ...]
    constant: Fraction

    def __call__(self, n: int) -> Fraction:
        sloped = sum(
            (part.slope * (min(max(n, part.first), part.last) - part.first) for part in self.clamps), self.constant
        )
        return sloped + sum((flag.jump for flag in self.flags if n >= flag.first), ZERO)


def segments_of(chain: Chain, low: int, high: int) -> list[Segment] | None:
    """The function on the integers from low to high, in order; None where it isn't made of straight segments."""
    return _along(chain.stages, [Segment(low, high, ONE, ZERO)])


def parts_of(segments: Sequence[Segment]) -> Parts:
    """The segments, which follow one another, as clamps and flags."""
    firsts, lasts = [own.first for own in segments], [own.last for own in segments]
    flags: list[Flag] = []
    for index in range(1, len(segments)):
        before, own = segments[index - 1], segments[index]
        jump = own.at(own.first) - before.at(before.last)
        if before.slope and jump == before.slope:
            lasts[index - 1] += 1
        elif own.slope and jump == own.slope:
            firsts[index] -= 1
        elif jump:
            flags.append(Flag(own.first, jump))
    clamps = tuple(
        Clamp(first, last, own.slope)
        for first, last, own in zip(firsts, lasts, segments, strict=True)
        if own.slope and first < last
    )
    return Parts(clamps, tuple(flags), segments[0].at(segments[0].first))


def _along(stages: Sequence[Stage], segments: list[Segment]) -> list[Segment] | None:
    for stage in stages:
        found: list[Segment] = []
        for segment in segments:
            own = _through(stage, segment)
            if own is None:
                return None
            found += own
        segments = _merged(sorted(found))
    return segments


def _merged(segments: Sequence[Segment]) -> list[Segment]:
    """Neighbours on one line are one; a single integer is on the line of its neighbour, if it can be."""
    result: list[Segment] = []
    for own in segments:
        if result:
            last = result[-1]
            if last.at(own.last) == own.at(own.last) and last.at(own.first) == own.at(own.first):
                result[-1] = last._replace(last=own.last)
                continue
            if last.first == last.last and own.at(last.first) == last.at(last.first):
                result[-1] = own._replace(first=last.first)
                continue
        result.append(own)
    return result


def _through(stage: Stage, segment: Segment) -> list[Segment] | None:
    match stage:
        case Piece():
            return _clamped(segment.through(stage), stage)
        case Bent():
            below, above = _split(segment, ZERO, closed=True)
            return _both(
                _along(stage.below.stages, [below] if below else []),
                _along(stage.above.stages, [above] if above else []),
            )
        case Gate():
            below, above = _split(segment, stage.bound, closed=False)
            return _both([below._replace(slope=ZERO, offset=ZERO)] if below else [], [above] if above else [])
        case Combined():
            return _combined(stage, segment)
        case _:
            return None


def _both(below: list[Segment] | None, above: list[Segment] | None) -> list[Segment] | None:
    return None if below is None or above is None else [*below, *above]


def _clamped(segment: Segment, piece: Piece) -> list[Segment]:
    parts: list[Segment] = []
    rest: Segment | None = segment
    if piece.low is not None:
        below, rest = _split(segment, piece.low, closed=True)
        parts += [below._replace(slope=ZERO, offset=piece.low)] if below else []
    if rest is not None and piece.high is not None:
        rest, above = _split(rest, piece.high, closed=False)
        parts += [above._replace(slope=ZERO, offset=piece.high)] if above else []
    return parts + ([rest] if rest else [])


def _split(segment: Segment, edge: Fraction, closed: bool) -> tuple[Segment | None, Segment | None]:
    """The parts below an edge and beyond it; the edge itself is beyond it if `closed`."""
    if segment.slope == 0:
        beyond = segment.offset >= edge if closed else segment.offset > edge
        return (None, segment) if beyond else (segment, None)
    crossing = (edge - segment.offset) / segment.slope
    rises = segment.slope > 0
    # The first integer of the upper of both parts.
    border = ceil(crossing) if closed == rises else floor(crossing) + 1
    before = segment._replace(last=min(segment.last, border - 1))
    after = segment._replace(first=max(segment.first, border))
    parts = tuple(part if part.first <= part.last else None for part in (before, after))
    return (parts[0], parts[1]) if rises else (parts[1], parts[0])


def _combined(stage: Combined, segment: Segment) -> list[Segment] | None:
    left, right = _along(stage.left.stages, [segment]), _along(stage.right.stages, [segment])
    if left is None or right is None:
        return None
    result: list[Segment] = []
    for one in left:
        for two in right:
            first, last = max(one.first, two.first), min(one.last, two.last)
            if first <= last:
                pair = one._replace(first=first, last=last), two._replace(first=first, last=last)
                own = _operated(stage.operation, *pair)
                if own is None:
                    return None
                result += own
    return sorted(result)


def _operated(operation: Operation, one: Segment, two: Segment) -> list[Segment] | None:
    match operation:
        case Operation.ADD:
            return [one._replace(slope=one.slope + two.slope, offset=one.offset + two.offset)]
        case Operation.MULTIPLY if one.slope == 0 or two.slope == 0:
            factor, other = (one, two) if one.slope == 0 else (two, one)
            return [other.through(Piece(factor.offset))]
        case Operation.DIVIDE if two.slope == 0 and two.offset:
            return [one.through(Piece(1 / two.offset))]
        case Operation.LEAST | Operation.GREATEST:
            gap = one._replace(slope=one.slope - two.slope, offset=one.offset - two.offset)
            below, above = _split(gap, ZERO, closed=True)
            lesser, greater = (one, two) if operation is Operation.LEAST else (two, one)
            return [
                chosen._replace(first=part.first, last=part.last)
                for chosen, part in ((lesser, below), (greater, above))
                if part
            ]
        case _:
            return None
