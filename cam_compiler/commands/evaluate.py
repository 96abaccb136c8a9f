"""`camc evaluate`: accuracy, agreement with a reference executor, energy and latency on a labelled data set."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any

from cam_compiler.evaluation import reference
from cam_compiler.evaluation.datasets import DataSet, open_data
from cam_compiler.evaluation.evaluation import Evaluation
from cam_compiler.evaluation.image_folder import ImageFolder
from cam_compiler.evaluation.preprocess import Preprocess
from cam_compiler.evaluation.scores import Agreement, accuracy_line
from cam_compiler.evaluation.state import State, Tally
from cam_compiler.files import check_output
from cam_compiler.loading import load_network, report_of
from cam_compiler.options import (
    add_batch,
    add_energy,
    add_engine,
    add_input_types,
    add_machine,
    add_pipeline,
    add_trace,
    add_work,
    at_least_one,
    stated_types,
)
from cam_compiler.terminal.progress import watching
from cam_compiler.terminal.report import print_report
from dialects.support.errors import InputError, UsageError
from dialects.support.instrumentation import part
from dialects.support.lattice import Lattice
from dialects.support.numbers import exact_number
from dialects.support.text import shortened
from runtime.cost.report import Report
from runtime.cost.report_files import to_json
from runtime.cost.technology import load_technology
from runtime.executor import part_size
from runtime.files import write_whole
from runtime.network import Network
from runtime.result import Result

_MOST = 1024
"""Images of a part, so that little is lost when an evaluation is killed."""
_VALUES = 1 << 22
"""Values of a part's images; preparing them takes about 30 bytes for each."""


def add_options(command: argparse.ArgumentParser) -> None:
    """What `camc evaluate` takes."""
    command.add_argument("model", type=Path, help="an .onnx model, an .mlir file or a compiled .camx program")
    command.add_argument("data", type=Path, help=".npz, .npy or IDX (.gz) file, or a folder with a subfolder per class")
    _add_data(command)
    command.add_argument("-o", "--output", type=Path, metavar="R.json", help="write the result with its full report")
    command.add_argument(
        "--resume", type=Path, metavar="STATE", help="file that keeps the state to resume from (default: R.json.state)"
    )
    command.add_argument("--reference", choices=("onnxruntime", "qonnx", "none"), help="executor to compare with")
    command.add_argument("--reference-model", type=Path, metavar="M.onnx", help="what it runs, if not the model itself")
    add_batch(command)
    add_engine(command)
    add_trace(command)
    add_input_types(command)
    add_machine(command)
    add_pipeline(command)
    add_energy(command)
    add_work(command)


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--images", metavar="NAME", help="array of the images in an .npz, if there are several candidates"
    )
    command.add_argument("--labels", metavar="NAME", help="array of the classes in an .npz, or a file of them")
    command.add_argument("--limit", type=at_least_one, metavar="N", help="the first N images only")
    command.add_argument("--layout", choices=("chw", "hwc", "hw"), help="axes of a stored image")
    command.add_argument("--scale", type=_number, default=_number("1"), metavar="S", help="factor, such as 1/255")
    numbers = "number, or one per channel"
    command.add_argument(
        "--mean",
        type=_numbers,
        default=_numbers("0"),
        metavar="M,..",
        help=f"subtracted from the scaled value; {numbers}",
    )
    command.add_argument(
        "--std",
        type=_divisors,
        default=_numbers("1"),
        metavar="D,..",
        help=f"the difference is divided by it; {numbers}",
    )
    command.add_argument("--resize", type=_size, metavar="S", help="shorter side, or HxW, of a folder's images")
    command.add_argument("--crop", type=_size, metavar="S", help="side, or HxW, to cut out of their centre")
    command.add_argument("--output-name", metavar="NAME", help="output with one score per class, if not the first")


def _number(text: str) -> Fraction:
    try:
        value = exact_number(text.strip())
        float(value)
    except (ValueError, OverflowError):
        found = shortened(repr(text), 60)
        raise argparse.ArgumentTypeError(f"expected a number such as 0.5 or 1/255, found {found}") from None
    return value


def _numbers(text: str) -> tuple[Fraction, ...]:
    return tuple(_number(part) for part in text.split(","))


def _divisors(text: str) -> tuple[Fraction, ...]:
    values = _numbers(text)
    if min(values) <= 0:
        raise argparse.ArgumentTypeError(f"expected numbers above 0, found {text!r}")
    return values


