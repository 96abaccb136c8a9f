from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> list[str]:
    """The instruction sets that this machine has kernels for, the widest first."""

def quantise(
    values: NDArray[np.floating],
    thresholds: NDArray[np.float64],
    down: NDArray[np.bool_],
    low: int,
    high: int,
    codes: NDArray[np.signedinteger],
    threads: int,
) -> None:
    """Steps of values (samples, channels, rest) into codes: low + thresholds reached, or high - those where `down`."""

class Input:
    """Rows that programs read, the lowest bits of a tensor (rows, features) or of windows of images."""

    @overload
    def __init__(self, tensor: NDArray[np.signedinteger], bits: int, threads: int, instruction_set: str) -> None: ...
    @overload
    def __init__(
        self,
        images: NDArray[np.signedinteger],
        kernel: tuple[int, int],
        strides: tuple[int, int],
        pads: tuple[int, int, int, int],
        dilations: tuple[int, int],
        pad: int,
        bits: int,
        threads: int,
        instruction_set: str,
    ) -> None: ...
    @property
    def rows(self) -> int: ...

class Engine:
    """A program in the engine's own form; raises ValueError where the code (instructions, 2 words) is malformed."""

    def __init__(
        self,
        code: NDArray[np.uint64],
        segments: NDArray[np.int32],
        passes: NDArray[np.uint8],
        columns: int,
        domains: int,
    ) -> None: ...
    @property
    def counts(self) -> list[list[int]]:
        """Counts of each segment that don't depend on the data; the order is that of dialects/machine/census.py."""

    @property
    def output_bytes(self) -> int:
        """The bytes of an integer of the outputs."""

    @property
    def input_bits(self) -> int:
        """The greatest width of a vector that the program receives."""

    @property
    def touched_planes(self) -> int:
        """Planes that a block reads and writes in a run that is not traced."""

    def outputs(self, count: int, rows: int) -> NDArray[np.signedinteger]:
        """Memory for outputs (vectors, rows); zero in vectors that the program doesn't send."""

def run(
    jobs: Sequence[tuple[Engine, Sequence[Input], NDArray[np.signedinteger]]],
    threads: int,
    trace: bool,
    instruction_set: str,
) -> list[list[list[tuple[int, int]]]]:
    """Run programs on inputs into outputs (vectors, rows), all at once.

    If traced, returns each segment's written and toggled cells, opcode by opcode.
    """

class CountingEngine:
    """A counted program in the engine's own form; raises ValueError where numbers don't fit together."""

    def __init__(
        self,
        steps: NDArray[np.int64],
        parts: NDArray[np.int64],
        counted: NDArray[np.int32],
        held: NDArray[np.int64],
        vectors: NDArray[np.uint32],
        answers: NDArray[np.uint16],
        keys: NDArray[np.int64],
        inputs: int,
        accumulator_bits: int,
    ) -> None:
        """Steps: op, first accumulator, how many, width, sign, shift, immediate, stride. Parts: bounds of outputs.

        Counted: step, bit of the inputs, level, whether it is taken off. Held, for each count and match by part and
        accumulator: bounds in `vectors` of those added and taken off; or the first of its `answers`, the greatest one
        and 0; or begin and end in `keys` (bits cared for, what they are) and 1.
        """

    def run(
        self,
        inputs: Sequence[Input],
        outputs: NDArray[np.signedinteger],
        toggled: NDArray[np.int64] | None,
        bits: int,
        sample_rows: int,
        run_rows: int,
        threads: int,
        instruction_set: str,
    ) -> None:
        """Into outputs (vectors, rows); adds to toggled (2, inputs, bits) how often bits change.

        Samples of `sample_rows` are cut into runs of `run_rows`, which begin and end with zeros in all cells. The first
        counts are from row to row, the second ones at the ends of runs.
        """

def matches(cares: NDArray[np.int64], bits: NDArray[np.int64], found: NDArray[np.uint16]) -> None:
    """Adds to each key how many rows of a table match it."""
