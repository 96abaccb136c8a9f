"""How far placement and bit loops are from the optimum of an integer program, on small kernels.

    python benchmarks/placement_optimum.py [--kernels N] [--seconds N] [-O N] [one|time|loops ...]

Three problems, as the simulators count shifts (dialects/machine/census.py), with ports at domain 0 before:

    one     column steps, every statement in a bit loop of its own, in the given order; column and domain of every value
            and of every carry are free. Ours: what convert-apv-to-rtm does (`placement=spread`).
    time    the same in steps in time. Ours is the same placement, which is made for column steps.
    loops   column steps, the grouping into bit loops and their order free as well, within the data flow; terms of a sum
            commute. All values of a loop and its carries lie in distinct columns, and a value has the same step for all
            members of a loop, as in the design of the machine. Ours: what rtm-bundle tries at effort N.

The statements themselves are given: sums have their final width from the start, so that no width depends on the order.
Each optimum is made into placed code, verified, and its predicted shifts are compared with the solver's objective. The
solver is OR-tools' CP-SAT (pip install .[bench]) on one thread; where it doesn't prove the optimum in its time, the
best bound that it has proved is printed with `>` and the kernel is left out of the statistics.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, NamedTuple, get_args

import numpy as np
from ortools.sat.python import cp_model
from placement_kernels import Item, Kernel, Places, Use, kernels, placed

from dialects.machine.census import predict_shifts
from dialects.machine.check import check_binary
from dialects.rtm.placed import PlacedCode
from dialects.rtm.placed_check import check_placed
from dialects.support.errors import CapacityError
from passes.placing.placement import COLUMNS, LOOPS, SPREAD, TIGHT, TIGHT_LOOPS, Method, place

MOST_START = 40
Bool = cp_model.IntVar
Sweep = tuple[cp_model.LiteralT, cp_model.LinearExprT, cp_model.LinearExprT]
Problem = Literal["one", "time", "loops"]
TITLES = {
    "one": "a loop for each statement: column steps",
    "time": "a loop for each statement: steps in time",
    "loops": "bit loops: column steps",
}


def steps_of(kernel: Kernel, code: PlacedCode, problem: Problem) -> int:
    """The shifts of verified code."""
    geometry = kernel.geometry
    check_placed([kernel.name], [code], geometry.columns, geometry.domains)
    check_binary(code.binary, geometry.columns, geometry.domains)
    shifts = predict_shifts([code.binary], geometry.columns, geometry.domains)
    return int((shifts.shift_steps if problem == "time" else shifts.column_steps).sum())


def first_of(kernel: Kernel, attempts: Sequence[Sequence[Method]], problem: Problem) -> float:
    """The shifts of the first attempt that finds a place for every value."""
    for methods in attempts:
        with suppress(CapacityError):
            (code,) = place(kernel.source, kernel.geometry, methods, full=True)
            return steps_of(kernel, code, problem)
    return math.inf


def ours(kernel: Kernel, problem: Problem, effort: int) -> float:
    """The shifts of our own placement: without bit loops, or as rtm-bundle does it, which keeps what is better."""
    if problem != "loops":
        return first_of(kernel, [[SPREAD], [TIGHT]], problem)
    before = first_of(kernel, [[COLUMNS], [TIGHT]], problem)
    return min(before, first_of(kernel, [LOOPS[effort], TIGHT_LOOPS], problem))


def alignment(first: Use, second: Use) -> int:
    """How much later the second statement starts where both use a domain of the slot at the same step."""

    def phase(use: Use) -> int:
        return use.touched[0][0] - use.touched[0][1]

    return phase(first) - phase(second)


def is_flag(use: Use) -> bool:
    return use.first == use.last == 0 and len(use.touched) > 1


def together(first: Use, second: Use) -> bool:
    """Whether two uses of a slot, aligned and in this order, may be in one loop."""
    later = 0 if is_flag(first) or is_flag(second) else alignment(first, second)
    mine = [(step + later, domain, written) for step, domain, written in second.touched]
    for step, domain, written in first.touched:
        for at, other, writes in mine:
            if at == step and other != domain:
                return False
            if other == domain and at < step and (written or writes):
                return False
    return True


class Model:
    """The integer program of a kernel."""

    def __init__(self, kernel: Kernel, problem: Problem):
        self.kernel, self.problem, self.bundles = kernel, problem, problem == "loops"
        self.model = cp_model.CpModel()
        self.count = len(kernel.items)
        self.columns, self.domains = kernel.geometry.columns, kernel.geometry.domains
        self._schedule()
        self._places()
        self._shifts()

    def _number(self, low: int, high: int, name: str = "") -> cp_model.IntVar:
        return self.model.new_int_var(low, high, name)

    def _flag(self) -> Bool:
        return self.model.new_bool_var("")

    def _schedule(self) -> None:
        """The loop of each statement, and its start."""
        count, model = self.count, self.model
        if not self.bundles:
            self.loop: list[cp_model.LinearExprT] = list(range(count))
            self.starts: list[cp_model.LinearExprT] = [0] * count
            self.member: list[list[cp_model.LiteralT]] = [[int(i == j) for j in range(count)] for i in range(count)]
            return
        self.loop = [self._number(0, count - 1) for _ in range(count)]
        self.starts = [self._number(0, MOST_START) for _ in range(count)]
        self.member = [[self._flag() for _ in range(count)] for _ in range(count)]
        for number, flags in enumerate(self.member):
            model.add_exactly_one(flags)
            model.add(self.loop[number] == sum(index * flag for index, flag in enumerate(flags)))
        full = [self._flag() for _ in range(count)]
        for index, flag in enumerate(full):
            model.add_max_equality(flag, [self.member[number][index] for number in range(count)])
            if index:
                model.add_implication(flag, full[index - 1])
        for before, after in self.kernel.after:
            model.add(self.loop[before] <= self.loop[after])
        for first, one in enumerate(self.kernel.items):
            for second in range(first + 1, count):
                self._share(first, second, one, self.kernel.items[second])

    def _share(self, first: int, second: int, one: Item, other: Item) -> None:
        pairs = [(a, b) for a in one.uses for b in other.uses if a.slot == b.slot]
        if not pairs:
            return
        if not all(together(a, b) for a, b in pairs):
            self.model.add(self.loop[first] != self.loop[second])
            return
        aligned = [alignment(a, b) for a, b in pairs if not is_flag(a) and not is_flag(b)]
        if not aligned:
            return
        same = self._flag()
        self.model.add(self.loop[first] == self.loop[second]).only_enforce_if(same)
        self.model.add(self.loop[first] != self.loop[second]).only_enforce_if(~same)
        for later in aligned:
            self.model.add(self.starts[second] - self.starts[first] == later).only_enforce_if(same)

    def _places(self) -> None:
        """Column and domain of every slot and carry; those that live together don't overlap."""
        kernel, model = self.kernel, self.model
        self.carriers = [number for number, item in enumerate(kernel.items) if item.carries]
        widths = [*kernel.widths, *(1 for _ in self.carriers)]
        users = [kernel.users(slot) for slot in range(len(kernel.widths))]
        users += [[number] for number in self.carriers]
        self.in_column = [[self._flag() for _ in range(self.columns)] for _ in widths]
        self.domain = [self._number(0, self.domains - width) for width in widths]
        times: list[cp_model.IntervalVar] = []
        spaces: list[cp_model.IntervalVar] = []
        for index, width in enumerate(widths):
            model.add_exactly_one(self.in_column[index])
            column = sum(number * flag for number, flag in enumerate(self.in_column[index]))
            address = self._number(0, self.columns * self.domains - width)
            model.add(address == column * self.domains + self.domain[index])
            spaces.append(model.new_fixed_size_interval_var(address, width, ""))
            times.append(self._lifetime(users[index]))
            for number in range(1, self.columns):
                # Columns are alike until they are used.
                earlier = [self.in_column[other][number - 1] for other in range(index)]
                model.add_bool_or([~self.in_column[index][number], *earlier])
        model.add_no_overlap_2d(times, spaces)
        self.users = users

    def _lifetime(self, users: Sequence[int]) -> cp_model.IntervalVar:
        if not self.bundles:
            return self.model.new_fixed_size_interval_var(users[0], users[-1] + 1 - users[0], "")
        begin, end = self._number(0, self.count), self._number(0, self.count)
        size = self._number(1, self.count)
        for number in users:
            self.model.add(begin <= self.loop[number])
            self.model.add(end > self.loop[number])
        self.model.add_min_equality(begin, [self.loop[number] for number in users])
        self.model.add_max_equality(end, [self.loop[number] + 1 for number in users])
        return self.model.new_interval_var(begin, size, end, "")

    def _sweep(self, index: int, loop: int) -> Sweep | None:
        """Whether the loop uses a slot or carry, and its first and last domain in it."""
        if index >= len(self.kernel.widths):
            carrier = self.carriers[index - len(self.kernel.widths)]
            return (self.member[carrier][loop], 0, 0) if self.bundles or carrier == loop else None
        uses = [(n, use) for n in self.users[index] for use in self.kernel.items[n].uses if use.slot == index]
        if not self.bundles:
            mine = [use for n, use in uses if n == loop]
            return (True, mine[0].first, mine[0].last) if mine else None
        used = self._flag()
        self.model.add_max_equality(used, [self.member[n][loop] for n, _ in uses])
        lows, highs = {use.first for _, use in uses}, {use.last for _, use in uses}
        first = self._number(min(lows), max(lows)) if len(lows) > 1 else lows.pop()
        last = self._number(min(highs), max(highs)) if len(highs) > 1 else highs.pop()
        for n, use in uses:
            if not isinstance(first, int):
                self.model.add(first <= use.first).only_enforce_if(self.member[n][loop])
            if not isinstance(last, int):
                self.model.add(last >= use.last).only_enforce_if(self.member[n][loop])
        return used, first, last

    def _shifts(self) -> None:
        model = self.model
        before: list[cp_model.LinearExprT] = [0] * self.columns
        sweeping: list[cp_model.LinearExprT] = []
        seeking: list[cp_model.LinearExprT] = []
        returns: list[cp_model.LinearExprT] = []
        waiting: list[cp_model.LinearExprT] = []
        for loop in range(self.count):
            after = [self._number(0, self.domains - 1) for _ in range(self.columns)]
            seeks = [self._number(0, self.domains - 1) for _ in range(self.columns)]
            there: list[list[cp_model.LiteralT]] = [[] for _ in range(self.columns)]
            for index in range(len(self.domain)):
                sweep = self._sweep(index, loop)
                if not sweep:
                    continue
                used, first, last = sweep
                self._span(sweeping, used, first, last)
                if index < len(self.kernel.widths):
                    returns.append(used * self._least_sweep(index))
                for column in range(self.columns):
                    at = self._both(used, self.in_column[index][column])
                    there[column].append(at)
                    begin, end = self.domain[index] + first, self.domain[index] + last
                    model.add(seeks[column] >= begin - before[column]).only_enforce_if(at)
                    model.add(seeks[column] >= before[column] - begin).only_enforce_if(at)
                    model.add(after[column] == end).only_enforce_if(at)
            for column, flags in enumerate(there):
                model.add_at_most_one(flags)
                idle = self._flag()
                model.add_bool_or([*flags, idle])
                model.add(after[column] == before[column]).only_enforce_if(idle)
            seeking += seeks
            if self.problem == "time":
                waiting += self._waits(loop, seeks)
            before = list(after)
        # Implied: a slot that is swept again has been brought back to its first domain, and while it lives no other
        # slot needs these domains. It is what proves most optima.
        model.add(sum(seeking) >= sum(returns) - sum(map(self._least_sweep, range(len(self.kernel.widths)))))
        model.minimize(sum(waiting) if self.problem == "time" else sum(sweeping) + sum(seeking))

    def _waits(self, loop: int, seeks: Sequence[cp_model.IntVar]) -> list[cp_model.LinearExprT]:
        """The steps in time of a statement alone in its loop: of each bit, those of the column that moves farthest."""
        item = self.kernel.items[loop]
        begins = {use.slot: use.touched[0][0] for use in item.uses}
        if item.carries:
            begins[len(self.kernel.widths) + self.carriers.index(loop)] = 0
        waits: list[cp_model.LinearExprT] = []
        for bit in range(item.code.width):
            wait = self._number(0, self.domains)
            for use in item.uses:
                at = {step: domain for step, domain, _ in use.touched}
                if at.get(bit, use.first) != at.get(bit - 1, at.get(bit, use.first)):
                    self.model.add(wait >= 1)
            for index, begin in begins.items():
                for column in range(self.columns):
                    if begin == bit:
                        self.model.add(wait >= seeks[column]).only_enforce_if(self.in_column[index][column])
            waits.append(wait)
        return waits

    def _least_sweep(self, slot: int) -> int:
        return min(use.last - use.first for item in self.kernel.items for use in item.uses if use.slot == slot)

    def _both(self, used: cp_model.LiteralT, flag: Bool) -> cp_model.LiteralT:
        if isinstance(used, int):
            return flag
        both = self._flag()
        self.model.add_bool_and([used, flag]).only_enforce_if(both)
        self.model.add_bool_or([both, ~used, ~flag])
        return both

    def _span(
        self,
        cost: list[cp_model.LinearExprT],
        used: cp_model.LiteralT,
        first: cp_model.LinearExprT,
        last: cp_model.LinearExprT,
    ) -> None:
        """What a sweep takes from its first to its last domain."""
        if isinstance(first, int) and isinstance(last, int):
            cost.append(used * (last - first))
            return
        swept = self._number(0, self.domains)
        self.model.add(swept >= last - first).only_enforce_if(used)
        cost.append(swept)

    def solve(self, seconds: float) -> Found:
        """The optimum, verified, or the best bound."""
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        status = solver.solve(self.model)
        bound = round(solver.best_objective_bound)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Found(bound, -1, solver.wall_time)
        places = [
            (next(c for c, flag in enumerate(flags) if solver.value(flag)), solver.value(domain))
            for flags, domain in zip(self.in_column, self.domain, strict=True)
        ]
        slots = len(self.kernel.widths)
        solution = Places(
            [solver.value(loop) for loop in self.loop],
            [solver.value(start) for start in self.starts],
            places[:slots],
            dict(zip(self.carriers, places[slots:], strict=True)),
        )
        steps = steps_of(self.kernel, placed(self.kernel, solution), self.problem)
        if status == cp_model.OPTIMAL and steps != round(solver.objective_value):
            raise AssertionError(
                f"{self.kernel.name}: predicted {steps} steps, the solver has {solver.objective_value}"
            )
        return Found(bound, steps, solver.wall_time)


