"""Time of the engine beside onnxruntime on the float network, and beside the machine's own bound.

    python benchmarks/engine.py                              # all networks of the zoo; compiles them first
    python benchmarks/engine.py --only resnet20 --work DIR   # keeps models and programs in DIR
    python benchmarks/engine.py --tfc TFC_2W2A.onnx --images X.npy

The float network is the zoo's QONNX export without its quantisers: the same graph (convolutions, batch norms, ReLU,
pooling, additions) in float32, on onnxruntime's default threads. The engine runs the compiled program, the whole way
from the float image to the float logits; `1` and `2` are numbers of threads, `traced` counts written and toggled
cells. Each network has a process of its own, in which all kinds of runs take turns, so that whatever else the machine
does hits all of them. `counted` is the same network with weights as data, for the target `counting`. Times are the best
of the turns; the ratio to onnxruntime is that of the best times and, in brackets, the median of the turns' ratios. The
golden simulator runs the first instructions of each layer on all rows; its time is extrapolated from their bits.

The bound: what the engine executes reads and writes bit planes (once where it does several additions to a value in
registers); it can't take less time than the second-level cache takes to move them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from models.zoo import Options, generate
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cam_compiler.compile import compile_file
from cam_compiler.pipeline import counting
from dialects.machine.code import BYTES_PER_INSTRUCTION, Fields, decode
from dialects.machine.isa import Op
from runtime.camx import load, save
from runtime.engines.golden import Simulator
from runtime.engines.native import INSTRUCTION_SETS, touched_planes
from runtime.executor import Executor
from runtime.interpreter import network_of
from runtime.network import Network

RUNS = (("resnet18", 1), ("resnet18", 8), ("vgg9", 64), ("resnet20", 64))
SIDES = {"resnet18": 224, "vgg9": 32, "resnet20": 32}
BLOCK = 512
"""rows of the blocks in which times are given"""
GOLDEN_INSTRUCTIONS = 60
TURNS = 9
CACHED_BYTES = 1 << 18
"""operands of the bandwidth's measurement: too large for a first-level cache, small enough for a second-level one"""

Floats = npt.NDArray[np.float32]


class Measured(NamedTuple):
    """Seconds of a batch in each turn: onnxruntime, counted, plain on one thread and on all, traced on all."""

    peer: list[float] | None
    counted: list[float] | None
    one: list[float]
    plain: list[float]
    traced: list[float]
    golden: float | None
    """seconds of the golden simulator"""
    blocks: int
    """instructions times blocks of rows"""
    touched: int
    """bytes of bit planes that they read and write"""
    peak: int
    """bytes"""


def seconds(run: Callable[[], object]) -> float:
    begin = perf_counter()
    run()
    return perf_counter() - begin


def best(run: Callable[[], object], times: int = 7) -> float:
    """Seconds of the fastest of several runs, after one that doesn't count."""
    run()
    return min(seconds(run) for _ in range(times))


