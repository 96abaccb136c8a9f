"""Scheduling and placement: random code computes the same however it is placed, in bit loops or one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed_testing import checked

from dialects.apv.adder_graph import AdderGraph, Node, Output
from dialects.machine.census import predict_shifts
from dialects.machine.code import decode
from dialects.machine.isa import Op
from dialects.machine.target import Geometry, Target
from dialects.rtm.placed import PlacedCode
from dialects.support.errors import CapacityError
from dialects.support.ranges import Range
from dialects.support.tensors import Thresholds
from passes.placing.placement import (
    COLUMNS,
    LOOPS,
    PACKED,
    SPREAD,
    THRIFT,
    TIGHT,
    TIGHT_LOOPS,
    Method,
    Thrift,
    place,
    place_again,
)
from passes.placing.vector_code import Kind, Operation, VectorCode
from runtime.engines.golden import Simulator

SAMPLES = 9


@st.composite
def codes(draw: st.DrawFn) -> VectorCode:
    """Loads, an adder graph with shifts and signs, maxima, thresholds and stores."""
    code = VectorCode()
    code.begin_segment("load")
    count = draw(st.integers(1, 6))
    lows = draw(st.lists(st.integers(-8, 3), min_size=count, max_size=count))
    spans = [Range(low, low + draw(st.integers(0, 12))) for low in lows]
    loads = [view for number, span in enumerate(spans) for view in code.load(number, 1, span)]
    code.begin_segment("linear")
    nodes: list[Node] = []
    for number in range(draw(st.integers(0, 25))):
        a, b = draw(st.integers(0, count + number - 1)), draw(st.integers(0, count + number - 1))
        # Half of the sums go on from the latest value, as running sums do.
        a = count + number - 1 if draw(st.booleans()) else a
        shifts = draw(st.sampled_from([(0, 0), (0, 0), (0, 1), (2, 0), (0, 3)]))
        nodes.append(Node(a, shifts[0], b, shifts[1], int(draw(st.booleans()))))
    outputs = [
        Output(draw(st.integers(-1, count + len(nodes) - 1)), draw(st.integers(0, 2)), int(draw(st.booleans())))
        for _ in range(draw(st.integers(1, 4)))
    ]
    graph = AdderGraph.of(spans, nodes, outputs)
    assume(max((span.width for span in graph.ranges), default=0) <= 24)
    columns = code.linear(loads, graph)
    code.begin_segment("act")
    if draw(st.booleans()):
        columns = code.maximum(columns, draw(st.integers(1, 3)))
    if draw(st.booleans()):
        line = np.array([sorted(draw(st.lists(st.integers(-40, 60), min_size=3, max_size=3)))])
        table = Thresholds.from_array(line, np.array([draw(st.booleans())]))
        columns = code.threshold(columns, table, Range(-1, 2))
    code.begin_segment("store")
    code.store(columns, 0)
    return code


def evaluated(code: VectorCode, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random inputs (vectors, samples) with the ends of their ranges, and the outputs, by plain arithmetic."""
    values: dict[int, NDArray[np.int64]] = {-1: np.zeros(SAMPLES, dtype=np.int64)}
    inputs: list[NDArray[np.int64]] = []
    outputs: dict[int, NDArray[np.int64]] = {}
    for row in code.operations.tolist():
        step = Operation(*row)
        a, b = values[step.a] << step.a_shift, values[step.b] << step.b_shift
        match step.kind:
            case Kind.LOAD:
                span = code.range_of(step.result)
                result = rng.integers(span.lo, span.hi, SAMPLES, endpoint=True)
                result[:2] = span.lo, span.hi
                inputs.append(result)
            case Kind.CONST:
                result = np.full(SAMPLES, step.imm)
            case Kind.SUM:
                result = a - b if step.subtract else a + b
            case Kind.MAX:
                result = np.maximum(a, b)
            case Kind.STEPS:
                result = np.full(SAMPLES, step.imm)
                for bound, number in code.table[step.table_begin : step.table_end].tolist():
                    result = np.where(a >= bound, number, result)
            case _:
                outputs[step.imm] = a
                continue
        values[step.result] = result
    return np.array(inputs), np.array([outputs[number] for number in range(len(outputs))])


def simulated(
    codes: list[PlacedCode], geometry: Geometry, inputs: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], list[tuple[int, int, int]]]:
    """Outputs on the bits of the array; of each segment, bit loops, steps in time and column steps as counted."""
    outputs = np.zeros((count, SAMPLES), dtype=np.int64)
    target = Target("test", rows=SAMPLES, columns=geometry.columns, domains=geometry.domains)
    simulator = Simulator(target, SAMPLES)
    counts = [simulator.run("", decode(code.binary), inputs, outputs) for code in codes]
    return outputs, [(each.bit_loops, each.shift_steps, each.column_steps) for each in counts]


