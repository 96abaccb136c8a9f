"""What an evaluation knows so far, and the file that keeps it, from which it goes on after it was killed.

Only sums of integers are kept, so that a resumed evaluation ends with the same bytes as one that ran through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dialects.support.errors import InputError
from dialects.support.files import read_text
from runtime.cost.counts import Counts
from runtime.files import write_whole
from runtime.result import SegmentRun

_MOST = 1 << 26
"""bytes of a state"""


def digest_of(value: object) -> str:
    """A hash of anything that JSON can hold."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass
class Tally:
    """What is known after a number of images."""

    samples: int = 0
    top1: int = 0
    top5: int | None = None
    """where there are more than ten classes"""
    same_class: int = 0
    largest_difference: float = 0.0
    """the latter two between the outputs and the reference's"""
    segments: list[SegmentRun] = field(default_factory=list[SegmentRun])

    def fits(self, samples: int) -> bool:
        """Whether it can be of some of so many images: all its numbers are numbers, and none is too great."""
        right = (self.top1, self.top5 or 0, self.same_class)
        counts = [count for run in self.segments for count in (run.rows, run.arrays, *asdict(run.counts).values())]
        return (
            all(type(count) is int and count >= 0 for count in (self.samples, *right))
            and all(count is None or (type(count) is int and count >= 0) for count in counts)
            and 0 < self.samples <= samples
            and max(right) <= self.samples
            and self.largest_difference >= 0
        )

    def to_json(self) -> dict[str, Any]:
        runs = [{**run._asdict(), "counts": asdict(run.counts)} for run in self.segments]
        return {**vars(self), "segments": runs}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> Tally:
        entries: list[dict[str, Any]] = [dict(run) for run in stated["segments"]]
        runs = [SegmentRun(counts=Counts(**entry.pop("counts")), **entry) for entry in entries]
        rest = {name: value for name, value in stated.items() if name != "segments"}
        return cls(segments=runs, **rest)


class State:
    """The tally in a file, written whole after each part, with a key of everything that determines the result."""

    def __init__(self, path: Path | None, key: str):
        self.path, self.key = path, key

    def read(self, samples: int) -> Tally:
        """What an earlier, unfinished run has left; raises InputError where that is of another evaluation."""
        if self.path is None or not self.path.exists():
            return Tally()
        if not self.path.is_file():
            raise InputError("it is no file that a state can be kept in", place=str(self.path))
        hint = "delete it to begin anew, or name another with --resume"
        try:
            stated = json.loads(read_text(self.path, _MOST))
            key, kept = stated["evaluation"], stated["tally"]
            if stated["digest"] != digest_of(kept):
                raise ValueError("it was changed")
            tally = Tally.from_json(kept)
            if key == self.key and not tally.fits(samples):
                raise ValueError(f"it claims {tally.samples} of {samples} images")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise InputError("no state of an evaluation, or a damaged one", place=str(self.path), hint=hint) from error
        if key != self.key:
            raise InputError(
                "the state of another evaluation: model, data or options differ", place=str(self.path), hint=hint
            )
        return tally

    def write(self, tally: Tally) -> None:
        if self.path:
            kept = json.loads(json.dumps(tally.to_json()))
            text = json.dumps({"evaluation": self.key, "tally": kept, "digest": digest_of(kept)})
            write_whole(self.path, (text + "\n").encode())

    def remove(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)
