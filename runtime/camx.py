"""The compiled artefact (.camx): program, constants, target and names in one file that runs without the compiler.

A zip archive: `manifest.json` holds the steps of the host and where the program's segments come from (ONNX nodes),
`*.bin` the binary code of the segments, `*.npy` the constants. Equal programs give equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_type_hints

import numpy as np

from dialects.machine.code import BYTES_PER_INSTRUCTION
from dialects.machine.target import Target, make_target
from dialects.support.errors import CamcError, ProgramError, TextError
from dialects.support.instrumentation import progress
from dialects.support.ranges import Range
from dialects.support.scores import Scores
from dialects.support.tensors import FloatThresholds
from dialects.support.window import Window
from runtime.files import DAMAGED, write_whole
from runtime.host import InputSpec, Result, SegmentRun, Value, check_inputs, run_programs
from runtime.host_actions import KINDS, Action, AnyValue, Execute, Segment, Step, array, check_type

VERSION = 3
_COMPRESSION = 4
"""zlib's level: 3% larger than at level 6, in less than half of its time"""


@dataclass(frozen=True)
class Artefact:
    """A compiled network: inputs, steps in order, and which values are its outputs (ONNX name, value)."""

    target: Target
    inputs: tuple[InputSpec, ...]
    steps: tuple[Step, ...]
    outputs: tuple[tuple[str, str], ...]
    sample_bytes: int
    """about how much memory a sample takes while it runs"""

    @property
    def programs(self) -> dict[int, Execute]:
        """The programs, by the number of their step."""
        return {index: step.action for index, step in enumerate(self.steps) if isinstance(step.action, Execute)}

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
        values: dict[str, AnyValue] = {**given}
        result = Result(samples=len(next(iter(given.values()))))
        runs: dict[int, list[SegmentRun]] = {}
        done = 0
        waiting = Counter(name for step in self.steps for name in step.inputs)
        waiting.update(value for _, value in self.outputs)
        for wave in self._waves:
            programs: dict[int, Execute] = {}
            for index in wave:
                step = self.steps[index]
                if isinstance(step.action, Execute):
                    programs[index] = step.action
                else:
                    values[step.outputs[0]] = step.action.compute(*(values[name] for name in step.inputs))
                    result.on_host(step.action.on_host)
            progress(done, len(self.steps), next((program.layer for program in programs.values()), ""))
            runs |= self._execute(programs, values, engine, trace)
            for name in (name for index in wave for name in self.steps[index].inputs):
                waiting[name] -= 1
                if waiting[name] == 0:
                    del values[name]
            done += len(wave)
        result.segments = [run for _, part in sorted(runs.items()) for run in part]
        outputs = ((name, array(values[value])) for name, value in self.outputs)
        result.outputs = {name: value.astype(np.int64) if value.dtype.kind == "i" else value for name, value in outputs}
        return result

    @cached_property
    def _waves(self) -> list[list[int]]:
        """The steps in an order in which programs come together that don't wait for each other: parts of a layer,
        branches of the network. A wave is what the host can do, and then all programs that have their inputs."""
        known = {spec.name for spec in self.inputs}
        waiting = dict(enumerate(self.steps))
        waves: list[list[int]] = []

        def take(kind: type[Action] | type[Execute]) -> list[int]:
            able = [index for index, step in waiting.items() if isinstance(step.action, kind)]
            ready = [index for index in able if known.issuperset(waiting[index].inputs)]
            for index in ready:
                known.update(waiting.pop(index).outputs)
            return ready

        while waiting:
            wave: list[int] = []
            while host := take(Action):
                wave += host
            wave += take(Execute)
            if not wave:
                raise ValueError("steps wait for values that are never computed")
            waves.append(wave)
        return waves

    def _execute(
        self, programs: Mapping[int, Execute], values: dict[str, AnyValue], engine: str, trace: bool
    ) -> dict[int, list[SegmentRun]]:
        """Run programs together; their outputs go into the values, how their segments ran is returned by step."""
        ready = [item.program(values[name] for name in self.steps[index].inputs) for index, item in programs.items()]
        runs: dict[int, list[SegmentRun]] = {}
        for (index, item), (rows, run) in zip(
            programs.items(), run_programs(self.target, ready, engine, trace), strict=True
        ):
            values.update(zip(self.steps[index].outputs, item.outputs(rows), strict=True))
            runs[index] = run
        return runs


