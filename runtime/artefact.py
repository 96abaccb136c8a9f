"""The compiled artefact (.camx): program, constants, target and names in one file that runs without the compiler.

A zip archive: `manifest.json` holds the steps of the host and where the program's segments come from (ONNX nodes),
`*.bin` the binary code of the segments, `*.npy` the constants. Equal programs give equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from dialects.code import BYTES_PER_INSTRUCTION
from dialects.errors import CamcError, ProgramError, TextError
from dialects.ranges import Range
from dialects.scores import FUNCTIONS, Scores
from dialects.target import Target, make_target
from dialects.tensors import FloatThresholds, IntArray
from dialects.watch import progress
from dialects.window import Ints, Rows, Window, Windows, scatter
from runtime.files import DAMAGED, write_whole
from runtime.host import (
    InputSpec,
    Program,
    Result,
    SegmentRun,
    Value,
    activate,
    arg_max,
    check_inputs,
    cut_features,
    dequantize,
    narrow,
    quantise,
    run_programs,
    transpose,
)

VERSION = 2
_COMPRESSION = 4
"""zlib's level: 3% larger than at level 6, in less than half of its time"""


@dataclass(frozen=True)
class Quantize:
    """The input quantiser: `output` = steps of `input`."""

    input: str
    output: str
    thresholds: FloatThresholds
    result: Range


@dataclass(frozen=True)
class Reshape:
    """`output` = `input` with the features of a sample in another shape."""

    input: str
    output: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Transpose:
    """`output` = `input` with the dimensions of a sample in another order."""

    input: str
    output: str
    order: tuple[int, ...]


@dataclass(frozen=True)
class Take:
    """`output` = elements of one dimension of the samples of `input`."""

    input: str
    output: str
    axis: int
    indices: tuple[int, ...]


@dataclass(frozen=True)
class Gather:
    """Rows of window elements: the order in which images are read from the buffer."""

    input: str
    output: str
    window: Window
    pad: int


@dataclass(frozen=True)
class Scatter:
    """Images from rows, one a sample and position."""

    input: str
    output: str
    positions: tuple[int, int]


@dataclass(frozen=True)
class Concat:
    """Tensors side by side along the channels: parts of a layer lie in the buffer as one tensor."""

    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Execute:
    """Runs the segments on the array: features of all inputs in, features of all outputs (name, count) out."""

    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, int], ...]
    segments: tuple[tuple[str, bytes], ...]
    """layer and binary code"""


@dataclass(frozen=True)
class Dequantize:
    """The output scale: `output` = `input` * scale + offset."""

    input: str
    output: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    dtype: str


@dataclass(frozen=True)
class ArgMax:
    """`output` = the channels of `input` with the greatest scores; of equal ones the first, or the last."""

    input: str
    output: str
    count: int
    last: bool
    scores: str | None
    """the text of the scores; None where the integers themselves are"""
    layer: str


@dataclass(frozen=True)
class Activation:
    """`output` = a real function of `input`."""

    input: str
    output: str
    function: str
    dtype: str
    layer: str


HostStep = (
    Quantize | Reshape | Transpose | Take | Gather | Scatter | Concat | Execute | Dequantize | ArgMax | Activation
)


