"""The native engine's Python face: runs whole programs, with the outputs and counts of the golden simulator.

The engine (runtime/native) executes every instruction bit by bit on bit planes, block by block of up to 2,048 rows in
cache and on several threads. Counts that don't depend on the data follow from the instruction table's passes, once a
program; those that do (written and toggled cells) are traced where they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dialects.machine.code import BYTES_PER_INSTRUCTION
from dialects.machine.program import Program
from dialects.machine.tables import pass_table
from dialects.machine.target import Target
from dialects.support.errors import ProgramError
from dialects.support.ranges import Range
from dialects.support.tensors import FloatArray, FloatThresholds
from dialects.support.threads import thread_count
from dialects.support.window import Ints, Rows, Windows
from runtime.cost.counts import Counts, StaticCounts, Traced, counts_on
from runtime.engines import _engine

INSTRUCTION_SETS: tuple[str, ...] = tuple(_engine.instruction_sets())
"""what this machine has of the instruction sets that the engine is built for, the widest first"""

Float32Array = NDArray[np.float32]

_CODES = {8: np.int8, 16: np.int16, 64: np.int64}
_PROGRAMS = 1 << 12
"""programs that are kept decoded; a network has one for each part of a layer"""


@lru_cache(_PROGRAMS)
def _engine_of(columns: int, domains: int, segments: tuple[bytes, ...]) -> _engine.Engine:
    """The decoded program; raises ValueError where it is malformed."""
    if torn := [len(segment) for segment in segments if len(segment) % BYTES_PER_INSTRUCTION]:
        raise ProgramError(
            f"a segment is a multiple of {BYTES_PER_INSTRUCTION} bytes, found {torn[0]}",
            hint="the file is truncated or no AP program",
        )
    code = np.frombuffer(b"".join(segments), dtype="<u8").reshape(-1, 2)
    lengths = [len(segment) // BYTES_PER_INSTRUCTION for segment in segments]
    bounds = np.cumsum([0, *lengths]).astype(np.int32)
    return _engine.Engine(code, bounds, pass_table(), columns, domains)


def read_by_engine(rows: Rows, bits: int, threads: int, instruction_set: str) -> _engine.Input:
    """The rows as the engine reads them; windows are never gathered as a whole."""
    if not isinstance(rows, Windows):
        return _engine.Input(rows, bits, threads, instruction_set)
    images, window = rows.images, rows.window
    shape = (window.kernel, window.strides, window.pads, window.dilations)
    return _engine.Input(images, *shape, rows.pad, bits, threads, instruction_set)


def quantise(values: FloatArray | Float32Array, thresholds: FloatThresholds, result: Range) -> Ints:
    """The steps of a float tensor (samples, channels, ...), in a small type that holds the range of the result."""
    kinds = (kind for width, kind in _CODES.items() if Range.of_width(width, True).covers(result))
    channels = thresholds.channels
    shaped = np.ascontiguousarray(values).reshape((len(values), channels, -1) if channels > 1 else (1, 1, -1))
    codes = np.empty(shaped.shape, dtype=next(kinds))
    down = np.array(thresholds.down)
    _engine.quantise(shaped, thresholds.array, down, result.lo, result.hi, codes, thread_count())
    return codes.reshape(values.shape)


def run(
    target: Target,
    programs: Sequence[tuple[Program, Sequence[Rows]]],
    threads: int,
    *,
    trace: bool = True,
    instruction_set: str = INSTRUCTION_SETS[0],
) -> list[tuple[Ints, list[Counts]]]:
    """Run programs that don't wait for each other, each on rows of its inputs.

    Gives the outputs of each (rows, features) and each segment's counts. Raises ProgramError where the code is
    malformed or leaves the array. Without `trace` the counts that depend on the data are None.
    """
    try:
        engines = [_engine_of(target.columns, target.domains, program.codes) for program, _ in programs]
        # Parts of a layer read the same rows.
        given = {id(rows): rows for _, inputs in programs for rows in inputs}
        bits = max((engine.input_bits for engine in engines), default=0)
        sources = {key: read_by_engine(rows, bits, threads, instruction_set) for key, rows in given.items()}
        inputs = [[sources[id(rows)] for rows in parts] for _, parts in programs]
        rows = [parts[0].rows if parts else 0 for parts in inputs]
        results = [
            engine.outputs(sum(program.outputs), count)
            for (program, _), engine, count in zip(programs, engines, rows, strict=True)
        ]
        traced = _engine.run(list(zip(engines, inputs, results, strict=True)), threads, trace, instruction_set)
    except ValueError as error:
        raise ProgramError(str(error)) from error
    static = [_untraced(engine, target, count) for engine, count in zip(engines, rows, strict=True)]
    if not trace:
        return [(result.T, list(counts)) for result, counts in zip(results, static, strict=True)]
    return [
        (result.T, [counts.with_traced(Traced.of(cells)) for counts, cells in zip(counts, found, strict=True)])
        for result, counts, found in zip(results, static, traced, strict=True)
    ]


def touched_planes(target: Target, program: Program) -> int:
    """Bit planes that the engine reads and writes for each block of rows, where nothing is traced."""
    return _engine_of(target.columns, target.domains, program.codes).touched_planes


@lru_cache(_PROGRAMS)
def _untraced(engine: _engine.Engine, target: Target, rows: int) -> tuple[Counts, ...]:
    """Each segment's counts without those that depend on the data; shared by all runs, so not to be changed."""
    by_segment = (StaticCounts(*numbers[: len(StaticCounts._fields)]) for numbers in engine.counts)
    return tuple(counts_on(static, rows, target) for static in by_segment)
