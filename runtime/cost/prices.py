"""The formulas of a report: which count is multiplied with which parameter, and what is counted for that.

An energy is a sum of products of a count and a price, a time likewise; `FORMULAS` and `TIMES` list all of them. Counts
that a technology decides about (rows that are switched off, what of the program lies on the chip) are made here from
the exact counts of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dialects.machine.target import Target
from runtime.cost.counts import Counts
from runtime.cost.technology import Technology

_SRAM_BYTES = 32 * 1024
"""the size of memory that sram_fj_per_bit is for"""


class Product(NamedTuple):
    """A count, and the parameter that prices it."""

    factor: str
    price: str

    def __str__(self) -> str:
        return f"{self.factor} * {self.price}"


def _products(*pairs: str) -> tuple[Product, ...]:
    return tuple(Product(*pair.split()) for pair in pairs)


FORMULAS: Mapping[str, tuple[Product, ...]] = {
    "search": _products(
        "searched_row_cells search_fj_per_bit", "masked_row_cells masked_fj_per_bit", "searched_rows match_fj_per_row"
    ),
    "write": _products(
        "written_row_cells write_fj_per_bit", "idle_row_cells idle_write_fj_per_bit", "driven_rows drive_fj_per_row"
    ),
    "shift": _products("shifted_row_cells shift_fj_per_bit"),
    "move": _products(
        "moved_row_bits move_fj_per_bit",
        "moved_row_bits tile_fj_per_bit",
        "moved_row_bits bank_fj_per_bit",
        "moved_row_bits chip_fj_per_bit",
    ),
    "fetch": _products(
        "streamed_bits fetch_fj_per_bit",
        "broadcast_bits broadcast_fj_per_bit",
        "broadcast_bits tile_fj_per_bit",
        "replayed_bits fetch_fj_per_bit",
        "tile_bits bank_fj_per_bit",
        "bank_bits chip_fj_per_bit",
    ),
    "program": _products("onchip_bits onchip_fj_per_bit", "offchip_bits offchip_fj_per_bit"),
    "tag": _products("searched_rows tag_fj_per_row"),
    "latch": _products("received_row_bits input_latch_fj_per_bit", "sent_row_bits output_latch_fj_per_bit"),
    "control": _products("streamed_instructions decode_fj_per_instruction", "sequenced_cycles sequence_fj_per_cycle"),
    "count": _products(
        "counted_rows count_fj_per_row", "added_bits add_fj_per_bit", "accumulator_bits accumulator_fj_per_bit"
    ),
    "leakage": _products(
        "array_ns array_leakage_uw",
        "latency_ns controller_leakage_uw",
        "latency_ns buffer_leakage_uw",
        "latency_ns instruction_memory_leakage_uw",
    ),
}
"""component of the energy -> products whose sum it is, in fJ; 1 uW is 1 fJ per ns"""
TIMES = _products(
    "search_cycles search_ps",
    "write_cycles write_ps",
    "shift_steps shift_ps",
    "move_cycles move_ps",
    "count_cycles count_ps",
)
"""products whose sum, times the rounds of the arrays, is the latency, in ps"""
COMPONENTS = tuple(FORMULAS)
INSTRUCTIONS = ("fetch", "program")
"""the components of the instruction stream"""
COUNTER = ("count_fj_per_row", "add_fj_per_bit", "accumulator_fj_per_bit", "count_ps")
"""prices that only machines with counters of tags have"""
DERIVED: Mapping[str, str] = {
    "onchip_fj_per_bit": f"sram_fj_per_bit * (instruction_memory_bytes / {_SRAM_BYTES}) ** sram_exponent",
}
"""prices that follow from several parameters"""
SHAPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("searched_row_cells", "masked_row_cells", "searched_rows"), ("row_segments",)),
    **dict.fromkeys(("shifted_row_cells", "idle_row_cells", "driven_rows"), ("row_segments",)),
    "onchip_bits": ("instruction_memory_bytes",),
    "offchip_bits": ("instruction_memory_bytes",),
    "tile_bits": ("arrays_per_tile",),
    "bank_bits": ("arrays_per_tile", "tiles_per_bank"),
}
"""parameters that a count depends on"""
MEANINGS: Mapping[str, str] = {
    "masked_row_cells": "searched_rows * columns - searched_row_cells",
    "searched_rows": "searches * rows that are not switched off, but in counted programs",
    "idle_row_cells": "keyless_row_cells in the rows without data that are not switched off",
    "driven_rows": "writes * rows that are not switched off, but in counted programs",
    "received_row_bits": "moved_row_bits - sent_row_bits",
    "streamed_instructions": "instructions * rounds",
    "streamed_bits": "fetched_bits * rounds",
    "sequenced_cycles": "(search_cycles + write_cycles + shift_steps + move_cycles + count_cycles) * rounds",
    "tile_bits": "fetched_bits * tiles in use",
    "bank_bits": "fetched_bits * banks in use",
    "onchip_bits": "streamed_bits * min(1, instruction_memory_bytes / program_bytes)",
    "offchip_bits": "streamed_bits - onchip_bits",
    "array_ns": "arrays * latency of one round",
}
"""how the counts that are not in runtime/cost/counts.py follow from those that are"""


class Work(NamedTuple):
    """What a segment did: its counts, on how many rows and arrays, in how many rounds of the target's arrays."""

    counts: Counts
    rows: int
    arrays: int
    rounds: int


