"""Benchmark networks and their programs, kept by content: what is there already is neither written nor compiled again.

A file's name holds a digest of all that it follows from: a model's writer and options; of a program the model, the
pipeline, the target and the sources of camc, but for prices and rivals, which no program depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

import cam_compiler
import dialects
import passes
import runtime
from cam_compiler.compile import read_module
from cam_compiler.execution import of_module
from cam_compiler.pipeline import parse_passes, run_passes
from cam_compiler.terminal.progress import Deeds, watching
from cam_compiler.validation import edge_inputs
from dialects import apv
from dialects.machine.target import Target
from passes.adder_graphs.sums import signed_digits
from runtime.camx import load, save
from runtime.cost.counts import Traced
from runtime.network import Network
from runtime.result import Result, expected_runs

sys.path.insert(0, str(Path(__file__).parent / "models"))

from zoo import Options, generate

_KINDS = {".py", ".so", ".lark", ".toml"}
_NO_SOURCES = ("cost/technologies", "cost/parameters.toml", "rivals")
"""of `runtime`"""


def default_cache() -> Path:
    """The folder `camc` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "camc"


class Measured(NamedTuple):
    """A program, its counts on one image, and what its adder graphs come to."""

    network: Network
    result: Result
    """without outputs"""
    additions: int
    outputs: str
    """digest of the outputs"""
    seconds: float
    """of CPU that compiling took"""


class Cache:
    """A folder of models and programs; `say` hears what is done."""

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self.folder, self.say = folder, say
        folder.mkdir(parents=True, exist_ok=True)

    def model(self, name: str, options: Options) -> Path:
        """A network of the zoo."""
        writers = sorted((Path(__file__).parent / "models").glob("*.py"))
        key = digest([name.encode(), repr(options).encode(), *(path.read_bytes() for path in writers)])
        path = self.folder / f"{name}-{options.activation_bits}b-{key}.onnx"
        if not path.exists():
            with self._timed(f"{name}, {options.activation_bits} bits: writing the network"):
                whole(path, lambda part: onnx.save(generate(name, options)[0], part))
        return path

    def program(self, model: Path, name: str, pipeline: str, target: Target) -> Measured:
        """The model through a pipeline, run on one image; raises CapacityError where the arrays are too small.

        `name` is what files and messages call the pipeline.
        """
        key = digest([model.read_bytes(), pipeline.encode(), target.to_text().encode(), sources()])
        network = model.stem.rpartition("-")[0] or model.stem
        program = self.folder / f"{network}-{name}-{key}.camx"
        facts = program.with_suffix(".json")
        if not (program.exists() and facts.exists()):
            with self._timed(f"{network}: compiling and running {name}"):
                self._make(model, pipeline, target, program, facts)
        return _read(program, json.loads(facts.read_text()))

    def _make(self, model: Path, pipeline: str, target: Target, program: Path, facts: Path) -> None:
        with watching() as screen:
            module = read_module(model)
            inputs = {name: value[:1] for name, value in edge_inputs(module, samples=2).items()}
            began = time.process_time()
            run_passes(module, parse_passes(pipeline), target)
            seconds = time.process_time() - began
            executor = of_module(module, target, "native")
            result = executor.run(inputs)
        stated = {
            "additions": additions_of(screen.deeds),
            "outputs": digest(np.ascontiguousarray(value).tobytes() for _, value in sorted(result.outputs.items())),
            "seconds": seconds,
            "traced": [run.counts.traced for run in result.segments],
        }
        whole(program, lambda part: save(executor.network, part))
        whole(facts, lambda part: part.write_text(json.dumps(stated) + "\n"))

    def _timed(self, what: str) -> Any:
        return _Timed(what, self.say)


class _Timed:
    def __init__(self, what: str, say: Callable[[str], None]):
        self.what, self.say = what, say

    def __enter__(self) -> None:
        self.say(f"{self.what} ...")
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.say(f"{self.what}: {time.perf_counter() - self.began:.0f} s")


def _read(program: Path, facts: Any) -> Measured:
    network = load(program)
    pairs = zip(expected_runs(network, 1), facts["traced"], strict=True)
    segments = [run._replace(counts=run.counts.with_traced(Traced(*traced))) for run, traced in pairs]
    return Measured(network, Result({}, segments, 1), facts["additions"], facts["outputs"], facts["seconds"])


def whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file that is there only once it is complete."""
    part = path.with_suffix(f".part{path.suffix}")
    write(part)
    part.replace(path)


def digest(parts: Iterable[bytes]) -> str:
    """A short name for contents."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()[:16]


@cache
def sources() -> bytes:
    """A digest of all that decides what a program is."""
    parts: list[bytes] = []
    for package in (cam_compiler, dialects, passes, runtime):
        folder = Path(str(package.__file__)).parent
        for path in sorted(item for item in folder.rglob("*") if item.suffix in _KINDS):
            name = path.relative_to(folder).as_posix()
            if package is not runtime or not name.startswith(_NO_SOURCES):
                parts += [name.encode(), path.read_bytes()]
    return digest(parts).encode()


def additions_of(deeds: Deeds) -> int:
    """The additions of a network: of the layers that are shared, and of those that are left as sums of their own."""
    said = (figures for layers in deeds.values() for _, figures in layers)
    return sum(figure.after for figures in said for figure in figures if figure.name == "additions")


def additions_without_sharing(model: Path, target: Target) -> int:
    """Those of all layers where every output is a sum of its own: one less than its weights' signed digits."""
    module = read_module(model)
    run_passes(module, parse_passes("ternary-canonicalize,convert-ternary-to-apv"), target)
    layers = [op for op in module.walk() if isinstance(op, apv.LinearOp)]
    return sum(_sums(signed_digits(op.weights.data.array).rows) for op in layers)


def _sums(rows: Sequence[int]) -> int:
    return len(rows) - len(np.unique(rows))
