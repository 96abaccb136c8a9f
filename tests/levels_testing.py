"""Takes a network through several pipelines, what they have in common once, and checks every stage."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from camc_testing import parse_module
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute
from xdsl.passes import ModulePass

from cam_compiler.pipeline import make_context, parse_passes, run_passes
from cam_compiler.validation import Validator, difference
from dialects.machine.target import Target
from dialects.support.errors import CapacityError
from dialects.support.verify import verify_module
from runtime.camx import load, save
from runtime.executor import Executor
from runtime.interpreter import Interpreter, network_of
from runtime.values import Value

_SHARE = 16
"""One stage of so many is printed and read back without need; xDSL's parser takes longer than all the rest."""

Kind: TypeAlias = tuple[str, str, int, tuple[tuple[str, type[Attribute]], ...]]
"""Of an operation: the pass before, its name, how many operands it has, and of what types its properties are."""
_read: set[Kind] = set()
"""The kinds whose text has been read back."""


def kinds(module: ModuleOp, stage: str) -> set[Kind]:
    return {
        (stage, op.name, len(op.operands), tuple((name, type(each)) for name, each in sorted(op.properties.items())))
        for op in module.walk()
    }


@dataclass
class Levels:
    """A network with the inputs of which every stage must compute the same outputs.

    Every stage is verified and executed, every compiled program is saved, loaded and executed. The text of a stage is
    read back, compared and executed where it has a kind of operation whose text wasn't, and of a share of the others,
    which follows from the network's text.
    """

    source: str
    draw_inputs: Callable[[ModuleOp], Mapping[str, Value]]
    target: Target
    folder: Path

    def __post_init__(self) -> None:
        # By the identity of modules, all of which live as long as this does.
        self._stages: dict[int, dict[ModulePass, ModuleOp]] = {}
        self._programs: set[int] = set()
        self.module = parse_module(self.source)
        self.inputs = self.draw_inputs(self.module)
        self.expected = Interpreter().run(self.module, self.inputs).outputs
        self.validator = Validator(self.inputs)
        run_passes(self.module, (), self.target, validator=self.validator)
        self._check_text(self.module, "import")

    def check(self, pipelines: Iterable[str]) -> list[str]:
        """Check all stages of all pipelines; returns those that the array is too small for."""
        refused: list[str] = []
        for pipeline in pipelines:
            try:
                module = self.module
                for stage in parse_passes(pipeline):
                    module = self._after(module, stage)
                self._check_program(module)
            except CapacityError as error:
                assert error.hint
                refused.append(pipeline)
            except Exception as error:
                error.add_note(f"pipeline {pipeline}")
                raise
        return refused

    def _after(self, module: ModuleOp, stage: ModulePass) -> ModuleOp:
        """The module after a pass, itself where nothing changes, so that pipelines share what they have alike."""
        known = self._stages.setdefault(id(module), {})
        if stage not in known:
            known[stage] = self._changed(module, stage)
        return known[stage]

    def _changed(self, module: ModuleOp, stage: ModulePass) -> ModuleOp:
        after = module.clone()
        stage.apply(make_context(), after)
        verify_module(after)
        self._check_text(after, str(stage.spec()))
        if after.is_structurally_equivalent(module):
            return module
        self.validator.check(after, stage.name)
        return after

    def _check_text(self, module: ModuleOp, stage: str) -> None:
        found = kinds(module, stage)
        if found - _read or zlib.crc32(f"{self.source}{stage}".encode()) % _SHARE == 0:
            again = parse_module(text := str(module))
            assert str(again) == text
            assert again.is_structurally_equivalent(module)
            assert difference(self.expected, Interpreter(self.target).run(again, self.inputs).outputs) is None
            # Not before, so that what fails does so again.
            _read.update(found)

    def _check_program(self, module: ModuleOp) -> None:
        if id(module) in self._programs:
            return
        self._programs.add(id(module))
        network = network_of(module, self.target)
        save(network, self.folder / "a.camx")
        loaded = load(self.folder / "a.camx")
        assert loaded == network
        assert difference(self.expected, Executor(loaded).run(self.inputs).outputs) is None