def price(name: str, technology: Technology, target: Target) -> float:
    """The price of a product, for a cell where it is one nanowire's."""
    if name in COUNTER and not target.counter:
        return 0.0
    if name in DERIVED:
        growth = technology["instruction_memory_bytes"] / _SRAM_BYTES
        return technology["sram_fj_per_bit"] * growth ** technology["sram_exponent"]
    return technology.cost(name, target.nanowires_per_cell)


def parameters_of(product: Product, technology: Technology, target: Target) -> tuple[str, ...]:
    """The parameters of the technology file that a product's value rests on; none where its price is 0."""
    if not price(product.price, technology, target):
        return ()
    return (*_inputs(product.price), *SHAPES.get(product.factor, ()))


def _inputs(name: str) -> tuple[str, ...]:
    if name in DERIVED:
        return ("sram_fj_per_bit", "instruction_memory_bytes", "sram_exponent")
    return (name,)


def priced_counts(work: Work, technology: Technology, target: Target, program_bytes: int) -> dict[str, float]:
    """All counts that are multiplied with prices; those of the array are of the rows that are not switched off."""
    counts, arrays, rounds = work.counts, work.arrays, work.rounds
    whole, active = arrays * target.rows, active_rows(work.rows, target.rows, int(technology["row_segments"]))
    searched_cells = counts.searched_row_cells * active // whole
    searched_rows = counts.searched_rows or counts.searches * active
    latency = latency_ns(work, technology)
    streamed = counts.fetched_bits * rounds
    onchip = streamed * onchip_share(technology, program_bytes)
    tiles = -(-arrays // int(technology["arrays_per_tile"]))
    banks = -(-tiles // int(technology["tiles_per_bank"]))
    return {
        "searched_row_cells": searched_cells,
        "masked_row_cells": searched_rows * target.columns - searched_cells,
        "searched_rows": searched_rows,
        "written_row_cells": counts.written_row_cells or 0,
        "idle_row_cells": counts.keyless_row_cells // work.rows * (active - work.rows),
        "driven_rows": counts.driven_rows or counts.writes * active,
        "shifted_row_cells": counts.shifted_row_cells * active // whole,
        "moved_row_bits": counts.moved_row_bits,
        "received_row_bits": counts.moved_row_bits - counts.sent_row_bits,
        "sent_row_bits": counts.sent_row_bits,
        "streamed_bits": streamed,
        "streamed_instructions": counts.instructions * rounds,
        "broadcast_bits": counts.broadcast_bits,
        "replayed_bits": counts.replayed_bits,
        "counted_rows": counts.counted_rows,
        "added_bits": counts.added_bits,
        "accumulator_bits": counts.accumulator_bits,
        "tile_bits": counts.fetched_bits * tiles,
        "bank_bits": counts.fetched_bits * banks,
        "onchip_bits": onchip,
        "offchip_bits": streamed - onchip,
        "sequenced_cycles": (counts.cycles + counts.shift_steps) * rounds,
        "array_ns": arrays * latency / rounds,
        "latency_ns": latency,
    }


def onchip_share(technology: Technology, program_bytes: int) -> float:
    """The share of a program of so many bytes that the chip's instruction memory holds."""
    return min(1.0, technology["instruction_memory_bytes"] / program_bytes) if program_bytes else 1.0


def active_rows(rows: int, rows_per_array: int, segments: int) -> int:
    """Rows of arrays that hold `rows` rows which are not switched off: whole arrays, but for the last one."""
    full, rest = divmod(rows, rows_per_array)
    size = -(-rows_per_array // segments)
    return full * rows_per_array + min(rows_per_array, -(-rest // size) * size)


def energy_fj(counts: Mapping[str, float], technology: Technology, target: Target) -> dict[str, float]:
    """The energy of each component."""
    return {
        component: sum(counts[item.factor] * price(item.price, technology, target) for item in products)
        for component, products in FORMULAS.items()
    }


def latency_ns(work: Work, technology: Technology) -> float:
    """The time of a segment, one round of the arrays after another."""
    return sum(times_ns(work, technology).values())


def times_ns(work: Work, technology: Technology) -> dict[str, float]:
    """The same by the counts that take time."""
    times = {item.factor: getattr(work.counts, item.factor) * technology[item.price] for item in TIMES}
    return {count: picoseconds * work.rounds / 1000 for count, picoseconds in times.items()}
