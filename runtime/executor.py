"""Runs networks: actions on the host in their order, programs that don't wait for each other at the same time.

Any number of samples runs in bounded memory. A *batch* is what the machine works on at once: its rows decide how many
arrays are in use, and how often the instruction stream is sent. A *part* is what the simulator holds in memory at a
time, and changes no figure: rows are independent, so counts over rows either add up or follow from the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from dialects.machine.counted import AnyProgram, CountedProgram
from dialects.machine.program import Program
from dialects.support.errors import ProgramError
from dialects.support.instrumentation import part, progress
from dialects.support.threads import thread_count
from dialects.support.window import Ints, Rows
from runtime.engines import counting, counting_golden, golden, native
from runtime.host_actions import Action
from runtime.network import Network, check_inputs
from runtime.result import Result, SegmentRun, counted_run, joined, runs_of
from runtime.values import AnyValue, Value, array, narrow, raw

PART_BYTES = 1 << 29
"""Working memory of a part."""


def part_size(network: Network) -> int | None:
    """Samples of a part; None where the network takes a fixed number, which is a part."""
    fixed = any(spec.shape[0] >= 0 for spec in network.inputs)
    return None if fixed else max(1, PART_BYTES // max(1, network.sample_bytes))


def run_in_parts(network: Network, given: Mapping[str, Value], run: Callable[[Mapping[str, Value]], Result]) -> Result:
    """What `run` gives for all samples as one batch, part by part; raises InputError where the inputs don't fit."""
    samples = len(next(iter(given.values()))) if given and all(value.ndim for value in given.values()) else 0
    size = part_size(network) or samples
    if samples <= size or len({len(value) for value in given.values()}) > 1:
        return run(given)
    begins = range(0, samples, size)
    cuts = [{name: value[begin : begin + size] for name, value in given.items()} for begin in begins]
    # Whatever is wrong with the inputs is said before anything long is done.
    for begin, cut in zip(begins, cuts, strict=True):
        check_inputs(network.inputs, cut, begin)
    results: list[Result] = []
    for begin, cut in zip(begins, cuts, strict=True):
        end = min(samples, begin + size)
        with part(begin, end, samples, f"samples {begin + 1} to {end}"):
            results.append(run(cut))
    outputs = {name: np.concatenate([result.outputs[name] for result in results]) for name in results[0].outputs}
    segments = joined(network, samples, [result.segments for result in results])
    return Result(outputs, segments, samples, network.on_host)


