"""A network on a labelled data set, part by part.

A part is read, prepared, run on the simulated machine and, if there is one, on a reference executor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cam_compiler.evaluation import reference
from cam_compiler.evaluation.datasets import DataSet, file_digest, shape_text
from cam_compiler.evaluation.preprocess import Preprocess
from cam_compiler.evaluation.scores import Agreement, check_labels, classes_of, flat, ranks
from cam_compiler.evaluation.state import Tally, digest_of
from cam_compiler.execution import drawn
from dialects.machine.counted import CountedProgram
from dialects.support.errors import InputError
from dialects.support.instrumentation import part, progress
from dialects.support.lattice import Lattice
from runtime.executor import Executor
from runtime.network import Network, check_inputs
from runtime.result import Result, joined
from runtime.values import Value

_TOP = 5


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: everything that determines its result."""

    executor: Executor
    data: DataSet
    preprocess: Preprocess
    reference: reference.Run | None
    output: str | None
    rounded: Lattice | None = None
    """to what the network rounds its input, because the user says so; the reference is given such numbers"""

    def check_labels(self, samples: int) -> None:
        """Raises InputError where the first of so many labels aren't classes, which the outputs of one sample tell."""
        executor = replace(self.executor, trace=False)
        _, scores = self._scores(executor.run(drawn(executor.network)))
        check_labels(self.data.labels[:samples], scores, "image")

    def add(self, tally: Tally, end: int) -> Tally:
        """The tally after the images up to `end`."""
        begin, spec = tally.samples, self.executor.network.inputs[0]
        images = self.preprocess(self.data.read(begin, end), spec, begin)
        labels = self.data.labels[begin:end]
        # Beyond this, samples are counted from the part's first.
        check_inputs(self.executor.network.inputs, {spec.name: images}, begin)
        with part(0, 1, 2 if self.reference else 1):
            result = self.executor.run({spec.name: images})
        name, scores = self._scores(result)
        before = ranks(scores, labels)
        tally = replace(tally, samples=end, top1=tally.top1 + int((before == 0).sum()))
        if scores.ndim == 2 and scores.shape[1] > 2 * _TOP:
            tally.top5 = (tally.top5 or 0) + int((before < _TOP).sum())
        runs = (tally.segments, result.segments)
        tally.segments = joined(self.executor.network, end, runs) if tally.segments else result.segments
        if self.reference:
            with part(1, 2, 2):
                progress(0, 1, "reference")
                images = self.rounded.nearest(images) if self.rounded else images
                self._compare(tally, name, scores, self.reference({spec.name: images}))
        return tally

    def _scores(self, result: Result) -> tuple[str, Value]:
        """The output that says the classes: one score per class, or class numbers where the network ends in ArgMax."""
        name = self.output or next(iter(result.outputs))
        if name not in result.outputs:
            raise InputError(f"there is no output '{name}'", hint=f"outputs are {', '.join(result.outputs)}")
        scores = flat(result.outputs[name])
        if classes_of(scores) is None:
            hint = f"name one with --output-name: {', '.join(result.outputs)}" if len(result.outputs) > 1 else None
            raise InputError(
                f"output '{name}' has shape {shape_text(scores.shape)}, neither class scores nor classes", hint=hint
            )
        return name, scores

    def _compare(self, tally: Tally, name: str, scores: Value, found: Mapping[str, Value]) -> None:
        other = found.get(name, next(iter(found.values())) if len(found) == 1 else None)
        if other is None or flat(other).shape != scores.shape:
            shapes = ", ".join(f"'{key}' {shape_text(value.shape)}" for key, value in found.items())
            raise InputError(f"the reference gives {shapes}, expected '{name}' {shape_text(scores.shape)}")
        agreed = Agreement.of(scores, flat(other))
        tally.largest_difference = max(tally.largest_difference, agreed.largest_difference)
        tally.same_class += agreed.same_class or 0

    def key(self, models: Sequence[Path], stated: Mapping[str, Any]) -> str:
        """A hash of everything that determines the tally, besides what is `stated`: models, data and machine code."""
        decisive = {
            **stated,
            "digests": [file_digest(*models), self.data.digest],
            "target": asdict(self.executor.network.target),
            "code": _code_digest(self.executor.network),
        }
        return digest_of(decisive)


def _code_digest(network: Network) -> str:
    """A hash of the machine code, which holds whatever decided about it when it was compiled."""
    digest = hashlib.blake2b(digest_size=16)
    for program in network.programs:
        for layer, code in program.segments:
            digest.update(f"{layer} {len(code)} ".encode())
            digest.update(code)
        if isinstance(program, CountedProgram):
            digest.update(program.memory.places + program.memory.packed)
    return digest.hexdigest()