def _size(text: str) -> tuple[int, int] | int:
    sizes = [at_least_one(part) for part in text.split("x")]
    if len(sizes) > 2:
        raise argparse.ArgumentTypeError(f"expected a size such as 224 or 224x256, found {text!r}")
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def run(options: argparse.Namespace) -> None:
    """Evaluate a network on a data set; print what is found, and write it."""
    technology = load_technology(options.tech)
    output: Path | None = options.output
    state_path = _state_path(options)
    with watching(options.quiet):
        executor = load_network(options)
    network = executor.network
    if len(network.inputs) != 1:
        raise InputError(f"it has {len(network.inputs)} inputs, images are one", place=str(options.model))
    data = _open(options, network)
    samples = _samples(data, options.limit)
    model, kind = _reference(options)
    rounded = _rounded(options, network)
    preprocess = Preprocess(options.layout, options.scale, options.mean, options.std)
    peer = reference.load(model, kind) if model else None
    job = Evaluation(executor, data, preprocess, peer, options.output_name, rounded)
    job.check_labels(samples)
    facts = {
        "model": str(options.model),
        "data": data.described,
        "images": samples,
        "preprocessing": preprocess.described,
        "input": network.inputs[0].describe() + (f", rounded to {rounded.text}" if rounded else ""),
        "reference": f"{kind} on {model}" if model else kind,
    }
    state = State(state_path, job.key([path for path in (options.model, model) if path], _decisive(facts, options)))
    tally = _tally(job, state, samples, options.quiet)
    report = None
    if tally.segments and not options.no_trace:
        report = report_of(options, Result(segments=tally.segments, samples=samples), network, technology)
    _show(facts, tally, report, kind if model else None)
    if output:
        write_whole(output, (json.dumps(_result(facts, tally, report, bool(model)), indent=1) + "\n").encode())
    state.remove()


def _rounded(options: argparse.Namespace, network: Network) -> Lattice | None:
    """The numbers that the input is rounded to on the command line."""
    stated = list(stated_types(options)[1].values())
    return Lattice.parse(stated[0], network.inputs[0].dtype) if stated else None


def _state_path(options: argparse.Namespace) -> Path | None:
    """Where the state is kept; refuses what can't be written before anything long is done."""
    output: Path | None = options.output
    path: Path | None = options.resume or (output.with_name(f"{output.name}.state") if output else None)
    if output and path and os.path.realpath(path) == os.path.realpath(output):
        raise UsageError("the result goes there", place="--resume", hint="another file for the state")
    check_output(output, (".json",), options)
    check_output(path, options=options)
    return path


def _decisive(facts: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """What is stated on the command line and decides about the tally."""
    chosen = [str(option) for option in (options.resize, options.crop, options.output_name)]
    return {**facts, "traced": not options.no_trace, "data options": chosen}


def _tally(job: Evaluation, state: State, samples: int, quiet: bool) -> Tally:
    """The tally of all samples: what the state holds, and the rest, part by part."""
    tally = state.read(samples)
    if tally.samples:
        print(f"going on after {tally.samples} of {samples} images ({state.path})")
    network = job.executor.network
    values = prod(max(1, size) for size in network.inputs[0].shape[1:])
    size = max(1, min(part_size(network) or _MOST, _MOST, _VALUES // values))
    with watching(quiet):
        while tally.samples < samples:
            end = min(samples, tally.samples + size)
            with part(tally.samples, end, samples, f"images {tally.samples + 1} to {end}"):
                tally = job.add(tally, end)
            state.write(tally)
    return tally


def _open(options: argparse.Namespace, network: Network) -> DataSet:
    shape, path = network.inputs[0].shape[1:], options.data
    if not path.is_dir():
        if options.resize or options.crop:
            raise UsageError("only images of a folder are resized and cut", place="--resize, --crop")
        return open_data(path, options.images, options.labels, prod(shape))
    if options.images or options.labels:
        raise UsageError("a folder's images have their subfolder as class", place="--images, --labels")
    if options.layout:
        raise UsageError("a folder's images have their own layout", place="--layout")
    channels = shape[0] if len(shape) == 3 else 1
    return ImageFolder(path, channels, options.resize, options.crop)


def _samples(data: DataSet, limit: int | None) -> int:
    count = len(data.labels)
    if not count:
        raise InputError("it holds no images", place=data.described)
    return min(limit or count, count)


def _reference(options: argparse.Namespace) -> tuple[Path | None, str]:
    """The model that the reference executor runs, if one does, and which executor that is."""
    model: Path | None = options.reference_model or (options.model if options.model.suffix == ".onnx" else None)
    if model is None:
        if options.reference in ("onnxruntime", "qonnx"):
            raise UsageError("it has no ONNX model to run", place="--reference", hint="give --reference-model M.onnx")
        return None, "none"
    kind = reference.choose(model, options.reference)
    return (model, kind) if kind in reference.EXECUTORS else (None, kind)


def _result(facts: Mapping[str, Any], tally: Tally, report: Report | None, compared: bool) -> dict[str, Any]:
    found: dict[str, Any] = {**facts, "top1": tally.top1, "top1_accuracy": tally.top1 / tally.samples}
    if tally.top5 is not None:
        found |= {"top5": tally.top5, "top5_accuracy": tally.top5 / tally.samples}
    if compared:
        found |= {"same_class": tally.same_class, "largest_difference": tally.largest_difference}
    return {**found, "report": to_json(report) if report else None}


def _show(facts: Mapping[str, Any], tally: Tally, report: Report | None, kind: str | None) -> None:
    samples = tally.samples
    print(f"{samples} images: {facts['data']}; {facts['preprocessing']}")
    print(f"input: {facts['input']}")
    top5 = "" if tally.top5 is None else f", in the first five {tally.top5} ({tally.top5 / samples:.2%})"
    print(f"{accuracy_line(tally.top1, samples)}{top5}")
    if kind is None:
        print(f"reference executor: {facts['reference']}")
    else:
        print(Agreement(tally.largest_difference, tally.same_class).line(kind, samples, "images"))
    if report:
        print_report(report)
