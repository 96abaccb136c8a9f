"""Compares what a network stores between its layers with the golden network, while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from cam_compiler.validation import difference
from cam_compiler.verification.pieces import stored
from dialects.support.errors import MismatchError
from dialects.support.instrumentation import part
from runtime.executor import Executor, run_in_parts
from runtime.result import Result
from runtime.values import Value


class GoldenCheck:
    """A network beside the golden one, and how many integers of each stored tensor were equal so far."""

    def __init__(self, executor: Executor, golden: Executor):
        self._executor, self._golden = executor, golden
        self.equal: dict[str, int] = {}

    def run(self, given: Mapping[str, Value]) -> Result:
        """The network's result; raises MismatchError where it isn't the golden one, with the first wrong tensor."""
        return run_in_parts(self._executor.network, given, self._run_part)

    def _run_part(self, given: Mapping[str, Value]) -> Result:
        with part(0, 1, 2):
            result, tensors = stored(self._executor, given)
        with part(1, 2, 2, "check"):
            expected, golden = stored(self._golden, given)
        outputs = difference(expected.outputs, result.outputs)
        for key, (_, value) in golden.items():
            if key not in tensors or value.dtype.kind != "i":
                continue
            if problem := difference({key[0]: value}, {key[0]: tensors[key][1]}, "tensor"):
                outputs = f"the outputs, too: {outputs}" if outputs else "the outputs are equal"
                raise MismatchError(f"a layer's integers are not the golden ones: {problem}", hint=outputs)
            self.equal[key[0]] = self.equal.get(key[0], 0) + value.size
        if outputs:
            raise MismatchError(f"the outputs are not the golden ones: {outputs}")
        return result