def save(artefact: Artefact, path: Path) -> None:
    """Write an artefact to a file that is there only once it is complete."""
    members: dict[str, bytes] = {}

    def member(name: str, data: bytes) -> str:
        members[name] = data
        return name

    def stated(number: int, value: object) -> Any:
        """A constant of a step as the manifest has it."""
        match value:
            case Range():
                return [value.lo, value.hi]
            case Window():
                return asdict(value)
            case Scores():
                return value.to_text()
            case FloatThresholds():
                stream = io.BytesIO()
                np.save(stream, value.array, allow_pickle=False)
                return {"array": member(f"{number}-thresholds.npy", stream.getvalue()), "down": list(value.down)}
            case Segment(layer, code):
                name = member(f"{number}-segment-{len(members)}.bin", code)
                return {"layer": layer, "instructions": len(code) // BYTES_PER_INSTRUCTION, "code": name}
            case tuple():
                return [stated(number, item) for item in cast(tuple[object, ...], value)]
            case _:
                return value

    steps = [
        {"step": type(step.action).__name__, "inputs": step.inputs, "outputs": step.outputs}
        | {item.name: stated(number, getattr(step.action, item.name)) for item in fields(step.action)}
        for number, step in enumerate(artefact.steps)
    ]
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
    steps: list[Step] = []
    for entry in manifest["steps"]:
        if entry["step"] not in KINDS:
            raise ValueError(f"unknown step '{entry['step']}'")
        kind = KINDS[entry["step"]]
        constants = {name: _READERS[form](entry[name], archive) for name, form in get_type_hints(kind).items()}
        steps.append(Step(_words(entry["inputs"]), _words(entry["outputs"]), kind(**constants)))
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


def _words(stated: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(word) for word in stated)


def _numbers(stated: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(number) for number in stated)


def _pair(stated: Sequence[int]) -> tuple[int, int]:
    first, second = _numbers(stated)
    return first, second


def _window(stated: Mapping[str, Sequence[int]]) -> Window:
    """The window of a gather; raises ValueError where it is malformed."""
    parts = {name: _numbers(stated[name]) for name in ("kernel", "strides", "pads", "dilations")}
    if [len(part) for part in parts.values()] != [2, 2, 4, 2]:
        raise ValueError(f"a window has 2, 2, 4 and 2 numbers, found {stated}")
    window = Window(**parts)  # pyright: ignore[reportArgumentType]
    if problem := window.problem():
        raise ValueError(problem)
    return window


def _thresholds(stated: Mapping[str, Any], archive: zipfile.ZipFile) -> FloatThresholds:
    table = np.load(io.BytesIO(archive.read(stated["array"])), allow_pickle=False)
    return FloatThresholds.from_array(table, np.array(stated["down"]))


def _segments(stated: Sequence[Mapping[str, str]], archive: zipfile.ZipFile) -> tuple[Segment, ...]:
    return tuple(Segment(str(part["layer"]), archive.read(part["code"])) for part in stated)


_READERS: dict[object, Callable[[Any, zipfile.ZipFile], object]] = {
    int: lambda stated, _: int(stated),
    bool: lambda stated, _: bool(stated),
    str: lambda stated, _: str(stated),
    tuple[int, ...]: lambda stated, _: _numbers(stated),
    tuple[int, int]: lambda stated, _: _pair(stated),
    tuple[float, ...]: lambda stated, _: tuple(float(number) for number in stated),
    Range: lambda stated, _: Range(*_pair(stated)),
    Window: lambda stated, _: _window(stated),
    Scores | None: lambda stated, _: None if stated is None else Scores.from_text(stated),
    FloatThresholds: _thresholds,
    tuple[Segment, ...]: _segments,
}
"""How the constants of a step are read, by their type."""


def _check_names(artefact: Artefact) -> None:
    """Every value is computed before it is used, once, every type is one that we know; raises ValueError."""
    known = {spec.name for spec in artefact.inputs}
    for spec in artefact.inputs:
        check_type(spec.dtype)
    for step in artefact.steps:
        if unknown := set(step.inputs) - known:
            raise ValueError(f"there is no value '{min(unknown)}'")
        if twice := known & set(step.outputs):
            raise ValueError(f"the value '{min(twice)}' is computed twice")
        if len(step.outputs) != (len(step.action.features) if isinstance(step.action, Execute) else 1):
            raise ValueError(f"a step has {len(step.outputs)} outputs")
        known.update(step.outputs)
    if unknown := {value for _, value in artefact.outputs} - known:
        raise ValueError(f"there is no value '{min(unknown)}'")
