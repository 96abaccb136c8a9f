"""The file of a compiled network (.camx), which runs without the compiler.

A zip archive: `manifest.json` holds the target, inputs, calls and outputs of the network (runtime/network.py), with the
ONNX nodes that segments come from; `*.bin` the binary code of the segments, `*.npy` the constants. Equal networks give
equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any, cast, get_type_hints

import numpy as np

from dialects.machine.cells import Cells
from dialects.machine.code import BYTES_PER_INSTRUCTION
from dialects.machine.counted import CountedPart, CountedProgram
from dialects.machine.program import Program, Segment
from dialects.machine.target import Target, make_target
from dialects.support.errors import CamcError, FileError, InputError, PipelineError, ProgramError, TextError
from dialects.support.files import check_file
from dialects.support.ranges import Range
from dialects.support.real_lines import RealLines
from dialects.support.scores import Scores
from dialects.support.tensors import FloatThresholds
from dialects.support.window import Window
from runtime.files import DAMAGED, check_archive, is_refused, write_whole
from runtime.host_actions import KINDS, Action, check_type
from runtime.network import Call, InputSpec, Network, OutputSpec

VERSION = 8
_COMPRESSION = 4
"""zlib's level: 3% larger than at level 6, in less than half of its time"""
_MOST = 1 << 62
"""Beyond the numbers that a file states."""
_CALLS: dict[str, type[Action] | type[Program] | type[CountedProgram]] = {
    **KINDS,
    Program.__name__: Program,
    CountedProgram.__name__: CountedProgram,
}


