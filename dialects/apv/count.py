"""Layers that are counted: weights as data, from tensors of the buffer to a tensor of the buffer.

    %s = apv.count %r : (tensor<?x3x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 1>> layer "fc" weights <{
      +0-
    }> thresholds <{
      up 2
    }>
    %t = apv.accumulate %a, %b : (...) -> tensor<?x2x...> terms <{
      take 0
      add 2 << 1
    }>

Both stand outside of stages: their rows are no rows of an array. `apv.count` is searches whose tags are counted,
`apv.accumulate` works in the accumulators alone: residual sums and pools. Thresholds on what they give are a search of
a table. Inputs are the features of all operands in turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.apv.linear import linear_problem, reach
from dialects.support.errors import TextError
from dialects.support.grammar import refuse_long_numbers
from dialects.support.packed import PackedAttr
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray, IntMatrix, Thresholds
from dialects.support.window import Ints
from dialects.ternary.types import (
    MatrixAttr,
    RowsTensor,
    ThresholdsAttr,
    int_tensor,
    range_of,
    rows_of,
    shape_of,
    shape_text,
    verify_reachable,
    verify_rows,
    verify_steps,
)

TERM_KINDS = ("take", "add", "sub", "max")
_LINE = re.compile(r"(take|add|sub|max) (\d+)(?: step (\d+))?(?: << (\d+))?")


class Term(NamedTuple):
    """What an accumulator of each output takes: input `first` + `step` * output, shifted."""

    kind: str
    first: int
    step: int = 1
    shift: int = 0

    def __str__(self) -> str:
        step = f" step {self.step}" if self.step != 1 else ""
        return f"{self.kind} {self.first}{step}" + (f" << {self.shift}" if self.shift else "")


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms in their order, one per line; only the first one is `take`."""

    terms: tuple[Term, ...]

    def to_text(self) -> str:
        return "\n".join(map(str, self.terms))

    @classmethod
    def from_text(cls, text: str) -> Self:
        refuse_long_numbers(text)
        terms: list[Term] = []
        offset = 0
        for line in text.splitlines(keepends=True):
            if stripped := line.strip():
                match = _LINE.fullmatch(stripped)
                if match is None:
                    at = offset + line.index(stripped)
                    raise TextError(f"expected a term such as `add 64 step 1 << 2`, found '{stripped}'", at)
                terms.append(Term(match[1], int(match[2]), int(match[3] or 1), int(match[4] or 0)))
            offset += len(line)
        return cls(tuple(terms))

    def problem(self, outputs: int, inputs: int) -> str | None:
        """What is malformed, if anything."""
        if [term.kind == "take" for term in self.terms] != [number == 0 for number in range(len(self.terms))]:
            return "the first term, and no other one, is `take`"
        for term in self.terms:
            if term.step < 1 or term.shift > 31 or term.first + term.step * (outputs - 1) >= inputs:
                return f"`{term}` of {outputs} outputs reaches beyond the {inputs} inputs"
        return None

    def input_of(self, term: Term, outputs: int) -> IntArray:
        """The input that a term takes for each output."""
        return term.first + term.step * np.arange(outputs, dtype=np.int64)

    def range_of(self, term: Term, inputs: Sequence[Range], outputs: int) -> Range:
        """The range of what a term takes, not shifted, of inputs of given ranges."""
        spans = [inputs[term.first + term.step * output] for output in range(outputs)]
        return Range(min(span.lo for span in spans), max(span.hi for span in spans))

    def reach(self, inputs: Sequence[Range], outputs: int) -> Range:
        """The range of the accumulators over inputs of given ranges, at their end."""
        total = Range(0, 0)
        for term in self.terms:
            part = self.range_of(term, inputs, outputs) << term.shift
            match term.kind:
                case "take":
                    total = part
                case "add":
                    total = total + part
                case "sub":
                    total = total - part
                case _:
                    total = Range(max(total.lo, part.lo), max(total.hi, part.hi))
        return total

    def apply(self, rows: Ints, outputs: int) -> IntArray:
        """The accumulators (rows, outputs) at their end, of rows (rows, inputs)."""
        total = np.zeros((len(rows), outputs), dtype=np.int64)
        for term in self.terms:
            taken = rows[:, self.input_of(term, outputs)].astype(np.int64) << term.shift
            match term.kind:
                case "take":
                    total = taken
                case "add":
                    total = total + taken
                case "sub":
                    total = total - taken
                case _:
                    total = np.maximum(total, taken)
        return total


@irdl_attr_definition
class TermsAttr(PackedAttr[Terms]):
    """Terms of accumulators, one per line: `#apv.terms<{ take 0 }>`."""

    name = "apv.terms"
    value_class = Terms


