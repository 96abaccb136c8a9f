"""A network on the golden simulator that stops before every pass of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from cam_compiler.verification.pieces import stem
from dialects.machine.code import decode
from dialects.machine.isa import Cell, Instruction, Operand, cell_after
from dialects.machine.program import Program
from dialects.support.errors import UsageError
from dialects.support.tensors import IntArray
from dialects.support.window import Rows
from runtime.cost.counts import Counts
from runtime.engines.golden import Due, Simulator
from runtime.host_actions import Action
from runtime.network import Network, check_inputs
from runtime.values import AnyValue, Value, array, narrow


@dataclass(frozen=True)
class Stop:
    """Where the machine is: a pass that is done next."""

    program: int
    """its number among the programs"""
    segment: int
    layer: str
    due: Due
    instructions: Sequence[Instruction]
    """of the segment"""

    @property
    def loop(self) -> tuple[int, int, int]:
        """What tells bit loops apart."""
        return self.program, self.segment, self.due.loop

    @property
    def members(self) -> Sequence[Instruction]:
        """The instructions of the bit loop."""
        last = next(at for at in range(self.due.loop, len(self.instructions)) if self.instructions[at].last)
        return self.instructions[self.due.loop : last + 1]


class Stepper:
    """Runs a network pass by pass; raises UsageError for programs that count tags."""

    def __init__(self, network: Network, given: Mapping[str, Value]):
        if counted := [call.title for call in network.calls if not isinstance(call.action, Action | Program)]:
            raise UsageError(
                f"program '{counted[0]}' counts tags, and only code is stepped through",
                hint="compile with --mapping code",
            )
        self.network = network
        self.values: dict[str, AnyValue] = {**check_inputs(network.inputs, given)}
        self.simulator: Simulator | None = None
        self.counts = Counts()
        """of all passes so far"""
        self.here: Stop | None = None
        """None at the end"""
        self._stops = self._walk()
        self.advance()

    def advance(self) -> Stop | None:
        """Do a pass; gives the next one, or None at the end."""
        self.here = next(self._stops, None)
        return self.here

    def _walk(self) -> Iterator[Stop]:
        program = -1
        for call in self.network.calls:
            taken = [self.values[name] for name in call.inputs]
            if isinstance(call.action, Program):
                program += 1
                results = yield from self._program(program, call.action, taken)
            else:
                results = cast(Action, call.action).results(*taken)
            self.values.update(zip(call.outputs, results, strict=True))

    def _program(self, number: int, program: Program, taken: Sequence[AnyValue]):
        vectors: IntArray = np.concatenate([array(cast(Rows, value)) for value in taken], axis=1).T.astype(np.int64)
        outputs = np.zeros((sum(program.outputs), vectors.shape[1]), dtype=np.int64)
        self.simulator = Simulator(self.network.target, vectors.shape[1])
        for segment, (layer, code) in enumerate(program.segments):
            items, counts = decode(code), Counts()
            for due in self.simulator.passes(layer, items, vectors, outputs, counts):
                yield Stop(number, segment, layer, due, items)
            self.counts += counts
        return [narrow(part) for part in np.split(outputs.T, np.cumsum(program.outputs)[:-1], axis=1)]

    def tensor(self, name: str) -> Value | None:
        """A tensor that is known so far, by its name in the network, or an output by its ONNX name."""
        outputs = {spec.name: spec.value for spec in self.network.outputs}
        found = [own for own in self.values if own == name or stem(own) == name] or [outputs.get(name, "")]
        return array(self.values[found[-1]]) if found[-1] in self.values else None

    def place(self, place: Operand, across: bool) -> IntArray:
        """The integers in a place, in every row."""
        assert self.simulator is not None
        cells = [cell_after(Cell(place.column, place.domain), at, across) for at in range(place.width)]
        total = sum(
            (self.simulator.bit(cell).astype(np.int64) << at for at, cell in enumerate(cells)), np.zeros(1, np.int64)
        )
        sign = self.simulator.bit(cells[-1]).astype(np.int64) << place.width
        return total - sign if place.signed else total
