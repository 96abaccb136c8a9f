"""`camc evaluate`: a network on a labelled data set, part by part, with a state from which it goes on after a kill.

A part is read, prepared, run on the simulated machine and, if there is one, on a reference executor; sums of integers
are all that is kept of it, so that a resumed evaluation ends with the same bytes as one that ran through.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cam_compiler.commands import load_network
from cam_compiler.evaluation import reference
from cam_compiler.evaluation.datasets import DataSet, file_digest, open_data, shape_text
from cam_compiler.evaluation.image_folder import ImageFolder
from cam_compiler.evaluation.preprocess import Preprocess
from cam_compiler.execution import Network
from cam_compiler.files import check_output
from cam_compiler.terminal.progress import watching
from dialects.support.errors import InputError
from dialects.support.instrumentation import part, progress
from dialects.support.tensors import FloatArray, IntArray
from runtime.batches import joined
from runtime.cost.counts import Counts
from runtime.cost.report import Report, make_report
from runtime.cost.technology import load_technology
from runtime.files import write_whole
from runtime.host import Result, SegmentRun, Value

_MOST = 1024
"""Images of a part, so that little is lost when an evaluation is killed."""
_TOP = 5


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

    def to_json(self) -> dict[str, Any]:
        runs = [{**run._asdict(), "counts": asdict(run.counts)} for run in self.segments]
        return {**vars(self), "segments": runs}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> Tally:
        entries: list[dict[str, Any]] = [dict(run) for run in stated["segments"]]
        runs = [SegmentRun(counts=Counts(**entry.pop("counts")), **entry) for entry in entries]
        rest = {name: value for name, value in stated.items() if name != "segments"}
        return cls(segments=runs, **rest)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: everything that decides about its result."""

    network: Network
    data: DataSet
    samples: int
    preprocess: Preprocess
    reference: reference.Run | None
    output: str | None

    def add(self, tally: Tally, end: int) -> Tally:
        """The tally after the images up to `end`."""
        begin, spec = tally.samples, self.network.inputs[0]
        images = self.preprocess(self.data.read(begin, end), spec, begin)
        labels = self.data.labels[begin:end]
        with part(0, 1, 2 if self.reference else 1):
            result = self.network.run({spec.name: images})
        name, scores = self._scores(result)
        ranks = _ranks(scores, labels, begin)
        tally = replace(tally, samples=end, top1=tally.top1 + int((ranks == 0).sum()))
        if scores.ndim == 2 and scores.shape[1] > 2 * _TOP:
            tally.top5 = (tally.top5 or 0) + int((ranks < _TOP).sum())
        pairs = zip(tally.segments, result.segments, strict=True) if tally.segments else ()
        tally.segments = [joined(pair, self.network.target) for pair in pairs] or result.segments
        if self.reference:
            with part(1, 2, 2):
                progress(0, 1, "reference")
                self._compare(tally, name, scores, self.reference({spec.name: images}))
        return tally

    def _scores(self, result: Result) -> tuple[str, Value]:
        """The output that says the classes: a score a class, or class numbers where the network ends in ArgMax."""
        name = self.output or next(iter(result.outputs))
        if name not in result.outputs:
            raise InputError(f"there is no output '{name}'", hint=f"outputs are {', '.join(result.outputs)}")
        scores = _flat(result.outputs[name])
        if scores.ndim != 2 and not _is_classes(scores):
            hint = f"name one with --output-name: {', '.join(result.outputs)}" if len(result.outputs) > 1 else None
            raise InputError(
                f"output '{name}' has shape {shape_text(scores.shape)}, neither a score a class nor a class", hint=hint
            )
        return name, scores

    def _compare(self, tally: Tally, name: str, scores: Value, found: Mapping[str, Value]) -> None:
        other = found.get(name, next(iter(found.values())) if len(found) == 1 else None)
        if other is None or _flat(other).shape != scores.shape:
            shapes = ", ".join(f"'{key}' {shape_text(value.shape)}" for key, value in found.items())
            raise InputError(f"the reference gives {shapes}, expected '{name}' {shape_text(scores.shape)}")
        other = _flat(other)
        difference = np.abs(scores.astype(np.float64) - other.astype(np.float64)).max()
        tally.largest_difference = max(tally.largest_difference, float(difference))
        tally.same_class += int((_classes(scores) == _classes(other)).sum())