def input_ranges(values: Sequence[SSAValue]) -> list[Range]:
    """The range of each feature of tensors, one after another."""
    return [range_of(value) for value in values for _ in range(shape_of(value)[1])]


class _Counted(IRDLOperation):
    """What both operations have in common."""

    @property
    def sums(self) -> Range:
        """The range of what is computed before thresholds."""
        raise NotImplementedError

    def _verify(self, inputs: Sequence[SSAValue], result: SSAValue, thresholds: ThresholdsAttr | None) -> None:
        for value in (*inputs, result):
            if len(shape_of(value)) != 2 or DYNAMIC_INDEX in shape_of(value)[1:]:
                raise VerifyException(f"expected a tensor (batch, features), found {shape_text(shape_of(value))}")
        verify_rows(map(rows_of, (*inputs, result)))
        if thresholds:
            verify_steps(thresholds.data, range_of(result), shape_of(result)[1])
            verify_reachable(thresholds.data, self.sums)
        elif not range_of(result).covers(self.sums):
            raise VerifyException(f"sums reach {self.sums}, the result has {range_of(result)}")


def _result(values: Sequence[SSAValue], count: int, span: Range) -> RowsTensor:
    return int_tensor((DYNAMIC_INDEX, count), span, rows_of(values[0]))


@irdl_op_definition
class CountOp(_Counted):
    """Weighted sums by counted searches: a line of weights for each output, with an entry for each input.

    `apv.count %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<-1, 1>> weights <{ +- }>`
    """

    name = "apv.count"
    inputs = var_operand_def(RowsTensor)
    result = result_def(RowsTensor)
    weights = prop_def(MatrixAttr)
    thresholds = opt_prop_def(ThresholdsAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `:` functional-type($inputs, $result) (`layer` $layer^)? `weights` $weights "
        "(`thresholds` $thresholds^)? attr-dict"
    )

    def __init__(
        self,
        values: Sequence[SSAValue],
        weights: IntMatrix,
        result: Range,
        thresholds: Thresholds | None = None,
        layer: StringAttr | None = None,
    ):
        super().__init__(
            operands=[values],
            result_types=[_result(values, weights.rows, result)],
            properties={
                "weights": MatrixAttr(weights),
                "thresholds": ThresholdsAttr(thresholds) if thresholds else None,
                "layer": layer,
            },
        )

    @property
    def sums(self) -> Range:
        spans = reach(self.weights.data.array, input_ranges(self.inputs))
        return Range(min(span.lo for span in spans), max(span.hi for span in spans))

    def verify_(self) -> None:
        weights, inputs, outputs = self.weights.data, input_ranges(self.inputs), shape_of(self.result)[1]
        if (weights.rows, weights.columns) != (outputs, len(inputs)):
            raise VerifyException(
                f"weights have {weights.columns} inputs and {weights.rows} outputs, the types say {len(inputs)} and "
                f"{outputs}"
            )
        if problem := linear_problem(weights.array, inputs):
            raise VerifyException(problem)
        self._verify(self.inputs, self.result, self.thresholds)


@irdl_op_definition
class AccumulateOp(_Counted):
    """Sums, differences and greatest ones of inputs, in accumulators.

    `apv.accumulate %x : (tensor<?x4x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> terms <{ take 0 add 2 }>`
    """

    name = "apv.accumulate"
    inputs = var_operand_def(RowsTensor)
    result = result_def(RowsTensor)
    terms = prop_def(TermsAttr)
    thresholds = opt_prop_def(ThresholdsAttr)
    layer = opt_prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = (
        "$inputs `:` functional-type($inputs, $result) (`layer` $layer^)? `terms` $terms "
        "(`thresholds` $thresholds^)? attr-dict"
    )

    def __init__(
        self,
        values: Sequence[SSAValue],
        outputs: int,
        terms: Terms,
        result: Range,
        thresholds: Thresholds | None = None,
        layer: StringAttr | None = None,
    ):
        super().__init__(
            operands=[values],
            result_types=[_result(values, outputs, result)],
            properties={
                "terms": TermsAttr(terms),
                "thresholds": ThresholdsAttr(thresholds) if thresholds else None,
                "layer": layer,
            },
        )

    @property
    def sums(self) -> Range:
        return self.terms.data.reach(input_ranges(self.inputs), shape_of(self.result)[1])

    def verify_(self) -> None:
        inputs = sum(shape_of(value)[1] for value in self.inputs)
        if problem := self.terms.data.problem(shape_of(self.result)[1], inputs):
            raise VerifyException(problem)
        self._verify(self.inputs, self.result, self.thresholds)