@dataclass(frozen=True)
class Executor:
    """A network on one of the engines.

    `engine` is "native", or "golden" for the reference simulator; they agree in results and in counts. Without `trace`
    the native engine leaves out the counts that depend on the data. `watch` hears of every tensor as it is made.
    """

    network: Network
    engine: str = "native"
    trace: bool = True
    watch: Callable[[str, Value], None] | None = None

    def run(self, given: Mapping[str, Value]) -> Result:
        """The outputs and counts for all samples as one batch; raises InputError where the inputs don't fit."""
        return run_in_parts(self.network, given, self.run_part)

    def run_part(self, given: Mapping[str, Value]) -> Result:
        """The same for samples that are all held in memory."""
        values = check_inputs(self.network.inputs, given)
        try:
            return self._run({**values}, len(next(iter(values.values()))))
        except (ValueError, LookupError, TypeError, OverflowError, ZeroDivisionError) as error:
            if self.network.uncompiled:
                raise
            raise ProgramError(f"a damaged program: {error}", hint="compile the model again") from error

    def _run(self, values: dict[str, AnyValue], samples: int) -> Result:
        calls = self.network.calls
        runs: dict[int, list[SegmentRun]] = {}
        readers = Counter(name for call in calls for name in call.inputs)
        readers.update(output.value for output in self.network.outputs)
        done = 0
        for group in self._groups:
            progress(done, len(calls), calls[group[0]].title)
            for index, (results, segments) in zip(group, self._results(group, values, samples), strict=True):
                runs[index] = segments
                self._keep(calls[index].outputs, results, values)
            # Values are dropped after their last reader.
            for name in (name for index in group for name in calls[index].inputs):
                readers[name] -= 1
                if readers[name] == 0:
                    del values[name]
            done += len(group)
        outputs = {output.name: output.declared(array(values[output.value])) for output in self.network.outputs}
        return Result(outputs, [run for _, part in sorted(runs.items()) for run in part], samples, self.network.on_host)

    def _keep(self, names: Sequence[str], results: Sequence[AnyValue], values: dict[str, AnyValue]) -> None:
        for name, value in zip(names, results, strict=True):
            values[name] = value
            if self.watch and isinstance(value, np.ndarray):
                self.watch(name, value)

    def _results(
        self, group: Sequence[int], values: Mapping[str, AnyValue], samples: int
    ) -> list[tuple[Sequence[AnyValue], list[SegmentRun]]]:
        """Of each call of a group the outputs, and how its segments ran."""
        calls = [self.network.calls[index] for index in group]
        inputs = [[values[name] for name in call.inputs] for call in calls]
        action = calls[0].action
        if isinstance(action, Action):
            return [(action.results(*inputs[0]), [])]
        if isinstance(action, CountedProgram):
            return [self._count(action, cast(list[Rows], inputs[0]), samples)]
        programs = [cast(Program, call.action) for call in calls]
        return self._execute(list(zip(programs, cast(list[list[Rows]], inputs), strict=True)), samples)

    def _count(
        self, program: CountedProgram, inputs: Sequence[Rows], samples: int
    ) -> tuple[Sequence[AnyValue], list[SegmentRun]]:
        """A counted program, which is a group by itself."""
        target = self.network.target
        _check_shapes(program, inputs, samples)
        if self.engine == "native":
            outputs, counts = counting.run(target, program, inputs, trace=self.trace)
        else:
            rows: Ints = np.concatenate([raw(value) for value in inputs], axis=1)
            outputs, counts = counting_golden.run(target, program, rows.astype(np.int64))
        return [narrow(outputs)], [counted_run(program, counts, target)]

    def _execute(
        self, programs: Sequence[tuple[Program, Sequence[Rows]]], samples: int
    ) -> list[tuple[Sequence[AnyValue], list[SegmentRun]]]:
        target = self.network.target
        for program, inputs in programs:
            _check_shapes(program, inputs, samples)
        if self.engine == "native":
            ran = native.run(target, programs, thread_count(), trace=self.trace)
        else:
            ran = golden.run(target, programs)
        results: list[tuple[Sequence[AnyValue], list[SegmentRun]]] = []
        for (program, _), (rows, counts) in zip(programs, ran, strict=True):
            results.append((_outputs(program, rows), runs_of(program, counts, len(rows), target)))
        return results

    @cached_property
    def _groups(self) -> list[list[int]]:
        """The calls in an order in which programs that don't wait for each other come together.

        These are parts of a layer and branches of the network. An action is a group by itself, and so is a counted
        program; all that can be done by them is done before the next programs.
        """
        known = {spec.name for spec in self.network.inputs}
        waiting = list(range(len(self.network.calls)))
        groups: list[list[int]] = []
        while waiting:
            later: list[int] = []
            for index in waiting:
                call = self.network.calls[index]
                if not isinstance(call.action, Program) and known.issuperset(call.inputs):
                    groups.append([index])
                    known.update(call.outputs)
                else:
                    later.append(index)
            ready = [index for index in later if self._is_ready(index, known)]
            known.update(name for index in ready for name in self.network.calls[index].outputs)
            if ready:
                groups.append(ready)
            elif len(later) == len(waiting):
                raise ValueError("calls wait for values that are never computed")
            waiting = [index for index in later if index not in set(ready)]
        return groups

    def _is_ready(self, index: int, known: set[str]) -> bool:
        call = self.network.calls[index]
        return isinstance(call.action, Program) and known.issuperset(call.inputs)


def _check_shapes(program: AnyProgram, inputs: Sequence[Rows], samples: int) -> None:
    expected = [(samples * program.rows, features) for features in program.inputs]
    if (shapes := [value.shape for value in inputs]) != expected:
        raise ValueError(f"a program takes tensors of shapes {expected}, found {shapes}")


def _outputs(program: Program, rows: Ints) -> list[Ints]:
    """The outputs of a program, from a tensor (rows, features) of all of them."""
    return [narrow(part) for part in np.split(rows, np.cumsum(program.outputs)[:-1], axis=1)]