def check(code: VectorCode, codes: list[PlacedCode], geometry: Geometry, seed: int) -> None:
    checked(codes, geometry)
    inputs, expected = evaluated(code, np.random.default_rng(seed))
    outputs, counted = simulated(codes, geometry, inputs, len(expected))
    assert (outputs == expected).all()
    shifts = predict_shifts([each.binary for each in codes], geometry.columns, geometry.domains)
    predicted = zip(shifts.bit_loops, shifts.shift_steps, shifts.column_steps, strict=True)
    assert counted == [tuple(map(int, row)) for row in predicted]


methods = st.sampled_from(
    [PACKED, COLUMNS, SPREAD, TIGHT, *LOOPS[3], *TIGHT_LOOPS, Method(window=1), Method(window=5000)]
)
geometries = st.builds(Geometry, st.just(SAMPLES), st.sampled_from([4, 6, 9, 16, 64]), st.sampled_from([24, 33, 64]))


@settings(max_examples=250, deadline=None)
@given(codes(), geometries, methods, methods, st.booleans(), st.sampled_from([None, *THRIFT]), st.integers(0, 99))
def test_however_it_is_placed(
    code: VectorCode, geometry: Geometry, first: Method, second: Method, full: bool, thrift: Thrift | None, seed: int
) -> None:
    try:
        placed = place(code, geometry, [first], full=full, thrift=thrift)
    except CapacityError:
        return
    check(code, placed, geometry, seed)
    try:
        again = place_again(placed, geometry, [second])
    except CapacityError:
        return
    check(code, again, geometry, seed)


def matrix_code(rows: int, columns: int) -> VectorCode:
    """A random ternary layer without sharing."""
    from passes.adder_graphs.sums import unshared

    matrix = np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(rows, columns))
    code = VectorCode()
    code.begin_segment("load")
    loads = code.load(0, columns, Range(0, 15))
    code.begin_segment("linear")
    outputs = code.linear(loads, unshared(matrix, [Range(0, 15)] * columns))
    code.begin_segment("store")
    code.store(outputs, 0)
    return code


GEOMETRY = Geometry(256, 256, 64)


def test_loops_shift_less() -> None:
    code = matrix_code(32, 64)

    def shifts(codes: list[PlacedCode]) -> tuple[int, int]:
        found = predict_shifts([each.binary for each in codes], GEOMETRY.columns, GEOMETRY.domains)
        return int(found.shift_steps.sum()), int(found.column_steps.sum())

    naive, loops = (shifts(place(code, GEOMETRY, [method])) for method in (PACKED, LOOPS[0][0]))
    assert loops[0] * 20 < naive[0] and loops[1] * 4 < naive[1]


def test_more_effort_never_shifts_more() -> None:
    codes = place(matrix_code(24, 80), GEOMETRY, [SPREAD])
    steps = [
        int(predict_shifts([each.binary for each in place_again(codes, GEOMETRY, methods)], 256, 64).column_steps.sum())
        for methods in LOOPS
    ]
    assert all(after <= before for before, after in pairwise(steps))


def test_threads_change_nothing() -> None:
    codes = place(matrix_code(24, 80), GEOMETRY, [SPREAD])
    assert place_again(codes, GEOMETRY, LOOPS[2], threads=1) == place_again(codes, GEOMETRY, LOOPS[2], threads=3)


@pytest.mark.parametrize("objective", ["energy", "latency", "product"])
def test_objectives(objective: str) -> None:
    """The best by an objective is at least as good by it as the best by another one."""
    codes = place(matrix_code(24, 80), GEOMETRY, [SPREAD])

    def cost(of: str) -> float:
        found = place_again(codes, GEOMETRY, LOOPS[3], of)  # pyright: ignore[reportArgumentType]
        shifts = predict_shifts([each.binary for each in found], 256, 64)
        time, columns = int(shifts.shift_steps.sum()), int(shifts.column_steps.sum())
        return {"energy": columns, "latency": time, "product": time * columns}[objective]

    assert cost(objective) <= min(cost("energy"), cost("latency"), cost("product"))


def test_inputs_that_wait_are_loaded_again() -> None:
    """A layer without sharing fits into little more than a sum and an input; what it moves is counted."""
    code, least = matrix_code(8, 20), Geometry(SAMPLES, 4, 9)
    with pytest.raises(CapacityError):
        place(code, least, [TIGHT])
    loads = [
        sum(item.op is Op.IN for each in place(code, geometry, [TIGHT], thrift=thrift) for item in each.instructions)
        for geometry, thrift in ((GEOMETRY, None), (least, THRIFT[-1]))
    ]
    terms = sum(step.kind == Kind.SUM for step in (Operation(*row) for row in code.operations.tolist()))
    assert loads[0] <= 20 < loads[1] <= 2 * terms
    check(code, place(code, least, [TIGHT], thrift=THRIFT[-1]), least, 0)


def test_too_small_an_array() -> None:
    with pytest.raises(CapacityError, match=r"needs up to \d+ live bits per row, an array 9x4x16 has 64") as caught:
        place(matrix_code(8, 20), Geometry(9, 4, 16), [TIGHT])
    assert "at least" in (caught.value.hint or "")
