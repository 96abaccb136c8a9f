"""Compares what a network stores between its layers with the same network at the ternary level, while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp, TensorType

from cam_compiler.validation import difference
from dialects.support.errors import MismatchError
from dialects.support.instrumentation import part
from runtime.executor import Executor, run_in_parts
from runtime.interpreter import main_function, network_of, value_names
from runtime.result import Result
from runtime.values import Value


class GoldenCheck:
    """A module's executor beside the golden module, and how many integers of each stored tensor were equal so far."""

    def __init__(self, executor: Executor, module: ModuleOp, golden: ModuleOp):
        self._found, self._expected = _Stored(module), _Stored(golden)
        self._executor = replace(executor, watch=self._found.keep)
        self._golden = Executor(network_of(golden, executor.network.target), watch=self._expected.keep)
        self.equal: dict[str, int] = {}

    def run(self, given: Mapping[str, Value]) -> Result:
        """The module's result; raises MismatchError where it isn't the golden one."""
        return run_in_parts(self._executor.network, given, self._run_part)

    def _run_part(self, given: Mapping[str, Value]) -> Result:
        with part(0, 1, 2):
            result = self._executor.run_part(given)
        with part(1, 2, 2, "check"):
            expected = self._golden.run_part(given)
        if problem := difference(expected.outputs, result.outputs):
            raise MismatchError(f"the outputs are not the golden ones: {problem}")
        tensors = self._found.take()
        for key, value in self._expected.take().items():
            if key not in tensors:
                continue
            if problem := difference({key[0]: value}, {key[0]: tensors[key]}):
                raise MismatchError(f"a layer's integers are not the golden ones: {problem}")
            self.equal[key[0]] = self.equal.get(key[0], 0) + value.size
        return result


class _Stored:
    """The integer tensors of a run that have a name in the module, by name and shape; of several, the last one."""

    def __init__(self, module: ModuleOp):
        values = value_names(main_function(module)).items()
        self._names = {
            name: value.name_hint for value, name in values if value.name_hint and isinstance(value.type, TensorType)
        }
        self._kept: dict[tuple[str, tuple[int, ...]], Value] = {}

    def keep(self, name: str, value: Value) -> None:
        """Hears of a tensor of the network."""
        if name in self._names and value.dtype.kind == "i":
            self._kept[self._names[name], value.shape] = value

    def take(self) -> dict[tuple[str, tuple[int, ...]], Value]:
        """What was kept; it is forgotten with that."""
        kept, self._kept = self._kept, {}
        return kept
