"""ShiftsReduce as a pass: columns in order compute the same, and what is known of their ports is what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from placed_testing import checked, random_placed
from test_bundle import SAMPLES, check, codes, geometries, methods, simulated

from dialects.machine.census import predict_shifts
from dialects.machine.target import Geometry
from dialects.rtm.placed import PlacedCode
from dialects.rtm.statements import Form, Statement
from dialects.support.errors import CapacityError
from dialects.support.tensors import IntArray
from passes.placing.column_traces import traces
from passes.placing.placement import Method, place
from passes.placing.track_order import edges_of, shifts_reduce, steps_between
from passes.placing.vector_code import VectorCode
from passes.rtm_order_tracks import in_order


def column_steps(segments: list[PlacedCode], geometry: Geometry) -> IntArray:
    shifts = predict_shifts([code.binary for code in segments], geometry.columns, geometry.domains)
    return shifts.steps_of_column.sum(axis=0)


@settings(max_examples=120, deadline=None)
@given(codes(), geometries, methods, st.integers(0, 99))
def test_compiled_code_in_order(code: VectorCode, geometry: Geometry, method: Method, seed: int) -> None:
    try:
        placed = place(code, geometry, [method])
    except CapacityError:
        assume(False)
        return
    found = traces(placed, geometry.columns)
    steps = np.zeros(geometry.columns, dtype=np.int64)
    for column, visits in found.by_column():
        firsts, lasts = found.objects[visits[:, 0], 1] + visits[:, 2:].T
        steps[column] = (lasts - firsts).sum() + np.abs(firsts - np.append(0, lasts[:-1])).sum()
    assert (steps == column_steps(placed, geometry)).all()
    ordered = in_order(placed, geometry)
    check(code, ordered, geometry, seed)
    assert (column_steps(ordered, geometry) <= steps).all()


@pytest.mark.parametrize("seed", range(40))
def test_any_code_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    geometry = Geometry(SAMPLES, int(rng.integers(3, 8)), int(rng.integers(8, 24)))
    segments = random_placed(rng, geometry, 4, 8)
    ordered = in_order(segments, geometry)
    checked(ordered, geometry)
    assert (column_steps(ordered, geometry) <= column_steps(segments, geometry)).all()
    inputs = rng.integers(0, 1 << 8, (4, SAMPLES))
    assert (simulated(ordered, geometry, inputs, 8)[0] == simulated(segments, geometry, inputs, 8)[0]).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_paper(seed: int) -> None:
    """Objects of one domain that live all the time lie in ShiftsReduce's order."""
    rng = np.random.default_rng(seed)
    sequence = [*range(8), *rng.integers(0, 8, 60).tolist(), *range(8)]
    made = [Statement(Form.IN, item, 0, item, 1, imm=item) for item in range(8)]
    read = [Statement(Form.OUT, a=item, imm=at) for at, item in enumerate(sequence[8:])]
    geometry = Geometry(SAMPLES, 2, 8)
    ordered = in_order([PlacedCode.of([*made, *read])], geometry)
    order = shifts_reduce(sequence, 8)
    edges, naive = edges_of(sequence, 8), list(range(8))
    assert sorted(order) == naive
    least = order.index(0) + steps_between(edges, order)
    assert column_steps(ordered, geometry).tolist() == [min(least, steps_between(edges, naive)), 0]
