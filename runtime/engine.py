"""The native engine's Python face: runs whole programs and gives the counts of the golden simulator.

The engine (runtime/native) executes the same searches and tagged writes, block by block of 512 rows in cache and on
several threads. Its passes come from the one instruction table: every variant of every opcode (what is known about a
bit beforehand) is written out here as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialects.code import BYTES_PER_INSTRUCTION
from dialects.errors import ProgramError
from dialects.isa import OPCODES, Op, Pass, variant_passes
from dialects.target import Target
from dialects.tensors import IntArray
from dialects.window import Ints
from runtime import _engine
from runtime.counts import Counts

_ROLES = {"D": 0, "A": 1, "B": 2, "C": 3, "T": 4}
_OPCODES = 32
_ROWS_A_PART = 1 << 16


class _Table(NamedTuple):
    """The instruction table as the engine reads it: flags of the opcodes and passes, and where each variant starts."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int32]


@cache
def _table() -> _Table:
    flags: list[int] = []
    passes: list[int] = []
    starts = [0]
    count = 0
    for code in range(_OPCODES):
        row = OPCODES.get(Op(code)) if code in set(Op) else None
        roles = row.operands if row else ""
        vector = row is not None and row.op in (Op.IN, Op.OUT)
        flags += [row is not None, *(role in roles for role in ("D", "d", "A", "a", "B", "c", "I")), vector]
        for sign, first, immediate, b_zero, a_zero in product((False, True), repeat=5):
            if row is not None:
                known = {"I": int(immediate)} if "I" in roles and not vector else {}
                known |= {"A": 0} if a_zero and "A" in roles else {}
                known |= {"B": 0} if b_zero and "B" in roles else {}
                for item in variant_passes(row.op, first, sign, known):
                    passes += _bytes(item)
                    count += 1
            starts.append(count)
    return _Table(np.array([*flags, *passes], dtype=np.uint8), np.array(starts, dtype=np.int32))


def _bytes(item: Pass) -> list[int]:
    bits = [number for part in item for role, value in part for number in (_ROLES[role], value)]
    return [len(item.key), len(item.write), *bits]


def run(
    target: Target, segments: Sequence[bytes], inputs: Ints, output_count: int, threads: int
) -> tuple[IntArray, list[Counts]]:
    """Run the binary code of segments on inputs (rows, features): outputs (rows, features), each segment's counts.

    Raises ProgramError where the code is malformed or leaves the array.
    """
    if torn := [len(segment) for segment in segments if len(segment) % BYTES_PER_INSTRUCTION]:
        raise ProgramError(
            f"a segment is a multiple of {BYTES_PER_INSTRUCTION} bytes, found {torn[0]}",
            hint="the file is truncated or no AP program",
        )
    code = np.frombuffer(b"".join(segments), dtype="<u8").reshape(-1, 2)
    lengths = [len(segment) // BYTES_PER_INSTRUCTION for segment in segments]
    bounds = np.cumsum([0, *lengths]).astype(np.int32)
    rows = len(inputs)
    if rows < 1:
        raise ProgramError("a program needs at least one sample, found 0")
    outputs = np.zeros((rows, output_count), dtype=np.int64)
    written = np.zeros(len(segments), dtype=np.int64)
    table, starts = _table()
    program = (code, bounds, table, starts, target.columns, target.domains)
    try:
        static = _engine.static_counts(*program)
        # Rows are independent; a part at a time bounds the memory of the copies that the engine works on.
        for begin in range(0, rows, _ROWS_A_PART):
            part = np.ascontiguousarray(inputs[begin : begin + _ROWS_A_PART].T, dtype=np.int64)
            results = np.zeros((output_count, part.shape[1]), dtype=np.int64)
            written += _engine.run(*program, part, results, threads)
            outputs[begin : begin + _ROWS_A_PART] = results.T
    except ValueError as error:
        raise ProgramError(str(error)) from error
    return outputs, [_counts(target, rows, *pair) for pair in zip(static, written.tolist(), strict=True)]


def _counts(target: Target, rows: int, static: Sequence[int], written: int) -> Counts:
    instructions, loops, searches, writes, keyed, shift_steps, column_steps, moves = static
    arrays = -(-rows // target.rows)
    bits = instructions * BYTES_PER_INSTRUCTION * 8
    return Counts(
        instructions=instructions,
        bit_loops=loops,
        searches=searches,
        writes=writes,
        search_cycles=searches * target.search_cycles,
        write_cycles=writes * target.write_cycles,
        searched_row_cells=keyed * arrays * target.rows,
        written_row_cells=written,
        shift_steps=shift_steps,
        column_steps=column_steps,
        shifted_row_cells=column_steps * arrays * target.rows,
        moved_row_bits=moves * rows,
        move_cycles=moves * -(-min(rows, target.rows) // target.buffer_bits_per_cycle),
        fetched_bits=bits,
        broadcast_bits=bits * arrays,
    )