def save(network: Network, path: Path) -> None:
    """Write a network to a file that is there only once it is complete; raises PipelineError if it isn't compiled."""
    if missing := network.uncompiled:
        raise PipelineError(
            f"'{missing}' is no operation of a compiled program",
            hint="a .camx file holds a network at the ap level; write earlier stages as .mlir",
        )
    members: dict[str, bytes] = {}

    def member(name: str, data: bytes) -> str:
        members[name] = data
        return name

    def stated(number: int, value: object) -> Any:
        """A constant of a call as the manifest has it."""
        match value:
            case Range():
                return [value.lo, value.hi]
            case Window():
                return asdict(value)
            case Scores() | RealLines():
                return value.to_text()
            case FloatThresholds():
                stream = io.BytesIO()
                np.save(stream, value.array, allow_pickle=False)
                return {"array": member(f"{number}-thresholds.npy", stream.getvalue()), "down": list(value.down)}
            case Segment(layer, code):
                name = member(f"{number}-segment-{len(members)}.bin", code)
                return {"layer": layer, "instructions": len(code) // BYTES_PER_INSTRUCTION, "code": name}
            case bytes():
                return member(f"{number}-code.bin", value)
            case Cells(places, packed):
                return {
                    name: member(f"{number}-{name}.bin", data) for name, data in (("places", places), ("cells", packed))
                }
            case CountedPart():
                return asdict(value)
            case tuple():
                return [stated(number, item) for item in cast(tuple[object, ...], value)]
            case _:
                return value

    calls = [
        {
            "call": type(call.action).__name__,
            "takes": call.inputs,
            "gives": call.outputs,
            **{item.name: stated(number, getattr(call.action, item.name)) for item in fields(call.action)},
        }
        for number, call in enumerate(network.calls)
    ]
    manifest = {
        "format": "camx",
        "version": VERSION,
        "target": asdict(network.target),
        "inputs": [asdict(spec) for spec in network.inputs],
        "outputs": [asdict(spec) for spec in network.outputs],
        "sample_bytes": network.sample_bytes,
        "multiply_accumulates": dict(network.macs) if network.macs is not None else None,
        "nodes": dict(network.nodes),
        "calls": calls,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"manifest.json": json.dumps(manifest, indent=1).encode(), **members}.items():
            # A fixed date, so that equal programs are equal files.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION)
    write_whole(path, stream.getvalue())


def load(path: Path) -> Network:
    """Read a network; raises ProgramError where the file is damaged or isn't one."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path)
            manifest = json.loads(archive.read("manifest.json"))
            if manifest["format"] != "camx" or manifest["version"] != VERSION:
                found = f"version {manifest['version']} is not known, expected {VERSION}"
                raise ProgramError(found, place=str(path), hint="compile the model again")
            return _network(manifest, archive)
    except CamcError:
        raise
    except MemoryError as error:
        raise ProgramError("it claims more than memory holds", place=str(path)) from error
    except (*DAMAGED, TextError) as error:
        if is_refused(error):
            raise FileError.of(error, "read", str(path)) from error
        raise ProgramError(
            f"damaged or no compiled program: {error}", place=str(path), hint="compile the model again"
        ) from error


@cache
def _forms(kind: type[object]) -> dict[str, Any]:
    """The types of an action's constants by name."""
    return get_type_hints(kind)


def _network(manifest: dict[str, Any], archive: zipfile.ZipFile) -> Network:
    calls: list[Call] = []
    for entry in manifest["calls"]:
        if entry["call"] not in _CALLS:
            raise ValueError(f"unknown call '{entry['call']}'")
        kind = _CALLS[entry["call"]]
        constants: dict[str, Any] = {name: _READERS[form](entry[name], archive) for name, form in _forms(kind).items()}
        action = kind(**constants)
        if isinstance(action, Program):
            _check_program(action)
        calls.append(Call(_words(entry["takes"]), _words(entry["gives"]), action))
    inputs = tuple(_input(stated) for stated in manifest["inputs"])
    stated = dict(manifest["target"])
    if missing := {item.name for item in fields(Target)} - stated.keys():
        raise ValueError(f"the target has no {min(missing)}")
    target = make_target(str(stated.pop("name")), stated, "the target of the program")
    outputs = tuple(_output(stated) for stated in manifest["outputs"])
    network = Network(
        target, inputs, tuple(calls), outputs, _size(manifest["sample_bytes"]), _macs(manifest), _nodes(manifest)
    )
    if problem := network.problem():
        raise ValueError(problem)
    return network


def _check_program(program: Program) -> None:
    """Raises ValueError for numbers of features or rows that no program has."""
    for number in (*program.inputs, *program.outputs, program.rows):
        if not 1 <= number < 1 << 31:
            raise ValueError(f"a program has {number} features or rows")


def _macs(manifest: Mapping[str, Any]) -> dict[str, int] | None:
    stated: Mapping[str, int] | None = manifest.get("multiply_accumulates")
    return None if stated is None else {str(name): int(macs) for name, macs in stated.items()}


def _nodes(manifest: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    stated: Mapping[str, list[str]] = manifest["nodes"]
    return {str(layer): _words(nodes) for layer, nodes in stated.items()}


def _size(stated: object) -> int:
    """A number of elements or bytes; raises ValueError where it is none."""
    if type(stated) is not int or not 0 <= stated < _MOST:
        raise ValueError(f"expected a size, found {stated!r}")
    return stated


def _range(low: int, high: int) -> Range:
    if not -_MOST < low <= high < _MOST:
        raise ValueError(f"expected a range of integers of 62 bits, found {low}..{high}")
    return Range(low, high)


def _input(stated: Mapping[str, Any]) -> InputSpec:
    check_type(stated["dtype"])
    span = _range(*_numbers([stated["span"]["lo"], stated["span"]["hi"]])) if stated["span"] else None
    batch, *sample = stated["shape"]
    shape = (-1 if batch == -1 else _size(batch), *map(_size, sample))
    spec = InputSpec(str(stated["name"]), shape, str(stated["dtype"]), span, str(stated["declared"]))
    try:
        _ = spec.lattice
    except InputError as error:
        raise ValueError(error.message) from error
    return spec


def _output(stated: Mapping[str, Any]) -> OutputSpec:
    dtype = str(stated["dtype"])
    if dtype and np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"there is no type {dtype!r}")
    return OutputSpec(str(stated["name"]), str(stated["value"]), dtype, bool(stated["batched"]))


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
    down = np.array(stated["down"])
    if table.dtype != np.float64 or table.ndim != 2 or down.dtype != bool or down.shape != table.shape[:1]:
        raise ValueError(
            f"expected thresholds (channels, levels) in double precision, found {table.shape} {table.dtype}"
        )
    thresholds = FloatThresholds.from_array(table, down)
    if problem := thresholds.problem():
        raise ValueError(problem)
    return thresholds


def _segments(stated: Sequence[Mapping[str, str]], archive: zipfile.ZipFile) -> tuple[Segment, ...]:
    return tuple(Segment(str(part["layer"]), archive.read(part["code"])) for part in stated)


def _parts(stated: Sequence[Mapping[str, Any]]) -> tuple[CountedPart, ...]:
    return tuple(CountedPart(_pair(part["outputs"]), tuple(_pair(span) for span in part["inputs"])) for part in stated)


def _cells(stated: Mapping[str, str], archive: zipfile.ZipFile) -> Cells:
    return Cells(archive.read(stated["places"]), archive.read(stated["cells"]))


_READERS: dict[object, Callable[[Any, zipfile.ZipFile], object]] = {
    int: lambda stated, _: int(stated),
    bool: lambda stated, _: bool(stated),
    str: lambda stated, _: str(stated),
    tuple[int, ...]: lambda stated, _: _numbers(stated),
    tuple[int, int]: lambda stated, _: _pair(stated),
    tuple[float, ...]: lambda stated, _: tuple(float(number) for number in stated),
    Range: lambda stated, _: _range(*_pair(stated)),
    Window: lambda stated, _: _window(stated),
    Scores | None: lambda stated, _: None if stated is None else Scores.from_text(stated),
    RealLines: lambda stated, _: RealLines.from_text(stated),
    FloatThresholds: _thresholds,
    tuple[Segment, ...]: _segments,
    bytes: lambda stated, archive: archive.read(stated),
    Cells: _cells,
    tuple[CountedPart, ...]: lambda stated, _: _parts(stated),
}
"""How the constants of a call are read, by their type."""