def bandwidth() -> float:
    """Bytes a second that one core moves between registers and its second-level cache: two reads, one write."""
    left, right = np.ones(CACHED_BYTES // 24, dtype=np.uint64), np.ones(CACHED_BYTES // 24, dtype=np.uint64)
    result, times = np.empty_like(left), 200

    def sweep() -> None:
        for _ in range(times):
            np.bitwise_xor(left, right, out=result)

    return 3 * left.nbytes * times / best(sweep)


def float_network(path: Path) -> bytes:
    """The model without its quantisers."""
    model = onnx.load(path)
    kept = [node for node in model.graph.node if node.op_type != "Quant"]
    source = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Quant"}
    for node in kept:
        node.input[:] = [source.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    constants = [constant for constant in model.graph.initializer if constant.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)
    return model.SerializeToString()


def peer(model: Path, images: Floats) -> Callable[[], object]:
    import onnxruntime

    session = onnxruntime.InferenceSession(float_network(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: images})


def golden_time(network: Network, rows: Sequence[int]) -> float:
    """Seconds that the golden simulator would take, from the first instructions of each program."""
    total = 0.0
    for program, count in zip(network.programs, rows, strict=True):
        code = b"".join(program.codes)
        part = [item for item in decode(code[: 16 * GOLDEN_INSTRUCTIONS]) if item.op is not Op.OUT]
        part = [item._replace(last=True, imm=0) if item.op is Op.IN else item._replace(last=True) for item in part]
        simulator = Simulator(network.target, count)
        inputs = np.zeros((1, count), dtype=np.int64)
        # The first run pays for fresh memory.
        simulator.run("", part, inputs, inputs)
        begin = perf_counter()
        simulator.run("", part, inputs, inputs)
        total += (perf_counter() - begin) * int(Fields.unpack(code)["width"].sum()) / sum(item.width for item in part)
    return total


def measure(path: Path, counted: Path | None, model: Path | None, images: Floats, golden: bool) -> Measured:
    network = load(path)
    traced, untraced = Executor(network), Executor(network, trace=False)
    inputs = {network.inputs[0].name: images}
    cores = os.sched_getaffinity(0)

    def plain() -> object:
        return untraced.run(inputs)

    def one() -> object:
        os.sched_setaffinity(0, {min(cores)})
        try:
            return plain()
        finally:
            os.sched_setaffinity(0, cores)

    first = traced.run(inputs)
    kinds = [one, plain, lambda: traced.run(inputs)]
    for kind in kinds:
        kind()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if counted:
        kinds.append(partial(Executor(load(counted), trace=False).run, inputs))
        kinds[-1]()
    if model:
        kinds.append(peer(model, images))
        kinds[-1]()
    turns: list[list[float]] = [[] for _ in kinds]
    for _ in range(TURNS):
        for kind, found in zip(kinds, turns, strict=True):
            # onnxruntime's threads spin for a while after their work.
            sleep(0.02)
            found.append(seconds(kind))
    runs = iter(first.segments)
    rows: list[int] = []
    blocks = planes = 0
    for program in network.programs:
        rows.append(max(next(runs).rows for _ in program.segments))
        count = -(-rows[-1] // BLOCK)
        blocks += count * (sum(map(len, program.codes)) // BYTES_PER_INSTRUCTION)
        planes += count * touched_planes(network.target, program)
    expected = golden_time(network, rows) if golden else None
    further = turns[3:]
    others = further.pop() if model else None, further.pop() if counted else None
    return Measured(*others, *turns[:3], expected, blocks, planes * BLOCK // 8, peak)


def apart(*arguments: object) -> Measured:
    """Measure in a process of its own, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, *arguments).result()  # pyright: ignore[reportArgumentType]


def prepared(name: str, work: Path) -> tuple[Path, Path, Path]:
    """The compiled program, the counted one and the float peer's model; made where they are not there yet."""
    program, counted, model = work / f"{name}.camx", work / f"{name}_counted.camx", work / f"{name}_qonnx.onnx"
    if not model.exists():
        onnx.save(generate(name, Options(form="qonnx"))[0], model)
    if not program.exists():
        begin = perf_counter()
        save(network_of(*compile_file(model)), program)
        print(f"{name}: compiled in {perf_counter() - begin:.0f} s")
    if not counted.exists():
        save(network_of(*compile_file(model, "counting", pipeline=counting("default", "count"))), counted)
    return program, counted, model


def row(name: str, batch: int, found: Measured, speed: float) -> list[str]:
    one, plain, traced = min(found.one), min(found.plain), min(found.traced)
    times = [found.peer and min(found.peer), found.counted and min(found.counted), plain, one, traced, found.golden]
    ratio = ""
    if found.peer:
        median = np.median(np.array(found.plain) / np.array(found.peer))
        ratio = f"{plain / min(found.peer):.2f} ({median:.2f})"
        if found.counted:
            ratio += f"; {min(found.counted) / min(found.peer):.2f}"
    return [
        name,
        str(batch),
        *("" if time is None else f"{1000 * time:,.0f}" for time in times),
        ratio,
        f"{traced / plain:.1f}",
        f"{one / plain:.2f}",
        f"{1e9 * one / found.blocks:.1f}",
        f"{found.touched / one / speed:.0%}",
        f"{found.peak / 1e6:,.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SIDES, help="one network")
    parser.add_argument("--work", type=Path, help="where models and programs are kept (default: a temporary folder)")
    parser.add_argument("--tfc", type=Path, metavar="MODEL.onnx", help="also a network without float peer")
    parser.add_argument("--images", type=Path, metavar="X.npy", help="its inputs")
    parser.add_argument("--no-golden", action="store_true", help="leave the golden simulator out")
    options = parser.parse_args()
    speed = bandwidth()
    cores = len(os.sched_getaffinity(0))
    print(
        f"{cores} cores, {INSTRUCTION_SETS[0]}; second-level cache {speed / 1e9:.0f} GB/s a core, as numpy measures it"
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    names = (
        "network",
        "batch",
        "float\nonnxruntime ms",
        f"counted\n{cores} threads ms",
        f"plain\n{cores} threads ms",
        "plain\n1 thread ms",
    )
    names += (
        f"traced\n{cores} threads ms",
        "golden ms\nextrapolated",
        "plain; counted /\nonnxruntime",
        "traced /\nplain",
    )
    names += ("threads'\nspeed-up", f"ns an instr.\nand {BLOCK} rows", "of the\nbound", "peak\nMB")
    for name in names:
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for name, batch in RUNS:
            if options.only in (None, name):
                side = SIDES[name]
                images = np.random.default_rng(0).random((batch, 3, side, side), dtype=np.float32)
                found = apart(*prepared(name, work), images, not options.no_golden)
                table.add_row(*row(name, batch, found, speed))
        if options.tfc:
            program, images = work / f"{options.tfc.stem}.camx", np.load(options.images)
            save(network_of(*compile_file(options.tfc)), program)
            table.add_row(*row(options.tfc.stem, len(images), apart(program, None, None, images, False), speed))
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