class Found(NamedTuple):
    """The solver's bound, the steps of its solution (-1: none), and its time."""

    bound: int
    steps: int
    seconds: float


def table(chosen: Sequence[Kernel], problem: Problem, effort: int, seconds: float) -> None:
    """Each kernel's optimum and our distance to it, and quartiles."""
    print(TITLES[problem])
    print("kernel           array statements slots accesses   optimum   ours  ratio  solved in")
    ratios: list[tuple[float, str]] = []
    for kernel in chosen:
        mine = ours(kernel, problem, effort)
        found = Model(kernel, problem).solve(seconds)
        proved = found.bound == found.steps
        ratio = mine / max(1, found.steps)
        if proved:
            ratios.append((ratio, kernel.name))
        array, bound = f"{kernel.geometry.columns}x{kernel.geometry.domains}", f"{'' if proved else '>= '}{found.bound}"
        print(
            f"{kernel.name:12} {array:>9} {len(kernel.items):>10} {len(kernel.widths):>5} {kernel.accesses:>8} "
            f"{bound:>9} {mine:>6} {f'{ratio:.3f}' if proved else '':>6} {found.seconds:>8.1f} s",
            flush=True,
        )
    quartiles = np.quantile([ratio for ratio, _ in ratios], [0.25, 0.5, 0.75])
    worst, name = max(ratios)
    print(
        f"{len(ratios)} of {len(chosen)} proved; ours to the optimum: median {quartiles[1]:.3f}, "
        f"quartiles {quartiles[0]:.3f} and {quartiles[2]:.3f}, worst {worst:.3f} ({name})"
    )
    beyond = [f"{name} ({ratio:.2f})" for ratio, name in sorted(ratios, reverse=True) if ratio > 1.05]
    print(f"not within 5%: {len(beyond)}{': ' if beyond else ''}{', '.join(beyond)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=8.0, help="for one kernel")
    parser.add_argument("-O", dest="effort", type=int, choices=range(4), default=1)
    parser.add_argument("problems", nargs="*", default=[*get_args(Problem)])
    arguments = parser.parse_args()
    began = time.perf_counter()
    for problem in arguments.problems:
        chosen = kernels(arguments.kernels, range(6, 13) if problem == "loops" else range(9, 17))
        table(chosen, problem, arguments.effort, arguments.seconds)
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
