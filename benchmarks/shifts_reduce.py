"""ShiftsReduce's own setting: a given access sequence, a track with one port, the order of the objects on the track.

    python benchmarks/shifts_reduce.py [MODEL.onnx ...] [--random N]

Shifts are the distances between consecutive accesses. Compared are

    first use   objects in the order of their first access
    Chen        a group that grows at its end by the object most often accessed next to its members, from the most
                frequent object on (Chen et al., TVLSI 2016, as ShiftsReduce's paper describes it)
    ShiftsR.    ShiftsReduce (Khan et al., TACO 2019), the compiler's own baseline (passes/placing/track_order.py)
    ours        a local search from these orders (benchmarks/track_orders.py)

first on random sequences, of which the small ones have a known optimum, then on the traces of our own columns: which
value lies under the port of a column when, in networks that are compiled without and with bit loops. There the last
three columns are about values as they are, several domains long: the column steps where each value has domains of its
own, in ShiftsReduce's order on a track as long as it takes; those of the compiled network (which rtm-verify predicts),
where places are used again and everything fits; and those after rtm-order-tracks, which keeps the better one of that
and ShiftsReduce's order, column by column. Exits with 1 where ours is worse anywhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from track_orders import BASELINES, Order, cost, optimum, searched, weights

from cam_compiler.compile import compile_file
from dialects import rtm
from dialects.machine.census import predict_shifts
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.support.tensors import IntArray
from passes.placing.column_traces import traces
from passes.placing.track_order import shifts_reduce
from passes.rtm_order_tracks import in_order

BUNDLED = Path(__file__).parent.parent / "cam_compiler" / "bundled"
PIPELINES = {
    "without bit loops": "ternary-canonicalize,convert-ternary-to-apv,apv-split,apv-share,convert-apv-to-rtm",
    "with bit loops": "default",
}
METHODS: dict[str, Callable[[Sequence[int], int], Order]] = {**BASELINES, "ours": searched}
MOST_EXACT = 12


def uniform(rng: np.random.Generator, objects: int, length: int) -> list[int]:
    return rng.integers(0, objects, length).tolist()


def skewed(rng: np.random.Generator, objects: int, length: int) -> list[int]:
    """Few objects take most accesses."""
    shares = 1 / np.arange(1, objects + 1)
    return rng.permutation(objects)[rng.choice(objects, length, p=shares / shares.sum())].tolist()


def local(rng: np.random.Generator, objects: int, length: int) -> list[int]:
    """A walk on a random graph: each object is followed by one of few."""
    following = rng.integers(0, objects, (objects, 3))
    walk = [0]
    while len(walk) < length:
        walk.append(int(rng.choice(following[walk[-1]]) if rng.random() < 0.9 else rng.integers(objects)))
    return walk


def compare(sequences: Sequence[tuple[list[int], int]]) -> dict[str, int]:
    """The shifts of each method, over all sequences."""
    totals = dict.fromkeys(METHODS, 0)
    for sequence, objects in sequences:
        graph = weights(sequence, objects)
        for name, make in METHODS.items():
            totals[name] += cost(graph, make(sequence, objects))
    return totals


def row(title: str, count: int, totals: dict[str, int], *more: int) -> bool:
    """A line of ratios to ShiftsReduce, and whether ours is at or below all others."""
    cells = " ".join(f"{value / max(1, totals['ShiftsReduce']):>12.3f}" for value in totals.values())
    print(
        f"{title:34} {count:>6} {totals['ShiftsReduce']:>10,} {cells} " + " ".join(f"{n:>14,}" for n in more),
        flush=True,
    )
    return totals["ours"] <= min(totals.values())


def random_table(count: int) -> bool:
    heads = " ".join(f"{name:>12}" for name in METHODS)
    print(f"{'random sequences':34} {'number':>6} {'ShiftsR.':>10} {heads}        optimum")
    good = True
    for make in (uniform, skewed, local):
        for objects, length in ((8, 40), (12, 100), (24, 300), (40, 600)):
            rng = np.random.default_rng(objects)
            sequences = [(make(rng, objects, length), objects) for _ in range(count)]
            least = [optimum(*each) for each in sequences[:3]] if objects <= MOST_EXACT else []
            totals = compare(sequences)
            good &= row(f"{make.__name__}, {objects} objects, {length} accesses", count, totals)
            if least:
                found = compare(sequences[:3])
                print(f"{'':>52}of three, ours {found['ours'] / sum(least):.3f} of the optimum")
    return good


def programs_of(model: Path, pipeline: str) -> Iterator[tuple[list[PlacedCode], Geometry]]:
    """The placed programs of a compiled network."""
    module, _ = compile_file(model, None, pipeline=pipeline, stop_after="rtm")
    for program in module.walk():
        if isinstance(program, rtm.ProgramOp):
            codes = [segment.code for segment in program.segments if isinstance(segment, rtm.SegmentOp)]
            yield codes, program.geometry.geometry


def steps(codes: Sequence[PlacedCode], geometry: Geometry) -> int:
    shifts = predict_shifts([code.binary for code in codes], geometry.columns, geometry.domains)
    return int(shifts.column_steps.sum())


def apart(sequence: Sequence[int], widths: IntArray, sweeps: IntArray) -> int:
    """Column steps where every object has domains of its own, in ShiftsReduce's order; the port begins at the first."""
    order = shifts_reduce(sequence, len(widths))
    bases = np.zeros(len(widths), dtype=np.int64)
    bases[order] = np.cumsum([0, *widths[order]])[:-1]
    firsts, lasts = bases[sequence] + sweeps.T
    return int((lasts - firsts).sum() + np.abs(firsts[1:] - lasts[:-1]).sum() + abs(firsts[0] - bases.min()))


def trace_table(models: Sequence[Path]) -> bool:
    heads = " ".join(f"{name:>12}" for name in METHODS)
    more = " ".join(f"{name:>14}" for name in ("own domains", "compiled", "in order"))
    print(f"\n{'columns of compiled networks':34} {'number':>6} {'ShiftsR.':>10} {heads} {more}")
    good = True
    for model in models:
        for title, pipeline in PIPELINES.items():
            sequences: list[tuple[list[int], int]] = []
            own = mine = ordered = 0
            for codes, geometry in programs_of(model, pipeline):
                found = traces(codes, geometry.columns)
                for _, visits in found.by_column():
                    objects, sequence = np.unique(visits[:, 0], return_inverse=True)
                    sequences.append((sequence.tolist(), len(objects)))
                    own += apart(sequence.tolist(), found.objects[objects, 2], visits[:, 2:])
                mine += steps(codes, geometry)
                ordered += steps(in_order(codes, geometry), geometry)
            several = [each for each in sequences if each[1] > 1]
            title = f"{model.stem[:16]} {title}"
            good &= row(title, len(several), compare(several), own, mine, ordered) and mine <= own
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="*", type=Path, default=[BUNDLED / "digits_mlp_qdq.onnx", BUNDLED / "digits_cnn_qdq.onnx"]
    )
    parser.add_argument("--random", type=int, default=6, help="sequences of each kind")
    arguments = parser.parse_args()
    good = random_table(arguments.random)
    sys.exit(not (trace_table(arguments.models) and good))


if __name__ == "__main__":
    main()