@dataclass(frozen=True)
class Artefact:
    """A compiled network: inputs, the host's steps in order, and which values are its outputs (ONNX name, value)."""

    target: Target
    inputs: tuple[InputSpec, ...]
    steps: tuple[HostStep, ...]
    outputs: tuple[tuple[str, str], ...]
    sample_bytes: int
    """about how much memory a sample takes while it runs"""

    def run(self, given: Mapping[str, Value], engine: str = "native", *, trace: bool = True) -> Result:
        """The outputs for arrays by input name; raises InputError where they don't fit.

        Without `trace` the native engine leaves out the counts that depend on the data.
        """
        values = check_inputs(self.inputs, given)
        try:
            return self._run(values, engine, trace)
        except (ValueError, IndexError) as error:
            raise ProgramError(f"a damaged program: {error}", hint="compile the model again") from error

    def _run(self, given: dict[str, Value], engine: str, trace: bool) -> Result:
        values: dict[str, Value | Windows] = {**given}
        result = Result(samples=len(next(iter(given.values()))))
        runs: dict[int, list[SegmentRun]] = {}
        done = 0
        for wave in self._waves:
            names = (_layer_name(self.steps[index]) for index in wave)
            progress(done, len(self.steps), next(filter(None, names), ""))
            programs: dict[int, Execute] = {}
            for index in wave:
                step = self.steps[index]
                if isinstance(step, Execute):
                    programs[index] = step
                else:
                    _run_on_host(step, values, result)
            runs |= self._execute(programs, values, engine, trace)
            done += len(wave)
        result.segments = [run for _, part in sorted(runs.items()) for run in part]
        outputs = ((name, _array(values[value])) for name, value in self.outputs)
        result.outputs = {name: value.astype(np.int64) if value.dtype.kind == "i" else value for name, value in outputs}
        return result

    @cached_property
    def _waves(self) -> list[list[int]]:
        """The steps in an order in which programs come together that don't wait for each other: parts of a layer,
        branches of the network. A wave is what the host can do, and then all programs that have their inputs."""
        known = {spec.name for spec in self.inputs}
        waiting = dict(enumerate(self.steps))
        waves: list[list[int]] = []

        def take(kind: Callable[[HostStep], bool]) -> list[int]:
            ready = [index for index, step in waiting.items() if kind(step) and known.issuperset(_inputs(step))]
            for index in ready:
                known.update(_outputs(waiting.pop(index)))
            return ready

        while waiting:
            wave: list[int] = []
            while host := take(lambda step: not isinstance(step, Execute)):
                wave += host
            wave += take(lambda step: isinstance(step, Execute))
            if not wave:
                raise ValueError("steps wait for values that are never computed")
            waves.append(wave)
        return waves

    def _execute(
        self, steps: Mapping[int, Execute], values: dict[str, Value | Windows], engine: str, trace: bool
    ) -> dict[int, list[SegmentRun]]:
        """Run programs together; their outputs go into the values, how their segments ran is returned by step."""
        counts = {index: [count for _, count in step.outputs] for index, step in steps.items()}
        programs = [
            Program(step.segments, [cast(Rows, values[name]) for name in step.inputs], sum(counts[index]))
            for index, step in steps.items()
        ]
        runs: dict[int, list[SegmentRun]] = {}
        found = run_programs(self.target, programs, engine, trace)
        for (index, step), (rows, runs[index]) in zip(steps.items(), found, strict=True):
            for (name, _), part in zip(step.outputs, cut_features(rows, counts[index]), strict=True):
                values[name] = narrow(part)
        return runs


def _run_on_host(step: HostStep, values: dict[str, Value | Windows], result: Result) -> None:
    match step:
        case Quantize():
            values[step.output] = quantise(_array(values[step.input]), step.thresholds, step.result)
        case Reshape():
            values[step.output] = _array(values[step.input]).reshape(-1, *step.shape)
        case Transpose():
            values[step.output] = transpose(_array(values[step.input]), step.order)
        case Take():
            values[step.output] = _array(values[step.input]).take(step.indices, axis=step.axis + 1)
        case Gather():
            values[step.output] = Windows(_raw(values[step.input]), step.window, step.pad)
        case Scatter():
            values[step.output] = scatter(_raw(values[step.input]), *step.positions)
        case Concat():
            values[step.output] = np.concatenate([_raw(values[name]) for name in step.inputs], axis=1)
        case Dequantize():
            scale, offset = np.array(step.scale), np.array(step.offset)
            values[step.output] = dequantize(_ints(values[step.input]), scale, offset, step.dtype)
        case ArgMax():
            scores = None if step.scores is None else Scores.from_text(step.scores)
            values[step.output] = arg_max(_ints(values[step.input]), step.count, step.last, scores)
            result.on_host("arg_max", step.layer)
        case Activation():
            values[step.output] = activate(_array(values[step.input]), step.function, step.dtype)
            result.on_host(step.function, step.layer)
        case Execute():
            raise AssertionError("programs run on the array")


def _inputs(step: HostStep) -> tuple[str, ...]:
    return step.inputs if isinstance(step, Execute | Concat) else (step.input,)