def _flat(values: Value) -> Value:
    """Class numbers without the axis of length one that ArgMax may keep."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 and values.dtype.kind in "iu" else values


def _is_classes(values: Value) -> bool:
    return values.ndim == 1 and values.dtype.kind in "iu"


def _classes(scores: Value) -> Value:
    return scores if _is_classes(scores) else scores.argmax(axis=1)


def _ranks(scores: Value, labels: IntArray, begin: int = 0) -> IntArray:
    """How many classes come before that of the label; of equal scores the first class comes first."""
    if _is_classes(scores):
        return (scores != labels).astype(np.int64)
    if labels.max() >= scores.shape[1]:
        wrong = int(np.argmax(labels >= scores.shape[1]))
        raise InputError(
            f"its class is {labels[wrong]}, the network has {scores.shape[1]} classes",
            place=f"image {begin + wrong}",
            hint="classes are numbered from 0",
        )
    given: FloatArray = scores.astype(np.float64)
    own = np.take_along_axis(given, labels[:, None], axis=1)
    earlier = np.arange(given.shape[1], dtype=np.int64)[None] < labels[:, None]
    return ((given > own) | ((given == own) & earlier)).sum(axis=1)


class State:
    """The tally in a file, written whole after each part, with a key of everything that decides about the result."""

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
            stated = json.loads(self.path.read_text(encoding="utf-8"))
            key, kept = stated["evaluation"], stated["tally"]
            if stated["digest"] != _digest(kept):
                raise ValueError("it was changed")
            tally = Tally.from_json(kept)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError("no state of an evaluation, or a damaged one", place=str(self.path), hint=hint) from error
        if key != self.key:
            raise InputError(
                "the state of another evaluation: model, data or options differ", place=str(self.path), hint=hint
            )
        if not 0 < tally.samples <= samples:
            raise InputError(f"it claims {tally.samples} of {samples} images", place=str(self.path), hint=hint)
        return tally

    def write(self, tally: Tally) -> None:
        if self.path:
            kept = json.loads(json.dumps(tally.to_json()))
            text = json.dumps({"evaluation": self.key, "tally": kept, "digest": _digest(kept)})
            write_whole(self.path, (text + "\n").encode())

    def remove(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)


def evaluate(options: argparse.Namespace) -> None:
    """Accuracy, agreement with a reference executor, energy and latency of a network on a labelled data set."""
    technology = load_technology(options.tech)
    output: Path | None = options.output
    check_output(output, (".json",))
    state_path: Path | None = options.resume or (output.with_name(f"{output.name}.state") if output else None)
    check_output(state_path)
    if output and state_path and state_path.resolve() == output.resolve():
        raise InputError("the result goes there", place="--resume", hint="another file for the state")
    with watching(options.quiet):
        network, _ = load_network(options)
    if len(network.inputs) != 1:
        raise InputError(f"it has {len(network.inputs)} inputs, images are one", place=str(options.model))
    preprocess = Preprocess(options.layout, options.scale, options.mean, options.std)
    data = _open(options, network)
    samples = _samples(data, options.limit)
    model, kind = _reference(options)
    run = reference.load(model, kind) if model else None
    job = Evaluation(network, data, samples, preprocess, run, options.output_name)
    facts = {
        "model": str(options.model),
        "data": data.described,
        "images": samples,
        "preprocessing": preprocess.described,
        "reference": f"{kind} on {model}" if model else kind,
    }
    state = State(state_path, _key(options, job, facts, [path for path in (options.model, model) if path]))
    tally = state.read(samples)
    if tally.samples:
        print(f"going on after {tally.samples} of {samples} images ({state.path})")
    size = min(network.part or _MOST, _MOST)
    with watching(options.quiet):
        while tally.samples < samples:
            end = min(samples, tally.samples + size)
            with part(tally.samples, end, samples, f"images {tally.samples + 1} to {end}"):
                tally = job.add(tally, end)
            state.write(tally)
    report = None
    if tally.segments and not options.no_trace:
        result = Result(segments=tally.segments, samples=samples)
        report = make_report(
            result,
            network.target,
            technology,
            batch=options.batch,
            ignore_instruction_fetch=options.ignore_instruction_fetch,
            programs=network.programs,
        )
    _show(facts, tally, report, kind if model else None)
    if output:
        write_whole(output, (json.dumps(_result(facts, tally, report, bool(model)), indent=1) + "\n").encode())
    state.remove()


def _open(options: argparse.Namespace, network: Network) -> DataSet:
    shape, path = network.inputs[0].shape[1:], options.data
    if not path.is_dir():
        if options.resize or options.crop:
            raise InputError("only images of a folder are resized and cut", place="--resize, --crop")
        return open_data(path, options.images, options.labels, prod(shape))
    if options.images or options.labels:
        raise InputError("a folder's images have their subfolder as class", place="--images, --labels")
    if options.layout:
        raise InputError("a folder's images have their own layout", place="--layout")
    channels = shape[0] if len(shape) == 3 else 1
    return ImageFolder(path, channels, options.resize, options.crop)


def _samples(data: DataSet, limit: int | None) -> int:
    labels = data.labels
    if not len(labels):
        raise InputError("it holds no images", place=data.described)
    if labels.min() < 0:
        wrong = int(np.argmax(labels < 0))
        raise InputError(f"its class is {labels[wrong]}", place=f"image {wrong}", hint="classes are numbered from 0")
    return min(limit or len(labels), len(labels))


def _reference(options: argparse.Namespace) -> tuple[Path | None, str]:
    """The model that the reference executor runs, if one does, and which executor that is."""
    model: Path | None = options.reference_model or (options.model if options.model.suffix == ".onnx" else None)
    if model is None:
        if options.reference in ("onnxruntime", "qonnx"):
            raise InputError("it has no ONNX model to run", place="--reference", hint="give --reference-model M.onnx")
        return None, "none"
    kind = reference.choose(model, options.reference)
    return (model, kind) if kind in reference.EXECUTORS else (None, kind)


def _key(options: argparse.Namespace, job: Evaluation, facts: Mapping[str, Any], models: list[Path]) -> str:
    """A hash of everything that decides about the tally."""
    decisive = {
        **facts,
        "digests": [file_digest(*models), job.data.digest],
        "target": asdict(job.network.target),
        "code": _code_digest(job.network),
        "traced": not options.no_trace,
        "data options": [str(option) for option in (options.resize, options.crop, options.output_name)],
    }
    return _digest(decisive)


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def _code_digest(network: Network) -> str:
    """A hash of the machine code, which holds whatever decided about it when it was compiled."""
    digest = hashlib.blake2b(digest_size=16)
    for program in network.programs:
        for layer, code in zip(program.layers, program.segments, strict=True):
            digest.update(f"{layer} {len(code)} ".encode())
            digest.update(code)
    return digest.hexdigest()


def _result(facts: Mapping[str, Any], tally: Tally, report: Report | None, compared: bool) -> dict[str, Any]:
    found: dict[str, Any] = {**facts, "top1": tally.top1, "top1_accuracy": tally.top1 / tally.samples}
    if tally.top5 is not None:
        found |= {"top5": tally.top5, "top5_accuracy": tally.top5 / tally.samples}
    if compared:
        found |= {"same_class": tally.same_class, "largest_difference": tally.largest_difference}
    return {**found, "report": report.to_json() if report else None}


def _show(facts: Mapping[str, Any], tally: Tally, report: Report | None, kind: str | None) -> None:
    samples = tally.samples
    print(f"{samples} images: {facts['data']}; {facts['preprocessing']}")
    top5 = "" if tally.top5 is None else f", in the first five {tally.top5} ({tally.top5 / samples:.2%})"
    print(f"accuracy: {tally.top1} of {samples} ({tally.top1 / samples:.2%}){top5}")
    if kind is None:
        print(f"reference executor: {facts['reference']}")
    else:
        print(
            f"agreement with {kind}: largest difference {tally.largest_difference:.3g}, same class for "
            f"{tally.same_class} of {samples} images"
        )
    if report:
        from cam_compiler.terminal.render import print_report

        print_report(report)
