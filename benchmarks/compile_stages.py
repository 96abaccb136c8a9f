"""Time and peak memory of every stage of compiling: reading the model, each pass, writing the program.

    python benchmarks/compile_stages.py [NETWORK ...] [--target NAME] [--pipeline PIPELINE]

A network is a name of the zoo (zoo.py, with its default options) or an .onnx file; default are all of the zoo. Each is
generated and compiled in a process of its own; a stage's peak is the most that its process has held until its end.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent))

ZOO = ("resnet20", "vgg9", "vgg11", "resnet18")
Result = TypeVar("Result")
Stage = tuple[str, float, float]
"""A stage's name, its seconds, and megabytes at the peak so far"""


def stages_of(model: Path, target_name: str, pipeline: str, folder: Path) -> list[Stage]:
    """Compiles a model in this process."""
    stages: list[Stage] = []

    def measured(name: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        result = work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        stages.append((name, time.perf_counter() - start, peak))
        return result

    def load() -> None:
        import cam_compiler.compile
        import cam_compiler.importer.network  # noqa: F401

    measured("start", load)
    from cam_compiler.compile import read_module
    from cam_compiler.pipeline import parse_passes, run_passes
    from dialects.machine.target import load_target
    from runtime.camx import save
    from runtime.interpreter import network_of

    target = load_target(target_name)
    module = measured("import", lambda: read_module(model))
    for item in parse_passes(pipeline):
        measured(item.name, lambda passes=(item,): run_passes(module, passes, target))
    measured("write", lambda: save(network_of(module, target), folder / "out.camx"))
    return stages


def generated(name: str, folder: Path) -> Path:
    """The model file of a network of the zoo."""
    path = folder / f"{name}.onnx"
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("models") / "zoo.py"), name, "-o", str(path)], check=True
    )
    return path


def in_a_process(model: Path, options: argparse.Namespace, folder: Path) -> list[Stage]:
    command = [sys.executable, __file__, str(model), "--target", options.target, "--pipeline", options.pipeline]
    done = subprocess.run([*command, "--inside", str(folder)], check=True, capture_output=True, text=True)
    return [tuple(stage) for stage in json.loads(done.stdout)]


def table(name: str, stages: list[Stage]) -> Table:
    shown = Table("stage", "seconds", "peak MB so far", title=name)
    for stage, seconds, peak in stages:
        shown.add_row(stage, f"{seconds:.2f}", f"{peak:.0f}")
    shown.add_section()
    shown.add_row("all", f"{sum(stage[1] for stage in stages):.2f}", f"{stages[-1][2]:.0f}", style="bold")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=ZOO)
    parser.add_argument("--target", default="default")
    parser.add_argument("--pipeline", default="default")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(stages_of(Path(options.networks[0]), options.target, options.pipeline, options.inside)))
        return
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for network in options.networks:
            model = generated(network, folder) if network in ZOO else Path(network)
            console.print(table(network, in_a_process(model, options, folder)))


if __name__ == "__main__":
    main()