def _outputs(step: HostStep) -> tuple[str, ...]:
    return tuple(name for name, _ in step.outputs) if isinstance(step, Execute) else (step.output,)


def _array(value: Value | Windows) -> Value:
    return value.array() if isinstance(value, Windows) else value


def _raw(value: Value | Windows) -> Ints:
    return cast(Ints, _array(value))


def _ints(value: Value | Windows) -> IntArray:
    return _array(value).astype(np.int64, copy=False)


def _layer_name(step: HostStep) -> str:
    """What a step is known by: its largest segment."""
    segments = step.segments if isinstance(step, Execute) else ()
    return max(segments, key=lambda segment: len(segment[1]), default=("", b""))[0]


def save(artefact: Artefact, path: Path) -> None:
    """Write an artefact to a file that is there only once it is complete."""
    members: dict[str, bytes] = {}

    def member(name: str, data: bytes) -> str:
        members[name] = data
        return name

    def array(name: str, values: Any) -> str:
        stream = io.BytesIO()
        np.save(stream, np.asarray(values), allow_pickle=False)
        return member(f"{name}.npy", stream.getvalue())

    steps: list[dict[str, Any]] = []
    for number, step in enumerate(artefact.steps):
        entry: dict[str, Any] = {"step": type(step).__name__}
        match step:
            case Quantize():
                entry |= {"input": step.input, "output": step.output, "low": step.result.lo, "high": step.result.hi}
                entry["thresholds"] = array(f"{number}-thresholds", step.thresholds.array)
                entry["down"] = list(step.thresholds.down)
            case Reshape() | Transpose() | Take() | Scatter() | Concat() | ArgMax() | Activation():
                entry |= asdict(step)
            case Gather():
                entry |= {"input": step.input, "output": step.output, "window": asdict(step.window), "pad": step.pad}
            case Execute():
                entry |= {"inputs": list(step.inputs), "outputs": [list(pair) for pair in step.outputs]}
                entry["segments"] = [
                    {
                        "layer": layer,
                        "instructions": len(binary) // BYTES_PER_INSTRUCTION,
                        "code": member(f"{number}-segment-{index}.bin", binary),
                    }
                    for index, (layer, binary) in enumerate(step.segments)
                ]
            case Dequantize():
                entry |= {"input": step.input, "output": step.output, "dtype": step.dtype}
                entry["scale"] = array(f"{number}-scale", step.scale)
                entry["offset"] = array(f"{number}-offset", step.offset)
        steps.append(entry)
    manifest = {
        "format": "camx",
        "version": VERSION,
        "target": asdict(artefact.target),
        "inputs": [asdict(spec) for spec in artefact.inputs],
        "outputs": [{"name": name, "value": value} for name, value in artefact.outputs],
        "sample_bytes": artefact.sample_bytes,
        "steps": steps,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"manifest.json": json.dumps(manifest, indent=1).encode(), **members}.items():
            # A fixed date, so that equal programs are equal files.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION)
    write_whole(path, stream.getvalue())


