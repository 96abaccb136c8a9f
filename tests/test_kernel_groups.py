"""Grouped layers: costs as placement and the instruction table have them, budgets, repeatability, proofs."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dialects.apv.adder_graph import AdderGraph
from dialects.machine.isa import NO_CELL, Instruction, Op, Operand, passes_count
from dialects.machine.target import Geometry
from dialects.support.ranges import Range
from passes import _adder_graphs
from passes.adder_graphs.cost import cost_table, graph_cost, range_table
from passes.adder_graphs.kernel_groups import Candidate, Options, choose, evaluate, grouped
from passes.adder_graphs.search import prove, share
from passes.adder_graphs.sums import unshared
from passes.placing.shift_cost import ShiftCost
from passes.placing.vector_code import Kind, Operation, VectorCode

NIBBLE = Range(0, 15)


def random_ternary(outputs: int, inputs: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(outputs, inputs))


def cost_by_placement(graph: AdderGraph) -> tuple[int, int]:
    """Cycles and live bits of steps in order, by the rules of placement: slow, and independent of the native code."""
    code = VectorCode()
    code.begin_segment("layer")
    loads = [view for span in graph.inputs for view in code.load(0, 1, span)]
    outputs = [view._replace(shift=0, negate=False) for view in code.linear(loads, graph) if view.value >= 0]
    # Twice, so that all outputs are alive at the end.
    code.store(outputs + outputs, 0)
    steps = sunk_loads([Operation(*row) for row in code.operations.tolist()])
    last = {value: number for number, step in enumerate(steps) for value in (step.result, step.a, step.b)}
    before = [continues(step, number, last) for number, step in enumerate(steps)]
    sums = [pair for pair in zip(steps, before, strict=True) if pair[0].kind == Kind.SUM]
    return sum(sum_cycles(code, *pair) for pair in sums), peak_bits(code, steps, before, last)


def sunk_loads(steps: list[Operation]) -> list[Operation]:
    """Each load just before its first use."""
    loads = {step.result: step for step in steps if step.kind == Kind.LOAD}
    order: list[Operation] = []
    for step in steps:
        if step.kind != Kind.LOAD:
            order += [loads.pop(value) for value in (step.a, step.b) if value in loads]
            order.append(step)
    return order


def continues(step: Operation, number: int, last: dict[int, int]) -> int:
    """The operand whose place a sum takes over, or -1: it dies here and is not shifted."""
    if step.kind != Kind.SUM or step.a == step.b or -1 in (step.a, step.b):
        return -1
    if step.a_shift == 0 and last[step.a] == number:
        return step.a
    return step.b if step.b_shift == 0 and last[step.b] == number and not step.subtract else -1


def peak_bits(code: VectorCode, steps: list[Operation], before: list[int], last: dict[int, int]) -> int:
    """The most bits that are live at a time, where values that continue each other share the widest one's place."""
    slot_of: dict[int, int] = {}
    widths: dict[int, int] = {}
    births: dict[int, int] = {}
    deaths: dict[int, int] = {}
    for number, (step, old) in enumerate(zip(steps, before, strict=True)):
        if step.result < 0:
            continue
        slot = slot_of[old] if old >= 0 else step.result
        slot_of[step.result] = slot
        widths[slot] = max(widths.get(slot, 0), code.range_of(step.result).width)
        births.setdefault(slot, number)
        deaths[slot] = last[step.result]
    return max(
        (sum(widths[s] for s in widths if births[s] <= number <= deaths[s]) for number in range(len(steps))), default=0
    )


def sum_cycles(code: VectorCode, step: Operation, before: int) -> int:
    def operand(value: int, shift: int) -> Operand:
        return Operand(0, 0, code.range_of(value).width, code.range_of(value).signed, shift)

    width = code.range_of(step.result).width
    a, b = operand(step.a, step.a_shift), operand(step.b, step.b_shift)
    if before < 0:
        return sum(passes_count(Instruction(Op.SUB if step.subtract else Op.ADD, NO_CELL, width, a, b)))
    other, kept = (b, code.range_of(step.a)) if before == step.a else (a, code.range_of(step.b))
    op, missing = (Op.SUB_IP if step.subtract else Op.ADD_IP), width - kept.width
    cycles = sum(passes_count(Instruction(op, NO_CELL, width - other.shift, other._replace(shift=0))))
    if missing > 0 and kept.signed:
        cycles += sum(passes_count(Instruction(Op.EXT, NO_CELL, missing + 1)))
    elif missing > 0:
        cycles += sum(passes_count(Instruction(Op.SET, NO_CELL, missing)))
    return cycles


