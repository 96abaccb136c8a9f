"""Compares what a network stores between its layers with the same network at the ternary level, while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp

from cam_compiler.validation import difference
from dialects.machine.target import Target
from dialects.support.errors import MismatchError
from dialects.support.instrumentation import part
from runtime.host import Result, Value
from runtime.interpreter import Interpreter


@dataclass
class GoldenCheck:
    """A module beside the golden one, and how many integers of each stored tensor were equal so far."""

    module: ModuleOp
    golden: ModuleOp
    target: Target
    engine: str
    trace: bool
    equal: dict[str, int] = field(default_factory=dict[str, int])

    def run(self, given: Mapping[str, Value]) -> Result:
        """The module's result; raises MismatchError where it isn't the golden one."""
        found, golden = Interpreter(self.target, self.engine, trace=self.trace, keep=True), Interpreter(keep=True)
        with part(0, 1, 2):
            result = found.run(self.module, given)
        with part(1, 2, 2, "check"):
            expected = golden.run(self.golden, given)
        if problem := difference(expected.outputs, result.outputs):
            raise MismatchError(f"the outputs are not the golden ones: {problem}")
        tensors = found.tensors()
        for key, value in golden.tensors().items():
            if key not in tensors:
                continue
            if problem := difference({key[0]: value}, {key[0]: tensors[key]}):
                raise MismatchError(f"a layer's integers are not the golden ones: {problem}")
            self.equal[key[0]] = self.equal.get(key[0], 0) + value.size
        return result