def load(path: Path) -> Artefact:
    """Read an artefact; raises ProgramError where the file is damaged or none."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            if manifest["format"] != "camx" or manifest["version"] != VERSION:
                raise ProgramError(f"version {manifest['version']} is not known", place=str(path))
            return _artefact(manifest, archive)
    except CamcError:
        raise
    except FileNotFoundError as error:
        raise ProgramError("there is no such file", place=str(path)) from error
    except (*DAMAGED, TextError) as error:
        raise ProgramError(
            f"damaged or no compiled program: {error}", place=str(path), hint="compile the model again"
        ) from error


def _artefact(manifest: dict[str, Any], archive: zipfile.ZipFile) -> Artefact:
    def array(name: str) -> Any:
        return np.load(io.BytesIO(archive.read(name)), allow_pickle=False)

    steps: list[HostStep] = []
    for entry in manifest["steps"]:
        match entry["step"]:
            case "Quantize":
                table = FloatThresholds.from_array(array(entry["thresholds"]), np.array(entry["down"]))
                span = Range(entry["low"], entry["high"])
                steps.append(Quantize(entry["input"], entry["output"], table, span))
            case "Reshape":
                steps.append(Reshape(entry["input"], entry["output"], _numbers(entry["shape"])))
            case "Transpose":
                steps.append(Transpose(entry["input"], entry["output"], _numbers(entry["order"])))
            case "Gather":
                steps.append(Gather(entry["input"], entry["output"], _window(entry["window"]), int(entry["pad"])))
            case "Scatter":
                down, across = entry["positions"]
                steps.append(Scatter(entry["input"], entry["output"], (int(down), int(across))))
            case "Concat":
                steps.append(Concat(tuple(entry["inputs"]), entry["output"]))
            case "Execute":
                segments = tuple((part["layer"], archive.read(part["code"])) for part in entry["segments"])
                outputs = tuple((name, count) for name, count in entry["outputs"])
                steps.append(Execute(tuple(entry["inputs"]), outputs, segments))
            case "Dequantize":
                scale, offset = (tuple(array(entry[key]).tolist()) for key in ("scale", "offset"))
                steps.append(Dequantize(entry["input"], entry["output"], scale, offset, entry["dtype"]))
            case "Take":
                where = int(entry["axis"]), _numbers(entry["indices"])
                steps.append(Take(entry["input"], entry["output"], *where))
            case "ArgMax":
                names, scores = (entry["input"], entry["output"]), entry["scores"]
                if scores is not None:
                    Scores.from_text(scores)
                steps.append(ArgMax(*names, int(entry["count"]), bool(entry["last"]), scores, str(entry["layer"])))
            case "Activation":
                if entry["function"] not in FUNCTIONS:
                    raise ValueError(f"unknown function {entry['function']!r}")
                names, words = (entry["input"], entry["output"]), (entry["function"], entry["dtype"])
                steps.append(Activation(*names, *words, str(entry["layer"])))
            case other:
                raise ValueError(f"unknown step '{other}'")
    inputs = tuple(
        InputSpec(spec["name"], tuple(spec["shape"]), spec["dtype"], Range(**spec["span"]) if spec["span"] else None)
        for spec in manifest["inputs"]
    )
    stated = dict(manifest["target"])
    if missing := {item.name for item in fields(Target)} - stated.keys():
        raise ValueError(f"the target has no {min(missing)}")
    target = make_target(str(stated.pop("name")), stated, "the target of the program")
    outputs = tuple((out["name"], out["value"]) for out in manifest["outputs"])
    artefact = Artefact(target, inputs, tuple(steps), outputs, int(manifest["sample_bytes"]))
    _check_names(artefact)
    return artefact


def _numbers(stated: list[int]) -> tuple[int, ...]:
    return tuple(int(number) for number in stated)


def _window(stated: Mapping[str, list[int]]) -> Window:
    """The window of a gather; raises ValueError where it is malformed."""
    parts = {name: tuple(int(size) for size in stated[name]) for name in ("kernel", "strides", "pads", "dilations")}
    if [len(part) for part in parts.values()] != [2, 2, 4, 2]:
        raise ValueError(f"a window has 2, 2, 4 and 2 numbers, found {stated}")
    window = Window(**parts)  # pyright: ignore[reportArgumentType]
    if problem := window.problem():
        raise ValueError(problem)
    return window


def _check_names(artefact: Artefact) -> None:
    """Every value is computed before it is used, every type is one that we know; raises ValueError."""
    known = {spec.name for spec in artefact.inputs}
    for step in artefact.steps:
        outputs = _outputs(step)
        if unknown := set(_inputs(step)) - known:
            raise ValueError(f"there is no value '{min(unknown)}'")
        if twice := known & set(outputs):
            raise ValueError(f"the value '{min(twice)}' is computed twice")
        known.update(outputs)
    if unknown := {value for _, value in artefact.outputs} - known:
        raise ValueError(f"there is no value '{min(unknown)}'")
    types = [spec.dtype for spec in artefact.inputs]
    types += [step.dtype for step in artefact.steps if isinstance(step, Dequantize | Activation)]
    if wrong := [name for name in types if name not in ("float32", "float64", "int64")]:
        raise ValueError(f"there is no type {wrong[0]!r}")