@st.composite
def problems(draw: st.DrawFn) -> tuple[NDArray[np.int64], list[Range]]:
    rows, columns = draw(st.integers(1, 8)), draw(st.integers(1, 12))
    limit = draw(st.sampled_from([1, 1, 9, 130]))
    entries = st.one_of(st.just(0), st.integers(-limit, limit))
    flat = draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))
    lows = draw(st.lists(st.integers(-9, 3), min_size=columns, max_size=columns))
    spans = [Range(low, low + draw(st.integers(0, 20))) for low in lows]
    return np.array(flat, dtype=np.int64).reshape(rows, columns), spans


@settings(max_examples=150, deadline=None)
@given(problems(), st.integers(1, 12), st.booleans(), st.booleans(), st.integers(0, 2))
def test_groups_compute_the_matrix_at_the_cost_of_placement(
    problem: tuple[NDArray[np.int64], list[Range]], group: int, by_sign: bool, by_value: bool, effort: int
) -> None:
    matrix, spans = problem
    found = grouped(matrix, spans, group, Options(0, effort), by_sign, by_value)
    assert found.graph.problem() is None
    assert np.array_equal(found.graph.coefficients(), matrix)
    assert np.array_equal(found.graph.propagate(np.eye(len(spans), dtype=np.int64)), matrix)
    for graph in (found.graph, unshared(matrix, spans)):
        assert graph_cost(graph) == cost_by_placement(graph)


def test_cost_of_a_sum() -> None:
    graph = share(np.array([[1, 1]]), [NIBBLE] * 2)
    assert graph_cost(graph) == (1 + 5 + 3 * 8 + 4, 4 + 5)
    assert graph_cost(graph, resident=True) == graph_cost(graph)


def test_resident_inputs_live_from_the_start() -> None:
    graph = unshared(np.array([[1, 1, 0, 0], [0, 0, 1, 1]]), [NIBBLE] * 4)
    assert graph_cost(graph)[1] == 5 + 4 + 5
    assert graph_cost(graph, resident=True)[1] == 5 + 4 + 5 + 4


@pytest.mark.parametrize("by_sign", [False, True])
@pytest.mark.parametrize("by_value", [False, True])
def test_result_does_not_depend_on_threads(by_sign: bool, by_value: bool) -> None:
    matrix = random_ternary(32, 90)
    first, *others = (
        grouped(matrix, [NIBBLE] * 90, 18, Options(0, 1, seed=3, threads=threads), by_sign, by_value)
        for threads in (1, 2, 7)
    )
    assert all(other == first for other in others)
    assert choose(matrix, [NIBBLE] * 90, Options(900)) == choose(matrix, [NIBBLE] * 90, Options(900, threads=2))


def test_budget_is_kept_and_more_memory_costs_less() -> None:
    matrix, spans = random_ternary(64, 288), [NIBBLE] * 288
    found: list[Candidate] = []
    for budget in (1200, 2000, 4000):
        best = choose(matrix, spans, Options(budget))
        assert best is not None
        assert best.live_bits <= budget
        assert best[2:] == evaluate(best.graph)[2:]
        found.append(best)
    assert found[0].cycles > found[1].cycles > found[2].cycles
    assert found[0].cycles < 0.75 * evaluate(unshared(matrix, spans)).cycles
    assert choose(matrix, spans, Options(500)) is None


def test_effort_pays() -> None:
    matrix = random_ternary(64, 144)
    found = [choose(matrix, [NIBBLE] * 144, Options(1 << 14, effort)) for effort in range(4)]
    cycles = [best.cycles for best in found if best]
    assert len(cycles) == 4
    assert cycles[0] >= cycles[1] > cycles[3]
    assert cycles[3] < 0.97 * cycles[0]


