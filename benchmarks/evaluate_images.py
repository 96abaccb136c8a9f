"""`camc evaluate` on a folder of many JPEG images: images per second, peak memory, and whether it goes on when killed.

    python benchmarks/evaluate_images.py [--images 50000] [--size 500x375] [--side 224] [--different 200]

The images are hard links to a few hundred different ones. The network takes images of 224x224, or another side, and is
tiny, so that reading, decoding, resizing and cutting are what is measured. A tenth of the images is evaluated for
comparison; the whole is evaluated again, killed several times and given again, and must end with the same bytes.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from onnx_testing import Net

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 10


class Run(NamedTuple):
    """An evaluation: seconds by the clock and of the processor, and its peak memory in MB."""

    seconds: float
    processor: float
    memory: float


def make_network(path: Path, side: int) -> None:
    """A convolution that looks at 2x2 pixels at each of 7x7 places, and the average of what it finds."""
    net = Net(3, side, side)
    kernel = np.arange(CLASSES * 12).reshape(CLASSES, 3, 2, 2) % 3 - 1
    net.op("Conv", net.qdq("x", 1 / 15), net.weights(kernel), kernel_shape=[2, 2], strides=[side // 7, side // 7])
    net.op("Flatten", net.op("GlobalAveragePool", net.quant(net.last, 0.25)))
    path.write_bytes(net.model().SerializeToString())


def make_images(folder: Path, count: int, different: int, size: tuple[int, int]) -> None:
    """A folder for each class; images beyond the different ones are links to these."""
    from PIL import Image

    rng = np.random.default_rng(1)
    own: list[Path] = []
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    for number in range(count):
        path = folder / f"class{number % CLASSES}" / f"{number:06}.jpg"
        if number < different:
            coarse = rng.integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize(size).save(path, quality=90)
            own.append(path)
        else:
            path.hardlink_to(own[number % different])


def command(folder: Path, images: Path, result: str, side: int) -> list[str]:
    """The evaluation, with torchvision's usual preprocessing."""
    options = ["--resize", str(side * 8 // 7), "--crop", str(side), "--scale", "1/255", "--mean", "0.485,0.456,0.406"]
    own = ["--std", "0.229,0.224,0.225", "--reference", "none", "-q", "-o", str(folder / result)]
    return [sys.executable, "-m", "cam_compiler", "evaluate", str(folder / "net.onnx"), str(images), *options, *own]


def evaluate(words: list[str]) -> Run:
    """The evaluation, undisturbed."""
    begin = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"it ended with {os.waitstatus_to_exitcode(status)}")
    return Run(time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def killed(words: list[str], times: int, state: Path) -> int:
    """Kills the evaluation so many times, each after its state has grown; then lets it end. How often it was killed."""
    done = 0
    for _ in range(times):
        before = state.read_bytes() if state.exists() else b""
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while process.poll() is None and (not state.exists() or state.read_bytes() == before):
            time.sleep(0.05)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        process.wait()
    evaluate(words)
    return done


def main() -> None:
    """Print what was measured; 1 where memory grows with the images, or a resumed evaluation ends with other bytes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--size", default="500x375", help="width and height of the images")
    parser.add_argument("--side", type=int, default=224, help="height and width that the network takes")
    parser.add_argument("--different", type=int, default=200, help="images that aren't links to others")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_network(folder / "net.onnx", options.side)
        few = options.images // 10
        for count in (few, options.images):
            make_images(folder / f"images{count}", count, min(options.different, count), (width, height))
        runs: dict[int, Run] = {}
        for count in (few, options.images):
            runs[count] = evaluate(command(folder, folder / f"images{count}", f"{count}.json", options.side))
        for count, run in runs.items():
            rate = count / run.processor
            print(
                f"{count:7,} images of {options.size}: {run.seconds:.0f} s, {run.processor:.0f} s of a processor, ",
                end="",
            )
            print(f"{rate:.0f} images/s of a processor, {run.memory:.0f} MB", flush=True)
        again = command(folder, folder / f"images{options.images}", "again.json", options.side)
        times = killed(again, 3, folder / "again.json.state")
        same = (folder / "again.json").read_bytes() == (folder / f"{options.images}.json").read_bytes()
    print(f"killed {times} times and given again: {'the same bytes' if same else 'OTHER BYTES'}")
    grown = runs[options.images].memory - runs[few].memory
    print(f"memory grows by {grown:.0f} MB for {options.images - few:,} images more")
    raise SystemExit(int(not same or grown > 64))


if __name__ == "__main__":
    main()
