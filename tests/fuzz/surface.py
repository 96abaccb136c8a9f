"""What the surfaces have in common: inputs to start from, a way to change them, and what must hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from camc_testing import SMALL_NETWORK
from fuzz import mutations
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import DiagnosticException, ParseError

from cam_compiler.ir_text import parse_module
from cam_compiler.pipeline import counting, make_context, parse_passes, run_passes
from dialects.machine.target import Target
from dialects.support.errors import CamcError, TextError

EXPECTED = (CamcError, ParseError, DiagnosticException, TextError)
"""How a try may end."""
SMALL = Target("small", rows=8, columns=16, domains=32)
COUNTING = Target("tiny", rows=4, columns=16, domains=8, counter=True, accumulators=64, accumulator_bits=16)


@dataclass(frozen=True)
class Surface:
    """A reader with its inputs: `run` gets the changed bytes and a folder in which it may write."""

    seeds: Callable[[], list[bytes]]
    change: Callable[[random.Random, bytes], bytes]
    run: Callable[[bytes, Path], None]


def change_text(random_: random.Random, data: bytes) -> bytes:
    """A text changed by tokens, sometimes by bytes."""
    if random_.random() < 0.05:
        return mutations.of_bytes(random_, data)
    return mutations.of_text(random_, data.decode()).encode(errors="surrogatepass")


def written(data: bytes, folder: Path, name: str) -> Path:
    """The data in a file."""
    path = folder / name
    path.write_bytes(data)
    return path


def parsed(text: str) -> ModuleOp:
    """A module of IR."""
    return parse_module(text, "text", make_context())


@cache
def stages() -> tuple[str, ...]:
    """A small network as it is imported and after each pass, as code and as data."""
    texts = [SMALL_NETWORK]
    for pipeline, target in (("default", SMALL), (counting("default", "count"), COUNTING)):
        module = parsed(SMALL_NETWORK)
        for item in parse_passes(pipeline):
            run_passes(module, [item], target)
            texts.append(str(module))
    return tuple(dict.fromkeys(texts))