def test_dense_rows_share_their_differences() -> None:
    matrix = np.random.default_rng(0).choice([-1, 1], size=(64, 64))
    best = choose(matrix, [Range(0, 1)] * 64, Options(1 << 14))
    assert best is not None
    assert best.cycles <= evaluate(share(matrix, [Range(0, 1)] * 64, effort=0)).cycles


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (3, 2)])
def test_nothing_to_add(shape: tuple[int, int]) -> None:
    matrix = np.zeros(shape, dtype=np.int64)
    assert choose(matrix, [NIBBLE] * shape[1], Options(100)) is None
    assert grouped(matrix, [NIBBLE] * shape[1], 4, Options(100)).additions == 0


def test_mutated_graphs_are_rejected() -> None:
    matrix = random_ternary(24, 36)
    graph = grouped(matrix, [NIBBLE] * 36, 12, Options(0), by_sign=True).graph
    rng = np.random.default_rng(1)
    for _ in range(60):
        nodes = graph.node_table.copy()
        row, column = rng.integers(len(nodes)), rng.integers(5)
        if column in (1, 3):
            nodes[row, column] += 1
        elif column == 4:
            nodes[row, column] ^= 1
        else:
            nodes[row, column] = (nodes[row, column] + 1) % 36
        with pytest.raises(RuntimeError, match=r"wrong|malformed"):
            prove(AdderGraph.of(graph.inputs, nodes, graph.output_table), matrix)


def test_native_arguments_are_checked() -> None:
    matrix, ranges, costs = np.ones((2, 3), dtype=np.int64), range_table([NIBBLE] * 3), cost_table()
    for groups, threads in ((0, 1), (4, 1), (1, 0)):
        with pytest.raises(ValueError, match="expected"):
            _adder_graphs.GroupedLayer(matrix, ranges, groups=groups, by_sign=True, threads=threads)
    layer = _adder_graphs.GroupedLayer(matrix, ranges, groups=1, by_sign=True, threads=1)
    with pytest.raises(ValueError, match="expected"):
        layer.solve(costs[1:], by_value=True, budget_bits=1000, resident=False)
    graph = share(matrix, [NIBBLE] * 3)
    with pytest.raises(ValueError, match="expected"):
        _adder_graphs.evaluate(matrix, graph.node_table, graph.output_table, costs, resident=False)
    nodes = graph.node_table + np.int32(9)
    with pytest.raises(ValueError, match="node"):
        _adder_graphs.evaluate(ranges, nodes, graph.output_table, costs, resident=False)


def test_a_dear_step_never_costs_more_in_all() -> None:
    matrix = random_ternary(24, 147)
    shifts = ShiftCost(40.0, Geometry(256, 256, 64))
    quick = choose(matrix, [NIBBLE] * 147, Options(1 << 13, 0))
    short = choose(matrix, [NIBBLE] * 147, Options(1 << 13, 0, shifts=shifts))
    assert quick and short and quick.cycles <= short.cycles
    assert short.cycles + shifts.of(short.graph) <= quick.cycles + shifts.of(quick.graph)


def test_a_graph_that_does_not_fit_costs_without_end() -> None:
    graph = unshared(random_ternary(8, 20), [NIBBLE] * 20)
    assert ShiftCost(1.0, Geometry(8, 4, 16)).of(graph) == inf


def test_tall_layers_share_in_groups_of_bounded_rows() -> None:
    """The pairs of terms that are looked at grow with the inputs, not with their square; others share all at once."""
    weights = np.random.default_rng(5).integers(-64, 64, (2, 2400))
    found = choose(weights, [Range(0, 255)] * 2400, Options(1 << 14))
    assert found and found.grouping and found.grouping.groups >= 5
    np.testing.assert_array_equal(found.graph.coefficients(), weights)
    few = choose(weights[:, :300], [Range(0, 255)] * 300, Options(1 << 14))
    assert few and (few.grouping is None or few.grouping.groups == 1)
